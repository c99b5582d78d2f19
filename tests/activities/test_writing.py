"""What a step is on the wire, byte for byte as WeChat's pages show it, from the activity to the HTTP body."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from qunfa.simulator import Simulator, openid
from qunfa.simulator.accounts import Account
from qunfa.simulator.content import Kind, Material
from tests.activities.conftest import APPID, BOSS, SECRET, Desk, simulated

CARD_EXT = '{"code":"","openid":"","timestamp":"1402057159","signature":"017bb17407c8e0058a66d72dcc61632b70f511ad"}'
QUOTED_EXT = CARD_EXT.replace('"', '\\"')

MESSAGES: dict[str, dict[str, Any]] = {
    "mpnews": {"msgtype": "mpnews", "media_id": "NEWS"},
    "text": {"msgtype": "text", "content": "CONTENT 你好"},
    "voice": {"msgtype": "voice", "media": {"media_id": "VOICE"}},
    "image": {
        "msgtype": "image",
        "images": [{"media_id": "A"}, {"media_id": "B"}],
        "recommend": "text",
        "need_open_comment": 1,
        "only_fans_can_comment": 0,
    },
    "mpvideo": {"msgtype": "mpvideo", "media": {"media_id": "VIDEO"}, "title": "TITLE", "description": "Description"},
    "wxcard": {"msgtype": "wxcard", "card_id": "CARD"},
}
ON_THE_PAGE = {
    "mpnews": '"mpnews":{"media_id":"NEWS"},"msgtype":"mpnews","send_ignore_reprint":0',
    "text": '"text":{"content":"CONTENT 你好"},"msgtype":"text"',
    "voice": '"voice":{"media_id":"VOICE"},"msgtype":"voice"',
    "image": (
        '"images":{"media_ids":["A","B"],"recommend":"text","need_open_comment":1,"only_fans_can_comment":0},'
        '"msgtype":"image"'
    ),
    "mpvideo": '"mpvideo":{"media_id":"VIDEO"},"msgtype":"mpvideo"',
    "wxcard": '"wxcard":{"card_id":"CARD"},"msgtype":"wxcard"',
}
TO_OPENIDS = ON_THE_PAGE | {
    "mpvideo": '"mpvideo":{"media_id":"VIDEO","title":"TITLE","description":"Description"},"msgtype":"mpvideo"'
}
ONE_IMAGE = {"msgtype": "image", "images": [{"media_id": "A"}]}
PREVIEWS: dict[str, tuple[dict[str, Any], str]] = {
    "mpnews": (MESSAGES["mpnews"], '"mpnews":{"media_id":"NEWS"},"msgtype":"mpnews"'),
    "text": (MESSAGES["text"], ON_THE_PAGE["text"]),
    "voice": (MESSAGES["voice"], ON_THE_PAGE["voice"]),
    "image": (ONE_IMAGE, '"image":{"media_id":"A"},"msgtype":"image"'),
    "mpvideo": (MESSAGES["mpvideo"], ON_THE_PAGE["mpvideo"]),
    "wxcard": (
        {**MESSAGES["wxcard"], "card_ext": CARD_EXT},
        f'"wxcard":{{"card_id":"CARD","card_ext":"{QUOTED_EXT}"}},"msgtype":"wxcard"',
    ),
}
HELD: dict[str, Kind] = {
    "NEWS": "draft", "VOICE": "voice", "A": "image", "B": "image", "VIDEO": "mass_video",
}  # fmt: skip
NOT_YET_MADE: dict[str, dict[str, Any]] = {
    "mpnews": {"msgtype": "mpnews", "articles": [{"title": "t", "content": "c", "thumb": {"media_id": "A"}}]},
    "voice": {"msgtype": "voice", "media": {"uri": "file:/a.mp3"}},
    "image": {"msgtype": "image", "images": [{"media_id": "A"}, {"uri": "file:/b.png"}]},
    "mpvideo": {"msgtype": "mpvideo", "media": {"uri": "file:/a.mp4"}, "title": "t"},
}
TWO = [openid(APPID, 1), openid(APPID, 2)]
TO_TWO = f'"touser":["{TWO[0]}","{TWO[1]}"]'
AUDIENCES: dict[str, tuple[dict[str, Any], str, str]] = {
    "tag": ({"kind": "tag", "tag_id": 2}, "sendall", '"filter":{"is_to_all":false,"tag_id":2}'),
    "all": ({"kind": "all"}, "sendall", '"filter":{"is_to_all":true}'),
    "openids": ({"kind": "openids", "openids": TWO}, "send", TO_TWO),
}


@pytest.fixture(autouse=True)
async def account(sim: Simulator) -> Account:
    """An account that may do everything, cards included, and holds the material that the pages name."""
    config = {
        "appid": APPID,
        "secret": SECRET,
        "followers": 100,
        "tags": [{"id": 2, "name": "VIP", "count": 50}],
        "cards": True,
        "preview_msg_id": True,
        "wxnames": {"wx-name": 3},
    }
    await sim.reset(simulated(accounts={"demo": config}))
    account = sim.world.accounts["demo"]
    for media_id, kind in HELD.items():
        account.library.add(Material(media_id, kind, permanent=True, created_at=sim.world.clock.now()))
    return account


@pytest.fixture
def written(http: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Path and body of every call of a mass endpoint, as it leaves the process."""
    seen: list[tuple[str, str]] = []

    async def note(request: httpx.Request) -> None:
        if "/message/mass/" in request.url.path:
            seen.append((request.url.path.rpartition("/")[2], request.content.decode()))

    http.event_hooks["request"].append(note)
    return seen


