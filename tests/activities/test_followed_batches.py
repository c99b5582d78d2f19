"""What a list hears of a batch that it follows: at each attempt, how that stands."""

from itertools import chain, repeat
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.batches import Batches
from qunfa.contract.batches import BATCH_PROBLEM, BatchSaid, FollowBatchStep
from qunfa.contract.operators import Status, WaitingFor
from qunfa.contract.result import Job
from qunfa.rules.problems import describe
from tests.activities.conftest import NOON, activity_info

STEP = FollowBatchStep(workflow_id="mass-send:demo:key.1", number=1, plan="d")
PROBLEM = describe("send_failed", Job(clientmsgid="c"))
UNDER_WAY = Status(phase="submitting", updated_at=NOON)
PAUSED = UNDER_WAY.model_copy(update={"phase": "paused", "list_paused_by": "li"})
ASKS = UNDER_WAY.model_copy(update={"phase": "needs_operator", "problem": PROBLEM, "answers": ("retry",)})


class Following(Batches):
    """Attempts to follow one batch that stays under way; `heard` is what its list has heard."""

    def __init__(self) -> None:
        self.handle: Any = Mock(id=STEP.workflow_id, query=AsyncMock(), result=AsyncMock(side_effect=TimeoutError))
        self.handle.signal = AsyncMock()
        self.holds(None)
        client: Any = Mock(Client, get_workflow_handle=Mock(return_value=self.handle))
        super().__init__(client)
        self._details: list[Any] = []

    async def _newest(self, _workflow_id: str) -> Any:
        return self.handle

    async def _is_of(self, _step: FollowBatchStep, _run_id: str | None) -> bool:
        return True

    async def _status(self, _handle: Any) -> WorkflowExecutionStatus | None:
        return WorkflowExecutionStatus.RUNNING

    async def attempt(self, *statuses: Status | RPCError) -> BatchSaid | None:
        """What the list hears last in one attempt, which knows what the heartbeats of those before have told.

        The batch stands so each time that it is looked at, and stays as it stood last.
        """
        self.handle.query.side_effect = chain(statuses, repeat(statuses[-1]))
        self.handle.signal.reset_mock()
        environment = ActivityEnvironment()
        environment.info = activity_info(heartbeat_details=self._details)
        environment.on_heartbeat = self._beats
        self._details = []
        with pytest.raises(ApplicationError, match="is still under way"):
            await environment.run(self.follow_batch, STEP)
        if not self.handle.signal.await_args:
            return None
        name, said = self.handle.signal.await_args.args
        assert (name, type(said)) == (BATCH_PROBLEM, BatchSaid)
        heard: BatchSaid = said
        return heard

    def holds(self, problem: str | None) -> None:
        """The batch is found by this."""
        found = Mock(typed_search_attributes=Mock(get=Mock(return_value=problem)))
        self.handle.describe = AsyncMock(return_value=found)

    def _beats(self, *details: Any) -> None:
        self._details = list(details)


SILENT = RPCError("away", RPCStatusCode.UNAVAILABLE, b"")


async def test_a_list_hears_once_who_had_paused_it() -> None:
    """Its batch knows of it since an earlier run. An attempt that told nothing is none."""
    following, first = Following(), BatchSaid(number=1, paused_by="li")
    assert await following.attempt(SILENT) is None
    following.handle.signal.side_effect = [SILENT]
    assert await following.attempt(PAUSED) == first
    following.handle.signal.side_effect = None
    assert await following.attempt(PAUSED) == first
    assert await following.attempt(SILENT) is None
    assert await following.attempt(PAUSED) == BatchSaid(number=1)


def under_way(**more: Any) -> Status:
    return UNDER_WAY.model_copy(update=more)


def waits(reason: str) -> Status:
    return under_way(phase="scheduled", waiting_for=WaitingFor(reason=reason, until=NOON))


NOTHING = BatchSaid(number=1)
ASKED = BatchSaid(number=1, problem=PROBLEM, answers=("retry",))
HEARD: dict[str, list[tuple[tuple[Status | RPCError, ...], BatchSaid]]] = {
    "who has paused it by its key resumes it so": [((under_way(phase="paused", paused_by="li"),), NOTHING)],
    "it was paused later by its list": [((UNDER_WAY,), NOTHING), ((PAUSED,), NOTHING)],
    "it asks no more and may not have said so": [((ASKS,), ASKED), ((ASKS,), ASKED), ((UNDER_WAY,), NOTHING)],
    "it asks meanwhile": [((UNDER_WAY, ASKS), ASKED), ((ASKS, UNDER_WAY, SILENT), NOTHING), ((PAUSED, ASKS), ASKED)],
    "its hours begin at noon": [((waits("the account's send_hours"),), BatchSaid(number=1, opens=NOON))],
    "its own time is known to its list": [((waits("send_at"),), NOTHING)],
}


@pytest.mark.parametrize("how", HEARD)
async def test_a_list_hears_how_its_batch_stands(how: str) -> None:
    """At the end of each attempt: what the batch asks, and for which hours it waits; of no pause by another."""
    following = Following()
    for statuses, said in HEARD[how]:
        assert await following.attempt(*statuses) == said


async def test_a_list_hears_what_holds_back_a_batch_in_doubt() -> None:
    """Its repeat waits for the quota, and what may be out is never called scheduled."""
    following = Following()
    following.holds("quota_exhausted")
    assert await following.attempt(UNDER_WAY) == BatchSaid(number=1, held="quota_exhausted")
    held = BatchSaid(number=1, held="quota_exhausted", opens=NOON)
    assert await following.attempt(waits("the next quota window in Asia/Shanghai: 45028")) == held
    following.holds("send_failed")
    assert await following.attempt(UNDER_WAY) == BatchSaid(number=1)
