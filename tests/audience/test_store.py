"""The store: a folder or a bucket, in which things appear whole and once."""

import asyncio
import contextlib
import os
import shutil
import threading
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from obstore.exceptions import BaseError

from qunfa.audience.jobs import BatchPlace
from qunfa.audience.plans import digest_of
from qunfa.audience.store import CHUNK, Found, Store, StoreUnavailable
from qunfa.media.policy import SourcePolicy
from tests.looking import until
from tests.media.sources.conftest import SECRET_KEY, credentials, store
from tests.media.sources.conftest import Store as Bucket
from tests.ports import free_address

__all__ = ["credentials", "store"]

Opened = Callable[[], Store]


@pytest.fixture(params=["folder", "bucket"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens a store that is empty at first."""
    if request.param == "folder":
        return lambda: Store((tmp_path / "plans").as_uri(), SourcePolicy())
    request.getfixturevalue("credentials")
    bucket: Bucket = request.getfixturevalue("store")
    bucket.put(f"b{tmp_path.name[-40:].replace('_', '-')}", "other/a", b"x")
    policy = SourcePolicy(s3_endpoint=bucket.endpoint, s3_region="us-east-1")
    return lambda: Store(f"s3://b{tmp_path.name[-40:].replace('_', '-')}/plans", policy)


async def test_a_store_gives_back_what_was_put_there(opened: Opened) -> None:
    """Whole, in pieces and in a list; what is not there is told as that."""
    found = opened()
    content = bytes(range(256)) * (CHUNK // 100)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(content), 1 << 20):
            yield content[at : at + (1 << 20)]

    await found.put("a/k/big", pieces())
    assert await found.get("a/k/big") == content
    assert b"".join([piece async for piece in found.stream("a/k/big")]) == content
    assert [one.path for one in await found.found("a")] == ["a/k/big"]
    assert await found.get("a/k/none") is None
    await found.remove("a/k/big")
    await found.remove("a/k/big")
    assert await found.get("a/k/big") is None


async def test_a_bucket_that_is_missing_is_told_in_our_words(credentials: None, store: Bucket) -> None:
    """The server's own words may hold what nobody shall read."""
    found = Store("s3://missing/plans", SourcePolicy(s3_endpoint=store.endpoint, s3_region="us-east-1"))

    async def piece() -> AsyncIterator[bytes]:
        yield b"x"

    for writing in (found.create("k/plan", b"x"), found.put("k/plan", piece())):
        with pytest.raises(StoreUnavailable) as raised:
            await writing
        said = str(raised.value)
        assert ("<" in said, said.startswith("[store] s3://missing/plans/k/plan cannot be written: it failed")) == (
            False,
            True,
        )


async def test_a_folder_creates_once_and_reads_parts(tmp_path: Path) -> None:
    """Whoever comes second changes nothing."""
    found = Store(tmp_path.as_uri(), SourcePolicy())
    assert await found.create("k/plan", b"first")
    assert await found.get_range("k/plan", 1, 3) == b"irs"
    assert await found.get_range("k/none", 1, 3) is None
    assert not await found.create("k/plan", b"second")
    assert await found.get("k/plan") == b"first"


@pytest.fixture
async def strict(credentials: None) -> AsyncIterator[Opened]:
    """A bucket of a server that keeps to S3's conditions, as `moto_server` does."""
    server = shutil.which("moto_server")
    if server is None:
        pytest.skip("moto_server is not installed: pip install 'moto[s3,server]'")
    host, port = (address := free_address()).split(":")
    process = await asyncio.create_subprocess_exec(server, "-H", host, "-p", port, stdout=DEVNULL, stderr=DEVNULL)
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as http:
            await until(lambda: _made(http))
        policy = SourcePolicy(s3_endpoint=f"http://{address}", s3_region="us-east-1")
        yield lambda: Store("s3://lists/plans", policy)
    finally:
        process.kill()
        await process.wait()


async def _made(http: httpx.AsyncClient) -> bool:
    """Whether the server has made the bucket: it does once it listens."""
    with contextlib.suppress(httpx.ConnectError):
        return (await http.put("/lists")).is_success
    return False


async def test_a_bucket_creates_once_and_reads_parts(strict: Opened) -> None:
    """Of eight workers that put a plan there at once, one does; batches are read from the middle of a snapshot."""
    created = await asyncio.gather(*(strict().create("k/plan.json", b"%d" % number) for number in range(8)))
    assert sorted(created) == [False] * 7 + [True]
    assert await strict().get("k/plan.json") == b"%d" % created.index(True)
    content = bytes(range(256)) * (CHUNK // 100)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(content), CHUNK):
            yield content[at : at + CHUNK]

    await strict().put("k/openids", pieces())
    assert await strict().get_range("k/openids", CHUNK + 1, 1000) == content[CHUNK + 1 : CHUNK + 1001]
    assert await strict().get_range("k/none", 0, 1) is None
    assert await strict().shortcoming() is None


async def test_a_trial_finds_what_a_store_lacks(opened: Opened) -> None:
    """A folder has all. Rclone's server puts an object in another one's place, which would give a key two plans."""
    found = opened()
    lacking = None if found.uri.startswith("file:") else "it does not create an object only where there is none"
    assert await found.shortcoming() == lacking
    assert await found.found("trials") == []


async def test_a_trial_of_a_store_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    """In a clause, for a sentence of the doctor's."""
    (tmp_path / "plans").write_text("no folder")
    with pytest.raises(StoreUnavailable) as silent:
        await Store((tmp_path / "plans").as_uri(), SourcePolicy()).shortcoming()
    assert silent.value.reason.startswith("it cannot be ")


class Behind(Store):
    """A store with a clock that is so many seconds behind."""

    seconds = 0.0

    async def found(self, folder: str) -> list[Found]:
        return [one._replace(at=one.at - timedelta(seconds=self.seconds)) for one in await super().found(folder)]


async def test_a_trial_sees_a_clock_that_is_off(tmp_path: Path) -> None:
    """Behind, a new report would look older than the run that has written it."""
    found = Behind(tmp_path.as_uri(), SourcePolicy())
    found.seconds = 1.0
    assert await found.shortcoming() is None, "buckets tell whole seconds"
    found.seconds = 4_000.3
    assert await found.shortcoming() == "its clock is 4,000 seconds behind the worker's"
    found.seconds = -4_000.0
    assert (await found.shortcoming() or "").endswith("seconds ahead of the worker's"), "an old report would look new"
    assert await found.found("trials") == []


async def test_nothing_stands_after_the_end_of_a_file(opened: Opened) -> None:
    """A snapshot without its end was changed: that is no failure of the store."""
    found = opened()
    await found.create("k/openids", b"0123")
    assert [await found.get_range("k/openids", at, 3) for at in (4, 5)] == [b"", b""]


async def test_a_snapshot_that_goes_while_it_is_read_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails, and then there is nothing: the plan is lost, as if it had never been there."""
    found = Store(tmp_path.as_uri(), SourcePolicy())
    await found.create("k/openids", b"0123")

    async def taken(*_about: object, **_more: object) -> bytes:
        await found.remove("k/openids")
        raise BaseError

    monkeypatch.setattr("obstore.get_range_async", taken)
    assert await found.get_range("k/openids", 1, 2) is None


@pytest.mark.parametrize("name", [b"\xb2\xe2.csv", b"two\nlines"], ids=["no UTF-8", "of two lines"])
async def test_a_name_that_nobody_can_list_is_told(tmp_path: Path, name: bytes) -> None:
    """With the folder in which to look for it."""
    found = Store(tmp_path.as_uri(), SourcePolicy())
    await found.create("a/k/plan", b"x")
    (tmp_path / "a" / os.fsdecode(name)).write_bytes(b"odd")
    said = f"{tmp_path.as_uri()}/a cannot be read: below it is a file whose name is no UTF-8, or has signs"
    with pytest.raises(StoreUnavailable, match=said):
        await found.found("a")


async def test_a_stream_that_fails_leaves_what_was_there(opened: Opened) -> None:
    """Half a report is none."""
    found = opened()
    assert await found.create("k/report", b"whole")

    async def broken() -> AsyncIterator[bytes]:
        yield b"half" * CHUNK
        raise StoreUnavailable("no more")

    with pytest.raises(StoreUnavailable):
        await found.put("k/report", broken())
    assert await found.get("k/report") == b"whole"


async def test_a_bucket_that_does_not_answer_says_so(
    monkeypatch: pytest.MonkeyPatch, credentials: None, store: Bucket
) -> None:
    """Without what the server has said, and without the key. Nobody repeats what a command has tried."""
    nowhere = Store("s3://bucket/x", SourcePolicy(s3_endpoint="http://127.0.0.1:9", s3_region="us-east-1"))
    with pytest.raises(StoreUnavailable, match="check its endpoint, region, credentials and") as silent:
        await nowhere.get("a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-key")
    with pytest.raises(StoreUnavailable, match="refuses the worker's credentials") as forbidden:
        await Store("s3://bucket/x", SourcePolicy(s3_endpoint=store.endpoint, s3_region="us-east-1")).get("a")
    said = f"{silent.value}{forbidden.value}"
    assert (SECRET_KEY in said, "tried again" in said) == (False, False)


async def test_a_switch_of_the_library_is_told_in_our_words(
    credentials: None, store: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own text is one for developers, and no command knows its error."""
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    found = Store("s3://bucket/x", SourcePolicy(s3_endpoint=store.endpoint, s3_region="us-east-1"))
    with pytest.raises(StoreUnavailable, match="it lacks what is needed here: to create an object only where there is"):
        await found.shortcoming()


async def test_a_store_has_more_patience_than_a_source(credentials: None, store: Bucket) -> None:
    """A part of a long list goes up for a minute on a slow line, and the bucket is silent for as long."""
    store.put("patient", "other", b"x")
    soon = timedelta(microseconds=1)
    policy = SourcePolicy(s3_endpoint=store.endpoint, s3_region="us-east-1", silence_max=soon, time_max=soon)
    found = Store("s3://patient/plans", policy)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK

    await found.put("a/k/big", pieces())
    assert await found.get("a/k/big") == b"x" * CHUNK


async def test_a_mount_that_hangs_holds_up_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither when the folder is used first nor later: whoever asks hears so, and the process goes on."""
    found = Store(tmp_path.as_uri(), SourcePolicy())
    assert await found.get("a") is None
    monkeypatch.setattr("qunfa.audience.store._SECONDS", 0.2)
    os.mkfifo(tmp_path / "pipe")
    try:
        with pytest.raises(StoreUnavailable, match="cannot be read: it did not answer in time"):
            await found.get("pipe")
    finally:
        os.close(os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK))  # it is read to its end


async def test_a_folder_comes_back_after_a_call_without_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The mount was made anew: what hangs in the old one never returns, and holds up no later call and no exit."""
    monkeypatch.setattr("qunfa.audience.store._SECONDS", 0.2)
    found, ends, before = Store(tmp_path.as_uri(), SourcePolicy()), threading.Event(), _threads()
    with monkeypatch.context() as hanging:
        hanging.setattr(Path, "mkdir", lambda *_about, **_more: ends.wait())
        silent = await asyncio.gather(*(found.get("a") for _ in range(3)), return_exceptions=True)
    hangs = _threads() - before
    try:
        assert all("cannot be read: it did not answer in time" in str(one) for one in silent)
        assert [one.daemon for one in hangs] == [True], "one is enough for all who ask meanwhile"
        await until(lambda: _answers(found))
    finally:
        ends.set()


def _threads() -> set[threading.Thread]:
    """Those in which stores make folders; a worker of other tests may begin one of its own at any time."""
    return {one for one in threading.enumerate() if one.name == "store"}


async def _answers(found: Store) -> bool:
    with contextlib.suppress(StoreUnavailable):
        return await found.get("a") is None
    return False


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """How many threads hang that make a folder: none ends before the end of the test. Each is known once started."""
    ends, before = threading.Event(), _threads()
    monkeypatch.setattr(Path, "mkdir", lambda *_about, **_how: ends.wait())
    yield lambda: len(_threads() - before)
    ends.set()


async def _asks_without_patience(found: Store) -> None:
    with contextlib.suppress(TimeoutError, StoreUnavailable):
        async with asyncio.timeout(0):
            await found.get("a")


async def test_impatient_askers_leave_one_hanging_call(tmp_path: Path, hanging: Callable[[], int]) -> None:
    """Who no longer waits for a mount leaves its call to the next one."""
    found = Store(tmp_path.as_uri(), SourcePolicy())
    for _ in range(20):
        await _asks_without_patience(found)
    assert hanging() == 1


async def test_a_mount_that_hangs_for_days_is_tried_seldom(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hanging: Callable[[], int]
) -> None:
    """Each try leaves a thread behind, and a process has only so many. After three days it is still tried."""
    found, now = Store(tmp_path.as_uri(), SourcePolicy()), 0.0
    monkeypatch.setattr("qunfa.audience.store.monotonic", lambda: now)
    tried = list[int]()
    for _ in range(3):
        for _ in range(24 * 60):
            await _asks_without_patience(found)
            now += 60.0
        tried.append(hanging())
    assert tried == [29, 53, 77]


@pytest.mark.parametrize("uri", ["plans", "file:plans", "http://host/plans", "s3:bucket", "file://host/plans"])
def test_a_store_that_cannot_be_is_refused(uri: str) -> None:
    """It says which setting is wrong."""
    with pytest.raises(ValueError, match=r"\[store\] uri"):
        Store(uri, SourcePolicy())


async def test_a_share_that_is_not_mounted_is_no_empty_store(tmp_path: Path) -> None:
    """A worker without it would plan people anew whom another key has had. The mount is found once it is there."""
    found = Store((tmp_path / "share" / "qunfa").as_uri(), SourcePolicy())
    for ask in (found.get("a"), found.found("a"), found.create("a", b"x")):
        with pytest.raises(StoreUnavailable, match="the folder above it is not there: make that, or mount the share"):
            await ask
    (tmp_path / "share").mkdir()
    assert (await found.get("a"), await found.create("a", b"x")) == (None, True)


def test_the_digest_of_a_plan_never_changes() -> None:
    """Batches name their plan by it, for as long as a list runs."""
    places = [("b", 0, 2), ("c", 58, 1)]
    batches = (BatchPlace(offset=at, length=29 * count, count=count, sha256=one * 64) for one, at, count in places)
    assert digest_of("a" * 64, tuple(batches)) == "f0dc6adf128f798d9c49a8e061b3ab8dd7ebfeb15eddb4570c6cb9d18aa431e2"


def test_a_later_field_of_a_batch_leaves_its_plans_digest() -> None:
    class Later(BatchPlace):
        later: int | None = None

    place = BatchPlace(offset=0, length=29, count=1, sha256="b" * 64)
    assert digest_of("a" * 64, (Later(**place.model_dump()),)) == digest_of("a" * 64, (place,))
