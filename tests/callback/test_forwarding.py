import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from qunfa.callback import DeliveryError
from qunfa.callback.forwarding import ANSWER_LIMIT, ANSWERS_MAX
from tests.callback.pushing import (
    AES_KEY,
    FINISHED,
    HELLO,
    OLD_AES_KEY,
    Inbox,
    encrypted,
    enveloped,
    framed,
    receiver,
    sealed,
    signed,
)
from tests.looking import PATIENCE

REPLY = b"<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[hi]]></Content></xml>"


@dataclass
class Existing:
    """The system that had the callback URL before: notes each request byte for byte, and says what it is told to."""

    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(REPLY), REPLY)
    silent: bool = False
    requests: list[bytes] = field(default_factory=list)
    opened: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:")
                )
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

    def head(self) -> tuple[bytes, dict[bytes, bytes]]:
        """Request line and headers of the only request."""
        (request,) = self.requests
        line, *headers = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
        return line, dict(header.lower().split(b": ", 1) for header in headers)

    def body(self) -> bytes:
        """Body of the only request."""
        (request,) = self.requests
        return request.partition(b"\r\n\r\n")[2]


@pytest.fixture
async def existing() -> AsyncIterator[Existing]:
    """A server of the existing system."""
    system = Existing()
    async with await asyncio.start_server(system.serve, "127.0.0.1", 0) as server:
        system.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/wechat"
        yield system


def _behind(inbox: Any, existing: Existing, **more: Any) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    return receiver(inbox, forward_to=existing.url, **{"deadline": timedelta(seconds=20), **more})


async def _post(http: httpx.AsyncClient, content: bytes = HELLO, **more: Any) -> httpx.Response:
    return await http.post("/wechat/demo", params=signed(), content=content, **more)


async def test_other_messages_go_on(inbox: Inbox, existing: Existing) -> None:
    """What is not a mass send's reaches the existing system, and WeChat gets its answer."""
    async with _behind(inbox, existing) as http:
        answer = await _post(http)

    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, REPLY, "text/xml")
    assert existing.body() == HELLO
    assert inbox.got == []


async def test_nothing_is_changed(inbox: Inbox, existing: Existing) -> None:
    """Method, query, headers and body go out as they came; `Host` is the other system's."""
    query = str(httpx.QueryParams(signed())).encode() + b"&openid=o%2D1&odd='+%e5%95%8a&empty="
    headers = {
        "User-Agent": "Mozilla/4.0", "Accept": "*/*", "Content-Type": "text/xml", "Pragma": "no-cache", "X-Odd": "A, b",
        "Cookie": "a=1", "Accept-Encoding": "identity",
    }  # fmt: skip
    async with _behind(inbox, existing) as http:
        url = httpx.URL("http://receiver/wechat/demo")
        request = httpx.Request("POST", url, headers=headers, content=HELLO)
        request.url = _RawUrl(url, b"/wechat/demo?" + query)
        await http.send(request)

    line, got = existing.head()
    assert line == b"POST /wechat?%s HTTP/1.1" % query
    assert got == {
        **{name.lower().encode(): value.lower().encode() for name, value in headers.items()},
        b"host": existing.url.removeprefix("http://").removesuffix("/wechat").encode(),
        b"content-length": b"%d" % len(HELLO),
        b"connection": b"close",
        b"x-forwarded-for": b"127.0.0.1",
    }
    assert existing.body() == HELLO


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


async def test_hop_by_hop_headers_end_here(inbox: Inbox, existing: Existing) -> None:
    """What concerns one connection only is not passed on, nor what `Connection` names."""
    headers = {
        "Connection": "close, X-This-Hop", "X-This-Hop": "1", "Keep-Alive": "9", "TE": "trailers", "Upgrade": "h2c",
        "Proxy-Authorization": "Basic x", "Expect": "100-continue",
    }  # fmt: skip
    async with _behind(inbox, existing) as http:
        await _post(http, headers=headers)

    _, got = existing.head()
    assert not got.keys() & {name.lower().encode() for name in headers if name != "Connection"}
    assert got[b"connection"] == b"close"


async def test_peer_is_named(inbox: Inbox, existing: Existing) -> None:
    """The existing system learns from whom the request came, as from any proxy."""
    async with _behind(inbox, existing, peer="203.0.113.7") as http:
        await _post(http, headers={"X-Forwarded-For": "198.51.100.1"})

    assert existing.head()[1][b"x-forwarded-for"] == b"198.51.100.1, 203.0.113.7"


async def test_query_of_its_own(inbox: Inbox, existing: Existing) -> None:
    """A query in `forward_to` stays in front of WeChat's."""
    existing.url += "?site=1"
    async with _behind(inbox, existing) as http:
        await _post(http)

    assert existing.head()[0].startswith(b"POST /wechat?site=1&signature=")


