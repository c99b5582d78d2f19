"""What is believed in each mode, and the check of the URL."""

import json
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from qunfa.callback.delivery import DeliveryError
from qunfa.callback.document import read_document
from tests.callback.pushing import (
    AES_KEY,
    APPID,
    FINISHED,
    HELLO,
    OLD_AES_KEY,
    OLD_TOKEN,
    TOKEN,
    Inbox,
    encrypted,
    enveloped,
    framed,
    post,
    push_of,
    receiver,
    sealed,
    signed,
)

ENCRYPTED = pytest.mark.parametrize("mode", ["compat", "safe"])
MODES = pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
OLD = {"token_old": OLD_TOKEN, "aes_key_old": OLD_AES_KEY}


async def _answer(inbox: Inbox, push: dict[str, Any], **callback: Any) -> httpx.Response:
    async with receiver(inbox, **{"aes_key": AES_KEY, **callback}) as http:
        return await post(http, push)


@ENCRYPTED
async def test_encrypted_push(inbox: Inbox, mode: str) -> None:
    """What the encrypted part holds is delivered; `success` may be answered in the clear."""
    push = sealed()
    del push["params"]["signature"]  # the one over the encrypted part says more
    answer = await _answer(inbox, push, mode=mode)
    assert (answer.status_code, answer.text) == (200, "success")
    ((appid, event),) = inbox.got
    assert (appid, event.msg_id, event.status) == (APPID, 3147483650, "send success")


def _in_json(text: str, token: str = TOKEN) -> dict[str, Any]:
    """A push with this encrypted part, where the account has chosen JSON."""
    content = json.dumps({"ToUserName": "gh_1", "Encrypt": text})
    return enveloped(text, token=token) | {"content": content.encode()}


def _unsigned(push: dict[str, Any], content: bytes | None = None, **more: str) -> dict[str, Any]:
    """The push without `signature`."""
    query = {name: value for name, value in push["params"].items() if name != "signature"}
    return {"params": query | more, "content": content or push["content"]}


