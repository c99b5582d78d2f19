"""`qunfa.testing`: what a caller's tests see is what a real send would show them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from temporalio.client import Client

from qunfa.client import (
    InvalidRequest,
    MassSendFailed,
    MassSendHandle,
    MassSendResult,
    NoAnswer,
    NoSuchSend,
    Qunfa,
    UpdateRefused,
)
from qunfa.testing import FakeQunfa
from tests.looking import PATIENCE, look_again

MOMENT = timedelta(milliseconds=1)
HELD: dict[str, Any] = {"approval": {"required": True}, "requested_by": "crm"}
SPLIT: dict[str, Any] = {"split": {"a": 10, "b": 20}, "message_b": {"msgtype": "text", "content": "春装到了"}}


def request(key: str = "spring", **more: Any) -> dict[str, Any]:
    """A request to send a text to all."""
    message = {"msgtype": "text", "content": "你好"}
    return {"account": "demo", "key": key, "audience": {"kind": "all"}, "message": message, **more}


async def failure(handle: MassSendHandle) -> MassSendResult:
    """How it has ended badly."""
    with pytest.raises(MassSendFailed) as caught:
        await handle.result()
    return caught.value.result


@pytest.mark.parametrize(
    ("outcome", "in_doubt"), [("failed", False), ("unknown", True), ("expired", False), ("aborted", False)]
)
async def test_a_fake_send_fails_as_the_test_says(outcome: Any, in_doubt: bool) -> None:
    """With the problem, and whether something may have been delivered; another key is sent well."""
    fake = FakeQunfa()
    fake.ends(outcome, problem="content_refused", key="spring")
    result = await failure(await fake.send(request()))
    assert (result.outcome, result.may_have_been_delivered) == (outcome, in_doubt)
    assert result.problem is not None
    assert (result.problem.name, result.problem.todo != "") == ("content_refused", True)
    assert (await (await fake.send(request("other"))).result()).outcome == "sent"


async def test_a_fake_knows_no_problem_that_there_is_not() -> None:
    """A test that expects one would prove nothing."""
    with pytest.raises(ValueError, match="content_refused"):
        FakeQunfa().ends("failed", problem="bad_luck")


@pytest.mark.parametrize("problem", ["unknown_outcome", "no_verdict", "clientmsgid_collision"])
@pytest.mark.parametrize("outcome", ["failed", "aborted"])
async def test_no_fake_denies_a_delivery_in_doubt(outcome: Any, problem: str) -> None:
    """A worker ends such a send as unknown."""
    with pytest.raises(ValueError, match=f"{problem}' ends as unknown, and not as {outcome}"):
        FakeQunfa().ends(outcome, problem=problem)


@pytest.mark.parametrize("is_fake", [True, False])
async def test_there_is_no_other_word_to_wait_for(temporal_server: Client, *, is_fake: bool) -> None:
    """What is typed wrong sends nothing, and names the right words. So does a time to wait that is a number."""
    within: Any = 30
    qunfa, wait = FakeQunfa() if is_fake else Qunfa(temporal_server), "approved"
    with pytest.raises(ValueError, match="wait: must be one of started, accepted, result, not 'approved'"):
        await qunfa.send(request("no-wait"), wait=wait)  # type: ignore[arg-type]
    handle = qunfa.handle("demo", "no-wait")
    sends: Callable[..., Awaitable[Any]] = partial(qunfa.send, request("no-wait"))
    for call in (sends, handle.accepted, handle.result):
        with pytest.raises(TypeError, match=r"within: must be a timedelta, such as timedelta\(seconds=30\), not 30"):
            await call(within=within)
    with pytest.raises(NoSuchSend):
        await qunfa.handle("demo", "no-wait").status()


async def test_a_fake_send_waits_for_approval() -> None:
    """As the account may want it."""
    fake = FakeQunfa()
    fake.waits_for_approval(key="other")
    with pytest.raises(InvalidRequest, match="requested_by"):
        await fake.send(request("other"))
    other = await fake.send(request("other", requested_by="crm"))
    assert (await other.status()).phase == "awaiting_approval"


FINAL = {
    "originality_check_error",
    "originality_forbidden",
    "reprint_needs_decision",
    "admin_refused",
    "admin_timeout",
    "content_refused",
    "send_failed",
}
"""WeChat's no to what it has accepted."""
TRIED = {
    "account_refused",
    "ip_not_whitelisted",
    "request_refused",
    "audience_refused",
    "media_refused",
    "quota_exhausted",
}


