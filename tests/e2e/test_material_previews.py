"""Previews: the message as a few people see it, which is never a send, and so many times a day."""

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from qunfa.contract.ids import PREVIEW_MASS_SEND, preview_id
from qunfa.contract.request import PreviewResult
from qunfa.simulator import openid
from tests.e2e.stage import Scene
from tests.looking import PATIENCE
from tests.media.samples import picture, recording
from tests.workflows.failures import refusal_of

pytestmark = pytest.mark.long

WXNAME = {"wxname": "wx-li"}


def stranger(scene: Scene) -> dict[str, str]:
    """Somebody who follows no more."""
    return {"openid": openid(scene.appid, 5000)}


def follower(scene: Scene, number: int) -> dict[str, str]:
    """A follower."""
    return {"openid": openid(scene.appid, number)}


async def started(scene: Scene, key: str = "look", **raw: Any) -> WorkflowHandle[Any, PreviewResult]:
    """A `PreviewMassSend`."""
    return await scene.client.start_workflow(
        PREVIEW_MASS_SEND,
        {"account": scene.account, "key": key, "message": {"msgtype": "text", "content": "你好"}, **raw},
        id=preview_id(scene.account, key),
        task_queue=scene.queue,
        result_type=PreviewResult,
    )


async def previewed(scene: Scene, **raw: Any) -> PreviewResult:
    """What came of it."""
    async with asyncio.timeout(PATIENCE):
        return await (await started(scene, **raw)).result()


def shown(scene: Scene) -> list[int]:
    """Who was shown something, by WeChat's books."""
    return [preview.follower for preview in scene.sim.world.ledger.previews(scene.simulated)]


def calls(scene: Scene, endpoint: str) -> int:
    """How often an endpoint was called."""
    return len([call for call in scene.sim.world.calls if call.path.endswith(endpoint)])


async def counted(scene: Scene) -> int:
    """How many previews of today the account's ledger has counted."""
    return sum(day.previews for day in (await scene.ledger()).book.values())


async def test_each_person_has_a_row(scene: Scene) -> None:
    """A follower, somebody who follows no more (43004), a WeChat id; it is no delivery, and nothing was submitted."""
    await scene.simulate(wxnames={"wx-li": 9})
    message = {"msgtype": "voice", "media": {"uri": scene.file("a.mp3", recording())}}
    result = await previewed(scene, message=message, to=[follower(scene, 3), stranger(scene), WXNAME])
    assert [(row.sent, row.errcode) for row in result.previews] == [(True, None), (False, 43004), (True, None)]
    assert result.previews[2].to == "WeChat id wx-li"
    assert (shown(scene), calls(scene, "media/upload"), await counted(scene)) == ([3, 9], 1, 3)
    assert scene.tries == []
    assert await scene.nobody()


async def test_articles_are_previewed_as_they_will_be_sent(scene: Scene) -> None:
    """One draft for all of the people, with its pictures."""
    inside, cover = scene.file("i.png", picture()), scene.file("c.jpg", picture("JPEG"))
    article = {"title": "春", "content": f'<p>x</p><img src="{inside}">', "thumb": {"uri": cover}}
    message = {"msgtype": "mpnews", "articles": [article]}
    result = await previewed(scene, message=message, to=[follower(scene, 1), follower(scene, 2)])
    assert [row.sent for row in result.previews] == [True, True]
    first, second = scene.sim.world.ledger.previews(scene.simulated)
    assert "mmbiz.qpic.cn" in first.content.articles[0].content
    assert first.content.source is second.content.source
    assert calls(scene, "draft/add") == 1


async def test_a_sends_previews_come_before_its_submission(scene: Scene) -> None:
    """One that WeChat refuses keeps nobody from theirs, and not the send from going on; each is shown in its status."""
    handle = await scene.start(preview={"to": [stranger(scene), follower(scene, 3)]})
    assert (await scene.result(handle)).outcome == "sent"
    rows = (await scene.status(handle)).previews
    assert [(row.sent, row.errcode) for row in rows] == [(False, 43004), (True, None)]
    paths = [call.path.rpartition("/")[2] for call in scene.sim.world.calls if "/mass/" in call.path]
    assert paths == ["preview", "preview", "sendall"]
    assert shown(scene) == [3]
    assert await scene.everyone_once()


async def test_a_send_that_is_started_again_counts_its_previews_again(scene: Scene) -> None:
    """WeChat counts calls: those of a run that was terminated, and those of the one that followed it."""
    await scene.freeze()
    preview = {"to": [follower(scene, 3)]}
    first = await scene.start(preview=preview)
    await scene.waits(first, "frozen by li")
    await first.terminate("by mistake")
    second = await scene.start(preview=preview)
    await scene.waits(second, "frozen by li")
    assert (calls(scene, "mass/preview"), await counted(scene)) == (2, 2)
    await scene.unfreeze()
    assert (await scene.result(second)).outcome == "sent"
    assert await scene.everyone_once()


async def test_there_are_so_many_a_day(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks: the next one is told why not, WeChat is not asked, and a send goes on without its preview."""
    monkeypatch.setattr("qunfa.account.quota.PREVIEWS_A_DAY", 20)
    result = await previewed(scene, to=[follower(scene, number) for number in range(20)])
    assert all(row.sent for row in result.previews)
    [late] = (await previewed(scene, to=[follower(scene, 1)])).previews
    assert (late.sent, late.errcode) == (False, None)
    assert "previews of today are used up" in (late.errmsg or "")
    handle = await scene.start(preview={"to": [follower(scene, 1)]})
    assert (await scene.result(handle)).outcome == "sent"
    assert [row.sent for row in (await scene.status(handle)).previews] == [False]
    assert (calls(scene, "mass/preview"), await counted(scene)) == (20, 20)
    assert await scene.everyone_once()


async def test_what_others_have_used_up_is_wechats_word(scene: Scene) -> None:
    """45009, where somebody has previewed from elsewhere."""
    await scene.simulate(limits={"calls_per_day": {"mass/preview": 1}})
    result = await previewed(scene, to=[follower(scene, 1), follower(scene, 2)])
    assert [(row.sent, row.errcode) for row in result.previews] == [(True, None), (False, 45009)]
    assert await scene.nobody()


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"audience": {"kind": "all"}}, "audience: is not a field of this object"),
        ({"to": {"kind": "all"}}, "to: must be"),
        ({"to": [{"openid": ["one", "two"]}]}, "to[0].openid: must be text"),
        ({"to": [{"tag_id": 2}]}, "to[0].tag_id: is not a field of this object"),
        ({"to": []}, "to: must have at least 1"),
    ],
)
async def test_a_preview_for_many_is_none(scene: Scene, more: dict[str, Any], problem: str) -> None:
    """There is no way to write an audience in it."""
    handle = await started(scene, **{"to": [follower(scene, 1)], **more})
    assert problem in await refusal_of(handle)
    assert (len(scene.sim.world.calls), scene.jobs) == (0, [])


async def test_bad_material_has_no_preview(scene: Scene) -> None:
    """It is refused as a send's is, with its place, and WeChat is not asked."""
    message = {"msgtype": "voice", "media": {"uri": scene.file("a.mp3", b"text")}}
    handle = await started(scene, message=message, to=[follower(scene, 1)])
    assert "message.media: is text" in await refusal_of(handle)
    assert shown(scene) == []
