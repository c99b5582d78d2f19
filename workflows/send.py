"""One send in the memory of its workflow: what it knows, what it shows, and how it waits."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.event import JobFinished
    from qunfa.contract.ids import MSG_IDS_SEARCHABLE
    from qunfa.contract.job import Job
    from qunfa.contract.ledger import LeaseAnswer
    from qunfa.contract.notice import WantedNotice
    from qunfa.contract.request import MassSendRequest
    from qunfa.contract.result import MassSendResult, Outcome, Problem
    from qunfa.contract.status import Approval, Phase, Progress, Status, StoryLine, WaitingFor
    from qunfa.printable import printable
    from qunfa.rules import outcome
    from qunfa.rules.course import Jobs, Over, Renew, course, may_have_been_delivered
    from qunfa.rules.problems import ABORT, PROBLEMS
    from qunfa.rules.stragglers import may_straggle
    from qunfa.rules.submission import Ask, Step
    from workflows.notices import Notices
    from workflows.send_page import send_page
    from workflows.send_state import SendState

_KEYS: Final[dict[str, SearchAttributeKey[Any]]] = {
    "account": SearchAttributeKey.for_keyword("MassSendAccount"),
    "phase": SearchAttributeKey.for_keyword("MassSendPhase"),
    "msgtype": SearchAttributeKey.for_keyword("MassSendMsgType"),
    "problem": SearchAttributeKey.for_keyword("MassSendProblem"),
    "msg_ids": SearchAttributeKey.for_keyword_list("MassSendMsgId"),
}


_STRAGGLERS: Final = "a-try-without-an-answer-may-straggle"


@dataclass(frozen=True, slots=True)
class Stop:
    """An operator's ``abort`` or ``reject``."""

    by: str
    reason: str
    outcome: Outcome = "aborted"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a send ends."""

    outcome: Outcome
    problem: Problem | None = None


def bad_end(jobs: Jobs, otherwise: Outcome) -> Outcome:
    """``otherwise``, or ``unknown`` where something may have been delivered, or may still be."""
    return outcome.bad_end(jobs, otherwise, straggler=may_straggle(jobs) and workflow.patched(_STRAGGLERS))


class Send:
    """A send under way. ``state`` is ``None`` until the key is claimed.

    ``before``: what the key has done before, where the send ends without claiming it.
    """

    def __init__(self) -> None:
        self.request: MassSendRequest | None = None
        self._state: SendState | None = None
        self.before: tuple[Job, ...] = ()
        self.phase: Phase = "preparing"
        self.problem: Problem | None = None
        self.waiting_for: WaitingFor | None = None
        self.in_flight = False
        self.answering = asyncio.Lock()
        self.stop: Stop | None = None
        self.cancelled: str | None = None
        self.first_lease: LeaseAnswer | None = None
        self.was_reset = False
        self.closing = False
        self.heard_more = False
        self.ended: MassSendResult | None = None
        self.asks = 0
        self._early_pushes: list[JobFinished] = []
        self._early_lines: list[StoryLine] = []
        self._shown: dict[str, object] = {}
        self.wants: tuple[WantedNotice, ...] = ()
        self.notices = Notices(self.say)
        self.updated_at = workflow.now()

    @property
    def state(self) -> SendState:
        """What the send knows; only after the key was claimed."""
        if self._state is None:
            msg = "the key is not claimed yet"
            raise RuntimeError(msg)
        return self._state

    @state.setter
    def state(self, state: SendState) -> None:
        lines, self._early_lines = self._early_lines, []
        for line in lines:
            state = state.with_line(line)
        pushes, self._early_pushes = self._early_pushes, []
        for event in pushes:
            state = state.with_event(event)
        self._state = state

    @property
    def claimed(self) -> bool:
        """Whether the key is claimed."""
        return self._state is not None

    @property
    def asked(self) -> MassSendRequest:
        """The request; only after it was found valid."""
        if self.request is None:
            msg = "the request is not read yet"
            raise RuntimeError(msg)
        return self.request

    def course(self, at: datetime | None = None) -> Step | Renew | Over:
        """What comes next: now, or as of another time."""
        if self.state.obstacle and not self.may_have_been_delivered():
            return Ask(self.state.obstacle.name)
        return course(self.state.jobs, at or workflow.now(), self.state.conditions(self.asked))

    def may_have_been_delivered(self) -> bool:
        """Whether a try is under way or something may have been delivered."""
        return self.in_flight or (self.claimed and may_have_been_delivered(self.state.jobs))

    def stopping(self) -> bool:
        """Whether the send is to end now: aborted, or cancelled while nothing can have been delivered."""
        return self.stop is not None or (self.cancelled is not None and not self.may_have_been_delivered())

    def say(self, what: str, by: str | None = None, reason: str | None = None) -> None:
        """Add a line to the story."""
        line = StoryLine(at=workflow.now(), what=what, by=by, reason=reason)
        if self._state is None:
            self._early_lines.append(line)
        else:
            self._state = self._state.with_line(line)
        self.show()

    def take_push(self, event: JobFinished) -> None:
        """Take a push: on one of our jobs, or kept until its msg_id is one of ours."""
        if self._state is None:
            self._early_pushes.append(event)
            return
        before = self._state.jobs
        self._state = self._state.with_event(event)
        if self._state.jobs != before:
            self.say(f"WeChat's push on msg_id {event.msg_id}: {event.status}")
        elif self.phase == "needs_operator" and all(job.msg_id != event.msg_id for job in before):
            # The ledger sends on what is ours: it knows of a try that this run has no answer of.
            self.heard_more = True

    def enter(self, phase: Phase, problem: Problem | None = None) -> None:
        """Go over to ``phase``."""
        self.phase, self.problem = phase, problem
        self.show()

    async def wait(self, reason: str, until: datetime | None, wake: Callable[[], bool]) -> bool:
        """Wait until ``wake()``, a stop, a reset, or ``until``; false where the time ran out first."""
        if wake() or self._disturbed():
            return True
        self.waiting_for = WaitingFor(reason=reason, until=until)
        self.show()
        timeout = max(until - workflow.now(), timedelta(0)) if until else None
        try:
            await workflow.wait_condition(
                lambda: wake() or self._disturbed(), timeout=timeout, timeout_summary=printable(reason)
            )
        except TimeoutError:
            return False
        finally:
            self.waiting_for = None
        return True

    def _disturbed(self) -> bool:
        return self.stopping() or self.was_reset

    @contextmanager
    def waiting(self, reason: str) -> Iterator[None]:
        """Show what an activity waits for that must not be left alone."""
        self.waiting_for = WaitingFor(reason=reason)
        self.show()
        try:
            yield
        finally:
            self.waiting_for = None

    def status(self) -> Status:
        """Where the send stands."""
        state = self._state
        jobs = state.jobs if state else ()
        totals = outcome.totals(jobs)
        return Status(
            phase=self.phase,
            problem=self.problem,
            answers=self.answers(),
            jobs=tuple(outcome.job_result(job, jobs) for job in jobs),
            progress=Progress(
                accepted=int(bool(jobs) and jobs[-1].msg_id is not None),
                done=int(bool(jobs) and jobs[-1].verdict is not None),
                followers=totals.sent if totals else None,
            ),
            waiting_for=self.waiting_for,
            previews=state.previews if state else (),
            approval=state.approval if state else Approval(),
            paused_by=state.paused.by if state and state.paused else None,
            send_at=state.send_at if state else None,
            history=state.story if state else tuple(self._early_lines),
            updated_at=self.updated_at,
        )

    def answers(self) -> tuple[str, ...]:
        """The updates that fit now."""
        if self.phase == "done" or self.stop or self.closing:
            return ()
        if self.phase == "needs_operator" and self.problem:
            return PROBLEMS[self.problem.name].answers
        if self.may_have_been_delivered():
            return ()
        return (*self._holding_answers(), ABORT)

    def _holding_answers(self) -> tuple[str, ...]:
        """What may hold the send back, or let it go."""
        if not self.claimed:
            return ()
        approval, paused = self.state.approval, self.state.paused is not None
        asked = approval.required and approval.by is None and bool(approval.shows)
        decide = ("approve", "reject") if asked and self.phase in {"awaiting_approval", "paused"} else ()
        later = () if self.state.current.answer is not None else ("reschedule",)
        return (*decide, "resume" if paused else "pause", *later)

    def result(self, ending: Ending) -> MassSendResult:
        """The result of a send that ends so."""
        jobs = self._state.jobs if self._state else self.before
        return outcome.result(self.asked, jobs, ending.outcome, ending.problem)

    def show(self) -> None:
        """Bring the workflow's page and search attributes up to date."""
        self.updated_at = workflow.now()
        workflow.set_current_details(send_page(self.request, self.status(), self.ended))
        self._index()

    def _index(self) -> None:
        if self.request is None:
            return
        jobs = self._state.jobs if self._state else ()
        msg_ids = [str(job.msg_id) for job in jobs if job.msg_id is not None][-MSG_IDS_SEARCHABLE:]
        wanted: dict[str, object] = {
            "account": self.request.account,
            "phase": self.phase,
            "msgtype": self.request.message.msgtype,
            "problem": self.problem.name if self.problem else None,
            "msg_ids": msg_ids or None,
        }
        if wanted == self._shown:
            return
        updates: list[SearchAttributeUpdate[Any]] = []
        for name, value in wanted.items():
            if value != self._shown.get(name):
                key = _KEYS[name]
                updates.append(key.value_unset() if value is None else key.value_set(value))
        self._shown = wanted
        workflow.upsert_search_attributes(updates)
