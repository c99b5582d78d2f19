"""The world: everything the simulator knows at one moment. It is kept in memory and ends with the process.

Calls are logged. Tokens and secrets are never part of the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from starlette.datastructures import QueryParams

from qunfa.simulator.accounts import Account
from qunfa.simulator.clock import Changes, Clock
from qunfa.simulator.config import SimulatorConfig
from qunfa.simulator.content import Material
from qunfa.simulator.errors import Refusal
from qunfa.simulator.jobs import ClientMsgIds, Job, JobBook, MsgIds
from qunfa.simulator.ledger import Ledger
from qunfa.simulator.plans import Fault, JobPlan, Plan, Stage
from qunfa.simulator.pushes import Courier
from qunfa.simulator.uploads import Upload

_log = logging.getLogger(__name__)
Answer = dict[str, object]
"""The JSON object of an answer."""

# An escape of a character outside ASCII whose backslash is not itself escaped.
_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\u(?!00[0-7])[0-9a-fA-F]{4}")


@dataclass(eq=False)
class Call:
    """One HTTP call.

    Attributes:
        query: the query parameters; with the access token, so not for the log.
        raw: the body as it came.
        received: bytes of an upload that have come so far.
        file: of an upload, or why there is none.
        account: whose call it is, as far as token or appid tell.
        clientmsgid: the body's, if it has one.
        errcode: what was answered; None if no answer was (or will be) given.
        fault: the kind of fault that struck.
        job: the job that was accepted.
        answered: whether the call is over.
    """

    time: float
    path: str
    method: str
    query: QueryParams = field(repr=False)
    raw: bytes = field(repr=False)
    client: str
    received: int = 0
    file: Upload | Refusal | None = field(default=None, repr=False)
    account: Account | None = None
    clientmsgid: str | None = None
    errcode: int | None = None
    fault: str | None = None
    job: Job | None = None
    answered: bool = False

    def peek(self, name: str) -> str | None:
        """A text of the JSON body, if it is one and has it; half a surrogate pair becomes a question mark."""
        value = self._parsed.get(name) if isinstance(self._parsed, dict) else None
        return value.encode(errors="replace").decode() if isinstance(value, str) else None

    def json(self) -> dict[str, object]:
        """The body.

        Raises:
            Refusal: 44002 it is empty, 47001 it is no JSON object in UTF-8, 47002 it has Unicode escapes.
        """
        if not self.raw.strip():
            raise Refusal(44002)
        if not isinstance(self._parsed, dict):
            raise Refusal(47001)
        if _ESCAPED.search(self.raw):
            raise Refusal(47002)
        return self._parsed

    def upload(self) -> Upload:
        """The file of a multipart form.

        Raises:
            Refusal: 41005 there is none, 44001 it is empty, 45001 it is too big for anything.
        """
        if isinstance(self.file, Refusal):
            raise self.file
        if self.file is None:
            raise Refusal(41005)
        if not self.file.size:
            raise Refusal(44001)
        return self.file

    @cached_property
    def _parsed(self) -> object:
        try:
            return json.loads(self.raw.decode())
        except ValueError:
            return None

    @property
    def owner(self) -> Account:
        """The account, of a call whose token was accepted."""
        if self.account is None:
            raise Refusal(40001)
        return self.account

    def close(self) -> None:
        """The call is over, answered or not: the token and the body are forgotten."""
        self.answered = True
        self.query, self.raw, self.file = QueryParams(), b"", None
        self.__dict__.pop("_parsed", None)
        if self.job is not None:
            self.job.open = False


class CallLog:
    """The latest calls, oldest first."""

    def __init__(self, size: int, changes: Changes) -> None:
        self._calls: deque[Call] = deque(maxlen=size)
        self._changes = changes

    def open(self, call: Call) -> None:
        """Enter a call that has just come in."""
        self._calls.append(call)
        self._changes.notify()

    def close(self, call: Call) -> None:
        call.close()
        self._changes.notify()

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls)

    def __len__(self) -> int:
        return len(self._calls)


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
