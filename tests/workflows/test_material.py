"""Material in a mass send: made once, made again where it must be, and never otherwise than it was asked for."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from qunfa.contract import MassSendResult
from qunfa.contract.message import ImageMessage, MpnewsMessage, MpvideoMessage, VoiceMessage
from qunfa.contract.steps import WECHAT_UNAVAILABLE
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of, refusal_of
from tests.workflows.model import loses, says, silent
from tests.workflows.model_material import busy, refused

pytestmark = pytest.mark.long

NEWS: dict[str, Any] = {
    "msgtype": "mpnews",
    "articles": [
        {"title": "t", "content": '<img src="file:/in-content.png">', "thumb": {"uri": "file:/cover.jpg"}},
        {"title": "u", "content": '<img src="file:/in-content.png">', "thumb": {"uri": "file:/cover.jpg"}},
    ],
}
VIDEO = {"msgtype": "mpvideo", "media": {"uri": "file:/clip.mp4"}, "title": "clip"}
VOICE = {"msgtype": "voice", "media": {"uri": "file:/a.mp3"}}
IMAGES = {"msgtype": "image", "images": [{"uri": "file:/a.png"}, {"media_id": "there"}, {"uri": "file:/b.png"}]}


async def sent(desk: Desk, message: dict[str, Any], **more: Any) -> Any:
    """The message as it was submitted, once its send has been sent."""
    result: MassSendResult = await (await desk.start(message=message, **more)).result()
    assert result.outcome == "sent"
    return desk.wechat.tries[-1].message


@pytest.mark.history
async def test_articles_are_sent_as_one_checked_draft(desk: Desk) -> None:
    """Cover and picture once each, one draft, a look whether it is whole, and then only its id."""
    message = await sent(desk, NEWS)
    assert message == MpnewsMessage(msgtype="mpnews", media_id="draft-3")
    looked, *uploads, draft, check = desk.material.calls
    [cover] = {call.split()[-1] for call in [draft]}
    assert (looked, draft, check) == ("inspect", f"draft with {cover}, {cover}", "check draft-3")
    assert sorted(uploads) == ["upload cover file:/cover.jpg", "upload picture file:/in-content.png"]


@pytest.mark.history
async def test_a_video_is_converted_and_the_converted_one_is_sent(desk: Desk) -> None:
    """Upload, conversion with title, submission."""
    message = await sent(desk, VIDEO)
    assert isinstance(message, MpvideoMessage)
    assert desk.material.calls == ["inspect", "upload video file:/clip.mp4", "convert video-1 clip"]
    assert message.media.model_dump() == {"media_id": "converted-2"}


@pytest.mark.history
async def test_pictures_keep_their_order(desk: Desk) -> None:
    """Uploaded side by side, and sent as they were asked for."""
    message = await sent(desk, IMAGES)
    assert isinstance(message, ImageMessage)
    first, there, last = (image.model_dump()["media_id"] for image in message.images)
    assert there == "there"
    assert {first, last} == {"image-1", "image-2"}


async def test_a_voice_is_uploaded(desk: Desk) -> None:
    """One file, one id."""
    message = await sent(desk, VOICE)
    assert isinstance(message, VoiceMessage)
    assert message.media.model_dump() == {"media_id": "voice-1"}


async def test_what_wechat_holds_is_sent_as_it_is(desk: Desk) -> None:
    """A media_id needs nothing to be made."""
    await sent(desk, {"msgtype": "voice", "media": {"media_id": "there"}})
    assert desk.material.calls == []


@pytest.mark.history
async def test_material_that_is_wrong_is_an_invalid_request(desk: Desk) -> None:
    """All of its problems at once; nothing is uploaded, and the key is still free."""
    desk.material.problems = ("message.images[0]: is 11 MB", "message.images[2]: is no picture")
    refusal = await refusal_of(await desk.start(message=IMAGES))
    assert "message.images[0]: is 11 MB; message.images[2]: is no picture" in refusal
    assert desk.material.calls == ["inspect"]
    desk.material.problems = ()
    await sent(desk, {"msgtype": "text", "content": "the key is free"})


@pytest.mark.history
async def test_a_try_is_repeated_with_the_same_material(desk: Desk) -> None:
    """A lost answer leads to the same body again: nothing is uploaded a second time."""
    desk.wechat.script = [loses]
    await sent(desk, VIDEO)
    first, second = desk.wechat.tries
    assert (first.message, first.clientmsgid) == (second.message, second.clientmsgid)
    assert len(desk.material.calls) == 3


@pytest.mark.history
async def test_a_send_that_waited_uploads_again(desk: Desk) -> None:
    """What is older than two and a half days when it is submitted is made anew; what lasts is not."""
    later = await desk.env.get_current_time() + timedelta(days=5)
    message = await sent(desk, VIDEO, send_at=later.isoformat())
    assert desk.material.calls[1:] == [
        "upload video file:/clip.mp4",
        "convert video-1 clip",
        "upload video file:/clip.mp4",
        "convert video-3 clip",
    ]
    assert message.media.model_dump() == {"media_id": "converted-4"}


async def test_a_draft_that_waited_is_still_good(desk: Desk) -> None:
    """Drafts and their covers do not die by age."""
    later = await desk.env.get_current_time() + timedelta(days=5)
    await sent(desk, NEWS, send_at=later.isoformat())
    assert [call.split()[0] for call in desk.material.calls] == ["inspect", "upload", "upload", "draft", "check"]


@pytest.mark.history
async def test_material_that_wechat_no_longer_knows_is_made_anew_once(desk: Desk) -> None:
    """40007 for our own draft: another draft, the same clientmsgid; a second time a person is asked."""
    desk.wechat.script = [says(40007)]
    await sent(desk, NEWS, key="once")
    first, second = desk.wechat.tries
    assert first.clientmsgid == second.clientmsgid
    assert first.message != second.message
    desk.wechat.script = [says(40007), says(40007)]
    handle = await desk.start("twice", message=NEWS)
    await desk.asks(handle, "media_refused")
    before = len([call for call in desk.material.calls if call.startswith("draft")])
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"
    assert len([call for call in desk.material.calls if call.startswith("draft")]) == before + 1


async def test_material_of_an_unknown_try_is_never_made_anew(desk: Desk) -> None:
    """40007 after a lost answer may be the echo of the accepted first try, whose draft died with it."""
    desk.wechat.script = [loses, says(40007)]
    await sent(desk, NEWS)
    assert len({step.message for step in desk.wechat.tries}) == 1
    assert len(desk.wechat.accepted) == 1


async def test_a_draft_that_died_after_a_lost_try_asks_a_person(desk: Desk) -> None:
    """The operator was wrong: WeChat had accepted the first generation, and its draft is dead for that reason."""
    desk.wechat.script = [loses, *[says(45028)] * 100]
    handle = await desk.start(message=NEWS)
    await desk.asks(handle, "unknown_outcome")
    desk.wechat.script = [says(40007)]
    await desk.update(handle, "retry", confirm_not_delivered=True)
    await desk.asks(handle, "media_refused")
    assert len(desk.wechat.accepted) == 1
    assert [call.split()[0] for call in desk.material.calls].count("draft") == 1
    await desk.update(handle, "abort")


@pytest.mark.history
async def test_a_source_that_changed_is_not_sent(desk: Desk) -> None:
    """What was looked at is what is sent: other content asks a person, and goes on when the old one is back."""
    later = await desk.env.get_current_time() + timedelta(days=5)
    handle = await desk.start(message=VIDEO, send_at=later.isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    desk.material.files["file:/clip.mp4"] = "another clip"
    status = await desk.asks(handle, "source_changed")
    assert status.answers == ("retry", "abort")
    assert desk.wechat.tries == []
    del desk.material.files["file:/clip.mp4"]
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"


@pytest.mark.parametrize(
    ("errcode", "problem"), [(40009, "media_refused"), (48001, "account_refused"), (40164, "ip_not_whitelisted")]
)
async def test_wechats_refusal_of_material_asks_a_person(desk: Desk, errcode: int, problem: str) -> None:
    """With WeChat's evidence; a retry makes what is missing, and nothing twice."""
    desk.material.refuse("upload", refused(errcode))
    handle = await desk.start(message=IMAGES)
    status = await desk.asks(handle, problem)
    assert status.problem is not None
    assert (status.problem.errcode, status.problem.rid) == (errcode, "1-2-3")
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"
    assert sorted(desk.material.calls) == ["inspect", "upload image file:/a.png", "upload image file:/b.png"]


