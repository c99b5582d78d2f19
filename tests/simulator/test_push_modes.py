"""Pushes in plain, compat and safe mode, as XML and as JSON, and the answers to them."""

import json
from typing import Any

import pytest
from lxml import etree

from qunfa.callback.crypto import MessageCipher, sign
from tests.simulator.api import AES_KEY, APPID, Json, Start
from tests.simulator.inbox import CALLBACK_TOKEN, Inbox, Push

OTHER_KEY = "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba"
MODES = pytest.mark.parametrize("mode", ["compat", "safe"])
FORMATS = pytest.mark.parametrize("form", ["xml", "json"])
ARTICLE = {"ArticleIdx": 1, "ArticleUrl": "https://a"}


def callback(inbox: Inbox, mode: str, **more: str) -> Json:
    return {"callback": {"url": inbox.url, "token": CALLBACK_TOKEN, "mode": mode, "aes_key": AES_KEY, **more}}


def fields(body: bytes, form: str) -> dict[str, Any]:
    if form == "json":
        found: dict[str, Any] = json.loads(body)
        return found
    return {str(child.tag): child.text if not len(child) else child for child in etree.fromstring(body)}


def opened(push: Push, form: str) -> dict[str, Any]:
    return fields(MessageCipher(AES_KEY, APPID).open(fields(push.body, form)["Encrypt"]), form)


def answer(said: str, *, token: str = CALLBACK_TOKEN, key: str = AES_KEY, form: str = "xml") -> str:
    text = MessageCipher(key, APPID).seal(said.encode())
    parts = {"Encrypt": text, "MsgSignature": sign(token, "1700000000", "n", text), "TimeStamp": "1700000000"}
    parts["Nonce"] = "n"
    if form == "json":
        return json.dumps(parts)
    return f"<xml>{''.join(f'<{name}><![CDATA[{value}]]></{name}>' for name, value in parts.items())}</xml>"


async def tries(start: Start, inbox: Inbox, mode: str, form: str = "xml") -> list[tuple[str, str, bool]]:
    """What came of each try to push a job of an account in this mode."""
    api = await start(**callback(inbox, mode, format=form))
    await api.sent()
    found = (await api.sim("pushes"))["tries"]
    return [(each["outcome"], each["answer"], each["encrypted"]) for each in found]


async def test_plain_mode_encrypts_nothing_although_there_is_a_key(start: Start, inbox: Inbox) -> None:
    """The mode decides, not the key; nor is an encrypted answer understood. The URL keeps a query of its own."""
    inbox.answers.append((200, answer("success")))
    inbox.url += "?site=7"
    assert [outcome for outcome, *_ in await tries(start, inbox, "plain")] == ["bad_answer", "answered"]
    for push in inbox.pushes:
        assert push.query.keys() == {"site", "signature", "timestamp", "nonce", "openid"}
        assert "Encrypt" not in fields(push.body, "xml")


@pytest.mark.parametrize(
    ("lists", "expected"),
    [("objects", [ARTICLE]), ("items", [{"item": ARTICLE}]), ("single", ARTICLE)],
    ids=["objects", "items", "single"],
)
async def test_json_is_the_same_tree(start: Start, inbox: Inbox, lists: str, expected: object) -> None:
    """Numbers are numbers, blocks are objects, text is not escaped; how a list looks can be chosen."""
    api = await start(**callback(inbox, "plain", format="json", json_lists=lists))
    await api.plan(article_urls=["https://a"], status="err(30003) 转载", check_state=3)
    job = await api.sent()
    [push] = inbox.pushes
    assert "转载".encode() in push.body
    said = json.loads(push.body)
    assert (said["MsgID"], said["Status"]) == (job.msg_id, "err(30003) 转载")
    assert said["CreateTime"] == int(job.finished_at or 0)
    assert said["CopyrightCheckResult"] == {"Count": 0, "ResultList": [], "CheckState": 3}
    assert said["ArticleUrlResult"] == {"Count": 1, "ResultList": expected}


@FORMATS
@pytest.mark.parametrize(("said", "outcome"), [("success", "answered"), ("", "answered"), ("sorry", "bad_answer")])
async def test_an_encrypted_answer_is_understood(
    start: Start, inbox: Inbox, form: str, said: str, outcome: str
) -> None:
    """What it says counts, as if it had been said in the clear."""
    inbox.answers.append((200, answer(said, form=form)))
    assert (await tries(start, inbox, "safe", form))[0] == (outcome, said, True)


@pytest.mark.parametrize(
    "said",
    [
        answer("success", token="another"), answer("success", key=OTHER_KEY), "<xml><Encrypt>AAAA</Encrypt></xml>",
        "<xml><Encrypt>", '{"Encrypt": ', "[1]",
    ],
    ids=["another token", "another key", "no signature", "no XML", "no JSON", "a list"],
)  # fmt: skip
async def test_an_answer_that_is_encrypted_wrongly_is_none(start: Start, inbox: Inbox, said: str) -> None:
    """The push is tried again."""
    inbox.answers.append((200, said))
    found = [(outcome, encrypted) for outcome, _, encrypted in await tries(start, inbox, "safe")]
    assert found == [("bad_answer", False), ("answered", False)]


@MODES
@pytest.mark.parametrize(("repeats", "different"), [("signed_anew", 3), ("unchanged", 1)])
async def test_three_tries_are_signed_anew_or_not(
    start: Start, inbox: Inbox, mode: str, repeats: str, different: int
) -> None:
    """The event is the same each time; signature and encryption are fresh, or the first try's."""
    api = await start(sim={"push": {"spacing": 0, "repeats": repeats}}, **callback(inbox, mode))
    inbox.answers.extend([(500, "")] * 3)
    job = await api.sent()
    assert len({push.body for push in inbox.pushes}) == different
    assert len({push.query["nonce"] for push in inbox.pushes}) == different
    assert [int(opened(push, "xml")["MsgID"]) for push in inbox.pushes] == [job.msg_id] * 3


@MODES
async def test_a_forged_push_is_forged_in_each_mode(start: Start, inbox: Inbox, mode: str) -> None:
    """A wrong signature is wrong twice. A false verdict comes in the clear, under a `signature` that was overheard."""
    api = await start(**callback(inbox, mode))
    await api.plan(forged="signature")
    await api.plan(forged="verdict")
    jobs = [await api.sent(clientmsgid=each) for each in "ab"]
    extra, real, verdict, last = inbox.pushes
    for push, good in ((extra, False), (real, True)):
        encrypted = fields(push.body, "xml")["Encrypt"]
        assert (push.is_signed, push.query["msg_signature"] == push.signed(encrypted)) == (good, good)
    assert (verdict.msg_id, verdict.text("Status"), verdict.text("Encrypt")) == (jobs[1].msg_id, "err(10001)", None)
    assert (verdict.is_signed, "msg_signature" in verdict.query) == (True, False)
    assert opened(last, "xml")["Status"] == "send success"
