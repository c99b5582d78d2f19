"""A crowd that is due at once gets through, one after the other; nobody polls, and nobody is sent twice."""

from pathlib import Path
from typing import Final

import pytest

from tests.crowd.crowd import crowded, drained

pytestmark = pytest.mark.long

SENDS: Final = 20
EVENTS_MAX: Final = 45


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_crowd_gets_through_whatever_the_number_of_workers(tmp_path: Path, workers: int) -> None:
    """Each is sent once, with few events however long it waits; a send of another account ends as well."""
    async with crowded(tmp_path, pace=0.1, workers=workers) as stage:
        found = await drained(stage, SENDS)
    assert set(found.outcomes) == {"sent"}
    assert found.received == {SENDS}
    assert max(found.events) <= EVENTS_MAX
