"""Connections to addresses that were checked, and to no others."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import httpcore
from httpcore import SOCKET_OPTION

from qunfa.media.addresses import Address, read_address
from qunfa.media.errors import SourceRefused, SourceUnavailable
from qunfa.media.hosts import AllowedHosts

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a host name, for a port; an IP address in any spelling is one, too. Raises OSError."""

_TRIED_MAX: Final = 4


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a name once, checks every address, and connects to one of these very addresses.

    TLS still expects the certificate of the name: only the socket's address is chosen here.
    """

    def __init__(self, uri: str, hosts: AllowedHosts, resolver: Resolver) -> None:
        self._uri = uri
        self._hosts = hosts
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
            SourceRefused: one of the addresses may not be connected to.
            SourceUnavailable: the name has no address now.
            httpcore.ConnectError, httpcore.ConnectTimeout: none of them answers.
        """
        addresses = self._checked(host, port, await self._addresses(host, port))
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in addresses[:_TRIED_MAX]:
            try:
                return await self._backend.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError()

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        reason = "DNS knows none"
        try:
            if found := await self._resolve(host, port):
                return found
        except OSError as error:
            reason = error.strerror or type(error).__name__
        except UnicodeError:
            reason = "it is no name that DNS can have"
        raise SourceUnavailable(
            self._uri, f"the name {host} has no address now ({reason}). Check the name; else it is tried again."
        )

    def _checked(self, host: str, port: int, found: Sequence[str]) -> list[Address]:
        addresses: list[Address] = []
        for text in dict.fromkeys(found):
            address = read_address(text)
            if address is None or not self._hosts.allow_connection(address, port):
                raise SourceRefused(
                    self._uri,
                    f"{host} is at {text}, which is no public address. If media shall be read from there, list this "
                    "address or its network under hosts in [media].",
                )
            addresses.append(address)
        return addresses
