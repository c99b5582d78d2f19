"""Articles on the way: pictures from elsewhere, pictures that WeChat drops, drafts that die, accounts that differ."""

from collections import Counter
from typing import Any

import pytest

from qunfa.simulator import Content
from qunfa.simulator.materials import Material
from tests.e2e.own_worker import own_worker
from tests.e2e.stage import Scene
from tests.media.samples import clip, picture
from tests.media.sources.site import response, serve

pytestmark = pytest.mark.long

GIVEN = "https://mmbiz.qpic.cn/mmbiz_png/given/640?wx_fmt=png"
"""A picture that was WeChat's when the request came."""


def news(scene: Scene, content: str, **more: Any) -> dict[str, Any]:
    """A message of one article."""
    cover = {"uri": scene.file("cover.jpg", picture("JPEG"))}
    return {"msgtype": "mpnews", "articles": [{"title": "t", "content": content, "thumb": cover, **more}]}


def with_a_picture(scene: Scene) -> dict[str, Any]:
    """A message of one article with one picture."""
    return news(scene, f'<p>x</p><img src="{scene.file("inside.png", picture(colour="blue"))}">')


def calls(scene: Scene) -> Counter[str]:
    """How often each endpoint was called."""
    return Counter(call.path.removeprefix("/cgi-bin/") for call in scene.sim.world.calls)


def drafts(scene: Scene) -> list[Material]:
    """All drafts, dead or alive."""
    return [material for material in scene.simulated.library if material.kind in {"draft", "news"}]


async def seen(scene: Scene) -> Content:
    """What everybody has received, once."""
    assert await scene.everyone_once()
    [job] = scene.jobs
    return job.content


async def test_pictures_from_elsewhere_become_wechats(scene: Scene) -> None:
    """Fetched over http, uploaded once for each content however often and wherever it stands; WeChat's own stay."""
    async with serve() as site, own_worker(scene, media={"hosts": [site.authority]}):
        one, other = picture(colour="red"), picture(colour="green")
        site.pages |= {"/a.png": response(one), "/same.png": response(one), "/b.png?sig=1&w=2": response(other)}
        content = (
            f'<img src="{site.url("/a.png")}"><img data-src="{site.url("/same.png")}"><img src="{GIVEN}">'
            f'<p style="background-image: url({site.url("/b.png?sig=1&amp;w=2")})">x</p>'
        )
        assert (await scene.result(await scene.start(message=news(scene, content)))).outcome == "sent"
    [article] = (await seen(scene)).articles
    assert article.dropped == ()
    assert site.authority not in article.content
    assert article.content.count(f'src="{GIVEN}"') == 1
    shown = [one.url for one in article.pictures]
    assert (len(shown), shown[0] == shown[1], len(set(shown)), shown[2]) == (4, True, 3, GIVEN)
    assert calls(scene)["media/uploadimg"] == 2


@pytest.mark.parametrize("whose", ["uploaded", "given"])
async def test_a_draft_that_lost_a_picture_is_not_sent(scene: Scene, whose: str) -> None:
    """WeChat drops it without a word; a person is asked, and another draft is made when that one says so."""
    message = with_a_picture(scene) if whose == "uploaded" else news(scene, f'x<img src="{GIVEN}">')
    scene.fault("picture_lost", "draft/add")
    handle = await scene.start(message=message)
    status = await scene.asks(handle, "pictures_lost")
    assert status.problem is not None
    assert "article 1: http" in status.problem.sentence
    assert await scene.nobody()
    await scene.update(handle, "retry")
    assert (await scene.result(handle)).outcome == "sent"
    assert len((await seen(scene)).articles[0].pictures) == 1
    assert (calls(scene)["draft/add"], calls(scene)["media/uploadimg"]) == (2, int(whose == "uploaded"))


@pytest.mark.parametrize("dies", ["before it is checked", "before it is submitted"])
async def test_a_draft_that_died_is_rebuilt_once(scene: Scene, dies: str) -> None:
    """Nothing was accepted by then: another draft, the same clientmsgid, and the pictures that WeChat still has."""
    await scene.freeze()
    if dies == "before it is checked":
        scene.fault("dies_early", "draft/add")
    handle = await scene.start(message=with_a_picture(scene))
    await scene.waits(handle, "frozen by li")
    if dies == "before it is submitted":
        [draft] = drafts(scene)
        draft.ended = "expired"
    await scene.unfreeze()
    [job] = (await scene.result(handle)).jobs
    assert (job.generation, job.deduplicated) == (0, False)
    await seen(scene)
    assert {call.clientmsgid for call in scene.tries} == {job.clientmsgid}
    assert [call.errcode for call in scene.tries] == ([40007, 0] if dies == "before it is submitted" else [0])
    assert [draft.ended for draft in drafts(scene)][-1] == "sent"
    assert (len(drafts(scene)), calls(scene)["media/uploadimg"]) == (2, 1)


