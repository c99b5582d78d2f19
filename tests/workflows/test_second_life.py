"""A send that begins again later, and one that is aborted or cancelled, in every phase of its life."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import CancelledError

from qunfa.contract.ids import account_id
from qunfa.rules.problems import PROBLEMS
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import loses, says
from tests.workflows.questions import ANOTHERS, KINDS, NEVER_ASKED, OPEN, asking

pytestmark = pytest.mark.long

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
Handle = WorkflowHandle[Any, Any]


async def killed_in_doubt(desk: Desk, key: str) -> None:
    """A send that is terminated when its first try has been accepted, and the answer lost."""
    desk.wechat.script = [loses]
    handle = await desk.start(key)
    await desk.until(handle, lambda status: bool(status.jobs and status.jobs[0].state == "unknown"))
    await handle.terminate("killed")


@pytest.mark.history
async def test_a_send_in_doubt_is_not_submitted_a_day_or_a_week_later(desk: Desk) -> None:
    """WeChat's memory of the clientmsgid is over, so a repeat could be a second delivery: a person is asked."""
    settled = await (await desk.start("settled")).result()
    await killed_in_doubt(desk, "day")
    await killed_in_doubt(desk, "week")
    desk.wechat.script = []
    for key, days in (("day", 1), ("week", 6)):
        await desk.env.sleep(days * DAY)
        handle = await desk.start(key)
        status = await desk.asks(handle, "unknown_outcome")
        assert status.answers == ("retry", "mark_sent", "abort")
        await desk.update(handle, "abort")
        assert (await failure_of(handle)).may_have_been_delivered
    again = await (await desk.start("settled")).result()
    assert (again.outcome, again.jobs[0].msg_id) == ("sent", settled.jobs[0].msg_id)
    assert [step.key for step in desk.wechat.tries] == ["settled", "day", "week"]


async def test_an_accepted_send_is_asked_after_a_week_later(desk: Desk) -> None:
    """Its verdict never came: the next life asks `mass/get`, and submits nothing."""
    desk.wechat.push_at_once = None
    first = await desk.start()
    status = await desk.until(first, lambda status: status.phase == "awaiting_result")
    await first.terminate("killed")
    await desk.env.sleep(7 * DAY)
    assert status.jobs[0].msg_id is not None
    desk.wechat.statuses[status.jobs[0].msg_id] = "SEND_SUCCESS"
    result = await (await desk.start()).result()
    assert (result.outcome, result.jobs[0].observed_by, len(desk.wechat.tries)) == ("sent", "poll", 1)


def test_every_problem_is_asked_about() -> None:
    """A new problem fails this until it is known how it comes about, or why nobody is asked about it."""
    assert set(KINDS) == set(PROBLEMS) - set(NEVER_ASKED)
    assert set(NEVER_ASKED) <= set(PROBLEMS)


@pytest.fixture
async def asked_desk(desk: Desk) -> Desk:
    """A desk whose account asks where a quota is used up, and soon; its WeChat has a job of another key."""
    timing = desk.wechat.facts.timing.model_copy(update={"window": HOUR})
    desk.wechat.facts = desk.wechat.facts.model_copy(update={"quota": "ask", "timing": timing})
    desk.wechat.script = [lambda wechat, _step: wechat.answered("accepted", msg_id=ANOTHERS)]
    await (await desk.start("another")).result()
    return desk


async def test_every_question_can_be_answered_by_abort(asked_desk: Desk, subtests: pytest.Subtests) -> None:
    """It ends as aborted where nothing was delivered, as unknown where that is open; never with a further try."""
    for problem in KINDS:
        with subtests.test(problem=problem):
            handle = await asking(asked_desk, problem)
            tries = len(asked_desk.wechat.tries)
            await asked_desk.update(handle, "abort")
            result = await failure_of(handle)
            open_end = problem in OPEN
            assert (result.outcome, result.may_have_been_delivered) == ("unknown" if open_end else "aborted", open_end)
            assert len(asked_desk.wechat.tries) == tries


async def test_a_question_is_ended_by_a_cancellation_unless_it_is_open(
    asked_desk: Desk, subtests: pytest.Subtests
) -> None:
    """Cancelled where nothing was delivered; else it is noted, and the question stays."""
    for problem in KINDS:
        with subtests.test(problem=problem):
            handle = await asking(asked_desk, problem)
            tries = len(asked_desk.wechat.tries)
            await handle.cancel()
            if problem in OPEN:
                await asked_desk.seen(handle, "cancellation noted")
                await asked_desk.asks(handle, problem)
                await asked_desk.update(handle, "abort")
                assert (await failure_of(handle)).outcome == "unknown"
            else:
                await cancelled(handle)
            assert len(asked_desk.wechat.tries) == tries


