"""From a URL's name to the connection: the address that was checked, and the certificate of the name."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import trustme

from qunfa.media.policy import SourcePolicy
from tests.media.sources.conftest import Fetcher, Names
from tests.media.sources.site import Site, redirect, response, serve

LOOPBACK = {"media.test": [["127.0.0.1"]]}
CA = trustme.CA()


def named(site: Site, *answers: list[str], more: tuple[str, ...] = ()) -> Fetcher:
    """Sources that may call media.test at the site's port, and the addresses that a test adds."""
    policy = SourcePolicy(hosts=(f"media.test:{site.port}", *more))
    return Fetcher(policy, resolver=Names({"media.test": [*answers]}))


async def test_the_address_that_was_checked_is_the_one_connected_to(site: Site) -> None:
    """A name is resolved once: a DNS that changes its answer after the check has no effect."""
    site.pages["/a.png"] = response(b"a")
    names = Names({"media.test": [["127.0.0.1"], ["169.254.169.254"]]})
    fetcher = Fetcher(SourcePolicy(hosts=(f"media.test:{site.port}", "127.0.0.1")), resolver=names)
    assert await fetcher.content(site.url(host="media.test")) == b"a"
    assert names.asked == [("media.test", site.port)]
    assert f"Host: media.test:{site.port}\r\n" in site.requests[0]


async def test_a_changed_answer_is_checked_again_on_a_redirect(site: Site) -> None:
    """Each connection has its own answer, and each answer is checked."""
    site.pages |= {"/a.png": redirect("/b.png"), "/b.png": response(b"b")}
    said = await named(site, ["127.0.0.1"], ["127.0.0.2"], more=("127.0.0.1",)).refused(site.url(host="media.test"))
    assert "media.test is at 127.0.0.2, which is no public address" in said
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    "addresses",
    [
        *(["127.0.0.1"], ["::1"], ["10.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"]),
        *(["fe80::1%lo"], ["8.8.8.8", "127.0.0.2"]),
    ],
    ids=str,
)
async def test_a_listed_name_opens_no_private_address(site: Site, addresses: list[str]) -> None:
    """One address of it that is neither public nor listed is enough: nobody is called."""
    said = await named(site, addresses).refused(site.url(host="media.test"))
    assert f"is at {addresses[-1]}, which is no public address" in said
    assert "list this address or its network under hosts in [media]" in said
    assert not site.requests


async def test_the_next_address_is_tried(site: Site) -> None:
    """Where one address of a name does not answer, the next one is connected to. A network may be listed as well."""
    site.pages["/a.png"] = response(b"a")
    fetcher = named(site, ["::1", "127.0.0.1"], more=("127.0.0.0/8", "::1"))
    assert await fetcher.content(site.url(host="media.test")) == b"a"


async def test_addresses_of_both_kinds_are_tried_by_turns(site: Site) -> None:
    """A host without a way to any IPv6 address may be given many of them first."""
    site.pages["/a.png"] = response(b"a")
    many = [f"::ffff:0:127.0.0.{number}" for number in range(9, 15)]
    fetcher = named(site, [*many, "127.0.0.1"], more=("127.0.0.0/8", "::/0"))
    assert await fetcher.content(site.url(host="media.test")) == b"a"


@pytest.mark.parametrize("spelling", ["2130706433", "0x7f000001", "127.1", "localhost"])
async def test_a_listed_spelling_of_loopback_opens_nothing(site: Site, spelling: str) -> None:
    """Even in the list, a number or a short form is a name, and the address that it means is checked."""
    fetcher = Fetcher(SourcePolicy(hosts=(f"{spelling}:{site.port}",)))
    assert "which is no public address" in await fetcher.refused(site.url(host=spelling))
    assert not site.requests


async def test_a_name_without_an_address_can_be_tried_again(site: Site) -> None:
    """A failure of DNS makes the source unavailable, and so does an answer with nothing in it."""

    async def fails(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    policy, url = SourcePolicy(hosts=(f"media.test:{site.port}",)), site.url(host="media.test")
    said = await Fetcher(policy, resolver=fails).unavailable(url)
    assert "the name media.test has no address now (Temporary failure in name resolution)" in said
    assert "has no address now" in await named(site, []).unavailable(url)


@asynccontextmanager
async def secured(name: str) -> AsyncIterator[Site]:
    """A site with a certificate for `name`, which serves /a.png."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(name).configure_cert(context)
    async with serve(context) as site:
        site.pages["/a.png"] = response(b"a")
        yield site


@pytest.fixture
async def good() -> AsyncIterator[Site]:
    async with secured("media.test") as site:
        yield site


def trusting(site: Site, *more: str, ca: trustme.CA = CA) -> Fetcher:
    """Sources that trust `ca` alone, and know media.test as the site."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.configure_trust(tls)
    hosts = (f"media.test:{site.port}", f"127.0.0.1:{site.port}", *more)
    return Fetcher(SourcePolicy(hosts=hosts, connect_max=timedelta(seconds=2)), resolver=Names(LOOPBACK), tls=tls)


async def test_a_certificate_for_another_name_is_refused(good: Site) -> None:
    """It is no failure that passes. One for the name does not do for its address, nor one of an unknown authority."""
    async with secured("other.test") as foreign:
        said = await trusting(foreign).refused(foreign.url(host="media.test"))
        assert f"the certificate of https://media.test:{foreign.port} is not valid for it" in said
        assert not foreign.requests
    system = Fetcher(SourcePolicy(hosts=(f"media.test:{good.port}", "127.0.0.1")), resolver=Names(LOOPBACK))
    url = good.url(host="media.test")
    for fetcher, asked in ((trusting(good), good.url()), (trusting(good, ca=trustme.CA()), url), (system, url)):
        assert "certificate" in await fetcher.refused(asked)


async def test_a_redirect_never_leaves_https(good: Site, site: Site) -> None:
    """What was asked for over TLS is not fetched without it. The other way is common, and safe.

    The connection goes to the checked address, TLS and the Host header go by the name.
    """
    site.pages["/a.png"] = redirect(good.url(host="media.test"))
    assert await trusting(good, site.authority).content(site.url()) == b"a"
    assert f"Host: media.test:{good.port}\r\n" in good.requests[0]
    good.pages["/to"] = redirect(site.url())
    said = await trusting(good, site.authority).refused(good.url("/to", host="media.test"))
    assert "from https to http is not followed" in said
    assert len(site.requests) == 1


async def test_a_server_without_tls_can_be_tried_again(site: Site) -> None:
    """A server that does not speak TLS makes an https source unavailable."""
    url = site.url(host="media.test").replace("http:", "https:")
    assert "silent too long" in await trusting(site).unavailable(url)
