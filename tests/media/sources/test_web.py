import asyncio
import gzip
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from qunfa.media.policy import SourcePolicy
from tests.looking import until
from tests.media.sources.conftest import Fetcher, left_over
from tests.media.sources.site import MIB, Reaction, Site, drips, floods, redirect, response, says, silence, stalls
from tests.ports import free_address

BOMB = gzip.compress(bytes(20 * MIB))
ENCODINGS = ("gzip", "GZIP", "deflate", "br", "identity, gzip")
SIGNED = "/a.png?X-Signature=THAT-nobody-MAY-read"


@pytest.fixture
def sources(policy: SourcePolicy) -> Fetcher:
    return Fetcher(policy)


async def test_a_file_is_fetched(sources: Fetcher, site: Site) -> None:
    """A file comes with its size, hash and name, and is gone after the context."""
    site.pages["/pics/%E6%B5%B7%E6%8A%A5.png?v=2"] = response(b"picture")
    async with sources.fetch(site.url("/pics/海报.png?v=2#top")) as fetched:
        assert (fetched.path.read_bytes(), fetched.size, fetched.name) == (b"picture", 7, "海报.png")
    assert not fetched.path.exists()


async def test_a_body_without_a_length_is_fetched(sources: Fetcher, site: Site) -> None:
    """A body in chunks, or one that ends with the connection, is read to its end."""
    site.pages["/chunks"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    site.pages["/close"] = b"HTTP/1.1 200 OK\r\n\r\nabcde"
    assert await sources.content(site.url("/chunks")) == b"abcde"
    assert await sources.content(site.url("/close")) == b"abcde"


async def test_a_request_carries_nothing_of_ours(
    sources: Fetcher, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No proxy or password of the environment is used, no cookie kept, and no compression asked for."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    site.pages["/a.png"] = response(b"a", "Set-Cookie: id=1")
    site.pages["/again"] = redirect("/a.png")
    await sources.content(site.url("/a.png"))
    await sources.content(site.url("/again"))
    heads = [request.lower().split("\r\n") for request in site.requests]
    assert len(heads) == 3
    for head in heads:
        names = {line.partition(":")[0] for line in head[1:] if line}
        assert names == {"host", "user-agent", "accept-encoding"}
        assert f"host: {site.authority}" in head
        assert "accept-encoding: identity" in head


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1/a", "http://127.0.0.1:1. If it shall be, list it"),
        ("http://127.0.0.1/a", "http://127.0.0.1:80"),
        ("http://localhost:{port}/a", "localhost:{port}"),
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254:80"),
        ("http://2130706433:{port}/a", "2130706433"),
        ("http://0x7f000001:{port}/a", "0x7f000001"),
        ("http://0177.0.0.1:{port}/a", "no URL"),
        ("http://127.1:{port}/a", "127.1"),
        ("http://[::1]:{port}/a", "[::1]:{port}"),
        ("http://me:secret@{authority}/a", "user name or password"),
        ("http://{authority}@evil.example/a", "user name or password"),
        ("http://evil.example#@{authority}/", "evil.example"),
        ("http://evil.example\\@{authority}/", ""),
        ("http:///a", "no http or https URL with a host"),
        ("http:a", "no http or https URL with a host"),
        ("http://[::1/a", "no URL"),
        ("http://{authority}:x/a", "no URL"),
    ],
)
async def test_a_url_that_is_not_allowed_is_refused(sources: Fetcher, site: Site, url: str, why: str) -> None:
    """Another host, port or spelling of the address than the listed one is refused, and nobody is called."""
    where = {"authority": site.authority, "port": site.port}
    assert why.format(**where) in await sources.refused(url.format(**where))
    assert not site.requests


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(sources: Fetcher, site: Site, status: int) -> None:
    """Up to five redirects are followed, absolute or relative."""
    site.pages["/0"] = redirect(site.url("/1"), f"{status} Moved")
    for step in range(1, 5):
        site.pages[f"/{step}"] = redirect(str(step + 1), f"{status} Moved")
    site.pages["/5"] = response(b"there")
    assert await sources.content(site.url("/0")) == b"there"


