"""Ledgers with little room: whoever finds none asks again, until doubts are settled or go with age."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from typing import Final

import pytest

from qunfa.account import budget, queue
from tests.simulation import world

SMALL: Final = 0.15
"""How many lives have such ledgers. Their Temporal forgets nothing, since settled keys go from these soon."""
BYTES: Final = (9 * 1024, 12 * 1024)
"""Of their records: of two or three keys in doubt. With less, keys that wait would have no room for the try of any."""
AGAIN: Final = timedelta(days=1)
"""When who is told that there is none asks again."""
CALM: Final = timedelta(days=120)
"""How long a send may take: others may be in doubt before it, one after the other, for 35 days."""


@contextmanager
def room(seed: int, *, is_forgetful: bool) -> Iterator[None]:
    """The room that the ledgers of a life have."""
    random = Random(f"{seed} room")  # noqa: S311  what happens is to be the same for a seed
    if is_forgetful or random.random() >= SMALL:
        yield
        return
    whole = random.choice(BYTES)
    sizes = {"RECORDS_BYTES": whole, "_NEW_KEYS": whole // 2, "_FIRST_LEASES": whole * 5 // 8}
    sizes |= {"_LEASES": whole * 7 // 8, "_SHORTENED": whole * 7 // 16, "_SQUEEZED": whole * 15 // 16}
    sizes |= {"QUEUE_BYTES": 800, "WAITING_BYTES": 2000, "TELLING_BYTES": 2600}
    with pytest.MonkeyPatch.context() as patch:
        for name, size in sizes.items():
            patch.setattr(budget, name, size)
        patch.setattr(queue, "_AT_LEAST", AGAIN)
        patch.setattr(queue, "ROOM_AGAIN", AGAIN)
        patch.setattr(world, "CALM", CALM)
        yield
