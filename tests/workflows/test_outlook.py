"""What `CheckMassSend` tells of a start, and that a start does so: it is checked first, and then started."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from qunfa.contract.prospect import StartWould
from qunfa.contract.steps import AudienceFinding
from tests.workflows.conftest import Desk
from tests.workflows.failures import refusal_of
from tests.workflows.model import loses
from tests.workflows.test_in_batches import FILE
from tests.workflows.test_preview import checked


async def what_became(desk: Desk, handle: WorkflowHandle[Any, Any], submitted: int) -> StartWould:
    """What a start has done, in the words of a check; `submitted` is how often before."""
    status = await desk.until(handle, lambda now: now.phase == "done")
    if len(desk.wechat.tries) > submitted:
        return "try_again" if status.jobs[0].deduplicated else "send"
    return "give_result"


async def was_sent(desk: Desk) -> None:
    await (await desk.start()).result()


async def is_in_doubt(desk: Desk) -> None:
    """Its run was terminated after a try that got no answer."""
    desk.wechat.script = [loses]
    handle = await desk.start()
    await desk.until(handle, lambda status: bool(status.jobs) and status.jobs[0].state == "unknown")
    await handle.terminate("by mistake")


@pytest.mark.parametrize(
    ("before", "state", "start"), [(was_sent, "sent", "give_result"), (is_in_doubt, "in_doubt", "try_again")]
)
async def test_a_start_does_what_its_check_has_told(
    desk: Desk, before: Callable[[Desk], Awaitable[None]], state: str, start: StartWould
) -> None:
    """The check changes nothing of it, and the start then is as it was told."""
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
    assert (await desk.status(handle)).history[-1].what == "ended as sent"


async def test_a_check_does_not_call_a_list_new_that_was_begun(desk: Desk) -> None:
    """The key of the whole has no tries: those of its first batch tell."""
    await (await desk.start(audience=FILE)).result()
    past = (await checked(desk, desk.request(audience=FILE))).past
    assert past is not None
    assert (past.state, past.start) == ("begun", "go_on")


async def test_a_check_knows_that_uploadnews_takes_ten_a_day(desk: Desk) -> None:
    """Each batch makes its own articles."""
    desk.wechat.facts = desk.wechat.facts.model_copy(update={"news_via": "uploadnews"})
    desk.store.batches = 41
    article = {"title": "t", "content": "<p>c</p>", "thumb": {"media_id": "T"}}
    raw = desk.request(audience=FILE, message={"msgtype": "mpnews", "articles": [article]})
    plan, ends_at = (found := await checked(desk, raw)).plan, found.ends_at
    assert plan
    assert ends_at
    assert ends_at - plan.taken_at > timedelta(days=3)


async def test_a_check_tells_that_a_plan_is_too_old_at_its_time(real_desk: Desk) -> None:
    """An earlier run has planned it. One that is planned anew takes any time."""
    later = (datetime.now(UTC) + timedelta(days=40)).isoformat()
    raw = real_desk.request("spring", audience=FILE, send_at=later)
    assert not (await checked(real_desk, raw)).problems
    [problem] = (await checked(real_desk, raw)).problems
    assert "older than 35 days at its time" in problem


async def test_who_checks_or_approves_is_told_that_time_is_short(real_desk: Desk) -> None:
    """A hundred batches go on a day, and these take three. A shorter list has no such line."""
    not_after = (datetime.now(UTC) + timedelta(hours=12)).isoformat()
    for batches, late in ((250, True), (3, False)):
        real_desk.store.batches = batches
        more = {"audience": FILE, "not_after": not_after, "approval": {"required": True}, "requested_by": "wang"}
        found = await checked(real_desk, real_desk.request(f"of-{batches}", **more))
        assert [one.startswith("not_after: the list takes until about ") for one in found.warnings] == [True] * late
        handle = await real_desk.start(f"of-{batches}", **more)
        shows = (await real_desk.waits(handle, "approval")).approval.shows
        assert [one for one in shows if one.startswith("not_after: ")] == list(found.warnings)


@pytest.mark.parametrize("audience", [FILE, {"kind": "all"}], ids=["a list", "all"])
async def test_who_checks_or_approves_is_told_of_an_id_that_dies(real_desk: Desk, audience: dict[str, Any]) -> None:
    """It is of an upload that WeChat may have forgotten when it goes out. There is time enough for a sooner one."""
    voice = {"msgtype": "voice", "media": {"media_id": "given"}}
    for days, dies in ((4, True), (2, False)):
        send_at = (datetime.now(UTC) + timedelta(days=days)).isoformat()
        more = {"audience": audience, "message": voice, "send_at": send_at}
        found = await checked(real_desk, real_desk.request(f"in-{days}", **more))
        assert [one.partition(":")[0] for one in found.warnings] == ["message.media"] * dies
        handle = await real_desk.start(f"in-{days}", **more, approval={"required": True}, requested_by="wang")
        shows = (await real_desk.waits(handle, "approval")).approval.shows
        assert [one for one in shows if one.startswith("message.media: ")] == list(found.warnings)


@pytest.mark.parametrize("audience", [FILE, {"kind": "all"}], ids=["a list", "all"])
async def test_warnings_stand_behind_all_else(real_desk: Desk, audience: dict[str, Any]) -> None:
    """Who approves may read the last lines alone. The digests close them."""
    text = {"msgtype": "text", "content": "春" * 1_000}
    more = {"audience": audience, "message": text, "approval": {"required": True}, "requested_by": "wang"}
    handle = await real_desk.start("warned", **more)
    shows = (await real_desk.waits(handle, "approval")).approval.shows
    *_, last = [line for line in shows if not line.startswith("digest of ")]
    assert last.startswith("message.content: has 3,000 bytes")


@pytest.mark.parametrize(
    ("expect", "is_open"), [({}, True), ({"expect": {"name": "VIP"}}, True), ({"expect": {"max": 60}}, False)], ids=str
)
async def test_who_approves_a_tag_is_told_what_binds(desk: Desk, expect: dict[str, Any], is_open: bool) -> None:
    """The number is of now: the send goes to whoever has the tag later, unless the request names the most."""
    desk.wechat.tags[2] = AudienceFinding(found=True, name="VIP", count=50)
    tag = {"kind": "tag", "tag_id": 2, **expect}
    handle = await desk.start(audience=tag, approval={"required": True}, requested_by="wang")
    shows = (await desk.waits(handle, "approval")).approval.shows
    bound = "; whoever has the tag when it is sent gets it: only `expect.max` limits that" if is_open else ""
    assert f'to tag 2 "VIP": 50 followers{bound}' in shows


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


@pytest.mark.parametrize(("errcode", "problems"), [(40164, 1), (45009, 0)])
async def test_a_list_that_wechat_refuses_is_a_problem(real_desk: Desk, errcode: int, problems: int) -> None:
    """The start asks a person in these words. But it waits where the calls of the day are used up."""
    real_desk.store.errcode = errcode
    found = await checked(real_desk, real_desk.request("refused", audience=FILE))
    assert (found.uncounted, len(found.problems)) == ("WeChat refuses", problems)
    for sentence in found.problems:
        handle = await real_desk.start("refused", audience=FILE)
        problem = (await real_desk.asks(handle, "ip_not_whitelisted")).problem
        assert problem
        assert problem.sentence == sentence
