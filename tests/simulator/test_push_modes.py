"""Pushes in plain, compat and safe mode, as XML and as JSON, and the answers to them."""

import json
import time
from typing import Any

import pytest
from lxml import etree

from qunfa.simulator.encryption import decrypt, encrypt
from qunfa.simulator.envelopes import signature
from tests.simulator.api import APPID, CALLBACK_TOKEN, Api, Json, Start
from tests.simulator.inbox import Inbox, Push
from tests.simulator.test_encryption import AES_KEY, OTHER_KEY

MODES = pytest.mark.parametrize("mode", ["compat", "safe"])
FORMATS = pytest.mark.parametrize("form", ["xml", "json"])
TYPES = {"xml": "text/xml", "json": "application/json"}


def callback(inbox: Inbox, mode: str, **more: str) -> Json:
    """The account's callback in this mode."""
    return {"callback": {"url": inbox.url, "token": CALLBACK_TOKEN, "mode": mode, "aes_key": AES_KEY, **more}}


def fields(body: bytes, form: str) -> dict[str, Any]:
    """The topmost fields of a body."""
    if form == "json":
        found: dict[str, Any] = json.loads(body)
        return found
    return {str(child.tag): child.text if not len(child) else child for child in etree.fromstring(body)}


def opened(push: Push, form: str) -> dict[str, Any]:
    """The fields of what is encrypted in a push."""
    return fields(decrypt(AES_KEY, APPID, fields(push.body, form)["Encrypt"]), form)


def answer(said: str, *, token: str = CALLBACK_TOKEN, key: str = AES_KEY, form: str = "xml") -> str:
    """An encrypted answer of a receiver."""
    text = encrypt(key, APPID, said.encode())
    parts = {"Encrypt": text, "MsgSignature": signature(token, "1700000000", "n", text), "TimeStamp": "1700000000"}
    parts["Nonce"] = "n"
    if form == "json":
        return json.dumps(parts)
    return f"<xml>{''.join(f'<{name}><![CDATA[{value}]]></{name}>' for name, value in parts.items())}</xml>"


async def sent(start: Start, inbox: Inbox, mode: str, form: str) -> Api:
    """An account in this mode, once a job of it was pushed."""
    api = await start(**callback(inbox, mode, format=form))
    await api.sent()
    return api


async def pushed(start: Start, inbox: Inbox, mode: str, **more: str) -> tuple[Api, Push, int]:
    """A job of an account in this mode, and its push."""
    api = await start(**callback(inbox, mode, **more))
    job = await api.sent()
    [push] = inbox.pushes
    return api, push, job.msg_id


@FORMATS
@MODES
async def test_an_encrypted_push_carries_the_event(start: Start, inbox: Inbox, mode: str, form: str) -> None:
    """What `Encrypt` holds is the whole event in the same format; `msg_signature` covers it, `signature` the query."""
    _, push, msg_id = await pushed(start, inbox, mode, format=form)
    said = opened(push, form)
    assert (int(said["MsgID"]), said["Status"]) == (msg_id, "send success")
    query = push.query
    assert query.keys() == {"signature", "timestamp", "nonce", "openid", "encrypt_type", "msg_signature"}
    assert query["encrypt_type"] == "aes"
    signed = (CALLBACK_TOKEN, query["timestamp"], query["nonce"])
    assert query["signature"] == signature(*signed)
    assert query["msg_signature"] == signature(*signed, fields(push.body, form)["Encrypt"])
    assert push.headers["content-type"] == TYPES[form]


@FORMATS
async def test_safe_mode_tells_nothing_in_the_clear(start: Start, inbox: Inbox, form: str) -> None:
    """Only whose push it is stands beside the encrypted event."""
    _, push, _ = await pushed(start, inbox, "safe", format=form)
    assert list(fields(push.body, form)) == ["ToUserName", "Encrypt"]
    assert fields(push.body, form)["ToUserName"] == "gh_0123456789ab"


@FORMATS
async def test_compat_mode_tells_everything_twice(start: Start, inbox: Inbox, form: str) -> None:
    """The fields in the clear are those of the encrypted event, in the same order, with `Encrypt` at the end."""
    _, push, msg_id = await pushed(start, inbox, "compat", format=form)
    clear = fields(push.body, form)
    assert [*opened(push, form), "Encrypt"] == list(clear)
    assert int(clear["MsgID"]) == msg_id


async def test_plain_mode_encrypts_nothing_although_there_is_a_key(start: Start, inbox: Inbox) -> None:
    """The mode decides, not the key."""
    _, push, _ = await pushed(start, inbox, "plain")
    assert push.query.keys() == {"signature", "timestamp", "nonce", "openid"}
    assert "Encrypt" not in fields(push.body, "xml")


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ("objects", [{"ArticleIdx": 1, "ArticleUrl": "https://a"}]),
        ("items", [{"item": {"ArticleIdx": 1, "ArticleUrl": "https://a"}}]),
        ("single", {"ArticleIdx": 1, "ArticleUrl": "https://a"}),
    ],
)
async def test_json_is_the_same_tree(start: Start, inbox: Inbox, lists: str, expected: object) -> None:
    """Numbers are numbers, blocks are objects, text is not escaped; how a list looks can be chosen."""
    api = await start(**callback(inbox, "plain", format="json", json_lists=lists))
    await api.plan(article_urls=["https://a"], status="err(30003) 转载", check_state=3)
    job = await api.sent()
    [push] = inbox.pushes
    assert "转载".encode() in push.body
    said = json.loads(push.body)
    assert (said["MsgID"], said["Status"], said["CreateTime"]) == (
        job.msg_id, "err(30003) 转载", int(job.finished_at or 0),
    )  # fmt: skip
    assert said["CopyrightCheckResult"] == {"Count": 0, "ResultList": [], "CheckState": 3}
    assert said["ArticleUrlResult"] == {"Count": 1, "ResultList": expected}


