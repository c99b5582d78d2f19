"""Articles on the way: pictures from elsewhere, pictures that WeChat drops, drafts that die, accounts that differ."""

from typing import Any

import pytest

from qunfa.simulator import Content
from tests.e2e.own_worker import own_worker
from tests.e2e.stage import Scene
from tests.media.samples import clip, picture
from tests.media.sources.site import response, serve

pytestmark = pytest.mark.long

GIVEN = "https://mmbiz.qpic.cn/mmbiz_png/given/640?wx_fmt=png"
"""A picture that was WeChat's when the request came."""


def with_a_picture(scene: Scene) -> dict[str, Any]:
    """A message of one article with one picture."""
    return scene.news(f'<p>x</p><img src="{scene.file("inside.png", picture(colour="blue"))}">')


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
        assert (await scene.result(await scene.start(message=scene.news(content)))).outcome == "sent"
    [article] = (await seen(scene)).articles
    assert article.dropped == ()
    assert site.authority not in article.content
    assert article.content.count(f'src="{GIVEN}"') == 1
    shown = [one.url for one in article.pictures]
    assert (len(shown), shown[0] == shown[1], len(set(shown)), shown[2]) == (4, True, 3, GIVEN)
    assert scene.calls("media/uploadimg") == 2


async def test_a_lost_picture_is_asked_about_and_made_again(scene: Scene) -> None:
    """WeChat drops it without a word; a person is asked, and another draft is made when that one says so."""
    scene.fault("picture_lost", "draft/add")
    handle = await scene.start(message=scene.news(f'x<img src="{GIVEN}">'))
    status = await scene.asks(handle, "pictures_lost")
    assert status.problem is not None
    assert "article 1: http" in status.problem.sentence
    assert await scene.nobody()
    await scene.update(handle, "retry")
    assert (await scene.result(handle)).outcome == "sent"
    assert len((await seen(scene)).articles[0].pictures) == 1
    assert scene.calls("draft/add") == 2


async def test_what_dies_before_it_is_used_is_made_again_once(scene: Scene) -> None:
    """A video before its conversion, a draft before it is checked: nobody is asked, and its pictures are still good."""
    scene.fault("dies_early", "media/upload")
    video = {"msgtype": "mpvideo", "media": {"uri": scene.file("a.mp4", clip())}, "title": "t"}
    assert (await scene.result(await scene.start("video", message=video))).outcome == "sent"
    assert (scene.calls("media/upload"), scene.calls("media/uploadvideo")) == (2, 2)
    scene.fault("dies_early", "draft/add")
    assert (await scene.result(await scene.start("news", message=with_a_picture(scene)))).outcome == "sent"
    assert (scene.calls("draft/add"), scene.calls("media/uploadimg"), len(scene.tries)) == (2, 1, 2)
    assert set((await scene.received()).values()) == {2}


async def test_a_draft_that_died_of_its_own_send_is_never_rebuilt(scene: Scene) -> None:
    """The answer of the accepted try was lost: 45065 settles it, and 40007 in between is only its echo."""
    scene.fault("reset_after_accept")
    handle = await scene.start(message=with_a_picture(scene))
    await scene.accepted()
    scene.fault("errcode", errcode=40007)
    result = await scene.result(handle)
    assert (result.outcome, result.jobs[0].deduplicated) == ("sent", True)
    await seen(scene)
    assert [call.errcode for call in scene.tries] == [None, 40007, 45065]
    assert scene.calls("draft/add") == 1
    assert len({step["message"]["media_id"] for step in await scene.submissions(handle)}) == 1


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
    assert [scene.calls(one) for one in ("media/uploadnews", "draft/add", "material/add_material")] == [1, 0, 0]


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
    assert (scene.calls("media/upload"), len(scene.tries)) == (1, 1)
