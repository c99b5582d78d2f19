"""The account under any messages in any order: wishes, reports, pushes and time, lost runs and lost signals."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qunfa.account.budget import BYTES_MAX, INBOX_BYTES, trimmed
from qunfa.account.inbox import Message, take
from qunfa.account.leases import due, settle
from qunfa.account.outbox import Outgoing, delivered, not_found, outgoing
from qunfa.account.people import freeze, unfreeze
from qunfa.account.records import unsearched
from qunfa.account.state import AccountState
from qunfa.contract.facts import Known, Try
from qunfa.contract.grants import Granted, Lease, Wish
from qunfa.contract.result import Answer, JobFinished
from qunfa.rules.memory import is_under_way, is_unknown, union
from tests.account.driving import EMPTY, SECOND, look, report, tried, turn, wish
from tests.rules import arbitrary
from tests.rules.arbitrary import NOON

KEYS = ("a", "b", "c", "d")
keys = st.sampled_from(KEYS)
KINDS = ("accepted", "duplicate", "refused", "unknown", "not_written", "unused")


class Run:
    """A run of a send: what it knows, what it asks for, and the lease that it has."""

    def __init__(self, key: str, number: int) -> None:
        self.key, self.name = key, f"run-{key}-{number}"
        self.known = Known()
        self.wish: Wish | None = None
        self.lease: Lease | None = None

    def hear(self, granted: Granted) -> None:
        """Take in what the account says; an answer to another wish is none of its."""
        self.known = union(self.known, granted.known)
        if self.wish is not None and granted.wish == self.wish.wish:
            self.lease = granted.lease or self.lease


class Messages(RuleBasedStateMachine):
    """Nothing that is sent to an account breaks what it promises."""

    @initialize()
    def begin(self) -> None:
        """An account of which nothing is known, and no run."""
        self.state: AccountState = EMPTY
        self.now = NOON
        self.runs: dict[str, Run] = {}
        self.started = self.wishes = 0
        self.leases: list[Lease] = []
        self.ended: dict[str, datetime] = {}
        self.sent: list[Message] = []

    # What runs, the receiver and people do

    @rule(key=keys)
    def start(self, key: str) -> None:
        """A send begins, is reset or continues: the run before is gone, and what it knew is found."""
        before, self.started = self.runs.get(key), self.started + 1
        self.runs[key] = Run(key, self.started)
        if before is not None:
            self.runs[key].known = before.known

    @precondition(lambda self: self.runs)
    @rule(
        pick=st.integers(0, 3),
        generation=st.sampled_from([0, 0, 0, 1]),
        times=st.sampled_from([(0, None), (0, None), (0, 2), (5, 600), (3600, None)]),
        searched=st.sampled_from([True, True, True, False]),
        wants=st.sampled_from([True, True, True, False]),
    )
    def ask(self, pick: int, generation: int, times: tuple[int, int | None], searched: bool, wants: bool) -> None:
        """A run wishes for a turn, or only to know."""
        run = list(self.runs.values())[pick % len(self.runs)]
        self.wishes += 1
        (wait, until), more = times, dict[str, Any](known=run.known, searched=searched, number=self.wishes)
        at = self.now + wait * SECOND
        if wants:
            more["turn"] = turn(generation, due=at, until=at + until * SECOND if until else None)
        run.wish = (wish if wants else look)(f"w{self.wishes}", run.key, run.name, **more)
        self._send(run.wish)

    @precondition(lambda self: self.leases)
    @rule(pick=st.integers(0, 2), kind=st.sampled_from(KINDS), msg_id=arbitrary.msg_ids, errcode=arbitrary.errcodes)
    def answer(self, pick: int, kind: str, msg_id: int, errcode: int) -> None:
        """The answer of a try, new or old, also of one that was given up."""
        lease = self.leases[-1 - pick % len(self.leases)]
        more = {"msg_id": msg_id} if kind in {"accepted", "duplicate"} else {"errcode": errcode}
        said = Answer.model_validate({"kind": kind, "at": self.now, **more})
        one = tried(lease, said)
        if self.state.lease == lease and self.now < lease.expires_at:
            self.ended[lease.wish] = self.now
        self._send(report(one, key=lease.key))
        assert self.state.lease != lease
        run = self.runs.get(lease.key)
        if run is not None and run.name == lease.holder:
            run.known, run.lease = union(run.known, Known(tries=(one,))), None

    @rule(event=arbitrary.events)
    def push(self, event: JobFinished) -> None:
        """A push on some job, ours or not."""
        self._send(event)

    @precondition(lambda self: self.sent)
    @rule(pick=st.integers(0, 10))
    def repeat(self, pick: int) -> None:
        """A message that comes again, late."""
        self._send(self.sent[-1 - pick % len(self.sent)])

    @rule(frozen=st.booleans())
    def switch(self, frozen: bool) -> None:
        """Frozen, and unfrozen."""
        self._become(freeze(self.state, "li", "x", self.now) if frozen else unfreeze(self.state, self.now))

    @rule(lost=st.sets(st.integers(0, 9), max_size=3))
    def speak(self, lost: set[int]) -> None:
        """What the account has to say is said; of some it is not heard whether it was."""
        for number, one in enumerate(outgoing(self.state, self.now)):
            if number not in lost:
                self._confirm(one)

    @rule()
    def wait_for_it(self) -> None:
        """Time passes until there is something to do; a moment before that, there is nothing."""
        at = due(self.state)
        if at is None:
            return
        assert at > self.now
        assert settle(self.state, at - timedelta(microseconds=1)) == self.state
        self.now = at
        assert settle(self.state, at) != self.state
        self._become(self.state)

    @rule(seconds=st.sampled_from([1, 30, 4000]))
    def wait(self, seconds: int) -> None:
        """Time passes, and nobody looks."""
        self.now += seconds * SECOND
        self._become(self.state)

    @rule()
    def continue_as_new(self) -> None:
        """Trimmed, and through JSON."""
        self.state = AccountState.model_validate_json(trimmed(self.state, self.now).model_dump_json())

    @rule()
    def reset(self) -> None:
        """The account was reset: of every key earlier runs know more."""
        self._become(unsearched(self.state))

    # How it is applied

    def _send(self, message: Message) -> None:
        self.sent.append(message)
        before = self.state
        state = take(self.state, message, self.now)
        assert take(state, message, self.now) == state, "twice is not once"
        self._keeps(before, state, message)
        self._become(state)

    def _become(self, state: AccountState) -> None:
        before, self.state = self.state, settle(state, self.now)
        for one in self.leases:
            record = self.state.records.get(one.key)
            tries = record.known.tries if record else ()
            if any(two.identity == one.identity and two.answer and two.answer.kind == "unused" for two in tries):
                self.ended.setdefault(one.wish, self.now)
        lease = self.state.lease
        if lease is not None and lease not in self.leases:
            self._granted(state, lease)
        assert (due(self.state) or self.now + SECOND) > self.now
        assert settle(self.state, self.now) == self.state
        self._keeps(before, self.state, None)

    def _granted(self, before: AccountState, lease: Lease) -> None:
        """A new lease: nobody else has one, and none that there was can still be written under."""
        assert self.state.frozen is None
        assert not before.records[lease.key].unsearched
        [one] = [one for one in self.state.records[lease.key].known.tries if one.identity == lease.identity]
        assert is_under_way(one)
        assert lease.number > max((other.number for other in before.records[lease.key].known.tries), default=0)
        for other in self.leases:
            over = self.ended.get(other.wish, other.expires_at)
            assert over <= self.now
            wrote = self.ended.get(other.wish, other.valid_until)
            assert lease.not_before >= min(wrote, other.valid_until)
        self.leases.append(lease)

    def _confirm(self, one: Outgoing) -> None:
        run = self.runs.get(one.key)
        if one.run_id is not None and (run is None or run.name != one.run_id):
            if one.kind == "lease":
                lease = self.state.lease
                if lease is not None and isinstance(one.payload, Granted) and one.payload.lease == lease:
                    self.ended.setdefault(lease.wish, self.now)
            self._become(not_found(self.state, one, self.now))
            return
        if isinstance(one.payload, Granted) and run is not None:
            run.hear(one.payload)
        self._become(delivered(self.state, one))

    def _keeps(self, before: AccountState, after: AccountState, message: Message | None) -> None:
        """What may tell of a delivery is never lost: neither what was known, nor what was brought."""
        for key, record in before.records.items():
            for one in record.known.tries:
                assert any(_stands_for(other, one) for other in after.records[key].known.tries), one
            words = {(one.msg_id, one.verdict.observed_by) for one in record.known.said}
            kept = {
                (one.msg_id, one.verdict.observed_by) for other in after.records.values() for one in other.known.said
            }
            assert words <= kept
        if message is not None and not isinstance(message, JobFinished) and message.key in after.records:
            is_closed = isinstance(message, Wish) and (message.wish in before.closed or not message.searched)
            for one in () if is_closed else message.known.tries:
                assert any(_stands_for(other, one) for other in after.records[message.key].known.tries), one

    # The promises

    @invariant()
    def the_lease_is_in_the_facts(self) -> None:
        """Its try is in the record, and unanswered."""
        state = getattr(self, "state", EMPTY)
        if state.lease is not None:
            tries = state.records[state.lease.key].known.tries
            [one] = [one for one in tries if one.identity == state.lease.identity]
            assert one.answer is None

    @invariant()
    def the_queue_is_in_order(self) -> None:
        """One place a key, each with a record."""
        queue = getattr(self, "state", EMPTY).queue
        assert [place.turn for place in queue] == sorted(place.turn for place in queue)
        assert len({place.key for place in queue}) == len(queue)
        assert all(place.key in self.state.records for place in queue)

    @invariant()
    def it_is_small(self) -> None:
        """Whatever happens."""
        assert len(getattr(self, "state", EMPTY).model_dump_json()) <= BYTES_MAX - INBOX_BYTES

    def teardown(self) -> None:
        """Everybody who waits gets a turn in the end, or is told what stands against it."""
        if not hasattr(self, "state"):
            return
        self._become(unfreeze(self.state, self.now))
        for _ in range(200):
            for one in outgoing(self.state, self.now):
                self._confirm(one)
            if not (self.state.queue or self.state.lease or outgoing(self.state, self.now)):
                break
            self.now = max(self.now, due(self.state) or self.now)
            self._become(self.state)
        assert not self.state.queue
        assert self.state.lease is None
        assert outgoing(self.state, self.now) == ()


def _stands_for(one: Try, other: Try) -> bool:
    """Whether a fact of the same try tells at least as much of a delivery."""
    if one.identity != other.identity:
        return False
    tells = other.answer is not None and other.answer.kind in {"accepted", "duplicate"}
    same = one.answer is not None and other.answer is not None and one.answer.msg_id == other.answer.msg_id
    return same or one.answer is not None or not (tells or (is_unknown(other) and not is_unknown(one)))


TestMessages: Callable[..., Any] = Messages.TestCase
TestMessages.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)  # type: ignore[attr-defined]  # hypothesis reads it off the class