@pytest.mark.parametrize("problem", sorted({*FINAL, *TRIED, "source_changed", "material_failed"}))
async def test_a_fake_key_fails_again_only_after_an_acceptance(problem: str) -> None:
    """Before that WeChat has nothing of it, and its key starts anew."""
    fake = FakeQunfa()
    fake.ends("failed", problem=problem)
    with pytest.raises(MassSendFailed) as caught:
        await fake.send(request(), wait="result")
    fake.ends("sent")
    jobs = [(job.state, job.msg_id is None, job.observed_by) for job in caught.value.result.jobs]
    if problem in FINAL:
        with pytest.raises(MassSendFailed):
            await fake.send(request(), wait="result")
        assert jobs == [("failed", False, "push")]
    else:
        again = await (await fake.send(request())).result()
        assert (again.outcome, again.jobs[0].deduplicated) == ("sent", False)
        assert jobs == ([("refused", True, None)] if problem in TRIED else [])


async def test_a_fake_that_refuses_says_what_was_delivered() -> None:
    """Whatever is wrong with a request: its key was delivered before. Where nothing was, nothing is said of it."""
    fake = FakeQunfa()
    sent = await (await fake.send(request())).result()
    fake.refuses("message.media: there is no such file", key="spring")
    for wrong, said in (({}, "message.media"), ({"colour": "red"}, "colour")):
        with pytest.raises(InvalidRequest) as caught:
            await fake.send(request(**wrong))
        assert [one.partition(":")[0] for one in caught.value.problems] == [said, "key"]
        assert f"(msg_id: {sent.jobs[0].msg_id}); nothing was submitted now" in caught.value.problems[1]
    fake.plans(20_500, key="list")
    await fake.send(listed("list"))
    with pytest.raises(InvalidRequest, match=r'an earlier run under "list\.1" was delivered'):
        await fake.send(listed("list", colour="red"))
    fake.ends("failed", problem="quota_exhausted", key="never")
    await fake.send(request("never"))
    with pytest.raises(InvalidRequest) as caught:
        await fake.send(request("never", message={"msgtype": "text", "content": "else"}))
    assert caught.value.problems == ['key: "never" stands for other content already; use a new key for this one']


async def test_a_fake_send_whose_time_is_over_expires() -> None:
    """Though nobody has approved it. Its key starts anew; one that may have been delivered ends as it has ended."""
    fake = FakeQunfa()
    late: dict[str, Any] = {"not_after": "2026-01-01T00:00:00+08:00", "requested_by": "crm"}
    with pytest.raises(MassSendFailed) as caught:
        await fake.send(request(**late, approval={"required": True}), wait="result")
    assert (caught.value.result.outcome, caught.value.result.jobs) == ("expired", ())
    other: dict[str, Any] = {"message": {"msgtype": "text", "content": "else"}}
    sent = await (await fake.send(request(**other))).result()
    again = await (await fake.send(request(**late, **other))).result()
    assert (again.outcome, again.jobs[0].msg_id, again.jobs[0].deduplicated) == ("sent", sent.jobs[0].msg_id, True)
    with pytest.raises(InvalidRequest, match=r"stands for other content already(.|\n)*was delivered, or may have been"):
        await fake.send(request(**late))
    fake.ends("unknown", key="doubt")
    with pytest.raises(MassSendFailed) as first:
        await fake.send(request("doubt"), wait="result")
    result = await failure(await fake.send(request("doubt", **late)))
    assert (result.outcome, result.may_have_been_delivered) == ("unknown", True)
    assert result.problem is not None
    assert result.problem == first.value.result.problem
    assert result.jobs[0].msg_id == first.value.result.jobs[0].msg_id


async def test_a_fake_handle_tells_the_end_of_its_own_run() -> None:
    """Whatever was sent since under its key; one that was only looked for tells the newest one's."""
    fake = FakeQunfa()
    first = await fake.send(request())
    other = await fake.send(request(message={"msgtype": "text", "content": "else"}), wait="started")
    assert (await first.result()).outcome == "sent"
    for newest in (other, fake.handle("demo", "spring")):
        with pytest.raises(InvalidRequest):
            await newest.result()


