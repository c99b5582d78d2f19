import json
from typing import Any

import httpx
import pytest

from qunfa.callback import DeliveryError
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
    receiver,
    sealed,
    signed,
)

ENCRYPTED = pytest.mark.parametrize("mode", ["compat", "safe"])


async def _answer(inbox: Inbox, push: dict[str, Any], **callback: Any) -> httpx.Response:
    async with receiver(inbox, **{"aes_key": AES_KEY, **callback}) as http:
        return await http.post("/wechat/demo", **push)


@ENCRYPTED
async def test_encrypted_push(inbox: Inbox, mode: str) -> None:
    """What the encrypted part holds is delivered; `success` may be answered in the clear."""
    answer = await _answer(inbox, sealed(), mode=mode)

    assert (answer.status_code, answer.text) == (200, "success")
    ((appid, event),) = inbox.got
    assert (appid, event.msg_id, event.status) == (APPID, 3147483650, "send success")


@ENCRYPTED
async def test_plain_push_is_refused(inbox: Inbox, mode: str) -> None:
    """Where encryption is configured, a plain body with a good plain signature is a forgery."""
    answer = await _answer(inbox, {"params": signed(), "content": FINISHED}, mode=mode)

    assert (answer.status_code, answer.text) == (403, "forged")
    assert inbox.got == []


@ENCRYPTED
async def test_encryption_is_not_the_requests_choice(inbox: Inbox, mode: str) -> None:
    """No parameter of the request turns encryption off."""
    query = signed(encrypt_type="raw", msg_signature="")
    query["msg_signature"] = query["signature"]

    assert (await _answer(inbox, {"params": query, "content": FINISHED}, mode=mode)).status_code == 403
    assert inbox.got == []


async def test_plain_fields_beside_the_encrypted_part(inbox: Inbox) -> None:
    """In compat mode WeChat sends both; what stands in the clear is not covered by anything, and not believed."""
    push = sealed()
    clear = FINISHED[5:-6].replace(b"3147483650", b"666")
    push["content"] = push["content"].replace(b"<Encrypt>", clear + b"<Encrypt>")

    assert (await _answer(inbox, push, mode="compat")).status_code == 200
    ((_, event),) = inbox.got
    assert event.msg_id == 3147483650


async def test_encrypted_part_beside_plain_fields(inbox: Inbox) -> None:
    """An account in plain mode here and compat mode at WeChat is served: the way to change modes without a loss."""
    text = encrypted(framed(b"<xml/>"))
    push = enveloped(text, around=FINISHED[5:-6].decode())

    assert (await _answer(inbox, push, mode="plain")).text == "success"
    ((_, event),) = inbox.got
    assert (event.msg_id, "Encrypt" in event.extra) == (3147483650, False)


async def test_encrypted_push_in_plain_mode(inbox: Inbox) -> None:
    """An encrypted push is not mistaken for one that does not concern us: its result would be lost."""
    assert (await _answer(inbox, sealed(), mode="plain")).status_code == 400


async def test_both_layers_may_be_json(inbox: Inbox) -> None:
    """An account that chose JSON as data format has both layers in it."""
    event = {"MsgType": "event", "Event": "MASSSENDJOBFINISH", "MsgID": 7, "Status": "send success"}
    text = encrypted(framed(json.dumps(event).encode()))
    push = enveloped(text)
    push["content"] = json.dumps({"ToUserName": "gh_1", "Encrypt": text}).encode()

    assert (await _answer(inbox, push, mode="safe")).text == "success"
    ((_, got),) = inbox.got
    assert got.msg_id == 7


async def test_other_message(inbox: Inbox) -> None:
    """What is not ours is taken, even while Temporal is away."""
    inbox.failure = DeliveryError("Temporal is away")

    assert (await _answer(inbox, sealed(HELLO), mode="safe")).text == "success"


async def test_unreadable_message(inbox: Inbox) -> None:
    """WeChat's own word that cannot be read is no forgery."""
    answer = await _answer(inbox, sealed(b"<xml>"), mode="safe")

    assert (answer.status_code, answer.text) == (400, "malformed")


