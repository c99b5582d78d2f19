"""An account: the real ledger and queue, and Temporal between it and its sends."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from qunfa.account.budget import trimmed
from qunfa.account.inbox import Message, take
from qunfa.account.leases import due, settle
from qunfa.account.outbox import Outgoing, delivered, not_found, outgoing
from qunfa.account.people import forget, freeze, unfreeze
from qunfa.account.records import unsearched
from qunfa.account.state import AccountState
from qunfa.contract.facts import Known
from qunfa.contract.grants import Granted, Lease, Report, Wish
from qunfa.contract.result import JobFinished
from tests.simulation.wechat import Wechat

IN_ORDER: Final = 0.8
"""How often messages come as they were sent: Temporal keeps their order, but for one that was sent again.

The wishes of one run never overtake each other: a run makes the next one once the account has been told of the last.
"""
ANSWER_LOST: Final = 0.03
"""How often nobody hears the first answer to a wish."""
SAID_LATER: Final = 0.2
"""How often something may come while signals of the account are on their way."""
NOTHING: Final = Known()

if TYPE_CHECKING:
    from tests.simulation.sends import Send
    from tests.simulation.world import World


@dataclass
class Account:
    """One appid. ``earlier``: its state before what it has taken since, for a reset; ``lost_at``: when it was lost.

    ``hours``: when its sends may go out, by Shanghai's clock.

    ``said``: its signals that are on their way, and who hears each. Meanwhile only people change what it knows.
    """

    world: "World"
    name: str
    wechat: Wechat
    state: AccountState
    pace: timedelta = timedelta(seconds=1)
    hours: tuple[str, str] | None = None
    inbox: list[Message] = field(default_factory=list)
    copies: list[Outgoing] = field(default_factory=list)
    earlier: list[tuple[AccountState, list[Message]]] = field(default_factory=list)
    lost_at: list[datetime] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    said: list[tuple[Outgoing, bool]] = field(default_factory=list)
    _says: tuple[AccountState, datetime, bool] | None = None

    def _become(self, state: AccountState, told: Known = NOTHING) -> None:
        """Its next state, once all is done that time brings and it was ``told``; the judge hears of a new lease."""
        before: Lease | None = self.state.lease
        self.state = state if self.said else settle(state, self.world.now)
        lease = self.state.lease
        if before is not None and self.world.now >= before.expires_at:
            self.world.judge.books[before.key].loses_track(before.clientmsgid)
        if lease is not None and (before is None or before.identity != lease.identity):
            is_gone = lease.holder not in self._runs()
            beside = before.key if before is not None and self._is_out(before, told) else None
            self.world.judge.granted(self.name, lease, to_nobody=is_gone, beside=beside)

    def _is_out(self, lease: Lease, told: Known) -> bool:
        """Whether it knows of no answer to a lease whose time is not over, and whose run there still is."""
        record = self.state.records.get(lease.key)
        tries = (*told.tries, *(record.known.tries if record else ()))
        is_answered = any(one.answer for one in tries if one.identity == lease.identity)
        is_there = record is not None and lease.holder in self._runs()
        return is_there and not is_answered and self.world.now < lease.expires_at

    def nameable(self, send: "Send") -> set[int]:
        """The jobs that WeChat may name to a send, of those that are others'. The account was told of them.

        At the first try of a key they may be those of a key in doubt. Of a repeat nobody could tell whose one is.
        Of what failed and was freed nobody could: that key may be accepted with another job by the time it is told.
        """
        to_new = send.flown == 1 and not self.world.judge.books[send.key].unheard
        records = self.state.records
        claims = (one for record in records.values() for one in record.claims.items())
        doubts = {key for key, record in records.items() if record.unsettled} if to_new else set()
        told = {msg_id for msg_id, claim in claims if claim.accepted}
        kept = (job for job in self.wechat.jobs if job.delivered or not self.wechat.frees)
        return told | {job.msg_id for job in kept if job.key in doubts}

    def _runs(self) -> set[str]:
        """The runs that there are."""
        return {send.run.id for send in self.world.sends if send.run}

    def settle(self) -> None:
        """Time has passed."""
        self._become(self.state)

    def due(self) -> datetime | None:
        """When it has something to do again."""
        return due(self.state)

    def hear(self) -> None:
        """It takes one of the messages to it; one may come twice, and overtake others."""
        random = self.world.random
        index = 0 if self.world.gentle or random.random() < IN_ORDER else random.randrange(len(self.inbox))
        message = self.inbox[index]
        if isinstance(message, Wish):
            index = next(
                n for n, one in enumerate(self.inbox) if isinstance(one, Wish) and one.run_id == message.run_id
            )
            message = self.inbox[index]
        for overtaken in self.inbox[:index]:
            if isinstance(overtaken, Report):
                for one in overtaken.known.tries:
                    self.world.judge.books[overtaken.key].loses_track(one.clientmsgid)
        if random.random() < 0.8:
            self.inbox.remove(message)
        if random.random() < 0.1:
            self.earlier = [*self.earlier[-2:], (self.state, [])]
        for _, heard in self.earlier:
            heard.append(message)
        if isinstance(message, JobFinished):
            self.world.hears(self, message)
        if isinstance(message, Wish) and self.state.lease is not None and self._is_of_an_old_run(message):
            self.world.judge.books[message.key].loses_track(self.state.lease.clientmsgid)
        self.takes(message)

    def takes(self, message: Message) -> None:
        """What it knows once it has taken the message in."""
        after = take(self.state, message, self.world.now)
        if isinstance(message, Wish) and message.frozen is not None:
            record = after.records.get(message.key)
            if record is not None and record.wished == (message.run_id, message.number):
                self.world.judge.hears_of_a_freeze(self.name, message.frozen.at)
        self._become(after, message.known if isinstance(message, Wish | Report) else NOTHING)

    def _is_of_an_old_run(self, wish: Wish) -> bool:
        """Whether it comes so late that a later run has the lease: which of the two is gone, no account can know."""
        lease, runs = self.state.lease, self._runs()
        return lease is not None and lease.key == wish.key and lease.holder in runs and wish.run_id not in runs

    def can_say(self) -> bool:
        """Whether there is something to be said. Of the same state at the same time it is asked again and again."""
        if self._says is None or self._says[0] is not self.state or self._says[1] != self.world.now:
            self._says = (self.state, self.world.now, bool(outgoing(self.state, self.world.now)))
        return self._says[2] or bool(self.said)

    def say(self) -> None:
        """Its signals reach their runs, maybe twice, or find nobody. It hears of that at once, or later.

        The first answer to a wish may be lost: it goes to the activity that has asked, whose worker may be lost.
        """
        if not self.said:
            self.said = [(one, self._reaches(one)) for one in outgoing(self.state, self.world.now)]
            if not self.world.gentle and self.world.random.random() < SAID_LATER:
                return
        said, state = self.said, self.state
        for one, heard in said:
            state = delivered(state, one) if heard else not_found(state, one, self.world.now)
        self.said = []
        self._become(state)

    def _reaches(self, one: Outgoing) -> bool:
        random = self.world.random
        if isinstance(one.payload, Granted) and one.payload.wish not in self.answered:
            self.answered.add(one.payload.wish)
            if not self.world.gentle and random.random() < ANSWER_LOST:
                self.world.tell(f"{one.key} does not hear the answer to {one.payload.wish}")
                return True
        heard = self.receive(one)
        if heard and not self.world.gentle and random.random() < 0.15:
            self.copies.append(one)
        return heard

    def receive(self, said: Outgoing) -> bool:
        """Whether the run that a signal is for takes it."""
        send: Send | None = next((one for one in self.world.sends if one.workflow_id == said.workflow_id), None)
        run = send.run if send else None
        if run is None or said.run_id not in {None, run.id}:
            return False
        run.inbox.append(said.payload)
        return True

    def freeze(self, by: str = "li") -> None:
        """A person freezes it, maybe another one than whoever has frozen it before."""
        self.world.tell(f"{self.name} is frozen by {by}")
        self._become(freeze(self.state, by, "wrong text", self.world.now))
        self.world.judge.frozen.add(self.name)

    def forget(self, key: str) -> None:
        """A person has it forget a key, of which Temporal still has the runs."""
        self.world.tell(f"{self.name} forgets {key}")
        self.world.judge.books[key].is_forgotten()
        self._become(forget(self.state, key, "li", "as WeChat's console says", self.world.now))

    def jobs_of(self, key: str) -> set[int]:
        """The msg_ids of a key at WeChat."""
        return {job.msg_id for job in self.wechat.of(key)}

    def let_go(self) -> None:
        """It is unfrozen, where it was frozen."""
        if self.state.frozen is not None:
            self.world.tell(f"{self.name} is unfrozen")
        self.world.judge.unfreezes(self.name, self.world.now)
        self._become(unfreeze(self.state, self.world.now))

    # Losses

    def lose(self) -> None:
        """Its workflow is terminated; a new one begins empty."""
        self.world.tell(f"the ledger of {self.name} is lost")
        self._is_lost()
        self._begin(AccountState(appid=self.state.appid, since=self.world.now))

    def reset(self) -> None:
        """Its workflow is reset: it forgets what came since, unless that is applied again."""
        state, heard = self.world.random.choice(self.earlier)
        self.earlier = []
        again = self.world.random.random() < 0.5
        self.world.tell(f"{self.name} is reset" + (f", and hears {len(heard)} messages again" if again else ""))
        if again:
            self.inbox = [*heard, *self.inbox]
        if state.lease is not None:  # it may have come back unused meanwhile, which is forgotten
            self.world.judge.books[state.lease.key].loses_track(state.lease.clientmsgid)
        self._is_lost()
        self._begin(unsearched(state))

    def _is_lost(self) -> None:
        if self.lost_at:  # it cannot be lost twice at once: by its time one loss is told from the other
            self.world.now = max(self.world.now, self.lost_at[-1] + timedelta(seconds=1))
        self.lost_at.append(self.world.now)
        self.world.judge.forgets(self.name)

    def _begin(self, state: AccountState) -> None:
        if state.frozen is not None:
            self.world.judge.frozen.add(self.name)
        self.state, self.said = state, []
        self._become(state)

    def continue_as_new(self) -> None:
        """Its state as the next run has it."""
        state = trimmed(self.state, self.world.now)
        self.state = AccountState.model_validate_json(state.model_dump_json())
        assert self.state == state, "a state does not survive JSON"
