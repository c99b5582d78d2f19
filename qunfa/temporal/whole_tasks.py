"""A run goes on by whole workflow tasks: what a query has brought it before its task is forgotten.

A query that a worker takes without the run in its memory comes with the whole history, up to what has happened since
the last workflow task that has ended. Temporal's SDK (1.35) lets the run go on with that as well: ahead of the task
that is to bring it, at the time of another, and without the updates in it. It keeps what the run made of it, and the
task then goes on from there. A replay has all that the task brings at once, updates first, and can come to something
else: such a run stands still for good. Where the history ends with a task that is under way, its updates are lost.

So a run that a query has led too far is forgotten. A task that finds such a run all the same fails: Temporal gives it
out again, and the run is made anew from its history.

The SDK also has a run take the signals and updates of a task, and act by them, before it hears of a cancellation in the
same task. So a send would go out that was cancelled before it got its turn. Each task tells the run of that beforehand.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import StorageDriverStoreContext
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.workflow import _Definition as Definition

from qunfa.contract.steps import BEING_CANCELLED

QUERY_OF_ITS_OWN: Final = "legacy_query"
"""The id of a query that comes in a task of its own, and not with a workflow task."""
SUSPECT_SECONDS: Final = 30.0
"""How long no query of a run is trusted that one has led too far: three times as long as a workflow task may take."""

_TO_THE_NEXT: Final = 3
"""So many events a task is after the one before, at least: that has ended, and this one was scheduled and begun."""

Forget = Callable[[str], None]
"""Has the worker throw a run out of its memory once its query is answered; takes the run's id."""


class _Step(NamedTuple):
    """With what the run went on: whether for the first time, how many events it knew, and when its task began (ns)."""

    first: bool
    events: int
    began: int

    def goes_further(self, last: "_Step") -> bool:
        """More events at the same time: a query brings them, or a task that began before the last one by its clock."""
        return last.events < self.events and last.began == self.began

    def comes_after(self, wrote: "_Step") -> bool:
        """Whether this may be the task in which the run wrote, or another one, before which the history has its end."""
        return self.events == wrote.events or self.events >= wrote.events + _TO_THE_NEXT

    def is_same(self, last: "_Step") -> bool:
        """The task that the run has begun already."""
        return self == last and self.first


@dataclass(frozen=True, kw_only=True)
class WholeTasks(WorkflowRunner):
    """Has those runs forgotten that a query has led too far.

    Forgetting has a price: where the run's next task and another query wait just then, the SDK loses the task, and
    Temporal gives it out again ten seconds later. The other query may then lead the run into that very task, which is
    not to be seen: until it has come, the run is forgotten after each query that may have.

    Args:
        forget: of the worker.
        inner: what runs the workflows: without Temporal's sandbox, which took two fifths of a worker's time. A
            history of each kind is replayed in it by the tests, and the import table keeps I/O out of the workflows.
        suspects: until when (seconds, `time.monotonic`) the queries of which runs are not trusted.
    """

    forget: Forget
    inner: WorkflowRunner = field(default_factory=UnsandboxedWorkflowRunner)
    suspects: dict[str, float] = field(default_factory=dict)

    def prepare_workflow(self, defn: Definition) -> None:
        self.inner.prepare_workflow(defn)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        self.inner.set_worker_level_failure_exception_types(types)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A run in the memory of its worker."""
        return WholeRun(self.inner.create_instance(det), self)

    def suspect(self, run_id: str) -> None:
        """Trust no query of the run for a while."""
        now = time.monotonic()
        for other in [one for one, until in list(self.suspects.items()) if until < now]:
            self.suspects.pop(other, None)
        self.suspects[run_id] = now + SUSPECT_SECONDS

    def suspects_run(self, run_id: str) -> bool:
        """Whether that while is not over."""
        return time.monotonic() < self.suspects.get(run_id, 0.0)


class WholeRun(WorkflowInstance):
    """A run in the memory of its worker."""

    def __init__(self, run: WorkflowInstance, runner: WholeTasks) -> None:
        self._run, self._runner = run, runner
        self._last: _Step | None = None
        self._wrote: _Step | None = None
        self._went_further = self._is_ahead = False

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        kinds = {job.WhichOneof("variant") for job in act.jobs}
        if "query_workflow" in kinds:
            self._is_ahead |= self._went_further and _is_of_its_own(act)
            if self._may_be_too_far(act):
                self._runner.forget(act.run_id)
        elif "remove_from_cache" not in kinds and not self._goes_on(act, has_updates="do_update" in kinds):
            self._runner.suspect(act.run_id)
            return _again(act.run_id)
        setattr(self._run, BEING_CANCELLED, "cancel_workflow" in kinds)
        said = self._run.activate(act)
        if any(map(_makes_an_event, said.successful.commands)):
            self._wrote = self._last
        return said

    def _goes_on(self, act: WorkflowActivation, *, has_updates: bool) -> bool:
        """Whether the run may: a query has not led it here before the updates of this task came."""
        step = _Step(not act.is_replaying, act.history_length, act.timestamp.ToNanoseconds())
        last, self._last = self._last, step
        if last is None:
            return True
        self._went_further = step.goes_further(last)
        if self._went_further:
            self._runner.suspect(act.run_id)
        if step.began == last.began:
            return not (has_updates and step.is_same(last))
        return not self._is_ahead and (self._wrote is None or step.comes_after(self._wrote))

    def _may_be_too_far(self, act: WorkflowActivation) -> bool:
        last = self._last
        if last is None or not _is_of_its_own(act) or not self._runner.suspects_run(act.run_id):
            return False
        return (last.first and last.events == act.history_length) or last.began != act.timestamp.ToNanoseconds()

    def get_serialization_context(self, command_info: Any) -> None:
        """None: Qunfa's converter has no use for it, and the sandbox would have to be asked for each payload."""

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:  # noqa: ARG002  as above
        """An empty one: nothing is stored elsewhere."""
        return StorageDriverStoreContext()

    def get_info(self) -> Any:
        return self._run.get_info()

    def get_thread_id(self) -> int | None:
        return self._run.get_thread_id()


def _is_of_its_own(act: WorkflowActivation) -> bool:
    return any(job.query_workflow.query_id == QUERY_OF_ITS_OWN for job in act.jobs)


def _again(run_id: str) -> WorkflowActivationCompletion:
    """The task fails, and comes again with the run's whole history."""
    said = WorkflowActivationCompletion(run_id=run_id)
    said.failed.failure.message = "a query has run this workflow ahead of its task: it is run anew from its history"
    return said


def _makes_an_event(command: WorkflowCommand) -> bool:
    """A task that only refuses updates may leave nothing in the history, and the answer to a query leaves nothing."""
    if command.HasField("update_response"):
        return not command.update_response.HasField("rejected")
    return not command.HasField("respond_to_query")
