import pytest

from qunfa.simulator import Job
from tests.simulator import samples
from tests.simulator.api import Api, Json, Start, article, message, named

PATH = "message/mass/delete"


async def news(api: Api, articles: int = 2, clientmsgid: str = "news") -> Job:
    """A job of so many articles that was sent."""
    return await api.delivered(named("mpnews", await api.draft(*[article()] * articles)), clientmsgid=clientmsgid)


async def test_a_message_can_be_deleted(start: Start) -> None:
    """All its articles: mass/get says DELETE; once more answers 40065. What was delivered stays in the ledger."""
    api = await start()
    job = await news(api)
    assert await api.call(PATH, {"msg_id": job.msg_id}) == {"errcode": 0, "errmsg": "ok"}
    assert (await api.status(job.msg_id))["msg_status"] == "DELETE"
    assert await api.code(PATH, {"msg_id": job.msg_id, "article_idx": 0}) == 40065
    assert len(api.world.ledger.received(api.world.accounts["demo"], 0)) == 1


async def test_articles_can_be_deleted_one_by_one(start: Start) -> None:
    """By their number from 1; with the last of them the message is deleted."""
    api = await start()
    job = await news(api)
    for index, code, left in ((3, 40060, True), (2, 0, True), (2, 40065, True), (1, 0, False)):
        assert await api.code(PATH, {"msg_id": str(job.msg_id), "article_idx": index}) == code
        assert (await api.status(job.msg_id))["msg_status"] == ("SEND_SUCCESS" if left else "DELETE")
    [told] = (await api.sim("jobs"))["jobs"]
    assert told["deleted"] == [1, 2]


async def test_an_article_can_be_deleted_by_its_url(start: Start) -> None:
    """The URL is that of the event; msg_id wins if both are given; an unknown one answers 40066."""
    api = await start()
    job = await news(api)
    assert await api.code(PATH, {"url": job.article_urls[1]}) == 0
    assert job.deleted == {2}
    assert await api.code(PATH, {"msg_id": 1, "url": job.article_urls[0]}) == 40059
    assert await api.code(PATH, {"url": "http://mp.weixin.qq.com/s/nothing"}) == 40066


@pytest.mark.parametrize(
    ("body", "errcode"),
    [({}, 41011), ({"msg_id": 1}, 40059), ({"msg_id": "x"}, 40059), ({"msg_id": [1]}, 40059), ({"url": ["x"]}, 40066)],
)
async def test_a_deletion_names_something(start: Start, body: Json, errcode: int) -> None:
    """41011 without msg_id and url, 40059 and 40066 for what is not there."""
    api = await start()
    await news(api)
    assert await api.code(PATH, body) == errcode


async def test_only_articles_and_videos_can_be_deleted(start: Start) -> None:
    """Another message answers 40008."""
    api = await start()
    text = await api.delivered(message())
    video = {"media_id": await api.media_id("video", samples.MP4)}
    converted = (await api.call("media/uploadvideo", video))["media_id"]
    film = await api.delivered(named("mpvideo", converted))
    assert await api.code(PATH, {"msg_id": text.msg_id}) == 40008
    assert await api.code(PATH, {"msg_id": film.msg_id, "article_idx": 2}) == 40060
    assert await api.code(PATH, {"msg_id": film.msg_id}) == 0


async def test_only_what_was_sent_can_be_deleted(start: Start) -> None:
    """40065 while a job is under way, and when it failed."""
    api = await start(sim={"timing": {"delivery": 10}})
    await api.plan(status="send fail")
    answer = await api.sendall_of(named("mpnews", await api.draft()))
    assert await api.code(PATH, {"msg_id": answer["msg_id"]}) == 40065
    await api.advance(10)
    await api.world.settled()
    assert await api.code(PATH, {"msg_id": answer["msg_id"]}) == 40065


async def test_messages_of_one_material_go_together(start: Start) -> None:
    """Deleting one of two jobs that were sent from the same news deletes both."""
    api = await start()
    thumb = await api.media_id("thumb", samples.JPG)
    media_id = (await api.call("media/uploadnews", {"articles": [article(thumb_media_id=thumb)]}))["media_id"]
    one, two = [await api.delivered(named("mpnews", media_id), clientmsgid=each) for each in "ab"]
    other = await news(api, clientmsgid="c")
    assert await api.code(PATH, {"msg_id": one.msg_id}) == 0
    assert [job.msg_status for job in (one, two, other)] == ["DELETE", "DELETE", "SEND_SUCCESS"]


async def test_ten_deletions_a_day(start: Start) -> None:
    """The eleventh call answers 45009."""
    api = await start()
    assert [await api.code(PATH, {"msg_id": 1}) for _ in range(11)] == [40059] * 10 + [45009]


async def test_the_speed_is_kept(start: Start) -> None:
    """speed/set takes 0 to 4, speed/get tells it with the followers a minute, in ten thousands."""
    api = await start()
    assert await api.call("message/mass/speed/get", b"") == {"speed": 0, "realspeed": 80}
    told = []
    for speed in range(5):
        assert await api.call("message/mass/speed/set", {"speed": speed}) == {"errcode": 0, "errmsg": "ok"}
        told.append((await api.call("message/mass/speed/get", {}))["realspeed"])
    assert told == [80, 60, 45, 30, 10]


@pytest.mark.parametrize(
    ("body", "errcode"), [({}, 45084), ({"speed": 5}, 45083), ({"speed": -1}, 45083), ({"speed": True}, 45083)]
)
async def test_a_speed_must_be_one(start: Start, body: Json, errcode: int) -> None:
    """45084 without one, 45083 for one that there is not."""
    api = await start()
    assert await api.code("message/mass/speed/set", body) == errcode
