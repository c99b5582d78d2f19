import asyncio

import httpx
import pytest

from tests.simulator import samples
from tests.simulator.api import Api, Json, Start, article, named
from tests.simulator.samples import padded

BIG = padded(samples.PNG, 3_000_000)


def kinds(api: Api) -> list[str]:
    """What the account has, in order."""
    return [material.kind for material in api.world.accounts["demo"].library]


@pytest.mark.parametrize(
    ("fault", "stored"),
    [
        ({"kind": "reset_after_accept"}, 1),
        ({"kind": "reset_before_accept"}, 0),
        ({"kind": "timeout_after_accept", "seconds": 0.01}, 1),
        ({"kind": "reset_in_upload"}, 0),
    ],
)
async def test_the_connection_of_an_upload_may_break(start: Start, fault: Json, stored: int) -> None:
    """Before or after the file was taken, or in its midst."""
    api = await start()
    await api.fault(**fault, endpoint="media/upload")
    with pytest.raises(httpx.TransportError):
        await api.media_id("image", BIG)
    await api.world.until(lambda: all(call.answered for call in api.world.calls))
    assert len(kinds(api)) == stored
    assert await api.media_id("image", BIG)


@pytest.mark.parametrize(
    ("fault", "errcode", "stored"),
    [
        ({"kind": "errcode", "errcode": 45001}, 45001, 0),
        ({"kind": "errcode_after_accept", "errcode": -1}, -1, 1),
        ({"kind": "ok_without_msg_id"}, 0, 1),
    ],
)
async def test_the_answer_to_an_upload_may_be_wrong(start: Start, fault: Json, errcode: int, stored: int) -> None:
    """The faults of sends strike uploads as well."""
    api = await start()
    await api.fault(**fault, endpoint="media/upload")
    answer = await api.upload("media/upload", samples.PNG, type="image")
    assert (answer["errcode"], "media_id" in answer, len(kinds(api))) == (errcode, False, stored)


async def test_an_upload_may_be_slow(start: Start) -> None:
    """`slow_upload` takes the body in over its seconds; the call is seen on the way, with the bytes that have come."""
    api = await start()
    await api.fault("slow_upload", endpoint="media/upload", seconds=0.3)
    began = asyncio.get_running_loop().time()
    upload = asyncio.create_task(api.media_id("image", BIG))
    await api.world.until(lambda: any(0 < call.received < len(BIG) for call in api.world.calls))
    [call] = api.world.calls
    assert (call.fault, call.answered, kinds(api)) == ("slow_upload", False, [])
    await upload
    assert asyncio.get_running_loop().time() - began >= 0.3
    assert kinds(api) == ["image"]
    assert (await api.sim("calls"))["calls"][0]["received"] > len(BIG)


async def test_an_upload_may_be_given_up(start: Start) -> None:
    """A client that goes away in the midst leaves nothing behind."""
    api = await start()
    await api.fault("slow_upload", endpoint="media/upload", seconds=60)
    upload = asyncio.create_task(api.media_id("image", BIG))
    await api.world.until(lambda: any(call.received for call in api.world.calls))
    upload.cancel()
    await asyncio.gather(upload, return_exceptions=True)
    await api.sim("reset", {})
    assert kinds(api) == []


async def test_a_picture_may_get_lost(start: Start) -> None:
    """draft/add answers as always, but the first of WeChat's own pictures is not in the draft. The next has it."""
    api = await start()
    urls = [await api.picture(samples.PNG) for _ in range(2)]
    await api.fault("picture_lost", endpoint="draft/add")
    articles = [article(), article(content=f'<p><img src="{urls[0]}"><img src="{urls[1]}"></p>')] * 2
    assert (await api.draft(article())) != ""
    lossy, whole = await api.draft(*articles), await api.draft(*articles)
    items = [(await api.call("draft/get", {"media_id": each}))["news_item"] for each in (lossy, whole)]
    kept = [[item["content"].count("<img") for item in each] for each in items]
    assert kept == [[0, 1, 0, 2], [0, 2, 0, 2]]
    assert urls[0] not in items[0][1]["content"]
    assert await api.sim("faults") == {"faults": []}