async def test_a_fake_send_is_approved_once() -> None:
    """While it is paused it can be; then neither fits any more. Sent again it is not approved again."""
    fake = FakeQunfa()
    fake.waits_for_approval()
    held = await fake.send(request(requested_by="crm"))
    assert (await held.status()).answers == ("approve", "reject", "pause", "reschedule", "abort")
    await held.pause(by="wang")
    assert (await held.approve(by="li")).answers == ("resume", "reschedule", "abort")
    for deciding in (held.approve, held.reject):
        with pytest.raises(UpdateRefused, match="does not fit now: li has approved it already"):
            await deciding(by="wang")
    await held.resume(by="wang")
    assert (await held.result()).outcome == "sent"
    again = await (await fake.send(request(requested_by="crm"))).result()
    assert again.jobs[0].deduplicated


@pytest.mark.parametrize(
    ("audience", "again"),
    [
        ({"kind": "openids", "openids": ["o1", "o2"]}, {"kind": "openids", "openids": ["o2", "o1"]}),
        ({"kind": "tag", "tag_id": 2}, {"kind": "tag", "tag_id": 2, "expect": {"max": 5}}),
    ],
)
async def test_the_same_audience_told_otherwise_is_joined(audience: dict[str, Any], again: dict[str, Any]) -> None:
    """As the ledger has it: who is refused the same content under a key takes another one, and sends it twice."""
    fake = FakeQunfa()
    held = await fake.send(request(**HELD, audience=audience))
    joined = await fake.send(request(**HELD, audience=again))
    assert (joined.run_id, joined.differs) == (held.run_id, ("audience",))
    await held.approve(by="li")
    sent = await fake.send(request(audience=again), wait="result")
    assert (await sent.result()).jobs[0].deduplicated


@pytest.mark.parametrize(
    "other",
    [{"audience": {"kind": "openid_file", "uri": "https://lists.example/all.txt?signed=2"}},
     {"message": {"msgtype": "voice", "media": {"uri": "file:/b.mp3"}}}],
)  # fmt: skip
async def test_nobody_is_told_to_send_the_same_files_twice(other: dict[str, Any]) -> None:
    """Where nothing but a URI differs, it may be the same that is being sent."""
    fake = FakeQunfa()
    voice = {"msgtype": "voice", "media": {"uri": "file:/a.mp3"}}
    held = listed(message=voice, approval={"required": True}, requested_by="crm")
    await fake.send(held)
    with pytest.raises(InvalidRequest, match="a new key would deliver it twice") as caught:
        await fake.send({**held, **other})
    assert f"with other URIs in its {next(iter(other))} runs under" in str(caught.value)
    assert "use a new key" not in str(caught.value)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ({"message": {"msgtype": "voice", "media": {"uri": "file:/b.mp3"}}}, True),
        ({"message_b": {"msgtype": "voice", "media": {"uri": "s3://voices/b.mp3"}}}, True),
        ({"audience": {"kind": "openid_file", "uri": "https://lists.example/all.txt?signed=2"}}, False),
        ({"message": {"msgtype": "text", "content": "else"}}, False),
    ],
)
async def test_a_file_at_another_uri_is_the_same_to_a_fake_key(other: dict[str, Any], is_same: bool) -> None:
    """Workers read it, and know it again: who takes a new key sends it twice. A list's URI counts."""
    fake = FakeQunfa()
    voice = {"msgtype": "voice", "media": {"uri": "file:/a.mp3"}}
    asked = listed(message=voice, message_b=voice, split={"a": 50, "b": 50})
    await fake.send(asked, wait="result")
    if is_same:
        assert (await (await fake.send({**asked, **other})).result()).outcome == "sent"
    else:
        with pytest.raises(InvalidRequest, match="stands for other content already"):
            await fake.send({**asked, **other})


def listed(key: str = "spring", **more: Any) -> dict[str, Any]:
    """A request to send a text to a list."""
    return request(key, audience={"kind": "openid_file", "uri": "s3://lists/all.txt"}, **more)


