import os
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from qunfa.media.policy import SourcePolicy
from tests.media.sources.conftest import SECRET_KEY, Fetcher, Store
from tests.media.sources.site import MIB, Site, floods, response, serve, silence
from tests.ports import free_address

pytestmark = pytest.mark.usefixtures("credentials")


@pytest.fixture
def policy(store: Store) -> SourcePolicy:
    """A policy that allows one bucket, one folder of another, and a bucket that is not there."""
    return SourcePolicy(
        stores=("s3://open", "s3://mixed/media/", "s3://nowhere"), s3_endpoint=store.endpoint, s3_region="us-east-1"
    )


@pytest.fixture
def sources(policy: SourcePolicy) -> Fetcher:
    return Fetcher(policy)


async def test_an_object_is_fetched(sources: Fetcher, store: Store) -> None:
    """An object comes with its size, hash and name, and is gone after the context."""
    data = os.urandom(300_000)
    store.put("open", "春/海报 1%.png", data)
    async with sources.fetch("s3://open/%E6%98%A5/海报 1%25.png") as fetched:
        assert (fetched.path.read_bytes(), fetched.size, fetched.name) == (data, 300_000, "海报 1%.png")
    assert not fetched.path.exists()
    assert await sources.content("S3://open/%E6%98%A5/海报 1%25.png") == data


async def test_only_listed_folders_are_open(sources: Fetcher, store: Store) -> None:
    """A folder in a bucket opens what is in it, and nothing beside it."""
    for key in ("media/a.png", "media/sub/a.png", "media2/a.png", "a.png"):
        store.put("mixed", key, b"a")
    store.put("closed", "media/a.png", b"a")
    assert await sources.content("s3://mixed/media/a.png") == b"a"
    assert await sources.content("s3://mixed/media/sub/a.png") == b"a"
    assert "nothing may be read from there" in await Fetcher(SourcePolicy()).refused("s3://mixed/media/a.png")
    for uri in ("s3://mixed/media2/a.png", "s3://mixed/a.png", "s3://mixed/media", "s3://closed/media/a.png"):
        said = await sources.refused(uri)
        assert "nothing may be read from there" in said
        assert "stores in [media]" in said


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("s3://mixed/media/../a.png", "empty part, . or .."),
        ("s3://mixed/media/%2e%2e/a.png", "empty part, . or .."),
        ("s3://mixed/media/..%2Fa.png", "empty part, . or .."),
        ("s3://mixed/media/./a.png", "empty part, . or .."),
        ("s3://mixed/media//a.png", "empty part, . or .."),
        ("s3://mixed/media/", "empty part, . or .."),
        ("s3://open/%ff.png", "no readable text"),
        ("s3://open/%0a.png", "no readable text"),
        ("s3://open/a?versionId=1", "%3F"),
        ("s3://open/%00", "NUL"),
        ("s3://open", "empty part, . or .."),
        ("s3:open/a.png", "does not name a bucket"),
        ("s3://", "does not name a bucket"),
        ("s3://../open/a.png", "does not name a bucket"),
        ("s3://key:secret@open/a.png", "does not name a bucket"),
        ("s3://nowhere/a.png", "there is no such object (NoSuchBucket)"),
        ("s3://open/none.png", "there is no such object (NoSuchKey)"),
        ("s3://open/folder", "there is no such object (NoSuchKey)"),
        ("s3://open/empty.png", "is empty"),
        ("gs://open/a.png", "begins with none of"),
    ],
)
async def test_what_is_no_object_is_refused(sources: Fetcher, store: Store, uri: str, why: str) -> None:
    """A key that could be taken for another one, and an object that is not there or empty, are refused."""
    store.put("mixed", "a.png", b"outside")
    store.put("open", "folder/a.png", b"a")
    store.put("open", "empty.png", b"")
    said = await sources.refused(uri)
    assert why in said
    assert "key:secret" not in said


