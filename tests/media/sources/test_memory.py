import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from qunfa.media import SourcePolicy, Sources
from tests.media.sources.conftest import Store
from tests.media.sources.site import MIB, Site, floods, response

SIZE = 10 * MIB


@contextmanager
def little_memory() -> Iterator[None]:
    """What happens inside takes less than 2 MB more at any moment."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 2_000_000


@pytest.fixture
def sources(policy: SourcePolicy, root: Path, store: Store, credentials: None) -> Sources:
    """Sources of all kinds."""
    return Sources(replace(policy, roots=(root,), stores=("s3://memory",), s3_endpoint=store.endpoint))


@pytest.mark.parametrize("scheme", ["file", "http", "s3"])
async def test_ten_megabytes_are_never_in_memory(
    sources: Sources, root: Path, site: Site, store: Store, scheme: str
) -> None:
    """A source of 10 MiB passes in small pieces, wherever it comes from."""
    piece = bytes(64 * 1024)
    site.pages["/a.png"] = floods(response(b"", length=SIZE), piece, pieces=SIZE // len(piece))
    with (root / "big").open("wb") as file:
        file.truncate(SIZE)
    store.put("memory", "big", bytes(SIZE))
    uris = {"file": f"file:{root}/big", "http": site.url(), "s3": "s3://memory/big"}
    with little_memory():
        async with sources.fetch(uris[scheme]) as fetched:
            assert fetched.size == SIZE
