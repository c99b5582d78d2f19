"""A run goes on by whole workflow tasks: what a query has brought it before its task is forgotten.

A query that a worker takes without the run in its memory comes with the whole history, up to what has happened since
the last workflow task that has ended. Temporal's SDK (1.35) lets the run go on with that as well: ahead of the task
that is to bring it, at the time of another, and without the updates in it. It keeps what the run made of it, and the
task then goes on from there. A replay has all that the task brings at once, updates first, and can come to something
else: such a run stands still for good. (Its task is lost at times besides, and comes again ten seconds later.)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

_QUERY_OF_ITS_OWN: Final = "legacy_query"
"""The id of a query that comes in a task of its own, and not with a workflow task."""

Forget = Callable[[str], None]
"""Has the worker throw a run out of its memory once its query is answered; takes the run's id."""


@dataclass(frozen=True)
class WholeTasks(SandboxedWorkflowRunner):
    """Runs workflows as Temporal's sandbox does, but has those forgotten that a query may have led too far.

    Where nothing has come since, it is not to be seen whether a query has brought the last events, or a workflow task:
    that costs such a run a replay.
    """

    forget: Forget = field(kw_only=True)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A run in the memory of its worker."""
        return _Run(super().create_instance(det), self.forget)


class _Run(WorkflowInstance):
    """`reached`: how many events the run has gone on with for the first time; none while all it did was a replay."""

    def __init__(self, run: WorkflowInstance, forget: Forget) -> None:
        self._run, self._forget = run, forget
        self._reached: int | None = None

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        kinds = {job.WhichOneof("variant") for job in act.jobs}
        if "query_workflow" in kinds:
            if self._may_be_too_far(act):
                self._forget(act.run_id)
        elif "remove_from_cache" not in kinds:
            self._reached = None if act.is_replaying else act.history_length
        return self._run.activate(act)

    def _may_be_too_far(self, act: WorkflowActivation) -> bool:
        own = any(job.query_workflow.query_id == _QUERY_OF_ITS_OWN for job in act.jobs)
        return own and act.history_length == self._reached

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._run.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._run.get_external_store_context(command_info)

    def get_info(self) -> Any:
        return self._run.get_info()

    def get_thread_id(self) -> int | None:
        return self._run.get_thread_id()