@pytest.mark.history
async def test_a_draft_that_lost_pictures_is_not_sent(desk: Desk) -> None:
    """WeChat drops foreign pictures without a word: another draft is made when a person says so."""
    desk.material.lost = [("article 1: https://mmbiz.qpic.cn/picture-2",)]
    handle = await desk.start(message=NEWS)
    status = await desk.asks(handle, "pictures_lost")
    assert status.problem is not None
    assert "article 1: https://mmbiz.qpic.cn/picture-2" in status.problem.sentence
    assert desk.wechat.tries == []
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"
    drafts = [call for call in desk.material.calls if call.startswith("draft")]
    assert len(drafts) == 2


async def test_a_draft_whose_answer_is_lost_is_made_again_slowly(desk: Desk) -> None:
    """Each such call may have left one in WeChat's console: a minute lies between the first two, then more."""
    lost = ApplicationError("no answer", type=WECHAT_UNAVAILABLE)
    desk.material.refuse("draft", *[lost] * 3)
    await sent(desk, NEWS)
    times = [at for what, at in desk.material.asked if what == "draft"]
    minutes = [(later - earlier) / timedelta(minutes=1) for earlier, later in pairwise(times)]
    assert len(minutes) == 3
    assert all(waited >= least for waited, least in zip(minutes, (1, 2, 4), strict=True))


