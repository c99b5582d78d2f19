"""What may be read as a source, and within which limits."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final, Self

from qunfa.media.spool import SourceRefused, decoded

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64: Final = IPv6Network("64:ff9b::/96")
_NEVER_PUBLIC: Final[tuple[Network, ...]] = (
    IPv4Network("168.63.129.16/32"),  # Azure's own service for virtual machines, at a public address
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv6Network("64:ff9b:1::/48"),  # a NAT64 prefix of a local network
    IPv6Network("2001::/23"),  # protocol assignments, Teredo among them
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation
)
"""Addresses that `ipaddress` of some Python version calls global."""
_UNICAST: Final = IPv6Network("2000::/3")
"""Everything assigned for unicast on the internet. IPv4-compatible and site-local forms lie outside."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PORT_MAX: Final = 65535
_NAME: Final = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.ASCII
)
_WITH_PORT: Final = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<port>[0-9]{1,5})", re.ASCII)
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", re.ASCII)


def read_address(text: str) -> Address | None:
    """The address that `text` spells in its usual form, or None; in brackets or not.

    An IPv4 address inside IPv6 (mapped, or behind NAT64's well-known prefix) is given as IPv4, and judged as that.
    """
    try:
        address = ip_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(address.packed[-4:]) if address in _NAT64 else address


def is_public(address: Address) -> bool:
    """Whether `address` is one machine on the internet.

    Not so: private, loopback, link-local, multicast, reserved, shared (100.64.0.0/10), documentation, 6to4, Teredo.
    """
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return not any(address in network for network in _NEVER_PUBLIC)


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
            with suppress(ValueError):
                return cls(ip_network(text))
        found = _WITH_PORT.fullmatch(text)
        host, port = (found["host"], int(found["port"])) if found else (text, None)
        address = read_address(host)
        named = address is not None or _NAME.fullmatch(host.lower()) is not None
        if named and (port is None or 0 < port <= _PORT_MAX):
            return cls(address or host.lower(), port)
        raise ValueError("must be a host name or IP address, with or without a port, or a network such as 10.1.0.0/16")

    def names(self, host: str | Address) -> bool:
        """Whether this entry is `host`, or the network that it lies in."""
        if isinstance(self.host, Network):
            return not isinstance(host, str) and host in self.host
        return self.host == host


class AllowedHosts:
    """All entries together. They decide about a URL, and about each address that its name has."""

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

        A listed name is not enough. Otherwise its DNS could lead into any network.
        """
        if is_public(address):
            return True
        return any(entry.names(address) and entry.port in {None, port} for entry in self._entries)


@dataclass(frozen=True, slots=True)
class StorePlace:
    """An object of a store, or a folder with all objects in it: the bucket and the parts of the key."""

    bucket: str
    parts: tuple[str, ...]

    @property
    def key(self) -> str:
        return "/".join(self.parts)

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read `s3://bucket/key`; %XX in the key is decoded once.

        Raises:
            SourceRefused: it is no such URI, or its key has an empty part, `.` or `..`: a server could read another.
        """
        _scheme, _colon, rest = uri.partition(":")
        bucket, _slash, path = rest.removeprefix("//").partition("/")
        if not rest.startswith("//") or not _BUCKET.fullmatch(bucket):
            raise SourceRefused(uri, "it does not name a bucket. Write s3://bucket/key.")
        try:
            key = decoded(uri, path).decode()
        except UnicodeDecodeError:
            key = ""
        parts = tuple(key.split("/"))
        if any(part in {"", ".", ".."} for part in parts) or not key.isprintable():
            raise SourceRefused(
                uri, "its key has an empty part, . or .., or is no readable text. Write s3://bucket/key."
            )
        return cls(bucket, parts)

    @classmethod
    def parse_folder(cls, text: str) -> Self:
        """Read `s3://bucket` or `s3://bucket/folder`, with or without a slash at its end.

        Raises:
            ValueError: it is neither.
        """
        whole = text.rstrip("/")
        try:
            if not whole.startswith("s3://"):
                raise SourceRefused(text, "it does not begin with s3://.")
            if "/" in whole.removeprefix("s3://"):
                return cls.parse(whole)
            return cls(cls.parse(f"{whole}/any").bucket, ())
        except SourceRefused as refused:
            raise ValueError(
                f'must name a bucket, or a folder in one, such as "s3://bucket/campaigns": {refused.reason}'
            ) from None

    def holds(self, wanted: Self) -> bool:
        """Whether `wanted` lies in this folder. Whole parts count, so `a` does not hold `ab`."""
        depth = len(self.parts)
        return wanted.bucket == self.bucket and len(wanted.parts) > depth and wanted.parts[:depth] == self.parts


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """Where sources may be read from: nowhere, unless listed; and within which limits.

    `roots` are folders for `file:`, absolute. `hosts` are for `http:` and `https:`: a host name, an IP address, either
    with a port (without one: 80 and 443), or a network. A private address must be listed itself or by its
    network, also where a listed name leads there. `stores` are prefixes such as `s3://bucket/campaigns`.

    `s3_endpoint` (an http(s) URL) and `s3_region` name an S3-compatible server; where None, `AWS_ENDPOINT_URL` and
    `AWS_REGION` do, with TLS only. Credentials come from AWS's variables, or from the machine's role.

    `size_max` is in bytes, and the upper limit of every fetch. A fetch takes `time_max` at most, to connect (for TCP
    and for TLS each) `connect_max`; a server that says nothing for `silence_max` is given up.
    """

    roots: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    s3_endpoint: str | None = None
    s3_region: str | None = None
    size_max: int = 10 * 1024 * 1024
    connect_max: timedelta = timedelta(seconds=5)
    silence_max: timedelta = timedelta(seconds=15)
    time_max: timedelta = timedelta(minutes=2)
