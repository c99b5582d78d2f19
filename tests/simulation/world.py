"""A world without a server: real sends and real accounts, a WeChat for each, people, and what can be lost.

What happens is a script: a list of names, each with the seed of what is random in it. One seed makes a script, and a
script makes a story. What a script says and cannot happen is left out, so that any part of a script is one.
"""

from datetime import timedelta
from random import Random
from typing import ClassVar, Final, NamedTuple, TypeVar

from qunfa.account.state import AccountState
from qunfa.contract.operators import Resume
from qunfa.contract.steps import AccountFacts, Timing
from tests.rules.arbitrary import NOON
from tests.simulation import people
from tests.simulation.accounts import Account
from tests.simulation.books import Book
from tests.simulation.chances import HAPPENINGS, IN_THE_MIDST, LOSING, SWARM, UNUSUAL, USUAL, WORK
from tests.simulation.happenings import LOSSES_MAX, Happenings
from tests.simulation.judge import Judge
from tests.simulation.pushes import Ways
from tests.simulation.reached import Reached
from tests.simulation.sends import Send
from tests.simulation.wechat import Wechat

ACCOUNTS_MAX: Final = 2
SENDS: Final = (1, 1, 2, 3)
"""How many there are, as often as it stands here."""
FORGETFUL: Final = 0.3
"""How many lives have a namespace that forgets closed runs soon. Their accounts lose nothing: they know each key."""
ALWAYS_ASKED: Final = 0.3
"""How many accounts have a WeChat that always says how a job stands."""
PACES: Final = (timedelta(seconds=1), timedelta(seconds=1), timedelta(minutes=1))
"""How far apart the submissions of an account are: at a slow one sends wait for their turn."""
HOURS: Final = (*[None] * 8, ("08:00", "22:00"), ("11:30", "12:30"))
"""When the sends of an account may go out, by Shanghai's clock. A life begins at noon there."""
CALM_MAX: Final = 3000
CALM: Final = timedelta(days=45)
"""How long a send may still take once nothing is lost any more: people have three days for each answer."""

One = TypeVar("One")


class Happening(NamedTuple):
    """One line of a script: what happens, and the seed of what is random in it."""

    what: str
    salt: int


