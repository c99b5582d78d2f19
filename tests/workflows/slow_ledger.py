"""A ledger between whose answer and its workflow something can happen."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from temporalio import activity

from activities.ledger import Ledger
from qunfa.contract import steps
from qunfa.contract.ledger import ClaimAnswer, LeaseAnswer, Owner, PreviewsLeft
from qunfa.contract.steps import ClaimStep, Known, KnownStep, OwnerStep, ReserveStep, TakePreviewStep

Between = Callable[[Any], Awaitable[None]]


class NoEarlierRuns:
    """The time-skipping server cannot list workflows."""

    async def find(self, workflow_id: str, current_run_id: str) -> Sequence[Any]:
        """None."""
        return ()


class SlowLedger(Ledger):
    """Awaits what the test has put between an activity's answer and its completion."""

    before_claim: Between | None = None
    says: Literal["full", "reused"] | None = None
    after_reserve: Between | None = None
    before_owner: Between | None = None
    before_preview: Between | None = None
    before_known: Between | None = None

    @activity.defn(name=steps.CLAIM)
    async def claim(self, step: ClaimStep) -> ClaimAnswer:
        """The real answer, after something else; or what the test says: no room, or a key of other content."""
        if self.before_claim:
            await self.before_claim(step)
        return ClaimAnswer(kind=self.says) if self.says else await super().claim(step)

    @activity.defn(name=steps.RESERVE)
    async def reserve(self, step: ReserveStep) -> LeaseAnswer:
        """The real answer, later."""
        answer = await super().reserve(step)
        if self.after_reserve:
            await self.after_reserve((step, answer))
        return answer

    @activity.defn(name=steps.OWNER_OF)
    async def owner_of(self, step: OwnerStep) -> Owner:
        """The real answer, after something else."""
        if self.before_owner:
            await self.before_owner(step)
        return await super().owner_of(step)

    @activity.defn(name=steps.KNOWN)
    async def known(self, step: KnownStep) -> Known:
        """The real answer, after something else."""
        if self.before_known:
            await self.before_known(step)
        return await super().known(step)

    @activity.defn(name=steps.TAKE_PREVIEW)
    async def take_preview(self, step: TakePreviewStep) -> PreviewsLeft:
        """The real answer, after something else."""
        if self.before_preview:
            await self.before_preview(step)
        return await super().take_preview(step)
