"""Which code refuses what: each endpoint's bodies in one table, the checks in their order."""

import json
from typing import Any

import pytest

from tests.simulator import samples
from tests.simulator.api import Api, Json, Start, article, message, named

SENDALL, SEND, PREVIEW = "message/mass/sendall", "message/mass/send", "message/mass/preview"
TAGGED: Json = {"filter": {"is_to_all": False, "tag_id": 2}}
UNKNOWN: Json = {"msgtype": "telegram"}
VOICE = named("voice", "gone")
FILES = {"image": samples.PNG, "thumb": samples.JPG, "voice": samples.amr(1), "video": samples.MP4}


def tagged(*rows: tuple[Json, int]) -> list[tuple[Any, int]]:
    return [(content | TAGGED, errcode) for content, errcode in rows]


def filtered(*rows: tuple[object, int]) -> list[tuple[Any, int]]:
    return [(message() | {"filter": chosen}, errcode) for chosen, errcode in rows]


def pictures(*rows: tuple[Json, int]) -> list[tuple[Any, int]]:
    return tagged(*(({"msgtype": "image", "images": images}, errcode) for images, errcode in rows))


def draft(*rows: tuple[Json, int]) -> list[tuple[Any, int]]:
    """One article with a permanent cover, but for these changes."""
    return [({"articles": [article(thumb_media_id="<image!>") | changes]}, errcode) for changes, errcode in rows]


def articles(cover: str) -> list[tuple[Any, int]]:
    return [({"articles": [article(thumb_media_id=cover)] * n}, e) for n, e in ((0, 44003), (1, 0), (8, 0), (9, 45008))]


