import json
from typing import Any

import pytest

from tests.simulator.api import Json, Start, message

TAGGED = {"filter": {"is_to_all": False, "tag_id": 2}}


async def test_an_accepted_send_answers_with_both_ids(start: Start) -> None:
    """Success carries errcode 0, the text WeChat uses, msg_id and msg_data_id."""
    api = await start()
    answer = await api.sendall()
    assert answer.keys() == {"errcode", "errmsg", "msg_id", "msg_data_id"}
    assert answer["errmsg"] == "send job submission success"


async def test_job_ids_come_in_two_series(start: Start) -> None:
    """Ids of sends to all are below those of other sends, which do not fit into 31 bits; both grow."""
    api = await start()
    first, second = await api.sendall("a"), await api.sendall("b")
    third = await api.send(api.openids(0, 1), "c")
    to_all = await api.sendall("d", tag=None)
    assert 3_147_483_650 <= first["msg_id"] < second["msg_id"] < third["msg_id"]
    assert 1_000_000_001 <= to_all["msg_id"] < first["msg_id"]


async def test_ids_go_on_growing_when_the_world_begins_anew(start: Start) -> None:
    """No id is given twice, so that nobody takes a new job for an old one."""
    api = await start()
    before = await api.sendall()
    await api.sim("reset", {})
    api.token = (await api.stable_token())["access_token"]
    after = await api.sendall()
    assert after["msg_id"] > before["msg_id"]
    assert after["msg_data_id"] > before["msg_data_id"]


async def test_a_refusal_carries_a_request_id(start: Start) -> None:
    """Errmsg ends in a rid of three groups of hex digits, new with each answer."""
    api = await start()
    refused = [(await api.sendall(tag=99))["errmsg"] for _ in range(2)]
    heads, rids = zip(*(errmsg.split(" rid: ") for errmsg in refused), strict=True)
    assert set(heads) == {"invalid tag id"}
    assert len(set(rids)) == 2
    assert [len(group) for group in rids[0].split("-")] == [8, 8, 8]


async def test_the_content_type_says_text_though_it_is_json(start: Start) -> None:
    """Clients must not trust the header: mass endpoints answer JSON as text/plain, in raw UTF-8."""
    api = await start()
    url, token = "/cgi-bin/message/mass/sendall", {"access_token": api.token}
    response = await api.http.post(url, params=token, json=message() | TAGGED)
    assert response.headers["content-type"].startswith("text/plain")
    assert response.json()["errcode"] == 0
    tags = await api.http.get("/cgi-bin/tags/get", params=token)
    assert tags.headers["content-type"].startswith("application/json")
    assert "新客".encode() in tags.content


@pytest.mark.parametrize(
    ("verb", "path", "errcode"),
    [("GET", "message/mass/sendall", 43002), ("POST", "tags/get", 43001), ("POST", "token", 43001)],
)
async def test_the_wrong_verb_is_refused_before_anything_else(start: Start, verb: str, path: str, errcode: int) -> None:
    """43001 where GET is needed, 43002 where POST is; the token is not even looked at."""
    api = await start()
    response = await api.http.request(verb, f"/cgi-bin/{path}")
    assert response.status_code == 200
    assert response.json()["errcode"] == errcode


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"", 44002),
        (b"  ", 44002),
        (b"{", 47001),
        (b"[]", 47001),
        ('{"msgtype":"中"}'.encode("gbk"), 47001),
        (json.dumps(message("群发") | TAGGED).encode(), 47002),
        (json.dumps(message("\\群") | TAGGED).encode(), 47002),
        (json.dumps(message("\U0001f600") | TAGGED).encode(), 47002),
        (json.dumps(message("群发\n\x0b \\u7fa4") | TAGGED, ensure_ascii=False).encode(), 0),
    ],
    ids=[
        "empty", "blank", "no JSON", "no object", "not UTF-8", "escaped", "escaped after a backslash", "surrogates",
        "raw, with what must be escaped",
    ],
)  # fmt: skip
async def test_the_body_must_be_json_in_raw_utf8(start: Start, body: bytes, errcode: int) -> None:
    """44002 empty, 47001 no JSON, 47002 characters written as Unicode escapes."""
    api = await start()
    assert await api.code("message/mass/sendall", body) == errcode