@ENCRYPTED
async def test_a_strangers_body_is_not_parsed(inbox: Inbox, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `signature` is missing, `msg_signature` must fit the one part that is there. Parsing costs far more."""
    parsing = Mock(wraps=read_document)
    monkeypatch.setattr("qunfa.callback.gate.read_document", parsing)
    push, as_json = _unsigned(sealed()), _unsigned(_in_json(encrypted(framed(FINISHED))))
    query = signed()
    strange = [
        _unsigned(sealed(token="guess")),
        _unsigned(_in_json("AAAA", token="guess")),
        _unsigned(enveloped("")),
        _unsigned(push, FINISHED),
        _unsigned(push, push["content"].replace(b"</xml>", b"<Encrypt>AAAA</Encrypt></xml>")),
        _unsigned({"params": query, "content": FINISHED}, msg_signature=query["signature"]),
    ]
    assert [(await _answer(inbox, one, mode=mode)).text for one in strange] == ["forged"] * len(strange)
    assert parsing.call_count == 0
    good = [push, as_json, _unsigned(as_json, as_json["content"].replace(b"/", rb"\/"))]
    assert [(await _answer(inbox, one, mode=mode)).text for one in good] == ["success"] * len(good)
    assert parsing.call_count == len(good)


@ENCRYPTED
async def test_plain_push_is_refused(inbox: Inbox, mode: str) -> None:
    """Where encryption is configured, a plain body is a forgery, whatever its signature and its parameters say."""
    claiming = signed(encrypt_type="raw", msg_signature="")
    claiming["msg_signature"] = claiming["signature"]
    for query in (signed(), claiming):
        answer = await _answer(inbox, {"params": query, "content": FINISHED}, mode=mode)
        assert (answer.status_code, answer.text) == (403, "forged")
    assert inbox.got == []


async def test_plain_fields_beside_the_encrypted_part(inbox: Inbox) -> None:
    """In compat mode WeChat sends both; what stands in the clear is not covered by anything, and not believed."""
    push = sealed()
    clear = FINISHED[5:-6].replace(b"3147483650", b"666")
    push["content"] = push["content"].replace(b"<Encrypt>", clear + b"<Encrypt>")
    assert (await _answer(inbox, push, mode="compat")).status_code == 200
    ((_, event),) = inbox.got
    assert event.msg_id == 3147483650


@ENCRYPTED
@pytest.mark.parametrize("around", ["\x08", "<Content>", "&lol;", "<a/>" * 5000], ids=range(4))
async def test_a_result_beside_fields_that_cannot_be_read(inbox: Inbox, mode: str, around: str) -> None:
    """The signature covers the encrypted part alone, so nothing that stands around it costs the result."""
    assert (await _answer(inbox, enveloped(encrypted(framed(FINISHED)), around=around), mode=mode)).text == "success"
    ((_, event),) = inbox.got
    assert event.msg_id == 3147483650


async def test_plain_mode_reads_what_stands_in_the_clear(inbox: Inbox) -> None:
    """Modes change without a loss: compat is served. A push that is all encrypted may be a result, and is refused."""
    push = enveloped(encrypted(framed(b"<xml/>")), around=FINISHED[5:-6].decode())
    assert (await _answer(inbox, push, mode="plain")).text == "success"
    ((_, event),) = inbox.got
    assert (event.msg_id, "Encrypt" in event.extra) == (3147483650, False)
    assert (await _answer(inbox, sealed(), mode="plain")).status_code == 400


async def test_both_layers_may_be_json(inbox: Inbox) -> None:
    """An account that chose JSON as data format has both layers in it."""
    event = {"MsgType": "event", "Event": "MASSSENDJOBFINISH", "MsgID": 7, "Status": "send success"}
    push = _in_json(encrypted(framed(json.dumps(event).encode())))
    assert (await _answer(inbox, push, mode="safe")).text == "success"
    ((_, got),) = inbox.got
    assert got.msg_id == 7


@MODES
async def test_what_is_not_ours_is_taken_in_each_mode(inbox: Inbox, mode: str) -> None:
    """Even while Temporal is away. WeChat's own word that cannot be read is no forgery."""
    inbox.failure = DeliveryError("Temporal is away")
    other = b"<xml><MsgType>event</MsgType><Event>PUBLISHJOBFINISH</Event></xml>"
    for message, status, word in ((HELLO, 200, "success"), (other, 200, "success"), (b"<xml>", 400, "malformed")):
        answer = await _answer(inbox, push_of(mode, message), mode=mode)
        assert (answer.status_code, answer.text) == (status, word)


def _forgeries() -> dict[str, dict[str, Any]]:
    message, push = framed(FINISHED), sealed()
    broken = enveloped(encrypted(message), around="\x08")
    names = ("msg_signature", "timestamp", "nonce")
    return {
        **{f"{name} twice": {**push, "params": httpx.QueryParams(push["params"]).add(name, "x")} for name in names},
        "unsigned": {**push, "params": {}}, "another token": sealed(token="guess"),
        "a signature of the query alone": {**push, "params": signed(msg_signature=signed()["signature"])},
        "another part": {"params": sealed()["params"], "content": push["content"]},
        "another key": sealed(key=OLD_AES_KEY), "another appid": sealed(appid="wx2"), "no part": enveloped(""),
        "no Base64": enveloped("x!"), "half a block": enveloped("AAAA"),
        "a block cut off": enveloped(encrypted(message)[:-44] + "="),
        "no padding": enveloped(encrypted(message, pad=b"\0" * (32 - len(message) % 32))),
        "a length beyond the end": enveloped(encrypted(framed(FINISHED, length=2**31))),
        "too short": enveloped(encrypted(b"x")), "no XML": {**push, "content": b"\xff"},
        "nothing": {**push, "content": b""}, "no XML, and unsigned": {**broken, "params": signed()},
        "no XML, and two parts": enveloped(encrypted(message), around="\x08<Encrypt>AAAA</Encrypt>"),
        "no XML, and another part": {**broken, "content": broken["content"].replace(b"[CDATA[", b"[CDATA[A")},
        "no XML, and no part": {**push, "content": b"<xml>\x08</xml>"},
        "an entity": {**push, "content": b'<!DOCTYPE xml [<!ENTITY a "b">]><xml><Encrypt>&a;</Encrypt></xml>'},
    }  # fmt: skip


@ENCRYPTED
async def test_forgeries_look_alike(inbox: Inbox, mode: str) -> None:
    """Status, headers and body say nothing about how far a forgery has come."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        answers = {name: await post(http, push) for name, push in _forgeries().items()}
    different = {
        name: answer.status_code
        for name, answer in answers.items()
        if (answer.status_code, answer.text, dict(answer.headers)) != (403, "forged", dict(answers["unsigned"].headers))
    }
    assert different == {}
    assert inbox.got == []


@pytest.mark.parametrize("name", ["signature", "timestamp", "nonce"])
async def test_a_parameter_stands_once_and_as_wechat_writes_it(http: httpx.AsyncClient, name: str) -> None:
    """Whoever signs one of two may not choose the other. An empty one is a missing one, and upper case is none."""
    query = httpx.QueryParams(signed())
    upper = query.set("signature", query["signature"].upper())
    for wrong in (query.add(name, "x"), query.set(name, ""), query.remove(name), upper):
        assert (await post(http, {"params": wrong, "content": FINISHED})).status_code == 403
        assert (await http.get("/wechat/demo", params=wrong.add("echostr", "1"))).status_code == 403


@MODES
async def test_url_verification_by_a_stranger(inbox: Inbox, mode: str) -> None:
    """WeChat's check is signed in the clear in every mode: it gets its own text back, and nobody else gets any."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        answer = await http.get("/wechat/demo", params=signed(echostr="7318 & <b>啊"))
        assert (answer.status_code, answer.text) == (200, "7318 & <b>啊")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        for query in (signed(token="guess", echostr="echo"), signed(), signed(ago=86400, echostr="echo")):
            refused = await http.get("/wechat/demo", params=query)
            assert (refused.status_code, "echo" in refused.text) == (403, False)


async def test_unknown_and_silent_accounts_look_alike(http: httpx.AsyncClient) -> None:
    """An account without a callback is not told from one that does not exist, whatever the signature."""
    answers = [
        await http.request(method, f"/wechat/{name}", params=signed(token=token, echostr="1"))
        for method in ("GET", "POST")
        for name in ("silent", "nobody")
        for token in (TOKEN, "guess")
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, "unknown_account")}