CASES: dict[str, list[tuple[Any, int]]] = {
    SENDALL: [
        (b"", 44002), (b"  ", 44002), (b"{", 47001), (b"[]", 47001), ('{"msgtype":"中"}'.encode("gbk"), 47001),
        *[(json.dumps(message(text) | TAGGED).encode(), 47002) for text in ("群发", "\\群", "\U0001f600")],
        (json.dumps(message("群发\n\x0b \\u7fa4") | TAGGED, ensure_ascii=False).encode(), 0),
        *tagged(
            ({"msgtype": "text"}, 44004), ({"msgtype": "text", "text": "x"}, 44004), (message(""), 44004),
            (message("x" * 2049), 45002), (message("群" * 683), 45002), (message("群" * 682), 0),
            (message() | {"clientmsgid": ["x"]}, 45067), (message() | {"msgtype": ["text"]}, 40008),
            (message() | {"send_ignore_reprint": {}}, 0), (UNKNOWN, 40008), ({}, 40008), ({"msgtype": "mpnews"}, 41006),
            *[(named(each, "gone"), 40007) for each in ("mpnews", "voice", "mpvideo", "image")],
            (named("voice", ""), 41006),
        ),
        *filtered(
            ({"is_to_all": False, "tag_id": 2}, 0), ({"tag_id": "2"}, 0), ({"is_to_all": True, "tag_id": 99}, 0),
            ({"tag_id": "9" * 5000}, 40152), ({"tag_id": [2]}, 40152), ({"is_to_all": False, "tag_id": 99}, 40152),
            ({"is_to_all": False}, 40152), ({"is_to_all": "true"}, 40152), ({}, 40152), ({"tag_id": True}, 40152),
            (None, 41011), ([], 41011),
        ),
        *pictures(
            ({"media_ids": []}, 41026), ({}, 41026), ({"media_ids": "x"}, 41026), ({"media_ids": ["<image>"] * 20}, 0),
            ({"media_ids": ["<image>"] * 21}, 40215), ({"media_ids": ["<image>", "<voice>"]}, 40007),
            ({"media_ids": ["gone"]}, 40007), ({"media_ids": ["<image>", None]}, 40007),
            ({"media_ids": ["<image>"], "recommend": "荐" * 140}, 0),
            ({"media_ids": ["<image>"], "recommend": "荐" * 141}, 40193),
            ({"media_ids": ["<image>"], "recommend": ["x"]}, 40194),
            ({"media_ids": ["<image>"], "need_open_comment": 1}, 88000),
        ),
    ],
    SEND: [
        (UNKNOWN | {"touser": ["<0>", "<1>"]}, 45162),
        *[(message() | {"touser": each}, 40031) for each in ("x" * 28, None, ["<0>", 7])],
        (message() | {"touser": ["<0>", "<1>", "<2>", "<0>"]}, 40032),
        *[(message() | {"touser": each}, 40130) for each in ([], ["<0>"], ["<0>", "<0>"])],
        *[(message() | {"touser": ["<0>", "<1>", each]}, 40003) for each in ("<1>\r", "nonsense", "<20>", "x" * 28)],
    ],
    PREVIEW: [
        (UNKNOWN | {"touser": "<0>"}, 40008), (named("mpvideo", "<video>") | {"touser": "<0>"}, 40007),
        ({"msgtype": "image", "images": {"media_ids": ["<image>"]}, "touser": "<0>"}, 41006),
        *[(message() | {"touser": each}, 40003) for each in (["<0>", "<1>"], ["<0>"], "nonsense", "<0>\r", None, "")],
        (message() | {"touser": "<20>"}, 43004), (message() | {"towxname": "nobody", "touser": "<0>"}, 40132),
        (message() | {"towxname": ["boss"]}, 40132),
    ],
    "draft/add": [
        *draft(
            ({"title": ""}, 40227), ({"title": " "}, 40227), ({"title": "春" * 64}, 0), ({"title": "春" * 65}, 45003),
            ({"author": "李" * 16}, 0), ({"author": "李" * 17}, 40192), ({"digest": "d" * 120}, 0),
            ({"digest": "d" * 121}, 45004), ({"content": ""}, 44004), ({"content": "字" * 19_999}, 0),
            ({"content": "字" * 20_000}, 45002), ({"content_source_url": "https://e.com/" + "a" * 1010}, 0),
            ({"content_source_url": "https://e.com/" + "a" * 1011}, 45005), ({"thumb_media_id": ""}, 41006),
            ({"thumb_media_id": "gone"}, 40007), ({"article_type": "news"}, 0), ({"article_type": "newspic"}, 40035),
            ({"title": 7}, 40035), ({"need_open_comment": 1}, 88000), ({"need_open_comment": 0}, 0),
            *[({"thumb_media_id": each}, 40007) for each in ("<thumb>", "<image>", "<voice>")],
        ),
        *articles("<image!>"),
        ({}, 44003), ({"articles": "x"}, 44003), ({"articles": ["x"]}, 40035), ({"articles": [None]}, 40035),
        (json.dumps({"articles": [article(title="春")]}).encode(), 47002),
    ],
    "media/uploadnews": [
        *articles("<thumb>"),
        *draft(
            ({"thumb_media_id": "<image>"}, 0),
            *[({"thumb_media_id": each}, 40007) for each in ("<image!>", "<voice>")],
        ),
    ],
    "draft/get": [({"media_id": ""}, 41006), ({"media_id": "gone"}, 40007)],
    "message/mass/speed/set": [({}, 45084), ({"speed": 5}, 45083), ({"speed": -1}, 45083), ({"speed": True}, 45083)],
    "openapi/quota/get": [({"cgi_path": "/cgi-bin/nothing"}, 76021), ({"cgi_path": []}, 76021)],
    "user/tag/get": [({"tagid": 99}, 45159), ({"tag_id": 3}, 45159), ({"tagid": True}, 45159)],
    "callback/check": [
        ({"action": "look", "check_operator": "DEFAULT"}, 40202), ({"check_operator": "DEFAULT"}, 40202),
        ({"action": "all", "check_operator": "NETCOM"}, 40203), ({"action": "all"}, 40203),
    ],
}  # fmt: skip


async def with_ids(api: Api, given: Any) -> Any:
    """`<image>` becomes the id of a new image, `<image!>` that of a permanent one, `<7>` the openid of follower 7."""
    if isinstance(given, dict):
        return {name: await with_ids(api, value) for name, value in given.items()}
    if isinstance(given, list):
        return [await with_ids(api, value) for value in given]
    if not isinstance(given, str) or not given.startswith("<") or ">" not in given:
        return given
    name, _, rest = given[1:].partition(">")
    kind = name.removesuffix("!")
    if kind.isdigit():
        return api.openids(int(kind))[0] + rest
    return await api.media_id(kind, FILES[kind], permanent=name != kind) if kind in FILES else given


@pytest.mark.parametrize(
    ("path", "body", "errcode"),
    [pytest.param(path, *row, id=f"{path}-{n}") for path, rows in CASES.items() for n, row in enumerate(rows)],
)
async def test_each_body_has_its_code(start: Start, path: str, body: Any, errcode: int) -> None:
    """0 is for what just fits."""
    api = await start(comments=False, wxnames={"boss": 3}, limits={"openids": 3})
    assert await api.code(path, await with_ids(api, body)) == errcode


