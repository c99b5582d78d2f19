"""Each message type, from files on disk to what followers see."""

import re
import sys
from hashlib import sha256, shake_256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from qunfa.simulator import Content
from tests.e2e.own_worker import own_worker
from tests.e2e.processes import configuration, logged, running
from tests.e2e.stage import Scene
from tests.media.recordings import mp4
from tests.media.samples import clip, picture, png, recording, voice_message

MB = 1024 * 1024
ROOM = 20 * MB


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


@pytest.mark.long
async def test_an_account_whose_news_go_by_uploadnews(scene: Scene) -> None:
    """A temporary thumb, no draft, and the cover shown in the article where that is asked for."""
    async with own_worker(scene, account={"news_via": "uploadnews"}):
        message = scene.news(f'<p>x</p><img src="{scene.file("inside.png", picture(colour="blue"))}">')
        message["articles"][0]["show_cover_pic"] = 1
        content = await delivered(scene, message)
    assert content.source is not None
    [article] = content.articles
    assert (content.source.kind, article.thumb.kind, article.thumb.permanent) == ("news", "thumb", False)
    assert (article.show_cover_pic, len(article.pictures)) == (1, 1)
    assert [scene.calls(one) for one in ("media/uploadnews", "draft/add", "material/add_material")] == [1, 0, 0]


@pytest.mark.long
async def test_an_account_whose_pictures_go_as_in_2018(scene: Scene) -> None:
    """One picture in the old object; what that has no room for is refused at once, and nothing is uploaded."""
    async with own_worker(scene, account={"image_via": "image"}):
        one, two = ({"uri": scene.file(f"{colour}.png", picture(colour=colour))} for colour in ("red", "blue"))
        content = await delivered(scene, {"msgtype": "image", "images": [one]})
        assert (len(content.media), content.recommend) == (1, "")
        both = {"msgtype": "image", "images": [one, two], "recommend": "看"}
        problem = await scene.refusal(await scene.start("two", message=both))
        assert "message.images: account" in problem
        assert "message.recommend: account" in problem
    assert (scene.calls("media/upload"), len(scene.tries)) == (1, 1)


def big_picture(form: str, edge: int, **options: Any) -> bytes:
    """A square picture of noise, which no format makes small."""
    file = BytesIO()
    Image.frombytes("RGB", (edge, edge), shake_256(b"noise").digest(3 * edge * edge)).save(file, form, **options)
    return file.getvalue()


def of_a_file(scene: Scene, name: str, content: bytes) -> dict[str, Any]:
    """A message with this file."""
    media = {"uri": scene.file(name, content)}
    if name == "video":
        return {"msgtype": "mpvideo", "media": media, "title": "t"}
    return {"msgtype": "image", "images": [media]}


def peak(process: int) -> int:
    """The most memory that a process has had so far, in bytes."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{process}/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells a process's peak on Linux alone")
async def test_big_files_need_little_memory(scene: Scene, tmp_path: Path) -> None:
    """10 MB each of video, PNG and JPEG, and a bomb: a worker that has sent small files needs less than 20 MB more.

    The JPEG is one that must be decoded as a whole (progressive), which takes 90 MB; the bomb has 400 million pixels.
    """
    await scene.simulate(limits={"to_all_per_month": 100, "user_per_month": 100})
    big = {
        "video": mp4(size=10 * MB),
        "png": big_picture("PNG", 1850),
        "jpeg": big_picture("JPEG", 5650, quality=40, progressive=True),
    }
    config = configuration(scene, tmp_path, more=f'[media]\nroots = ["{scene.stage.media}"]')
    patience, log = {"QUNFA_TIMING__HTTP_TIMEOUT": "20"}, tmp_path / "worker.log"
    async with running(scene, ["worker.py"], config, patience, log) as worker:
        await logged(log, '"started"')
        for name, small in {"video": clip(), "png": picture(), "jpeg": picture("JPEG")}.items():
            await scene.result(await scene.start(f"small-{name}", message=of_a_file(scene, name, small)))
        before, grown = peak(worker.pid), {}
        for name, content in big.items():
            assert 9 * MB < len(content) <= 10 * MB
            await scene.result(await scene.start(f"big-{name}", message=of_a_file(scene, name, content)))
            grown[name] = peak(worker.pid) - before
        bomb = png(20_000, 20_000, bytes(20_000 * 2501), depth=1)
        assert "pixels" in await scene.refusal(await scene.start("bomb", message=of_a_file(scene, "bomb", bomb)))
        grown["bomb"] = peak(worker.pid) - before
    assert {name: more for name, more in grown.items() if more >= ROOM} == {}
    assert len(scene.jobs) == 6