@pytest.mark.parametrize(
    ("content", "errcode"),
    [
        ({"msgtype": "text"}, 44004),
        ({"msgtype": "text", "text": {"content": ""}}, 44004),
        ({"msgtype": "text", "text": {"content": "x" * 2049}}, 45002),
        ({"msgtype": "text", "text": {"content": "群" * 683}}, 45002),
        ({"msgtype": "text", "text": {"content": "群" * 682}}, 0),
        ({"msgtype": "mpnews", "mpnews": {"media_id": "gone"}}, 40007),
        ({"msgtype": "mpnews"}, 41006),
        ({"msgtype": "voice", "voice": {"media_id": "gone"}}, 40007),
        ({"msgtype": "voice", "voice": {"media_id": ""}}, 41006),
        ({"msgtype": "mpvideo", "mpvideo": {"media_id": "gone"}}, 40007),
        ({"msgtype": "image", "image": {"media_id": "gone"}}, 40007),
        ({"msgtype": "image", "images": {"media_ids": ["gone"]}}, 40007),
        ({"msgtype": "image", "images": {"media_ids": []}}, 41026),
        ({"msgtype": "image", "images": {"media_ids": ["x"] * 21}}, 40215),
        ({"msgtype": "wxcard", "wxcard": {"card_id": "c"}}, 45113),
        ({"msgtype": "telegram"}, 40008),
        ({}, 40008),
    ],
)
async def test_the_message_must_be_complete(start: Start, content: Json, errcode: int) -> None:
    """The codes of a message that is unknown, empty, too long, without material, or of material that is not there."""
    api = await start()
    assert await api.code("message/mass/sendall", content | TAGGED) == errcode


async def test_an_unknown_msgtype_has_another_code_for_openids(start: Start) -> None:
    """mass/send answers 45162 where sendall answers 40008."""
    api = await start()
    assert (await api.send(api.openids(0, 1), msgtype="telegram"))["errcode"] == 45162


async def test_the_longest_text_is_a_setting(start: Start) -> None:
    """The limit of a text is counted in bytes of UTF-8."""
    api = await start(limits={"text_bytes": 6})
    assert (await api.sendall("群发"))["errcode"] == 0
    assert (await api.sendall("群发!"))["errcode"] == 45002


@pytest.mark.parametrize(
    ("chosen", "errcode"),
    [
        ({"is_to_all": False, "tag_id": 2}, 0),
        ({"tag_id": "2"}, 0),
        ({"tag_id": "9" * 5000}, 40152),
        ({"tag_id": [2]}, 40152),
        ({"is_to_all": True, "tag_id": 99}, 0),
        ({"is_to_all": False, "tag_id": 99}, 40152),
        ({"is_to_all": False}, 40152),
        ({"is_to_all": "true"}, 40152),
        ({}, 40152),
        ({"tag_id": True}, 40152),
        (None, 41011),
        ([], 41011),
    ],
)
async def test_a_filter_names_a_tag_or_everybody(start: Start, chosen: object, errcode: int) -> None:
    """Only is_to_all true is everybody; a tag may be a number or a text; an unknown one answers 40152."""
    api = await start()
    assert await api.code("message/mass/sendall", message() | {"filter": chosen}) == errcode


async def test_openids_are_deduplicated(start: Start) -> None:
    """A list may hold an openid twice; it counts once."""
    api = await start()
    answer = await api.send(api.openids(3, 1, 3))
    job = api.world.jobs.get(answer["msg_id"])
    assert job is not None
    assert list(job.audience.members) == [1, 3]


