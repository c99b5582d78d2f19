"""One send of a :class:`~qunfa.testing.FakeQunfa`: it is carried out at once, unless it waits for a person."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from qunfa.contract.operators import Approval, Phase, Progress, Status, StoryLine, WaitingFor
from qunfa.contract.result import COMPLETES, NOT_DELIVERED, MassSendResult, Outcome
from qunfa.rules.problems import BATCH_FAILED, PROBLEMS, WINNER_NOT_CHOSEN
from qunfa.testing.fate import DOUBTS, MISSING, NO_NO, NO_VERDICT, UNKNOWN, Fate

_ANSWERS: Final = ("retry", "mark_sent", "approve", "reject", "resume", "choose", "pause", "reschedule", "abort")
"""In the order in which a status names them."""


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
        self.earlier, self.generation = before.earlier, before.generation
        if before.is_final:
            self.msg_id, self.ending, self.again = before.msg_id, before.ending, True
            self.winner, self.found_as = before.winner, before.found_as
            self.has_failed, self.is_let_go = before.has_failed, before.is_let_go
            return
        if self.in_doubt:  # the same submission goes out once more, and may be delivered now
            self.msg_id = before.msg_id
        if self.looked_for and before.told and (before.told == MISSING or not self.in_doubt):
            self.ending = replace(self.ending, asks=before.told)

    def go_on(self) -> None:
        """Be carried out, unless something holds it back. What WeChat has accepted before needs no new approval."""
        if self.outcome is not None:
            return
        is_awaited = self.in_doubt and not (self.is_unanswered or self.batches)
        is_to_choose = self.is_tested and not self.winner
        waits = self.is_undecided or (self.is_planned and not is_to_choose)
        held = self.paused_by or (waits and not is_awaited)
        if self.is_late and not self.again:
            self.end("expired")
        elif (self.again and not self.fails_anew) or not held:
            self._ask_or_end()
        else:
            self.asks = None

    def _ask_or_end(self) -> None:
        problem = None if self.again or self.answered else self.ending.asks
        if problem is not None and self._asks_nobody:
            self._fail(problem)
            problem = None
        if self.fails_anew:
            problem = BATCH_FAILED
        elif problem is None and self.has_rest and not (self.again or self.winner) and self.ending.outcome in COMPLETES:
            problem, self.is_tested = WINNER_NOT_CHOSEN, True
        self.asks = problem
        if problem is None:
            self.end(self.ending.outcome, self.ending.problem)

    @property
    def _asks_nobody(self) -> bool:
        asked = self.request
        goes_on = bool(self.batches) and asked is not None and asked.on_batch_problem == "continue"
        return goes_on or (asked is not None and asked.on_problem == "fail")

    def _fail(self, problem: str) -> None:
        """Have the send end badly, or the first batch of a list whose others go out all the same."""
        outcome: Outcome = "unknown" if problem in DOUBTS else "failed"
        if len(self.batches) > 1 and self.request is not None and self.request.on_batch_problem == "continue":
            outcome, self.is_let_go = "partly_sent", True
        self.ending = replace(self.ending, outcome=outcome, problem=problem)

    def resume(self) -> None:
        """Lift a pause; or send the other batches of a list whose first one has failed."""
        if self.asks == BATCH_FAILED:
            self.is_let_go = True
            outcome: Outcome = "partly_sent" if len(self.batches) > 1 else "failed"
            self.ending = replace(self.ending, outcome=outcome)
        self.paused_by = None

    def try_again(self, *, confirmed: bool) -> None:
        """Be submitted once more, where nothing was delivered; else WeChat is asked again."""
        asks, self.answered = self.asks, True
        if asks == NO_VERDICT:
            self.found_as = self.msg_id
        elif asks is not None and PROBLEMS[asks].new_generation:
            said = {"state": "failed", "status": NOT_DELIVERED, "observed_by": "operator"} if confirmed else {}
            self.earlier = (*self.earlier, *(one.model_copy(update=said) for one in self.rows))
            self.msg_id, self.generation = self.spare, self.generation + 1
        if confirmed:
            self.in_doubt, self.looked_for = False, asks

    def be_found(self, msg_id: int) -> None:
        """Have been sent as this one."""
        self.answered, self.found_as = True, msg_id
        self.ending = replace(self.ending, outcome="sent", problem=None)

    def give_up(self, *, confirmed: bool) -> None:
        """End by an abort; ``confirmed``: somebody has seen that nothing was delivered."""
        asks = self.asks
        if self.is_tested:
            self.winner, self.ending = None, replace(self.ending, outcome="partly_sent", problem=None)
            self.end("partly_sent")
        elif self.fails_anew:
            self.end("aborted" if len(self.batches) > 1 else "failed", self.ending.problem)
        elif asks in DOUBTS and confirmed:
            # Of what WeChat has accepted, its word is asked for once more; and it has none.
            self.in_doubt, self.looked_for = asks == NO_VERDICT, asks
            self.end("aborted", MISSING)
        else:
            is_settled = confirmed and self.looked_for != NO_VERDICT
            self.in_doubt = (self.in_doubt or asks in DOUBTS) and not is_settled
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
            problem = problem if self.has_failed or problem in {*DOUBTS, MISSING} else UNKNOWN
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
        return MassSendResult(
            outcome=self.outcome,
            may_have_been_delivered=self.may_have_been_delivered,
            account=self.account,
            key=self.key,
            problem=self.problem,
            jobs=self.jobs,
            totals=self.totals,
        )

    def status(self) -> Status:
        """Where it stands; a job that was never tried has a row here, and none in a result."""
        repeats = self.in_doubt and not self.batches
        untried = () if self.batches or self.refused else (self._without_answer("unknown" if repeats else "new"),)
        is_of_batch = bool(self.batches) and self.asks not in {None, WINNER_NOT_CHOSEN}
        phase = self._phase
        return Status(
            phase=phase,
            problem=self.problem,
            batch=1 if is_of_batch else None,
            answers=tuple(one for one in _ANSWERS if one in self._fitting) if phase != "done" else (),
            jobs=self.jobs or untried,
            progress=self._progress(),
            waiting_for=self._waiting_for.get(phase),
            approval=Approval(required=self.needs_approval, by=self.approved_by),
            paused_by=self.paused_by,
            send_at=self.time,
            history=tuple(self.history),
            updated_at=datetime.now(UTC),
        )

    @property
    def _phase(self) -> Phase:
        if self.outcome is not None or self.refused:
            return "done"
        if self.asks:
            return "needs_operator"
        if self.paused_by:
            return "paused"
        return "awaiting_approval" if self.is_undecided else "scheduled"

    @property
    def _fitting(self) -> set[str]:
        if self.asks == BATCH_FAILED:
            return {"resume", "abort"}
        if self.asks not in {None, WINNER_NOT_CHOSEN}:
            return set(PROBLEMS[self.asks].answers)
        fitting = {"abort"}
        if self.is_undecided:
            fitting |= {"approve", "reject"}
        if self.is_tested and not self.winner:
            fitting.add("choose")
        if not self.in_doubt or self.batches:
            fitting |= {"resume" if self.paused_by else "pause", "reschedule"}
        return fitting

    @property
    def _waiting_for(self) -> dict[Phase, WaitingFor]:
        of_time = WaitingFor(reason="send_at", until=self.time)
        return {"awaiting_approval": WaitingFor(reason="approval"), "scheduled": of_time}

    def _progress(self) -> Progress:
        sizes, totals = self.batches, self.totals
        newest = {job.index: job for job in self.jobs}.values()
        return Progress(
            jobs=len(sizes) or 1,
            accepted=sum(job.msg_id is not None for job in newest),
            done=sum(bool(sizes) or job.observed_by is not None for job in newest),
            followers=totals.sent if totals else None,
            openids=sum(sizes) or None,
        )
