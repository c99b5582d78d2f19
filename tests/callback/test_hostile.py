"""A thousand requests of those who should not get in, fifty of each of more than twenty kinds."""

import base64
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from qunfa.callback.app import create_app
from qunfa.callback.crypto import sign
from qunfa.settings import Settings
from tests.callback.pushing import (
    AES_KEY,
    EVENTS_TOKEN,
    FINISHED,
    OLD_AES_KEY,
    TOKEN,
    Inbox,
    encrypted,
    enveloped,
    finished,
    framed,
    post,
    receiver,
    sealed,
    signed,
    status_of,
)
from tests.looking import until

EACH = 50
PLAIN, SAFE, COMPAT, LISTED, EVENTS = (
    f"/wechat/{name}" for name in ("plain", "safe", "compat", "listed", "reported/events")
)


def _settings() -> Settings:
    """An account for each way in."""
    callbacks = {
        "plain": {"token": TOKEN},
        "safe": {"token": TOKEN, "aes_key": AES_KEY, "mode": "safe"},
        "compat": {"token": TOKEN, "aes_key": AES_KEY, "mode": "compat"},
        "listed": {"token": TOKEN, "sources": ["203.0.113.0/24"]},
        "reported": {"events_token": EVENTS_TOKEN},
    }
    accounts = {
        name: {"appid": f"wx{number}", "secret": "s3cret", "kind": "service", "callback": callback}
        for number, (name, callback) in enumerate(callbacks.items())
    }
    return Settings.model_validate({"accounts": accounts, "receiver": {"proxies": ["10.0.0.0/8"]}})


def _to(url: str, content: Any, params: Any = None, **more: Any) -> dict[str, Any]:
    return {"method": "POST", "url": url, "content": content, "params": params, **more}


def _plain(content: Any, **query: str) -> dict[str, Any]:
    """A plain push, well signed but for what is said otherwise."""
    return _to(PLAIN, content, signed() | query)


def _part(text: str) -> dict[str, Any]:
    """A push whose encrypted part is signed with the Token."""
    return _to(SAFE, **enveloped(text))


def _nearly_signed(chance: random.Random) -> dict[str, Any]:
    query, where = signed(), chance.randrange(40)
    digits = list(query["signature"])
    digits[where] = chance.choice("0123456789abcdef".replace(digits[where], ""))
    return _to(PLAIN, FINISHED, {**query, "signature": "".join(digits)})


def _repeated(chance: random.Random) -> dict[str, Any]:
    value = chance.choice(["", "x" * 5000, "\0", "群发", "\ud7ff", "%00", chance.randbytes(99).decode("latin-1")])
    name = chance.choice(["signature", "timestamp", "nonce"])
    return _to(PLAIN, FINISHED, httpx.QueryParams(signed()).add(name, value))


def _shifted(chance: random.Random) -> dict[str, Any]:
    query = signed(ago=86400)
    return _to(PLAIN, FINISHED, {**query, "timestamp": str(int(query["timestamp"]) + chance.randint(85800, 87000))})


def _no_time(chance: random.Random) -> dict[str, Any]:
    time = chance.choice(["", "now", "-1", "1.5", "1e9", "٧٧٧", "999999999", "9" * 11, "9" * 64])
    return _plain(FINISHED, signature=sign(TOKEN, time, "n"), timestamp=time, nonce="n")


def _plain_for_safe(chance: random.Random) -> dict[str, Any]:
    query = signed() | chance.choice([{}, {"encrypt_type": "raw"}, {"encrypt_type": "aes"}, {"msg_signature": ""}])
    own = chance.choice([{}, {"msg_signature": query["signature"]}])
    return _to(chance.choice([SAFE, COMPAT]), FINISHED, query | own)


def _resealed(chance: random.Random) -> dict[str, Any]:
    other = encrypted(framed(FINISHED, "wx1"), chance.choice([AES_KEY, OLD_AES_KEY])).encode()
    body = b"<xml>%s<Encrypt>%s</Encrypt></xml>" % (FINISHED[5:-6], other)
    return _to(SAFE, body, sealed(FINISHED, appid="wx1")["params"])


def _guessed_key(chance: random.Random) -> str:
    return base64.b64encode(chance.randbytes(32)).decode().rstrip("=").replace("+", "a").replace("/", "b")


def _broken_ciphertext(chance: random.Random) -> str:
    text = encrypted(framed(FINISHED, "wx1"))
    cut = text[: chance.randrange(len(text) - 1)]
    junk = base64.b64encode(chance.randbytes(16 * chance.randint(0, 9))).decode()
    return chance.choice([cut, junk, cut + "=", chance.randbytes(99).hex(), "!" * 40])


def _broken_padding(chance: random.Random) -> str:
    plain = framed(FINISHED, "wx1")
    length = 32 - len(plain) % 32
    return encrypted(plain, pad=bytes(chance.choice([0, 33, 255, length ^ 32]) for _ in range(length)))


