import asyncio
import ssl
from datetime import timedelta

import httpx
import pytest

from qunfa.wechat import MaybeWritten, NotWritten, OfficialAccount, TooLate, open_http
from qunfa.wechat.exchange import deadline
from tests.media.sources.site import Reaction, drips, silence
from tests.ports import free_address
from tests.wechat.conftest import (
    ACCEPTED,
    ACCESS,
    BODY,
    SECRET,
    TOKEN,
    WeChat,
    Wire,
    answers,
    everything_about,
    response,
    shows_no_token,
)

GOOD = answers(response(ACCEPTED))
FAULTS = {
    "reset after the write": answers(b"", abort=True),
    "closed without an answer": answers(b"", close=True),
    "half an answer": answers(response(ACCEPTED, more=10), close=True),
    "half a head": answers(b"HTTP/1.1 200 OK\r\nContent-", close=True),
    "no HTTP": answers(b"SSH-2.0-OpenSSH\r\n", close=True),
    "a bad gateway": answers(response(b"<html>502</html>", status="502 Bad Gateway")),
    "a redirect": answers(response(b"", status="307 Temporary Redirect", headers="Location: /elsewhere\r\n")),
    "a success without body": answers(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "broken JSON": answers(response(b'{"errcode":0,"msg_id":3147')),
    "compressed nonsense": answers(response(b"nonsense", headers="Content-Encoding: gzip\r\n")),
    "no answer in time": silence,
}
BEFORE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
LATER = [*httpx.NetworkError.__subclasses__(), *httpx.TimeoutException.__subclasses__(), ssl.SSLError, OSError]
AFTER = [httpx.RemoteProtocolError, httpx.LocalProtocolError, httpx.DecodingError, *LATER]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_fault_after_the_write_is_unknown_and_written_once(
    fault: Reaction, wire: Wire, http: httpx.AsyncClient, hasty: httpx.AsyncClient
) -> None:
    """Once the request has left, the call may have been written. It was so exactly once; the error has no token."""
    wire.script = [fault, GOOD]
    with pytest.raises(MaybeWritten, match="ReadTimeout" if fault is silence else None) as caught:
        await wire.submit(hasty if fault is silence else http)
    assert shows_no_token(caught.value)
    await wire.submit(http)
    assert len(wire.requests) == 2


async def test_a_call_that_connects_after_its_time_is_not_written(wire: Wire, http: httpx.AsyncClient) -> None:
    """The question whether it may still be written is asked last, and nothing leaves where the answer is no."""
    wire.script = [GOOD]
    with pytest.raises(TooLate, match="its time to be written was over"):
        await wire.account(http).submit(ACCESS, BODY, in_time=lambda: False)
    assert (wire.connections, wire.requests) == (1, [])
    asked: list[int] = []

    def in_time() -> bool:
        asked.append(len(wire.requests))
        return True

    await wire.account(http).submit(ACCESS, BODY, in_time=in_time)
    assert (asked, len(wire.requests)) == ([0], 1)


async def test_an_answer_that_drips_does_not_last_for_ever(
    wire: Wire, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that sends a byte now and then runs into the deadline of the whole call, which no read exceeds."""
    asked: list[httpx.Timeout] = []

    def soon(timeout: httpx.Timeout, _upload_bytes: int = 0) -> float:
        asked.append(timeout)
        return 0.1

    monkeypatch.setattr("qunfa.wechat.exchange.deadline", soon)
    wire.script = [drips(response(ACCEPTED, more=10_000), b" ")]
    with pytest.raises(MaybeWritten, match="TimeoutError"):
        await wire.submit(http)
    assert asked == [http.timeout]


async def test_a_connection_closed_while_idle_is_replaced(wire: Wire, http: httpx.AsyncClient) -> None:
    """A kept connection that the server has closed is not written to: the call goes out once, on a new one."""
    wire.script = [answers(response(ACCEPTED), close=True), GOOD]
    await wire.submit(http)
    await wire.closed.wait()
    await wire.submit(http)
    assert (len(wire.requests), wire.connections) == (2, 2)


async def test_a_kept_connection_that_breaks_under_the_call_is_unknown(wire: Wire, http: httpx.AsyncClient) -> None:
    """Calls share a connection. One that breaks is not written again on a new one behind the caller's back."""
    wire.script = [GOOD, answers(b"", abort=True), GOOD]
    await wire.submit(http)
    with pytest.raises(MaybeWritten):
        await wire.submit(http)
    assert (len(wire.requests), wire.connections) == (2, 1)


@pytest.mark.parametrize("host", ["http://{free}", "https://wechat.invalid"], ids=["nobody listens", "no such name"])
async def test_a_refused_connection_is_not_written(http: httpx.AsyncClient, host: str) -> None:
    """Where nobody listens, or there is no such host, nothing was written. The error says so, and has no token."""
    account = OfficialAccount(http, host.format(free=free_address()), "demo")
    with pytest.raises(NotWritten, match=r"account demo: nothing was sent to .*sendall: ConnectError") as caught:
        await account.submit(ACCESS, BODY)
    assert shows_no_token(caught.value)


async def test_a_failed_handshake_is_not_written(http: httpx.AsyncClient) -> None:
    """Where TLS does not come about, nothing was written."""
    server = await asyncio.start_server(answers(response(ACCEPTED), close=True), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(NotWritten, match="SSLError"):
        await OfficialAccount(http, f"https://127.0.0.1:{port}", "demo").submit(ACCESS, BODY)
    server.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [*((one, NotWritten) for one in BEFORE), *((one, MaybeWritten) for one in AFTER if one not in BEFORE)],
)
async def test_an_error_of_the_network_says_whether_it_was_written(
    error: type[Exception], kind: type[Exception]
) -> None:
    """No connection, none in time, none free, none through the proxy: not written. Any other may come after it."""
    with pytest.raises(kind, match=error.__name__):
        await WeChat(error("why")).submit()


async def test_a_busy_pool_is_not_written(wire: Wire) -> None:
    """A call that gets no connection from the pool in time was not written. Nor is one by a client that is closed."""
    wire.script = [silence]
    limits, timeout = httpx.Limits(max_connections=1), httpx.Timeout(30, pool=0.05)
    async with httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False) as http:
        first = asyncio.create_task(wire.submit(http))
        await wire.arrived.wait()
        with pytest.raises(NotWritten, match="PoolTimeout"):
            await wire.submit(http)
        first.cancel()
        await asyncio.wait([first])
    with pytest.raises(NotWritten):
        await wire.submit(http)
    assert len(wire.requests) == 1


async def test_a_cancelled_call_shows_no_token(wire: Wire, http: httpx.AsyncClient) -> None:
    """Nor does the cancellation of a call that is under way."""
    wire.script = [silence]
    call = asyncio.create_task(wire.submit(http))
    await wire.arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    assert TOKEN not in everything_about(caught.value)


async def test_the_report_used_here_would_show_a_token() -> None:
    """The search above can fail: an error of the HTTP library does show what its frames hold."""
    url = f"https://wechat.example/?access_token={TOKEN}&secret={SECRET}"
    with pytest.raises(httpx.ConnectError) as caught:
        await WeChat(httpx.ConnectError("why")).http().get(url)
    assert TOKEN in everything_about(caught.value)


async def test_no_proxy_and_no_cookies_unless_wanted(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    """The environment's proxy is not used, and what one answer sets as a cookie, no other request carries."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    wire.script = [answers(response(ACCEPTED, headers="Set-Cookie: a=b; Path=/\r\n")), GOOD]
    async with open_http(timedelta(seconds=5)) as http:
        await wire.submit(http)
        await wire.submit(http)
    assert [b"cookie" in request.lower() for request in wire.requests] == [False, False]


def test_the_deadline_covers_every_phase() -> None:
    """It is the sum of what the phases may take, with 320 s more for 10 MB, and none where one may take for ever."""
    timeout = httpx.Timeout(read=30, connect=10, write=10, pool=10)
    assert (deadline(timeout), deadline(timeout, 10 << 20)) == (80, 80 + 320)
    for size in (0, 10 << 20):
        assert deadline(httpx.Timeout(read=None, connect=10, write=10, pool=10), size) is None