@pytest.mark.history
async def test_a_send_can_be_aborted_while_its_material_is_made(desk: Desk) -> None:
    """While WeChat does not take the upload, an abort ends the send at once, and its key is free."""
    desk.material.refuse("upload", *[busy()] * 50)
    handle = await desk.start(message=VOICE)
    await desk.until(handle, lambda status: status.waiting_for is not None and "upload" in status.waiting_for.reason)
    await desk.update(handle, "abort")
    assert (await failure_of(handle)).outcome == "aborted"
    assert desk.wechat.tries == []


async def test_a_send_can_be_aborted_while_its_sources_are_looked_at(desk: Desk) -> None:
    """Its key is not even asked for."""
    desk.material.refuse("inspect", *[busy()] * 50)
    handle = await desk.start(message=VOICE)
    await desk.until(handle, lambda status: status.waiting_for is not None and "material" in status.waiting_for.reason)
    await desk.update(handle, "abort")
    failure = await failure_of(handle)
    assert (failure.outcome, failure.jobs) == ("aborted", ())


async def test_sources_that_cannot_be_looked_at_in_time_expire(desk: Desk) -> None:
    """not_after holds from the first moment on: nothing waits for ever for a source that is away."""
    desk.material.refuse("inspect", *[busy()] * 50)
    soon = await desk.env.get_current_time() + timedelta(hours=3)
    failure = await failure_of(await desk.start(message=VOICE, not_after=soon.isoformat()))
    assert (failure.outcome, failure.may_have_been_delivered, failure.jobs) == ("expired", False, ())


