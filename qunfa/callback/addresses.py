"""Where requests come from, and whether WeChat pushes from there."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.types import Scope
from structlog.typing import FilteringBoundLogger

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FILE_MAX: Final = 1024 * 1024
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.callback")


class SourcesError(Exception):
    """A list of addresses cannot be used. The message says which and why."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: the address as it is compared, and as it is shown."""

    address: Address
    shown: str


def caller(scope: Scope, proxies: Sequence[Network]) -> Caller | None:
    """Who sent the request: the peer, or the one from whom our own proxies got it.

    None where a proxy of ours names no address that can be read.
    """
    peer = scope.get("client")
    found = _caller(peer[0]) if peer else None
    if found is None or not _is_within(found.address, proxies):
        return found
    named = [one for line in Headers(scope=scope).getlist("x-forwarded-for") for one in line.split(",")]
    while found is not None and named and _is_within(found.address, proxies):
        found = _caller(named.pop())
    return found


class Sources:
    """The addresses that WeChat pushes from: a fixed list, and a file that is read again whenever it changes.

    While the file cannot be read, the last good list stays in place. A bad update must not shut WeChat out.
    """

    def __init__(self, networks: Sequence[Network], file: Path | None) -> None:
        """Raises SourcesError where the file cannot be read now."""
        self._fixed = tuple(networks)
        self._file = file
        self._version = None if file is None else _version(file)
        self._listed = () if file is None else read_sources(file)

    def admit(self, sender: Caller | None) -> bool:
        """Whether WeChat pushes from there."""
        self._refresh()
        return sender is not None and _is_within(sender.address, (*self._fixed, *self._listed))

    def _refresh(self) -> None:
        if self._file is None or (version := _version(self._file)) == self._version:
            return
        self._version = version
        try:
            self._listed = read_sources(self._file)
        except SourcesError as error:
            _LOG.error("sources not read again", reason=str(error))
        else:
            _LOG.info("sources read again", file=str(self._file), networks=len(self._listed))


def read_sources(file: Path) -> tuple[Network, ...]:
    """The addresses and networks of a file: one a line, or the answer of WeChat's `getcallbackip`.

    Raises:
        SourcesError: It cannot be read, holds something else, or nothing.
    """
    try:
        with file.open("rb") as stream:
            text = stream.read(FILE_MAX).decode()
        words = json.loads(text)["ip_list"] if text.lstrip().startswith("{") else _lines(text)
        networks = tuple(_plain(ip_network(word, strict=False)) for word in words)
    except OSError as error:
        raise SourcesError(f"cannot read {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SourcesError(
            f"{file} is neither a list of addresses and networks, one a line, nor an answer of getcallbackip"
        ) from None
    if not networks:
        raise SourcesError(f"{file} lists no address: nobody could push")
    return networks


def _lines(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _version(file: Path) -> tuple[int, int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@lru_cache(maxsize=256)  # few callers, WeChat's or a proxy's, come again and again
def _caller(text: str) -> Caller | None:
    """The address that the text spells. One of IPv4 that is mapped into IPv6 is given as IPv4."""
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return Caller(address, str(address))


def _plain(network: Network) -> Network:
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return network if mapped is None else ip_network((mapped, max(0, network.prefixlen - 96)), strict=False)


def _is_within(address: Address, networks: Sequence[Network]) -> bool:
    return bool(networks) and any(address in network for network in networks)
