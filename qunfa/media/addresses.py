"""Addresses on the internet, and those that are not."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

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
"""What `ipaddress` of some Python version calls global, or leaves to the one who asks."""
_UNICAST: Final = IPv6Network("2000::/3")
"""All that has been assigned for unicast on the internet; IPv4-compatible and site-local forms lie outside."""


def read_address(text: str) -> Address | None:
    """The address that `text` spells in its usual form, or None; in brackets or not.

    An IPv4 address inside IPv6 (mapped, or behind NAT64's well-known prefix) is given as the IPv4 address that it
    leads to, so that it is judged as that.
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
