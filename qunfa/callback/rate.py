"""How much of something there may be in a second."""

import time


class Rate:
    """Allows so many a second. What was left unused may come at once, up to `at_once`, which is one or more."""

    def __init__(self, per_second: float, at_once: float) -> None:
        self._per_second = per_second
        self._most = self._left = max(1.0, at_once)
        self._at = time.monotonic()

    def take(self) -> bool:
        """Takes one, if there is one left now."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """What was taken has not been used."""
        self._left = min(self._most, self._left + 1)
