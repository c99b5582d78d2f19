"""What a send in batches keeps: facts. All else, its end included, follows from them and from the request."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Self

from qunfa.contract.audience import Batch, Group, Version
from qunfa.contract.batches import AudiencePlan, BatchRow, WasSent, batch_key
from qunfa.contract.fields import Stored
from qunfa.contract.ledger import SendsCounted
from qunfa.contract.message import Material
from qunfa.contract.operators import Held
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import COMPLETES, Counts, JobResult, JobStateName, MassSendResult, Outcome, Problem
from qunfa.rules.material import for_batches
from qunfa.send.state import Act, AnyCase, Kept

KEY_REUSED: Final = "key_reused"
MATERIAL: Final = 0
WINNER: Final = -1
FROM_BEFORE: Final = "an earlier run may have sent batches of this: those are not sent again, one in doubt is repeated"
"""For who approves the plan of an earlier run, or of before a reset."""
PassedOn = Literal["retry", "mark_sent", "abort", "pause", "resume", "reschedule"]
_REACHED: Final = ("sent", "deleted", "accepted", "unknown")
"""States of jobs that somebody may have received."""


class Content(Stored):
    """One message of the send, with what was found and made of it."""

    digest: str
    material: Material | None = None

    def changed(self, **changes: Any) -> Self:
        return self.model_copy(update=changes)

    @property
    def for_batches(self) -> Self:
        """With what all batches have of what was made: the rest would be too much beside their rows."""
        return self.changed(material=self.material and for_batches(self.material))


class Running(Stored):
    """The batch under way. ``since``: its beginning, or the end of what held it back.

    ``problem``: what it asks a person, who may give these ``answers``. ``held``: what holds it back that is no problem.
    ``send_at``: it has taken this time. ``opens``: the account's hours, or the next window of its quota, begin then.
    ``follows``: it is not begun by this run, if at all.
    """

    number: int
    since: datetime
    follows: bool = False
    problem: Problem | None = None
    answers: tuple[str, ...] = ()
    held: Held | None = None
    send_at: datetime | None = None
    opens: datetime | None = None

    @property
    def waits(self) -> bool:
        """Whether the batch says that something holds it back, or asks a person."""
        return bool(self.problem or self.held or self.opens)

    def held_at(self, now: datetime) -> Held | None:
        """What holds it back then. Once its quota begins anew, it is tried again, and tells of another refusal."""
        has_opened = self.held == "quota_exhausted" and self.opens is not None and self.opens <= now
        return None if has_opened else self.held


class Passing(Stored):
    """A person's answer that the batch under way is given. ``update``: what awaits it; none where nobody does.

    ``asked``: an abort, given since the batch asked a person something.
    """

    id: str
    update: str | None
    name: PassedOn
    answer: dict[str, Any]
    asked: bool = False


class Question(Stored):
    """A person is asked since then, for the ``count``-th time.

    ``about`` is a batch, or :data:`MATERIAL`, or :data:`WINNER`.
    """

    about: int
    since: datetime
    count: int


class BatchesState(Kept):
    """A send in batches, from its first workflow task on.

    ``contents``: each of its messages.
    ``joined``: the account's ledger knows the key for this content. ``was_reset``: this run was reset, and may have
    begun batches before.
    ``counted``: the account's sends of the day and month of ``counted_at``.
    ``is_unbegun``: a person says that no batch of the key was begun before. ``plan``: the audience, once it was
    resolved. ``running``: the batch under way. ``looked``: one that an earlier run had begun, while this one ends
    and waits for it. ``rows``: how those before it have ended, in order. ``found``: how those have ended that an
    earlier run had begun, and this one did not come to before it ends. ``fresh``: the batch that nobody has begun
    before. ``asked``: the newest batch that has asked a person while it was under way. ``excused``: a person has let
    the send go on after the batches up to this one. ``retried``: the newest batch that a person has had begun once
    more. ``answered_at``: when a person has answered the newest batch that had ended badly. ``obstacle``: why WeChat
    does not tell the audience, or why the preview could not be made. ``passing``: what the batch under way is still to
    be given. ``reported``: how many rows the report has. ``was_sent``: how many of the openids it calls sent, maybe by
    an earlier run. ``told``: its rows that this run does not know so. ``took``: how long the newest batches were under
    way.
    """

    contents: tuple[Content, ...] = ()
    joined: bool = False
    was_reset: bool = False
    counted: SendsCounted | None = None
    counted_at: datetime | None = None
    is_unbegun: bool = False
    plan: AudiencePlan | None = None
    running: Running | None = None
    looked: Running | None = None
    passing: tuple[Passing, ...] = ()
    rows: tuple[BatchRow, ...] = ()
    found: tuple[BatchRow, ...] = ()
    fresh: int | None = None
    asked: int = 0
    excused: int = 0
    retried: int | None = None
    answered_at: datetime | None = None
    began_at: datetime | None = None
    question: Question | None = None
    questions: int = 0
    reported: int | None = None
    was_sent: WasSent | None = None
    told: tuple[BatchRow, ...] = ()
    took: tuple[timedelta, ...] = ()

    @property
    def all_rows(self) -> tuple[BatchRow, ...]:
        """How all batches have ended of which that is known, in order."""
        return (*self.rows, *self.found)

    @property
    def told_rows(self) -> tuple[BatchRow, ...]:
        """The same as the report tells it, once that is written. It says how the send ends, and nothing before."""
        told = {row.number: row for row in (*self.all_rows, *(self.told if self.reported is not None else ()))}
        return tuple(told[number] for number in sorted(told))

    @property
    def winner(self) -> Version | None:
        """The group whose message the rest of a split test gets, once a person has chosen."""
        act = self.newest_act("choose")
        return act.winner if act else self.plan.winner if self.plan else None

    @property
    def stop(self) -> Act | None:
        """What ends the send: an ``abort``, a ``reject``, or a cancellation."""
        return self.newest_act("abort", "reject", "cancel")


class Case(AnyCase[BatchesState]):
    """The case of a send in batches."""

    @property
    def total(self) -> int:
        """How many batches there are; ``0`` before that is known."""
        return self.state.plan.batches if self.state.plan else 0

    @property
    def started_at(self) -> datetime | None:
        """When the send was started; or its audience planned, where that was earlier, by another run of its key."""
        started_at, chosen = self.state.started_at, self.state.plan
        return min(started_at, chosen.taken_at) if started_at and chosen else started_at

    @property
    def next(self) -> int | None:
        """The number of the next batch; ``None`` where there is none left, or not yet."""
        number = len(self.state.rows) + 1
        return number if number <= self.total else None

    def group_of(self, number: int) -> Group | None:
        """The group of a split test that a batch belongs to; ``None`` without one."""
        return self.state.plan.group_of(number) if self.state.plan else None

    def batch(self, number: int) -> MassSendRequest:
        """The request of batch ``number``, from 1: a send of its own, which goes at once and is approved as a part.

        Its message is sent as the whole has found it, with the covers of its preview. Any other file that was changed
        since is asked about.

        Raises:
            ValueError: the audience is not planned; or it is of the rest of a split test, and nobody has chosen.
        """
        request, state, chosen = self.request, self.state, self.state.plan
        if chosen is None:
            raise ValueError(number)
        waits = request.on_problem == "wait" and request.on_batch_problem == "stop"
        message = request.message_for(chosen.group_of(number), state.winner)
        found = state.contents[int(message is request.message_b)] if state.contents else None
        return MassSendRequest(
            account=request.account,
            key=batch_key(request.key, number),
            audience=Batch(
                kind="batch",
                key=request.key,
                plan=chosen.digest,
                number=number,
                of=chosen.batches,
                openids=chosen.size(number),
                material=found.material if found else None,
                started_at=self.started_at,
                appid=state.pinned.appid if state.pinned else None,
                base_url=state.pinned.base_url if state.pinned else None,
                retried=number == state.retried,
            ),
            message=message,
            send_ignore_reprint=request.send_ignore_reprint,
            on_problem="wait" if waits else "fail",
            decision_timeout=request.decision_timeout,
            requested_by=request.requested_by,
            not_after=request.not_after,
            fit_images=request.fit_images,
            result=request.result,
        )

    @property
    def is_left(self) -> bool:
        """Whether something is left to be sent: a batch, or the audience, which is not planned yet."""
        return self.next is not None or not self.total

    @property
    def undecided(self) -> bool:
        """Whether the next batch is of the rest of a split test, and nobody has chosen what that gets."""
        number = self.next
        return number is not None and self.group_of(number) == "rest" and self.state.winner is None

    @property
    def unseen(self) -> int | None:
        """The batch that an earlier run may have begun, before this one ends; ``None`` once that is known.

        Where nobody has planned how many batches there are, the first one in doubt stands for all after it.
        """
        rows, chosen = self.state.all_rows, self.state.plan
        number = len(rows) + 1
        is_last = number > chosen.batches if chosen is not None else bool(rows) and rows[-1].is_doubted
        return None if is_last or self.state.fresh == number else number

    @property
    def bad(self) -> BatchRow | None:
        """The newest batch, where it has ended badly and nobody has let the send go on since."""
        rows = self.state.rows
        if not rows or rows[-1].outcome in COMPLETES or rows[-1].number <= self.state.excused:
            return None
        return rows[-1]

    @property
    def reused(self) -> BatchRow | None:
        """The batch whose key stands for other content."""
        return next((row for row in self.state.all_rows if row.problem == KEY_REUSED), None)

    @property
    def is_told(self) -> bool:
        """Whether a report by this plan tells of what was sent under its key.

        Where the key of a batch may have sent something else, it would call people not submitted whom that has reached.
        """
        reused, rows = self.reused, self.state.all_rows
        if reused is not None and reused.may_have_been_delivered:
            return False
        return reused is None or any(row.may_have_been_delivered for row in rows)

    @property
    def is_forgotten(self) -> bool:
        return self.is_forgotten_at(self.now)

    def is_forgotten_at(self, at: datetime) -> bool:
        """Whether an earlier run may have sent batches that are left, and nobody remembers then."""
        return self.state.plan is not None and self.state.plan.is_doubted(at)

    @property
    def stops(self) -> bool:
        return self.state.stop is not None

    @property
    def wanted(self) -> Outcome:
        """How a person wants it to end."""
        stop = self.state.stop
        return "rejected" if stop is not None and stop.what == "reject" else "aborted"


def outcome_of(rows: Sequence[BatchRow], total: int, otherwise: Outcome) -> Outcome:
    """The outcome; ``otherwise`` where the batches do not say.

    | batches | outcome |
    |---|---|
    | all were sent | ``sent``; ``sent_nobody`` or ``deleted`` where that is so of each |
    | some were sent | ``partly_sent`` |
    | none was sent, and one may have been | ``unknown`` |
    | none was sent, and all have ended alike | that |
    | else | as the person or the time wanted that ended it, or ``failed`` |
    """
    outcomes = {row.outcome for row in rows}
    reached = [row for row in rows if row.outcome in COMPLETES]
    if reached and len(reached) == total:
        return of_sent(reached)
    if reached:
        return "partly_sent"
    if any(row.may_have_been_delivered for row in rows):
        return "unknown"
    return outcomes.pop() if len(rows) == total and len(outcomes) == 1 else otherwise


def of_sent(rows: Iterable[BatchRow]) -> Outcome:
    """The outcome of a send whose batches were all sent: that of those that are known, where they agree."""
    outcomes = {row.outcome for row in rows if row.outcome in COMPLETES}
    return outcomes.pop() if len(outcomes) == 1 else "sent"


def result_of(
    request: MassSendRequest, rows: Sequence[JobResult], outcome: Outcome, problem: Problem | None, *, open_: bool
) -> MassSendResult:
    """The result: ``rows`` for each batch that was begun. ``open_``: something may have been delivered."""
    return MassSendResult(
        outcome=outcome,
        may_have_been_delivered=open_,
        account=request.account,
        key=request.key,
        problem=problem,
        jobs=tuple(rows),
        totals=all_counted((row.state, row.counts) for row in rows),
    )


def all_counted(jobs: Iterable[tuple[JobStateName, Counts | None]]) -> Counts | None:
    """The sum of all counts; ``None`` where one is missing of a job that may have reached somebody."""
    told = list(jobs)
    missing = any(counts is None and state in _REACHED for state, counts in told)
    return None if missing else totals(counts for _, counts in told)


def totals(counts: Iterable[Counts | None]) -> Counts | None:
    """The sum of all counts that were told; ``None`` where none was."""
    told = [one for one in counts if one is not None]
    if not told:
        return None
    return Counts(
        total=sum(one.total for one in told),
        filter=sum(one.filter for one in told),
        sent=sum(one.sent for one in told),
        error=sum(one.error for one in told),
    )
