"""Places of a worker for what may take long, so that there is always room for what sends wait for."""

import random
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from activities.attempts import passing

IN_ALL: Final = 20
"""Of the hundred activities that a worker carries out at a time."""
SOON: Final = timedelta(seconds=5), timedelta(seconds=30)
"""Between these, what found no place is tried again; later where that is too often."""


class Places:
    """So many in all, and of each kind. Nobody waits for one, as that would take a place of an activity, too."""

    def __init__(self, in_all: int = IN_ALL, of_each: int | None = None) -> None:
        self._in_all = in_all
        self._of_each = of_each or in_all
        self._taken: Counter[Hashable] = Counter()

    @contextmanager
    def one(self, failure_type: str, sentence: str, of: Hashable = None, latest: timedelta = SOON[1]) -> Iterator[None]:
        """One of them.

        Raises:
            ApplicationError: there is none. It is of this type, says this, and has Temporal come again.
        """
        if self._taken[of] >= self._of_each or self._taken.total() >= self._in_all:
            raise passing(failure_type, sentence, _by_chance(latest))
        self._taken[of] += 1
        try:
            yield
        finally:
            self._taken[of] -= 1


def _by_chance(latest: timedelta) -> timedelta:
    """Not all at the same time."""
    soonest, usual = SOON
    return soonest + random.random() * (max(usual, latest) - soonest)  # noqa: S311  no secret