def _broken_length(chance: random.Random) -> str:
    length = chance.choice([0, 1, len(FINISHED) - 1, len(FINISHED) + 1, 2**31, 2**32 - 1, chance.randrange(2**32)])
    return encrypted(framed(FINISHED, "wx1", length=length))


def _entities(chance: random.Random) -> dict[str, Any]:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(chance.randint(1, 12)))
    declared = chance.choice([laughs, '<!ENTITY l0 SYSTEM "file:///etc/passwd">', '<!ENTITY % l0 SYSTEM "http://x/">'])
    start = chance.choice(["", "<?xml version='1.0'?>", "<!-- <a> -->", "\n", "\ufeff"])
    body = f"{start}<!DOCTYPE xml [{declared}]>".encode() + FINISHED.replace(b"send success", b"]]>&l0;<![CDATA[")
    return chance.choice([_plain(body), _to(SAFE, **sealed(body, appid="wx1"))])


def _endless(chance: random.Random) -> dict[str, Any]:
    async def flood() -> AsyncIterator[bytes]:
        yield chance.choice([b"<xml>", b'{"a":"', FINISHED[:-6], b""])
        for _ in range(160):
            yield b"x" * 65536

    return chance.choice([_plain(flood()), _to(SAFE, flood(), sealed()["params"])])


def _strangers(chance: random.Random) -> dict[str, Any]:
    claims = chance.choice(["203.0.113.1", "203.0.113.1, 10.0.0.1", "203.0.113.1, x", "", "\xff", "127.0.0.1"])
    headers = [(b"x-forwarded-for", claims.encode("latin-1")), (b"forwarded", b"for=203.0.113.1")]
    return _to(LISTED, FINISHED, signed(), headers=headers)


def _other_methods(chance: random.Random) -> dict[str, Any]:
    query = signed(token=chance.choice([TOKEN, "guess"]), echostr="1")
    return {**_to(chance.choice([PLAIN, SAFE, EVENTS]), FINISHED, query), "method": chance.choice(METHODS)}


def _false_checks(chance: random.Random) -> dict[str, Any]:
    false = [signed("guess", echostr="1"), signed(ago=3600, echostr="1"), signed(), {"echostr": "1"}]
    wrong = chance.choice([signed(echostr="<script>") | {"nonce": "0"}, *false])
    return {"method": "GET", "url": chance.choice([PLAIN, SAFE]), "params": wrong}


def _false_reports(chance: random.Random) -> dict[str, Any]:
    token = chance.choice(["", "guess", EVENTS_TOKEN[:-1], EVENTS_TOKEN + "0", TOKEN, "\xff", "x" * 9000])
    scheme = chance.choice(["Bearer ", "bearer  ", "Basic ", "", "Bearer\t"])
    return _to(EVENTS, FINISHED, signed(), headers=[(b"authorization", f"{scheme}{token}".encode("latin-1"))])


METHODS = ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
NAMES = ["nobody", "plain%00", "..%2f..", "PLAIN", "plain;a", "%ff", "a" * 5000, "群发", "reported", ""]
OTHERS = ["", "wx", "wx11", "wx2", "WX1", "wx1\0"]
KINDS: dict[str, tuple[int, Callable[[random.Random], dict[str, Any]]]] = {
    "signed with another token": (403, lambda c: _plain(FINISHED, **signed(token=c.randbytes(8).hex()))),
    "one digit of the signature is wrong": (403, _nearly_signed),
    "a signed time that is none": (403, _no_time),
    "another time under a signature that was overheard": (403, _shifted),
    "overheard, and too late": (403, lambda c: _plain(FINISHED, **signed(ago=c.randint(700, 10**8)))),
    "from the future": (403, lambda c: _plain(FINISHED, **signed(ago=-c.randint(700, 10**8)))),
    "a parameter repeated, and of any characters": (403, _repeated),
    "plain, where encryption is wanted": (403, _plain_for_safe),
    "what the signature does not cover": (403, _resealed),
    "encrypted with a guess": (403, lambda c: _to(SAFE, **sealed(FINISHED, key=_guessed_key(c), appid="wx1"))),
    "encrypted for another account": (403, lambda c: _to(SAFE, **sealed(FINISHED, appid=c.choice(OTHERS)))),
    "a broken ciphertext": (403, lambda c: _part(_broken_ciphertext(c))),
    "a broken padding": (403, lambda c: _part(_broken_padding(c))),
    "a broken length": (403, lambda c: _part(_broken_length(c))),
    "a bomb, or another's file": (400, _entities),
    "ten megabytes, and no end announced": (413, _endless),
    "from another address": (403, _strangers),
    "of no account": (404, lambda c: _to(f"/wechat/{c.choice(NAMES)}", FINISHED, signed())),
    "by a method that WeChat never uses": (405, _other_methods),
    "a check of the URL for an echo of one's own": (403, _false_checks),
    "an event without the token": (401, _false_reports),
}


