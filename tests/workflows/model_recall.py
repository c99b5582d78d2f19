"""A model of WeChat as recalls and checks see it, behind the activities' names."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from qunfa.contract import limits, recall, steps
from qunfa.contract.checks import (
    CALLBACK_CHECK,
    CHECK_STORE,
    CHECK_TOKEN,
    READ_CLOCKS,
    CallbackView,
    Clocks,
    StoreSeen,
    TokenSeen,
)
from qunfa.contract.grants import Report
from qunfa.contract.limits import Book, CallsLeft, CallsLeftStep, SendsCountedStep
from qunfa.contract.recall import DeleteStep, FindJobStep, KnownJob, LookStep, RecallCall, SentFrom, SentFromStep
from qunfa.contract.steps import TELL, AccountFacts, AccountStep, JobStatus, ResolveStep, TellStep
from tests.looking import look_again
from tests.workflows.conftest import Desk, staffed, usual_facts
from workflows.checks import CheckAccount, CheckCallback
from workflows.recall import RecallMassSend

Scripted = ApplicationError | dict[str, Any]
OPTIONS: Final[dict[str, Any]] = {
    "workflows": [RecallMassSend, CheckAccount, CheckCallback],
    "max_heartbeat_throttle_interval": timedelta(milliseconds=100),
}


@dataclass
class ModelAccount:
    """One account. `answers` are those of `mass/delete`, `statuses` those of `mass/get`; the last one stays."""

    facts: AccountFacts
    now: Callable[[], datetime]
    known: KnownJob = field(default_factory=KnownJob)
    sent_from_what: SentFrom | None = None
    """What Temporal tells of the send; nothing where it does not answer."""
    statuses: Sequence[str | ApplicationError] = field(default_factory=lambda: ["SEND_SUCCESS"])
    answers: Sequence[Scripted] = field(default_factory=lambda: [{"answer": "ok"}])
    deletes: list[tuple[datetime, DeleteStep]] = field(default_factory=list)
    looks: list[datetime] = field(default_factory=list)
    told: list[Report] = field(default_factory=list)
    ledger_fails: bool = False
    deaf: bool = False
    ahead: timedelta = timedelta()
    """How far the clock of its worker is ahead."""
    holds: str | None = None
    """The activity that does not answer."""
    holds_after: int | None = None
    """After so many calls of `mass/delete`, `mass/get` does not answer."""
    held: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    """What is held answers after all."""
    heeds: bool = True
    """Whether what is held learns that it is cancelled."""
    failures: dict[str, list[ApplicationError]] = field(default_factory=dict)
    book: Book = field(default_factory=Book)
    token: TokenSeen = field(default_factory=lambda: TokenSeen(source="stable"))
    views: list[CallbackView | ApplicationError] = field(default_factory=list)
    """What is seen of the callback each time; the last one stays."""
    viewed: int = 0

    def _fail(self, what: str) -> None:
        if failures := self.failures.get(what):
            raise failures.pop(0) if len(failures) > 1 else failures[0]

    async def _hold(self) -> None:
        kind = activity.info().activity_type
        if kind == self.holds or (kind == recall.LOOK_AT_JOB and len(self.deletes) == self.holds_after):
            self.held.set()
            while not self.let_go.is_set():
                if self.heeds:
                    activity.heartbeat()
                await look_again()

    @activity.defn(name=steps.RESOLVE_ACCOUNT)
    async def resolve_account(self, step: ResolveStep) -> AccountFacts:
        if step.account != self.facts.name:
            raise ApplicationError("no such account", type=steps.UNKNOWN_ACCOUNT, non_retryable=True)
        return self.facts

    @activity.defn(name=recall.FIND_JOB)
    async def find_job(self, step: FindJobStep) -> KnownJob:
        """What the test has set; one that is not ours has the msg_id that was asked for."""
        await self._hold()
        if self.ledger_fails:
            raise ApplicationError("the ledger is away", type=steps.LEDGER_UNAVAILABLE)
        return self.known if self.known.msg_id else KnownJob(msg_id=step.msg_id)

    @activity.defn(name=recall.SENT_FROM)
    async def sent_from(self, _step: SentFromStep) -> SentFrom:
        await self._hold()
        if self.sent_from_what is None:
            raise ApplicationError("Temporal is away", type=steps.LEDGER_UNAVAILABLE)
        return self.sent_from_what

    @activity.defn(name=recall.LOOK_AT_JOB)
    async def look_at_job(self, _step: LookStep) -> JobStatus:
        """The next status."""
        await self._hold()
        self.looks.append(self.now())
        status, *rest = self.statuses
        self.statuses = rest or [status]
        if isinstance(status, ApplicationError):
            raise status
        return JobStatus(status=status)

    @activity.defn(name=recall.DELETE_JOB)
    async def delete_job(self, step: DeleteStep) -> RecallCall:
        """The next answer; an ok makes `mass/get` say DELETE."""
        await self._hold()
        self.deletes.append((self.now(), step))
        answer, *rest = self.answers
        self.answers = rest or [answer]
        if isinstance(answer, ApplicationError):
            raise answer
        call = RecallCall.model_validate({"at": self.now() + self.ahead, **answer})
        if call.answer == "ok" and not self.deaf:
            self.statuses = ["DELETE"]
        return call

    @activity.defn(name=TELL)
    async def tell(self, step: TellStep) -> None:
        await self._hold()
        if self.ledger_fails:
            raise ApplicationError("the ledger is away", type=steps.LEDGER_UNAVAILABLE)
        self.told.append(step.report)

    @activity.defn(name=limits.CALLS_LEFT)
    async def calls_left(self, step: CallsLeftStep) -> CallsLeft:
        self._fail(step.cgi_path)
        return CallsLeft(cgi_path=step.cgi_path, daily_limit=100, used=1, remain=99)

    @activity.defn(name=limits.SENDS_COUNTED)
    async def sends_counted(self, _step: SendsCountedStep) -> Book:
        self._fail("book")
        return self.book

    @activity.defn(name=CHECK_TOKEN)
    async def check_token(self, _step: AccountStep) -> TokenSeen:
        self._fail("token")
        return self.token

    @activity.defn(name=READ_CLOCKS)
    async def read_clocks(self, _step: AccountStep) -> Clocks:
        self._fail("clocks")
        return Clocks(ahead_of_temporal=0.5, ahead_of_wechat=0.5)

    @activity.defn(name=CHECK_STORE)
    async def check_store(self, _step: AccountStep) -> StoreSeen:
        self._fail("store")
        return StoreSeen(uri="file:/srv/qunfa")

    @activity.defn(name=CALLBACK_CHECK)
    async def callback_check(self, _step: AccountStep) -> CallbackView:
        self.viewed += 1
        view = self.views.pop(0) if len(self.views) > 1 else self.views[0]
        if isinstance(view, ApplicationError):
            raise view
        return view

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """To be registered at a worker."""
        return [
            self.resolve_account,
            self.find_job,
            self.sent_from,
            self.look_at_job,
            self.delete_job,
            self.tell,
            self.calls_left,
            self.sends_counted,
            self.check_token,
            self.read_clocks,
            self.check_store,
            self.callback_check,
        ]


@asynccontextmanager
async def recalling(env: WorkflowEnvironment) -> AsyncIterator[tuple[Desk, ModelAccount]]:
    facts = usual_facts()
    account = ModelAccount(facts, _now)
    desk, worker = staffed(env, facts, **{**OPTIONS, "activities": account.activities})
    async with worker():
        yield desk, account


@asynccontextmanager
async def recalling_apart(env: WorkflowEnvironment) -> AsyncIterator[tuple[Desk, ModelAccount, Callable[[], Worker]]]:
    """A worker for the account's activities, and on demand one for its workflows: what happens without it waits."""
    facts = usual_facts()
    account = ModelAccount(facts, _now)
    desk, worker = staffed(env, facts, **OPTIONS)
    local = {"activities": [account.resolve_account], "no_remote_activities": True}
    async with worker(workflows=[], activities=account.activities):
        yield desk, account, lambda: worker(max_cached_workflows=0, **local)


def _now() -> datetime:
    return activity.info().started_time
