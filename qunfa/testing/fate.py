"""What became of a request to a :class:`~qunfa.testing.FakeQunfa`: its jobs, and the problem that people see."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from qunfa.contract.audience import OPENIDS_MIN, Group, Split, Version, is_long
from qunfa.contract.batches import AudiencePlan, PlannedGroup, batch_key, batches_of
from qunfa.contract.operators import StoryLine
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import COMPLETES, NOT_DELIVERED, Counts, JobResult, JobStateName, Observer, Outcome, Problem
from qunfa.rules import advice
from qunfa.rules.outcome import perhaps_delivered
from qunfa.rules.problems import BATCH_FAILED, LOOK_FIRST, PROBLEMS, WINNER_NOT_CHOSEN, refused_request

FOLLOWERS: Final = 100
OPENIDS: Final = 25_000
"""Of a send in batches, unless the test says otherwise."""
_EACH_BATCH: Final[dict[Outcome, JobStateName]] = {"sent_nobody": "sent_nobody", "deleted": "deleted"}
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

    def told_to_who_is_refused(self) -> str:
        """What who reads that a request was refused must know of this earlier run."""
        return perhaps_delivered(batch_key(self.key, 1) if self.batches else self.key, self.jobs[:1])

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
        name = self.asks or self.told
        if name is None:
            return None
        problem = Problem(name=name, sentence=PROBLEMS[name].sentence, todo=PROBLEMS[name].todo)
        if self.outcome == "failed" and self.batches and self.jobs and name != BATCH_FAILED:
            which = f"Batch 1 of {len(self.batches)}, {batch_key(self.key, 1)}"
            said = f"{which}, ended as failed ({name}). Nothing of it was delivered."
            problem = problem.model_copy(update={"name": BATCH_FAILED, "sentence": said})
        return problem if self.request is None else self._advised(self.request, problem)

    def _advised(self, request: MassSendRequest, problem: Problem) -> Problem:
        """What to do about it once it is over: nobody answers it any more."""
        if self.outcome is None:
            return problem
        if self.outcome == "unknown":
            todo = advice.in_doubt(request, otherwise=LOOK_FIRST if self.again and self.has_failed else "")
        else:
            no: advice.No | None = "wechat" if self.has_failed else "person" if self.looked_for else None
            todo = advice.once_over(request, problem, self.outcome, no)
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
        """WeChat's one job, where there is one; of a send in batches, one for each batch that was begun."""
        if self.asks == WINNER_NOT_CHOSEN:
            return tuple(self._batch("sent", number, size) for number, size in enumerate(self._begun))
        if self.asks is None and self.outcome in {None, "rejected", "expired"}:
            return ()
        outcome = self.outcome or ("unknown" if self.asks in DOUBTS else "failed")
        is_taken = self.has_failed or self.looked_for or self.asks not in {None, *NO_NO}
        if outcome in {"failed", "aborted"} and not is_taken:
            return (self._without_answer("refused"),) if (self.asks or self.told) in _REFUSED else ()
        if self.batches:
            begun = self._begun if outcome in COMPLETES else self.batches[:1]
            return tuple(self._batch(outcome, number, size) for number, size in enumerate(begun))
        return (self._job(outcome),)

    def _job(self, outcome: Outcome) -> JobResult:
        well = outcome in COMPLETES
        reached = 0 if outcome == "sent_nobody" else FOLLOWERS
        state: JobStateName = _EACH_BATCH.get(outcome, "sent" if well else "failed")
        if outcome == "unknown":
            state = self._open
        is_missing = not well and MISSING in {self.asks, self.told}
        observer: Observer = "ledger" if self.again else "operator" if is_missing else "push"
        has_none = state == "unknown" or (is_missing and self.looked_for in DOUBTS - {NO_VERDICT})
        return JobResult(
            index=0,
            generation=0,
            clientmsgid=f"fake-{self.msg_id}",
            msg_id=None if has_none else self.msg_id,
            state=state,
            status="send success" if well else NOT_DELIVERED if is_missing else None,
            counts=Counts(total=FOLLOWERS, filter=reached, sent=reached) if well else None,
            observed_by=None if state in {"accepted", "unknown"} else observer,
            deduplicated=self.again,
        )

    @property
    def _open(self) -> JobStateName:
        """What is known of a job whose end nobody knows."""
        if self.has_failed:
            return "failed"
        return "accepted" if NO_VERDICT in {self.asks, self.told} else "unknown"

    @property
    def _begun(self) -> tuple[int, ...]:
        """The batches of a list that ends well; of a split test its rest is left out until somebody has chosen."""
        groups = self.plan.groups if self.plan and not self.winner else ()
        rest = sum(group.batches for group in groups if group.name == "rest")
        return self.batches[: len(self.batches) - rest]

    def _without_answer(self, state: JobStateName) -> JobResult:
        """The job of which WeChat has accepted nothing."""
        return JobResult(index=0, generation=0, clientmsgid=f"fake-{self.msg_id}", state=state)

    def _batch(self, outcome: Outcome, number: int, size: int) -> JobResult:
        """The job of a batch. Of a list that was sent in part, the last one has failed."""
        last = number == len(self.batches) - 1
        state: JobStateName = _EACH_BATCH.get(outcome, "sent")
        if outcome not in COMPLETES or (outcome == "partly_sent" and last):
            state = self._open if outcome == "unknown" else "failed"
        msg_id = None if state == "unknown" else self.msg_id + number
        return JobResult(
            index=number,
            generation=0,
            clientmsgid=f"fake-{self.msg_id + number}",
            msg_id=msg_id,
            state=state,
            status=self.ending.problem if state in {"unknown", "failed"} else None,
            counts=Counts(total=size, filter=size, sent=size) if state == "sent" else None,
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


def totals_of(jobs: tuple[JobResult, ...]) -> Counts | None:
    told = [job.counts for job in jobs if job.counts is not None]
    if not told:
        return None
    total, reached, sent = (sum(getattr(one, name) for one in told) for name in ("total", "filter", "sent"))
    return Counts(total=total, filter=reached, sent=sent)
