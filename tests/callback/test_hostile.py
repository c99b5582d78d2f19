"""A thousand requests of those who should not get in, fifty of each of more than twenty kinds."""

import base64
import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.callback import create_app
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
    framed,
    sealed,
    signed,
)

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


def _junk(chance: random.Random, most: int = 200) -> bytes:
    return chance.randbytes(chance.randrange(most))


def _swapped(chance: random.Random, text: str) -> str:
    where = chance.randrange(len(text))
    return text[:where] + chance.choice("0123456789abcdef".replace(text[where], "")) + text[where + 1 :]


def unsigned(chance: random.Random) -> dict[str, Any]:
    """No signature, or half of one."""
    query = signed()
    for name in chance.sample(sorted(query), chance.randint(1, 3)):
        del query[name]
    return _to(PLAIN, FINISHED, query)


def guessed(chance: random.Random) -> dict[str, Any]:
    """The signature of another token."""
    return _to(PLAIN, FINISHED, signed(token=chance.randbytes(8).hex()))


def nearly_signed(chance: random.Random) -> dict[str, Any]:
    """One digit of the signature is wrong."""
    query = signed()
    return _to(PLAIN, FINISHED, {**query, "signature": _swapped(chance, query["signature"])})


def shifted(chance: random.Random) -> dict[str, Any]:
    """Another time under the signature of a push that was overheard."""
    query = signed(ago=86400)
    return _to(PLAIN, FINISHED, {**query, "timestamp": str(int(query["timestamp"]) + chance.randint(85800, 87000))})


def stale(chance: random.Random) -> dict[str, Any]:
    """A push that was overheard, later."""
    return _to(PLAIN, FINISHED, signed(ago=chance.randint(700, 10**8)))


def early(chance: random.Random) -> dict[str, Any]:
    """A push from the future."""
    return _to(PLAIN, FINISHED, signed(ago=-chance.randint(700, 10**8)))


def odd_parameters(chance: random.Random) -> dict[str, Any]:
    """Parameters repeated, endless, or of any characters."""
    query = [*signed().items()]
    name = chance.choice(["signature", "timestamp", "nonce"])
    value = chance.choice(["", "x" * 5000, "\0", "群发", "\ud7ff", "%00", _junk(chance).decode("latin-1")])
    return _to(PLAIN, FINISHED, httpx.QueryParams([*query, (name, value)]))


def plain_for_safe(chance: random.Random) -> dict[str, Any]:
    """A plain push, well signed, for an account that wants encryption."""
    claim = chance.choice([{}, {"encrypt_type": "raw"}, {"encrypt_type": "aes"}, {"msg_signature": ""}])
    query = signed() | claim
    if chance.random() < 0.5:
        query["msg_signature"] = query["signature"]
    return _to(chance.choice([SAFE, COMPAT]), FINISHED, query)


def resealed(chance: random.Random) -> dict[str, Any]:
    """An encrypted part, or clear text beside one, that the signature does not cover."""
    push = sealed(FINISHED, appid="wx1")
    other = encrypted(framed(FINISHED, "wx1"), chance.choice([AES_KEY, OLD_AES_KEY]))
    body = b"<xml>%s<Encrypt>%s</Encrypt></xml>" % (FINISHED[5:-6], other.encode())
    return _to(SAFE, body, push["params"])


def another_key(chance: random.Random) -> dict[str, Any]:
    """Signed with the Token, encrypted with a guess."""
    key = base64.b64encode(chance.randbytes(32)).decode().rstrip("=").replace("+", "a").replace("/", "b")
    return _to(SAFE, **_part(sealed(FINISHED, key=key, appid="wx1")))


def another_account(chance: random.Random) -> dict[str, Any]:
    """Signed and encrypted well, for another account."""
    return _to(SAFE, **_part(sealed(FINISHED, appid=chance.choice(["", "wx", "wx11", "wx2", "WX1", "wx1\0"]))))


def broken_ciphertext(chance: random.Random) -> dict[str, Any]:
    """Signed with the Token; what is encrypted is cut off, or nothing."""
    text = encrypted(framed(FINISHED, "wx1"))
    cut = text[: chance.randrange(len(text) - 1)]
    junk = base64.b64encode(chance.randbytes(16 * chance.randint(0, 9))).decode()
    return _to(SAFE, **_part(enveloped(chance.choice([cut, junk, cut + "=", _junk(chance).hex(), "!" * 40]))))


