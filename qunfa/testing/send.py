"""One send of a :class:`~qunfa.testing.FakeQunfa`: it is carried out at once, unless it waits for a person."""

from dataclasses import replace
from datetime import UTC, datetime

from qunfa.contract.operators import Approval, Phase, Progress, Status, StoryLine, WaitingFor
from qunfa.contract.result import COMPLETES, MassSendResult, Outcome
from qunfa.rules.problems import PROBLEMS, WINNER_NOT_CHOSEN
from qunfa.testing.fate import DOUBTS, MISSING, NO_NO, UNKNOWN, Fate, totals_of


class FakeSend(Fate):
    """A send that goes on as it is answered."""

    def follow(self, before: Fate) -> None:
        """Know what its key has done before. A late one submits nothing: it ends as that has ended, or may have."""
        if self.refused or (self.is_late and not before.may_have_been_delivered):
            return
        if self.is_late and not before.is_final:
            self.msg_id = before.msg_id
            self.end("unknown", before.told)
            return
        self.in_doubt = before.outcome == "unknown"
        self.is_unanswered = before.is_unanswered or (self.in_doubt and before.jobs[0].state == "unknown")
        self.looked_for = before.looked_for
        if before.is_final:
            self.msg_id, self.ending, self.again = before.msg_id, before.ending, True
            self.winner = before.winner
        elif self.in_doubt:  # the same submission goes out once more, and may be delivered now
            self.msg_id = before.msg_id
        elif self.looked_for and before.told:
            self.ending = replace(self.ending, asks=before.told)

    def go_on(self) -> None:
        """Be carried out, unless something holds it back. What WeChat has accepted before needs no new approval."""
        if self.outcome is not None:
            return
        is_awaited = self.in_doubt and not (self.is_unanswered or self.batches)
        held = self.paused_by or ((self.is_undecided or self.is_planned) and not is_awaited)
        if self.is_late and not self.again:
            self.end("expired")
        elif self.again or not held:
            self._ask_or_end()
        else:
            self.asks = None

    def _ask_or_end(self) -> None:
        problem = None if self.again or self.answered else self.ending.asks
        rest = self.plan is not None and any(group.name == "rest" for group in self.plan.groups)
        if problem is None and rest and not (self.again or self.winner) and self.ending.outcome in COMPLETES:
            problem = WINNER_NOT_CHOSEN
        if problem is not None and problem == self.ending.asks and self.request and self.request.on_problem == "fail":
            self.ending = replace(self.ending, outcome="unknown" if problem in DOUBTS else "failed", problem=problem)
            problem = None
        self.asks = problem
        if problem is None:
            self.end(self.ending.outcome, self.ending.problem)

    def settle(self, outcome: Outcome) -> None:
        """Have ended so, now and whenever the key comes again."""
        self.ending = replace(self.ending, outcome=outcome, problem=None)
        self.end(outcome)

    def give_up(self, *, confirmed: bool) -> None:
        """End by an abort; ``confirmed``: somebody has seen that nothing was delivered."""
        asks = self.asks
        if asks == WINNER_NOT_CHOSEN:
            self.settle("partly_sent")
        elif asks in DOUBTS and confirmed:
            self.in_doubt, self.looked_for = False, asks
            self.end("aborted", MISSING)
        else:
            self.in_doubt = (self.in_doubt or asks in DOUBTS) and not confirmed
            self.end("aborted", asks)

    def end(self, outcome: Outcome, problem: str | None = None) -> None:
        """Have ended so; a doubt ends by WeChat's yes, or by its no to what it had accepted where all was answered."""
        if problem == MISSING:
            self.looked_for = self.looked_for or MISSING
        is_no = outcome == "failed" or (outcome == "aborted" and problem is not None)
        if is_no and problem not in NO_NO and self.looked_for is None:
            self.has_failed, self.ending = True, replace(self.ending, outcome="failed", problem=problem)
        if self.in_doubt and outcome not in COMPLETES and (self.is_unanswered or not self.has_failed):
            outcome = "unknown"
            problem = problem if self.has_failed or problem in DOUBTS else UNKNOWN
        self.outcome, self.asks = outcome, None
        self.told = problem or (UNKNOWN if outcome == "unknown" else None)
        self.tell(f"ended as {outcome}")
        self.over.set()

    def tell(self, what: str, by: str | None = None, reason: str | None = None) -> None:
        """One more line of its story."""
        self.history.append(StoryLine(at=datetime.now(UTC), what=what, by=by, reason=reason))

    def result(self) -> MassSendResult:
        """How it has ended."""
        if self.outcome is None:
            raise RuntimeError("it has not ended")
        jobs = self.jobs
        return MassSendResult(
            outcome=self.outcome,
            may_have_been_delivered=self.may_have_been_delivered,
            account=self.account,
            key=self.key,
            problem=self.problem,
            jobs=jobs,
            totals=totals_of(jobs),
        )

    def status(self) -> Status:
        """Where it stands; a job that was never tried has a row here, and none in a result."""
        repeats = self.in_doubt and not self.batches
        untried = () if self.batches or self.refused else (self._without_answer("unknown" if repeats else "new"),)
        jobs = self.jobs or untried
        phase: Phase = "done"
        if self.outcome is None and not self.refused:
            held: Phase = "awaiting_approval" if self.is_undecided else "scheduled"
            phase = "needs_operator" if self.asks else "paused" if self.paused_by else held
        decide = ("approve", "reject") if self.is_undecided else ()
        moves = () if repeats else ("resume" if self.paused_by else "pause", "reschedule")
        answers = PROBLEMS[self.asks].answers if self.asks else (*decide, *moves, "abort")
        return Status(
            phase=phase,
            problem=self.problem,
            answers=answers if phase != "done" else (),
            jobs=jobs,
            progress=self._progress(),
            waiting_for=self._waiting_for.get(phase),
            approval=Approval(required=self.needs_approval, by=self.approved_by),
            paused_by=self.paused_by,
            send_at=self.time,
            history=tuple(self.history),
            updated_at=datetime.now(UTC),
        )

    @property
    def _waiting_for(self) -> dict[Phase, WaitingFor]:
        of_time = WaitingFor(reason="send_at", until=self.time)
        return {"awaiting_approval": WaitingFor(reason="approval"), "scheduled": of_time}

    def _progress(self) -> Progress:
        jobs, sizes = self.jobs, self.batches
        totals = totals_of(jobs)
        return Progress(
            jobs=len(sizes) or 1,
            accepted=sum(job.msg_id is not None for job in jobs),
            done=sum(job.state != "accepted" if sizes else job.observed_by is not None for job in jobs),
            followers=totals.sent if totals else None,
            openids=sum(sizes) or None,
        )
