"""One key in a world without a server: the real send and the real account, a WeChat, people, and losses.

Everything random comes from one seed. A signal is on its way until the script delivers it; what is told to an account
may come late, twice or in another order. Time goes on when the script says so.
"""

import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from qunfa.account.inbox import Message, take
from qunfa.account.leases import due, settle
from qunfa.account.outbox import Outgoing, delivered, not_found, outgoing
from qunfa.account.people import freeze, unfreeze
from qunfa.account.state import AccountState
from qunfa.contract.facts import Ended, Known
from qunfa.contract.grants import Lease, Report, Wish
from qunfa.contract.operators import Abort, Resume
from qunfa.contract.request import Previewed
from qunfa.contract.result import COMPLETES, Answer, JobFinished, Problem
from qunfa.contract.steps import AccountFacts
from qunfa.rules.memory import is_under_way, union
from qunfa.rules.problems import PROBLEMS
from qunfa.rules.submission import write_end
from qunfa.send import events, steps
from qunfa.send.state import Case, SendState
from tests.rules.arbitrary import NOON
from tests.send.engine import DIGEST, Engine, Run
from tests.send.people import KEY, approval, decision, holding, request
from tests.send.wechat import FATES, HEARD, PUSH_AFTER, Job, Wechat

WORKFLOW: Final = f"mass-send:demo:{KEY}"
FACTS: Final = AccountFacts(name="demo", appid="wx", base_url="https://x.test")
LOSSES_MAX: Final = 3
RUNS_MAX: Final = 4


@dataclass
class Flight:
    """A submitting activity: until when it may write, and the run that awaits it."""

    lease: Lease
    until: datetime
    run: Run | None