@pytest.mark.parametrize(
    ("other", "whose"),
    [
        ({"message_b": {"msgtype": "text", "content": "else"}}, "another message_b"),
        ({"split": {"a": 10, "b": 30}}, "another split"),
        ({"message_b": None, "split": None}, "another message_b and split"),
    ],
)
async def test_another_split_test_under_a_key_is_refused(other: dict[str, Any], whose: str) -> None:
    """Its second message and its shares are content as well, while the first one waits and after it was sent."""
    fake = FakeQunfa()
    held = await fake.send(listed(**HELD, **SPLIT))
    assert (await fake.send(listed(**HELD, **SPLIT))).run_id == held.run_id
    with pytest.raises(
        InvalidRequest, match=f"a send of {whose} runs under.* before if Temporal's database was restored"
    ):
        await fake.send(listed(**HELD, **{**SPLIT, **other}))
    await held.approve(by="li")
    await held.choose(by="li", winner="b")
    with pytest.raises(InvalidRequest, match="stands for other content already"):
        await fake.send(listed(**HELD, **{**SPLIT, **other}))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"send_at": "2999-12-01T09:00:00+08:00"}, "send_at: must be at most 366 days ahead"),
        ({"audience": {"kind": "openid_file", "uri": "s3://a"}, "key": "k" * 59}, "key: must have at most 58"),
        ({"audience": {"kind": "batch", "key": "k", "plan": "d" * 64, "number": 1, "of": 2, "openids": 2}},
         "audience.kind: batch is none that a caller may ask for"),
        ({"message": {"msgtype": "image", "images": [{"media_id": "a"}] * 2}, "preview": {"to": [{"openid": "boss"}]}},
         "message.images: a preview shows one picture, and this message has 2"),
        ({"decision_timeout": timedelta(days=1)}, "Object of type timedelta is not JSON serializable"),
        ({"message": {"msgtype": "text", "content": object()}}, "Object of type object is not JSON serializable"),
    ],
)  # fmt: skip
async def test_a_fake_refuses_what_workers_refuse(wrong: dict[str, Any], said: str) -> None:
    """By the same rules, so that no caller's test passes with what is never sent. A time is written as JSON has it."""
    fake = FakeQunfa()
    with pytest.raises(InvalidRequest, match=said):
        await fake.send({**request(), **wrong})
    assert fake.requests == []
    await fake.send(request(not_after=datetime(2999, 1, 1, tzinfo=UTC)))
    assert [one.not_after for one in fake.requests] == [datetime(2999, 1, 1, tzinfo=UTC)]


async def test_a_fake_result_is_awaited_of_a_send_that_runs() -> None:
    """Who joins it waits for a person as its first caller does, and hears of a bad end."""
    fake = FakeQunfa()
    held = await fake.send(request(**HELD))
    for within in (MOMENT, timedelta(0)):
        with pytest.raises(NoAnswer):
            await fake.send(request(**HELD), wait="result", within=within)
    joining = asyncio.ensure_future(fake.send(request(**HELD), wait="result"))
    await look_again()
    await held.reject(by="li", reason="wrong text")
    with pytest.raises(MassSendFailed) as caught:
        await asyncio.wait_for(joining, PATIENCE)
    assert caught.value.result.outcome == "rejected"


async def test_a_fake_list_goes_out_in_batches() -> None:
    """Each batch is a job with a msg_id of its own; the progress counts them, also before anybody has approved."""
    fake = FakeQunfa()
    fake.plans(20_500, key="held")
    held = await fake.send(listed("held", approval={"required": True}, requested_by="crm"))
    progress = (await held.status()).progress
    assert (progress.jobs, progress.done, progress.openids, progress.followers) == (3, 0, 20_500, None)
    await held.approve(by="li")
    result = await held.result()
    assert [job.counts and job.counts.sent for job in result.jobs] == [6_833, 6_833, 6_834]
    progress = (await held.status()).progress
    assert (progress.accepted, progress.done, progress.followers) == (3, 3, 20_500)
    other = await (await fake.send(listed("other"))).result()
    msg_ids = [job.msg_id for job in (*result.jobs, *other.jobs)]
    assert (len(msg_ids), len(set(msg_ids))) == (6, 6)
    with pytest.raises(ValueError, match="2 openids or more"):
        fake.plans(1)


@pytest.mark.parametrize(
    ("outcome", "states"),
    [("partly_sent", "sent sent failed"), ("sent_nobody", "sent_nobody " * 3), ("failed", "failed")],
)
async def test_a_fake_list_ends_as_the_test_says(outcome: Any, states: str) -> None:
    """In part: the last batch has failed, and the send completes. One that fails stops those after it."""
    fake = FakeQunfa()
    fake.ends(outcome, problem="batch_failed")
    handle = await fake.send(listed())
    if outcome == "failed":
        result = await failure(handle)
    else:
        result = await handle.result()
    assert (result.outcome, [job.state for job in result.jobs]) == (outcome, states.split())
    assert (result.totals and result.totals.sent) == (16_666 if outcome == "partly_sent" else 0)
    assert (await handle.status()).progress.done == len(result.jobs)