@pytest.mark.parametrize("endpoint", ["draft/add", "media/upload"])
async def test_an_id_may_die_early(start: Start, endpoint: str) -> None:
    """The next id that the endpoint makes dies after the ordered seconds of the simulator's clock."""
    api = await start()
    thumb = await api.media_id("thumb", samples.JPG, permanent=True)
    await api.fault("dies_early", endpoint=endpoint, seconds=60)
    if endpoint == "draft/add":
        given = {"articles": [article(thumb_media_id=thumb)]}
        content = named("mpnews", (await api.call(endpoint, given))["media_id"])
    else:
        content = named("image", await api.media_id("image", samples.PNG))
    openid = api.openids(0)[0]
    assert await api.code("message/mass/preview", content | {"touser": openid}) == 0
    await api.advance(60)
    assert await api.code("message/mass/preview", content | {"touser": openid}) == 40007


@pytest.mark.parametrize(
    ("kind", "endpoint"),
    [
        ("slow_upload", "draft/add"),
        ("reset_in_upload", "sendall"),
        ("picture_lost", "media/upload"),
        ("dies_early", "sendall"),
    ],
)
async def test_a_fault_must_be_possible_where_it_is_for(start: Start, kind: str, endpoint: str) -> None:
    """Ordering one elsewhere answers 400 and names the endpoints."""
    api = await start()
    answer = await api.sim("faults", {"kind": kind, "endpoint": endpoint, "seconds": 1}, expect=400)
    assert "/cgi-bin/media/" in answer["error"]
    assert await api.sim("faults") == {"faults": []}


async def test_ids_can_be_ended_by_order(start: Start) -> None:
    """One media_id, or all of an account or of a kind; what is dead already is not found."""
    api = await start()
    images = [await api.media_id("image", samples.PNG) for _ in range(2)]
    draft = await api.draft()
    assert await api.sim("media/expire", {"media_id": images[0]}) == {"expired": images[:1]}
    assert (await api.sendall_of(named("image", images[0])))["errcode"] == 40007
    await api.sim("media/expire", {"media_id": images[0]}, expect=404)
    assert await api.sim("media/expire", {"account": "demo", "kind": "draft"}) == {"expired": [draft]}
    assert (await api.sendall_of(named("mpnews", draft)))["errcode"] == 40007
    assert len((await api.sim("media/expire", {"account": "demo"}))["expired"]) == 2
    await api.sim("media/expire", {"account": "nobody"}, expect=404)
    await api.sim("media/expire", {}, expect=400)


async def test_materials_are_listed(start: Start) -> None:
    """Kind, life, file and articles of each, dead or alive; by account and kind."""
    api = await start()
    await api.media_id("image", samples.PNG)
    draft = await api.draft(article(title="One"))
    await api.delivered(named("mpnews", draft))
    image, thumb, listed = (await api.sim("media"))["media"]
    assert [image["kind"], thumb["kind"], listed["kind"]] == ["image", "thumb", "draft"]
    assert (image["permanent"], image["alive"], image["ended"]) == (False, True, None)
    assert image["expires_at"].startswith("2026-12-18T12:00")
    expected = {"filename": "file.bin", "format": "png", "size": len(samples.PNG), "path": None}
    assert image["file"] | expected == image["file"]
    assert (thumb["permanent"], thumb["expires_at"]) == (True, None)
    assert (listed["media_id"], listed["alive"], listed["ended"]) == (draft, False, "sent")
    assert [each["title"] for each in listed["articles"]] == ["One"]
    assert len((await api.sim("media?kind=draft&account=demo"))["media"]) == 1
    await api.sim("media?account=nobody", expect=404)
