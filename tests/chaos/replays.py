"""Whether a history replays. Temporal may give a workflow to a worker that is new to it, at any time."""

from collections.abc import Sequence
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from qunfa.contract.ids import parse_mass_send_id
from qunfa.temporal.payloads import data_converter
from qunfa.temporal.whole_tasks import WholeTasks
from tests.chaos.evidence import Listed
from tests.chaos.judge import Violation
from worker import WORKFLOWS

_SAID_MAX: Final = 200


def replayer(namespace: str) -> Replayer:
    """One that takes the time it needs: no replay is a deadlock because the machine is slow.

    When a send does what follows from its clientmsgid as well, and that from the ``namespace``.
    """
    return Replayer(
        workflows=WORKFLOWS,
        workflow_runner=WholeTasks(forget=lambda _run_id: None),
        data_converter=data_converter,
        namespace=namespace,
        debug_mode=True,
    )


async def judge_replay(one: Listed, events: Sequence[HistoryEvent], by: Replayer) -> list[Violation]:
    """What does not replay is nothing that a new worker can go on with: it would stand still."""
    if all(event.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED for event in events):
        return []
    result = await by.replay_workflow(WorkflowHistory(one.workflow_id, events), raise_on_replay_failure=False)
    if result.replay_failure is None:
        return []
    named = parse_mass_send_id(one.workflow_id)
    sentence = f"run {one.run_id} of {one.workflow_id} does not replay: {str(result.replay_failure)[:_SAID_MAX]}"
    return [Violation("open", named.key if named else None, sentence)]
