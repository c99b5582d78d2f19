"""The one HTTP client of a process, and one call: a typed answer, or one classified error.

It never repeats, waits, or follows a redirect.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, Literal, TypeVar

import httpx
from pydantic import SecretStr

from qunfa.rules.codes import ReturnCode, refused_address, return_code
from qunfa.wechat.answers import known_msg_id
from qunfa.wechat.errors import MaybeWritten, NotWritten, Refused, TooLate
from qunfa.wechat.redaction import HIDDEN, scrub
from qunfa.wechat.upload import MultipartBody, UnreadableFileError

_CONNECT_MAX: Final = timedelta(seconds=5)
_WRITE_MAX: Final = timedelta(seconds=10)
_IDLE_MAX: Final = timedelta(seconds=5)
"""Far below any server's own limit: a request on a connection that the server just gave up has an unknown outcome."""
_UPLOAD_BYTES_PER_SECOND_MIN: Final = 32 * 1024
"""A line that is slower is given up: at this speed 10 MB, the biggest file that WeChat takes, need 320 seconds."""
_CONNECTIONS: Final = 100
_CONNECTIONS_IDLE: Final = 20


def open_http(timeout: timedelta) -> httpx.AsyncClient:
    """A client for all accounts and calls of a process: keep-alive, HTTP/1.1, no repeats, no redirects, no cookies.

    `timeout` is how long WeChat may take to answer. A connection may take 5 seconds from the pool, 5 for TCP and 5 for
    TLS; writing may take 10. So no call lasts longer than `timeout` and 35 seconds. Each 64 KiB of an upload may take
    those 10 seconds, and the whole a second more per 32 KiB (see `deadline`). The environment's proxy is not used.
    """
    patience = timeout.total_seconds()
    connect = min(timeout, _CONNECT_MAX).total_seconds()
    write = min(timeout, _WRITE_MAX).total_seconds()
    limits = httpx.Limits(
        max_connections=_CONNECTIONS,
        max_keepalive_connections=_CONNECTIONS_IDLE,
        keepalive_expiry=_IDLE_MAX.total_seconds(),
    )
    return httpx.AsyncClient(
        timeout=httpx.Timeout(read=patience, connect=connect, write=write, pool=connect),
        limits=limits,
        headers={"User-Agent": "qunfa", "Accept": "application/json", "Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        trust_env=False,
    )


def deadline(timeout: httpx.Timeout, upload_bytes: int = 0) -> float | None:
    """Seconds that all phases of a call may take together; None where one of them is unlimited.

    httpx limits each read by itself, so a server that sends a byte now and then would never time out. Connecting has a
    limit for the socket and one for TLS, so it is over by then. So a call that meets this deadline has been written,
    unless it uploads a file. An upload has a second more per 32 KiB (`upload_bytes`), to read the file's source, too.
    """
    once, twice = (timeout.pool, timeout.read), (timeout.connect, timeout.write)
    seconds = [phase for phase in (*once, *twice, *twice) if phase is not None]
    if len(seconds) < len(once) + 2 * len(twice):
        return None
    return sum(seconds) + upload_bytes / _UPLOAD_BYTES_PER_SECOND_MIN


@dataclass(frozen=True, slots=True)
class ServerTime:
    """The `Date` of an answer, to the whole second; None, with the reason, where there is none."""

    date: datetime | None
    reason: str | None = None


async def server_time(http: httpx.AsyncClient, base_url: str) -> ServerTime:
    """One `HEAD` of the root, without a token: it counts towards no quota. Whatever status it has is an answer."""
    try:
        answer = await http.head(f"{base_url}/")
    except (httpx.HTTPError, OSError) as error:
        return ServerTime(None, f"WeChat could not be reached ({type(error).__name__})")
    try:
        date = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return ServerTime(None, "WeChat's answer has no usable Date")
    return ServerTime(date) if date.tzinfo else ServerTime(None, "WeChat's answer has a Date without a zone")


Answer = TypeVar("Answer")
Read = Callable[[Mapping[str, Any]], Answer]
"""Makes an answer of what came, or raises ValueError."""

ANSWER_BYTES_MAX: Final = 1 << 20
_ERRMSG_MAX: Final = 500
_NOT_SHOWN: Final = f"{HIDDEN} (it may quote the URL: look into the log of the service)"
_RID: Final = re.compile(r"\brid:?\s*([0-9A-Fa-f]+(?:-[0-9A-Fa-f]+)+)")

_NEVER_LEFT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

_WRITING: Final = "http11.send_request_headers.started"
"""What httpcore's trace calls the moment before the first byte of a request, when its connection stands."""


class _TooLateError(Exception):
    """The time in which the call may be written is over."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, and how to speak of it: `endpoint` and `about` (the job) are shown to people, the rest is not.

    `in_time` is asked right before the first byte is written, when the connection stands: nothing is, where it says no.
    `url_is_secret`: the other side may quote any part of it, in any spelling, so that nothing of its text is shown.
    """

    account: str
    endpoint: str
    method: Literal["GET", "POST"]
    url: str = field(repr=False)
    query: Mapping[str, str | SecretStr] = field(default_factory=dict)
    content: bytes | MultipartBody | None = field(default=None, repr=False)
    secrets: tuple[SecretStr, ...] = ()
    about: str = ""
    meaning: Callable[[int], ReturnCode] = return_code
    in_time: Callable[[], bool] | None = field(default=None, repr=False)
    answer_bytes_max: int = ANSWER_BYTES_MAX
    url_is_secret: bool = False

    @property
    def upload_bytes(self) -> int:
        return self.content.file_bytes if isinstance(self.content, MultipartBody) else 0


async def exchange(http: httpx.AsyncClient, call: Call, read: Read[Answer]) -> Answer:
    """Make the call once and let `read` turn the JSON object of a success into the answer.

    A success is an object whose `errcode` is absent or 0; `read` raises ValueError where it lacks what a success has.

    Raises:
        NotWritten: the request never left.
        MaybeWritten: it left, or may have, and no usable answer came back.
        Refused: WeChat answered with another errcode.
        OSError: the file to be uploaded cannot be read.
    """
    try:
        outcome = await _outcome(http, call, read)
    except asyncio.CancelledError as cancelled:
        raise cancelled.with_traceback(None)  # noqa: B904  the frames below hold the URL, and `from` would keep no more
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _outcome(http: httpx.AsyncClient, call: Call, read: Read[Answer]) -> Answer | Exception:
    """The answer or the error, as a value. An error raised here would have the token in its frames."""
    if http.is_closed:
        return NotWritten("the HTTP client is closed", account=call.account, endpoint=call.endpoint)
    try:
        async with asyncio.timeout(deadline(http.timeout, call.upload_bytes)):
            body = await _body(http, call)
    except _TooLateError:
        return TooLate("its time to be written was over", account=call.account, endpoint=call.endpoint)
    except UnreadableFileError as unreadable:
        return unreadable.failure
    except _NEVER_LEFT as error:
        return NotWritten(_names(error), account=call.account, endpoint=call.endpoint)
    except (httpx.HTTPError, OSError) as error:
        return _unusable(call, _names(error))
    return _understand(call, body, read) if isinstance(body, bytearray) else _unusable(call, body)


async def _body(http: httpx.AsyncClient, call: Call) -> bytearray | str:
    """The answer's body, or why it is of no use."""
    query = {name: value if isinstance(value, str) else value.get_secret_value() for name, value in call.query.items()}
    async with (
        _written(call.content) as content,
        http.stream(
            call.method,
            call.url,
            params=query or None,
            content=content,
            headers=_headers(call.content),
            follow_redirects=False,
            extensions={"trace": _watch(call.in_time)} if call.in_time else None,
        ) as response,
    ):
        if response.status_code != httpx.codes.OK:
            return f"HTTP status {response.status_code}"
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > call.answer_bytes_max:
                return f"the answer has more than {call.answer_bytes_max} bytes"
        return body


@asynccontextmanager
async def _written(content: bytes | MultipartBody | None) -> AsyncIterator[bytes | AsyncIterator[bytes] | None]:
    """What the HTTP library writes; a stream is closed however the call ends, which the library does not do."""
    if isinstance(content, MultipartBody):
        async with aclosing(content.stream()) as stream:
            yield stream
    else:
        yield content


def _headers(content: bytes | MultipartBody | None) -> dict[str, str] | None:
    if isinstance(content, MultipartBody):
        return {"Content-Type": content.content_type, "Content-Length": str(content.length)}
    return {"Content-Type": "application/json; charset=utf-8"} if content is not None else None


def _watch(in_time: Callable[[], bool]) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    """A trace for httpcore that stops a call which comes too late."""

    async def trace(event: str, _info: Mapping[str, Any]) -> None:
        if event == _WRITING and not in_time():
            raise _TooLateError

    return trace


def _understand(call: Call, body: bytearray, read: Read[Answer]) -> Answer | Exception:
    try:  # whatever the header says: WeChat labels JSON as text/plain, and a byte order mark has been seen
        answer = json.loads(body.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        return _unusable(call, "the answer is not JSON")
    if not isinstance(answer, dict):
        return _unusable(call, "the answer is no JSON object")
    errcode = answer.get("errcode", 0)
    if not isinstance(errcode, int) or isinstance(errcode, bool):
        return _unusable(call, "the answer's errcode is no number")
    if errcode != 0:
        return _refused(call, errcode, answer)
    try:
        return read(answer)
    except ValueError:
        return _unusable(call, "the answer is a success, but lacks what a success has")


def _refused(call: Call, errcode: int, answer: Mapping[str, Any]) -> Refused:
    said = str(answer.get("errmsg", ""))
    errmsg = _told_by_a_service(said, call.url) if call.url_is_secret else _shown(said, call)
    rid = _RID.search(errmsg)
    return Refused(
        call.meaning(errcode),
        account=call.account,
        endpoint=call.endpoint,
        errmsg=errmsg,
        rid=rid[1] if rid else None,
        msg_id=known_msg_id(answer.get("msg_id")),
        about=call.about,
    )


def _told_by_a_service(text: str, url: str) -> str:
    """What of its text is no part of its URL for certain: the address that WeChat refuses, and the rid."""
    address, rid = refused_address(text), _RID.search(text)
    kept = (f"invalid ip {address}" if address else "", rid[0] if rid else "")
    return " ".join([*(one for one in kept if one and one.split()[-1] not in url), _NOT_SHOWN])


def _shown(text: str, call: Call) -> str:
    """WeChat's text without our secrets, in case it quotes them, and without what UTF-8 cannot carry."""
    for secret in (*call.secrets, *(value for value in call.query.values() if isinstance(value, SecretStr))):
        text = text.replace(secret.get_secret_value() or HIDDEN, HIDDEN)
    return scrub(text).encode("utf-8", errors="replace").decode("utf-8")[:_ERRMSG_MAX]


def _unusable(call: Call, reason: str) -> MaybeWritten:
    return MaybeWritten(reason, account=call.account, endpoint=call.endpoint, about=call.about)


def _names(error: BaseException) -> str:
    """The exception's class and that of its deepest cause: their texts and fields may quote the URL."""
    deepest = error
    while (cause := deepest.__cause__ or deepest.__context__) is not None:
        deepest = cause
    names = dict.fromkeys((type(error).__name__, type(deepest).__name__))
    return " from ".join(names)
