import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qunfa.media import sources as places
from qunfa.media.policy import SourcePolicy
from qunfa.media.spool import SourceRefused, SourceUnavailable
from tests.looking import PATIENCE
from tests.media.sources.conftest import Fetcher


@pytest.fixture
def sources(root: Path) -> Fetcher:
    return Fetcher(SourcePolicy(roots=(root,)))


@pytest.mark.parametrize("scheme", ["file:", "file://", "FILE:"])
async def test_a_file_below_a_root_is_copied(sources: Fetcher, root: Path, scheme: str) -> None:
    """A file below a root is there as a copy with its size, hash and name, until the context ends."""
    (root / "sub").mkdir()
    (root / "sub" / "海报 1.png").write_bytes(b"picture")
    async with sources.fetch(f"{scheme}{root}/sub/%E6%B5%B7报 1.png") as fetched:
        assert (fetched.path.read_bytes(), fetched.size, fetched.name) == (b"picture", 7, "海报 1.png")
        assert fetched.path.parent.stat().st_mode & 0o077 == 0
        (root / "sub" / "海报 1.png").write_bytes(b"another")
        assert fetched.path.read_bytes() == b"picture"
    assert not fetched.path.exists()


@pytest.mark.parametrize(
    "uri",
    [
        "file:{root}/../secret",
        "file:{root}/%2e%2e/secret",
        "file:{root}/sub/..%2F..%2Fsecret",
        "file:{outside}/secret",
        "file:{root}x",
        "file:/etc/passwd",
        "file:/",
    ],
)
async def test_what_is_outside_the_roots_is_refused(sources: Fetcher, root: Path, uri: str) -> None:
    """Whether `..` is written out or as %2e. Nobody learns from a refusal what exists outside the roots."""
    (root / "sub").mkdir()
    (root.parent / "mediax").write_text("beside")
    said = await sources.refused(uri.format(root=root, outside=root.parent))
    assert "not below a folder that media may be read from" in said
    assert "roots in [media]" in said
    missing = await sources.refused(f"file:{root.parent}/nothing")
    there = await sources.refused(f"file:{root.parent}/secret")
    assert there.replace("secret", "") == missing.replace("nothing", "")


async def test_a_link_out_of_the_root_is_refused(sources: Fetcher, root: Path) -> None:
    """A link is resolved before its place is judged, and so is a folder on the way. A circle has an end."""
    for name, target in {"file": "../secret", "folder": "..", "one": "two", "two": "one"}.items():
        (root / name).symlink_to(target)
    for path, said in {"file": "not below a folder", "folder/secret": "not below a folder", "one": "circle"}.items():
        assert said in await sources.refused(f"file:{root}/{path}")


async def test_a_link_within_the_roots_is_followed(root: Path, tmp_path: Path) -> None:
    """A link may lead from a root to a place below the same or another root; a root may be a link itself."""
    other, alias = tmp_path / "other", tmp_path / "alias"
    other.mkdir()
    (other / "b").write_bytes(b"other")
    (root / "a").write_bytes(b"same")
    (root / "to-same").symlink_to("a")
    (root / "to-other").symlink_to(other / "b")
    alias.symlink_to(root)
    sources = Fetcher(SourcePolicy(roots=(alias, other)))
    assert await sources.content(f"file:{alias}/to-same") == b"same"
    assert await sources.content(f"file:{alias}/to-other") == b"other"