async def test_the_same_material_elsewhere_is_the_same_content(desk: Desk) -> None:
    """The key stands for what is sent, not for where its files are."""
    await sent(desk, VOICE)
    desk.material.files["https://cdn.example.com/b.mp3"] = "file:/a.mp3"
    again = await (
        await desk.start(message={"msgtype": "voice", "media": {"uri": "https://cdn.example.com/b.mp3"}})
    ).result()
    assert (again.outcome, again.jobs[0].observed_by) == ("sent", "ledger")
    desk.material.files["file:/a.mp3"] = "another voice"
    assert "stands for other content" in await refusal_of(await desk.start(message=VOICE))
    assert len(desk.wechat.tries) == 1


@pytest.mark.parametrize("tried", ["delivered", "lost"])
async def test_a_send_whose_sources_are_gone_tells_what_its_key_has_done(desk: Desk, tried: str) -> None:
    """Who starts it again must not take "there is no such file" for "it was not sent"."""
    desk.wechat.script = [] if tried == "delivered" else [loses, *[says(45028)] * 50]
    first = await desk.start(message=VOICE)
    await desk.until(first, lambda _status: bool(desk.wechat.accepted))
    if tried == "lost":
        await first.terminate("by mistake")
    else:
        await first.result()
    desk.material.problems = ("message.media: there is no such file",)
    refusal = await refusal_of(await desk.start(message=VOICE))
    assert "message.media: there is no such file" in refusal
    assert 'key: an earlier run under "spring" was delivered, or may have been' in refusal


async def test_a_send_that_ends_unread_tells_what_its_key_has_done(desk: Desk) -> None:
    """Its sources are away, and it is aborted: it was delivered all the same."""
    assert (await (await desk.start(message=VOICE)).result()).outcome == "sent"
    desk.material.refuse("inspect", *[busy()] * 50)
    again = await desk.start(message=VOICE)
    await desk.until(again, lambda status: status.waiting_for is not None and "material" in status.waiting_for.reason)
    await desk.update(again, "abort")
    failure = await failure_of(again)
    assert (failure.outcome, failure.may_have_been_delivered) == ("unknown", True)
    assert [(job.state, job.observed_by) for job in failure.jobs] == [("sent", "ledger")]


async def test_a_restarted_send_probes_with_material_made_anew(desk: Desk) -> None:
    """The earlier run's ids are gone with it; the clientmsgid is what keeps the delivery one."""
    desk.wechat.script = [loses, silent, silent]
    first = await desk.start(message=VIDEO)
    await desk.until(first, lambda _status: len(desk.wechat.tries) == 1)
    await first.terminate("by mistake")
    result = await (await desk.start(message=VIDEO)).result()
    assert (result.outcome, len(desk.wechat.accepted)) == ("sent", 1)
    assert len({step.clientmsgid for step in desk.wechat.tries}) == 1


@pytest.mark.history
@pytest.mark.usefixtures("noon")
async def test_previews_go_out_before_the_submission(desk: Desk) -> None:
    """To each of them; one whom WeChat refuses keeps nobody from theirs, and each is shown."""
    to = [{"openid": "boss"}, {"openid": "blocked"}, {"wxname": "li"}]
    handle = await desk.start(message=VOICE, preview={"to": to})
    assert (await handle.result()).outcome == "sent"
    assert desk.material.previews == ["boss", "blocked", "WeChat id li"]
    previews = (await desk.status(handle)).previews
    assert [(one.to, one.sent, one.errcode) for one in previews] == [
        ("boss", True, None),
        ("blocked", False, 43004),
        ("WeChat id li", True, None),
    ]
    assert (await desk.ledger()).book.popitem()[1].previews == 3


async def test_material_that_is_not_ready_in_time_expires(desk: Desk) -> None:
    """not_after passes while WeChat does not take the upload: nothing is sent."""
    desk.material.refuse("upload", *[busy()] * 50)
    soon = await desk.env.get_current_time() + timedelta(hours=1)
    failure = await failure_of(await desk.start(message=VOICE, not_after=soon.isoformat()))
    assert (failure.outcome, failure.may_have_been_delivered) == ("expired", False)
    assert desk.wechat.tries == []
