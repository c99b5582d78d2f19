import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from qunfa.callback.delivery import DeliveryError
from qunfa.callback.pushes import ANSWER_LIMIT, ANSWERS_MAX, FORWARDS_MAX
from qunfa.callback.server import of_descriptors
from tests.callback.pushing import (
    AES_KEY,
    FINISHED,
    HELLO,
    OLD_AES_KEY,
    Inbox,
    encrypted,
    enveloped,
    framed,
    post,
    receiver,
    sealed,
    signed,
)
from tests.looking import PATIENCE, look_again

REPLY = b"<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[hi]]></Content></xml>"
SHORTLY = timedelta(milliseconds=300)
ORIGINAL = "gh_4d00ed8d6399"


def _said(body: bytes, status: bytes = b"200 OK", header: bytes = b"Content-Type: text/xml") -> bytes:
    return b"HTTP/1.1 %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (status, header, len(body), body)


SAID = _said(REPLY)


@dataclass
class Existing:
    """The system that had the callback URL before: notes each request byte for byte, and says what it is told to."""

    answer: bytes = SAID
    silent: bool = False
    requests: list[bytes] = field(default_factory=list)
    opened: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                if self.silent:
                    await reader.read()
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.closed.set()

    def only(self) -> tuple[bytes, dict[bytes, bytes], bytes]:
        (request,) = self.requests
        head, _, body = request.partition(b"\r\n\r\n")
        line, *headers = head.split(b"\r\n")
        return line, dict(header.lower().split(b": ", 1) for header in headers), body


@pytest.fixture
async def existing() -> AsyncIterator[Existing]:
    system = Existing()
    async with await asyncio.start_server(system.serve, "127.0.0.1", 0) as server:
        system.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/wechat"
        yield system


def _behind(inbox: Any, existing: Existing, **more: Any) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    return receiver(inbox, forward_to=existing.url, **more)


async def test_what_is_not_a_result_goes_on(inbox: Inbox, existing: Existing) -> None:
    """WeChat gets the other system's answer, and the log says so. The check of the URL is answered here."""
    async with _behind(inbox, existing) as http:
        assert (await http.get("/wechat/demo", params=signed(echostr="42"))).text == "42"
        with capture_logs() as lines:
            answer = await post(http, HELLO)
        metrics = (await http.get("/metrics")).text
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, REPLY, "text/xml")
    assert existing.only()[2] == HELLO
    assert inbox.got == []
    (line,) = lines
    assert (line["answer"], line["forwarded_status"], line["wechat_event"]) == ("forwarded", 200, "other")
    assert "signature" not in str(lines)
    assert 'qunfa_pushes_total{account="demo",answer="forwarded",event="other"} 1.0' in metrics


class _RawUrl(httpx.URL):
    """A URL whose query nobody has put in order."""

    def __init__(self, url: httpx.URL, raw: bytes) -> None:
        super().__init__(url)
        self._raw = raw

    @property
    def raw_path(self) -> bytes:
        return self._raw

    @property
    def query(self) -> bytes:
        return self._raw.partition(b"?")[2]


async def test_nothing_is_changed(inbox: Inbox, existing: Existing) -> None:
    """Method, query, headers and body go out as they came. What concerns one connection ends here; the peer is added.

    A query of `forward_to` stays in front; `Host` is the other system's.
    """
    existing.url += "?site=1"
    query = str(httpx.QueryParams(signed())).encode() + b"&openid=o%2D1&odd='+%e5%95%8a&empty="
    headers = {
        "User-Agent": "Mozilla/4.0", "Accept": "*/*", "Content-Type": "text/xml", "Pragma": "no-cache", "X-Odd": "A, b",
        "Cookie": "a=1", "Accept-Encoding": "identity",
    }  # fmt: skip
    hop = {
        "Connection": "close, X-This-Hop", "X-This-Hop": "1", "Keep-Alive": "9", "TE": "trailers", "Upgrade": "h2c",
        "Proxy-Authorization": "Basic x", "Expect": "100-continue", "X-Forwarded-For": "198.51.100.1",
    }  # fmt: skip
    async with _behind(inbox, existing, peer="203.0.113.7") as http:
        url = httpx.URL("http://receiver/wechat/demo")
        request = httpx.Request("POST", url, headers=headers | hop, content=HELLO)
        request.url = _RawUrl(url, b"/wechat/demo?" + query)
        await http.send(request)
    line, got, body = existing.only()
    assert line == b"POST /wechat?site=1&%s HTTP/1.1" % query
    assert got == {
        **{name.lower().encode(): value.lower().encode() for name, value in headers.items()},
        b"host": existing.url.removeprefix("http://").partition("/")[0].encode(),
        b"content-length": b"%d" % len(HELLO),
        b"connection": b"close",
        b"x-forwarded-for": b"198.51.100.1, 203.0.113.7",
    }
    assert body == HELLO


