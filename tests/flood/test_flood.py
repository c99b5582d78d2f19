"""A flood of pushes holds up no send, makes no history long, and is counted to the last one."""

from pathlib import Path
from typing import Final

import pytest

from tests.flood.flood import Way, flooded, flooding

pytestmark = pytest.mark.long

PUSHES: Final = 1_000
EVENTS_MAX: Final = 10_000


@pytest.mark.parametrize("way", ["signal", "receiver"])
async def test_a_flood_is_taken_whatever_becomes_of_the_worker(tmp_path: Path, way: Way) -> None:
    """A restart in the midst changes nothing; the send in the midst reaches everybody once."""
    async with flooding(tmp_path) as stage:
        found = await flooded(stage, PUSHES, way, restart=True)
    assert found.outcome == "sent"
    assert PUSHES <= found.counted <= PUSHES + found.again  # whose answer was lost is counted twice
    assert max(found.events) < EVENTS_MAX
