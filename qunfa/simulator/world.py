"""The world: everything the simulator knows at one moment. It is kept in memory and ends with the process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Literal

from qunfa.simulator.accounts import Account
from qunfa.simulator.calls import Call, CallLog
from qunfa.simulator.clock import Changes, Clock
from qunfa.simulator.config import SimulatorConfig
from qunfa.simulator.jobs import ClientMsgIds, Job, JobBook, MsgIds
from qunfa.simulator.ledger import Ledger
from qunfa.simulator.materials import Material
from qunfa.simulator.plans import Fault, JobPlan, Plan, Stage
from qunfa.simulator.pushes import Courier

_log = logging.getLogger(__name__)


class World:
    """State of a simulator.

    Args:
        config: what it starts from.
        msg_ids: the series of an earlier world, to be continued.
    """

    def __init__(self, config: SimulatorConfig, msg_ids: MsgIds | None = None) -> None:
        self.config = config
        self.msg_ids = msg_ids or MsgIds()
        self.changes = Changes()
        self.clock = Clock(config.scale, config.now)
        self.accounts = {name: Account.create(name, config, self.clock) for name in config.accounts}
        self.jobs = JobBook()
        timing = config.timing
        self.clientmsgids = ClientMsgIds(self.clock.span(timing.duplicate_window), self.clock.span(timing.too_fast))
        self.ledger = Ledger()
        self.faults: Plan[Fault] = Plan(config.faults, config.seed)
        self.job_plans: Plan[JobPlan] = Plan(config.pushes, config.seed)
        self.calls = CallLog(config.call_log, self.changes)
        self.courier = Courier(config, self.clock, self.jobs, self.changes)
        self.closing = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def account_of_appid(self, appid: str) -> Account | None:
        """The account that has this appid."""
        return next((account for account in self.accounts.values() if account.config.appid == appid), None)

    def account_of_token(self, token: str) -> Account | None:
        """The account that was once given this access token."""
        return next((account for account in self.accounts.values() if token in account.tokens.issued), None)

    def take_fault(self, call: Call, stage: Stage) -> Fault | None:
        """The fault that strikes a call at that stage of its life; the call remembers it."""
        account = call.account.name if call.account else None
        fault = self.faults.take(
            lambda fault: fault.stage == stage and fault.concerns(call.path) and fault.fits(account, call.clientmsgid)
        )
        call.fault = fault.kind if fault is not None else call.fault
        return fault

    def maybe_dies_early(self, call: Call, material: Material) -> None:
        """Shorten the life of a material that a call has just made, if a fault says so."""
        fault = self.take_fault(call, "lifetime")
        if fault is not None:
            material.expires_at = self.clock.now() + (fault.seconds or 0)

    def take_job_plan(self, account: Account, clientmsgid: str | None) -> JobPlan:
        """What is planned for a job that is being accepted."""
        return self.job_plans.take(lambda plan: plan.fits(account.name, clientmsgid)) or JobPlan()

    def decide(self, account: Account, decision: Literal["confirmed", "refused"], msg_id: int | None) -> list[Job]:
        """The administrator's answer to one job, or to all that wait; returns those it was given to."""
        waiting = [
            job for job in self.jobs.of(account.name) if job.confirmation == "waiting" and msg_id in {None, job.msg_id}
        ]
        for job in waiting:
            job.confirmation = decision
            job.decided.set()
        return waiting

    async def until(self, condition: Callable[[], object], within: float | None = 10.0) -> None:
        """Wait until `condition()` is true, looking again at each change of calls, jobs and pushes.

        Raises:
            TimeoutError: it was not true within `within` real seconds.
        """
        await self.changes.until(condition, within)

    async def settled(self, within: float = 10.0) -> None:
        """Wait until every job is finished and pushed.

        Raises:
            TimeoutError: they were not within `within` real seconds.
        """
        await self.until(lambda: not self._tasks, within)

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Run something until it ends or the world does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def pause(self, seconds: float) -> None:
        """Let real seconds pass, or what is left of this world."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.closing.wait()

    def let_go(self) -> None:
        """Drop the calls that are held back."""
        self.closing.set()
        self.changes.notify()

    async def close(self) -> None:
        """Stop everything that runs; calls that are held back are dropped."""
        self.let_go()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.courier.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.changes.notify()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a job of the simulator broke off", exc_info=error)