@FORMATS
@pytest.mark.parametrize(("said", "outcome"), [("success", "answered"), ("", "answered"), ("sorry", "bad_answer")])
async def test_an_encrypted_answer_is_understood(
    start: Start, inbox: Inbox, form: str, said: str, outcome: str
) -> None:
    """What it says counts, as if it had been said in the clear."""
    inbox.answers.append((200, answer(said, form=form)))
    api = await sent(start, inbox, "safe", form)
    first = (await api.sim("pushes"))["tries"][0]
    assert (first["outcome"], first["answer"], first["encrypted"]) == (outcome, said, True)


@pytest.mark.parametrize(
    "said",
    [
        answer("success", token="another"),
        answer("success", key=OTHER_KEY),
        "<xml><Encrypt>AAAA</Encrypt></xml>",
        "<xml><Encrypt>",
        '{"Encrypt": ',
        "[1]",
    ],
    ids=["another token", "another key", "no signature", "no XML", "no JSON", "a list"],
)
async def test_an_answer_that_is_encrypted_wrongly_is_none(start: Start, inbox: Inbox, said: str) -> None:
    """The push is tried again."""
    inbox.answers.append((200, said))
    api = await sent(start, inbox, "safe", "xml")
    tries = (await api.sim("pushes"))["tries"]
    assert [(each["outcome"], each["encrypted"]) for each in tries] == [("bad_answer", False), ("answered", False)]


async def test_a_plain_account_reads_no_encrypted_answer(start: Start, inbox: Inbox) -> None:
    """WeChat would not know what to make of it."""
    inbox.answers.append((200, answer("success")))
    api = await sent(start, inbox, "plain", "xml")
    assert [each["outcome"] for each in (await api.sim("pushes"))["tries"]] == ["bad_answer", "answered"]


@MODES
@pytest.mark.parametrize(("repeats", "different"), [("signed_anew", 3), ("unchanged", 1)])
async def test_three_tries_are_signed_anew_or_not(
    start: Start, inbox: Inbox, mode: str, repeats: str, different: int
) -> None:
    """The event is the same each time; signature and encryption are fresh, or the first try's."""
    api = await start(sim={"push": {"spacing": 0, "repeats": repeats}}, **callback(inbox, mode))
    inbox.answers.extend([(500, "")] * 3)
    job = await api.sent()
    assert [each["number"] for each in (await api.sim("pushes"))["tries"]] == [1, 2, 3]
    assert len({push.body for push in inbox.pushes}) == different
    assert len({push.query["nonce"] for push in inbox.pushes}) == different
    assert {int(opened(push, "xml")["MsgID"]) for push in inbox.pushes} == {job.msg_id}


@pytest.mark.parametrize("skew", [0, -3600, 900])
async def test_pushes_are_signed_with_the_real_time(start: Start, inbox: Inbox, skew: float) -> None:
    """Receivers compare it with their own clock, so simulated time must not show in it; a wrong clock can be had."""
    api = await start(sim={"push": {"skew": skew}})
    await api.advance(10**6)
    before = int(time.time())
    await api.sent()
    [push] = inbox.pushes
    assert before <= int(push.query["timestamp"]) - skew <= time.time()


@MODES
async def test_a_wrong_signature_is_wrong_twice(start: Start, inbox: Inbox, mode: str) -> None:
    """Neither `signature` nor `msg_signature` is the account's."""
    api = await start(**callback(inbox, mode))
    await api.plan(forged="signature")
    await api.sent()
    extra, real = inbox.pushes
    for push, good in ((extra, False), (real, True)):
        signed = (CALLBACK_TOKEN, push.query["timestamp"], push.query["nonce"])
        assert (push.query["signature"] == signature(*signed)) is good
        encrypted = fields(push.body, "xml")["Encrypt"]
        assert (push.query["msg_signature"] == signature(*signed, encrypted)) is good


@MODES
async def test_a_forged_verdict_comes_in_the_clear(start: Start, inbox: Inbox, mode: str) -> None:
    """As from somebody who has overheard a `signature`, which does not cover the body."""
    api = await start(**callback(inbox, mode))
    await api.plan(forged="verdict")
    job = await api.sent()
    extra, real = inbox.pushes
    assert (extra.msg_id, extra.text("Status"), extra.text("Encrypt")) == (job.msg_id, "err(10001)", None)
    assert extra.query["signature"] == signature(CALLBACK_TOKEN, extra.query["timestamp"], extra.query["nonce"])
    assert "msg_signature" not in extra.query
    assert opened(real, "xml")["Status"] == "send success"


async def test_a_callback_url_keeps_its_own_query(start: Start, inbox: Inbox) -> None:
    """WeChat's parameters come in addition."""
    api = await start(callback={"url": f"{inbox.url}?site=7", "token": CALLBACK_TOKEN})
    await api.sent()
    [push] = inbox.pushes
    assert push.query.keys() == {"site", "signature", "timestamp", "nonce", "openid"}
