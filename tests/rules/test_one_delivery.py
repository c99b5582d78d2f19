"""One key through everything that can happen to it: lost answers, lost workers, lost workflows, a lost ledger."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qunfa.contract.event import Counts, JobFinished
from qunfa.contract.job import NOT_DELIVERED, Answer, Job, Verdict
from qunfa.contract.ledger import AccountState, Ask, Claim, Lease, Reserve, Told
from qunfa.contract.result import Outcome
from qunfa.contract.steps import Timing
from qunfa.rules import leases, ledger, submission
from qunfa.rules.clientmsgid import clientmsgid
from qunfa.rules.course import (
    Jobs,
    Over,
    Renew,
    course,
    earlier_end,
    may_have_been_delivered,
    merge,
    with_job,
    with_push,
)
from qunfa.rules.outcome import bad_end
from qunfa.rules.problems import PROBLEMS
from qunfa.rules.stragglers import may_straggle, shares_clientmsgid, sharing
from qunfa.rules.submission import Conditions, Submit, after_try, begin_try, collide, lost_try, take_up
from tests.rules.arbitrary import NOON

KEY, DIGEST, WORKFLOW = "spring", "d", "mass-send:demo:spring"
MEMORY = timedelta(hours=24)
TIMING = Timing()
DEFINITE = (45028, 45040, 48001, 40007, 40001, 42010, 46007, 40003)
FATES = ("delivered", "delivered unheard", "refused", "judged", "judged unheard", "busy", "slow", "not written")
LOSSES_MAX = 3
NEGATIVE = ("err(30001)", "err(30003)", "err(40002)", "send fail")


class Try:
    """A submission under way: the job as its run knew it, and the run, while that waits for the answer."""

    def __init__(self, job: Job, lease: Lease, run: int, written_before: datetime) -> None:
        self.job, self.lease, self.run, self.written_before = job, lease, run, written_before


class OneKey(RuleBasedStateMachine):
    """A model of WeChat, of Temporal's histories and of the operator, around the rules."""

    @initialize(
        not_after=st.none() | st.integers(1, 3 * 1440).map(lambda minutes: NOON + timedelta(minutes=minutes)),
        quota=st.sampled_from(["wait", "ask"]),
        hours=st.none() | st.just(("08:00", "22:00")),
        frees=st.booleans(),
    )
    def begin(self, not_after: datetime | None, quota: Any, hours: tuple[str, str] | None, frees: bool) -> None:
        """A new account, and nothing sent yet. `frees`: a job that failed sets its clientmsgid free."""
        self.frees = frees
        self.now = NOON
        self.conditions = Conditions(timing=TIMING, quota=quota, send_hours=hours, not_after=not_after)
        self.state = AccountState(appid="wx", since=NOON)
        self.jobs: Jobs | None = None
        self.history: Jobs = ()
        self.open: list[Try] = []
        self.notes: list[Told] = []
        self.run = 0
        self.behind = False
        self.accepted: dict[int, tuple[str, datetime, str]] = {}
        self.slow: list[tuple[str, str]] = []
        self.deliveries = 0
        self.ids: dict[int, str] = {}
        self.losses = 0

    # What a run of the send does

    def idle(self) -> bool:
        """Whether there is a run that does not wait for the answer of a try."""
        return self.jobs is not None and all(one.run != self.run for one in self.open)

    @precondition(lambda self: self.jobs is None)
    @rule()
    def start(self) -> None:
        """A run begins: it claims the key, and goes on from what the ledger or Temporal's histories know."""
        self.run += 1
        self.behind = False
        self.jobs = (self._generation(0),)
        self._claim()

    @precondition(lambda self: self.idle())
    @rule(times=st.integers(1, 3))
    def go_on(self, times: int) -> None:
        """Some steps of the run."""
        for _ in range(times):
            if self.idle():
                self.step()

    def step(self) -> None:
        """The next step of the run, as far as it needs nobody else."""
        jobs = self._jobs()
        step = course(jobs, self.now, self.conditions)
        if jobs[-1].ever_unknown and jobs[-1].msg_id is None and jobs[-1].verdict is None:
            assert isinstance(step, Submit | Renew) or step in (
                submission.Ask("unknown_outcome"),
                submission.Ask("clientmsgid_collision"),
            )
        match step:
            case Submit(at=at):
                assert self.conditions.not_after is None or at < self.conditions.not_after
                self.now = max(self.now, at)
                self._reserve(jobs)
            case Over(outcome=outcome):
                self._end(outcome)
            case submission.Expire():
                self._end(bad_end(jobs, "expired", straggler=may_straggle(jobs)))
            case Renew():
                self._remember(with_job(jobs, self._generation(jobs[-1].generation + 1)))
            case _:
                pass

    def _reserve(self, jobs: Jobs) -> None:
        job = jobs[-1]
        ask = Ask(
            index=0,
            generation=job.generation,
            attempt=job.attempts + 1,
            clientmsgid=job.clientmsgid,
            ever_unknown=job.ever_unknown,
            pace=TIMING.pace,
            http_timeout=TIMING.http_timeout,
            holder=str(self.run),
        )
        self.state, answer = leases.reserve(self.state, Reserve(key=KEY, digest=DIGEST, ask=ask), self.now)
        if answer.kind == "unclaimed":
            self._claim()
        elif answer.record is not None:
            self._remember(merge(jobs, answer.record.jobs))
            self.behind = False
            assert self._jobs() != jobs, "the same record again: the send would ask for ever"
        elif answer.kind == "wait":
            self.now = max(self.now, answer.until or self.now)
        elif answer.lease is not None:
            self.behind = False
            self._remember(with_job(jobs, begin_try(job, answer.lease.attempt)))
            end = submission.write_end(job, self.conditions)
            last = min(filter(None, (answer.lease.valid_until, end)))
            self.open.append(Try(self._jobs()[-1], answer.lease, self.run, last))

    def give_up_waiting(self) -> None:
        """No verdict came in time."""
        jobs = self._jobs()
        if jobs[-1].msg_id is not None and jobs[-1].verdict is None:
            self._remember(with_job(jobs, jobs[-1].model_copy(update={"gave_up": True})))

    # What happens to a try

    @precondition(lambda self: self.open)
    @rule(pick=st.integers(0, 3), heard=st.booleans(), errcode=st.sampled_from(DEFINITE), fate=st.sampled_from(FATES))
    def fly(self, pick: int, heard: bool, errcode: int, fate: str) -> None:
        """The worker writes, or not; WeChat takes it, or not; the answer comes back, or not."""
        one = self.open.pop(pick % len(self.open))
        self.now = max(self.now, one.lease.not_before)
        if self.now >= one.written_before or fate == "not written":
            answer = Answer(kind="not_written", at=self.now, at_once=self.now >= one.written_before)
        else:
            answer = self._wechat(one.job, errcode, fate)
        note = Told(
            key=KEY, digest=DIGEST, workflow_id=WORKFLOW, generation=one.job.generation, attempt=one.lease.attempt
        )
        self._answered(one, answer if heard else None)
        self.notes.append(note.model_copy(update={"answer": answer}))

    def lose_the_worker(self) -> None:
        """Temporal tells the run that its worker is gone, while the worker may still write."""
        one = next(one for one in self.open if one.run == self.run)
        self._answered(one, None)
        one.run = -1

    def _wechat(self, job: Job, errcode: int, fate: str) -> Answer:
        ours = self._blocking(job.clientmsgid)
        if ours and fate in {"delivered", "judged"}:
            return Answer(kind="duplicate", at=self.now, errcode=45065, msg_id=ours[0])
        if ours or fate == "refused":
            return Answer(kind="refused", at=self.now, errcode=errcode)
        if fate == "slow":
            self.slow.append((job.clientmsgid, "send success" if errcode % 2 else NEGATIVE[errcode % 4]))
        elif fate != "busy":
            status = "send success" if fate.startswith("delivered") else NEGATIVE[errcode % 4]
            msg_id = self._accept(job.clientmsgid, status)
            if "unheard" not in fate:
                return Answer(kind="accepted", at=self.now, msg_id=msg_id)
        silent = fate == "slow" or (fate.endswith("unheard") and errcode % 4 != 0)
        return Answer(kind="unknown", at=self.now, errcode=None if silent else -1)

    def _blocking(self, clientmsgid: str) -> list[int]:
        """The jobs that keep WeChat from taking another one under the same clientmsgid."""
        return [
            msg_id
            for msg_id, (identity, at, status) in self.accepted.items()
            if identity == clientmsgid and self.now - at < MEMORY and (status == "send success" or not self.frees)
        ]

    def _accept(self, clientmsgid: str, status: str) -> int:
        msg_id = 100 + len(self.accepted)
        self.accepted[msg_id] = (clientmsgid, self.now, status)
        self.deliveries += status == "send success"
        return msg_id

    @precondition(lambda self: self.slow)
    @rule(pick=st.integers(0, 3))
    def arrive(self, pick: int) -> None:
        """A call that was slow on its way, and that nobody waits for any more, is carried out."""
        clientmsgid, status = self.slow.pop(pick % len(self.slow))
        if not self._blocking(clientmsgid):
            self._accept(clientmsgid, status)

    def _answered(self, one: Try, answer: Answer | None) -> None:
        """What the run makes of it; a run that is gone leaves an unanswered try in its history."""
        lost = lost_try(one.job, one.lease.attempt, self.now, one.lease.not_before, "lost")
        job = after_try(one.job, one.lease.attempt, answer, one.lease.not_before) if answer else lost
        if self.jobs is None or one.run != self.run:
            self.history = merge(self.history, (lost if answer is None else job,))
            return
        if job.deduplicated and any(
            old.msg_id == job.msg_id for old in self._jobs() if old.generation != job.generation
        ):
            job = collide(job)
        known = next(old for old in self._jobs() if old.generation == job.generation)
        self._remember(with_job(self._jobs(), merge((known,), (job,))[0] if known.msg_id else job))

    # What the ledger hears

    @precondition(lambda self: self.notes)
    @rule(newest=st.sampled_from([1, 1, 2, 3]))
    def told(self, newest: int) -> None:
        """The note of a try, at any time, any number of times."""
        self.state, forwards = ledger.told(self.state, self.notes[-min(newest, len(self.notes))], self.now)
        self._forwarded(forwards)

    def tell_job(self) -> None:
        """The run tells the ledger what it knows."""
        note = Told(key=KEY, digest=DIGEST, workflow_id=WORKFLOW, job=self._jobs()[-1])
        self.state, forwards = ledger.told(self.state, note, self.now)
        self._forwarded(forwards)

    @precondition(lambda self: self.accepted)
    @rule(pick=st.integers(0, 9))
    def push(self, pick: int) -> None:
        """WeChat's push on one of its jobs, at any time, any number of times."""
        msg_id = sorted(self.accepted)[pick % len(self.accepted)]
        status = self.accepted[msg_id][2]
        counts = Counts(total=9, filter=9, sent=9) if status == "send success" else Counts()
        event = JobFinished(msg_id=msg_id, status=status, counts=counts)
        self.state, forwards = ledger.push(self.state, event, self.now)
        self._forwarded(forwards)

    def _forwarded(self, forwards: tuple[ledger.Forward, ...]) -> None:
        for forward in forwards:
            if self.jobs is not None:
                self._remember(with_push(self.jobs, forward.event) or self.jobs)

    # Losses, and time

    @precondition(lambda self: self.losses < LOSSES_MAX)
    @rule(what=st.sampled_from(["run", "reset", "ledger", "worker", "worker"]))
    def lose(self, what: str) -> None:
        """Some of what can be lost; not so often that nothing ever happens."""
        self.losses += 1
        if what == "ledger":
            self.lose_the_ledger()
        elif what == "worker" and self.jobs is not None and not self.idle():
            self.lose_the_worker()
        elif what == "run" and self.jobs is not None:
            self.terminate()
        elif what == "reset" and self.jobs is not None:
            self.reset()

    def terminate(self) -> None:
        """The run is gone; tries under way go on, and its history stays."""
        self.history = merge(self.history, self._jobs())
        self.jobs = None

    def reset(self) -> None:
        """The run is reset to its very beginning: another run, which has forgotten everything."""
        self.terminate()
        self.run += 1
        self.jobs = (self._generation(0),)
        self.behind = True

    def lose_the_ledger(self) -> None:
        """The account's workflow is terminated; a new one begins empty."""
        self.state = AccountState(appid="wx", since=self.now)

    @rule(seconds=st.sampled_from([60, 150, 6 * 3600, 24 * 3600]))
    def wait(self, seconds: int) -> None:
        """Time passes. A try does not outlive its activity, which Temporal ends after some minutes."""
        self.now += timedelta(seconds=seconds)

    # What an operator does

    @precondition(lambda self: self.idle())
    @rule(what=st.sampled_from(["tell", "wait no longer", "retry", "retry", "retry surely", "retry surely", "abort"]))
    def operate(self, what: str) -> None:
        """And what the run does by itself while nothing else happens."""
        if what == "tell":
            self.tell_job()
        elif what == "wait no longer":
            self.give_up_waiting()
        elif what == "abort":
            self.abort()
        elif not self.behind:
            self.retry(sure=what == "retry surely")

    def retry(self, sure: bool) -> None:
        """Retry where it fits; "not delivered" only where that is so, and no try is under way."""
        jobs = self._jobs()
        asked = course(jobs, self.now, self.conditions)
        if not isinstance(asked, submission.Ask) or "retry" not in PROBLEMS[asked.problem].answers:
            return
        job = jobs[-1]
        if not PROBLEMS[asked.problem].new_generation:
            self._remember(with_job(jobs, take_up(job)))
            return
        if asked.problem == "unknown_outcome":
            out = any(identity == job.clientmsgid for identity, _, _ in self.accepted.values())
            if out or self.open or self.slow or not sure:
                return
            job = job.model_copy(update={"verdict": Verdict(status=NOT_DELIVERED, observed_by="operator")})
            jobs = with_job(jobs, job)
            note = Told(key=KEY, digest=DIGEST, workflow_id=WORKFLOW, job=job)
            self.state, _ = ledger.told(self.state, note, self.now)
        if job.msg_id is not None and self.accepted[job.msg_id][2] == "send success":
            return
        if job.generation < 4:
            number = job.generation + 1
            self._remember(
                with_job(jobs, sharing(jobs, number) if shares_clientmsgid(jobs) else self._generation(number))
            )

    def abort(self) -> None:
        """End it, where an operator is asked or nothing can have been delivered."""
        jobs = self._jobs()
        asked = isinstance(course(jobs, self.now, self.conditions), submission.Ask)
        if asked or not may_have_been_delivered(jobs):
            self._end(bad_end(jobs, "aborted", straggler=may_straggle(jobs)))

    # The promises

    @invariant()
    def at_most_one_delivery(self) -> None:
        """Promise 1."""
        assert getattr(self, "deliveries", 0) <= 1

    @invariant()
    def one_id_a_generation(self) -> None:
        """Every try of a generation has the same clientmsgid."""
        for one in getattr(self, "open", ()):
            assert self.ids.setdefault(one.job.generation, one.job.clientmsgid) == one.job.clientmsgid

    def _end(self, outcome: Outcome) -> None:
        jobs = self._jobs()
        if not self.behind:
            if outcome in {"failed", "aborted", "expired"}:
                assert not may_have_been_delivered(jobs)
                assert self.deliveries == 0, f"{outcome}, and yet it was delivered"
                assert all(self._blocking(one) for one, _ in self.slow), f"{outcome}, and yet it may be delivered"
                assert not any(one.run != self.run and one.written_before > self.now for one in self.open)
            if outcome in {"sent", "sent_nobody", "deleted"}:
                assert self.deliveries == 1, f"{outcome}, and yet nothing was delivered"
        self.terminate()
        note = Told(key=KEY, digest=DIGEST, workflow_id=WORKFLOW, ended_as=outcome)
        self.state, _ = ledger.told(self.state, note, self.now)

    def _claim(self) -> None:
        claim = Claim(key=KEY, digest=DIGEST, workflow_id=WORKFLOW)
        self.state = leases.expire(self.state, self.now)
        self.state, answer = ledger.claim(self.state, claim, self.now)
        if answer.kind == "miss":
            searched = claim.model_copy(update={"searched": True, "found": self._searched()})
            self.state, answer = ledger.claim(self.state, searched, self.now)
        assert answer.record is not None
        self._remember(merge(self._jobs(), answer.record.jobs))
        end = earlier_end(answer.record)
        if end is not None and end.delivered:
            self._end("sent")
        elif end is not None:
            assert self.deliveries == 0 or may_straggle(answer.record.jobs)
            self.terminate()

    def _searched(self) -> Jobs:
        """What the histories of earlier runs tell: a try under way there has no answer."""
        found = self.history
        for one in self.open:
            if one.run != self.run:
                found = merge(
                    found, (lost_try(one.job, one.lease.attempt, self.now, one.lease.not_before, "no answer"),)
                )
        return found

    def _generation(self, generation: int) -> Job:
        return Job(generation=generation, clientmsgid=clientmsgid("default", "wx", KEY, 0, generation))

    def _jobs(self) -> Jobs:
        assert self.jobs is not None
        return self.jobs

    def _remember(self, jobs: Jobs) -> None:
        if self.jobs is not None:
            for before in self.jobs:
                after = next(job for job in jobs if job.generation == before.generation)
                assert after.ever_unknown or not before.ever_unknown
                assert after.attempts >= before.attempts
        self.jobs = jobs


TestOneKey: Callable[..., Any] = OneKey.TestCase
TestOneKey.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)  # type: ignore[attr-defined]  # hypothesis reads it off the class