@pytest.mark.parametrize("swapped", ["a", "sub", "sub/deep"])
async def test_a_link_put_in_after_the_check_leads_nowhere(
    sources: Fetcher, root: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    """What is replaced by a link between the check and the opening is refused, the file and each folder above it."""
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "sub" / "deep" / "secret").write_text("inside")
    (root / "a").write_text("inside")
    (root.parent / "deep").mkdir()
    (root.parent / "deep" / "secret").write_text("outside")
    resolve = sources._files._resolved  # noqa: SLF001  the very moment to strike

    def resolve_then_swap(self: places.FileSources, uri: str, path: str) -> tuple[str, tuple[str, ...]]:
        found = resolve(uri, path)
        victim = root / swapped
        victim.rename(root / "moved")
        victim.symlink_to(root.parent / ("secret" if swapped == "a" else "deep" if swapped == "sub/deep" else ""))
        return found

    monkeypatch.setattr(places.FileSources, "_resolved", resolve_then_swap)
    uri = f"file:{root}/a" if swapped == "a" else f"file:{root}/sub/deep/secret"
    assert "replaced while it was opened" in await sources.refused(uri)


@contextmanager
def swapping(victim: Path, inside: Path, outside: Path) -> Iterator[None]:
    """Let a name be a file, a link to the inside and a link to the outside by turns, as fast as it goes."""
    over = threading.Event()

    def swap() -> None:
        spare = victim.with_name("spare")
        while not over.is_set():
            for target in (inside, outside):
                spare.symlink_to(target)
                spare.replace(victim)
            os.link(inside, spare)
            spare.replace(victim)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def test_a_race_against_the_check_is_lost(sources: Fetcher, root: Path) -> None:
    """Whoever swaps links while files are opened gets an error or the inside, never the outside."""
    (root / "inside").write_text("inside")
    (root / "victim").write_text("inside")
    seen: set[str] = set()
    with swapping(root / "victim", root / "inside", root.parent / "secret"):
        for _ in range(150):
            try:
                seen.add((await sources.content(f"file:{root}/victim")).decode())
            except (SourceRefused, SourceUnavailable) as error:
                seen.add(error.reason)
    assert "outside" not in seen
    assert "inside" in seen


STEPS = st.lists(
    st.sampled_from(["..", "%2e%2e", ".", "", "media", "sub", "out", "up", "file", "secret", "%2e%2e%2fsecret"])
)


@given(steps=STEPS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_no_way_leads_out(sources: Fetcher, root: Path, steps: list[str]) -> None:
    """Whatever folders, links and dots a path is made of: what is read stands below the root."""
    (root / "sub").mkdir(exist_ok=True)
    (root / "file").write_text("inside")
    for name, target in (("out", "../secret"), ("up", ".."), ("sub/up", "../..")):
        if not (root / name).is_symlink():
            (root / name).symlink_to(target)
    try:
        data = await sources.content(f"file:{root}/{'/'.join(steps)}")
    except SourceRefused:
        return
    assert data == b"inside"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("file://host/share/a.png", "names a host"),
        ("file://localhost/etc/passwd", "names a host"),
        ("file:a.png", "absolute path"),
        ("file:", "absolute path"),
        ("file:{root}/a%00.png", "NUL"),
        ("file:{root}/a\x00.png", "control characters"),
        ("file:{root}/a\nb.png", "control characters"),
        ("file:{root}/a?b.png", "%3F"),
        ("file:{root}/a#b.png", "%23"),
        ("file:{root}/a%zz.png", "%25"),
        ("file:{root}/\ud800", "Unicode"),
        ("file:{root}/none.png", "no such file"),
        ("file:{root}/a/b", "no such file"),
        ("file:{root}/" + 300 * "x", "no such file"),
        ("file:{root}", "a folder"),
        ("file:{root}/sub", "a folder"),
        ("file:{root}/pipe", "a pipe"),
        ("file:{root}/empty", "is empty"),
        ("ftp://host/a.png", "begins with none of"),
        ("/etc/passwd", "begins with none of"),
        ("data:image/png;base64,AAAA", "begins with none of"),
        ("", "begins with none of"),
    ],
)
async def test_what_is_no_file_is_refused(sources: Fetcher, root: Path, uri: str, why: str) -> None:
    """What names no regular file with something in it is refused, with a sentence that says what to change."""
    (root / "a").write_text("a")
    (root / "sub").mkdir()
    (root / "empty").touch()
    os.mkfifo(root / "pipe")
    assert why in await sources.refused(uri.format(root=root))


