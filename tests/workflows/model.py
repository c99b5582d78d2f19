"""A model of WeChat of a few lines, behind the activities' names, which a test scripts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from qunfa.contract import ACCOUNT, JobFinished, account_id, steps
from qunfa.contract.prospect import COUNT_FOLLOWERS, Followers
from qunfa.contract.result import Answer, Counts
from qunfa.contract.steps import (
    SUBMIT,
    AccountFacts,
    AccountStep,
    AudienceFinding,
    AudienceStep,
    JobStatus,
    JobStatusStep,
    ResolveStep,
    SubmitStep,
)

Scripted = Callable[["ModelWechat", SubmitStep], Answer]
_ASKED_AGAIN: Final = timedelta(minutes=10)
_BENIGN: Final = ApplicationErrorCategory.BENIGN


@dataclass
class ModelWechat:
    """Accepts a clientmsgid once; what it answers, if anything, is scripted by the test."""

    client: Client
    facts: AccountFacts
    now: Callable[[], datetime]
    task_queue: str
    script: list[Scripted] = field(default_factory=list)
    tries: list[SubmitStep] = field(default_factory=list)
    accepted: dict[str, int] = field(default_factory=dict)
    statuses: dict[int, str] = field(default_factory=dict)
    tags: dict[int, AudienceFinding] = field(default_factory=dict)
    push_at_once: str | None = "send success"
    late: bool = False
    after_write: Callable[[], Awaitable[None]] | None = None
    tags_fail: bool = False
    followers: int | None = 23_000
    statuses_fail: bool = False
    misconfigured: bool = False
    refuses_status: int = 40059
    before_status: Callable[[], Awaitable[object]] | None = None

    def accept(self, step: SubmitStep) -> int:
        """The msg_id of the job that the step makes, or made before."""
        clientmsgid, generation = step.lease.clientmsgid, step.lease.generation
        return self.accepted.setdefault(clientmsgid, 3_000_000_000 + int(clientmsgid[:6], 16) + generation)

    def answered(self, kind: str, **more: object) -> Answer:
        return Answer.model_validate({"kind": kind, "at": self.now(), **more})

    async def push(self, msg_id: int, status: str = "send success", sent: int = 97) -> None:
        """Push a verdict to the account, as the receiver does."""
        counts = Counts(total=100, filter=98, sent=sent, error=1) if status == "send success" else Counts()
        if status != "send success":
            self.statuses.setdefault(msg_id, "SEND_FAIL")
        event = JobFinished(msg_id=msg_id, status=status, counts=counts, check_state=1)
        await self.signal("push", event)

    async def signal(self, name: str, payload: object) -> None:
        """Signal the account, which is started where there is none."""
        await self.client.start_workflow(
            ACCOUNT,
            id=account_id(self.facts.appid),
            task_queue=self.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=name,
            start_signal_args=[payload],
        )

    @activity.defn(name=steps.RESOLVE_ACCOUNT)
    async def resolve_account(self, step: ResolveStep) -> AccountFacts:
        if step.account != self.facts.name:
            msg = f'no account "{step.account}" is configured'
            raise ApplicationError(msg, type=steps.UNKNOWN_ACCOUNT, non_retryable=True)
        if self.misconfigured:
            raise ApplicationError("no facts", type="Odd", non_retryable=True)
        return self.facts

    @activity.defn(name=SUBMIT)
    async def submit(self, step: SubmitStep) -> Answer:
        """One try, in its lease. A try that a run had begun which was reset is refused, as a worker does."""
        if step.lease.holder != activity.info().workflow_run_id:
            raise ApplicationError("another run had begun it", type=steps.TRIED_BEFORE, non_retryable=True)
        if self.now() >= step.write_before or self.late:
            self.late = False
            answer = self.answered("not_written", at_once=True, detail="its lease had run out")
            await self.tell(step, answer)
            return answer
        self.tries.append(step)
        scripted = self.script.pop(0) if self.script else accepts
        answer = scripted(self, step)
        if self.after_write:
            await self.after_write()
        if answer.told:
            await self.tell(step, answer)
        if answer.msg_id and self.push_at_once:
            await self.push(answer.msg_id, self.push_at_once)
        return answer

    async def tell(self, step: SubmitStep, answer: Answer) -> None:
        await self.signal("told", step.report(answer))

    @activity.defn(name=steps.JOB_STATUS)
    async def job_status(self, step: JobStatusStep) -> JobStatus:
        """What the job's status is set to."""
        if self.before_status:
            await self.before_status()
        if self.statuses_fail:
            msg = "WeChat is busy"
            # As if its time were over: with a retry, even one that comes too late, the time-skipping server now and
            # then leaves the activity to no worker.
            raise ApplicationError(msg, type=steps.WECHAT_UNAVAILABLE, non_retryable=True)
        return self.status_of(step.msg_id)

    @activity.defn(name=steps.AWAIT_VERDICT)
    async def await_verdict(self, step: JobStatusStep) -> JobStatus:
        said = self.status_of(step.msg_id)
        if said.status not in {None, "SENDING"}:
            return said
        if step.until and self.now() >= step.until:
            return JobStatus()
        raise ApplicationError("not yet", type=steps.NOT_DECIDED, next_retry_delay=_ASKED_AGAIN, category=_BENIGN)

    def status_of(self, msg_id: int) -> JobStatus:
        status = self.statuses.get(msg_id)
        return JobStatus(status=status) if status else JobStatus(errcode=self.refuses_status, errmsg="no")

    @activity.defn(name=steps.CHECK_AUDIENCE)
    async def check_audience(self, step: AudienceStep) -> AudienceFinding:
        if self.tags_fail:
            msg = "WeChat is busy"
            raise ApplicationError(msg, type=steps.WECHAT_UNAVAILABLE)
        return self.tags.get(step.tag_id, AudienceFinding(found=False))

    @activity.defn(name=COUNT_FOLLOWERS)
    async def count_followers(self, step: AccountStep) -> Followers:
        if self.followers is None:
            msg = "WeChat is busy"
            raise ApplicationError(msg, type=steps.WECHAT_UNAVAILABLE)
        return Followers(total=self.followers)


def accepts(wechat: ModelWechat, step: SubmitStep) -> Answer:
    """Accept; a repeated clientmsgid is 45065 with the first job's msg_id."""
    known = step.lease.clientmsgid in wechat.accepted
    return wechat.answered("duplicate" if known else "accepted", msg_id=wechat.accept(step))


def loses(wechat: ModelWechat, step: SubmitStep) -> Answer:
    wechat.accept(step)
    return wechat.answered("unknown", detail="ReadTimeout")


def silent(wechat: ModelWechat, _step: SubmitStep) -> Answer:
    return wechat.answered("unknown", detail="ReadTimeout")


def says(errcode: int, kind: str = "refused") -> Scripted:
    return lambda wechat, _step: wechat.answered(kind, errcode=errcode, errmsg=f"says {errcode}", rid="1-2-3")


def untold(scripted: Scripted) -> Scripted:
    return lambda wechat, step: scripted(wechat, step).model_copy(update={"told": False})


def dies(wechat: ModelWechat, step: SubmitStep) -> Answer:
    """Accept, and die with the worker before anybody is told."""
    wechat.accept(step)
    msg = "the worker died"
    raise ApplicationError(msg, type="WorkerDied")
