"""An operator fails or completes an activity of a send with Temporal's own commands: the send asks again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from qunfa.contract.batches import PLAN_AUDIENCE
from qunfa.contract.notice import DELIVER_NOTICE, NOTICE_UNDELIVERED
from qunfa.contract.steps import AWAIT_VERDICT, INSPECT, SUBMIT, TELL, WISH
from tests.notices.webhook import Receiver
from tests.workflows.conftest import Desk, Recorder, running, usual_facts
from tests.workflows.failures import cause_of, failure_of, refusal_of
from tests.workflows.model import Scripted, accepts, loses, untold
from tests.workflows.model_material import NEWS
from tests.workflows.noticing import delivery, noticing

pytestmark = pytest.mark.long


@dataclass
class Hand(Interceptor):
    """Fails the activities in `fails`, each by its name and none twice in a row, and completes those in `completes`."""

    fails: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    completes: dict[str, Any] = field(default_factory=dict)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Handled(next, self)


class _Handled(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, hand: Hand) -> None:  # noqa: A002  Temporal's own name
        super().__init__(next)
        self._hand = hand

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002  Temporal's own name
        name = activity.info().activity_type
        if name in self._hand.fails and name not in self._hand.failed:
            self._hand.fails.remove(name)
            self._hand.failed.add(name)
            raise ApplicationError("tidied up", non_retryable=True)
        self._hand.failed.discard(name)
        returned = await super().execute_activity(input)
        return self._hand.completes.pop(name) if name in self._hand.completes else returned


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest_asyncio.fixture(loop_scope="session")
async def desk(env: WorkflowEnvironment, hand: Hand, recorded: Recorder) -> AsyncIterator[Desk]:
    async with running(env, usual_facts(), interceptors=[hand]) as found:
        yield found
        await recorded(found)


@pytest.mark.history
async def test_what_the_ledger_was_asked_is_asked_again(desk: Desk, hand: Hand) -> None:
    """What it knows, the leases of two tries, whose the msg_id is, and what it is told: sent, as if nothing were."""
    hand.fails = [WISH, WISH, WISH, TELL]
    desk.wechat.script = [untold(loses)]
    result = await (await desk.start()).result()
    assert (result.outcome, result.jobs[0].deduplicated, hand.fails) == ("sent", True, [])
    [record] = (await desk.ledger()).records
    assert record.ended_as == "sent"


@pytest.mark.history
async def test_a_verdict_is_asked_for_again(desk: Desk, hand: Hand) -> None:
    """The push never comes, and somebody ends the asking: it begins anew, since nobody else would hear of it."""
    hand.fails = [AWAIT_VERDICT]
    desk.wechat.push_at_once = None
    handle = await desk.start()
    desk.wechat.statuses[await desk.accepted(handle)] = "SEND_SUCCESS"
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by, hand.fails) == ("sent", "poll", [])


async def test_a_last_word_that_is_not_awaited_is_a_doubt(desk: Desk, hand: Hand) -> None:
    """`mass/get` says SENDING of what a push called failed, and the asking is ended: nobody can be sure."""
    hand.fails, desk.wechat.push_at_once = [AWAIT_VERDICT], None
    handle = await desk.start(on_problem="fail")
    msg_id = await desk.accepted(handle)
    desk.wechat.statuses[msg_id] = "SENDING"
    await desk.wechat.push(msg_id, "err(30001)")
    end = await failure_of(handle)
    assert (end.outcome, end.may_have_been_delivered, hand.fails) == ("unknown", True, [])


async def test_what_was_completed_without_its_answer_is_asked_again(desk: Desk, hand: Hand) -> None:
    """As if it had failed. Temporal's SDK would fail each workflow task that has to read it."""
    file = {"kind": "openid_file", "uri": "file:/srv/lists/spring.txt"}
    typed: tuple[Any, ...] = (None, "done", {})
    for number, value in enumerate(typed):
        hand.completes = {PLAN_AUDIENCE: value, WISH: value, AWAIT_VERDICT: value}
        desk.wechat.push_at_once = "send success"
        assert (await (await desk.start(f"list-{number}", audience=file)).result()).outcome == "sent"
        assert set(hand.completes) == {AWAIT_VERDICT}
        desk.wechat.push_at_once = None
        handle = await desk.start(f"send-{number}")
        desk.wechat.statuses[await desk.accepted(handle)] = "SEND_SUCCESS"
        result = await handle.result()
        assert (result.outcome, result.jobs[0].observed_by, hand.completes) == ("sent", "poll", {})


@pytest.mark.parametrize(
    ("completes", "script", "deduplicated"),
    [
        ({TELL: "done"}, untold(accepts), False),
        ({SUBMIT: None}, untold(accepts), True),
        ({SUBMIT: "done"}, untold(accepts), True),
        ({SUBMIT: {"kind": "accepted"}}, untold(accepts), True),
        ({SUBMIT: "done"}, accepts, False),
    ],
    ids=["a note", "a try with nothing", "a try with text", "a try with half an answer", "a try that was told"],
)
async def test_what_is_completed_by_hand_holds_up_no_send(
    desk: Desk, hand: Hand, completes: dict[str, Any], script: Scripted, *, deduplicated: bool
) -> None:
    """Nobody needs the value of a note. A try with a value that is no answer is lost: its clientmsgid finds out.

    Where its worker had told the ledger before, the send learns of it there, and makes no other try.
    """
    hand.completes, desk.wechat.script = dict(completes), [script]
    result = await (await desk.start()).result()
    assert (result.outcome, result.jobs[0].deduplicated, hand.completes) == ("sent", deduplicated, {})
    assert len(desk.wechat.tries) == 1 + deduplicated


@pytest.mark.parametrize("typed", ["done", {}])
async def test_a_look_at_material_ended_by_hand_is_a_failure(desk: Desk, hand: Hand, typed: Any) -> None:
    """As of material that could not be looked at: an empty object is no message without files."""
    hand.completes = {INSPECT: typed}
    assert "completed inspect with something else" in await refusal_of(await desk.start(message=NEWS))


@pytest.mark.parametrize("typed", ["done", {}])
async def test_a_notice_completed_by_hand_has_not_been_told(
    env: WorkflowEnvironment, receiver: Receiver, hand: Hand, typed: Any
) -> None:
    """It ends, and says so: nothing else would be rid of it."""
    hand.completes = {DELIVER_NOTICE: typed}
    async with noticing(env, usual_facts(), receiver, "oncall", interceptors=[hand]) as desk:
        await (await desk.start()).result()
        [post] = await receiver.came("sent")
        why = (await cause_of(delivery(desk, post), NOTICE_UNDELIVERED)).message
    assert "completed deliver_notice with something else than its answer" in why
