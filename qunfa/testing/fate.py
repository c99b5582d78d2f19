"""What became of a request to a :class:`~qunfa.testing.FakeQunfa`: its jobs, and the problem that people see."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from qunfa.batches.plan import batch_failed
from qunfa.batches.state import all_counted
from qunfa.contract.audience import OPENIDS_MIN, Batch, Group, Split, Version, is_long
from qunfa.contract.batches import AudiencePlan, BatchRow, PlannedGroup, batch_key, batches_of
from qunfa.contract.operators import StoryLine
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import COMPLETES, NOT_DELIVERED, Counts, JobResult, JobStateName, Observer, Outcome, Problem
from qunfa.rules import advice
from qunfa.rules.outcome import perhaps_delivered
from qunfa.rules.problems import (
    ASK_WECHAT,
    BATCH_FAILED,
    LOOK_FIRST,
    PROBLEMS,
    WINNER_NOT_CHOSEN,
    for_audience,
    refused_request,
)

FOLLOWERS: Final = 100
OPENIDS: Final = 25_000
"""Of a send in batches, unless the test says otherwise."""
_EACH_BATCH: Final[dict[Outcome, JobStateName]] = {"sent_nobody": "sent_nobody", "deleted": "deleted"}
_WORDS: Final[dict[JobStateName, str]] = {"sent": "send success", "sent_nobody": "send success", "deleted": "DELETE"}
"""WeChat's own words for it."""
_IN_DOUBT: Final = frozenset({*COMPLETES, "unknown"})
NO_VERDICT: Final = "no_verdict"
UNKNOWN: Final = "unknown_outcome"
DOUBTS: Final = frozenset({NO_VERDICT, UNKNOWN, "clientmsgid_collision"})
"""The problems of a send that may have been delivered."""
MISSING: Final = "not_delivered"
"""The problem of a send that a person has looked for, and not found."""
_REFUSED: Final = frozenset(
    {"account_refused", "ip_not_whitelisted", "request_refused", "audience_refused", "media_refused", "quota_exhausted"}
)
"""The problems of a try to which WeChat has answered no: it has accepted nothing."""
_NOT_TRIED: Final = frozenset(
    {
        "account_changed",
        "audience_changed",
        "source_changed",
        "source_refused",
        "pictures_lost",
        "material_failed",
        "batch_lost",
        "call_impossible",
    }
)
"""The problems of a send before its first try."""
NO_NO: Final = _REFUSED | _NOT_TRIED | DOUBTS
"""The problems of which WeChat has said no to nothing that it had accepted."""


@dataclass(frozen=True)
class Ending:
    """How a send ends once nobody holds it back, and what is wrong with its request that only the workers know."""

    outcome: Outcome = "sent"
    problem: str | None = None
    needs_approval: bool = False
    keeps_time: bool = False
    is_unheard: bool = False
    refused: tuple[str, ...] = ()
    openids: int = OPENIDS
    asks: str | None = None