async def test_encrypted_push_goes_on_encrypted(inbox: Inbox, existing: Existing) -> None:
    """The existing system has the key itself: it gets, and answers, what WeChat and it have agreed on."""
    reply = b"<xml><Encrypt><![CDATA[abc]]></Encrypt></xml>"
    existing.answer, push = _said(reply, header=b"X: y"), sealed(HELLO)
    async with _behind(inbox, existing, mode="safe", aes_key=AES_KEY) as http:
        answer = await post(http, push)
    line, _, body = existing.only()
    assert (b"msg_signature=" in line, body) == (True, push["content"])
    assert answer.content == reply
    assert "content-type" not in answer.headers


@pytest.mark.parametrize(("forward", "answer", "seen"), [(False, b"success", 0), (True, REPLY, 1)])
async def test_results_go_on_where_that_is_wanted(
    inbox: Inbox, existing: Existing, forward: bool, answer: bytes, seen: int
) -> None:
    """With `forward_results` the existing system gets them too, and answers; one that is not durable goes nowhere."""
    async with _behind(inbox, existing, forward_results=forward) as http:
        inbox.failure = DeliveryError("Temporal is away")
        assert (await post(http)).status_code == 503
        assert existing.requests == []
        inbox.failure = None
        assert (await post(http)).content == answer
    assert (len(existing.requests), len(inbox.got)) == (seen, 1)


async def test_failure_of_the_other_side_loses_no_result(inbox: Inbox, existing: Existing) -> None:
    """A result is durable before the existing system is asked, whatever becomes of that, and is so once."""
    existing.answer = b"no HTTP\r\n\r\n"
    async with _behind(inbox, existing, forward_results=True) as http:
        assert [(await post(http)).status_code for _ in range(2)] == [503, 503]
    assert [event.msg_id for _, event in inbox.got] == [3147483650]
    assert len(existing.requests) == 2


async def test_forgeries_go_nowhere(inbox: Inbox, existing: Existing) -> None:
    """Only what WeChat has signed, and encrypted with the account's key, is passed on."""
    queries: list[dict[str, str]] = [signed(token="guess"), signed(ago=86400), {}]
    plain = [{"params": query, "content": HELLO} for query in queries]
    safe = [sealed(HELLO, key=OLD_AES_KEY), {"params": signed(), "content": HELLO}]
    for mode, pushes in (("plain", plain), ("safe", safe)):
        async with _behind(inbox, existing, mode=mode, aes_key=AES_KEY) as http:
            assert {(await post(http, push)).status_code for push in pushes} == {403}
    assert existing.requests == []


def _in_both_ways(content: bytes) -> dict[str, Any]:
    """A push in compat mode: `content` in the clear, as far as it goes, with the encrypted part in it."""
    part = encrypted(framed(content))
    if content.startswith(b"{"):
        field = b'"Encrypt": "%s"' % part.replace("/", r"\/").encode()
        return enveloped(part) | {"content": b"{%s,%s" % (field, content[1:])}
    return enveloped(part, around=content.decode().removeprefix("<xml>").removesuffix("</xml>"))


@pytest.mark.parametrize("mode", ["plain", "compat"])
@pytest.mark.parametrize("content", [b"<xml>\x08</xml>", b"<xml><Content>", b"", b"{", b'{"Content": "\x08"}'])
async def test_unreadable_messages_go_on(inbox: Inbox, existing: Existing, content: bytes, mode: str) -> None:
    """They are the existing system's business, as before; with an `original_id` only what names it goes on."""
    pushes = [{"params": signed(), "content": content} if mode == "plain" else _in_both_ways(content) for _ in range(2)]
    callback = {"mode": mode, "aes_key": AES_KEY}
    async with _behind(inbox, existing, original_id=ORIGINAL, **callback) as http:
        assert (await post(http, pushes[0])).status_code == 400
    async with _behind(inbox, existing, **callback) as http:
        assert (await post(http, pushes[1])).content == REPLY
    assert existing.only()[2] == pushes[1]["content"]


@pytest.mark.parametrize(
    "content",
    [
        FINISHED[:-6],
        FINISHED.replace(b"3147483650", b"none").replace(b"FINISH", b"finish"),
        b'<!DOCTYPE xml [<!ENTITY a "b">]><xml>&a;</xml>',
        "<xml>群发</xml>".encode("gbk"),
        pytest.param(enveloped(encrypted(framed(FINISHED)))["content"], id="encrypted"),
    ],
)
async def test_what_may_be_a_result_or_does_harm_stays(inbox: Inbox, existing: Existing, content: bytes) -> None:
    """A result that cannot be read is refused, so that WeChat repeats it; so is what is dangerous to parse."""
    async with _behind(inbox, existing) as http:
        assert (await post(http, content)).status_code == 400
    assert existing.requests == []