class World:
    """All of it, and what can happen next. In a ``gentle`` one nothing is lost, late or unheard."""

    def __init__(self, seed: int, *, gentle: bool = False) -> None:
        self.gentle = gentle
        self.random = Random(seed)  # noqa: S311  what happens is to be the same for a seed
        self.now = NOON
        self.wechat = Wechat(self.random, frees=self.random.random() < 0.5, mute=0.0 if gentle else 0.1)
        self.account = AccountState(appid="wx", since=self.now)
        facts = FACTS.model_copy(update={"quota": self.random.choice(["wait", "wait", "ask"])})
        self.engine = Engine(request(self.random), facts, self._begin, self.tell)
        self.run: Run | None = None
        self.flights: list[Flight] = []
        self.to_account: list[Message] = []
        self.copies: list[Outgoing] = []
        self.left = Known()
        self.left_end: Ended | None = None
        self.runs = self.answers = self.losses = 0
        self.story: list[str] = []
        self.ends: list[steps.End] = []
        self.lost_at: list[datetime] = []

    def tell(self, what: str) -> None:
        """One line of the story."""
        self.story.append(f"{self.now:%d %H:%M:%S} {what}")

    def happen(self) -> None:
        """One thing happens, by chance."""
        chances = _GENTLE if self.gentle else _CHANCES
        able = [name for name in chances if getattr(self, f"can_{name}", _always)()]
        name = self.random.choices(able, [_CHANCES[one] for one in able])[0]
        getattr(self, name)()
        self.go()

    def calm(self) -> None:
        """Nothing is lost any more, and everybody does what they are to do: the send ends."""
        self.losses, self.answers = 99, 0
        if self.run is not None and self.lost_at:
            self.run.inbox.append(events.QueueLost(max(self.lost_at)))
        self.account = settle(unfreeze(self.account, self.now), self.now)
        for _ in range(1000):
            self.go()
            if self.run is None:
                return
            chosen = next(name for name in ("hear", "say", "fly", "wait") if getattr(self, f"can_{name}", _always)())
            getattr(self, chosen)()
            if chosen == "wait":
                self._everybody_does_theirs(self.run)
        raise AssertionError(f"it does not end: {self.engine.planned(self.run, self.now)}" if self.run else "")

    # The run

    def start(self) -> None:
        """The key is started: a run that knows nothing."""
        self.runs += 1
        self.run = Run(f"run-{self.runs}", SendState(namespace="default", life=f"life-{self.runs}"))
        self.tell(f"{self.run.id} starts")
        self.go()

    def can_start(self) -> bool:
        return self.run is None and self.runs < RUNS_MAX

    def go(self) -> None:
        """The run goes on, maybe to its end."""
        run = self.run
        end = self.engine.go(run, self.now) if run else None
        if run and end:
            self.tell(f"{run.id} ends: {end.outcome}")
            self.ends.append(end)
            self._judge(end)
            self.left = union(self.left, run.state.known)
            self.left_end = Ended(outcome=end.outcome, problem=end.problem.name if end.problem else None)
            self.run = None
        assert self.wechat.deliveries <= 1, "delivered twice"

    def _judge(self, end: steps.End) -> None:
        """A result is true: what is said to be sent was, and what is said not to be was not, and will not be."""
        if end.outcome in COMPLETES:
            assert self.wechat.deliveries == 1, f"{end.outcome}, and yet it was not delivered once"
        elif end.outcome != "unknown":
            assert self.wechat.deliveries == 0, f"{end.outcome}, and yet it was delivered"
            coming = [one for one in self.wechat.arriving(self.now) if one.status == "send success"]
            free = [one for one in coming if not self.wechat.blocking(one.clientmsgid, self.now)]
            assert not free, f"{end.outcome}, and yet it may come"

    def _begin(self, run: Run, effect: steps.Effect) -> None:
        """Begin what takes time; what comes of it is an event in the inbox, at once or later."""
        match effect:
            case steps.SendWish(wish, search):
                self._send_wish(run, wish, search=search)
            case steps.Submit(lease):
                self._submit(run, lease)
            case steps.Report(ended):
                self._report(run.state.known, ended)
                run.inbox.append(events.Reported(ended))
            case steps.LookUp():
                record = self.account.records.get(KEY)
                run.inbox.append(events.LookedUp(union(self.left, record.known if record else Known())))
            case _:
                run.inbox.append(self._outcome(effect))

    def _outcome(self, effect: steps.Effect) -> events.Event:
        match effect:
            case steps.Poll(msg_id):
                return events.Polled(msg_id, self.wechat.status(msg_id))
            case steps.AskWechat(msg_id):
                return events.WechatSaid(msg_id, self.wechat.said(msg_id))
            case steps.Preview(number):
                return events.WasPreviewed(Previewed(to=f"o{number}", sent=self.random.random() < 0.8))
            case steps.Show():
                return events.Shown(("text: 你好", "to all followers"))
            case steps.LookAtTag() if self.random.random() < 0.8:
                return events.TagSeen()
            case steps.LookAtTag():
                choice = PROBLEMS["audience_changed"]
                return events.Obstructed(Problem(name="audience_changed", sentence=choice.sentence, todo=choice.todo))
            case _:
                raise AssertionError(effect)

    def _send_wish(self, run: Run, identity: str, *, search: bool) -> None:
        open_wish = run.state.wish
        assert open_wish is not None
        found = self._searched(run) if search else Known()
        run.inbox.append(events.WishSent(identity, found, searched=search))
        wish = Wish(
            wish=identity,
            key=KEY,
            digest=DIGEST,
            workflow_id=WORKFLOW,
            run_id=run.id,
            number=open_wish.number,
            known=union(run.state.known, found),
            searched=search or run.state.searched,
            ended=self.left_end if search else None,
            turn=open_wish.turn,
            whose=open_wish.whose,
        )
        self.to_account.append(wish)

    def _searched(self, run: Run) -> Known:
        """What the histories of earlier runs tell: a try that is under way there has no answer."""
        under_way = (one for one in self.left.tries if is_under_way(one) and one.holder != run.id)
        lost = tuple(one.model_copy(update={"lost_at": self.now}) for one in under_way)
        return union(self.left, Known(tries=lost))

    def _submit(self, run: Run, lease: Lease) -> None:
        if lease.holder != run.id:  # as the activity sees it, after a reset
            run.inbox.append(events.Lost("the run before had begun it"))
            return
        case = Case(self.engine.request, run.state, self.now)
        end = write_end(case.newest, case.conditions())
        self.flights.append(Flight(lease, min(filter(None, (lease.valid_until, end))), run))

    def _report(self, known: Known, ended: Ended | None = None) -> None:
        self.to_account.append(Report(key=KEY, digest=DIGEST, workflow_id=WORKFLOW, known=known, ended=ended))

    # The account

    def can_hear(self) -> bool:
        return bool(self.to_account)

    def hear(self) -> None:
        """The account takes one of the messages to it; it may come twice, and in any order."""
        message = self.random.choice(self.to_account[:1] if self.gentle else self.to_account)
        if self.random.random() < 0.8:
            self.to_account.remove(message)
        self.account = settle(take(self.account, message, self.now), self.now)

    def can_say(self) -> bool:
        return bool(outgoing(self.account, self.now))

    def say(self) -> None:
        """One of the account's signals reaches its run, maybe twice, or finds nobody."""
        one = outgoing(self.account, self.now)[0]
        heard = self._receive(one)
        if heard and not self.gentle and self.random.random() < 0.15:
            self.copies.append(one)
        self.account = delivered(self.account, one) if heard else not_found(self.account, one, self.now)
        self.account = settle(self.account, self.now)

    def can_repeat(self) -> bool:
        return bool(self.copies)

    def repeat(self) -> None:
        """An account that was reset says once more what it has said before."""
        self._receive(self.copies.pop(self.random.randrange(len(self.copies))))

    def _receive(self, said: Outgoing) -> bool:
        run = self.run
        if run is None or said.run_id not in {None, run.id}:
            return False
        payload = said.payload
        run.inbox.append(events.Pushed(payload) if isinstance(payload, JobFinished) else events.Heard(payload))
        return True

    def turn_the_switch(self) -> None:
        """A person freezes the account, or lets it go on."""
        state = self.account
        turned = unfreeze(state, self.now) if state.frozen else freeze(state, "li", "wrong text", self.now)
        self.account = settle(turned, self.now)

    def can_lose_the_ledger(self) -> bool:
        return self.losses < LOSSES_MAX

    def lose_the_ledger(self) -> None:
        """The account's workflow is terminated; a new one begins empty."""
        self.losses += 1
        self.tell("the ledger is lost")
        self.account = AccountState(appid="wx", since=self.now)
        self.lost_at.append(self.now)

    def can_tell_of_the_loss(self) -> bool:
        return self.run is not None and bool(self.lost_at)

    def tell_of_the_loss(self) -> None:
        """A worker tells whoever waits that the queue is gone; several workers do, at any time."""
        if self.run is not None:
            self.run.inbox.append(events.QueueLost(self.random.choice(self.lost_at)))

    # Tries

    def can_fly(self) -> bool:
        return bool(self.flights)

    def fly(self) -> None:
        """A worker writes, or not; WeChat takes it, or not; the answer comes back, or not."""
        one = self.flights.pop(self.random.randrange(len(self.flights)))
        self.now = max(self.now, one.lease.not_before)
        fate = self.random.choice(HEARD if self.gentle else FATES)
        if self.now >= one.until or fate == "not written":
            answer = Answer(kind="not_written", at=self.now, at_once=self.now >= one.until)
        else:
            answer = self.wechat.call(one.lease.clientmsgid, fate, self.now)
        self.tell(f"{one.lease.wish}: {fate}, {answer.kind} {answer.msg_id}")
        told, heard = (self.gentle or self.random.random() < chance for chance in (0.9, 0.85))
        if told:
            self._report(Known(tries=(one.lease.tried(answer),)))
        if one.run is not None and one.run is self.run:
            told_of = events.Answered(answer.model_copy(update={"told": told}))
            one.run.inbox.append(told_of if heard else events.Lost("the worker is gone"))

    def can_lose_a_worker(self) -> bool:
        return self.losses < LOSSES_MAX and any(one.run is not None and one.run is self.run for one in self.flights)

    def lose_a_worker(self) -> None:
        """Temporal tells the run that its worker is gone, while the worker may still write."""
        self.losses += 1
        one = next(one for one in self.flights if one.run is not None and one.run is self.run)
        if one.run is not None:
            one.run.inbox.append(events.Lost("the worker is gone"))
        one.run = None

    # WeChat

    def can_push(self) -> bool:
        return any(self.now - job.at >= PUSH_AFTER for job in self.wechat.jobs)

    def push(self) -> None:
        """WeChat's push on one of its jobs, any number of times."""
        self._push(self.random.choice([job for job in self.wechat.jobs if self.now - job.at >= PUSH_AFTER]))

    def _push(self, job: Job) -> None:
        self.to_account.append(job.push())

    def can_arrive(self) -> bool:
        return bool(self.wechat.arriving(self.now))

    def arrive(self) -> None:
        """A slow call is carried out."""
        self.wechat.arrive(self.now)
        self.tell("a slow call arrives")

    # Runs that are lost

    def can_terminate(self) -> bool:
        return self.run is not None and self.losses < LOSSES_MAX

    def terminate(self) -> None:
        """The run is gone; tries under way go on, and its history stays."""
        if self.run is not None:
            self.losses += 1
            self.tell(f"{self.run.id} is terminated")
            self.left = union(self.left, self.run.state.known)
        self.run = None

    def can_reset(self) -> bool:
        return self.run is not None and bool(self.run.snapshots) and self.losses < LOSSES_MAX

    def reset(self) -> None:
        """The run is another one from now on, earlier in its life; the old one is an earlier run of the key."""
        old = self.run
        if old is None:
            return
        self.losses += 1
        self.runs += 1
        cut = self.random.randrange(len(old.snapshots))
        self.left = union(self.left, old.state.known)
        kept = [one for one in old.inbox if isinstance(one, events.Heard | events.Pushed | events.Updated)]
        same_task = [old.taken[cut]] if isinstance(old.taken[cut], _BY_TASKS) and self.random.random() < 0.5 else []
        inbox: list[events.Event] = [events.WasReset(), *same_task, *kept]
        state = copy.deepcopy(old.snapshots[cut])
        self.run = Run(f"run-{self.runs}", state, inbox, old.snapshots[:cut], old.taken[:cut])
        self.tell(f"{old.id} is reset to its event {cut}: {self.run.id}")

    def can_cancel(self) -> bool:
        return self.run is not None and self.losses < LOSSES_MAX

    def cancel(self) -> None:
        """Temporal is asked to cancel the run."""
        if self.run is not None:
            self.losses += 1
            self.run.inbox.append(events.Cancelled("no reason given"))

    # People

    def can_answer(self) -> bool:
        step = self.engine.planned(self.run, self.now) if self.run else None
        return self.answers < 30 and isinstance(step, steps.Step) and step.problem is not None

    def answer(self) -> None:
        """A person answers what the send asks."""
        step = self.engine.planned(self.run, self.now) if self.run else None
        if not isinstance(step, steps.Step) or step.problem is None:
            return
        given = decision(self.random, step.problem.name, self.wechat, self.now, out=bool(self.flights))
        if given is not None:
            self._update(given)

    def can_hold(self) -> bool:
        return self.run is not None and self.answers < 12

    def hold(self) -> None:
        """A person holds the send back, or lets it go."""
        self._update(holding(self.random, self.now))

    def abort(self) -> None:
        """A person ends it, fitting or not."""
        self._update(Abort(by="li", reason="no"))

    can_abort = can_hold

    def can_approve(self) -> bool:
        return self.run is not None and self.run.state.shown_at is not None and self.answers < 30

    def approve(self) -> None:
        """A person approves, or not."""
        self._update(approval(self.random))

    def _update(self, answer: events.Answering) -> None:
        self.answers += 1
        if self.run is not None:
            self.run.inbox.append(events.Updated(f"update-{self.answers}", answer))

    def _everybody_does_theirs(self, run: Run) -> None:
        for job in self.wechat.jobs:
            if self.now - job.at >= PUSH_AFTER and self.random.random() < 0.5:
                self._push(job)
        if run.state.paused:
            self._update(Resume(by="li"))
        elif self.can_answer():
            self.answer()
        elif self.can_approve():
            self.approve()

    # Time

    def can_wait(self) -> bool:
        return not (self.gentle and (self.to_account or self.flights or self.can_say()))

    def wait(self) -> None:
        """To the next time that somebody waits for, or for a while."""
        later = self.now + timedelta(seconds=self.random.choice([20, 150, 3600, 6 * 3600]))
        step = self.engine.planned(self.run, self.now) if self.run else None
        wanted = [due(self.account), step.until if isinstance(step, steps.Step) else None]
        times = [one for one in wanted if one is not None and one > self.now]
        self.now = self.random.choice([*times, later])
        self.account = settle(self.account, self.now)


_BY_TASKS: Final = (
    *(events.WishSent, events.Heard, events.Pushed, events.Updated),
    *(events.Answered, events.Lost, events.Reported, events.Polled, events.WechatSaid),
)
"""What may stand in the task to which a run is reset, and then comes with the reset."""

_CHANCES: Final = {
    "wait": 6,
    "start": 6,
    "hear": 12,
    "say": 12,
    "repeat": 1,
    "fly": 8,
    "push": 3,
    "arrive": 2,
    "answer": 6,
    "approve": 4,
    "hold": 1,
    "abort": 0.3,
    "turn_the_switch": 0.6,
    "cancel": 0.3,
    "lose_a_worker": 1,
    "terminate": 1,
    "reset": 2,
    "lose_the_ledger": 1,
    "tell_of_the_loss": 2,
}
_GENTLE: Final = {
    name: chance
    for name, chance in _CHANCES.items()
    if name not in {"lose_a_worker", "terminate", "reset", "lose_the_ledger", "arrive"}
}


def _always() -> bool:
    return True