@pytest.mark.parametrize("to", ["/a", "/b"])
async def test_redirects_end(sources: Fetcher, site: Site, to: str) -> None:
    """A sixth redirect is refused, whether in a circle or not."""
    site.pages.update({"/a": redirect(to), "/b": redirect("/a")})
    assert "more than 5 redirects" in await sources.refused(site.url("/a"))
    assert len(site.requests) == 6


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://127.0.0.1:1/admin", "nothing may be read from http://127.0.0.1:1"),
        ("http://169.254.169.254/latest/meta-data/", "nothing may be read from http://169.254.169.254:80"),
        ("//[::1]/a", "nothing may be read from http://[::1]:80"),
        ("http://me:secret@{authority}/a", "user name or password"),
        ("file:///etc/passwd", "no http or https URL"),
        ("http://[::1", "no URL"),
        ("http://a.example:x/", "no URL"),
    ],
)
async def test_each_redirect_is_checked(sources: Fetcher, site: Site, location: str, why: str) -> None:
    """A redirect to what a request could not name itself is refused, and says where it leads."""
    site.pages["/a.png"] = redirect(location.format(authority=site.authority))
    said = await sources.refused(site.url())
    assert (why in said, "secret" in said) == (True, False)
    for places in ((), ("Location: /a", "Location: /b")):
        site.pages["/a.png"] = response(b"", *places, status="302 Found")
        assert "not to one place" in await sources.refused(site.url())
    assert len(site.requests) == 3


@pytest.mark.parametrize(
    ("status", "later"),
    [
        *((status, False) for status in (201, 204, 206, 304, 400, 401, 403, 404, 410)),
        *((status, True) for status in (408, 425, 429, 500, 502, 503)),
    ],
)
async def test_only_200_is_a_file(sources: Fetcher, site: Site, status: int, *, later: bool) -> None:
    """A server's failure may pass; any other answer but 200 means that the URL does not give the file."""
    site.pages["/a.png"] = response(b"" if status in {204, 304} else b"page", status=f"{status} Said")
    said = await (sources.unavailable(site.url()) if later else sources.refused(site.url()))
    assert f"{site.url('')} answered {status}" in said


async def test_no_error_quotes_a_signature(sources: Fetcher, site: Site) -> None:
    """A query is not in an error: signed URLs have their signature there."""
    site.pages[SIGNED] = response(b"", status="403 Forbidden")
    site.pages["/to"] = redirect(f"http://127.0.0.1:1{SIGNED}")
    for path in (SIGNED, "/to"):
        said = await sources.refused(site.url(path))
        assert "MAY-read" not in said
        assert "***" in said or path == "/to"


@pytest.mark.parametrize(
    "uri",
    ["http://me:secret@host/a", "http:me:secret@host/a", "http:\\\\me:secret@host/a", "ftp://me:secret@host/a",
     "http://host/a?secret", "http://host/a#secret", "//me:secret@host", "http://me:secret@[::1/a",
     " http://me:secret@host/a", "http://me:se/secret@host/a", "http://me:@secret@host/a"],
)  # fmt: skip
async def test_no_error_quotes_a_password(sources: Fetcher, uri: str) -> None:
    """A user name or password in a URI is not in its error, however odd the URI."""
    assert "secret" not in await sources.refused(uri)