class World(Happenings):
    """All of it, and what can happen next. In a ``gentle`` one nothing is lost, late or unheard."""

    happenings: ClassVar[dict[str, float]] = HAPPENINGS
    """What can happen, and how often."""

    def __init__(self, seed: int, *, gentle: bool = False) -> None:
        self.seed, self.gentle, self.now = seed, gentle, NOON
        self.script: list[Happening] = []
        self.story: list[str] = []
        self.judge, self.reached = Judge(), Reached()
        self.random = Random(seed)  # noqa: S311  what happens is to be the same for a seed
        self.losses = self.answers = 0
        self.is_calm = False
        self.is_forgetful = self.random.random() < FORGETFUL
        self.accounts = [self._account(number) for number in range(self.random.randint(1, ACCOUNTS_MAX))]
        self.sends: list[Send] = []
        for number in range(self.random.choice(SENDS)):
            self._send(number)
        self._master = Random(f"{seed} what happens")  # noqa: S311
        usual = set() if self._master.random() < UNUSUAL else USUAL
        mixed = {one: self._master.choice(SWARM) for one in self.happenings if one not in usual}
        self._chances = {one: weight * mixed.get(one, 1.0) for one, weight in self.happenings.items()}

    def _account(self, number: int) -> Account:
        random = self.random
        wechat = Wechat(
            random,
            first=100 + 1000 * number,
            frees=random.random() < 0.7,
            mute=0.0 if self.gentle or random.random() < ALWAYS_ASKED else 0.1,
            denies=random.random() < 0.5,
            a_day=None if random.random() < 0.8 else 1,
        )
        state = AccountState(appid=f"wx{number}", since=self.now)
        pace, hours = random.choice(PACES), Random(f"{self.seed} hours {number}").choice(HOURS)  # noqa: S311  as above
        return Account(self, f"account-{number}", wechat, state, pace, hours)

    def _send(self, number: int) -> None:
        account, key = self.random.choice(self.accounts), f"key-{number}"
        request = people.request(self.random, account.name, key, self.now)
        facts = AccountFacts(
            name=account.name,
            appid=account.state.appid,
            base_url="https://x.test",
            quota=self.random.choice(["wait", "wait", "ask"]),
            send_hours=account.hours,
            timing=Timing(pace=account.pace, **TIMES),
        )
        send = Send(self, account, key, request, facts)
        needs = request.approval is not None and request.approval.required
        book = Book(account=account.name, needs_approval=needs, asked_for=request.send_at, not_after=request.not_after)
        book.hours = account.hours
        self.judge.books[key] = book
        self.sends.append(send)

    # What happens

    def happen(self) -> None:
        """One thing happens, by chance; nothing, where all is over."""
        if self.is_over():
            return
        able = [one for one in self.happenings if not (self.gentle and one in LOSING) and self._able(one)]
        busy = any(one in WORK for one in able)
        weights = [IN_THE_MIDST if busy and one == "wait" else self._chances[one] for one in able]
        chosen = self._master.choices(able, weights)[0]
        self.carry_out(Happening(chosen, self._master.getrandbits(32)))

    def carry_out(self, one: Happening) -> None:
        """It happens, where it can."""
        self.script.append(one)
        self.random.seed(one.salt)
        if able := self._able(one.what):
            self.random.choice(able)()
            self._look()

    def _able(self, what: str) -> Ways:
        found: Ways = getattr(self, f"_{what}")()
        return found

    def _look(self) -> None:
        for send in self.sends:
            jobs = send.account.wechat.of(send.key)
            self.judge.looks(send.key, jobs)

    def is_over(self) -> bool:
        """Whether every key has ended, is not started again, and nothing of it is on its way."""
        return not (any(send.run for send in self.sends) or self._start() or self._fly() or self._arrive())

    def calm(self) -> None:
        """Nothing is lost any more, and everybody does what they are to do: all sends end."""
        self.random.seed(f"{self.seed} calm")
        self.losses, self.answers, self.gentle = LOSSES_MAX, 0, True
        self.is_calm = True
        self.tell("from here on nothing is lost")
        for account in self.accounts:
            account.wechat.mute, account.wechat.a_day = 0.0, None
            account.let_go()
            for send in self.sends:
                if send.account is account and send.run and account.lost_at:
                    send.tell_of_a_loss(max(account.lost_at))
        until = self.now + CALM
        for _ in range(CALM_MAX):
            if not self.going():
                return
            if self.now > until:
                break
            chosen = next(one for one in ("task", "hear", "say", "fly", "hear_an_answer", "wait") if self._able(one))
            self.random.choice(self._able(chosen))()
            self._look()
            if chosen == "wait":
                self._all_do_theirs()
        self.judge.hang(self.going(), str([one.planned() for one in self.sends]))

    def going(self) -> list[str]:
        """The keys that still run."""
        return [send.key for send in self.sends if send.run]

    def _all_do_theirs(self) -> None:
        for account in self.accounts:
            if not account.said:
                account.continue_as_new()
                account.settle()
        for send in self.sends:
            if send.run:
                self._does_theirs(send)

    def _does_theirs(self, send: Send) -> None:
        """WeChat pushes, and people answer."""
        for job in send.account.wechat.of(send.key):
            if job.pushes and self.now >= job.decided_at and self.random.random() < 0.5:
                self._pushed(send.account, job)
        if send.run and send.run.state.paused:
            self._update(send, Resume(by="li"))
        elif send.run and (answers := [*self._answer_of(send), *self._approve_of(send)]):
            answers[0]()


TIMES: dict[str, timedelta] = {}
"""Other times, of all accounts."""
