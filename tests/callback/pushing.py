"""Accounts with callbacks, a delivery that notes what it gets, and requests as WeChat signs and encrypts them."""

import base64
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from starlette.types import ASGIApp

from qunfa.callback.answers import ReceiverMetrics
from qunfa.callback.app import create_app, create_metrics_app
from qunfa.callback.crypto import sign
from qunfa.contract.result import JobFinished
from qunfa.settings import Settings
from tests.looking import PATIENCE

TOKEN = "wxtoken0001"
OLD_TOKEN = "wxtoken0000"
APPID = "wx0123456789abcdef"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OLD_AES_KEY = "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba"
EVENTS_TOKEN = "handed-over-0123456789"
DEADLINE = timedelta(seconds=PATIENCE)
FINISHED = b"""<xml><ToUserName><![CDATA[gh_4d00ed8d6399]]></ToUserName><CreateTime>1481013459</CreateTime>
<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[MASSSENDJOBFINISH]]></Event><MsgID>3147483650</MsgID>
<Status><![CDATA[send success]]></Status><TotalCount>100</TotalCount><FilterCount>98</FilterCount>
<SentCount>97</SentCount><ErrorCount>1</ErrorCount></xml>"""
HELLO = b"<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[hello]]></Content><MsgId>7</MsgId></xml>"


def finished(msg_id: int) -> bytes:
    return FINISHED.replace(b"3147483650", b"%d" % msg_id)


@dataclass
class Inbox:
    """A delivery that keeps what it is given, or fails as it is told to."""

    got: list[tuple[str, JobFinished]] = field(default_factory=list)
    failure: BaseException | None = None

    async def __call__(self, appid: str, event: JobFinished) -> None:
        if self.failure is not None:
            raise self.failure
        self.got.append((appid, event))


def callback_settings(receiver: dict[str, Any] | None = None, **callback: Any) -> Settings:
    """Two accounts, of which `demo` has a callback and `silent` has none."""
    account = {"secret": "s3cret", "kind": "service"}
    return Settings.model_validate(
        {
            "receiver": receiver or {},
            "metrics": {"receiver": ""},
            "accounts": {
                "demo": {**account, "appid": APPID, "callback": {"token": TOKEN, **callback}},
                "silent": {**account, "appid": "wx2"},
            },
        }
    )


@asynccontextmanager
async def receiver(
    deliver: Any,
    receiver: dict[str, Any] | None = None,
    *,
    deadline: timedelta = DEADLINE,
    peer: str = "127.0.0.1",
    **callback: Any,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a receiver for `demo`, as seen by `peer`, and of its metrics; both are closed afterwards."""
    metrics = ReceiverMetrics()
    app = create_app(callback_settings(receiver, **callback), deliver, deadline=deadline, metrics=metrics)
    app.router.routes.extend(create_metrics_app(metrics).routes)
    transport = httpx.ASGITransport(app, client=(peer, 1234))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://receiver") as http,
    ):
        yield http


async def post(http: httpx.AsyncClient, push: Any = FINISHED, *, name: str = "demo", **more: Any) -> httpx.Response:
    """The answer to a push, which is given by its keywords, or by a body that is signed now."""
    request = push if isinstance(push, dict) else {"params": signed(), "content": push}
    return await http.post(f"/wechat/{name}", **request, **more)


async def status_of(app: ASGIApp, *incoming: Any, query: bytes | None = None, path: str = "/wechat/demo") -> int:
    """The status that a POST from nowhere is answered with, given message by message as a server has them."""
    messages, sent = list(incoming), list[Any]()
    query = urlencode(signed()).encode() if query is None else query

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": query, "headers": []}
    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status


def signed(token: str = TOKEN, *, ago: float = 0, **more: str) -> dict[str, str]:
    """A query as WeChat signs it, some seconds ago, with a nonce of its own."""
    timestamp, nonce = str(int(time.time() - ago)), secrets.token_hex(5)
    return {"signature": sign(token, timestamp, nonce), "timestamp": timestamp, "nonce": nonce, **more}


def encrypted(plain: bytes, key: str = AES_KEY, *, pad: bytes | None = None) -> str:
    """AES-256-CBC of `plain` as it is, but for WeChat's padding, in Base64."""
    raw = base64.b64decode(f"{key}=")
    length = 32 - len(plain) % 32
    encryptor = Cipher(algorithms.AES(raw), modes.CBC(raw[:16])).encryptor()
    padded = plain + (bytes([length]) * length if pad is None else pad)
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def framed(message: bytes, appid: str = APPID, *, length: int | None = None) -> bytes:
    """Random bytes, length, message and appid, as WeChat puts them together."""
    size = len(message) if length is None else length
    return secrets.token_bytes(16) + size.to_bytes(4, "big") + message + appid.encode()


def push_of(mode: str, message: bytes = FINISHED, *, ago: float = 0) -> dict[str, Any]:
    """Query and body of a push in this mode, as keywords of a request."""
    return {"params": signed(ago=ago), "content": message} if mode == "plain" else sealed(message, ago=ago)


def sealed(
    message: bytes = FINISHED, *, token: str = TOKEN, key: str = AES_KEY, appid: str = APPID, ago: float = 0
) -> dict[str, Any]:
    """Query and body of a push in safe mode, as keywords of a request."""
    return enveloped(encrypted(framed(message, appid), key), token=token, ago=ago)


def enveloped(text: str, *, token: str = TOKEN, ago: float = 0, around: str = "") -> dict[str, Any]:
    """Query and body of a push with a given encrypted part, signed rightly."""
    query = signed(token, ago=ago, openid="o1", encrypt_type="aes")
    query["msg_signature"] = sign(token, query["timestamp"], query["nonce"], text)
    body = f"<xml><ToUserName><![CDATA[gh_1]]></ToUserName>{around}<Encrypt><![CDATA[{text}]]></Encrypt></xml>"
    return {"params": query, "content": body.encode()}
