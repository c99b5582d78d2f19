import socket

import pytest

from qunfa.media import SourcePolicy, SourceRefused, Sources, SourceUnavailable
from tests.media.sources.fetching import Names, content, failure
from tests.media.sources.site import Site, redirect, response


def sources(site: Site, names: Names, *more: str) -> Sources:
    """Sources that may call media.test at the site's port, and the addresses that a test adds."""
    return Sources(SourcePolicy(hosts=(f"media.test:{site.port}", *more)), resolver=names)


async def test_the_address_that_was_checked_is_the_one_connected_to(site: Site) -> None:
    """A name is resolved once: a DNS that changes its answer after the check has no effect."""
    site.pages["/a.png"] = response(b"a")
    names = Names({"media.test": [["127.0.0.1"], ["169.254.169.254"]]})
    assert await content(sources(site, names, "127.0.0.1"), site.url(host="media.test")) == b"a"
    assert names.asked == [("media.test", site.port)]
    assert f"Host: media.test:{site.port}\r\n" in site.requests[0]


async def test_a_changed_answer_is_checked_again_on_a_redirect(site: Site) -> None:
    """Each connection has its own answer, and each answer is checked."""
    site.pages["/a.png"] = redirect("/b.png")
    site.pages["/b.png"] = response(b"b")
    names = Names({"media.test": [["127.0.0.1"], ["127.0.0.2"]]})
    said = await failure(sources(site, names, "127.0.0.1"), site.url(host="media.test"), SourceRefused)
    assert "media.test is at 127.0.0.2, which is no public address" in said
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1%lo"]
)
async def test_a_listed_name_opens_no_private_address(site: Site, address: str) -> None:
    """A name that leads to an address which is not public, and not listed, is refused, and nobody is called."""
    names = Names({"media.test": [[address]]})
    said = await failure(sources(site, names), site.url(host="media.test"), SourceRefused)
    assert f"is at {address}, which is no public address" in said
    assert "list this address or its network under hosts in [media]" in said
    assert not site.requests


async def test_one_private_address_among_public_ones_is_enough(site: Site) -> None:
    """All addresses of a name are checked before one is connected to."""
    names = Names({"media.test": [["127.0.0.1", "8.8.8.8", "127.0.0.2"]]})
    said = await failure(sources(site, names, "127.0.0.1"), site.url(host="media.test"), SourceRefused)
    assert "127.0.0.2" in said
    assert not site.requests


async def test_the_next_address_is_tried(site: Site) -> None:
    """Where one address of a name does not answer, the next one is connected to. A network may be listed as well."""
    site.pages["/a.png"] = response(b"a")
    names = Names({"media.test": [["::1", "127.0.0.1"]]})
    assert await content(sources(site, names, "127.0.0.0/8", "::1"), site.url(host="media.test")) == b"a"


@pytest.mark.parametrize("spelling", ["2130706433", "0x7f000001", "127.1", "localhost"])
async def test_a_listed_spelling_of_loopback_opens_nothing(site: Site, spelling: str) -> None:
    """Even in the list, a number or a short form is a name, and the address that it means is checked."""
    policy = SourcePolicy(hosts=(f"{spelling}:{site.port}",))
    said = await failure(Sources(policy), site.url(host=spelling), SourceRefused)
    assert "which is no public address" in said
    assert not site.requests


async def test_a_name_without_an_address_can_be_tried_again(site: Site) -> None:
    """A failure of DNS makes the source unavailable, and so does an answer with nothing in it."""

    async def fails(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    policy, url = SourcePolicy(hosts=(f"media.test:{site.port}",)), site.url(host="media.test")
    said = await failure(Sources(policy, resolver=fails), url, SourceUnavailable)
    assert "the name media.test has no address now (Temporary failure in name resolution)" in said
    nothing = Sources(policy, resolver=Names({"media.test": [[]]}))
    assert "has no address now" in await failure(nothing, url, SourceUnavailable)