async def test_an_error_is_one_line(sources: Fetcher) -> None:
    """An endless or unprintable URI is cut and escaped in its error."""
    said = await sources.refused("http://host/\u202e\x1b[31m" + 5000 * "a")
    assert "\\u202e\\u001b[31maaa" in said
    assert len(said) < 500


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPS = [
    (response(b"", length=1000), b"x"),
    (b"HTTP/1.1 200 OK\r\n", b"X-Header: x\r\n"),
    (b"HTTP/1.1 200 OK\r\nX-Header: ", b"x"),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    (CHUNKED, b"1\r\nx\r\n"),
]
"""How an answer begins, and what comes of it every now and then."""


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (response(b""), "is empty"),
        (drips(response(b"", length=11_000_000)), "larger than the limit of 10,485,760"),
        (floods(b"HTTP/1.1 200 OK\r\n\r\n", bytes(MIB)), "larger than the limit"),
        (floods(CHUNKED, b"10000\r\n" + bytes(0x10000) + b"\r\n"), "larger than the limit"),
        *((response(BOMB, f"Content-Encoding: {name}"), "compresses") for name in ENCODINGS),
    ],
    ids=["empty", "too long by its head", "endless", "endless in chunks", *ENCODINGS],
)
async def test_a_body_that_is_no_file_is_refused(
    sources: Fetcher, site: Site, page: bytes | Reaction, said: str
) -> None:
    """It is read no further than the limit. What a server compresses unasked could become a large file."""
    site.pages["/a.png"] = page
    assert said in await sources.refused(site.url())


@pytest.mark.parametrize("length", [5, 9 * MIB, 2**64, 10**40])
async def test_a_length_that_lies_does_not_help(sources: Fetcher, site: Site, length: int) -> None:
    """A body is as long as it says, or an error: too short is a broken connection, and more is never read."""
    site.pages["/a.png"] = response(b"0123456789", length=length)
    if length == 5:
        assert await sources.content(site.url()) == b"01234"
    else:
        assert await (sources.refused(site.url()) if length == 2**64 else sources.unavailable(site.url()))


@pytest.mark.parametrize(
    ("page", "limit", "said"),
    [
        (silence, "silence_max", "silent too long"),
        (stalls(response(b"part", length=100)), "silence_max", "silent too long"),
        *((drips(head, drop), "time_max", "not here within 0.5 seconds") for head, drop in DRIPS),
    ],
)
async def test_a_slow_server_is_given_up(
    *, policy: SourcePolicy, site: Site, page: Reaction, limit: str, said: str
) -> None:
    """One that says nothing, or a little now and then, does not keep a worker for longer than the whole may take."""
    site.pages["/a.png"] = page
    patience: dict[str, Any] = {limit: timedelta(seconds=0.2 if limit == "silence_max" else 0.5)}
    brief = Fetcher(replace(policy, **patience))
    assert said in await brief.unavailable(site.url())


@pytest.mark.parametrize(
    "page",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + 200_000 * b"x" + b"\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n" + 20_000 * b"X-Filler: xxxxx\r\n" + b"\r\nabc",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"",
    ],
)
async def test_what_is_no_http_is_no_source(sources: Fetcher, site: Site, page: bytes) -> None:
    """Headers without measure and answers that are no HTTP end as an unavailable source."""
    site.pages["/a.png"] = page
    said = await sources.unavailable(site.url())
    assert f"the connection to {site.url('')} failed" in said


async def test_nobody_there_can_be_tried_again() -> None:
    """A refused connection makes the source unavailable."""
    nobody = free_address()
    assert "failed" in await Fetcher(SourcePolicy(hosts=(nobody,))).unavailable(f"http://{nobody}/a")


async def test_a_cancelled_fetch_leaves_nothing(sources: Fetcher, site: Site) -> None:
    """A fetch that is cancelled ends, and its copy is removed."""
    site.pages["/a.png"] = stalls(response(b"part", length=100))
    fetch = asyncio.create_task(sources.content(site.url()))
    await until(site.seen)
    fetch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetch
    assert not left_over()


async def test_what_a_user_of_the_copy_raises_passes(sources: Fetcher, site: Site) -> None:
    """An exception of the one who uses the copy is theirs, and the copy is removed."""
    site.pages["/a.png"] = says(response(b"a"))
    with pytest.raises(TimeoutError, match="theirs"):
        async with sources.fetch(site.url()):
            raise TimeoutError("theirs")
    assert not left_over()
