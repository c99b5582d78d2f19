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

    async def _is_of(self, _step: FollowBatchStep) -> bool:
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


async def test_a_batch_that_is_paused_by_its_key_pauses_no_list() -> None:
    """Who has paused it resumes it by its own key, too, which would not resume the list."""
    by_its_key = UNDER_WAY.model_copy(update={"phase": "paused", "paused_by": "li"})
    assert await Following().attempt(by_its_key) == BatchSaid(number=1)


async def test_a_list_that_is_paused_later_is_not_told_of_it() -> None:
    """Its batch went on when the list began to follow it, and was told of the pause by that list."""
    following = Following()
    assert [await following.attempt(one) for one in (UNDER_WAY, PAUSED)] == [BatchSaid(number=1)] * 2


async def test_a_list_hears_that_nothing_is_asked_any_more() -> None:
    """The batch may have been unable to say so itself."""
    following, asks = Following(), BatchSaid(number=1, problem=PROBLEM, answers=("retry",))
    assert [await following.attempt(one) for one in (ASKS, ASKS, UNDER_WAY)] == [asks, asks, BatchSaid(number=1)]


async def test_a_list_hears_what_is_asked_meanwhile() -> None:
    """The batch has said so itself, before the attempt said how it stood."""
    following, asks = Following(), BatchSaid(number=1, problem=PROBLEM, answers=("retry",))
    assert await following.attempt(UNDER_WAY, ASKS) == asks
    assert await following.attempt(ASKS, UNDER_WAY, SILENT) == BatchSaid(number=1)
    assert await following.attempt(PAUSED, ASKS) == asks


async def test_a_list_hears_for_which_hours_its_batch_waits() -> None:
    """They begin at noon. For its own time a batch waits by what its list has told it."""
    following = Following()
    for reason, opens in (("the account's send_hours", NOON), ("send_at", None)):
        waits = {"phase": "scheduled", "waiting_for": WaitingFor(reason=reason, until=NOON)}
        assert await following.attempt(UNDER_WAY.model_copy(update=waits)) == BatchSaid(number=1, opens=opens)


async def test_a_list_hears_what_holds_back_a_batch_in_doubt() -> None:
    """Its repeat waits for the quota, and what may be out is never called scheduled."""
    following = Following()
    following.holds("quota_exhausted")
    assert await following.attempt(UNDER_WAY) == BatchSaid(number=1, held="quota_exhausted")
    following.holds("send_failed")
    assert await following.attempt(UNDER_WAY) == BatchSaid(number=1)
