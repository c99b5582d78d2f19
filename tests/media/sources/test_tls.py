import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import trustme

from qunfa.media import SourcePolicy, SourceRefused, Sources, SourceUnavailable
from tests.media.sources.fetching import Names, content, failure
from tests.media.sources.site import Site, redirect, response, serve

CA = trustme.CA()
NAMES = {"media.test": [["127.0.0.1"]]}


def trusting(ca: trustme.CA) -> ssl.SSLContext:
    """What a client uses that trusts this authority only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.configure_trust(context)
    return context


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
    """A site whose certificate is for media.test."""
    async with secured("media.test") as site:
        yield site


def sources(site: Site, *more: str, ca: trustme.CA = CA) -> Sources:
    """Sources that trust `ca` and know media.test as the site."""
    hosts = (f"media.test:{site.port}", f"127.0.0.1:{site.port}", *more)
    return Sources(SourcePolicy(hosts=hosts, connect_max=timedelta(seconds=2)), resolver=Names(NAMES), tls=trusting(ca))


async def test_the_certificate_is_that_of_the_name(good: Site) -> None:
    """The connection goes to the checked address, TLS and the Host header go by the name."""
    assert await content(sources(good), good.url(host="media.test")) == b"a"
    assert f"Host: media.test:{good.port}\r\n" in good.requests[0]


async def test_a_certificate_for_another_name_is_refused(good: Site) -> None:
    """It is no failure that passes. One for the name does not do for its address, nor one of an unknown authority."""
    async with secured("other.test") as foreign:
        said = await failure(sources(foreign), foreign.url(host="media.test"), SourceRefused)
        assert f"the certificate of https://media.test:{foreign.port} is not valid for it" in said
        assert not foreign.requests
    assert "certificate" in await failure(sources(good), good.url(), SourceRefused)
    url = good.url(host="media.test")
    assert "certificate" in await failure(sources(good, ca=trustme.CA()), url, SourceRefused)
    policy = SourcePolicy(hosts=(f"media.test:{good.port}", "127.0.0.1"))
    assert "certificate" in await failure(Sources(policy, resolver=Names(NAMES)), url, SourceRefused)


async def test_a_redirect_never_leaves_https(good: Site, site: Site) -> None:
    """What was asked for over TLS is not fetched without it. The other way is common, and safe."""
    site.pages["/a.png"] = redirect(good.url(host="media.test"))
    assert await content(sources(good, site.authority), site.url()) == b"a"
    good.pages["/to"] = redirect(site.url())
    said = await failure(sources(good, site.authority), good.url("/to", host="media.test"), SourceRefused)
    assert "from https to http is not followed" in said
    assert len(site.requests) == 1


async def test_a_server_without_tls_can_be_tried_again(site: Site) -> None:
    """A server that does not speak TLS makes an https source unavailable."""
    url = site.url(host="media.test").replace("http:", "https:")
    assert "silent too long" in await failure(sources(site), url, SourceUnavailable)