async def test_an_object_over_the_limit_is_refused(sources: Fetcher, store: Store) -> None:
    """11 MB are refused at a limit of 10 MiB."""
    store.put("open", "big.mp4", bytes(11_000_000))
    said = await sources.refused("s3://open/big.mp4")
    assert "larger than the limit of 10,485,760 bytes" in said
    store.put("open", "fits.mp4", bytes(10 * MIB))
    assert len(await sources.content("s3://open/fits.mp4")) == 10 * MIB


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
async def test_wrong_credentials_are_refused(
    policy: SourcePolicy, store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Credentials that the store does not take need a person; the error does not quote them."""
    store.put("open", "a.png", b"a")
    monkeypatch.setenv(name, "WRONG-KEY-OF-THIS-TEST")
    said = await Fetcher(policy).refused("s3://open/a.png")
    assert "refuses the worker's credentials" in said
    assert "WRONG-KEY" not in said
    assert SECRET_KEY not in said


async def test_an_endpoint_of_the_environment_is_used(
    policy: SourcePolicy, store: Store, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    """AWS's variables name the endpoint where the policy does not; without TLS only the policy may name one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", site.url(""))
    site.pages["/open/a.png"] = response(b"a")
    sources = Fetcher(replace(policy, s3_endpoint=None))
    assert "the store failed, or was not reached" in await sources.unavailable("s3://open/a.png")
    assert not site.requests
    store.put("open", "b.png", b"b")
    assert await Fetcher(policy).content("s3://open/b.png") == b"b"


CUT = response(b"part", 'ETag: "1"', "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT", length=1000)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (None, "not reached"),
        (response(b"<Error><Code>SlowDown</Code></Error>", status="500 Internal Server Error"), "(SlowDown)"),
        (response(b"<Error><Code>SlowDown</Code></Error>", status="503 Slow Down"), "(SlowDown)"),
        (CUT, ""),
    ],
    ids=["is not there", "500", "503", "breaks off"],
)
async def test_a_store_that_fails_can_be_tried_again(
    policy: SourcePolicy, site: Site, page: bytes | None, said: str
) -> None:
    """After one call: who repeats it is the caller. What ends too early is no shorter file."""
    site.pages["/open/a.png"] = page or b""
    endpoint = f"http://{free_address()}" if page is None else site.url("")
    failing = Fetcher(replace(policy, s3_endpoint=endpoint))
    assert said in await failing.unavailable("s3://open/a.png")
    assert len(site.requests) == (page is not None)


async def test_a_store_that_is_silent_keeps_no_worker(policy: SourcePolicy) -> None:
    """It is asked once. On a crowded machine the time may be over before it was."""
    asked = 0
    while not asked:
        async with serve() as site:
            site.pages["/open/a.png"] = silence
            brief = replace(policy, s3_endpoint=site.url(""), time_max=timedelta(seconds=0.3))
            assert await Fetcher(brief).unavailable("s3://open/a.png")
            asked = len(site.requests)
    assert asked == 1


@pytest.mark.parametrize("scheme", ["file", "http", "s3"])
async def test_ten_megabytes_are_never_in_memory(
    policy: SourcePolicy, root: Path, site: Site, store: Store, scheme: str
) -> None:
    """A source of 10 MiB passes in small pieces, wherever it comes from: it takes less than 2 MB more at any moment."""
    piece = bytes(64 * 1024)
    site.pages["/a.png"] = floods(response(b"", length=10 * MIB), piece, pieces=10 * MIB // len(piece))
    with (root / "big").open("wb") as file:
        file.truncate(10 * MIB)
    store.put("open", "big", bytes(10 * MIB))
    uris = {"file": f"file:{root}/big", "http": site.url(), "s3": "s3://open/big"}
    sources = Fetcher(replace(policy, roots=(root,), hosts=(site.authority,), s3_region=None))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        async with sources.fetch(uris[scheme]) as fetched:
            assert fetched.size == 10 * MIB
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 2_000_000