async def test_wrong_openid_lists_are_refused(start: Start) -> None:
    """40031 no list of texts, 40032 too long, 40130 fewer than two different ones, 40003 a wrong one among them."""
    api = await start(limits={"openids": 3})
    one, two, three = api.openids(0, 1, 2)
    stranger = api.openids(20)[0]
    expected: dict[int, list[Any]] = {
        40031: ["x" * 28, None, [one, 7]],
        40032: [[one, two, three, one]],
        40130: [[], [one], [one, one]],
        40003: [[one, two, two + "\r"], [one, two, "nonsense"], [one, two, stranger], [one, two, "x" + two[1:]]],
    }
    answers = {code: [(await api.send(given))["errcode"] for given in lists] for code, lists in expected.items()}
    assert answers == {code: [code] * len(lists) for code, lists in expected.items()}


async def test_wrong_openids_can_be_left_out_instead(start: Start) -> None:
    """As an option a wrong openid is filtered; two right ones must remain."""
    api = await start(invalid_openids="filter")
    one, two = api.openids(0, 1)
    answer = await api.send([one, "nonsense", two])
    job = api.world.jobs.get(answer["msg_id"])
    assert job is not None
    assert list(job.audience.members) == [0, 1]
    assert (await api.send([one, "nonsense"]))["errcode"] == 40130


@pytest.mark.parametrize(
    ("account", "to_tag", "to_openids"),
    [
        ({"kind": "service"}, 0, 0),
        ({"kind": "subscription"}, 0, 48001),
        ({"kind": "service", "verified": False}, 48001, 48001),
        ({"kind": "test"}, 45028, 45028),
    ],
)
async def test_the_kind_of_account_decides_what_it_may(
    start: Start, account: Json, to_tag: int, to_openids: int
) -> None:
    """Openid lists are for service accounts (48001), unverified accounts may nothing (48001), test accounts 45028."""
    api = await start(**account)
    assert (await api.send(api.openids(0, 1), "a"))["errcode"] == to_openids
    assert (await api.sendall("b"))["errcode"] == to_tag


async def test_the_checks_come_in_their_order(start: Start) -> None:
    """Verb, token, body, rights, rate, message, recipients, clientmsgid, material, quota: the first fault answers."""
    api = await start(
        kind="subscription", limits={"mass_per_minute": 6, "sends_per_day": 0, "clientmsgid": 3, "calls_per_day": {}}
    )
    wrong: Json = {"msgtype": "telegram", "filter": {"tag_id": 99}, "clientmsgid": "long"}
    path = "message/mass/sendall"
    answers = [
        await api.code(path, b"", access_token="rubbish"),
        await api.code(path, b""),
        await api.code("message/mass/send", wrong),
        await api.code(path, wrong),
        await api.code(path, wrong | {"msgtype": "voice", "voice": {"media_id": "gone"}}),
        await api.code(path, wrong | {"msgtype": "voice", "voice": {"media_id": "gone"}} | TAGGED),
        await api.code(path, {"msgtype": "voice", "voice": {"media_id": "gone"}, "clientmsgid": "ok"} | TAGGED),
        await api.code(path, message() | TAGGED),
        await api.code(path, message()),
        await api.code(path, wrong),
    ]
    assert answers == [40014, 44002, 48001, 40008, 40152, 45067, 40007, 45028, 41011, 45011]


async def test_odd_values_are_refused_and_not_stumbled_over(start: Start) -> None:
    """Values of the wrong type get an errcode, and the call log stays readable."""
    api = await start()
    odd = message() | TAGGED
    assert await api.code("message/mass/sendall", odd | {"clientmsgid": ["x"]}) == 45067
    assert await api.code("message/mass/sendall", odd | {"text": "x"}) == 44004
    assert await api.code("message/mass/sendall", odd | {"msgtype": ["text"]}) == 40008
    assert await api.code("message/mass/sendall", odd | {"send_ignore_reprint": {}}) == 0
    assert await api.code("message/mass/sendall", b'{"clientmsgid":"\\ud83d"}') == 47002
    assert await api.code("user/tag/get", {"tagid": True}) == 45159
    assert await api.code("openapi/quota/get", {"cgi_path": []}) == 76021
    assert (await api.sim("calls"))["calls"][4]["clientmsgid"] == "?"