async def test_encrypted_push_goes_on_encrypted(inbox: Inbox, existing: Existing) -> None:
    """The existing system has the key itself: it gets, and answers, what WeChat and it have agreed on."""
    reply = b"<xml><Encrypt><![CDATA[abc]]></Encrypt></xml>"
    existing.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(reply), reply)
    push = sealed(HELLO)
    async with _behind(inbox, existing, mode="safe", aes_key=AES_KEY) as http:
        answer = await http.post("/wechat/demo", **push)

    assert existing.body() == push["content"]
    assert b"msg_signature=" in existing.head()[0]
    assert answer.content == reply
    assert "content-type" not in answer.headers


async def test_results_stay_here(inbox: Inbox, existing: Existing) -> None:
    """A mass send's result is ours."""
    async with _behind(inbox, existing) as http:
        assert (await _post(http, FINISHED)).text == "success"

    assert existing.requests == []
    assert len(inbox.got) == 1


async def test_results_go_on_as_well(inbox: Inbox, existing: Existing) -> None:
    """With `forward_results` the existing system gets them too, after they are durable, and answers."""
    async with _behind(inbox, existing, forward_results=True) as http:
        assert (await _post(http, FINISHED)).content == REPLY

    assert existing.body() == FINISHED
    assert len(inbox.got) == 1


async def test_result_that_is_not_durable_goes_nowhere(inbox: Inbox, existing: Existing) -> None:
    """WeChat will come again; the existing system gets the result then."""
    inbox.failure = DeliveryError("Temporal is away")
    async with _behind(inbox, existing, forward_results=True) as http:
        assert (await _post(http, FINISHED)).status_code == 503

    assert existing.requests == []


async def test_failure_of_the_other_side_loses_no_result(inbox: Inbox, existing: Existing) -> None:
    """A result is durable before the existing system is asked, whatever becomes of that, and is so once."""
    existing.silent = True
    async with _behind(inbox, existing, forward_results=True, deadline=timedelta(milliseconds=300)) as http:
        assert (await _post(http, FINISHED)).status_code == 503
        assert (await _post(http, FINISHED)).status_code == 503

    assert [event.msg_id for _, event in inbox.got] == [3147483650]
    assert len(existing.requests) == 2


@pytest.mark.parametrize(
    "push",
    [
        lambda: {"params": signed(token="guess"), "content": HELLO},
        lambda: {"params": signed(ago=86400), "content": HELLO},
        lambda: {"params": {}, "content": HELLO},
    ],
)
async def test_forgeries_go_nowhere(inbox: Inbox, existing: Existing, push: Callable[[], dict[str, Any]]) -> None:
    """Only what WeChat has signed is passed on."""
    async with _behind(inbox, existing) as http:
        assert (await http.post("/wechat/demo", **push())).status_code == 403

    assert existing.requests == []


async def test_encrypted_forgeries_go_nowhere(inbox: Inbox, existing: Existing) -> None:
    """Nor what is not encrypted with the account's key."""
    async with _behind(inbox, existing, mode="safe", aes_key=AES_KEY) as http:
        for push in (sealed(HELLO, key=OLD_AES_KEY), {"params": signed(), "content": HELLO}):
            assert (await http.post("/wechat/demo", **push)).status_code == 403

    assert existing.requests == []


@pytest.mark.parametrize("content", [b"<xml>\x08</xml>", b"<xml><Content>", b"", b"{"])
async def test_unreadable_messages_go_on(inbox: Inbox, existing: Existing, content: bytes) -> None:
    """A follower's message that is not well-formed is the existing system's business, as it was before."""
    async with _behind(inbox, existing) as http:
        assert (await _post(http, content)).content == REPLY

    assert existing.body() == content


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
        assert (await _post(http, content)).status_code == 400

    assert existing.requests == []


async def test_url_verification_is_answered_here(inbox: Inbox, existing: Existing) -> None:
    """WeChat's check of the URL needs nobody else."""
    async with _behind(inbox, existing) as http:
        assert (await http.get("/wechat/demo", params=signed(echostr="42"))).text == "42"

    assert existing.requests == []


@pytest.mark.parametrize("status", [b"200 OK", b"201 Created", b"401 No", b"404 No", b"500 Oh", b"503 Later"])
async def test_answers_come_back(inbox: Inbox, existing: Existing, status: bytes) -> None:
    """Whatever the existing system answers, an error included, is what WeChat gets; but none of its other headers."""
    head = b"Content-Type: text/plain\r\nSet-Cookie: a=1\r\nServer: x\r\nContent-Length: 2\r\n\r\n"
    existing.answer = b"HTTP/1.1 " + status + b"\r\n" + head + b"ok"
    async with _behind(inbox, existing) as http:
        answer = await _post(http)
        await _post(http)

    assert (answer.status_code, answer.text) == (int(status[:3]), "ok")
    assert set(answer.headers) == {"content-type", "content-length"}
    assert not any(b"\r\ncookie:" in request.lower() for request in existing.requests)