async def test_a_key_that_a_lost_ledger_knows_otherwise_ends_the_send(desk: Desk) -> None:
    """Nothing is submitted, and nobody is asked: no answer could make the key free."""
    tomorrow = await desk.env.get_current_time() + DAY
    handle = await desk.start(send_at=tomorrow.isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    await desk.env.client.get_workflow_handle(account_id(desk.wechat.facts.appid)).terminate("lost")
    desk.slow.says = "reused"
    result = await failure_of(handle)
    assert (result.outcome, result.problem and result.problem.name) == ("failed", "key_reused")
    assert (result.may_have_been_delivered, desk.wechat.tries) == (False, [])


async def cancelled(handle: Handle) -> None:
    """The send must have ended as Cancelled."""
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)


async def abort(handle: Handle) -> None:
    """An operator's abort."""
    await handle.execute_update("abort", {"by": "li", "reason": "a test"})


async def cancel(handle: Handle) -> None:
    """Temporal's cancellation."""
    await handle.cancel()


async def aborted(handle: Handle) -> None:
    """The send must have ended as aborted, with nothing delivered."""
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("aborted", False)
    assert all(job.msg_id is None for job in result.jobs)


WAYS = [(abort, aborted), (cancel, cancelled)]
Way = Callable[[Handle], Awaitable[None]]


@pytest.mark.parametrize(("end", "ended"), WAYS)
@pytest.mark.parametrize("moment", ["before_wish", "after_wish"])
async def test_a_send_is_ended_while_the_ledger_is_asked(desk: Desk, moment: str, end: Way, ended: Way) -> None:
    """The key is being claimed, or a lease is on its way: no try is made, and the lease comes back."""
    at = await desk.env.get_current_time() + timedelta(minutes=1)
    meanwhile = asyncio.Event()
    handles: list[Handle] = []

    async def intervene(_step: Any) -> None:
        setattr(desk.slow, moment, None)
        await meanwhile.wait()
        await end(handles[0])

    setattr(desk.slow, moment, intervene)
    handles.append(await desk.start(send_at=at.isoformat()))
    meanwhile.set()
    await ended(handles[0])
    assert desk.wechat.tries == []
    assert (await desk.ledger()).lease is None


@pytest.mark.parametrize(
    ("end", "ended"), [pytest.param(abort, aborted, marks=pytest.mark.history), (cancel, cancelled)]
)
async def test_a_send_is_ended_while_another_one_holds_the_lease(desk: Desk, end: Way, ended: Way) -> None:
    """It waits for its turn, or for an unfreeze: both waits end at once."""
    await (await desk.start("other")).result()
    await desk.freeze()
    handle = await desk.start()
    await desk.until(handle, lambda status: bool(status.waiting_for and "frozen" in status.waiting_for.reason))
    await end(handle)
    await ended(handle)
    assert [step.key for step in desk.wechat.tries] == ["other"]


@pytest.mark.parametrize(
    "phase",
    [
        pytest.param("between tries", marks=pytest.mark.history),
        "awaiting the push",
        "asking mass/get",
        "awaiting the reason",
    ],
)
async def test_what_may_have_been_delivered_goes_on(desk: Desk, phase: str) -> None:
    """Abort is refused and a cancellation noted, wherever the send stands after a try; then WeChat's word ends it."""
    desk.wechat.push_at_once = None
    desk.wechat.script = [loses, *[says(45028)] * 4] if phase == "between tries" else []
    reason = {
        "between tries": "the next try",
        "awaiting the push": "WeChat's push",
        "asking mass/get": "asking mass/get as well",
        "awaiting the reason": "the push that says why",
    }[phase]
    handle = await desk.start()
    if phase == "awaiting the reason":
        status = await desk.until(handle, lambda status: status.phase == "awaiting_result")
        assert status.jobs[0].msg_id is not None
        desk.wechat.statuses[status.jobs[0].msg_id] = "SEND_FAIL"
    await desk.until(handle, lambda status: bool(status.waiting_for and reason in status.waiting_for.reason))
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await desk.update(handle, "abort")
    assert "recall it" in str(caught.value.cause)
    await handle.cancel()
    await desk.seen(handle, "cancellation noted")
    desk.wechat.push_at_once = "send success"
    [msg_id] = desk.wechat.accepted.values()
    await desk.wechat.push(msg_id)
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.accepted) == 1
