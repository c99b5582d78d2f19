"""The hosts that media may be read from."""

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final, Self

from qunfa.media.addresses import Address, Network, is_public, read_address

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PORT_MAX: Final = 65535
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.ASCII)
_WITH_PORT: Final = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<port>[0-9]{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry: a host name, an address or a network; `port` None means the scheme's own."""

    host: str | Address | Network
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name`, `name:port`, an IP address with or without port (`[::1]:8080`), or a network (`10.1.0.0/16`).

        Raises:
            ValueError: it is none of these.
        """
        if "/" in text:
            return cls(_read_network(text))
        found = _WITH_PORT.fullmatch(text)
        host, port = (found["host"], int(found["port"])) if found else (text, None)
        address = read_address(host)
        if address is None and not _NAME.fullmatch(host.lower()):
            raise ValueError(f"{text!r} is no host name, IP address or network, with or without a port")
        if port is not None and not 0 < port <= _PORT_MAX:
            raise ValueError(f"{text!r} has no port between 1 and {_PORT_MAX}")
        return cls(address or host.lower(), port)

    def names(self, host: str | Address) -> bool:
        """Whether this entry is `host`, or the network that it lies in."""
        if isinstance(self.host, Network):
            return not isinstance(host, str) and host in self.host
        return self.host == host


def _read_network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no network such as 10.1.0.0/16: {error}") from None


class AllowedHosts:
    """All entries together. Two questions are asked: of the URL, and of each address that its name has."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        self._entries = tuple(AllowedHost.parse(entry) for entry in entries)

    def allow_url(self, scheme: str, host: str, port: int) -> bool:
        """Whether a URL may name `host` (ASCII, lower case) and `port`.

        An entry with a port allows that port, one without it 80 for http and 443 for https.
        """
        named = read_address(host) or host
        return any(entry.names(named) and port == (entry.port or _DEFAULT_PORTS.get(scheme)) for entry in self._entries)

    def allow_connection(self, address: Address, port: int) -> bool:
        """Whether a connection to `address` may be opened: it is public, or listed itself or by its network.

        A listed name does not do for that: else whoever answers for the name in DNS could lead into any network.
        """
        if is_public(address):
            return True
        return any(entry.names(address) and entry.port in {None, port} for entry in self._entries)
