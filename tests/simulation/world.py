"""A world without a server: real sends and real accounts, a WeChat for each, people, and what can be lost.

What happens is a script: a list of names, each with the seed of what is random in it. One seed makes a script, and a
script makes a story. What a script says and cannot happen is left out, so that any part of a script is one.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, Final, NamedTuple, TypeVar

from qunfa.account.state import AccountState
from qunfa.contract.facts import Known
from qunfa.contract.operators import Abort, Resume
from qunfa.contract.result import Answer, JobFinished
from qunfa.contract.steps import AccountFacts
from qunfa.send import events, steps
from tests.rules.arbitrary import NOON
from tests.simulation import people
from tests.simulation.accounts import Account
from tests.simulation.judge import Book, Judge
from tests.simulation.reached import Reached
from tests.simulation.sends import Flight, Send
from tests.simulation.wechat import FATES, HEARD, TAKEN, Job, Wechat, pushed

ACCOUNTS_MAX: Final = 2
SENDS: Final = (1, 1, 1, 2, 3)
"""How many there are, as often as it stands here."""
FORGETFUL: Final = 0.2
"""How many lives have a namespace that forgets closed runs soon. Their accounts lose nothing: they know each key."""
KNOWN_FOR: Final = timedelta(days=30)
LOSSES_MAX: Final = 4
RUNS_MAX: Final = 5
ANSWERS_MAX: Final = 40
CALM_MAX: Final = 3000
CALM: Final = timedelta(days=45)
"""How long a send may still take once nothing is lost any more: people have three days for each answer."""
_STRANGER: Final = 9_000_000

One = TypeVar("One")


class Happening(NamedTuple):
    """One line of a script: what happens, and the seed of what is random in it."""

    what: str
    salt: int


class World:
    """All of it, and what can happen next. In a ``gentle`` one nothing is lost, late or unheard."""

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
        mixed = {one: self._master.choice(SWARM) for one in HAPPENINGS if one not in usual}
        self._chances = {one: weight * mixed.get(one, 1.0) for one, weight in HAPPENINGS.items()}

    def _account(self, number: int) -> Account:
        random = self.random
        wechat = Wechat(
            random,
            first=100 + 1000 * number,
            frees=random.random() < 0.5,
            mute=0.0 if self.gentle else 0.1,
            a_day=None if random.random() < 0.8 else 1,
        )
        return Account(self, f"account-{number}", wechat, AccountState(appid=f"wx{number}", since=self.now))

    def _send(self, number: int) -> None:
        account, key = self.random.choice(self.accounts), f"key-{number}"
        request = people.request(self.random, account.name, key, self.now)
        facts = AccountFacts(
            name=account.name,
            appid=account.state.appid,
            base_url="https://x.test",
            quota=self.random.choice(["wait", "wait", "ask"]),
        )
        send = Send(self, account, key, request, facts.model_copy(update=FACTS))
        needs = request.approval is not None and request.approval.required
        self.judge.books[key] = Book(needs, request.send_at)
        self.sends.append(send)

    def tell(self, what: str) -> None:
        """One line of the story."""
        self.story.append(f"{self.now:%d %H:%M:%S} {what}")

    # What happens

    def happen(self) -> None:
        """One thing happens, by chance; nothing, where all is over."""
        if self.is_over():
            return
        able = [one for one in HAPPENINGS if not (self.gentle and one in LOSING) and self._able(one)]
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

    def _able(self, what: str) -> list[Callable[[], object]]:
        found: list[Callable[[], object]] = getattr(self, f"_{what}")()
        return found

    def _look(self) -> None:
        for send in self.sends:
            jobs = send.account.wechat.of(send.key)
            self.judge.looks(send.key, (job.msg_id for job in jobs), sum(job.delivered for job in jobs))

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
                    send.run.inbox.append(events.QueueLost(max(account.lost_at)))
        until = self.now + CALM
        for _ in range(CALM_MAX):
            running = [send for send in self.sends if send.run]
            if not running:
                return
            if self.now > until:
                break
            chosen = next(one for one in ("task", "hear", "say", "fly", "wait") if self._able(one))
            self.random.choice(self._able(chosen))()
            self._look()
            if chosen == "wait":
                for send in running:
                    self._does_theirs(send)
        self.judge.hang([send.key for send in self.sends if send.run], str([one.planned() for one in self.sends]))

    def _does_theirs(self, send: Send) -> None:
        """WeChat pushes, and people answer."""
        for job in send.account.wechat.of(send.key):
            if job.pushes and self.now >= job.decided_at and self.random.random() < 0.5:
                self._pushed(send.account, job)
        if send.run and send.run.state.paused:
            self._update(send, Resume(by="li"))
        elif send.run and (answers := [*self._answer_of(send), *self._approve_of(send)]):
            answers[0]()

    # Runs and their tasks

    def _start(self) -> list[Callable[[], object]]:
        if self.is_forgetful and self.now > NOON + KNOWN_FOR:
            return []
        return [send.start for send in self.sends if send.run is None and send.runs < RUNS_MAX]

    def _task(self) -> list[Callable[[], object]]:
        return [send.go for send in self.sends if send.run and self._has_work(send)]

    def _has_work(self, send: Send) -> bool:
        run = send.run
        if run is None:
            return False
        if run.inbox:
            return True
        step = send.planned()
        if isinstance(step, steps.Step):
            return step.effect is not None and step.effect != run.waits_for
        return True

    def _continue(self) -> list[Callable[[], object]]:
        sends = [send.continue_as_new for send in self.sends if send.can_continue()]
        return [*sends, *(account.continue_as_new for account in self.accounts)]

    # Accounts

    def _hear(self) -> list[Callable[[], object]]:
        return [account.hear for account in self.accounts if account.inbox]

    def _say(self) -> list[Callable[[], object]]:
        return [account.say for account in self.accounts if account.can_say()]

    def _repeat(self) -> list[Callable[[], object]]:
        """An account that was reset says once more what it has said before."""
        return [partial(self._say_again, account) for account in self.accounts if account.copies]

    def _say_again(self, account: Account) -> None:
        account.receive(account.copies.pop(self.random.randrange(len(account.copies))))

    def _freeze(self) -> list[Callable[[], object]]:
        return [account.freeze for account in self.accounts if account.state.frozen is None]

    def _unfreeze(self) -> list[Callable[[], object]]:
        return [account.let_go for account in self.accounts if account.state.frozen is not None]

    def _tell_of_a_loss(self) -> list[Callable[[], object]]:
        """A worker tells whoever waits that the queue is gone; several workers do, at any time."""
        return [partial(self._told, send) for send in self.sends if send.run and send.account.lost_at]

    def _told(self, send: Send) -> None:
        if send.run:
            send.run.inbox.append(events.QueueLost(self.random.choice(send.account.lost_at)))

    # Calls

    def skew(self) -> timedelta:
        """How wrong the clock of the worker is that begins a call."""
        wrong = 0 if self.gentle or self.random.random() < 0.7 else self.random.choice([-45, -20, 20, 45])
        return timedelta(seconds=wrong)

    def _fly(self) -> list[Callable[[], object]]:
        return [partial(self._land, send, flight) for send in self.sends for flight in send.flights]

    def _land(self, send: Send, one: Flight) -> None:
        """A worker writes, or not; WeChat takes it, or not; the answer comes back, or not."""
        send.flights.remove(one)
        send.flown += 1
        self.now = max(self.now, one.lease.not_before - one.clock)
        fate = self.random.choice(TAKEN if self.is_calm else HEARD if self.gentle else FATES)
        late = self.now + one.clock >= one.until
        book = self.judge.books[send.key]
        if late or fate == "not written":
            answer = Answer(kind="not_written", at=self.now, at_once=late)
        else:
            if one.run is not None and one.run is send.run:
                self.judge.writes(send.key, self.now)
            answer = send.account.wechat.call(send.key, one.lease.clientmsgid, fate, self.now)
        book.unheard += answer.kind == "unknown"
        self.tell(f"{send.key} {one.lease.wish}: {fate}, {answer.kind} {answer.errcode or ''} {answer.msg_id or ''}")
        told, heard = (self.gentle or self.random.random() < chance for chance in (0.9, 0.85))
        if told:
            send.account.inbox.append(send.report(Known(tries=(one.lease.tried(answer),))))
        heard = heard and one.run is not None and one.run is send.run
        self.judge.landed(send.account.name, send.key, one.lease.wish, answer.msg_id if told or heard else None)
        book.unheard += not (told and heard)
        if one.run is not None and one.run is send.run:
            told_of = events.Answered(answer.model_copy(update={"told": told}))
            one.run.inbox.append(told_of if heard else events.Lost("the worker is gone"))

    def _arrive(self) -> list[Callable[[], object]]:
        return [partial(self._carried_out, one) for one in self.accounts if one.wechat.arriving(self.now)]

    def _carried_out(self, account: Account) -> None:
        self.tell("a slow call arrives")
        account.wechat.arrive(self.now)

    # WeChat's pushes

    def _push(self) -> list[Callable[[], object]]:
        jobs = [(one, job) for one in self.accounts for job in one.wechat.jobs]
        return [partial(self._pushed, *one) for one in jobs if one[1].pushes and self.now >= one[1].decided_at]

    def _pushed(self, account: Account, job: Job) -> None:
        job.pushes -= 1
        account.inbox.append(job.push())

    def _forge(self) -> list[Callable[[], object]]:
        """A stranger pushes about a job of nobody's."""
        return [partial(self._forged, account) for account in self.accounts]

    def _forged(self, account: Account) -> None:
        msg_id = _STRANGER + self.random.randrange(5)
        account.inbox.append(pushed(msg_id, self.random.choice(["send success", "send fail", "nonsense"])))

    def hears(self, account: Account, push: JobFinished) -> None:
        """An account takes a push in: from here on its result must not be lost."""
        for job in account.wechat.jobs:
            if job.msg_id == push.msg_id:
                self.judge.hears(job.key, job.msg_id, push.status)

    # Losses

    def _lose_a_worker(self) -> list[Callable[[], object]]:
        flying = [(send, one) for send in self.sends for one in send.flights if one.run is send.run and one.run]
        return [partial(self._worker_gone, send, one) for send, one in flying] if self._may_lose() else []

    def _worker_gone(self, send: Send, one: Flight) -> None:
        """Temporal tells the run that its worker is gone, while the worker may still write."""
        self._lost(send, "worker")
        if one.run is not None:
            one.run.inbox.append(events.Lost("the worker is gone"))
        one.run = None
        self.judge.books[send.key].unheard += 1

    def _terminate(self) -> list[Callable[[], object]]:
        return [partial(self._terminated, send) for send in self.sends if send.run] if self._may_lose() else []

    def _terminated(self, send: Send) -> None:
        self._lost(send, "terminated")
        self.judge.loses(send.key)
        send.terminate()

    def _reset(self) -> list[Callable[[], object]]:
        able = [send for send in self.sends if send.run and send.run.snapshots]
        return [partial(self._reset_one, send) for send in able] if self._may_lose() else []

    def _reset_one(self, send: Send) -> None:
        self._lost(send, "reset")
        self.judge.loses(send.key)
        send.reset()

    def _cancel(self) -> list[Callable[[], object]]:
        return [partial(self._cancelled, send) for send in self.sends if send.run] if self._may_lose() else []

    def _cancelled(self, send: Send) -> None:
        self._lost(send, "cancelled")
        if send.run:
            send.run.inbox.append(events.Cancelled("no reason given"))

    def _lose_a_ledger(self) -> list[Callable[[], object]]:
        may = self._may_lose() and not self.is_forgetful
        return [partial(self._ledger_gone, one, one.lose) for one in self.accounts] if may else []

    def _reset_a_ledger(self) -> list[Callable[[], object]]:
        able = [one for one in self.accounts if one.earlier]
        may = self._may_lose() and not self.is_forgetful
        return [partial(self._ledger_gone, one, one.reset) for one in able] if may else []

    def _ledger_gone(self, account: Account, loss: Callable[[], None]) -> None:
        for send in self.sends:
            if send.account is account:
                self._lost(send, "ledger")
        loss()

    def _forget(self) -> list[Callable[[], object]]:
        """Temporal forgets the histories of a key; the account still knows it."""
        return [send.forget for send in self.sends if self.is_forgetful and send.run is None and send.runs]

    def _may_lose(self) -> bool:
        return self.losses < LOSSES_MAX

    def _lost(self, send: Send, what: str) -> None:
        self.losses += 1
        lease = send.account.state.lease
        if lease is not None and lease.key == send.key:
            self.judge.books[send.key].unheard += 1  # nobody can tell what its run has done with it
        self.reached.lost(send.planned(), what)

    # People

    def _answer(self) -> list[Callable[[], object]]:
        return [one for send in self.sends for one in self._answer_of(send)] if self._may_answer() else []

    def _answer_of(self, send: Send) -> list[Callable[[], object]]:
        step = send.planned()
        if not isinstance(step, steps.Step) or step.problem is None:
            return []
        return [partial(self._decided_by_a_person, send, step.problem.name)]

    def _decided_by_a_person(self, send: Send, problem: str) -> None:
        wechat, out = send.account.wechat, bool(send.flights)
        given = people.decision(self.random, problem, wechat, send.key, self.now, out=out)
        if given is not None:
            self._update(send, given)

    def _err(self) -> list[Callable[[], object]]:
        """A person answers what asks about an unknown outcome, and does not look."""
        asking = [(send, send.planned()) for send in self.sends]
        able = [send for send, step in asking if isinstance(step, steps.Step) and step.problem]
        return [partial(self._mistaken, send) for send in able] if self._may_answer() else []

    def _mistaken(self, send: Send) -> None:
        step = send.planned()
        if isinstance(step, steps.Step) and step.problem:
            self.judge.books[send.key].lies += 1
            self._update(send, people.mistake(self.random, step.problem.name))

    def _hold(self) -> list[Callable[[], object]]:
        return self._each(self._held)

    def _held(self, send: Send) -> None:
        paused = send.run is not None and send.run.state.paused is not None
        self._update(send, people.holding(self.random, paused=paused, now=self.now))

    def _abort(self) -> list[Callable[[], object]]:
        return self._each(lambda send: self._update(send, Abort(by="li", reason="no")))

    def _each(self, act: Callable[[Send], object]) -> list[Callable[[], object]]:
        return [partial(act, send) for send in self.sends if send.run] if self._may_answer() else []

    def _approve(self) -> list[Callable[[], object]]:
        return [one for send in self.sends for one in self._approve_of(send)] if self._may_answer() else []

    def _approve_of(self, send: Send) -> list[Callable[[], object]]:
        if send.run is None or send.run.state.shown_at is None:
            return []
        return [lambda: self._update(send, people.approval(self.random))]

    def _may_answer(self) -> bool:
        return self.answers < ANSWERS_MAX

    def _update(self, send: Send, answer: events.Answering) -> None:
        self.answers += 1
        send.answers += 1
        self.reached.answered(send.planned(), type(answer).__name__)
        if send.run is not None:
            send.run.inbox.append(events.Updated(f"{send.key}-update-{self.answers}", answer))

    # Time

    def _wait(self) -> list[Callable[[], object]]:
        busy = any(account.inbox or account.can_say() for account in self.accounts) or bool(self._fly())
        return [] if self.gentle and (busy or self._task()) else [self._pass_time]

    def _pass_time(self) -> None:
        """To the next time that somebody waits for; or to another one, or for a while."""
        later = self.now + timedelta(seconds=self.random.choice([20, 150, 3600, 6 * 3600, 25 * 3600]))
        planned = [send.planned() for send in self.sends]
        wanted = [account.due() for account in self.accounts]
        wanted += [step.until for step in planned if isinstance(step, steps.Step)]
        times = [one for one in wanted if one is not None and one > self.now]
        next_one = self.gentle or self.random.random() < NEXT
        self.now = min(times, default=later) if next_one else self.random.choice([*times, later])
        for account in self.accounts:
            account.settle()


