"""Sources on the web, read from checked addresses only."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import zip_longest
from typing import Final

import httpcore
import httpx
from httpcore import SOCKET_OPTION

from qunfa.media.policy import AllowedHosts, SourcePolicy, read_address
from qunfa.media.spool import SourceError, SourceRefused, SourceUnavailable, Spool
from qunfa.printable import shown_uri

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a host name, for a port; an IP address in any spelling is one, too. Raises OSError."""

_TRIED_MAX: Final = 4
_CONNECT_MAX: Final = 3.0
"""Seconds for one address, where the caller has no limit of its own for it: the next one may answer."""
_OK: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_MAX: Final = 5
_LATER: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500
_PORTS: Final = {"http": 80, "https": 443}
_FIX_LOCATION: Final = "Give the URL at which the file itself stands."
Headers = Sequence[tuple[bytes, bytes]]


def resolver_of(strangers: str) -> Resolver:
    """Ask the system's resolver, in threads that are kept for names of these strangers.

    It may hang for long, and a thread cannot be ended. Asyncio's own are left for all else, such as WeChat's name.
    """
    threads = ThreadPoolExecutor(20, thread_name_prefix=strangers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(threads, look_up)
        return [str(sockaddr[0]) for *_, sockaddr in found]

    return resolve


resolve: Final = resolver_of("sources")


class NamedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a name once, and connects to the first of its addresses that answers.

    TLS still expects the certificate of the name: only the socket's address is chosen here.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolve = resolver
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the interface's own
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address of `host` that answers.

        Raises:
            httpcore.ConnectError, httpcore.ConnectTimeout: it has none, or none of them answers.
        """
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in _by_turns(await self._addresses(host, port))[:_TRIED_MAX]:
            try:
                return await self._backend.connect_tcp(
                    address, port, _CONNECT_MAX if timeout is None else timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError()

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            return await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError from None


def _by_turns(addresses: Sequence[str]) -> list[str]:
    """Of IPv6 and IPv4 by turns, as the resolver orders them: a host may have no way to all addresses of one kind."""
    ours = [one for one in addresses if (":" in one) == (":" in addresses[0])]
    others = [one for one in addresses if one not in ours]
    return [one for pair in zip_longest(ours, others) for one in pair if one is not None]


class CheckedNetwork(NamedNetwork):
    """Checks every address of a name before it connects to one of these very addresses.

    Raises:
        SourceRefused: one of the addresses may not be connected to.
        SourceUnavailable: the name has no address now.
    """

    def __init__(self, uri: str, hosts: AllowedHosts, resolver: Resolver) -> None:
        super().__init__(resolver)
        self._uri = uri
        self._hosts = hosts

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        reason = "DNS knows none"
        try:
            if found := await self._resolve(host, port):
                return self._checked(host, port, found)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        except UnicodeError:
            reason = "it is no name that DNS can have"
        raise SourceUnavailable(
            self._uri, f"the name {host} has no address now ({reason}). Check the name; else it is tried again."
        )

    def _checked(self, host: str, port: int, found: Sequence[str]) -> list[str]:
        addresses: list[str] = []
        for text in dict.fromkeys(found):
            address = read_address(text)
            if address is None or not self._hosts.allow_connection(address, port):
                raise SourceRefused(
                    self._uri,
                    f"{host} is at {text}, which is no public address. If media shall be read from there, list this "
                    "address or its network under hosts in [media].",
                )
            addresses.append(str(address))
        return addresses


class WebSources:
    """Fetches over HTTP/1.1 and through five redirects at most. It uses no cookie, credential, proxy or compression."""

    def __init__(self, policy: SourcePolicy, resolver: Resolver, tls: ssl.SSLContext | None = None) -> None:
        self._hosts = AllowedHosts(policy.hosts)
        self._resolve = resolver
        self._tls = tls
        connect, silence = policy.connect_max.total_seconds(), policy.silence_max.total_seconds()
        self._timeout = {"connect": connect, "read": silence, "write": silence, "pool": connect}

    async def read_into(self, spool: Spool) -> None:
        """Fetch `spool.uri` into `spool`, following redirects.

        Raises:
            SourceRefused: a URL or an address on the way is not allowed, or the server does not give the file.
            SourceUnavailable: the network or the server failed.
        """
        url = self._checked(_url(spool.uri), spool.uri)
        for _ in range(_REDIRECTS_MAX + 1):
            location = await self._request(url, spool)
            if location is None:
                return
            url = self._next(url, location, spool.uri)
        raise SourceRefused(spool.uri, f"it leads through more than {_REDIRECTS_MAX} redirects. {_FIX_LOCATION}")

    def _checked(self, url: httpx.URL | None, source: str, via: str = "") -> httpx.URL:
        if url is None:
            raise SourceRefused(source, f"{via}it is no URL that can be called. {_FIX_LOCATION}")
        if url.scheme not in _PORTS or not url.raw_host:
            raise SourceRefused(source, f"{via}it is no http or https URL with a host. {_FIX_LOCATION}")
        if url.userinfo:
            raise SourceRefused(source, f"{via}it carries a user name or password. Use a URL without: it is recorded.")
        if not self._hosts.allow_url(url.scheme, url.raw_host.decode("ascii"), _port(url)):
            raise SourceRefused(
                source, f"{via}nothing may be read from {_at(url)}. If it shall be, list it under hosts in [media]."
            )
        return url

    def _next(self, url: httpx.URL, location: str, source: str) -> httpx.URL:
        target = _url(location, url)
        via = f"it redirects to {shown_uri(location)}: "
        if target is not None and url.scheme == "https" and target.scheme == "http":
            raise SourceRefused(source, f"{via}from https to http is not followed. {_FIX_LOCATION}")
        return self._checked(target, source, via)

    async def _request(self, url: httpx.URL, spool: Spool) -> str | None:
        """Read the answer into `spool`, or return where it redirects to."""
        failure: SourceError
        try:
            return await self._exchange(url, spool)
        except httpcore.TimeoutException as error:
            failure = SourceUnavailable(
                spool.uri, f"{_at(url)} was silent too long ({type(error).__name__}). Try later."
            )
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            failure = _broken(error, url, spool.uri)
        raise failure

    async def _exchange(self, url: httpx.URL, spool: Spool) -> str | None:
        request = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=_port(url), target=url.raw_path)
        headers = [(b"Host", url.netloc), (b"User-Agent", b"qunfa"), (b"Accept-Encoding", b"identity")]
        network = CheckedNetwork(spool.uri, self._hosts, self._resolve)
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=self._context(), max_connections=1, network_backend=network
            ) as pool,
            pool.stream("GET", request, headers=headers, extensions={"timeout": self._timeout}) as response,
        ):
            if response.status in _REDIRECTS:
                return _location(response.headers, spool.uri)
            _check_status(response.status, url, spool.uri)
            _check_headers(response.headers, spool)
            async for chunk in response.aiter_stream():
                await asyncio.to_thread(spool.write, chunk)
        return None

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx.create_ssl_context()
        return self._tls


def _url(text: str, base: httpx.URL | None = None) -> httpx.URL | None:
    """A URL, on its own or as a redirect from `base` means it; None where it is none."""
    try:
        return httpx.URL(text) if base is None else base.join(text)
    except (httpx.InvalidURL, UnicodeError):
        return None


def _port(url: httpx.URL) -> int:
    return url.port if url.port is not None else _PORTS[url.scheme]


def _at(url: httpx.URL) -> str:
    """Where a URL leads, with its port."""
    host = url.raw_host.decode("ascii")
    return f"{url.scheme}://{f'[{host}]' if ':' in host else host}:{_port(url)}"


def _header(headers: Headers, name: bytes) -> str:
    return b", ".join(value for key, value in headers if key.lower() == name).decode("latin-1").strip()


def _location(headers: Headers, source: str) -> str:
    found = [value for key, value in headers if key.lower() == b"location"]
    if len(found) != 1:
        raise SourceRefused(source, f"it redirects, but not to one place. {_FIX_LOCATION}")
    return found[0].decode("latin-1")


def _check_status(status: int, url: httpx.URL, source: str) -> None:
    if status == _OK:
        return
    said = f"{_at(url)} answered {status}"
    if status >= _SERVER_ERROR or status in _LATER:
        raise SourceUnavailable(source, f"{said}. Try later.")
    raise SourceRefused(source, f"{said}, not the file. Check that the URL is right and may be read without a login.")


def _check_headers(headers: Headers, spool: Spool) -> None:
    encoding = _header(headers, b"content-encoding").lower()
    if encoding not in {"", "identity"}:
        raise SourceRefused(
            spool.uri,
            f"the server compresses it ({encoding[:20]!r}), though asked not to. Have it serve the file as it is.",
        )
    if length := _header(headers, b"content-length"):  # h11 has seen to it that these are digits
        spool.expect(int(length))
    elif spool.tells_end and not _header(headers, b"transfer-encoding"):
        raise SourceRefused(
            spool.uri,
            "the server does not say how long it is, so that a part of it would pass for the whole. Have it send "
            "Content-Length, or name the file's sha256.",
        )


def _broken(error: BaseException, url: httpx.URL, source: str) -> SourceError:
    """The pool raises anew without a cause, so the certificate's error is found by the context only."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return SourceRefused(
                source,
                f"the certificate of {_at(url)} is not valid for it: {inner.verify_message.rstrip('.')}. "
                "Have it renewed, or let SSL_CERT_FILE name the authority that issued it.",
            )
        inner = inner.__context__
    return SourceUnavailable(source, f"the connection to {_at(url)} failed ({type(error).__name__}). Try later.")
