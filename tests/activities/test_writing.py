"""What a step is on the wire, byte for byte as WeChat's pages show it, from the activity to the HTTP body."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from temporalio.testing import ActivityEnvironment

from activities.submission import Previews
from activities.wire import content_of, preview_of, write_of
from qunfa.contract.request import Previewed
from qunfa.contract.result import Answer
from qunfa.contract.steps import Listed, PreviewStep
from qunfa.simulator import Simulator, SimulatorConfig, openid
from qunfa.simulator.accounts import Account
from qunfa.simulator.materials import Kind, Material
from qunfa.wechat import PreviewBody
from tests.activities.conftest import APPID, SECRET, Desk

TAG = '"filter":{"is_to_all":false,"tag_id":2}'
ALL = '"filter":{"is_to_all":true}'
END = '"clientmsgid":"c0"'
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
    "mpvideo": '"mpvideo":{"media_id":"VIDEO","title":"TITLE","description":"Description"},"msgtype":"mpvideo"',
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
    "NEWS": "draft", "VOICE": "voice", "A": "image", "B": "image", "VIDEO": "mass_video", "CLIP": "video",
}  # fmt: skip
NOT_YET_MADE: dict[str, dict[str, Any]] = {
    "mpnews": {"msgtype": "mpnews", "articles": [{"title": "t", "content": "c", "thumb": {"media_id": "A"}}]},
    "voice": {"msgtype": "voice", "media": {"uri": "file:/a.mp3"}},
    "image": {"msgtype": "image", "images": [{"media_id": "A"}, {"uri": "file:/b.png"}]},
    "mpvideo": {"msgtype": "mpvideo", "media": {"uri": "file:/a.mp4"}, "title": "t"},
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
    timing = {"too_fast": 0, "delivery": 0}
    await sim.reset(SimulatorConfig.model_validate({"timing": timing, "accounts": {"demo": config}}))
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


async def submitted(desk: Desk, message: dict[str, Any], audience: dict[str, Any], **more: Any) -> Answer:
    """What WeChat says to the message."""
    step = desk.step(message=message, audience=audience, **more)
    return await ActivityEnvironment().run(desk.submission.submit, step)


def preview_step(desk: Desk, message: dict[str, Any], to: dict[str, str], **more: Any) -> PreviewStep:
    """A preview to one person."""
    return PreviewStep.model_validate({"account": desk.pinned, "to": to, "message": message, **more})


async def previewed(desk: Desk, message: dict[str, Any], to: dict[str, str], **more: Any) -> Previewed:
    """What WeChat says to the preview."""
    previews = Previews(desk.settings, desk.accounts)
    return await ActivityEnvironment().run(previews.preview, preview_step(desk, message, to, **more))


@pytest.mark.parametrize("msgtype", MESSAGES)
@pytest.mark.parametrize("who", [TAG, ALL])
async def test_a_message_to_a_tag_or_to_all(
    desk: Desk, sim: Simulator, written: list[tuple[str, str]], msgtype: str, who: str
) -> None:
    """`sendall` with the page's body, which the simulator takes and delivers."""
    answer = await submitted(desk, MESSAGES[msgtype], {"kind": "tag", "tag_id": 2} if who == TAG else {"kind": "all"})
    assert (answer.kind, answer.errcode) == ("accepted", None)
    assert written == [("sendall", f"{{{who},{ON_THE_PAGE[msgtype]},{END}}}")]
    [job] = sim.world.jobs
    assert job.content.msgtype == msgtype


@pytest.mark.parametrize("msgtype", MESSAGES)
async def test_a_message_to_openids(desk: Desk, written: list[tuple[str, str]], msgtype: str) -> None:
    """`send` with the page's body: a video repeats its title and description here."""
    two = [openid(APPID, 1), openid(APPID, 2)]
    answer = await submitted(desk, MESSAGES[msgtype], {"kind": "openids", "openids": two})
    assert (answer.kind, answer.errcode) == ("accepted", None)
    assert written == [("send", f'{{"touser":["{two[0]}","{two[1]}"],{TO_OPENIDS[msgtype]},{END}}}')]


@pytest.mark.parametrize("audience", ["tag", "openids"])
async def test_the_form_of_2018(desk: Desk, written: list[tuple[str, str]], audience: str) -> None:
    """An account with `image_via = "image"` sends its one picture in the old object."""
    two = [openid(APPID, 1), openid(APPID, 2)]
    to: dict[str, Any] = {"kind": "tag", "tag_id": 2} if audience == "tag" else {"kind": "openids", "openids": two}
    answer = await submitted(desk, ONE_IMAGE, to, image_via="image")
    assert answer.kind == "accepted"
    [(_, body)] = written
    assert '"image":{"media_id":"A"},"msgtype":"image"' in body
    assert "images" not in body


async def test_the_form_of_2018_has_room_for_one_picture(desk: Desk, written: list[tuple[str, str]]) -> None:
    """Several pictures, or a recommendation, are not cut down to fit it: nothing is written."""
    answer = await submitted(desk, MESSAGES["image"], {"kind": "all"}, image_via="image")
    assert answer.kind == "not_written"
    assert "one picture, without recommendation or comments" in (answer.detail or "")
    assert written == []