def _forgeries() -> dict[str, dict[str, Any]]:
    message = framed(FINISHED)
    return {
        "unsigned": {**sealed(), "params": {}},
        "another token": sealed(token="guess"),
        "a signature of the query alone": {**sealed(), "params": signed(msg_signature=signed()["signature"])},
        "another part": {"params": sealed()["params"], "content": sealed()["content"]},
        "another key": sealed(key=OLD_AES_KEY),
        "another appid": sealed(appid="wx2"),
        "no part": enveloped(""),
        "no Base64": enveloped("x!"),
        "half a block": enveloped("AAAA"),
        "a block cut off": enveloped(encrypted(message)[:-44] + "="),
        "no padding": enveloped(encrypted(message, pad=b"\0" * (32 - len(message) % 32))),
        "a length beyond the end": enveloped(encrypted(framed(FINISHED, length=2**31))),
        "too short": enveloped(encrypted(b"x")),
        "no XML": {**sealed(), "content": b"\xff"},
        "nothing": {**sealed(), "content": b""},
        "an entity": {**sealed(), "content": b'<!DOCTYPE xml [<!ENTITY a "b">]><xml><Encrypt>&a;</Encrypt></xml>'},
    }


@ENCRYPTED
async def test_forgeries_look_alike(inbox: Inbox, mode: str) -> None:
    """Status, headers and body say nothing about how far a forgery has come."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        answers = {name: await http.post("/wechat/demo", **push) for name, push in _forgeries().items()}

    different = {
        name: answer.status_code
        for name, answer in answers.items()
        if (answer.status_code, answer.text, dict(answer.headers)) != (403, "forged", dict(answers["unsigned"].headers))
    }
    assert different == {}
    assert inbox.got == []


@pytest.mark.parametrize("name", ["msg_signature", "timestamp", "nonce"])
async def test_a_repeated_parameter_is_refused(inbox: Inbox, name: str) -> None:
    """A parameter given twice is ambiguous."""
    push = sealed()
    push["params"] = httpx.QueryParams([*push["params"].items(), (name, "x")])

    assert (await _answer(inbox, push, mode="safe")).status_code == 403


async def test_plain_signature_is_not_needed(inbox: Inbox) -> None:
    """The signature over the encrypted part says more than the one over the query alone."""
    push = sealed()
    del push["params"]["signature"]

    assert (await _answer(inbox, push, mode="safe")).text == "success"


@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
async def test_an_address_is_verified_in_each_mode(inbox: Inbox, mode: str) -> None:
    """WeChat's check of the URL is signed and answered in the clear in every mode."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        assert (await http.get("/wechat/demo", params=signed(echostr="42"))).text == "42"
        assert (await http.get("/wechat/demo", params=signed(token="guess", echostr="42"))).status_code == 403


@pytest.mark.parametrize("token", [TOKEN, OLD_TOKEN])
@pytest.mark.parametrize("key", [AES_KEY, OLD_AES_KEY])
async def test_a_key_is_rotated_without_a_gap(inbox: Inbox, token: str, key: str) -> None:
    """While token and key are changed, old and new ones are good in any pair."""
    old = {"token_old": OLD_TOKEN, "aes_key_old": OLD_AES_KEY}

    answer = await _answer(inbox, sealed(token=token, key=key), mode="safe", **old)

    assert answer.text == "success"
    assert len(inbox.got) == 1


@pytest.mark.parametrize("token", [TOKEN, OLD_TOKEN])
async def test_rotation_in_plain_mode(inbox: Inbox, token: str) -> None:
    """Old and new token are good for pushes and for WeChat's check."""
    async with receiver(inbox, token_old=OLD_TOKEN) as http:
        assert (await http.post("/wechat/demo", params=signed(token), content=FINISHED)).text == "success"
        assert (await http.get("/wechat/demo", params=signed(token, echostr="1"))).text == "1"


async def test_rotation_opens_nothing_else(inbox: Inbox) -> None:
    """A third token or key is none."""
    old = {"token_old": OLD_TOKEN, "aes_key_old": OLD_AES_KEY}

    for forged in (sealed(token="guess"), sealed(key="A" * 43), sealed(appid="wx2")):
        assert (await _answer(inbox, forged, mode="safe", **old)).status_code == 403
    assert inbox.got == []


async def test_after_the_rotation(inbox: Inbox) -> None:
    """Once the old ones are removed, they are worth nothing."""
    for push in (sealed(token=OLD_TOKEN), sealed(key=OLD_AES_KEY)):
        assert (await _answer(inbox, push, mode="safe")).status_code == 403
    assert inbox.got == []
