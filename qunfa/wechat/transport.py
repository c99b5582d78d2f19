"""The one HTTP client of a process, and what time it is at WeChat."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx

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
