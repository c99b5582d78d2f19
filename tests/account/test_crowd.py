"""A crowd whose sends are due at once; and what strangers who can signal must not do to an account."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from qunfa.account.budget import BYTES_MAX, INBOX_BYTES
from qunfa.account.leases import due, settle
from qunfa.account.outbox import delivered, outgoing
from qunfa.account.state import AccountState
from qunfa.contract.facts import Decided, Known
from qunfa.contract.fields import GENERATIONS_MAX, NUMBER_MAX
from qunfa.contract.grants import Granted, Lease, Report, Turn
from qunfa.contract.result import JobFinished
from tests.account.driving import (
    BEGAN,
    DAY,
    EMPTY,
    MINUTE,
    SECOND,
    answer,
    attempt,
    done,
    heard,
    known,
    leased,
    look,
    report,
    size,
    tried,
    turn,
    wish,
)
from tests.rules.arbitrary import NOON

CROWD = 1000
SLICE = 100
"""How many messages are applied before the account says what it has to say."""


class Crowd:
    """Sends that do as they are told, and WeChat that answers at once."""

    def __init__(self, *, pushes: bool = True) -> None:
        self.pushes = pushes
        self.state: AccountState = EMPTY
        self.now = NOON
        self.again: list[tuple[datetime, str]] = []
        self.leases: list[tuple[datetime, str, Lease]] = []
        self.wishes = self.said = 0
        self.submitted: list[str] = []

    def ask(self, keys: list[str]) -> None:
        """These sends ask, each with an id of its own."""
        for number, key in enumerate(keys, 1):
            self.wishes += 1
            self.state = done(self.state, wish(f"w{self.wishes}", key, run=f"run-{key}"), now=self.now)
            if number % SLICE == 0 or number == len(keys):
                self.hear()

    def hear(self) -> None:
        """Everybody hears what the account has to say."""
        while batch := outgoing(self.state, self.now):
            for one in batch:
                self.said += 1
                self.state = delivered(self.state, one)
                if isinstance(one.payload, Granted):
                    self._note(one.key, one.payload)

    def _note(self, key: str, granted: Granted) -> None:
        if granted.lease is not None:
            self.leases.append((granted.lease.not_before, key, granted.lease))
        elif granted.waits is not None and granted.waits.until is not None:
            self.again.append((granted.waits.until, key))

    def go_on(self) -> None:
        """Time passes until somebody may submit, is to ask again, or the account has something to do."""
        times = [*(at for at, _ in self.again), *(at for at, _, _ in self.leases)]
        self.now = max(self.now, min(filter(None, (due(self.state), *times))))
        self.state = settle(self.state, self.now)
        for _, key, lease in [one for one in self.leases if one[0] <= self.now]:
            self._submit(key, lease)
        self.leases = [one for one in self.leases if one[0] > self.now]
        late = [key for at, key in self.again if at <= self.now]
        self.again = [one for one in self.again if one[0] > self.now]
        self.ask(late)
        self.hear()

    def _submit(self, key: str, lease: Lease) -> None:
        self.submitted.append(key)
        msg_id = 1000 + len(self.submitted)
        answered = tried(lease, answer(at=self.now, msg_id=msg_id))
        push = JobFinished(msg_id=msg_id, status="send success")
        self.state = done(self.state, report(answered, key=key), *[push] * self.pushes, now=self.now)


def test_those_that_wait_leave_room_for_each_others_turns() -> None:
    """Also while WeChat tells no result: how many get their turn then is no smaller for a larger crowd."""
    submitted = []
    for many in (170, 240, CROWD):
        crowd = Crowd(pushes=False)
        crowd.ask([f"k{number:04}" for number in range(many)])
        while crowd.leases:
            crowd.go_on()
        submitted.append(len(crowd.submitted))
        assert size(crowd.state) <= BYTES_MAX - INBOX_BYTES
    assert submitted == sorted(submitted)
    assert submitted[0] > 150


def test_a_crowd_drains_at_the_pace_of_the_account() -> None:
    """Those for whom there is a place ask once, the others when they were told to; everybody is sent once."""
    crowd, keys = Crowd(), [f"k{number:04}" for number in range(CROWD)]
    crowd.ask(keys)
    assert len(crowd.state.queue) > CROWD / 4
    while crowd.leases or crowd.again:
        crowd.go_on()
    assert sorted(crowd.submitted) == keys
    assert crowd.now - NOON <= CROWD * SECOND + MINUTE
    assert crowd.wishes < 4 * CROWD
    assert crowd.said < 8 * CROWD


def test_one_message_costs_little_in_a_full_account() -> None:
    """A slice of a hundred stays far below the two seconds that the SDK grants a task."""
    state = EMPTY
    for number in range(400):
        state = done(state, wish(f"w{number}", f"k{number}", run=f"run-{number}"))
    timings = []
    for round_ in range(3):
        began, after = time.thread_time(), state
        for number in range(SLICE):
            after = done(after, wish(f"x{round_}-{number}", f"new{number}", run="run"))
        timings.append(time.thread_time() - began)
    assert min(timings) < 1


KNOWN_KEYS = 300
FAR = datetime(2999, 1, 1, tzinfo=UTC)


def refused_before(key: str) -> Known:
    """Two no's of yesterday."""
    no = answer("refused", errcode=45028, errmsg="has no masssend quota", at=NOON - DAY)
    return known(attempt(no, 1, f"old-{key}-1"), attempt(no, 2, f"old-{key}-2"))