@pytest.mark.parametrize(
    ("status", "header", "body"),
    [
        *[(status, b"content-type: text/plain", b"ok") for status in (
            b"200 OK", b"201 Created", b"401 No", b"404 No", b"500 Oh", b"503 Later")],
        (b"200 OK", b"content-encoding: gzip", gzip.compress(b"ok", mtime=0)),
        (b"200 OK", "content-type: text/xml; 名=值".encode(), b"ok"),
        (b"200 OK", b"content-type: text/\xff\xe9", b"ok"),
    ],
    ids=range(9),
)  # fmt: skip
async def test_answers_come_back(inbox: Inbox, existing: Existing, status: bytes, header: bytes, body: bytes) -> None:
    """Whatever the existing system answers, an error included, byte for byte; but none of its other headers."""
    existing.answer = _said(body, status, header + b"\r\nSet-Cookie: a=1\r\nServer: x")
    async with _behind(inbox, existing) as http:
        answer = await post(http, HELLO)
        await post(http, HELLO)
    assert (answer.status_code, answer.content) == (int(status[:3]), b"ok")
    assert {b": ".join(each) for each in answer.headers.raw} == {header, b"content-length: %d" % len(body)}
    assert not any(b"\r\ncookie:" in request.lower() for request in existing.requests)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n",
        _said(b"x" * (ANSWER_LIMIT + 1)),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 80,
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)
async def test_answers_that_wechat_cannot_have(inbox: Inbox, existing: Existing, answer: bytes) -> None:
    """A redirect, an endless answer or none in HTTP makes WeChat come again."""
    existing.answer = answer
    async with _behind(inbox, existing) as http:
        got = await post(http, HELLO)
    assert (got.status_code, got.text) == (503, "unavailable")
    assert len(existing.requests) == 1


@pytest.mark.parametrize(
    ("silent", "reason"),
    [(True, "not done within 0.3 s"), (False, "no answer from the system behind forward_to: ConnectError")],
)
async def test_a_system_that_is_away_makes_wechat_come_again(
    inbox: Inbox, existing: Existing, silent: bool, reason: str
) -> None:
    """Silent or down: as it would without us. The log has no URL."""
    existing.silent = True
    existing.url = existing.url if silent else "http://127.0.0.1:1/hidden"
    async with _behind(inbox, existing, deadline=SHORTLY if silent else timedelta(seconds=PATIENCE)) as http:
        with capture_logs() as lines:
            got = await post(http, HELLO)
    assert (got.status_code, got.text) == (503, "unavailable")
    assert (lines[0]["reason"], lines[0]["log_level"]) == (reason, "warning")


async def test_a_silent_system_holds_up_no_other_push(inbox: Inbox, existing: Existing) -> None:
    """As many messages as may wait for it do. One more is answered at once, and so is a result."""
    existing.silent = True
    most = of_descriptors(4, FORWARDS_MAX)
    async with _behind(inbox, existing) as http, asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        waiting = [group.create_task(post(http, HELLO)) for _ in range(most)]
        while len(existing.requests) < most:
            await look_again()
        with capture_logs() as lines:
            answers = [await post(http, HELLO), await post(http, FINISHED)]
        held_up = [one for one in waiting if one.done()]
        for one in waiting:
            one.cancel()
    assert [answer.status_code for answer in answers] == [503, 200]
    assert lines[0]["reason"] == f"{most} pushes wait for an answer from a system behind forward_to"
    assert (held_up, existing.opened, len(inbox.got)) == ([], most, 1)


async def test_each_push_has_a_connection_of_its_own(inbox: Inbox, existing: Existing) -> None:
    """What the existing system sends beyond an answer is not taken for the answer to the next push."""
    existing.answer += _said(b"forged")
    async with _behind(inbox, existing) as http:
        answers = [(await post(http, HELLO)).content for _ in range(3)]
        await asyncio.wait_for(existing.closed.wait(), PATIENCE)
    assert answers == [REPLY] * 3
    assert (existing.opened, len(existing.requests)) == (3, 3)


async def test_errors_of_the_other_system_are_no_success(inbox: Inbox, existing: Existing) -> None:
    """However often it has failed; it is asked again, but not without end."""
    failing, push = _said(b"", b"500 Oh"), sealed(HELLO)
    async with _behind(inbox, existing, aes_key=AES_KEY) as http:
        for answer, times, statuses in (
            (failing, ANSWERS_MAX - 1, {500}), (existing.answer, 1, {200}), (failing, 1, {500}), (failing, 2, {503}),
        ):  # fmt: skip
            existing.answer = answer
            assert {(await post(http, push)).status_code for _ in range(times)} == statuses
    assert len(existing.requests) == ANSWERS_MAX + 1


async def test_repetition_goes_on_as_often_as_wechat_repeats(inbox: Inbox, existing: Existing) -> None:
    """WeChat waits for the reply again; whoever repeats a push that was overheard does not reach the other system."""
    push = sealed(HELLO)
    async with _behind(inbox, existing, aes_key=AES_KEY) as http:
        answers = [(await post(http, push)).content for _ in range(ANSWERS_MAX + 3)]
        answers.append((await post(http, sealed(HELLO))).content)
        assert (await post(http, sealed(HELLO.replace(b">7<", b">8<")))).content == REPLY
    assert answers == [REPLY] * ANSWERS_MAX + [b"success"] * 4
    assert len(existing.requests) == ANSWERS_MAX + 1
