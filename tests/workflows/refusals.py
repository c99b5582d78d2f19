"""Updates that are refused in a workflow task, whatever else happens in it: they must change nothing of it.

A refused update is in no history, so a replay does without. What a workflow made of it would be lost with its memory.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import pytest
from temporalio.bridge.proto.workflow_activation import (
    QueryWorkflow,
    RemoveFromCache,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.common import TypedSearchAttributes
from temporalio.worker import (
    Replayer,
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)

from qunfa.temporal.payloads import data_converter
from qunfa.temporal.whole_tasks import WholeTasks
from workflows.account import Account
from workflows.in_batches import MassSendInBatches
from workflows.mass_send import MassSend

UPDATES: Final = ("approve", "reject", "retry", "abort", "pause", "resume", "reschedule", "choose", "mark_sent")
"""Those of a send. Without a payload each is refused, wherever the send stands."""
_OURS: Final = "refused:"
_NO_TASK: Final = {"query_workflow", "remove_from_cache"}

Activate = Callable[[WorkflowActivation], WorkflowActivationCompletion]


def as_workers_do() -> WholeTasks:
    """Runs workflows as a worker does. No query comes that could lead a run too far."""
    return WholeTasks(forget=pytest.fail)


class Refusing(WorkflowRunner):
    """Runs workflows as usual, but that each task of theirs has updates in it that are refused."""

    def __init__(self) -> None:
        self._runner = as_workers_do()

    def prepare_workflow(self, defn: Any) -> None:
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return Passing(self._runner.create_instance(det), _with_refusals)


class Taping(Refusing):
    """Runs workflows as usual, and keeps the tasks that they were given."""

    def __init__(self) -> None:
        super().__init__()
        self.tapes: list[Tape] = []

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        self.tapes.append(Tape(_as_begun(det)))
        return Passing(self._runner.create_instance(det), self.tapes[-1].keep)


@dataclass
class Tape:
    """The tasks of a run, to be given to it once more, and otherwise."""

    details: WorkflowInstanceDetails
    tasks: list[WorkflowActivation] = field(default_factory=list)

    def keep(self, activate: Activate, task: WorkflowActivation) -> WorkflowActivationCompletion:
        if _is_task(task):
            self.tasks.append(_copy(task))
        return activate(task)

    async def late(self, number: int, delay: timedelta, *, refusing: bool) -> list[bytes]:
        """What the run makes of a task that a worker takes so much later, and what its status is then."""
        task = _copy(self.tasks[number])
        task.timestamp.FromNanoseconds(task.timestamp.ToNanoseconds() + delay // timedelta(microseconds=1) * 1000)
        instance = UnsandboxedWorkflowRunner().create_instance(_as_begun(self.details))
        # In a thread of its own, since a workflow leaves no event loop behind in the one that it ran in.
        return await asyncio.to_thread(_play, instance.activate, self.tasks[:number], task, refusing)


class Passing(WorkflowInstance):
    """A run whose tasks go `through` something else."""

    def __init__(
        self,
        instance: WorkflowInstance,
        through: Callable[[Activate, WorkflowActivation], WorkflowActivationCompletion],
    ) -> None:
        self._instance, self._through = instance, through

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return self._through(self._instance.activate, act)

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> Any:
        return self._instance.get_info()


async def replay(history: WorkflowHistory, runner: WorkflowRunner, namespace: str = "default") -> None:
    """Replay a run of a send or an account.

    Raises:
        NondeterminismError: it does something else than its history tells.
    """
    replayer = Replayer(
        workflows=[MassSend, MassSendInBatches, Account],
        workflow_runner=runner,
        namespace=namespace,
        data_converter=data_converter,
    )
    await replayer.replay_workflow(history)


def _as_begun(details: WorkflowInstanceDetails) -> WorkflowInstanceDetails:
    """For one run alone: what it is found by is noted in its information."""
    info = details.info
    typed = TypedSearchAttributes(list(info.typed_search_attributes.search_attributes))
    info = replace(info, search_attributes=dict(info.search_attributes), typed_search_attributes=typed)
    return replace(details, info=info)


def _play(
    activate: Activate, before: Sequence[WorkflowActivation], task: WorkflowActivation, refusing: bool
) -> list[bytes]:
    for one in before:
        activate(one)
    done = _with_refusals(activate, task) if refusing else activate(task)
    assert done.HasField("successful")
    query = QueryWorkflow(query_id="status", query_type="status")
    status = activate(_instead(task, WorkflowActivationJob(query_workflow=query)))
    activate(_instead(task, WorkflowActivationJob(remove_from_cache=RemoveFromCache())))
    return [answer.SerializeToString(deterministic=True) for answer in (done, status)]


def _with_refusals(activate: Activate, task: WorkflowActivation) -> WorkflowActivationCompletion:
    """Give the task with an update of each name in it, and keep to ourselves that they were refused."""
    if not _is_task(task):
        return activate(task)
    task = _copy(task)
    for name in UPDATES:
        update = task.jobs.add().do_update
        update.name, update.run_validator = name, True
        update.id = update.protocol_instance_id = f"{_OURS}{name}"
    done = activate(task)
    commands = list(done.successful.commands)
    others = [command for command in commands if not _is_refusal(command)]
    assert len(commands) - len(others) == len(UPDATES)
    del done.successful.commands[:]
    done.successful.commands.extend(others)
    return done


def _is_refusal(command: WorkflowCommand) -> bool:
    answer = command.update_response
    return answer.protocol_instance_id.startswith(_OURS) and answer.HasField("rejected")


def _is_task(task: WorkflowActivation) -> bool:
    return not any(job.WhichOneof("variant") in _NO_TASK for job in task.jobs)


def _copy(task: WorkflowActivation) -> WorkflowActivation:
    copy = WorkflowActivation()
    copy.CopyFrom(task)
    return copy


def _instead(task: WorkflowActivation, job: WorkflowActivationJob) -> WorkflowActivation:
    other = _copy(task)
    del other.jobs[:]
    other.jobs.append(job)
    return other
