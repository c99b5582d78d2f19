"""What `CheckMassSend` tells of a start, and that a start does so: it is checked first, and then started."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from qunfa.contract.prospect import StartWould
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of, refusal_of
from tests.workflows.model import loses, says
from tests.workflows.test_in_batches import FILE
from tests.workflows.test_preview import checked

FAIL = {"on_problem": "fail"}


async def what_became(desk: Desk, handle: WorkflowHandle[Any, Any], submitted: int) -> StartWould:
    """What a start has done, in the words of a check; `submitted` is how often before."""
    status = await desk.until(handle, lambda now: now.phase in {"needs_operator", "awaiting_result", "done"})
    if status.phase == "needs_operator":
        return "ask"
    if len(desk.wechat.tries) > submitted:
        return "try_again" if status.jobs[0].deduplicated else "send"
    return "give_result" if status.phase == "done" else "await_result"


async def not_begun(desk: Desk) -> None:
    await (await desk.start("other")).result()


async def was_sent(desk: Desk) -> None:
    await (await desk.start()).result()


async def was_aborted(desk: Desk) -> None:
    handle = await desk.start(send_at=(await desk.env.get_current_time() + timedelta(days=2)).isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    await desk.update(handle, "abort")
    await failure_of(handle)


async def has_failed(desk: Desk) -> None:
    desk.wechat.push_at_once = "err(20001)"
    await failure_of(await desk.start(**FAIL))
    desk.wechat.push_at_once = "send success"


async def was_refused(desk: Desk) -> None:
    desk.wechat.script = [says(48001)]
    await failure_of(await desk.start(**FAIL))


async def was_accepted(desk: Desk) -> None:
    desk.wechat.push_at_once = None
    handle = await desk.start()
    await desk.accepted(handle)
    await handle.terminate("by mistake")


async def is_in_doubt(desk: Desk) -> None:
    """Its run was terminated after a try that got no answer."""
    desk.wechat.script = [loses]
    handle = await desk.start()
    await desk.until(handle, lambda status: bool(status.jobs) and status.jobs[0].state == "unknown")
    await handle.terminate("by mistake")


async def was_confirmed_as_not_delivered(desk: Desk) -> None:
    """A person has looked for it after its window, and given it up."""
    desk.wechat.script = [loses]
    soon = await desk.env.get_current_time() + timedelta(hours=1)
    desk.wechat.facts = desk.wechat.facts.model_copy(update={"quota": "ask"})
    desk.wechat.script = [loses, *[says(-1)] * 40]
    handle = await desk.start(not_after=soon.isoformat())
    await desk.asks(handle, "unknown_outcome")
    await desk.update(handle, "abort", confirm_not_delivered=True)
    await failure_of(handle)
    desk.wechat.script = []


@pytest.mark.parametrize(
    ("before", "state", "start"),
    [
        (not_begun, "new", "send"),
        (was_sent, "sent", "give_result"),
        (was_aborted, "ended", "send"),
        (has_failed, "ended", "give_result"),
        (was_refused, "ended", "send"),
        (was_accepted, "accepted", "await_result"),
        (is_in_doubt, "in_doubt", "try_again"),
        (was_confirmed_as_not_delivered, "ended", "ask"),
    ],
)
async def test_a_start_does_what_its_check_has_told(
    desk: Desk, before: Callable[[Desk], Awaitable[None]], state: str, start: StartWould
) -> None:
    """Whatever the key has done before: the check changes nothing of it, and the start then is as it was told."""
    await before(desk)
    tried = len(desk.wechat.tries)
    found = await checked(desk, desk.request())
    past, freeze, quota = found.past, found.freeze, found.quota
    assert past
    assert freeze
    assert quota
    assert (past.state, past.start, found.followers) == (state, start, 23_000)
    assert (freeze.state, quota.state) == ("free", "left")
    assert len(desk.wechat.tries) == tried
    handle = await desk.start()
    assert await what_became(desk, handle, tried) == past.start
    if past.outcome and past.start == "give_result":
        assert (await desk.status(handle)).history[-1].what == f"ended as {past.outcome}"
    if past.start == "ask":
        await desk.asks(handle, past.problem or "")


async def test_a_check_does_not_call_a_list_new_that_was_begun(desk: Desk) -> None:
    """The key of the whole has no tries: those of its first batch tell."""
    await (await desk.start(audience=FILE)).result()
    past = (await checked(desk, desk.request(audience=FILE))).past
    assert past is not None
    assert (past.state, past.start) == ("begun", "go_on")


async def test_a_key_of_other_content_is_a_problem(desk: Desk) -> None:
    """The start is refused in the same words."""
    await was_sent(desk)
    raw = desk.request(audience={"kind": "openids", "openids": ["a", "b"]})
    found = await checked(desk, raw)
    assert found.past
    assert (found.past.state, found.past.start, found.followers) == ("other_content", "be_refused", 2)
    assert "sent as msg_id" in found.past.said
    handle = await desk.start_raw(raw, "mass-send:demo:spring")
    assert found.problems[0] in await refusal_of(handle)


async def test_what_nobody_knows_is_said_and_no_account_is_started(desk: Desk) -> None:
    """Its account has sent nothing yet, and WeChat does not answer: that is no problem of the request."""
    desk.wechat.followers = None
    desk.wechat.tags_fail = True
    for audience in ({"kind": "all"}, {"kind": "tag", "tag_id": 2}):
        found = await checked(desk, desk.request(audience=audience))
        assert (found.followers, found.uncounted, found.problems) == (None, "WeChat is busy", ())
        assert found.past
        assert found.freeze
        assert found.quota
        assert (found.past.state, found.freeze.state, found.quota.state) == ("new", "unknown", "unknown")
        assert found.freeze.said == found.quota.said
        assert found.freeze.said.startswith("not known: the account's own workflow does not run yet")
    with pytest.raises(RPCError, match="not found"):
        await desk.account.describe()


async def test_files_that_cannot_be_read_leave_the_start_unknown(desk: Desk) -> None:
    """Whether the content is the same is not known then; what the key has done is."""
    await was_sent(desk)
    desk.material.problems = ("message.media: there is no such file",)
    found = await checked(desk, desk.request(message={"msgtype": "voice", "media": {"uri": "file:/gone.mp3"}}))
    assert found.past
    assert (found.past.state, found.past.start) == ("sent", "unknown")
    assert found.problems == ("message.media: there is no such file",)
