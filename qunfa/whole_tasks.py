"""A run goes on by whole workflow tasks: what a query has brought it before its task is forgotten.

A query that a worker takes without the run in its memory comes with the whole history, up to what has happened since
the last workflow task that has ended. Temporal's SDK (1.35) lets the run go on with that as well: ahead of the task
that is to bring it, at the time of another, and without the updates in it. It keeps what the run made of it, and the
task then goes on from there. A replay has all that the task brings at once, updates first, and can come to something
else: such a run stands still for good. Where the history ends with a task that is under way, its updates are lost.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

QUERY_OF_ITS_OWN: Final = "legacy_query"
"""The id of a query that comes in a task of its own, and not with a workflow task."""

Forget = Callable[[str], None]
"""Has the worker throw a run out of its memory once its query is answered; takes the run's id."""


@dataclass(frozen=True)
class WholeTasks(SandboxedWorkflowRunner):
    """Runs workflows as Temporal's sandbox does, but has those forgotten that a query may have led too far.

    Where nothing has come since, it is not to be seen whether a query has brought the last events, or a workflow task.
    A run is forgotten then, too: that costs it a replay. Where its next task and another query wait just then, the task
    is lost, and comes again after ten seconds.
    """

    forget: Forget = field(kw_only=True)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A run in the memory of its worker."""
        return WholeRun(super().create_instance(det), self.forget)


class _Step(NamedTuple):
    """With what the run went on: whether for the first time, how many events it knew, and when its task began (ns)."""

    first: bool
    events: int
    began: int


class WholeRun(WorkflowInstance):
    """A run in the memory of its worker."""

    def __init__(self, run: WorkflowInstance, forget: Forget) -> None:
        self._run, self._forget = run, forget
        self._last: _Step | None = None

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """As the run has it."""
        kinds = {job.WhichOneof("variant") for job in act.jobs}
        if "query_workflow" in kinds:
            if self._may_be_too_far(act):
                self._forget(act.run_id)
        elif "remove_from_cache" not in kinds:
            self._last = _Step(not act.is_replaying, act.history_length, act.timestamp.ToNanoseconds())
        return self._run.activate(act)

    def _may_be_too_far(self, act: WorkflowActivation) -> bool:
        if self._last is None or all(job.query_workflow.query_id != QUERY_OF_ITS_OWN for job in act.jobs):
            return False
        goes_on = self._last.first and self._last.events == act.history_length
        return goes_on or self._last.began != act.timestamp.ToNanoseconds()

    def get_serialization_context(self, command_info: Any) -> Any:
        """As the run has it."""
        return self._run.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        """As the run has it."""
        return self._run.get_external_store_context(command_info)

    def get_info(self) -> Any:
        """As the run has it."""
        return self._run.get_info()

    def get_thread_id(self) -> int | None:
        """As the run has it."""
        return self._run.get_thread_id()