def broken_padding(chance: random.Random) -> dict[str, Any]:
    """Signed with the Token; the padding is none."""
    plain = framed(FINISHED, "wx1")
    length = 32 - len(plain) % 32
    pad = bytes(chance.choice([0, 33, 255, length ^ 32]) for _ in range(length))
    return _to(SAFE, **_part(enveloped(encrypted(plain, pad=pad))))


def broken_length(chance: random.Random) -> dict[str, Any]:
    """Signed with the Token; the length in it points anywhere."""
    length = chance.choice([0, 1, len(FINISHED) - 1, len(FINISHED) + 1, 2**31, 2**32 - 1, chance.randrange(2**32)])
    return _to(SAFE, **_part(enveloped(encrypted(framed(FINISHED, "wx1", length=length)))))


def entities(chance: random.Random) -> dict[str, Any]:
    """A bomb, or somebody else's file."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(chance.randint(1, 12)))
    declared = chance.choice([laughs, '<!ENTITY l0 SYSTEM "file:///etc/passwd">', '<!ENTITY % l0 SYSTEM "http://x/">'])
    start = chance.choice(["", "<?xml version='1.0'?>", "<!-- <a> -->", "\n", "\ufeff"])
    body = f"{start}<!DOCTYPE xml [{declared}]>".encode() + FINISHED.replace(b"send success", b"]]>&l0;<![CDATA[")
    return _to(PLAIN, body, signed()) if chance.random() < 0.5 else _to(SAFE, **_part(sealed(body, appid="wx1")))


def nested(chance: random.Random) -> dict[str, Any]:
    """Deeper than anybody writes."""
    depth = chance.randint(1000, 20_000)
    body = chance.choice([b"<x>" * depth + b"</x>" * depth, b"[" * depth, b'{"a":' * depth, b'{"a":' + b"[" * depth])
    return _to(PLAIN, body if body[:1] != b"[" else b'{"a":' + body, signed())


def endless(chance: random.Random) -> dict[str, Any]:
    """Ten megabytes, and no end announced."""

    async def flood() -> AsyncIterator[bytes]:
        start = chance.choice([b"<xml>", b'{"a":"', FINISHED[:-6], b""])
        yield start
        for _ in range(160):
            yield b"x" * 65536

    url, query = chance.choice([(PLAIN, signed()), (SAFE, sealed()["params"])])
    return _to(url, flood(), query)


def other_encodings(chance: random.Random) -> dict[str, Any]:
    """A push in an encoding that WeChat does not use."""
    text = FINISHED.decode()
    body = chance.choice([
        text.encode("utf-16"),
        text.encode("utf-32-be"),
        text.replace("gh_", "群发").encode("gbk"),
        b'<?xml version="1.0" encoding="gb18030"?>' + FINISHED,
        b'<?xml version="1.0" encoding="utf-7"?>' + FINISHED,
        FINISHED + b"\xff",
        FINISHED.replace(b"gh_", b"\xed\xa0\x80"),
    ])  # fmt: skip
    return _to(PLAIN, body, signed())


def malformed(chance: random.Random) -> dict[str, Any]:
    """A push that breaks off, or has bytes that no document may have."""
    cut = FINISHED[: chance.randrange(len(FINISHED) - 6)]
    where = chance.randrange(len(cut) + 1)
    body = chance.choice([cut, cut[:where] + b"\0" + FINISHED[where:], b"\x08" + FINISHED, FINISHED + b"<xml/>"])
    return _to(PLAIN, body, signed())


def without_an_id(chance: random.Random) -> dict[str, Any]:
    """A result of no job."""
    value = chance.choice(["", "0", "-1", "1.5", "1e9", "٧", "0x10", "9" * chance.randint(20, 9000), "NaN", "<a>7</a>"])
    event = {"MsgType": "event", "Event": "MASSSENDJOBFINISH", "MsgID": value, "Status": "send success"}
    body = FINISHED.replace(b"3147483650", value.encode())
    return _to(PLAIN, chance.choice([body, json.dumps(event).encode()]), signed())


def json_bombs(chance: random.Random) -> dict[str, Any]:
    """JSON that is none, or is an event with thousands of elements."""
    event = {"MsgType": "event", "Event": "MASSSENDJOBFINISH", "MsgID": 7, "Status": "send success"}
    many = json.dumps({**event, "A": [{"b": 1}] * 5000}).encode()
    bad = [b'{"MsgID":NaN}', b'{"MsgID":-Infinity}', b'{"a":1}{}', b'{"a":1,}', b"{'a':1}", b'{"a":"\x00"}', many]
    return _to(PLAIN, chance.choice(bad), signed())


def strangers(chance: random.Random) -> dict[str, Any]:
    """A good push from an address that is not WeChat's, whatever its headers claim."""
    claims = chance.choice(["203.0.113.1", "203.0.113.1, 10.0.0.1", "203.0.113.1, x", "", "\xff", "127.0.0.1"])
    headers = [(b"x-forwarded-for", claims.encode("latin-1")), (b"forwarded", b"for=203.0.113.1")]
    return _to(LISTED, FINISHED, signed(), headers=headers)


