"""One time that is waited for: its timer stays while the time does, since each costs events."""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from qunfa.printable import printable


class Alarm:
    """Rings at a time, once it is set."""

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._timer: asyncio.Task[None] | None = None

    @property
    def rang(self) -> bool:
        """Whether the time has come that it was set to."""
        return self._timer is not None and self._timer.done()

    def set(self, at: datetime | None, why: str = "") -> None:
        """Ring at this time, or not at all; where it was set to it already, its timer goes on."""
        if at == self._at and not self.rang:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        left = max(at - workflow.now(), timedelta(0)) if at else None
        self._timer = None if left is None else asyncio.create_task(workflow.sleep(left, summary=printable(why)))
