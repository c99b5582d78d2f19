"""Unknown is not no: nobody's word but WeChat's yes settles a try that may have reached it, and no operator can."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from qunfa.contract.status import Status
from qunfa.rules.codes import CodeClass, return_code
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import Scripted, loses, says, silent
from tests.workflows.test_problems import refused

ONE_OF_EACH = (
    *(9500001, 45066, 424242, 89504, 89505, 42001, 45011, 45009, 45040, 46007),
    *(40007, 50002, 40164, 47001, 40152, 45166, 45001),
)
"""Return codes: one or more of every class, and of every problem that a definite no is."""
ANSWERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("retry", {}),
    ("retry", {"confirm_not_delivered": True}),
    ("mark_sent", {"msg_id": 3_000_000_001}),
    ("abort", {}),
)


def code(errcode: int) -> Scripted:
    """WeChat answers with this code."""
    return says(errcode, "refused" if return_code(errcode).definite_no else "unknown")


async def between_tries(desk: Desk, handle: WorkflowHandle[Any, Any], tries: int) -> Status:
    """The status while the send waits after so many tries."""
    return await desk.until(handle, lambda status: len(desk.wechat.tries) >= tries and status.waiting_for is not None)


def test_the_codes_are_of_every_class() -> None:
    """But for 45065, which is a yes."""
    classes = {return_code(errcode).code_class for errcode in ONE_OF_EACH}
    assert classes == set(CodeClass) - {CodeClass.DUPLICATE}
    problems = {return_code(errcode).problem for errcode in ONE_OF_EACH}
    assert len(problems - {None}) == 7


@pytest.mark.parametrize("errcode", ONE_OF_EACH)
@pytest.mark.parametrize("first", [loses, code(-1)], ids=["lost", "-1"])
async def test_no_code_settles_an_unknown_try(desk: Desk, first: Scripted, errcode: int) -> None:
    """Whatever WeChat answers next, the job stays unknown, nobody is asked, no answer fits, and 45065 settles it."""
    desk.wechat.script = [first, code(errcode)]
    handle = await desk.start()
    status = await between_tries(desk, handle, 2)
    assert (status.jobs[0].state, status.problem, status.answers) == ("unknown", None, ())
    for name, payload in ANSWERS:
        assert " " in await refused(desk, handle, name, **payload)
    result = await handle.result()
    assert (result.outcome, len(result.jobs), len(desk.wechat.accepted)) == ("sent", 1, 1)
    assert len({step.clientmsgid for step in desk.wechat.tries}) == 1


@pytest.mark.parametrize("errcode", [-1, 48001])
async def test_the_last_word_after_an_unknown_try_names_no_problem(desk: Desk, errcode: int) -> None:
    """When the window is over it is the unknown outcome that is asked about, with the last word as evidence."""
    desk.wechat.script = [silent, *[code(errcode)] * 60]
    handle = await desk.start()
    status = await desk.asks(handle, "unknown_outcome")
    assert status.problem is not None
    assert (status.problem.errcode, str(errcode) in status.problem.sentence) == (errcode, True)
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered, result.jobs[0].state) == ("unknown", True, "unknown")


# A no that WeChat takes back: a polled SEND_FAIL, a forged push


async def awaiting(desk: Desk, said: str, by: str, **more: Any) -> tuple[WorkflowHandle[Any, Any], int]:
    """A send whose job was accepted, and of which a no is told by a push or a poll, and its msg_id."""
    desk.wechat.push_at_once = said if by == "push" else None
    handle = await desk.start(**more)
    status = await desk.until(handle, lambda status: bool(status.jobs and status.jobs[0].msg_id))
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    if by == "poll":
        desk.wechat.statuses[msg_id] = said
    return handle, msg_id


async def test_a_push_within_the_grace_of_a_polled_no_is_taken(desk: Desk) -> None:
    """SEND_FAIL of `mass/get` waits for the push that knows more; it says success, with its counts."""
    handle, msg_id = await awaiting(desk, "SEND_FAIL", "poll")
    await desk.until(handle, lambda status: bool(status.waiting_for and "says why" in status.waiting_for.reason))
    await desk.wechat.push(msg_id)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by, result.totals and result.totals.sent) == ("sent", "push", 97)


@pytest.mark.parametrize(
    ("said", "by", "problem"),
    [("SEND_FAIL", "poll", "send_failed"), ("err(30001)", "push", "originality_check_error")],
)
async def test_a_push_that_says_success_ends_the_question(desk: Desk, said: str, by: str, problem: str) -> None:
    """While an operator is asked, the true push completes the send; no answer fits any more."""
    handle, msg_id = await awaiting(desk, said, by)
    await desk.asks(handle, problem)
    assert "does not answer" in await refused(desk, handle, "mark_sent", msg_id=msg_id)
    await desk.wechat.push(msg_id)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].status, len(desk.wechat.tries)) == ("sent", "send success", 1)


async def test_a_yes_of_mass_get_ends_the_send_that_was_to_be_retried(desk: Desk) -> None:
    """The retry is refused, and what WeChat said on the way is not forgotten: the send is sent."""
    handle, msg_id = await awaiting(desk, "err(30001)", "push")
    await desk.asks(handle, "originality_check_error")
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    assert "SEND_SUCCESS" in await refused(desk, handle, "retry")
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by, len(desk.wechat.tries)) == ("sent", "poll", 1)
    assert (await desk.ledger()).records[0].ended_as == "sent"


WAYS = ("abort", "cancel", "nobody decides", "on_problem")


async def ended_by(desk: Desk, way: str, status: str) -> tuple[WorkflowHandle[Any, Any], int]:
    """A send that somebody or something ends after a forged err(30001), while `mass/get` says `status`."""
    more = {"on_problem": "fail"} if way == "on_problem" else {"decision_timeout": "PT2H"}
    desk.wechat.push_at_once = None
    handle, msg_id = await awaiting(desk, "", "nobody", **more)
    desk.wechat.statuses[msg_id] = status
    await desk.wechat.push(msg_id, "err(30001)")
    if way in {"abort", "cancel"}:
        await desk.asks(handle, "originality_check_error")
    if way == "abort":
        await desk.update(handle, "abort")
    elif way == "cancel":
        await handle.cancel()
    return handle, msg_id


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("status", "outcome"), [("SEND_SUCCESS", "sent"), ("DELETE", "deleted")])
async def test_before_nothing_was_delivered_is_said_wechat_is_asked(
    desk: Desk, way: str, status: str, outcome: str
) -> None:
    """A forged err(30001), and whoever or whatever ends the send believes it: `mass/get` knows better."""
    handle, _ = await ended_by(desk, way, status)
    result = await handle.result()
    assert (result.outcome, result.may_have_been_delivered) == (outcome, True)


@pytest.mark.parametrize("way", WAYS)
async def test_no_end_is_a_no_while_wechat_still_sends(desk: Desk, way: str) -> None:
    """`mass/get` goes on saying SENDING: unknown, also when the key is started again, until the true push comes."""
    handle, msg_id = await ended_by(desk, way, "SENDING")
    ends = [await failure_of(handle), await failure_of(await desk.start())]
    assert [(end.outcome, end.may_have_been_delivered) for end in ends] == [("unknown", True)] * 2
    await desk.wechat.push(msg_id)
    assert (await (await desk.start()).result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1


@pytest.mark.parametrize(("last", "outcome"), [("SEND_FAIL", "aborted"), ("SEND_SUCCESS", "sent"), ("push", "sent")])
async def test_an_end_waits_for_wechats_last_word(desk: Desk, last: str, outcome: str) -> None:
    """`mass/get` lags behind the push for a while: what it says then counts, and so does another push."""
    handle, msg_id = await awaiting(desk, "err(30001)", "push")
    await desk.asks(handle, "originality_check_error")
    desk.wechat.statuses[msg_id] = "SENDING"
    await desk.update(handle, "abort")
    status = await desk.until(
        handle, lambda status: bool(status.waiting_for and "last word" in status.waiting_for.reason)
    )
    assert status.answers == ()
    if last == "push":
        await desk.wechat.push(msg_id)
    else:
        desk.wechat.statuses[msg_id] = last
    if outcome == "sent":
        assert (await handle.result()).outcome == "sent"
    else:
        result = await failure_of(handle)
        assert (result.outcome, result.may_have_been_delivered) == (outcome, False)


async def test_a_key_that_failed_by_a_forged_push_is_sent_when_it_is_started_again(desk: Desk) -> None:
    """Nobody knew better when it ended; now `mass/get` does."""
    handle, msg_id = await awaiting(desk, "err(30001)", "push", on_problem="fail")
    assert (await failure_of(handle)).outcome == "failed"
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    result = await (await desk.start()).result()
    assert (result.outcome, result.jobs[0].msg_id, len(desk.wechat.tries)) == ("sent", msg_id, 1)


@pytest.mark.history
@pytest.mark.parametrize("errcode", [89504, 89505, 45009, 48001])
async def test_a_retry_needs_a_no_of_wechat(desk: Desk, errcode: int) -> None:
    """That it does not say so is none: the administrator may be asked still, or the quota be used up."""
    handle, msg_id = await awaiting(desk, "err(40002)", "push")
    await desk.asks(handle, "admin_timeout")
    del desk.wechat.statuses[msg_id]
    desk.wechat.refuses_status = errcode
    assert str(errcode) in await refused(desk, handle, "retry")
    assert len(desk.wechat.tries) == 1
    desk.wechat.statuses[msg_id], desk.wechat.push_at_once = "SEND_FAIL", "send success"
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"


async def test_a_retry_asks_about_every_generation(desk: Desk) -> None:
    """The first no may have been the wrong one."""
    handle, first = await awaiting(desk, "err(30001)", "push")
    await desk.asks(handle, "originality_check_error")
    await desk.update(handle, "retry")
    await desk.until(handle, lambda status: len(status.jobs) == 2 and status.phase == "needs_operator")
    desk.wechat.statuses[first] = "SENDING"
    assert f"SENDING of msg_id {first}" in await refused(desk, handle, "retry")
    desk.wechat.statuses[first] = "SEND_SUCCESS"
    assert "SEND_SUCCESS" in await refused(desk, handle, "retry")
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 2


@pytest.mark.parametrize(
    ("said", "problem", "name", "payload"),
    [
        ("err(30001)", "originality_check_error", "retry", {}),
        (None, "unknown_outcome", "mark_sent", {"msg_id": 3_000_000_001}),
    ],
)
async def test_no_answer_is_carried_out_while_wechat_cannot_be_asked(
    desk: Desk, said: str | None, problem: str, name: str, payload: dict[str, Any]
) -> None:
    """It is refused with a sentence that says so, and nothing is changed."""
    desk.wechat.push_at_once = said
    desk.wechat.script = [] if said else [silent, *[code(45028)] * 60]
    handle = await desk.start()
    await desk.asks(handle, problem)
    tries, desk.wechat.statuses_fail = len(desk.wechat.tries), True
    assert "could not be asked about msg_id" in await refused(desk, handle, name, **payload)
    status = await desk.status(handle)
    assert (status.phase, len(status.jobs), len(desk.wechat.tries)) == ("needs_operator", 1, tries)


async def test_an_abort_that_wechat_does_not_contradict_is_an_abort(desk: Desk) -> None:
    """`mass/get` says SEND_FAIL as the push did: nothing was delivered."""
    handle, msg_id = await awaiting(desk, "err(30001)", "push")
    await desk.asks(handle, "originality_check_error")
    desk.wechat.statuses[msg_id] = "SEND_FAIL"
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("aborted", False)


@pytest.mark.parametrize(("said", "by"), [("SEND_FAIL", "poll"), ("err(30001)", "push")])
async def test_a_yes_after_the_end_is_what_the_key_stands_for(desk: Desk, said: str, by: str) -> None:
    """Aborted while WeChat knew no better; the true push comes; the same key again is sent, and sends nothing."""
    handle, msg_id = await awaiting(desk, said, by)
    await desk.until(handle, lambda status: status.phase == "needs_operator", timedelta(minutes=20))
    await desk.update(handle, "abort")
    assert (await failure_of(handle)).outcome == "aborted"
    await desk.wechat.push(msg_id)
    result = await (await desk.start()).result()
    assert (result.outcome, result.jobs[0].msg_id, result.jobs[0].deduplicated) == ("sent", msg_id, True)
    assert len(desk.wechat.tries) == 1


@pytest.mark.parametrize("second", ["send fail", "send success"])
async def test_a_yes_on_the_first_generation_waits_for_the_second(desk: Desk, second: str) -> None:
    """Retried after a SEND_FAIL that was none: what became of the second submission is told as well."""
    handle, first = await awaiting(desk, "SEND_FAIL", "poll")
    await desk.asks(handle, "send_failed")
    await desk.update(handle, "retry")
    await desk.until(handle, lambda status: len(desk.wechat.tries) == 2 and status.phase == "awaiting_result")
    await desk.wechat.push(first)
    await desk.seen(handle, f"msg_id {first}: send success")
    assert (await desk.status(handle)).phase == "awaiting_result"
    await desk.wechat.push(max(set(desk.wechat.accepted.values()) - {first}), second)
    result = await handle.result()
    states = ["sent", "sent" if second == "send success" else "failed"]
    assert (result.outcome, [job.state for job in result.jobs]) == ("sent", states)


# Two operators at once


async def answer(desk: Desk, handle: WorkflowHandle[Any, Any], name: str, **payload: Any) -> bool:
    """Whether the answer won; a refused one is told why."""
    update_id = uuid.uuid4().hex
    while (await handle.describe()).close_time is None:
        asked = {"by": name, "reason": "looked", **payload}
        try:
            await handle.execute_update(name, asked, id=update_id, result_type=Status)
        except WorkflowUpdateFailedError as refusal:
            if " " not in str(refusal.cause):
                pytest.fail(f"{name} was refused without a sentence: {refusal.cause}")
            return False
        except RPCError as error:
            # The time-skipping server now and then forgets an update that it has just carried out.
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
        else:
            return True
    return any(line.by == name for line in (await desk.status(handle)).history)


@pytest.mark.parametrize(
    "names",
    [
        ("mark_sent", "abort"),
        ("abort", "mark_sent"),
        ("mark_sent", "retry"),
        ("retry", "mark_sent"),
        ("retry", "abort"),
        ("abort", "retry"),
    ],
    ids="-".join,
)
async def test_two_answers_to_an_unknown_outcome_have_one_winner(desk: Desk, names: Sequence[str]) -> None:
    """And the send ends as the winner said."""
    desk.wechat.script = [silent, *[code(45028)] * 60]
    not_after = await desk.env.get_current_time() + timedelta(minutes=30)
    handle = await desk.start(not_after=not_after.isoformat())
    await desk.asks(handle, "unknown_outcome")
    found, tries = 3_000_000_001, len(desk.wechat.tries)
    desk.wechat.statuses[found] = "SEND_SUCCESS"
    desk.wechat.script = []
    more: dict[str, dict[str, Any]] = {"mark_sent": {"msg_id": found}, "retry": {"confirm_not_delivered": True}}
    won = await asyncio.gather(*(answer(desk, handle, name, **more.get(name, {})) for name in names))
    [winner] = [name for name, one in zip(names, won, strict=True) if one]
    if winner == "abort":
        assert (await failure_of(handle)).outcome == "unknown"
    else:
        result = await handle.result()
        assert (result.outcome, len(result.jobs)) == ("sent", 2 if winner == "retry" else 1)
        assert winner == "retry" or result.jobs[0].msg_id == found
    assert len(desk.wechat.tries) == tries + (winner == "retry")