@pytest.fixture
async def hostile(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a receiver that shows each error that it does not handle."""
    app = create_app(_settings(), inbox)
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 1234))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://receiver") as http,
    ):
        yield http


@pytest.mark.parametrize("kind", KINDS)
async def test_a_thousand_hostile_requests(hostile: httpx.AsyncClient, inbox: Inbox, kind: str) -> None:
    """None of them reaches the delivery; each is refused as the caller's error, and none is one of ours."""
    chance, (status, make) = random.Random(kind), KINDS[kind]  # noqa: S311 - the same requests each time
    assert {(await hostile.request(**make(chance))).status_code for _ in range(EACH)} == {status}
    assert inbox.got == []
    assert len(KINDS) > 20
    assert len(KINDS) * EACH > 1000


async def test_what_is_genuine_is_taken_by_the_same_accounts(hostile: httpx.AsyncClient, inbox: Inbox) -> None:
    """The receiver that refuses all of them is not one that refuses everything."""
    bearer = {"Authorization": f"Bearer {EVENTS_TOKEN}"}
    answers = [
        await hostile.post(PLAIN, content=FINISHED, params=signed()),
        await hostile.post(SAFE, **sealed(appid="wx1")),
        await hostile.post(COMPAT, **sealed(appid="wx2")),
        await hostile.post(EVENTS, content=FINISHED, headers=bearer),
    ]

    assert [answer.text for answer in answers] == ["success"] * 4
    assert [appid for appid, _ in inbox.got] == ["wx0", "wx1", "wx2", "wx4"]


@given(query=st.binary(max_size=300), body=st.binary(max_size=300), where=st.sampled_from([PLAIN, SAFE, EVENTS]))
async def test_no_bytes_are_taken_for_a_push(query: bytes, body: bytes, where: str) -> None:
    """No query and no body, of whatever bytes, is answered with anything but a refusal."""
    inbox = Inbox()
    message = {"type": "http.request", "body": body, "more_body": False}
    assert 400 <= await status_of(create_app(_settings(), inbox), message, query=query, path=where) < 500
    assert inbox.got == []


STRANGE: dict[str, Callable[[], dict[str, Any]]] = {
    "forged": lambda: {"url": "/wechat/demo", "params": signed(token="guess")},
    "forged check": lambda: {"method": "GET", "url": "/wechat/demo", "params": signed(token="guess", echostr="1")},
    "stale": lambda: {"url": "/wechat/demo", "params": signed(ago=3600)},
    "unknown_account": lambda: {"url": "/wechat/nobody"},
    "too_large": lambda: {"url": "/wechat/demo", "params": signed(), "content": b"x" * 300_000},
    "unauthorized": lambda: {"url": "/wechat/demo/events"},
    "unknown_account of reports": lambda: {"url": "/wechat/nobody/events"},
}
"""Each as of now: a signature is good for some minutes."""


@pytest.mark.parametrize("kind", STRANGE)
async def test_strangers_do_not_fill_the_log(inbox: Inbox, kind: str) -> None:
    """Ten lines a second at most; how many were left out is said. WeChat's own pushes have a line each meanwhile."""
    strange, number = {"method": "POST", **STRANGE[kind]()}, 60
    with capture_logs() as lines:
        async with receiver(inbox, events_token=EVENTS_TOKEN) as http:
            began = time.monotonic()
            for _ in range(number):
                answer = await http.request(**strange)
                assert (await post(http, b"<no/event>")).status_code == 400
                assert (await post(http, finished(number))).text == "success"
            most = 10 + 10 * (time.monotonic() - began)
            shown = (await http.get("/metrics")).text

    word = kind.split(maxsplit=1)[0]
    assert answer.text == word
    assert sum(line.get("answer") in {"success", "repeated"} for line in lines) == number
    assert sum(line.get("answer") == "malformed" for line in lines) == number
    written = [line for line in lines if line.get("answer") == word]
    assert 10 <= len(written) <= most
    assert sum(line.get("number", 0) for line in lines) + len(written) == number
    counted = [line.split()[-1] for line in shown.splitlines() if f'answer="{word}"' in line and "_total" in line]
    assert [one for one in counted if one != "0.0"] == [f"{number}.0"]


async def test_a_flood_is_told_of_while_it_is_there(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to stop the receiver to hear how much it does not write."""
    monkeypatch.setattr("qunfa.callback.answers._EVERY", 0.05)
    async with receiver(inbox) as http:
        with capture_logs() as lines:

            async def told() -> list[Any]:
                for _ in range(30):
                    await post(http, {"params": signed(token="guess"), "content": FINISHED})
                return [line["number"] for line in lines if line["event"] == "refusals left out"]

            first, *more = await until(told, lambda numbers: len(numbers) > 1)
    assert first > 0
    assert all(more)