async def test_an_accepted_send_answers_with_both_ids(api: Api) -> None:
    """Errcode 0, the text WeChat uses, msg_id and msg_data_id; JSON that says it is text, in raw UTF-8.

    Ids of sends to all are below those of other sends, which do not fit into 31 bits; both grow.
    """
    url, token = f"/cgi-bin/{SENDALL}", {"access_token": api.token}
    response = await api.http.post(url, params=token, json=message() | TAGGED)
    assert response.headers["content-type"].startswith("text/plain")
    first = response.json()
    assert first.keys() == {"errcode", "errmsg", "msg_id", "msg_data_id"}
    assert (first["errcode"], first["errmsg"]) == (0, "send job submission success")
    second, third = await api.sendall("b"), await api.send(api.openids(0, 1), "c")
    to_all = await api.sendall("d", tag=None)
    assert 3_147_483_650 <= first["msg_id"] < second["msg_id"] < third["msg_id"]
    assert 1_000_000_001 <= to_all["msg_id"] < first["msg_id"]
    tags = await api.http.get("/cgi-bin/tags/get", params=token)
    assert tags.headers["content-type"].startswith("application/json")
    assert "新客".encode() in tags.content


async def test_a_refusal_carries_a_request_id(api: Api) -> None:
    """Errmsg ends in a rid of three groups of hex digits, new with each answer."""
    refused = [(await api.sendall(tag=99))["errmsg"] for _ in range(2)]
    heads, rids = zip(*(errmsg.split(" rid: ") for errmsg in refused), strict=True)
    assert set(heads) == {"invalid tag id"}
    assert len(set(rids)) == 2
    assert [len(group) for group in rids[0].split("-")] == [8, 8, 8]


@pytest.mark.parametrize(
    ("verb", "path", "errcode"),
    [("GET", SENDALL, 43002), ("GET", "media/upload", 43002), ("POST", "tags/get", 43001), ("POST", "token", 43001)],
)
async def test_the_wrong_verb_is_refused_before_anything_else(api: Api, verb: str, path: str, errcode: int) -> None:
    """43001 where GET is needed, 43002 where POST is; the token is not even looked at."""
    response = await api.http.request(verb, f"/cgi-bin/{path}")
    assert (response.status_code, response.json()["errcode"]) == (200, errcode)


async def test_openids_are_deduplicated(start: Start) -> None:
    """One that stands twice counts once. As an option a wrong one is left out; two right ones must remain."""
    api = await start(invalid_openids="filter")
    one, two = api.openids(3, 1)
    assert list(api.job(await api.send([one, two, one])).audience.members) == [1, 3]
    assert list(api.job(await api.send([one, "nonsense", two], "b")).audience.members) == [1, 3]
    assert (await api.send([one, "nonsense"]))["errcode"] == 40130


@pytest.mark.parametrize(
    ("account", "codes"),
    [
        ({"kind": "service"}, [0, 0, 0, 40059, 0, 0]),
        ({"kind": "subscription"}, [48001, 0, 0, 40059, 0, 0]),
        ({"kind": "service", "verified": False}, [48001] * 6),
        ({"kind": "test"}, [45028, 45028, 48001, 40059, 0, 0]),
    ],
    ids=["service", "subscription", "not verified", "test"],
)
async def test_the_kind_of_account_decides_what_it_may(start: Start, account: Json, codes: list[int]) -> None:
    """Openid lists are for service accounts (48001), unverified accounts may nothing (48001), test accounts 45028."""
    api = await start(**account)
    bodies: dict[str, Json] = {
        SEND: message("a") | {"touser": api.openids(0, 1)}, SENDALL: message("b") | TAGGED,
        PREVIEW: message() | {"touser": api.openids(0)[0]}, "message/mass/get": {"msg_id": 1},
        "message/mass/speed/get": {}, "message/mass/speed/set": {"speed": 1},
    }  # fmt: skip
    assert [await api.code(path, body) for path, body in bodies.items()] == codes


async def test_the_checks_come_in_their_order(start: Start) -> None:
    """Verb, token, body, rights, rate, message, recipients, clientmsgid, material, quota: the first fault answers."""
    api = await start(
        kind="subscription", limits={"mass_per_minute": 6, "sends_per_day": 0, "clientmsgid": 3, "calls_per_day": {}}
    )
    wrong: Json = UNKNOWN | {"filter": {"tag_id": 99}, "clientmsgid": "long"}
    assert await api.code(SENDALL, b"", access_token="rubbish") == 40014
    assert await api.code(SEND, wrong) == 48001
    assert await api.codes(
        SENDALL, b"", wrong, wrong | VOICE, wrong | VOICE | TAGGED, VOICE | {"clientmsgid": "ok"} | TAGGED,
        message() | TAGGED, message(), wrong,
    ) == [44002, 40008, 40152, 45067, 40007, 45028, 41011, 45011]  # fmt: skip