@pytest.mark.parametrize("token", [TOKEN, OLD_TOKEN])
@pytest.mark.parametrize("key", [AES_KEY, OLD_AES_KEY])
async def test_a_key_is_rotated_without_a_gap(inbox: Inbox, token: str, key: str) -> None:
    """While token and key are changed, old and new ones are good in any pair, and in plain mode, too."""
    assert (await _answer(inbox, sealed(token=token, key=key), mode="safe", **OLD)).text == "success"
    async with receiver(inbox, token_old=OLD_TOKEN) as http:
        assert (await post(http, {"params": signed(token), "content": FINISHED})).text == "success"
        assert (await http.get("/wechat/demo", params=signed(token, echostr="1"))).text == "1"
    assert len(inbox.got) == 2


async def test_a_rotation_opens_nothing_else(inbox: Inbox) -> None:
    """A third token or key is none. Once the old ones are removed, they are worth nothing."""
    for forged in (sealed(token="guess"), sealed(key="A" * 43), sealed(appid="wx2")):
        assert (await _answer(inbox, forged, mode="safe", **OLD)).status_code == 403
    for push in (sealed(token=OLD_TOKEN), sealed(key=OLD_AES_KEY)):
        assert (await _answer(inbox, push, mode="safe")).status_code == 403
    assert inbox.got == []
