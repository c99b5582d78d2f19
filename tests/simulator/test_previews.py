import pytest

from tests.simulator import samples
from tests.simulator.api import Api, Json, Start, article, message, named

PATH = "message/mass/preview"


async def preview(api: Api, content: Json | None = None, **to: object) -> Json:
    """Preview a message, to follower 7 if nobody is named."""
    return await api.call(PATH, (content or message()) | (to or {"touser": api.openids(7)[0]}))


async def test_a_preview_is_shown_to_one_follower_and_to_nobody_else(start: Start) -> None:
    """It is in the ledger as a preview: no delivery, no job, no event, nothing counted."""
    api = await start()
    assert await preview(api) == {"errcode": 0, "errmsg": "preview success"}
    demo = api.world.accounts["demo"]
    [shown] = api.world.ledger.previews(demo)
    assert (shown.follower, shown.content.text) == (7, "hello")
    assert (len(api.world.jobs), sum(api.world.ledger.counts(demo)), api.inbox.pushes) == (0, 0, [])
    follower = await api.sim(f"ledger/followers?openid={api.openids(7)[0]}")
    assert (follower["count"], follower["this_month"], follower["received"]) == (0, 0, [])
    [told] = (await api.sim("previews"))["previews"]
    assert (told["account"], told["openid"], told["content"]["msgtype"]) == ("demo", api.openids(7)[0], "text")


async def test_every_type_can_be_previewed(start: Start) -> None:
    """mpnews, text, voice, image in the singular, mpvideo; ids of the wrong kind answer 40007."""
    api = await start()
    video = await api.media_id("video", samples.MP4)
    ids = {
        "mpnews": await api.draft(article(title="One")),
        "voice": await api.media_id("voice", samples.amr(1)),
        "image": await api.media_id("image", samples.PNG),
        "mpvideo": (await api.call("media/uploadvideo", {"media_id": video}))["media_id"],
    }
    for msgtype, media_id in ids.items():
        assert (await preview(api, named(msgtype, media_id)))["errcode"] == 0
    assert (await preview(api, named("mpvideo", video)))["errcode"] == 40007
    assert (await preview(api, {"msgtype": "image", "images": {"media_ids": [ids["image"]]}}))["errcode"] == 41006
    assert (await preview(api, {"msgtype": "telegram"}))["errcode"] == 40008
    shown = api.world.ledger.previews(api.world.accounts["demo"])
    assert [each.content.msgtype for each in shown] == list(ids)


async def test_a_card_can_be_previewed_where_cards_are_allowed(start: Start) -> None:
    """With its card_ext; 45113 elsewhere."""
    card: Json = {"msgtype": "wxcard", "wxcard": {"card_id": "c", "card_ext": '{"code":""}'}}
    api = await start()
    assert (await preview(api, card))["errcode"] == 45113
    api = await start(cards=True)
    assert (await preview(api, card))["errcode"] == 0
    [shown] = api.world.ledger.previews(api.world.accounts["demo"])
    assert (shown.content.card_id, shown.content.card_ext) == ("c", '{"code":""}')


async def test_a_preview_is_for_one_openid(start: Start) -> None:
    """A list answers 40003, as does what is no openid; 43004 who does not follow."""
    api = await start()
    one, two, gone = api.openids(0, 1, 20)
    expected: dict[int, list[object]] = {40003: [[one, two], [one], "nonsense", one + "\r", None, ""], 43004: [gone]}
    for code, given in expected.items():
        assert [(await preview(api, touser=each))["errcode"] for each in given] == [code] * len(given)
    assert api.world.ledger.previews(api.world.accounts["demo"]) == []


async def test_a_preview_may_go_to_a_wechat_id(start: Start) -> None:
    """`towxname` of a follower wins over `touser`; one that is unknown answers 40132."""
    api = await start(wxnames={"boss": 3})
    assert (await preview(api, towxname="boss", touser=api.openids(0)[0]))["errcode"] == 0
    assert (await preview(api, towxname="nobody", touser=api.openids(0)[0]))["errcode"] == 40132
    assert (await preview(api, towxname=["boss"]))["errcode"] == 40132
    assert [each.follower for each in api.world.ledger.previews(api.world.accounts["demo"])] == [3]


async def test_a_hundred_previews_a_day(start: Start) -> None:
    """The next call answers 45009 until midnight in China; sends go on."""
    api = await start()
    assert [(await preview(api))["errcode"] for _ in range(101)] == [0] * 100 + [45009]
    assert (await api.sendall())["errcode"] == 0
    await api.sim("clock", {"set": "2026-12-16T00:00:01+08:00"})
    assert (await preview(api))["errcode"] == 0


async def test_a_preview_uses_up_nothing_of_a_send(start: Start) -> None:
    """No clientmsgid, no day of a subscription account, no draft; a send of the same goes on."""
    api = await start(kind="subscription")
    content = named("mpnews", await api.draft())
    assert (await preview(api, content))["errcode"] == 0
    assert (await preview(api, content, touser=api.openids(1)[0], clientmsgid="job-1"))["errcode"] == 0
    assert (await api.delivered(content, clientmsgid="job-1")).state == "done"


@pytest.mark.parametrize("account", [{"verified": False}, {"kind": "test"}])
async def test_previews_need_the_right(start: Start, account: Json) -> None:
    """48001 on accounts that are not verified, and on test accounts."""
    api = await start(**account)
    assert (await preview(api))["errcode"] == 48001


async def test_a_preview_may_have_a_msg_id(start: Start) -> None:
    """Sources differ; a setting adds it. It is no job's."""
    api = await start(preview_msg_id=True)
    answer = await preview(api)
    assert answer.keys() == {"errcode", "errmsg", "msg_id"}
    assert (await api.status(answer["msg_id"]))["errcode"] == 40059