def test_a_crowd_whose_keys_are_known_gets_through_as_well() -> None:
    """At the next window all that were refused ask together; those for whom there is no room are told when to come."""
    state, again, granted = EMPTY, {f"k{number:03}": NOON for number in range(KNOWN_KEYS)}, set[str]()
    for key in again:
        state = done(state, look(f"{key}-0", key, f"run-{key}", known=refused_before(key)), now=NOON - DAY)
    now, number = NOON, 1
    while len(granted) < KNOWN_KEYS:
        number += 1
        for key in [key for key, at in again.items() if at <= now]:
            del again[key]
            another = wish(f"{key}-{number}", key, f"run-{key}", number=number, known=refused_before(key))
            state = done(state, another, now=now)
        state, said = heard(state, now)
        for one in said:
            if isinstance(one.payload, Granted) and one.payload.waits and one.payload.waits.until:
                again[one.key] = one.payload.waits.until
        if (lease := state.lease) is not None:
            now = max(now, lease.not_before)
            granted.add(lease.key)
            state = done(state, report(lease.tried(answer(at=now, msg_id=len(granted))), key=lease.key), now=now)
            state = done(state, JobFinished(msg_id=len(granted), status="send success"), now=now)
            continue
        times = [*again.values(), *filter(None, [due(state)])]
        assert times, f"{len(granted)} were granted, and nothing is due"
        now = max(now, min(times))


@pytest.mark.parametrize("told", [False, True])
def test_the_last_number_of_a_try_may_stand_for_several(told: bool) -> None:
    """A stranger may have told it of a key: its sends get their leases all the same, and their facts stay apart."""
    last = report(attempt(answer("not_written"), NUMBER_MAX, "w0"))
    facts = known() if told else last.known
    state, lease = leased(done(EMPTY, last) if told else EMPTY, wish(known=facts))
    assert lease.number == NUMBER_MAX
    state, lease = leased(state, report(tried(lease, answer("refused", errcode=45011))), wish("w2", known=facts))
    assert [(one.number, one.wish) for one in state.records["k"].known.tries] == [
        (NUMBER_MAX, "w0"),
        (NUMBER_MAX, "w1"),
        (NUMBER_MAX, "w2"),
    ]


@pytest.mark.parametrize("number", [GENERATIONS_MAX, 10**9, int("9" * 4300)])
def test_numbers_that_nothing_can_have_are_not_read(number: int) -> None:
    """A generation after the last one could not be written."""
    decision = {"id": "x", "what": "open", "by": "eve", "reason": "y", "at": NOON, "generation": number}
    for facts in ({"decided": [decision]}, {"tries": [{**attempt().model_dump(), "number": number * NUMBER_MAX}]}):
        with pytest.raises(ValidationError):
            Report.model_validate({"key": "k", "digest": "d", "workflow_id": "w", "known": facts})
    with pytest.raises(ValidationError):
        Known.model_validate({"decided": [{**decision, "generation": 0, "msg_id": number * 10**19}]})
    with pytest.raises(ValidationError):
        Turn.model_validate({**turn().model_dump(), "generation": number})


@pytest.mark.parametrize("span", ["pace", "http_timeout"])
def test_a_turn_cannot_hold_the_account_for_a_year(span: str) -> None:
    """An hour is the most that anybody may configure."""
    usual = turn().model_dump()
    with pytest.raises(ValidationError):
        Turn.model_validate({**usual, span: timedelta(days=366)})
    longest = Turn.model_validate({**usual, span: timedelta(hours=1)})
    assert getattr(longest, span) == timedelta(hours=1)


def test_many_tries_of_one_message_are_added_in_no_time() -> None:
    """As many as fit into the largest message that an inbox takes."""
    no = answer("refused", errcode=40007)
    tries = [attempt(no if number % 2 else None, number, f"w{number}") for number in range(1, 500)]
    message = report(*tries)
    began = time.thread_time()
    done(EMPTY, message)
    assert time.thread_time() - began < 1


def crammed(state: AccountState) -> AccountState:
    """Somebody has brought so many tries of its key that the one under way is not remembered."""
    lease = state.lease
    assert lease is not None
    lost = [
        attempt(None, 100 + number, f"s{number}", lost_at=NOON - DAY, clientmsgid=lease.clientmsgid, not_before=BEGAN)
        for number in range(3)
    ]
    noes = [attempt(answer("refused", errcode=40007), 1000 + number, f"n{number}") for number in range(60)]
    return done(state, look("evil", run="run-e", known=known(*lost, *noes)), report(*noes))


def test_a_lease_ends_by_the_clock_also_where_its_try_is_forgotten() -> None:
    """The next one in the queue gets its turn."""
    state, lease = leased(EMPTY, wish())
    state = done(crammed(state), wish("o", key="other", run="run-9"))
    assert state.lease == lease
    state = settle(state, lease.expires_at)
    assert state.lease is not None
    assert state.lease.key == "other"


def test_an_answer_for_which_there_is_no_room_gives_its_lease_back() -> None:
    """A key that people have decided about again and again takes no more facts; the account goes on."""
    state, lease = leased(EMPTY, wish())
    words = [
        Decided(id=f"d{number}", what="retry", by="li", reason="x" * 500, at=NOON, generation=0) for number in range(99)
    ]
    facts = known(lease.tried(answer()), decided=tuple(words))
    state = done(state, report().model_copy(update={"known": facts}))
    assert not state.records["k"].known.decided
    assert state.lease is None
