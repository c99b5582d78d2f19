"""A script that can be carried out twice: in the simulation, and on a real Temporal with the simulator as WeChat.

A send comes to rest again and again: it waits for a person, for a push, or for a time that is far away. What people
see of it then is a page. A cue is what happens next: a push, an answer, a loss. Between two cues each stage goes on by
itself, in the order that it happens to take. Both must come to the same page, whatever that order is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Final

from qunfa.contract.ledger import LedgerView
from qunfa.contract.operators import Status
from qunfa.contract.result import JobResult, MassSendResult

_DIGITS: Final = re.compile(r"\d+")
_EARLY: Final = re.compile("WeChat's push on msg_id")
"""A push that the account knew before the send did has no line of its own: that depends on which came first."""


@dataclass(frozen=True)
class Call:
    """What became of one call to WeChat. ``status``: of the job that it made; ``early``: pushed before the answer.

    ``errcode``: of an answer that is no acceptance; ``None`` where the answer was lost.
    """

    kind: str
    errcode: int | None
    status: str | None
    early: bool


@dataclass(frozen=True)
class Page:
    """What people see of a send: the numbers that WeChat gives are replaced by those of the jobs."""

    phase: str
    problem: str | None
    waits_for: str | None
    answers: tuple[str, ...]
    jobs: tuple[tuple[Any, ...], ...]
    previews: int
    approved_by: str | None
    paused_by: str | None
    story: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a run ends: the result, in which numbers are those of the jobs; or why it was refused, or cancelled."""

    outcome: str
    problem: str | None = None
    maybe: bool = False
    jobs: tuple[tuple[Any, ...], ...] = ()
    totals: tuple[int, ...] = ()


@dataclass
class Cue:
    """What happens at rest: ``job`` is the number of the job that it is about.

    Then: why an answer is ``refused``, what people see ``after`` it, and the ``end`` that the run has come to.
    """

    what: str
    payload: dict[str, Any] = field(default_factory=dict)
    job: int | None = None
    refusal: str | None = None
    after: Page | None = None
    end: Outcome | None = None


@dataclass(frozen=True)
class Books:
    """What is left: at WeChat, and in the account's ledger."""

    calls: int
    jobs: tuple[str, ...]
    deliveries: int
    ended_as: str | None
    problem: str | None
    records: tuple[tuple[Any, ...], ...]
    submissions: int
    others: int
    frozen: bool


@dataclass
class Script:
    """A life: its request, how WeChat is, what became of each call, each cue, and what is left."""

    seed: int
    request: dict[str, Any]
    frees: bool
    calls: list[Call] = field(default_factory=list)
    cues: list[Cue] = field(default_factory=list)
    books: Books | None = None


def difference(real: object, simulated: object) -> str:
    """Where two pages, outcomes or books differ."""
    if type(real) is not type(simulated) or not is_dataclass(real):
        return f"real: {real}; simulated: {simulated}"
    both = ((one.name, getattr(real, one.name), getattr(simulated, one.name)) for one in fields(real))
    return "\n".join(f"{name}: real: {mine}; simulated: {its}" for name, mine, its in both if mine != its)


class Names:
    """The jobs of a life by the numbers that one stage has given them, in the order in which WeChat took them."""

    def __init__(self, msg_ids: Sequence[int]) -> None:
        self._numbers = {msg_id: number for number, msg_id in enumerate(msg_ids)}

    def of(self, msg_id: int | None) -> str | None:
        """The name of a job; of nobody's job the number."""
        if msg_id is None:
            return None
        return f"job {chr(65 + self._numbers[msg_id])}" if msg_id in self._numbers else str(msg_id)

    def plain(self, text: str) -> str:
        """A sentence without numbers of jobs, times and spans."""
        named = _DIGITS.sub(lambda found: self.of(int(found[0])) or "", text)
        return _DIGITS.sub("0", named)

    def page(self, status: Status) -> Page:
        """The page of a status."""
        waiting = status.waiting_for
        return Page(
            phase=status.phase,
            problem=status.problem.name if status.problem else None,
            waits_for=self.plain(waiting.reason) if waiting else None,
            answers=status.answers,
            jobs=tuple(self._row(job) for job in status.jobs),
            previews=len(status.previews),
            approved_by=status.approval.by,
            paused_by=status.paused_by,
            story=tuple(f"{self.plain(one.what)} ({one.by})" for one in status.history if not _EARLY.match(one.what)),
        )

    def outcome(self, result: MassSendResult) -> Outcome:
        """How a run has ended."""
        counts = result.totals
        return Outcome(
            outcome=result.outcome,
            problem=result.problem.name if result.problem else None,
            maybe=result.may_have_been_delivered,
            jobs=tuple(self._row(job) for job in result.jobs),
            totals=(counts.total, counts.filter, counts.sent, counts.error) if counts else (),
        )

    def books(self, view: LedgerView, statuses: Sequence[str], calls: int, deliveries: int) -> Books:
        """What is left, with what the account knows of its one key."""
        record = next(iter(view.records), None)
        return Books(
            calls=calls,
            jobs=tuple(statuses),
            deliveries=deliveries,
            ended_as=record.ended_as if record else None,
            problem=record.problem if record else None,
            records=tuple((job.generation, self.of(job.msg_id)) for job in record.jobs) if record else (),
            submissions=sum(day.total for day in view.book.values()),
            others=sum(day.others for day in view.book.values()),
            frozen=view.frozen is not None,
        )

    def _row(self, job: JobResult) -> tuple[Any, ...]:
        return job.generation, self.of(job.msg_id), job.state, job.status, job.observed_by, job.deduplicated
