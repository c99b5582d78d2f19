"""Each message type, from files on disk to what followers see."""

from hashlib import sha256
from typing import Any

import pytest

from qunfa.simulator import Content
from tests.e2e.stage import Scene
from tests.media.samples import clip, noise, picture, recording, voice_message


async def delivered(scene: Scene, message: dict[str, Any], **more: Any) -> Content:
    """What every follower has received, once."""
    result = await scene.result(await scene.start(message=message, **more))
    assert result.outcome == "sent"
    assert await scene.everyone_once()
    [job] = scene.jobs
    return job.content


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return sha256(content).hexdigest()


@pytest.mark.parametrize("form", ["mp3", "amr"])
async def test_a_voice(scene: Scene, form: str) -> None:
    """The very bytes of the file."""
    content = recording() if form == "mp3" else voice_message()
    seen = await delivered(scene, {"msgtype": "voice", "media": {"uri": scene.file(f"a.{form}", content)}})
    assert [media.sha256 for media in seen.media] == [digest(content)]


async def test_pictures(scene: Scene) -> None:
    """In the order of the request, with their recommendation."""
    files = [picture("PNG", colour="red"), picture("JPEG", colour="green"), picture("GIF", colour="blue")]
    images = [{"uri": scene.file(f"{number}", content)} for number, content in enumerate(files)]
    seen = await delivered(scene, {"msgtype": "image", "images": images, "recommend": "看", "need_open_comment": 1})
    assert [media.sha256 for media in seen.media] == [digest(content) for content in files]
    assert (seen.recommend, seen.need_open_comment) == ("看", 1)


async def test_a_video(scene: Scene) -> None:
    """Uploaded, converted, and sent by the converted id, with its title."""
    content = clip()
    message = {"msgtype": "mpvideo", "media": {"uri": scene.file("a.mp4", content)}, "title": "片", "description": "d"}
    seen = await delivered(scene, message)
    assert (seen.title, seen.description) == ("片", "d")
    assert [(media.kind, media.sha256) for media in seen.media] == [("mass_video", digest(content))]


async def test_a_video_to_some(scene: Scene) -> None:
    """Those and nobody else receive the converted video, with its title."""
    message = {"msgtype": "mpvideo", "media": {"uri": scene.file("a.mp4", clip())}, "title": "片"}
    to = {"kind": "openids", "openids": scene.openids(30)}
    assert (await scene.result(await scene.start(message=message, audience=to))).outcome == "sent"
    assert await scene.received() == dict.fromkeys(range(30), 1)
    [job] = scene.jobs
    assert (job.content.title, job.content.media[0].kind) == ("片", "mass_video")


async def test_articles(scene: Scene) -> None:
    """The picture is WeChat's own and was uploaded once; scripts are gone; links, cards and styles are there."""
    inside = scene.file("inside.png", picture(colour="blue"))
    content = (
        f'<p onclick="x()">春天</p><img src="{inside}"><section style="background-image: url({inside})">y</section>'
        '<script>steal()</script><a href="https://mp.weixin.qq.com/s/x">z</a>'
        '<mp-miniprogram data-miniprogram-appid="wx1" data-miniprogram-path="a"></mp-miniprogram>'
    )
    seen = await delivered(scene, scene.news(content, content))
    assert [article.title for article in seen.articles] == ["春 0", "春 1"]
    for article in seen.articles:
        assert article.content.count("mmbiz.qpic.cn") == 2
        assert "script" not in article.content
        assert "onclick" not in article.content
        assert "data-miniprogram-appid" in article.content
        assert "https://mp.weixin.qq.com/s/x" in article.content
    assert (scene.calls("add_material"), scene.calls("uploadimg")) == (1, 1)


async def test_a_card(scene: Scene) -> None:
    """Refused today (45113), which a person is told; where WeChat takes it, it is delivered like any other message."""
    card = {"msgtype": "wxcard", "card_id": "c"}
    handle = await scene.start(message=card)
    status = await scene.until(handle, lambda status: status.phase == "needs_operator")
    assert status.problem is not None
    assert status.problem.errcode == 45113
    await scene.update(handle, "abort")
    assert await scene.nobody()
    await scene.simulate(cards=True)
    seen = await delivered(scene, card, key="today")
    assert (seen.msgtype, seen.card_id) == ("wxcard", "c")


async def test_what_wechat_holds_already(scene: Scene) -> None:
    """A media_id is sent as it is: nothing is looked at, and nothing is uploaded."""
    await delivered(scene, {"msgtype": "voice", "media": {"uri": scene.file("a.mp3", recording())}})
    [voice] = list(scene.simulated.library)
    before = len(scene.sim.world.calls)
    message = {"msgtype": "voice", "media": {"media_id": voice.media_id}}
    assert (await scene.result(await scene.start("again", message=message))).outcome == "sent"
    assert [call.path.rpartition("/")[2] for call in list(scene.sim.world.calls)[before:]] == ["sendall"]


async def test_a_picture_is_made_to_fit_where_that_is_asked_for(scene: Scene) -> None:
    """Otherwise it is an error, and nothing is uploaded."""
    message = scene.news(f'<img src="{scene.file("big.png", noise(size=(900, 900)))}">')
    problem = await scene.refusal(await scene.start("no", message=message))
    assert "message.articles[0].content" in problem
    assert "less than 1 MB" in problem
    seen = await delivered(scene, message, fit_images=True)
    assert "mmbiz.qpic.cn" in seen.articles[0].content