async def test_compressed_answer(inbox: Inbox, existing: Existing) -> None:
    """An answer goes back as it came, with the header without which nobody could read it."""
    packed = gzip.compress(REPLY)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    existing.answer = head + packed
    async with _behind(inbox, existing) as http:
        answer = await _post(http, headers={"Accept-Encoding": "gzip"})

    assert answer.content == REPLY
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(packed))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (ANSWER_LIMIT + 1) + b"x" * (ANSWER_LIMIT + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 80,
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)
async def test_answers_that_wechat_cannot_have(inbox: Inbox, existing: Existing, answer: bytes) -> None:
    """A redirect, an endless answer or none in HTTP makes WeChat come again."""
    existing.answer = answer
    async with _behind(inbox, existing) as http:
        got = await _post(http)

    assert (got.status_code, got.text) == (503, "unavailable")
    assert len(existing.requests) == 1


async def test_silence(inbox: Inbox, existing: Existing) -> None:
    """A system that says nothing is given up within the deadline; WeChat comes again."""
    existing.silent = True
    async with _behind(inbox, existing, deadline=timedelta(milliseconds=300)) as http:
        with capture_logs() as lines:
            got = await _post(http)

    assert (got.status_code, got.text) == (503, "unavailable")
    assert lines[0]["reason"] == "not done within 0.3 s"


async def test_a_system_that_is_down_makes_wechat_come_again(inbox: Inbox, existing: Existing) -> None:
    """A system that is down makes WeChat come again, as it would without us; the log has no URL."""
    existing.url = "http://127.0.0.1:1/hidden"
    async with _behind(inbox, existing) as http:
        with capture_logs() as lines:
            got = await _post(http)

    assert (got.status_code, got.text) == (503, "unavailable")
    assert lines[0]["reason"] == "no answer from the system behind forward_to: ConnectError"
    assert lines[0]["log_level"] == "warning"


async def test_the_log_says_who_answered_what(inbox: Inbox, existing: Existing) -> None:
    """The log says what was answered, and by whom."""
    async with _behind(inbox, existing) as http:
        with capture_logs() as lines:
            await _post(http)
        metrics = (await http.get("/metrics")).text

    (line,) = lines
    assert (line["answer"], line["forwarded_status"], line["wechat_event"]) == ("forwarded", 200, "other")
    assert "signature" not in str(lines)
    assert 'qunfa_pushes_total{account="demo",answer="forwarded",event="other"} 1.0' in metrics


async def test_each_push_has_a_connection_of_its_own(inbox: Inbox, existing: Existing) -> None:
    """What the existing system sends beyond an answer is not taken for the answer to the next push."""
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    existing.answer += forged
    async with _behind(inbox, existing) as http:
        answers = [(await _post(http)).content for _ in range(3)]
        await asyncio.wait_for(existing.closed.wait(), PATIENCE)

    assert answers == [REPLY] * 3
    assert (existing.opened, len(existing.requests)) == (3, 3)


async def test_errors_of_the_other_system_are_no_success(inbox: Inbox, existing: Existing) -> None:
    """However often it has failed; it is asked again, but not without end."""
    answer, push = existing.answer, sealed(HELLO)
    existing.answer = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"
    async with _behind(inbox, existing, aes_key=AES_KEY) as http:
        for _ in range(ANSWERS_MAX - 1):
            assert (await http.post("/wechat/demo", **push)).status_code == 500
        existing.answer = answer
        assert (await http.post("/wechat/demo", **push)).content == REPLY
        existing.answer = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"
        statuses = [(await http.post("/wechat/demo", **push)).status_code for _ in range(3)]

    assert statuses == [500, 503, 503]
    assert len(existing.requests) == ANSWERS_MAX + 1


@pytest.mark.parametrize("kind", ["text/xml; 名=值".encode(), b"text/\xff\xe9"])
async def test_header_that_is_not_latin(inbox: Inbox, existing: Existing, kind: bytes) -> None:
    """It goes back byte for byte."""
    existing.answer = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: 2\r\n\r\nok" % kind
    async with _behind(inbox, existing) as http:
        answer = await _post(http)

    assert (answer.status_code, dict(answer.headers.raw)[b"content-type"]) == (200, kind)


async def test_unreadable_message_of_nobody_knows_whom_stays(inbox: Inbox, existing: Existing) -> None:
    """With an `original_id` only what names it goes on."""
    async with _behind(inbox, existing, original_id="gh_4d00ed8d6399") as http:
        for content in (b"<xml>\x08</xml>", b"<xml><Content>", b"", b"{"):
            assert (await _post(http, content)).status_code == 400

    assert existing.requests == []


async def test_repetition_goes_on_as_often_as_wechat_repeats(inbox: Inbox, existing: Existing) -> None:
    """WeChat waits for the reply again; whoever repeats a push that was overheard does not reach the other system."""
    push = sealed(HELLO)
    async with _behind(inbox, existing, aes_key=AES_KEY) as http:
        answers = [(await http.post("/wechat/demo", **push)).content for _ in range(ANSWERS_MAX + 3)]
        answers.append((await http.post("/wechat/demo", **sealed(HELLO))).content)
        assert (await http.post("/wechat/demo", **sealed(HELLO.replace(b">7<", b">8<")))).content == REPLY

    assert answers == [REPLY] * ANSWERS_MAX + [b"success"] * 4
    assert len(existing.requests) == ANSWERS_MAX + 1