async def test_a_file_with_another_name_is_found_by_its_encoding(sources: Fetcher, root: Path) -> None:
    """A name with ?, # or % in it is written with %XX; it is decoded once only."""
    (root / "a?b#c%41").write_text("odd")
    assert await sources.content(f"file:{root}/a%3Fb%23c%2541") == b"odd"


async def test_only_what_a_policy_allows_is_read(root: Path) -> None:
    """Without roots no file is. A device is not opened, even where a root holds it."""
    (root / "a").write_text("a")
    assert "not below a folder" in await Fetcher(SourcePolicy()).refused(f"file:{root}/a")
    devices = Fetcher(SourcePolicy(roots=(Path("/dev"),)))
    assert "device" in await devices.refused("file:/dev/zero")


async def test_a_file_over_the_limit_is_refused(root: Path) -> None:
    """11 MB are refused at a limit of 10 MiB without being copied. What is as large as the limit is taken."""
    with (root / "big").open("wb") as file:
        file.truncate(11_000_000)
    (root / "small").write_bytes(bytes(100))
    sources = Fetcher(SourcePolicy(roots=(root,)))
    said = await sources.refused(f"file:{root}/big")
    assert "larger than the limit of 10,485,760 bytes" in said
    exact, small = (Fetcher(SourcePolicy(roots=(root,), size_max=most)) for most in (100, 99))
    assert await exact.content(f"file:{root}/small") == bytes(100)
    assert "limit of 99 bytes" in await small.refused(f"file:{root}/small")


@pytest.mark.parametrize("change", [b"longer than before", b"s", b"other"])
async def test_a_file_that_changes_meanwhile_is_not_taken(
    sources: Fetcher, root: Path, monkeypatch: pytest.MonkeyPatch, change: bytes
) -> None:
    """A file that grows, shrinks or is rewritten while it is read is an error that may be tried again."""
    victim = root / "victim"
    victim.write_bytes(b"first")
    os.utime(victim, (1, 1))
    read = os.read

    def write_then_read(file: int, size: int) -> bytes:
        with victim.open("r+b") as writer:
            writer.write(change)
            writer.truncate()
        return read(file, size)

    monkeypatch.setattr(os, "read", write_then_read)
    assert "changed while it was read" in await sources.unavailable(f"file:{victim}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_without_the_right_to_read_is_refused(sources: Fetcher, root: Path) -> None:
    """A file that the worker may not read is refused, and the sentence says so."""
    (root / "a").write_text("a")
    (root / "a").chmod(0)
    assert "may not read it" in await sources.refused(f"file:{root}/a")


async def test_no_room_for_a_copy_can_be_tried_again(
    sources: Fetcher, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where copies cannot be written, the source is unavailable, not refused."""
    (root / "a").write_text("a")
    monkeypatch.setattr("tempfile.tempdir", str(root / "none"))
    assert "temporary directory" in await sources.unavailable(f"file:{root}/a")


async def test_a_mount_that_hangs_holds_up_no_name(
    sources: Fetcher, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More files are read there than asyncio has threads: hosts are found all the same, and so are the files later."""
    (root / "a").write_text("a")
    loop, over, hangs, read = asyncio.get_running_loop(), threading.Event(), asyncio.Event(), os.read

    def hang(file: int, size: int) -> bytes:
        loop.call_soon_threadsafe(hangs.set)
        over.wait()
        return read(file, size)

    async def size() -> int:
        async with sources.fetch(f"file:{root}/a") as fetched:
            return fetched.size

    monkeypatch.setattr(os, "read", hang)
    reads = [asyncio.create_task(size()) for _ in range(40)]
    try:
        async with asyncio.timeout(PATIENCE):
            await hangs.wait()
            assert await loop.getaddrinfo("127.0.0.1", 80)
    finally:
        over.set()
    assert await asyncio.gather(*reads) == [1] * 40