async def test_a_draft_that_dies_again_asks_a_person(scene: Scene) -> None:
    """Once is enough: after that somebody else is deleting drafts."""
    scene.fault("dies_early", "draft/add", times=2)
    handle = await scene.start(message=with_a_picture(scene))
    status = await scene.asks(handle, "media_refused")
    assert status.problem is not None
    assert status.problem.errcode == 40007
    assert len(drafts(scene)) == 2
    await scene.update(handle, "retry")
    assert (await scene.result(handle)).outcome == "sent"
    await seen(scene)


@pytest.mark.parametrize("echo", ["at once", "after 40007"])
async def test_a_draft_that_died_of_its_own_send_is_never_rebuilt(scene: Scene, echo: str) -> None:
    """The answer of the accepted try was lost: 45065 settles it, and 40007 in between is only its echo."""
    scene.fault("reset_after_accept")
    handle = await scene.start(message=with_a_picture(scene))
    await scene.accepted()
    if echo == "after 40007":
        scene.fault("errcode", errcode=40007)
    result = await scene.result(handle)
    assert (result.outcome, result.jobs[0].deduplicated) == ("sent", True)
    await seen(scene)
    assert [call.errcode for call in scene.tries] == ([None, 40007, 45065] if "40007" in echo else [None, 45065])
    [draft] = drafts(scene)
    assert draft.ended == "sent"
    assert len({step["message"]["media_id"] for step in await scene.submissions(handle)}) == 1


async def test_a_video_that_died_before_its_conversion_is_uploaded_again(scene: Scene) -> None:
    """Once, and without asking anybody."""
    scene.fault("dies_early", "media/upload")
    message = {"msgtype": "mpvideo", "media": {"uri": scene.file("a.mp4", clip())}, "title": "t"}
    assert (await scene.result(await scene.start(message=message))).outcome == "sent"
    assert (calls(scene)["media/upload"], calls(scene)["media/uploadvideo"]) == (2, 2)
    await seen(scene)


async def test_an_account_whose_news_go_by_uploadnews(scene: Scene) -> None:
    """A temporary thumb, no draft, and the cover shown in the article where that is asked for."""
    async with own_worker(scene, account={"news_via": "uploadnews"}):
        message = with_a_picture(scene)
        message["articles"][0]["show_cover_pic"] = 1
        assert (await scene.result(await scene.start(message=message))).outcome == "sent"
    content = await seen(scene)
    assert content.source is not None
    [article] = content.articles
    assert (content.source.kind, article.thumb.kind, article.thumb.permanent) == ("news", "thumb", False)
    assert (article.show_cover_pic, len(article.pictures)) == (1, 1)
    made = calls(scene)
    assert (made["media/uploadnews"], made["draft/add"], made["material/add_material"]) == (1, 0, 0)


async def test_an_account_whose_pictures_go_as_in_2018(scene: Scene) -> None:
    """One picture in the old object; what that has no room for is refused at once, and nothing is uploaded."""
    async with own_worker(scene, account={"image_via": "image"}):
        one, two = ({"uri": scene.file(f"{colour}.png", picture(colour=colour))} for colour in ("red", "blue"))
        await scene.result(await scene.start("one", message={"msgtype": "image", "images": [one]}))
        content = await seen(scene)
        assert (len(content.media), content.recommend) == (1, "")
        both = {"msgtype": "image", "images": [one, two], "recommend": "看"}
        problem = await scene.refusal(await scene.start("two", message=both))
        assert "message.images: account" in problem
        assert "message.recommend: account" in problem
        held = {"msgtype": "image", "images": [{"media_id": "A"}, {"media_id": "B"}]}
        assert "has room for one picture" in await scene.refusal(await scene.start("held", message=held))
    assert (calls(scene)["media/upload"], len(scene.tries)) == (1, 1)
