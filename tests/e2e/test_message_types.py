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


def an_article(scene: Scene, **more: Any) -> dict[str, Any]:
    """An article with a picture that stands in it twice, a script, a link and a mini-program card."""
    inside = scene.file("inside.png", picture(colour="blue"))
    content = (
        f'<p onclick="x()">春天</p><img src="{inside}"><section style="background-image: url({inside})">y</section>'
        '<script>steal()</script><a href="https://mp.weixin.qq.com/s/x">z</a>'
        '<mp-miniprogram data-miniprogram-appid="wx1" data-miniprogram-path="a"></mp-miniprogram>'
    )
    return {"title": "春季新品", "content": content, "thumb": {"uri": scene.file("cover.jpg", picture("JPEG"))}, **more}


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
    assert [media.kind for media in seen.media] == ["mass_video"]
    assert [media.sha256 for media in seen.media] == [digest(content)]


async def test_articles(scene: Scene) -> None:
    """The picture is WeChat's own and was uploaded once; scripts are gone; links, cards and styles are there."""
    seen = await delivered(scene, {"msgtype": "mpnews", "articles": [an_article(scene), an_article(scene, title="二")]})
    first, second = seen.articles
    assert (first.title, second.title) == ("春季新品", "二")
    for article in seen.articles:
        assert article.content.count("mmbiz.qpic.cn") == 2
        assert "script" not in article.content
        assert "onclick" not in article.content
        assert "data-miniprogram-appid" in article.content
        assert "https://mp.weixin.qq.com/s/x" in article.content
    uploads = [call.path for call in scene.sim.world.calls if call.path.endswith(("uploadimg", "add_material"))]
    assert sorted(path.rsplit("/", 1)[-1] for path in uploads) == ["add_material", "uploadimg"]


async def test_a_card_is_refused_as_wechat_does_today(scene: Scene) -> None:
    """45113: a person is told that cards can no longer be sent."""
    handle = await scene.start(message={"msgtype": "wxcard", "card_id": "c"})
    status = await scene.until(handle, lambda status: status.phase == "needs_operator")
    assert status.problem is not None
    assert status.problem.errcode == 45113
    await scene.update(handle, "abort")
    assert await scene.nobody()


async def test_a_card_where_wechat_takes_it(scene: Scene) -> None:
    """It needs nothing to be made, and is delivered like any other message."""
    await scene.simulate(cards=True)
    seen = await delivered(scene, {"msgtype": "wxcard", "card_id": "c"})
    assert (seen.msgtype, seen.card_id) == ("wxcard", "c")
    assert len(scene.sim.world.calls) == 2  # a token and the submission


@pytest.mark.parametrize("audience", ["tag", "openids"])
async def test_a_video_to_some(scene: Scene, audience: str) -> None:
    """Those and nobody else receive the converted video, with its title."""
    to = {"kind": "tag", "tag_id": 2} if audience == "tag" else {"kind": "openids", "openids": scene.openids(30)}
    message = {"msgtype": "mpvideo", "media": {"uri": scene.file("a.mp4", clip())}, "title": "片"}
    result = await scene.result(await scene.start(message=message, audience=to))
    assert result.outcome == "sent"
    first = 10 if audience == "tag" else 0
    assert await scene.received() == dict.fromkeys(range(first, first + 30), 1)
    [job] = scene.jobs
    assert (job.content.title, job.content.media[0].kind) == ("片", "mass_video")


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
    big = noise(size=(900, 900))
    article = an_article(scene)
    article["content"] = f'<img src="{scene.file("big.png", big)}">'
    message = {"msgtype": "mpnews", "articles": [article]}
    failed = await scene.start("no", message=message)
    problem = await scene.refusal(failed)
    assert "message.articles[0].content" in problem
    assert "less than 1 MB" in problem
    seen = await delivered(scene, message, fit_images=True)
    assert "mmbiz.qpic.cn" in seen.articles[0].content


@pytest.mark.long
async def test_a_picture_beyond_wechats_limit_is_made_to_fit(scene: Scene) -> None:
    """More than 10 MB is what people need it for."""
    huge = noise(size=(2600, 2600))
    assert len(huge) > 10 * 1024 * 1024
    message = {"msgtype": "image", "images": [{"uri": scene.file("huge.png", huge)}]}
    assert "WeChat takes at most 10 MB" in await scene.refusal(await scene.start("no", message=message))
    seen = await delivered(scene, message, fit_images=True)
    assert [media.upload.size < 10 * 1024 * 1024 for media in seen.media if media.upload] == [True]
