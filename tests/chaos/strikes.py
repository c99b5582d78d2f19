"""What is done to processes and accounts while sends are under way."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import PauseActivityRequest, UnpauseActivityRequest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from qunfa.contract import account_id
from qunfa.contract.steps import SUBMIT
from qunfa.simulator import basics
from tests import database
from tests.chaos.account import Account
from tests.chaos.plan import FORGETS, RESTORE_AMONG, Strike, StrikeKind, strikes
from tests.chaos.restore import SNAPSHOT, Restore
from tests.chaos.stage import DATABASE, RPC, WECHAT_REMEMBERS_SECONDS, Stage, set_clock, temporal_answers, updated

_AGAIN_SECONDS: Final = 0.25
_OVER_BETWEEN: Final = 2
_RECOVERY_MAX_SECONDS: Final = 15.0
_KILLED: Final[tuple[StrikeKind, ...]] = ("worker", "receiver", "temporal")
"""Of each of these at least one process is killed in every run."""
_KILL_TRIES: Final = 10
_FORGOTTEN: Final = 5
_FORGETTING_MAX_SECONDS: Final = 120.0
_SUBMITTING: Final = 'ExecutionStatus = "Running" AND MassSendPhase = "submitting"'


class Striker:
    """Carries out the strikes of the plan at their times, and counts the kills."""

    def __init__(
        self,
        stage: Stage,
        began: float,
        progress: Callable[[], int],
        revive: Callable[[], Awaitable[None]],
        *,
        told: bool = True,
    ) -> None:
        """``revive``: has every upstream start again what is forgotten. ``told``: accounts are told of a restore."""
        self._stage = stage
        self._began = began
        self._progress = progress
        self._revive = revive
        self._told = told
        self._restoring = asyncio.Lock()
        self.kills: Counter[str] = Counter()

    async def work(self, enough: asyncio.Event) -> None:
        """One strike after the other until it is enough; returns when the last one is over.

        On a machine that is too slow for their times all of them come later. What was not killed until then is killed
        at the end.
        """
        await self._in_time(enough)
        for kind in _KILLED:
            for _ in range(_KILL_TRIES):
                if self.kills[kind]:
                    break
                await self._strike(Strike(0.0, kind, seconds=1.0))
                await asyncio.sleep(_AGAIN_SECONDS)
        if not self._stage.lapses and len(self._stage.plan.sends) >= RESTORE_AMONG:
            await self._strike(Strike(0.0, "restore", seconds=min(FORGETS)))

    async def _in_time(self, enough: asyncio.Event) -> None:
        begins, seen = self._began, 0
        async with asyncio.TaskGroup() as tasks:
            for strike in strikes(self._stage.plan.seed):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(begins + strike.at - time.monotonic()):
                        await enough.wait()
                        return
                async with self._restoring:
                    pass  # nothing else is struck meanwhile
                begins += await self._recovered(seen, enough)
                seen = self._progress()
                tasks.create_task(self._strike(strike))

    async def _recovered(self, seen: int, enough: asyncio.Event) -> float:
        """How long it took until some sends were over since the strike before; at most some seconds."""
        began = time.monotonic()
        while True:
            waited = time.monotonic() - began
            if self._progress() >= seen + _OVER_BETWEEN or waited > _RECOVERY_MAX_SECONDS or enough.is_set():
                return waited
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _strike(self, strike: Strike) -> None:
        stage = self._stage
        worker = stage.workers[strike.target % len(stage.workers)]
        match strike.kind:
            case "worker" if worker.kill(strike.seconds):
                self._count("worker", f"SIGKILL of {worker.name}")
            case "receiver" if stage.receiver.kill(strike.seconds):
                self._count("receiver", "SIGKILL of the receiver")
            case "temporal" if await self._temporal_is_up() and stage.temporal.kill(strike.seconds):
                self._count("temporal", "SIGKILL of Temporal")
            case "stop":
                self._note(f"SIGSTOP of {worker.name}")
                await worker.hold(strike.seconds)
                self._note(f"SIGCONT of {worker.name}")
            case "freeze" | "pause" | "restore":
                by_people = {"freeze": self._freeze, "pause": self._pause, "restore": self._restore}
                await by_people[strike.kind](strike)
            case "token":
                world = stage.sim.world
                account = list(world.accounts.values())[strike.target % len(world.accounts)]
                basics.force_token(account, world.config.tokens, world.clock.now())
                self._note(f"the access token of {account.name} dies")
            case "clock":
                await self._put_off(1 + strike.target % (len(stage.workers) - 1), strike)
            case "flood" | "account terminated" | "account reset" | "stranger":
                await self._at_account(strike)
            case _:
                pass  # it is down already

    async def _restore(self, strike: Strike) -> None:
        """A snapshot of Temporal's database is taken, and put back later; the operator does what the guide says."""
        stage = self._stage
        taken = time.time()
        await asyncio.to_thread(database.copied, stage.folder / DATABASE, stage.folder / SNAPSHOT)
        self._note("a snapshot of Temporal's database is taken")
        await asyncio.sleep(strike.seconds)
        if strike.seconds > WECHAT_REMEMBERS_SECONDS:
            await self._wechat_forgets(taken)
        async with self._restoring:
            await Restore(stage, taken, self._note, told=self._told).carried_out(self._revive)

    async def _wechat_forgets(self, since: float) -> None:
        """Until WeChat has forgotten the clientmsgids of some that were delivered since, however slow all is."""
        until = time.monotonic() + _FORGETTING_MAX_SECONDS
        while time.monotonic() < until:
            old = time.time() - WECHAT_REMEMBERS_SECONDS
            jobs = [job for job in self._stage.sim.world.jobs if since < job.accepted_at < old]
            if sum(job.received is not None for job in jobs) >= _FORGOTTEN:
                return
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _at_account(self, strike: Strike) -> None:
        """What befalls the workflow of an account; nothing where Temporal does not take it.

        One that was told of a restore is not terminated: that would go with it.
        """
        if strike.kind == "account terminated" and self._stage.lapses:
            return
        names = list(self._stage.plan.accounts)
        name = names[strike.target % len(names)]
        account = Account(self._stage.client, self._stage.plan.accounts[name]["appid"])
        acts = {
            "flood": account.flood,
            "account terminated": account.terminate,
            "account reset": account.reset,
            "stranger": account.start_strangely,
        }
        try:
            await acts[strike.kind]()
        except RPCError:
            return
        finally:
            if strike.kind in {"account terminated", "account reset"}:
                self._stage.lost_at[name] = time.time()
            if strike.kind == "flood":
                self._stage.flooded_at[name] = time.time()
        self._note(f"{strike.kind}: {name}")

    async def _put_off(self, number: int, strike: Strike) -> None:
        """The clock of a worker goes wrong by up to a second or two, and is put right again."""
        worker, seconds = self._stage.workers[number], round(Random(strike.target).uniform(-2, 2), 2)  # noqa: S311
        worker.held_until = time.time() + strike.seconds
        set_clock(self._stage.folder, number, seconds)
        self._note(f"the clock of {worker.name} is wrong by {seconds} s")
        await asyncio.sleep(strike.seconds)
        set_clock(self._stage.folder, number, 0.0)
        worker.held_until = time.time()
        self._note(f"the clock of {worker.name} is right again")

    async def _pause(self, strike: Strike) -> None:
        """An operator pauses a try that is under way, in Temporal's UI, and lets it go on."""
        client = self._stage.client
        with contextlib.suppress(RPCError):
            trying = [run.id async for run in client.list_workflows(_SUBMITTING, rpc_timeout=RPC)]
            if not trying:
                return
            execution = WorkflowExecution(workflow_id=trying[strike.target % len(trying)])
            pause = PauseActivityRequest(namespace=client.namespace, execution=execution, type=SUBMIT)
            await client.workflow_service.pause_activity(pause, timeout=RPC)
            self._note(f"a try of {execution.workflow_id} is paused")
            await asyncio.sleep(strike.seconds)
            unpause = UnpauseActivityRequest(namespace=client.namespace, execution=execution, type=SUBMIT)
            await self._unpause(unpause)
            self._note(f"a try of {execution.workflow_id} goes on")

    async def _unpause(self, request: UnpauseActivityRequest) -> None:
        """Again and again while Temporal does not answer; it may be over already."""
        while True:
            try:
                await self._stage.client.workflow_service.unpause_activity(request, timeout=RPC)
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def _temporal_is_up(self) -> bool:
        """Whether it answers, now or soon: one that has not come back yet is not killed again."""
        until = time.monotonic() + _RECOVERY_MAX_SECONDS
        while True:
            answers = await temporal_answers(self._stage.client)
            if answers or time.monotonic() > until:
                return answers
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _freeze(self, strike: Strike) -> None:
        name = list(self._stage.plan.accounts)[strike.target % len(self._stage.plan.accounts)]
        handle = self._stage.client.get_workflow_handle(account_id(self._stage.plan.accounts[name]["appid"]))
        if not await self._known(handle):
            return
        if not await updated(handle, "freeze", {"by": "li", "reason": "wait a moment"}):
            self._note(f"{name} frozen")
            await asyncio.sleep(strike.seconds)
        while True:
            if not await updated(handle, "unfreeze", {"by": "li"}):
                break
            await asyncio.sleep(_AGAIN_SECONDS)
        self._note(f"{name} unfrozen")

    async def _known(self, handle: WorkflowHandle[Any, Any]) -> bool:
        """Whether the account has had a send, so that there is something to freeze, as far as Temporal answers."""
        try:
            await handle.describe(rpc_timeout=RPC)
        except RPCError:
            return False
        return True

    def _count(self, kind: str, what: str) -> None:
        self.kills[kind] += 1
        self._note(what)

    def _note(self, what: str) -> None:
        self._stage.strikes.append((time.time(), what))