@pytest.mark.parametrize("msgtype", MESSAGES)
@pytest.mark.parametrize("who", AUDIENCES)
async def test_a_message_has_the_body_of_wechats_page(
    desk: Desk, sim: Simulator, written: list[tuple[str, str]], msgtype: str, who: str
) -> None:
    """The simulator takes it. A video repeats its title and description where it goes to openids."""
    audience, endpoint, to = AUDIENCES[who]
    sample = (TO_OPENIDS if who == "openids" else ON_THE_PAGE)[msgtype]
    answer = await desk.submit(message=MESSAGES[msgtype], audience=audience)
    assert (answer.kind, answer.errcode) == ("accepted", None)
    assert written == [(endpoint, f'{{{to},{sample},"clientmsgid":"c0"}}')]
    [job] = sim.world.jobs
    assert job.content.msgtype == msgtype


@pytest.mark.parametrize("who", ["tag", "openids"])
async def test_the_form_of_2018(desk: Desk, written: list[tuple[str, str]], who: str) -> None:
    """An account with `image_via = "image"` sends its one picture in the old object. Nothing is cut down to fit it."""
    audience, endpoint, to = AUDIENCES[who]
    for more in ({"images": MESSAGES["image"]["images"]}, {"recommend": "text"}, {"need_open_comment": 1}):
        refused = await desk.submit(message={**ONE_IMAGE, **more}, audience=audience, image_via="image")
        assert (refused.kind, refused.problem) == ("refused", "call_impossible")
        assert "one picture, without recommendation or comments" in (refused.detail or "")
    assert (await desk.submit(message=ONE_IMAGE, audience=audience, image_via="image")).kind == "accepted"
    assert written == [(endpoint, f'{{{to},"image":{{"media_id":"A"}},"msgtype":"image","clientmsgid":"c0"}}')]


async def test_articles_that_may_be_reprints(desk: Desk, written: list[tuple[str, str]]) -> None:
    """`send_ignore_reprint` is written for articles, and for nothing else."""
    await desk.submit(message=MESSAGES["mpnews"], send_ignore_reprint=True)
    await desk.submit(message=MESSAGES["text"], send_ignore_reprint=True)
    assert ['"send_ignore_reprint":1' in body for _, body in written] == [True, False]


@pytest.mark.parametrize("msgtype", PREVIEWS)
@pytest.mark.parametrize(
    ("person", "field", "follower"),
    [(BOSS, f'"touser":"{BOSS["openid"]}"', 7), ({"wxname": "wx-name"}, '"towxname":"wx-name"', 3)],
    ids=["openid", "wxname"],
)
async def test_a_preview_has_the_body_of_wechats_page(
    *,
    desk: Desk,
    sim: Simulator,
    written: list[tuple[str, str]],
    msgtype: str,
    person: dict[str, str],
    field: str,
    follower: int,
) -> None:
    """`preview` with the page's body: one receiver, and none of a send's fields; it is shown to that one."""
    message, sample = PREVIEWS[msgtype]
    answer = await desk.preview(message=message, to=person)
    assert (answer.sent, answer.errcode, answer.msg_id is None) == (True, None, False)
    assert written == [("preview", f"{{{field},{sample}}}")]
    [shown] = sim.world.ledger.previews(sim.world.accounts["demo"])
    assert (shown.content.msgtype, shown.follower) == (msgtype, follower)
    assert not sim.world.jobs


async def test_a_preview_tells_what_it_leaves_out(desk: Desk, written: list[tuple[str, str]]) -> None:
    """WeChat's preview has room for the picture alone; a person would miss the rest, and not know why."""
    answer = await desk.preview(message={**ONE_IMAGE, "recommend": "text", "need_open_comment": 1})
    assert (answer.sent, answer.without) == (True, ("recommend", "need_open_comment"))
    assert '"image":{"media_id":"A"}' in written[0][1]
    assert (await desk.preview(message=ONE_IMAGE)).without == ()


async def test_a_preview_of_several_pictures(desk: Desk, written: list[tuple[str, str]]) -> None:
    """WeChat's preview has room for one: the row says so, and nothing is written."""
    answer = await desk.preview(message=MESSAGES["image"])
    assert (answer.sent, answer.errmsg) == (False, "a preview shows one picture: preview each by itself")
    assert written == []


@pytest.mark.parametrize("msgtype", NOT_YET_MADE)
async def test_material_that_is_not_made_is_never_sent(
    desk: Desk, written: list[tuple[str, str]], msgtype: str
) -> None:
    """Neither submission nor preview writes anything for a message that still names a source."""
    answer = await desk.submit(message=NOT_YET_MADE[msgtype])
    assert (answer.kind, answer.errcode) == ("not_written", None)
    assert f"this worker cannot send a {msgtype} message to the audience all" in (answer.detail or "")
    shown = await desk.preview(message=NOT_YET_MADE[msgtype])
    assert (shown.sent, shown.errmsg) == (False, f"this {msgtype} message still has material to be made")
    assert written == []


def test_only_openids_that_are_listed_are_sent_to(desk: Desk) -> None:
    """A step cannot name a file of them."""
    with pytest.raises(ValidationError, match="openid_file"):
        desk.step(audience={"kind": "openid_file", "uri": "file:/srv/openids"})
