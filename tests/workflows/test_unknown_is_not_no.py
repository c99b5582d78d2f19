"""Unknown is not no: nobody's word but WeChat's yes settles a try that may have reached it, and no operator can."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from qunfa.contract.operators import Status
from qunfa.rules.codes import CodeClass, return_code
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import Scripted, loses, says, silent
from tests.workflows.questions import duplicates
from tests.workflows.test_problems import refused

pytestmark = pytest.mark.long

ONE_OF_EACH = (
    *(9500001, 45066, 424242, 89504, 89505, 42001, 45011, 45009, 45040, 46007),
    *(45028, 40007, 48001, 50002, 40164, 47001, 40152, 45166, 45001),
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

    def waits(status: Status) -> bool:
        """An answer has come: what is waited for has its time."""
        waiting = status.waiting_for
        return len(desk.wechat.tries) >= tries and waiting is not None and waiting.until is not None

    return await desk.until(handle, waits)


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
    assert status.waiting_for is not None
    assert return_code(errcode).meaning in status.waiting_for.reason
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


@pytest.mark.parametrize("first", [loses, silent, code(-1)], ids=["lost", "silent", "-1"])
async def test_a_collision_does_not_settle_an_unknown_try(desk: Desk, first: Scripted) -> None:
    """45065 with another job's msg_id says nothing about the try before it: an end is unknown."""
    await (await desk.start("another")).result()
    [another] = desk.wechat.accepted.values()
    desk.wechat.script = [first, *[duplicates(another)] * 60]
    handle = await desk.start()
    status = await desk.asks(handle, "clientmsgid_collision")
    assert (status.jobs[0].state, status.answers) == ("unknown", ("mark_sent", "abort"))
    assert status.problem is not None
    assert "A try before it may have been accepted" in status.problem.sentence
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("unknown", True)
    assert len({step.clientmsgid for step in desk.wechat.tries if step.key == "spring"}) == 1


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
    """And the send ends as the winner said. A retry that has not gone out yet can still be aborted."""
    desk.wechat.script = [silent, *[code(45028)] * 60]
    not_after = await desk.env.get_current_time() + timedelta(minutes=30)
    handle = await desk.start(not_after=not_after.isoformat())
    await desk.asks(handle, "unknown_outcome")
    found, tries = 3_000_000_001, len(desk.wechat.tries)
    desk.wechat.statuses[found] = "SEND_SUCCESS"
    desk.wechat.script = []
    more: dict[str, dict[str, Any]] = {"mark_sent": {"msg_id": found}, "retry": {"confirm_not_delivered": True}}
    won = await asyncio.gather(*(answer(desk, handle, name, **more.get(name, {})) for name in names))
    winners = {name for name, one in zip(names, won, strict=True) if one}
    if winners == {"retry", "abort"}:
        assert (await failure_of(handle)).outcome == "aborted"
        assert [line.by for line in (await desk.status(handle)).history if line.by] == ["retry", "abort"]
        assert len(desk.wechat.tries) == tries
        return
    [winner] = winners
    if winner == "abort":
        assert (await failure_of(handle)).outcome == "unknown"
    else:
        result = await handle.result()
        assert (result.outcome, len(result.jobs)) == ("sent", 2 if winner == "retry" else 1)
        assert winner == "retry" or result.jobs[0].msg_id == found
    assert len(desk.wechat.tries) == tries + (winner == "retry")


async def test_a_retry_is_aborted_before_it_goes_out(desk: Desk) -> None:
    """It was confirmed that nothing was delivered, and nothing was submitted since."""
    desk.wechat.script = [silent, *[code(45028)] * 60]
    not_after = await desk.env.get_current_time() + timedelta(minutes=30)
    handle = await desk.start(not_after=not_after.isoformat(), decision_timeout="P1D")
    await desk.asks(handle, "unknown_outcome")
    await desk.freeze()
    tries = len(desk.wechat.tries)
    await desk.update(handle, "retry", confirm_not_delivered=True)
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("aborted", False)
    assert len(desk.wechat.tries) == tries