def unknown_accounts(chance: random.Random) -> dict[str, Any]:
    """Names that are none."""
    name = chance.choice(
        ["nobody", "plain%00", "..%2f..", "PLAIN", "plain;a", "%ff", "a" * 5000, "群发", "reported", ""]
    )
    return _to(f"/wechat/{name}", FINISHED, signed())


def other_methods(chance: random.Random) -> dict[str, Any]:
    """What WeChat never does."""
    method = chance.choice(["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
    url = chance.choice([PLAIN, SAFE, EVENTS])
    return {**_to(url, FINISHED, signed(token=chance.choice([TOKEN, "guess"]), echostr="1")), "method": method}


def false_checks(chance: random.Random) -> dict[str, Any]:
    """A check of the URL that is not WeChat's: somebody wants his own text echoed."""
    right = signed(echostr="<script>")
    wrong = {**right, "nonce": f"{right['nonce']}0"}
    query = chance.choice(
        [signed("guess", echostr="1"), signed(ago=3600, echostr="1"), signed(), wrong, {"echostr": "1"}]
    )
    return {"method": "GET", "url": chance.choice([PLAIN, SAFE]), "params": query}


def false_reports(chance: random.Random) -> dict[str, Any]:
    """An event from somebody without the account's token."""
    token = chance.choice(["", "guess", EVENTS_TOKEN[:-1], EVENTS_TOKEN + "0", TOKEN, "\xff", "x" * 9000])
    scheme = chance.choice(["Bearer ", "bearer  ", "Basic ", "", "Bearer\t"])
    headers = [(b"authorization", f"{scheme}{token}".encode("latin-1"))]
    return _to(EVENTS, FINISHED, signed(), headers=headers)


def _part(push: dict[str, Any]) -> dict[str, Any]:
    return {"content": push["content"], "params": push["params"]}


KINDS: list[Callable[[random.Random], dict[str, Any]]] = [
    unsigned, guessed, nearly_signed, shifted, stale, early, odd_parameters, plain_for_safe, resealed, another_key,
    another_account, broken_ciphertext, broken_padding, broken_length, entities, nested, endless, other_encodings,
    malformed, without_an_id, json_bombs, strangers, unknown_accounts, other_methods, false_checks, false_reports,
]  # fmt: skip


@pytest.fixture
async def hostile(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a receiver that shows each error that it does not handle."""
    transport = httpx.ASGITransport(create_app(_settings(), inbox), client=("192.0.2.1", 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as http:
        yield http


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
async def test_a_thousand_hostile_requests(
    hostile: httpx.AsyncClient, inbox: Inbox, kind: Callable[[random.Random], dict[str, Any]]
) -> None:
    """None of them reaches the delivery; each is refused as the caller's error, and none is one of ours."""
    chance = random.Random(kind.__name__)  # noqa: S311 - the same requests each time
    answers = []
    for _ in range(EACH):
        request = kind(chance)
        answers.append((await hostile.request(**request)).status_code)

    assert {status // 100 for status in answers} == {4}, answers
    assert inbox.got == []


def test_how_many_there_are() -> None:
    """A thousand, of twenty kinds and more."""
    assert len(KINDS) > 20
    assert len(KINDS) * EACH > 1000


async def test_the_same_accounts_take_what_is_genuine(hostile: httpx.AsyncClient, inbox: Inbox) -> None:
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
async def test_any_request(query: bytes, body: bytes, where: str) -> None:
    """No query and no body, of whatever bytes, is answered with anything but a refusal."""
    inbox, status = Inbox(), 0

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": where,
        "query_string": query,
        "headers": [],
        "client": None,
    }
    await create_app(_settings(), inbox)(scope, receive, send)

    assert 400 <= status < 500
    assert inbox.got == []
