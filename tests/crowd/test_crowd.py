"""A crowd of sends gets through, and a flood of pushes holds none of them up."""

from pathlib import Path

import pytest

from tests.bench.rush import measured
from tests.crowd.flood import Way, flooded, flooding

pytestmark = pytest.mark.long

PUSHES = 300
"""More than a run of an account takes in one task."""


def test_a_crowd_gets_through_whatever_the_number_of_workers() -> None:
    """Each is sent once, with few events however long it waits; a send of another account ends as well."""
    found = measured(1, 20, workers=2, pace=0.1)
    assert (found.outcomes, found.wrongly_received) == ({"sent": 20}, 0)
    assert max(found.events) <= 45


@pytest.mark.parametrize("way", ["signal", "receiver"])
async def test_a_flood_is_taken_whatever_becomes_of_the_worker(tmp_path: Path, way: Way) -> None:
    """A restart in the midst changes nothing. The send in the midst reaches everybody once; no history is long."""
    async with flooding(tmp_path) as stage:
        found = await flooded(stage, PUSHES, way, restart=True)
    assert found.outcome == "sent"
    assert PUSHES <= found.counted <= PUSHES + found.again  # whose answer was lost is counted twice
    assert max(found.events) < 10_000
