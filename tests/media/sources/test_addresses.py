from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.media.policy import AllowedHosts, SourcePolicy, is_public, read_address
from qunfa.media.sources import Sources


def known(text: str) -> IPv4Address | IPv6Address:
    address = read_address(text)
    assert address is not None
    return address


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",  # noqa: S104  an address to refuse, not to bind to
        "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "224.0.1.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
        "2002:808:808::", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
        "ff0e::1",
        "4000::1",
    ],
)  # fmt: skip
def test_what_is_not_on_the_internet_is_not_public(text: str) -> None:
    """Private, loopback, link-local, shared, multicast, reserved and transition forms are not public."""
    assert not is_public(known(text))


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::1111"]
)
def test_what_is_on_the_internet_is_public(text: str) -> None:
    """An address on the internet is public, also where NAT64 leads to it."""
    assert is_public(known(text))


@given(st.ip_addresses(v=4))
def test_ipv4_inside_ipv6_is_judged_as_ipv4(address: IPv4Address) -> None:
    """A mapped address, or one behind NAT64, is what it leads to."""
    for prefix in ("::ffff:", "64:ff9b::"):
        assert read_address(f"{prefix}{address}") == address


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_python_calls_private_is_never_public(address: IPv4Address | IPv6Address) -> None:
    """Nothing that the standard library calls private, loopback, link-local, multicast or reserved is public."""
    odd = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    assert not (is_public(address) and (odd or address.is_reserved))


URLS = {
    "cdn.example.com": (
        {"https://cdn.example.com:443", "http://cdn.example.com:80"},
        {"https://cdn.example.com:8443", "http://cdn.example.com:443", "https://www.cdn.example.com:443"}
        | {"https://example.com:443", "https://cdn.example.com.:443"},
    ),
    "CDN.example.com": ({"http://cdn.example.com:80"}, set()),
    "cdn.example.com:8443": ({"https://cdn.example.com:8443"}, {"https://cdn.example.com:443"}),
    "10.1.2.3": ({"http://10.1.2.3:80", "http://::ffff:10.1.2.3:80"}, {"http://10.1.2.4:80"}),
    "10.1.0.0/16": ({"http://10.1.2.4:80"}, {"http://10.2.2.4:80", "http://::1:80"}),
    "[::1]:8080": ({"http://::1:8080"}, set()),
    "::1": ({"http://::1:80"}, set()),
    "127.0.0.1": (set(), {"http://2130706433:80", "http://0177.0.0.1:80"}),
}
"""By entry: what it allows, and what it does not."""


@pytest.mark.parametrize("entry", URLS)
def test_a_url_is_allowed_by_host_and_port(entry: str) -> None:
    """An entry allows exactly its host, at its port, or at the scheme's own."""
    for urls, allowed in zip(URLS[entry], (True, False), strict=True):
        for url in urls:
            scheme, _, rest = url.partition("://")
            host, _, port = rest.rpartition(":")
            assert AllowedHosts((entry,)).allow_url(scheme, host, int(port)) is allowed, url


@pytest.mark.parametrize(
    ("entries", "address", "port", "allowed"),
    [
        ((), "8.8.8.8", 443, True),
        (("cdn.example.com",), "10.1.2.3", 443, False),
        (("cdn.example.com", "10.1.2.3"), "10.1.2.3", 8443, True),
        (("cdn.example.com", "10.1.2.3:443"), "10.1.2.3", 8443, False),
        (("cdn.example.com", "10.1.0.0/16"), "10.1.2.3", 8443, True),
        (("cdn.example.com", "fd00::/8"), "fd00::1", 443, True),
        (("cdn.example.com", "fd00::/8"), "fe80::1", 443, False),
    ],
)
def test_a_private_address_must_be_listed_itself(
    entries: tuple[str, ...], address: str, port: int, *, allowed: bool
) -> None:
    """A name in the list opens no private network; the address or its network does."""
    assert AllowedHosts(entries).allow_connection(known(address), port) is allowed


@pytest.mark.parametrize(
    "policy",
    [
        *(
            {"hosts": (entry,)}
            for entry in ("", "https://a.com", "a.com/a", "a b", "10.1.2.3/16", "a.com:0", "*.com", "a.com:99999")
        ),
        *({"hosts": (entry,)} for entry in ("user@host", "[::1")),
        *(
            {"stores": (prefix,)}
            for prefix in ("", "s3://", "s3:bucket", "gs://bucket", "s3://bucket/../a", "s3://b?x", "open")
        ),
    ],
    ids=str,
)
def test_an_entry_that_is_none_is_an_error(policy: dict[str, tuple[str, ...]]) -> None:
    """What is no host, address, network or store is found before anything is read."""
    with pytest.raises(ValueError, match=r"must be a host name|must name a bucket"):
        Sources(SourcePolicy(**policy))  # type: ignore[arg-type]  # the field as the test names it
