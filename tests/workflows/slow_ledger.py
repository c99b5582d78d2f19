"""A ledger between whose answer and its workflow something can happen."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

from temporalio import activity

from activities.earlier_runs import Found, VisibleRuns
from activities.ledger import Ledger
from qunfa.contract import steps
from qunfa.contract.facts import Known
from qunfa.contract.grants import Granted, Waits, Wish
from qunfa.contract.ledger import PreviewsLeft
from qunfa.contract.steps import LookUpStep, Remembered, TakePreviewStep, Wished, WishStep

Between = Callable[[Any], Awaitable[None]]


class NoEarlierRuns(VisibleRuns):
    """The time-skipping server cannot list workflows."""

    async def find(self, workflow_id: str, current_run_id: str, appid: str | None) -> Found:
        return Found(known=Known(), digests=(), ended=None)

    async def came_up(self, workflow_id: str) -> datetime | None:
        return None


class SlowLedger(Ledger):
    """Awaits what the test has put between an activity's answer and its completion."""

    before_wish: Between | None = None
    says: Literal["full", "reused", "nothing"] | None = None
    before_preview: Between | None = None
    after_preview: Between | None = None
    before_look: Between | None = None

    @activity.defn(name=steps.WISH)
    async def wish(self, step: WishStep) -> Wished:
        """The real wish, after something; or what the test says: no room, other content, nothing."""
        if self.before_wish:
            await self.before_wish(step)
        if self.says:
            await self._answer(step.wish)
            return Wished()
        return await super().wish(step)

    async def _answer(self, wish: Wish) -> None:
        run = self._client.get_workflow_handle(wish.workflow_id, run_id=wish.run_id)
        if self.says == "nothing":
            return
        if self.says == "reused":
            await run.signal("granted", Granted(wish=wish.wish, answer="reused"))
        else:
            await run.signal("granted", Granted(wish=wish.wish, answer="known", waits=Waits(why="full")))

    @activity.defn(name=steps.LOOK_UP)
    async def look_up(self, step: LookUpStep) -> Remembered:
        if self.before_look:
            await self.before_look(step)
        return await super().look_up(step)

    @activity.defn(name=steps.TAKE_PREVIEW)
    async def take_preview(self, step: TakePreviewStep) -> PreviewsLeft:
        if self.before_preview:
            await self.before_preview(step)
        left = await super().take_preview(step)
        if self.after_preview:
            await self.after_preview(step)
        return left
