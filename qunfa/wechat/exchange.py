"""One HTTP call: a typed answer, or one classified error. It never repeats, waits, or follows a redirect."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

import httpx
from pydantic import SecretStr

from qunfa.rules.codes import ReturnCode, return_code
from qunfa.wechat.answers import known_msg_id
from qunfa.wechat.errors import MaybeWritten, NotWritten, Refused
from qunfa.wechat.redaction import HIDDEN, scrub
from qunfa.wechat.transport import deadline
from qunfa.wechat.upload import MultipartBody, UnreadableFileError

Answer = TypeVar("Answer")
Read = Callable[[Mapping[str, Any]], Answer]
"""Makes an answer of what came, or raises ValueError."""

ANSWER_BYTES_MAX: Final = 1 << 20
_ERRMSG_MAX: Final = 500
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

    @property
    def upload_bytes(self) -> int:
        """How big the file is that it uploads."""
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
        return NotWritten("its time to be written was over", account=call.account, endpoint=call.endpoint)
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
    errmsg = _shown(str(answer.get("errmsg", "")), call)
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
