"""The ledger under any messages in any order: claims, leases, notes, pushes and time, with repeats and reorderings."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qunfa.contract.job import Answer, Job
from qunfa.contract.ledger import AccountState, Ask, Claim, Frozen, Lease, Record, Reserve, Told
from qunfa.contract.steps import Timing
from qunfa.rules import leases, ledger
from qunfa.rules.course import course, judgement_of, merge
from qunfa.rules.ledger_size import trim
from qunfa.rules.submission import Conditions, Submit, unsettled
from tests.rules import arbitrary
from tests.rules.arbitrary import CLIENTMSGID, NOON

KEYS = ("a", "b", "c")
keys = st.sampled_from(KEYS)
SECOND = timedelta(seconds=1)


def ask(generation: int, attempt: int, *, ever_unknown: bool, holder: str | None = None) -> Ask:
    """A try."""
    return Ask(
        index=0,
        generation=generation,
        attempt=attempt,
        clientmsgid=f"{CLIENTMSGID[:-2]}{generation:02d}",
        ever_unknown=ever_unknown,
        pace=SECOND,
        http_timeout=30 * SECOND,
        holder=holder,
    )


class Messages(RuleBasedStateMachine):
    """Nothing that is sent to an account breaks what its ledger promises."""

    @initialize()
    def begin(self) -> None:
        """An empty ledger."""
        self.state = AccountState(appid="wx", since=NOON)
        self.now = NOON
        self.granted: list[Lease] = []
        self.told_tries: set[tuple[str, int, int]] = set()
        self.notes: list[Told] = []

    @rule(key=keys, other=st.booleans())
    def claim(self, key: str, other: bool) -> None:
        """By the first life of a key, or a later one, or for other content."""
        asked = Claim(key=key, digest="other" if other else "d", workflow_id=f"w:{key}", searched=True)
        self.state, answer = ledger.claim(leases.expire(self.state, self.now), asked, self.now)
        if answer.kind == "record" and answer.record and not other:
            assert answer.record == self.state.records[key]

    @rule(
        key=keys,
        generation=st.integers(0, 2),
        attempt=st.integers(1, 6),
        ever_unknown=st.booleans(),
        holder=st.sampled_from([None, "run-1", "run-2"]),
    )
    def reserve(self, key: str, generation: int, attempt: int, ever_unknown: bool, holder: str | None) -> None:
        """By a run that knows much or little."""
        asked = ask(generation, attempt, ever_unknown=ever_unknown, holder=holder)
        before = leases.expire(self.state, self.now)
        self.state, answer = leases.reserve(self.state, Reserve(key=key, digest="d", ask=asked), self.now)
        if answer.kind != "go":
            assert self.state.lease == before.lease
            return
        assert answer.lease is not None
        assert self.state.lease == answer.lease
        again = before.lease == answer.lease
        assert again or before.lease is None
        assert again or not before.frozen
        known = before.records[key].jobs
        assert all(job.generation <= generation for job in known)
        assert not any((judged := judgement_of(job)) and judged.delivered for job in known)
        assert not any(job.overruled and job.verdict is None for job in known)
        mine = next((job for job in known if job.generation == generation), None)
        assert mine is None or (mine.msg_id is None and mine.verdict is None)
        assert mine is None or ever_unknown or not mine.ever_unknown
        assert (key, generation, attempt) not in self.told_tries or again
        if not again:
            self.granted.append(answer.lease)

    @precondition(lambda self: self.granted)
    @rule(pick=st.integers(0, 3), answer=arbitrary.answers())
    def tell(self, pick: int, answer: Answer) -> None:
        """The answer of a lease, new or old."""
        lease = self.granted[-1 - pick % len(self.granted)]
        note = Told(
            key=lease.key,
            digest="d",
            workflow_id=f"w:{lease.key}",
            generation=lease.generation,
            attempt=lease.attempt,
            answer=answer,
        )
        self.notes.append(note)
        held = self.state.lease
        doubted, pretenders = self._doubted(), self._pretenders(answer.msg_id)
        self.state, _ = ledger.told(self.state, note, self.now)
        self.told_tries.add((lease.key, lease.generation, lease.attempt))
        its_own = held is not None and (held.key, held.generation, held.attempt) == (
            lease.key,
            lease.generation,
            lease.attempt,
        )
        assert self.state.lease == (None if its_own else held)
        settled = doubted - self._doubted()
        assert settled <= {(lease.key, lease.generation), *pretenders} or answer.kind == "duplicate"

    @precondition(lambda self: self.notes)
    @rule(pick=st.integers(0, 5))
    def repeat(self, pick: int) -> None:
        """A note that comes again."""
        note = self.notes[-1 - pick % len(self.notes)]
        once, _ = ledger.told(self.state, note, self.now)
        twice, forwards = ledger.told(once, note, self.now)
        assert twice.records == once.records
        assert twice.book == once.book
        assert forwards == ()
        self.state = once

    @rule(key=keys, job=arbitrary.jobs() | arbitrary.jobs(1))
    def tell_job(self, key: str, job: Job) -> None:
        """What a workflow knows, or believes."""
        note = Told(key=key, digest="d", workflow_id=f"w:{key}", job=job.model_copy(update={"verdict": None}))
        once, _ = ledger.told(self.state, note, self.now)
        twice, _ = ledger.told(once, note, self.now)
        assert twice == once
        self.state = once

    @rule(event=arbitrary.events)
    def push(self, event: Any) -> None:
        """A push on some job, ours or not."""
        once, _ = ledger.push(self.state, event, self.now)
        twice, _ = ledger.push(once, event, self.now)
        assert twice == once
        self.state = once

    @rule(seconds=st.sampled_from([1, 30, 130, 4000]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds * SECOND
        before = self.state.lease
        self.state = leases.expire(self.state, self.now)
        if before and self.state.lease is None and before.key in self.state.records:
            job = ledger.job_of(self.state.records[before.key], before.index, before.generation)
            assert job is None or unsettled(job) or job.verdict is not None

    @rule(frozen=st.booleans())
    def switch(self, frozen: bool) -> None:
        """Frozen, and unfrozen."""
        self.state = self.state.model_copy(
            update={"frozen": Frozen(by="li", reason="x", at=self.now) if frozen else None}
        )

    @rule()
    def continue_as_new(self) -> None:
        """Trimmed, and through JSON."""
        self.state = AccountState.model_validate_json(trim(self.state, self.now).model_dump_json())

    @invariant()
    def the_lease_is_one_that_was_granted(self) -> None:
        """And its job is known."""
        lease = getattr(self, "state", AccountState(appid="wx", since=NOON)).lease
        if lease is not None:
            assert lease == self.granted[-1]
            assert lease.key in self.state.records

    def _doubted(self) -> set[tuple[str, int]]:
        return {
            (record.key, job.generation)
            for record in self.state.records.values()
            for job in record.jobs
            if unsettled(job)
        }

    def _pretenders(self, msg_id: int | None) -> set[tuple[str, int]]:
        """Whom a 45065 has made look accepted as this msg_id: not so, once WeChat accepts somebody else under it."""
        return {
            (record.key, job.generation)
            for record in self.state.records.values()
            for job in record.jobs
            if job.deduplicated and job.msg_id == msg_id
        }


TestMessages: Callable[..., Any] = Messages.TestCase
TestMessages.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)  # type: ignore[attr-defined]  # hypothesis reads it off the class


@given(arbitrary.generations, arbitrary.generations, st.booleans(), st.integers(0, 10))
def test_who_has_merged_the_record_is_not_sent_it_again(
    known: tuple[Job, ...], mine: tuple[Job, ...], lost: bool, minutes: int
) -> None:
    """A send that takes over what the ledger knows gets on: its next try is leased, or it makes none."""
    record = Record(key="a", digest="d", workflow_id="w", jobs=known, touched_at=NOON)
    state = AccountState(appid="wx", since=NOON, records={"a": record})
    merged = merge(known if lost else mine, known)
    now = NOON + timedelta(days=3, minutes=minutes)
    if isinstance(course(merged, now, Conditions(timing=Timing(window=timedelta(days=9)))), Submit):
        job = merged[-1]
        asked = ask(job.generation, job.attempts + 1, ever_unknown=job.ever_unknown)
        assert leases.reserve(state, Reserve(key="a", digest="d", ask=asked), now)[1].kind == "go"
