"""A thousand sends of one account, due at once."""

import time
from datetime import datetime

from qunfa.account.leases import due, settle
from qunfa.account.outbox import delivered, outgoing
from qunfa.account.state import AccountState
from qunfa.contract.grants import Granted, Lease
from qunfa.contract.result import JobFinished
from tests.account.driving import EMPTY, MINUTE, SECOND, answer, done, report, tried, wish
from tests.rules.arbitrary import NOON

CROWD = 1000
SLICE = 100
"""How many messages are applied before the account says what it has to say."""


class Crowd:
    """Sends that do as they are told, and WeChat that answers at once."""

    def __init__(self) -> None:
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
        self.state = done(self.state, report(answered, key=key), push, now=self.now)


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
        began, after = time.process_time(), state
        for number in range(SLICE):
            after = done(after, wish(f"x{round_}-{number}", f"new{number}", run="run"))
        timings.append(time.process_time() - began)
    assert min(timings) < 1
