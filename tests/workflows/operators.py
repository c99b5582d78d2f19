"""The operators of a send: truthful people, who may answer at any time and at once."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any, Final

from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from qunfa.contract.ledger import FreezeAnswer
from qunfa.contract.operators import Status
from tests.looking import PATIENCE
from tests.workflows.runs import KEY, RIVAL, Runs
from tests.workflows.scripts import JUMPS, Event
from tests.workflows.truth import Fate, Taken

MOMENTS_AHEAD: Final = tuple(timedelta(seconds=seconds) for seconds in (0, 0.5, 1, 2))
_PLAIN: Final[dict[str, tuple[tuple[str, dict[str, Any]], ...]]] = {
    "abort": (("abort", {}),),
    "retry": (("retry", {}),),
    "retry ignoring": (("retry", {"send_ignore_reprint": True}),),
    "two retries": (("retry", {}), ("retry", {})),
    "both": (("retry", {}), ("abort", {})),
    **{name: ((name, {}),) for name in ("approve", "reject", "pause", "resume")},
}
"""Updates that are sent at once, whatever the send asks."""


class Operators:
    """They look into WeChat's console before they say that something is there, or is not."""

    def __init__(self, runs: Runs, story: list[str], retries_max: int) -> None:
        self._runs, self._wechat, self._story = runs, runs.wechat, story
        self._frozen = False
        self._retries, self._retries_max = 0, retries_max
        self._answering: set[asyncio.Task[Any]] = set()
        runs.on_loss.append(self._stop)

    async def answer(self, event: Event) -> None:
        """One answer, whether it fits or not."""
        if event.what in _PLAIN:
            await asyncio.gather(*(self.update(name, **payload) for name, payload in _PLAIN[event.what]))
            return
        match event.what:
            case "retry surely":
                await self._confirm()
            case "mark right":
                if found := self._in_the_console(await self._runs.status()):
                    await self.update("mark_sent", msg_id=found.msg_id)
            case "mark wrong":
                wrong = [999, *(job.msg_id for job in self._wechat.of(RIVAL))]
                assert not await self.update("mark_sent", msg_id=wrong[event.pick % len(wrong)])
            case "reschedule":
                spans = JUMPS if self._runs.env.supports_time_skipping else MOMENTS_AHEAD
                later = await self._wechat.clock() + spans[event.pick]
                await self.update("reschedule", reason=None, send_at=later.isoformat())
            case "freeze":
                self._frozen = True
                await self._switch("freeze", by="li", reason="wrong text")
            case "unfreeze":
                await self.unfreeze()
            case what:
                raise AssertionError(what)

    async def decide(self, status: Status) -> None:
        """Answer what the send asks as the table allows, and let WeChat be itself again."""
        if status.phase != "needs_operator":
            await self.update({"awaiting_approval": "approve", "paused": "resume"}[status.phase])
            return
        self._wechat.rest = Fate()
        self._retries += 1
        name = status.problem.name if status.problem else None
        while name == "unknown_outcome" and self._wechat.slow:  # they look late enough for it to have arrived
            await self._wechat.arrive(0)
        found = self._in_the_console(status)
        if name in {"unknown_outcome", "clientmsgid_collision"} and found:
            await self.update("mark_sent", msg_id=found.msg_id)
        elif name == "unknown_outcome":
            await self._confirm()
        elif name == "reprint_needs_decision":
            await self.update("retry", send_ignore_reprint=True)
        elif "retry" in status.answers and self._retries <= self._retries_max:
            await self.update("retry")
        else:
            await self.update("abort")

    async def unfreeze(self) -> None:
        """Unfreeze the account where somebody froze it."""
        if self._frozen:
            self._frozen = False
            await self._switch("unfreeze", by="li")

    async def update(self, name: str, **payload: Any) -> bool:
        """Send an update; whether it was carried out. A refusal must say why."""
        update_id, asked = uuid.uuid4().hex, {"by": "li", "reason": "looked", **payload}
        asked = {field: value for field, value in asked.items() if value is not None}
        while await self._runs.open():
            handle = self._runs.handle
            task = asyncio.ensure_future(handle.execute_update(name, asked, id=update_id, result_type=Status))
            self._answering.add(task)
            await asyncio.wait({task}, timeout=PATIENCE)
            self._answering.discard(task)
            if task.cancelled():
                return False
            match task.exception() if task.done() else TimeoutError(f"{name} was not answered"):
                case None:
                    return True
                case WorkflowUpdateFailedError(cause=cause):
                    assert " " in str(cause), f"{name} was refused without a sentence: {cause}"
                    self._story.append(f"  {name} refused: {cause}")
                    return False
                case WorkflowUpdateRPCTimeoutOrCancelledError(__cause__=asyncio.CancelledError()):
                    return False
                case RPCError(status=RPCStatusCode.NOT_FOUND):
                    # The time-skipping server now and then forgets an update that it has just carried out.
                    continue
                case error:
                    raise error
        return False

    async def _confirm(self) -> None:
        """``confirm_not_delivered``, where that is true: nothing is in the console, and nothing is on its way."""
        status = await self._runs.status()
        if not (self._wechat.flying or self._wechat.slow or self._in_the_console(status)):
            await self.update("retry", confirm_not_delivered=True)

    def _in_the_console(self, status: Status) -> Taken | None:
        """A job of this send that WeChat has and the send does not know."""
        known = {job.msg_id for job in status.jobs}
        return next((job for job in self._wechat.of(KEY) if job.msg_id not in known), None)

    async def _switch(self, name: str, **payload: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self._runs.is_open(self._runs.account):
                try:
                    await self._runs.account.execute_update(name, payload, result_type=FreezeAnswer)
                except RPCError as error:
                    if error.status != RPCStatusCode.NOT_FOUND:
                        raise
                else:
                    return

    def _stop(self) -> None:
        """The run that they were answering is gone, and an update of it may never be answered."""
        for task in self._answering:
            task.cancel()