FACTS: dict[str, Any] = {}
"""What is otherwise with all accounts."""
HAPPENINGS: Final = {
    "wait": 6.0,
    "start": 4.0,
    "task": 25.0,
    "hear": 14.0,
    "say": 14.0,
    "repeat": 1.0,
    "continue": 0.5,
    "fly": 8.0,
    "push": 3.0,
    "forge": 0.3,
    "arrive": 3.0,
    "answer": 6.0,
    "err": 0.1,
    "approve": 4.0,
    "hold": 0.7,
    "abort": 0.1,
    "freeze": 0.15,
    "unfreeze": 1.0,
    "cancel": 0.3,
    "lose_a_worker": 3.0,
    "terminate": 1.0,
    "reset": 2.0,
    "lose_a_ledger": 0.7,
    "reset_a_ledger": 0.7,
    "forget": 1.0,
    "tell_of_a_loss": 1.0,
}
"""How often what happens."""
SWARM: Final = (0.3, 1.0, 1.0, 5.0)
"""Each life has more of this and less of that: what is rare in all together is common in some."""
USUAL: Final = frozenset({"wait", "start", "task", "hear", "say", "fly", "push"})
UNUSUAL: Final = 0.25
"""In how many lives what is usual is more or less common, too."""
WORK: Final = frozenset({"task", "hear", "say", "fly"})
IN_THE_MIDST: Final = 2.0
"""How often time passes although somebody has something to do."""
NEXT: Final = 0.75
"""How often time goes on to the next thing that is due."""
LOSING: Final = frozenset(
    {
        *("cancel", "lose_a_worker", "terminate", "reset", "lose_a_ledger", "reset_a_ledger", "forget"),
        *("arrive", "err", "repeat"),
    }
)
"""What does not happen in a gentle world."""