@dataclass
class Fate:
    """What became of a request; ``request`` is ``None`` where it is refused for ``refused``."""

    account: str
    key: str
    raw: dict[str, Any]
    request: MassSendRequest | None
    refused: list[str]
    ending: Ending
    msg_id: int
    spare: int
    """The msg_id of a retry that submits it once more."""
    run_id: str
    again: bool = False
    in_doubt: bool = False
    """Whether an earlier run of its key has ended as unknown, and nobody has said that nothing was delivered."""
    is_unanswered: bool = False
    """Whether a try of such a run got no answer: it may still be carried out after WeChat's no to another one."""
    has_failed: bool = False
    """Whether WeChat has said no to what it had accepted, which stands for the key."""
    looked_for: str | None = None
    """The problem of what a person has not found, here or in an earlier run: such a key asks once it comes again."""
    told: str | None = None
    """The problem that it has ended with."""
    approved_by: str | None = None
    paused_by: str | None = None
    send_at: datetime | None = None
    asks: str | None = None
    answered: bool = False
    earlier: tuple[JobResult, ...] = ()
    """The jobs before a retry that has submitted it once more."""
    generation: int = 0
    found_as: int | None = None
    """The msg_id as which WeChat was asked about it, by a person: ``mass/get`` counts nobody."""
    is_tested: bool = False
    """Whether both groups of a split test have had their turn."""
    is_let_go: bool = False
    """Whether a list has gone on after its first batch had ended badly."""
    winner: Version | None = None
    outcome: Outcome | None = None
    history: list[StoryLine] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def needs_approval(self) -> bool:
        """Whether a person has to approve it, or has done so."""
        asked = self.request is not None and self.request.approval is not None and self.request.approval.required
        return asked or self.ending.needs_approval

    @property
    def may_have_been_delivered(self) -> bool:
        """Whether it was, or may have been."""
        return self.outcome in _IN_DOUBT

    @property
    def is_final(self) -> bool:
        """Whether its key ends so again: WeChat has said what became of what it had accepted."""
        return self.has_failed or self.outcome in COMPLETES

    @property
    def is_undecided(self) -> bool:
        """Whether somebody is still to approve it."""
        return self.needs_approval and not self.approved_by

    @property
    def time(self) -> datetime | None:
        """When it is to go out."""
        return self.send_at or (self.request.send_at if self.request else None)

    @property
    def is_planned(self) -> bool:
        """Whether it waits for a time that is to come."""
        return self.ending.keeps_time and self.time is not None and self.time > datetime.now(UTC)

    @property
    def has_rest(self) -> bool:
        """Whether it is a split test whose rest waits for a winner."""
        return len(self._tested) < len(self.batches)

    def told_to_who_is_refused(self) -> str:
        """What who reads that a request was refused must know of this earlier run."""
        first = [job for job in self.jobs if job.index == 0]
        return perhaps_delivered(batch_key(self.key, 1) if self.batches else self.key, first)

    @property
    def fails_anew(self) -> bool:
        """Whether its list asks about a first batch to which WeChat has said no before."""
        asks = self.request is not None and self.request.on_problem == "wait" and self._waits_for_batches
        is_failed = self.again and self.has_failed and not (self.in_doubt or self.is_let_go or self.is_late)
        return bool(self.batches) and asks and is_failed and self.outcome is None

    @property
    def _waits_for_batches(self) -> bool:
        return self.request is not None and self.request.on_batch_problem == "stop"

    @property
    def is_late(self) -> bool:
        """Whether nothing of it is submitted any more."""
        not_after = self.request.not_after if self.request else None
        return not_after is not None and not_after <= datetime.now(UTC)

    @property
    def problem(self) -> Problem | None:
        """What is told of a bad end."""
        if self.refused:
            return refused_request(self.refused)
        problem = self.question
        if problem is None or self.request is None:
            return None
        if self.batches and problem.name != WINNER_NOT_CHOSEN and (self.outcome is not None or self.fails_anew):
            problem = batch_failed(self.request, self._bad_batch(problem.name), len(self.batches))
        return self._advised(self.request, problem)

    @property
    def question(self) -> Problem | None:
        """What a person is asked, or was."""
        name = self.asks or self.told
        if name is None or self.request is None:
            return None
        choice, audience = PROBLEMS[name], self._first_batch or self.request.audience
        return for_audience(Problem(name=name, sentence=choice.sentence, todo=choice.todo), audience)

    @property
    def _first_batch(self) -> Batch | None:
        """The audience of the batch that asks."""
        if not self.batches or self.asks in {None, WINNER_NOT_CHOSEN}:
            return None
        sizes, digest = self.batches, "0" * 64
        return Batch(kind="batch", key=self.key, plan=digest, number=1, of=len(sizes), openids=sizes[0])

    def _bad_batch(self, name: str) -> BatchRow:
        """The batch that has ended badly."""
        is_own = not self.again and self.outcome is not None and self.outcome not in COMPLETES
        in_doubt = self.outcome == "unknown" or name in DOUBTS
        problem = self.ending.problem if name == BATCH_FAILED else name
        return BatchRow(
            number=self._bad + 1,
            outcome="unknown" if in_doubt else (self.outcome if is_own and self.outcome else "failed"),
            may_have_been_delivered=in_doubt,
            problem=problem if problem != BATCH_FAILED else None,
            is_vouched=name == MISSING,
            for_good=self.fails_anew,
        )

    @property
    def _bad(self) -> int:
        """Which batch that is, from 0."""
        return len(self.batches) - 1 if self.outcome == "partly_sent" and not self.is_let_go else 0

    def _advised(self, request: MassSendRequest, problem: Problem) -> Problem:
        """What to do about it once it is over: nobody answers it any more."""
        if self.outcome is None:
            return problem
        if self.outcome == "unknown":
            settled = ASK_WECHAT if self.told == MISSING and not self.batches else ""
            todo = advice.in_doubt(request, otherwise=LOOK_FIRST if self.again and self.has_failed else settled)
        else:
            no: advice.No | None = "wechat" if self.has_failed else "person" if self.looked_for else None
            todo = advice.once_over(request, problem, self.outcome, no, died=advice.has_died(request, problem))
        return problem.model_copy(update={"todo": todo})

    @property
    def plan(self) -> AudiencePlan | None:
        """Whom it goes to, and in which batches; nothing where the audience is no list."""
        if self.request is None or not is_long(self.request.audience):
            return None
        return _planned(self.ending.openids, self.request.split)

    @property
    def batches(self) -> tuple[int, ...]:
        """How many openids each batch has; none where the audience is no list."""
        plan = self.plan
        return () if plan is None else tuple(plan.size(number) for number in range(1, plan.batches + 1))

    @property
    def jobs(self) -> tuple[JobResult, ...]:
        """All of its jobs, in order; of a send in batches those of each batch that is over."""
        if self._first_batch is not None and not self.fails_anew:
            return ()
        earlier = self.earlier
        if self.batches:
            bare = {"counts": None, "observed_by": None}
            earlier = tuple(one.model_copy(update=bare) for one in earlier if one.msg_id is not None)
        elif self.again:
            known = {"deduplicated": True, "observed_by": "ledger"}
            earlier = tuple(one.model_copy(update=known) for one in earlier)
        return (*earlier, *self.rows)

    @property
    def rows(self) -> tuple[JobResult, ...]:
        """The newest job, where there is one; of a send in batches that of each batch that was begun."""
        name = self.asks or self.told
        if self.outcome is None and self.is_tested:
            return tuple(self._row("sent", number, size) for number, size in enumerate(self._tested))
        if self.asks is None and self.outcome in {None, "rejected", "expired"}:
            return ()
        outcome = self.outcome or ("unknown" if self.asks in DOUBTS else "failed")
        is_taken = self.has_failed or self.looked_for or self.asks not in {None, *NO_NO}
        if outcome in {"failed", "aborted"} and not is_taken:
            state: JobStateName | None = "refused" if name in _REFUSED else "new" if self.batches and name else None
            return (self._without_answer(state),) if state is not None else ()
        if not self.batches:
            return (self._job(outcome),)
        begun = self._begun if outcome in COMPLETES else self.batches[:1]
        rows = tuple(self._row(self._state(outcome, number), number, size) for number, size in enumerate(begun))
        is_open = outcome == "unknown" and name == MISSING
        return (*rows, self._without_answer("unknown")) if is_open else rows

    @property
    def totals(self) -> Counts | None:
        """How many it has reached; nothing where one job is not counted that may have reached somebody."""
        jobs = self.jobs
        summed = all_counted((job.state, job.counts) for job in jobs)
        if self.batches or summed is None:
            return summed
        return max((job.counts for job in jobs if job.counts), key=lambda counts: counts.sent)

    def _job(self, outcome: Outcome) -> JobResult:
        """WeChat's one job of a send that goes out at once."""
        row = self._row(self._state(outcome, 0), 0, FOLLOWERS)
        observer: Observer = "push" if row.counts else "operator" if row.status == NOT_DELIVERED else "poll"
        is_open = row.state in {"accepted", "unknown"}
        observed_by = None if is_open else "ledger" if self.again else observer
        return row.model_copy(update={"observed_by": observed_by, "deduplicated": self.again})

    def _state(self, outcome: Outcome, number: int) -> JobStateName:
        """What became of a job. Of a list that was sent in part, the last batch has failed, or the one let go."""
        is_bad = outcome not in COMPLETES or (outcome == "partly_sent" and self.batches and number == self._bad)
        if not is_bad:
            return _EACH_BATCH.get(outcome, "sent")
        in_doubt = outcome == "unknown" or (self.asks or self.told) in DOUBTS
        if not in_doubt or self.has_failed or MISSING in {self.asks, self.told}:
            return "failed"
        return "accepted" if NO_VERDICT in {self.asks, self.told} else "unknown"

    @property
    def _tested(self) -> tuple[int, ...]:
        """The batches that go out before the rest of a split test: all where there is none."""
        groups = self.plan.groups if self.plan else ()
        rest = sum(group.batches for group in groups if group.name == "rest")
        return self.batches[: len(self.batches) - rest]

    @property
    def _begun(self) -> tuple[int, ...]:
        """The batches of a list that ends well; of a split test its rest is left out until somebody has chosen."""
        return self.batches if self.winner else self._tested

    def _without_answer(self, state: JobStateName) -> JobResult:
        """The job of which WeChat has accepted nothing."""
        return JobResult(index=0, generation=self.generation, clientmsgid=f"fake-{self.msg_id}", state=state)

    def _row(self, state: JobStateName, number: int, size: int) -> JobResult:
        """A job to so many. WeChat counts nobody where ``mass/get`` alone tells of it."""
        is_missing = state == "failed" and MISSING in {self.asks, self.told}
        is_found = number == 0 and self.found_as is not None
        is_polled = state == "deleted" or (state == "sent" and is_found)
        has_none = state == "unknown" or (is_missing and self.looked_for in DOUBTS - {NO_VERDICT})
        msg_id = self.found_as if is_found else self.msg_id + number
        status = "SEND_SUCCESS" if is_polled and state == "sent" else _WORDS.get(state)
        reached = size if state == "sent" else 0
        counts = Counts(total=0 if state == "failed" else size, filter=reached, sent=reached)
        is_counted = state in {"sent", "sent_nobody", "failed"} and not (is_polled or is_missing)
        return JobResult(
            index=number,
            generation=0 if number else self.generation,
            clientmsgid=f"fake-{self.msg_id + number}",
            msg_id=None if has_none else msg_id,
            state=state,
            status=NOT_DELIVERED if is_missing else status,
            counts=counts if is_counted else None,
        )


def _planned(openids: int, split: Split | None) -> AudiencePlan:
    """The batches of so many openids, as workers cut them; in a split test they draw who is in which group."""
    sizes: dict[Group, int] = {}
    if split is not None:
        sizes["a"] = max(OPENIDS_MIN, openids * split.a // 100)
        rest = openids * (100 - split.a - split.b) // 100
        sizes["b"] = openids - sizes["a"] - rest
        sizes |= {"rest": rest} if rest else {}
    groups = tuple(PlannedGroup(name=one, openids=size, batches=batches_of(size)) for one, size in sizes.items())
    batches = sum(group.batches for group in groups) or batches_of(openids)
    return AudiencePlan(digest="", openids=openids, batches=batches, groups=groups, taken_at=datetime.now(UTC))
