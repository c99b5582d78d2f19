"""Material in a mass send: made once, made again where it must be, and never otherwise than it was asked for."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from qunfa.contract import MassSendResult
from qunfa.contract.message import ImageMessage, MpnewsMessage, MpvideoMessage
from qunfa.contract.steps import SOURCE_REFUSED, WECHAT_UNAVAILABLE
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of, refusal_of
from tests.workflows.model import loses, says
from tests.workflows.model_material import NEWS, VIDEO, VOICE, busy, refused

pytestmark = pytest.mark.long

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
    ("error", "problem", "errcode"),
    [
        (refused(40009), "media_refused", 40009),
        (refused(48001), "account_refused", 48001),
        (refused(40164), "ip_not_whitelisted", 40164),
        (ApplicationError("it cannot be had", type=SOURCE_REFUSED, non_retryable=True), "source_refused", None),
        (ApplicationError("it cannot be had", type="ABug", non_retryable=True), "material_failed", None),
    ],
    ids=["40009", "48001", "40164", "source", "bug"],
)
async def test_material_that_is_refused_asks_a_person(
    desk: Desk, error: ApplicationError, problem: str, errcode: int | None
) -> None:
    """With the evidence; a retry makes what is missing, and nothing twice."""
    desk.material.refuse("upload", error)
    handle = await desk.start(message=IMAGES)
    status = await desk.asks(handle, problem)
    assert status.problem is not None
    assert (status.problem.errcode, status.problem.rid) == (errcode, "1-2-3" if errcode else None)
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
    await desk.waits(handle, "upload")
    await desk.update(handle, "abort")
    assert (await failure_of(handle)).outcome == "aborted"
    assert desk.wechat.tries == []


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