async def test_articles_that_may_be_reprints(desk: Desk, written: list[tuple[str, str]]) -> None:
    """`send_ignore_reprint` is written for articles, and for nothing else."""
    await submitted(desk, MESSAGES["mpnews"], {"kind": "all"}, send_ignore_reprint=True)
    await submitted(desk, MESSAGES["text"], {"kind": "all"}, send_ignore_reprint=True, clientmsgid="c1")
    assert ['"send_ignore_reprint":1' in body for _, body in written] == [True, False]


@pytest.mark.parametrize("msgtype", PREVIEWS)
@pytest.mark.parametrize("to", ["openid", "wxname"])
async def test_a_preview_has_the_body_of_wechats_page(
    desk: Desk, sim: Simulator, written: list[tuple[str, str]], msgtype: str, to: str
) -> None:
    """`preview` with the page's body: one receiver, and none of a send's fields; it is shown to that one."""
    message, sample = PREVIEWS[msgtype]
    boss = openid(APPID, 7)
    person, field = ({"openid": boss}, f'"touser":"{boss}"') if to == "openid" else (
        {"wxname": "wx-name"}, '"towxname":"wx-name"'
    )  # fmt: skip
    answer = await previewed(desk, message, person)
    assert (answer.sent, answer.errcode, answer.msg_id is None) == (True, None, False)
    assert written == [("preview", f"{{{field},{sample}}}")]
    [shown] = sim.world.ledger.previews(sim.world.accounts["demo"])
    assert (shown.content.msgtype, shown.follower) == (msgtype, 7 if to == "openid" else 3)
    assert not sim.world.jobs


async def test_a_preview_of_several_pictures(desk: Desk, written: list[tuple[str, str]]) -> None:
    """WeChat's preview has room for one: the row says so, and nothing is written."""
    answer = await previewed(desk, MESSAGES["image"], {"openid": openid(APPID, 7)})
    assert (answer.sent, answer.errmsg) == (False, "a preview shows one picture: preview each by itself")
    assert written == []


async def test_a_card_today(desk: Desk, sim: Simulator, written: list[tuple[str, str]]) -> None:
    """45113 for its send and for its preview."""
    account = {"appid": APPID, "secret": SECRET, "followers": 100}
    await sim.reset(SimulatorConfig.model_validate({"accounts": {"demo": account}}))
    answer = await submitted(desk, MESSAGES["wxcard"], {"kind": "all"})
    assert (answer.kind, answer.errcode) == ("refused", 45113)
    shown = await previewed(desk, PREVIEWS["wxcard"][0], {"openid": openid(APPID, 7)})
    assert (shown.sent, shown.errcode) == (False, 45113)
    assert [name for name, _ in written] == ["sendall", "preview"]


@pytest.mark.parametrize("msgtype", NOT_YET_MADE)
async def test_material_that_is_not_made_is_never_sent(
    desk: Desk, written: list[tuple[str, str]], msgtype: str
) -> None:
    """Neither submission nor preview writes anything for a message that still names a source."""
    message = NOT_YET_MADE[msgtype]
    answer = await submitted(desk, message, {"kind": "all"})
    assert (answer.kind, answer.errcode) == ("not_written", None)
    shown = await previewed(desk, message, {"openid": openid(APPID, 7)})
    assert (shown.sent, shown.errmsg) == (False, f"this {msgtype} message still has material to be made")
    assert written == []


async def test_an_uploaded_video_is_not_the_one_that_is_sent(desk: Desk) -> None:
    """WeChat refuses the id of `media/upload` (40007): it wants the one of `media/uploadvideo`."""
    clip = {**MESSAGES["mpvideo"], "media": {"media_id": "CLIP"}}
    assert (await submitted(desk, clip, {"kind": "all"})).errcode == 40007


def test_a_preview_is_no_send(desk: Desk) -> None:
    """A preview's step makes a preview's body, which knows no audience, and a send's step never makes one."""
    body = preview_of(preview_step(desk, MESSAGES["text"], {"openid": "one"}))
    assert type(body) is PreviewBody
    assert body.keys() == {"touser", "text", "msgtype"}
    assert not {"audience", "filter", "clientmsgid"} & set(PreviewStep.model_fields)


@pytest.mark.parametrize("endpoint", ["sendall", "send"])
async def test_a_preview_cannot_reach_the_send_endpoints(
    desk: Desk, written: list[tuple[str, str]], endpoint: str
) -> None:
    """The client refuses its body there, before anything is written."""
    body: Any = preview_of(preview_step(desk, MESSAGES["text"], {"openid": openid(APPID, 7)}))
    with pytest.raises(TypeError, match="not a PreviewBody"):
        await desk.accounts.ask("demo", lambda api, token: getattr(api, endpoint)(token, body))
    assert written == []


def test_an_audience_that_is_not_listed_yet_is_not_sent_to(desk: Desk) -> None:
    """Openids that are only named are no audience of one call, and never become everybody."""
    step = desk.step(audience=Listed.of(("o1", "o2")))
    assert content_of(step.message, step.image_via) is not None
    assert write_of(step, lambda: True) is None


def test_a_file_of_openids_is_not_submitted(desk: Desk) -> None:
    """A step has no such audience."""
    with pytest.raises(ValidationError, match="openid_file"):
        desk.step(audience={"kind": "openid_file", "uri": "file:/srv/openids"})
