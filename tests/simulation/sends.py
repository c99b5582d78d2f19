"""One key: its runs as Temporal carries them out, and the calls of its workers that are in the air."""

import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from qunfa.contract.batches import OF_LIST
from qunfa.contract.facts import Ended, Known
from qunfa.contract.grants import Granted, Lease, LedgerLost, Report
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import JobFinished
from qunfa.contract.steps import AccountFacts
from qunfa.rules.material import needs_material
from qunfa.rules.memory import union
from qunfa.rules.submission import write_end
from qunfa.send import events, show, steps
from qunfa.send.apply import apply
from qunfa.send.state import Case, SendState
from tests.rules.arbitrary import NOON
from tests.send.engine import DIGEST, Engine, Run
from tests.simulation import asking, outcomes, people
from tests.simulation.judge import Call, Told

if TYPE_CHECKING:
    from tests.simulation.accounts import Account
    from tests.simulation.world import World

_BY_TASKS: Final = (
    *(events.WishSent, Granted, JobFinished, events.Updated),
    *(events.Answered, events.Lost, events.Reported, events.Polled, events.WechatSaid),
)
"""What may stand in the task to which a run is reset, and then comes with the reset."""
_MESSAGES: Final = (Granted, JobFinished, events.Updated, LedgerLost, events.Cancelled)
"""What Temporal applies again to a run that is reset."""
USUAL: Final = 12
EACH: Final = 3
_OTHER: Final = "another text"
TOLD_AT_ONCE: Final = 0.7
"""How often a run hears that the account was told of its wish before the account can answer. In a crowd it does not."""
_ANSWERS: Final = (events.Polled, events.WechatSaid, events.WasPreviewed, events.WishSent)
"""What comes of a question to WeChat, and of one to the account."""


@dataclass
class Flight:
    """A submitting activity: until when it may write, by which clock, and the run that awaits it.

    ``made_at``: when WeChat was given the file that it names.
    """

    lease: Lease
    until: datetime
    clock: timedelta
    run: Run | None
    made_at: datetime | None


@dataclass
class Send:
    """One key. ``left``: what the histories of its earlier runs still tell; ``last``: the run that ended last.

    ``came_up_at``: when the oldest of its runs was started that Temporal still lists.
    ``told_until``: up to when its run was told of losses of its account. ``is_batch``: another send starts it.
    ``is_restored``: its histories are those of a snapshot. A run that no ledger answers knows too little; and so does
    one whose last wish was answered by then, ``asked_before``, if its key was started again since. ``ended_blind``: its
    last run has ended so. ``taken_for``: the other jobs for a repeat of which WeChat has taken it, and when.
    ``sent``: what comes of a wish that has reached the account, of which its run is still to hear.
    """

    world: "World"
    account: "Account"
    key: str
    request: MassSendRequest
    facts: AccountFacts
    run: Run | None = None
    flights: list[Flight] = field(default_factory=list)
    left: Known = field(default_factory=Known)
    left_end: Ended | None = None
    came_up_at: datetime | None = None
    runs: int = 0
    asked: int = 0
    flown: int = 0
    answers: int = 0
    is_forgotten: bool = False
    told_until: datetime | None = None
    last: Run | None = None
    ends: list[steps.End] = field(default_factory=list)
    is_batch: bool = False
    is_restored: bool = False
    ended_blind: bool = False
    taken_for: dict[int, datetime] = field(default_factory=dict)
    asked_before: str | None = None
    sent: events.WishSent | None = None

    def __post_init__(self) -> None:
        self.engine = Engine(
            self.request, self.facts, self._begin, self._tell, self._cut_off, replied=self._replied, name=self.key
        )
        self.engine.material = outcomes.FOUND if needs_material(self.request.message) else None

    @property
    def workflow_id(self) -> str:
        """Of all its runs."""
        return f"mass-send:{self.request.account}:{self.key}"

    def _tell(self, what: str) -> None:
        self.world.tell(f"{self.key} {what}")

    def planned(self) -> steps.Step | steps.End | None:
        """What comes next for its run."""
        return self.engine.planned(self.run, self.world.now) if self.run else None

    def rings(self) -> None:
        """The timer of a run at rest brings a command.

        After a task without one, a worker that is new to the run is given the timer together with what comes next. A
        replay is not, and would have other commands.
        """
        step = self.planned()
        if self.run is None or not isinstance(step, steps.Step) or step.wakes_at is None:
            return
        after = self.engine.planned(self.run, step.wakes_at)
        if isinstance(after, steps.Step) and after.effect in {None, self.run.waits_for}:
            assert after.wakes_at, f"the timer of {step} brings nothing: {after}"

    def waits_in_vain(self) -> bool:
        """Whether its run waits for its turn at an account that does not know of it; once it was told of each loss."""
        step, account = self.planned(), self.account.state
        if self.hears_of_losses():
            return False
        if self.run is None or not isinstance(step, steps.Step) or not step.awaits_answer:
            return False
        wish, heard = self.run.state.wish, self.run.state.heard
        if wish is None or wish.turn is None or heard is None or heard.wish != wish.wish:
            return False
        has_place = any(place.run_id == self.run.id for place in account.queue)
        has_lease = account.lease is not None and account.lease.holder == self.run.id
        waits = heard.waits is not None and heard.waits.until is None
        return waits and not (has_place or has_lease)

    def hears_of_losses(self) -> bool:
        """Whether its run is still to be told that the account was lost."""
        losses = self.account.lost_at
        return bool(self.run and losses) and (self.told_until is None or self.told_until < max(losses))

    def tell_of_a_loss(self, at: datetime) -> None:
        """A worker tells its run that the account was lost then."""
        if self.run is not None:
            self.run.inbox.append(LedgerLost(at=at))
            self.told_until = max(self.told_until or at, at)

    def start(self) -> None:
        """The key is started: a run that knows nothing."""
        self.runs += 1
        self.engine.digest, self.asked, self.told_until = DIGEST, 0, None
        self.world.judge.starts(self.key, is_batch=self.is_batch)
        if self.ends and not self.is_batch and self.world.random.random() < 0.1:
            self.engine.digest = _OTHER
        if not self.is_batch:
            asking.checked(self)
        self.came_up_at = self.came_up_at or self.world.now
        state = SendState(namespace="default", life=f"{self.key}-{self.runs}", started_at=self.world.now)
        self.run = Run(f"{self.key}-run-{self.runs}", state)
        self._tell(f"starts as {self.run.id}" + (" with other content" if self.engine.digest == _OTHER else ""))

    def go(self) -> None:
        """A workflow task: the run goes on, maybe to its end."""
        run = self.run
        end = self.engine.go(run, self.world.now) if run else None
        if run is None:
            return
        self._look(run)
        asking, silent = run.state.asking, not (self.account.inbox or self.account.can_say())
        if asking is not None and asking.problem and asking.number > self.asked:
            self.asked = asking.number
            if silent:
                self.world.judge.asks(self.key, asking.problem)
        if end is None:
            self._awaits(run)
            return
        self._tell(f"ends: {end.outcome}")
        self.ends.append(end)
        self.world.reached.ended(end.outcome)
        blind = (self.is_forgotten and run.state.joined_at is None) or self._is_of_a_snapshot(run)
        self.ended_blind = blind
        if self.engine.digest == DIGEST and not end.refused and not blind:
            on_its_way = self.account.inbox or self.account.can_say()
            reused = end.problem is not None and end.problem.name == "key_reused"
            is_own = run.state.digest is not None and not reused
            unheard = run.state.wish is not None and run.state.heard is None
            told, knows = self._told(run, is_own=is_own), is_own and not on_its_way and not unheard
            self.world.judge.ends(self.key, end.outcome, may_come=self._may_come(), knows_all=knows, end=told)
            self.left_end = Ended(outcome=end.outcome, problem=end.problem.name if end.problem else None)
        self.left = union(self.left, run.state.known)
        self.last, self.run = run, None

    def _is_of_a_snapshot(self, run: Run) -> bool:
        """Whether Temporal was restored, and its account has told it nothing since."""
        heard = run.state.heard
        told = run.state.wish is None if heard is None else heard.wish != self.asked_before
        return self.is_restored and not told

    def _told(self, run: Run, *, is_own: bool) -> Told:
        """``is_own``: what it tells of its key's jobs is of its own content."""
        pushes = [one.msg_id for one in run.state.known.said if one.verdict.observed_by == "push"]
        jobs = Case(self.request, run.state, self.world.now).jobs if run.state.pinned else ()
        said = {job.msg_id: job.verdict.status for job in jobs if job.msg_id and job.verdict}
        tried = [job for job in jobs if job.attempts or job.msg_id is not None]
        return Told(frozenset(pushes), said if is_own else {}, is_settled=len(said) == len(tried))

    def _look(self, run: Run) -> None:
        """A query may come at any time, ahead of the task that takes in what has come."""
        state, now = run.state, self.world.now
        for event in run.inbox:
            state = apply(self.request, state, event, now)
        step = self.engine.planned(Run(run.id, state), now)
        show.status(self.request, state, step, now)

    def _awaits(self, run: Run) -> None:
        """The jobs that it awaits WeChat's word on are its own, as far as an account that has answered has known."""
        step, heard = self.planned(), run.state.heard is not None
        if isinstance(step, steps.Step) and step.phase == "awaiting_result" and heard and not self.is_restored:
            jobs = Case(self.request, run.state, self.world.now).jobs
            lost_at = max(self.account.lost_at, default=NOON)
            others = {msg_id for msg_id, at in self.taken_for.items() if at > lost_at}
            self.world.judge.awaits(self.key, others & {job.msg_id for job in jobs})

    def _may_come(self) -> bool:
        return self.account.wechat.may_deliver(self.key, self.world.now)

    def forget(self) -> None:
        """Temporal no longer has the histories of its closed runs."""
        self._tell("is forgotten by Temporal")
        self.left, self.left_end, self.came_up_at, self.is_forgotten = Known(), None, None, True

    def terminate(self) -> None:
        """The run is gone; calls in the air go on, and its history stays."""
        if self.run is not None:
            self._tell(f"{self.run.id} is terminated")
            self.left = union(self.left, asking.in_its_history(self.run))
        self.run = None

    def reset(self, *, to_its_start: bool = False) -> None:
        """The run is another one from now on, earlier in its life; the old one is an earlier run of the key.

        One that goes back to its start begins anew, with all that it had heard.
        """
        old, random = self.run, self.world.random
        if old is None:
            return
        self.runs += 1
        last = len(old.snapshots) - 1
        cut = 0 if to_its_start else random.choice([last, random.randint(0, last)])
        self.left = union(self.left, asking.in_its_history(old))
        kept = [*old.taken[cut + 1 :], *old.inbox] if to_its_start or random.random() < 0.8 else []
        same_task = [old.taken[cut]] if isinstance(old.taken[cut], _BY_TASKS) and random.random() < 0.5 else []
        self.told_until = self.told_until if kept else None
        again = [one for one in kept if isinstance(one, _MESSAGES)]
        notices: list[events.Event] = [] if to_its_start else [events.WasReset()]
        inbox = [*notices, *same_task, *again]
        state = copy.deepcopy(old.snapshots[cut])
        self.run = Run(f"{self.key}-run-{self.runs}", state, inbox, old.snapshots[:cut], old.taken[:cut])
        self._tell(f"{old.id} is reset to its event {cut}: {self.run.id}")

    def can_continue(self) -> bool:
        """Whether nothing is in hand, so that the run may go on as another one."""
        run = self.run
        if run is None or run.inbox or run.waits_for is not None:
            return False
        state, step = run.state, self.planned()
        if state.trying or state.lease or state.question or not isinstance(step, steps.Step):
            return False
        return state.wish is None or isinstance(step.effect, steps.Wish)

    def continue_as_new(self) -> None:
        """The run goes on as another one, with its state as JSON."""
        run = self.run
        if run is None:
            return
        self.runs += 1
        state = apply(self.request, run.state, events.Continued(), self.world.now)
        carried = SendState.model_validate_json(state.model_dump_json())
        assert carried == state, "a state does not survive JSON"
        self.left = union(self.left, state.known)
        lease = self.account.state.lease
        if lease is not None and lease.holder == run.id and run.state.lease is None:
            # The ledger takes it for used by the run before.
            self.world.judge.books[self.key].loses_track(lease.clientmsgid)
        self.run = Run(f"{self.key}-run-{self.runs}", carried)
        self._tell(f"{run.id} continues as {self.run.id}")

    # Effects

    def _begin(self, run: Run, effect: steps.Effect) -> None:
        """Begin what takes time; what comes of it is an event in the inbox, at once or later."""
        self.world.judge.costs(self.key, type(effect).__name__, self._bound())
        match effect:
            case steps.SendWish(search=search):
                self._send_wish(run, search=search)
            case steps.Submit(lease):
                self._submit(run, lease)
            case steps.Report(ended):
                self.account.inbox.append(self.report(run.state.known, ended))
                run.inbox.append(events.Reported(ended))
            case steps.Make(until):
                run.inbox.extend(outcomes.making(self, run.state, until))
            case steps.LookUp():
                run.inbox.append(asking.looked_up(self, run))
            case steps.Poll() | steps.AskWechat() | steps.Preview():
                pass  # what it comes to is heard later, if it is not cut off
            case _:
                run.inbox.append(outcomes.outcome(self, effect))

    def is_answered(self) -> bool:
        """Whether what its run asks has an answer by now: ``mass/get`` has a verdict, unless its time is over."""
        run, now = self.run, self.world.now
        if run is None or any(isinstance(one, _ANSWERS) for one in run.inbox):
            return False
        match run.waits_for:
            case steps.AskWechat() | steps.Preview():
                return True
            case steps.SendWish(wish):
                return self.sent is not None and self.sent.wish == wish
            case steps.Poll(msg_id, until):
                return now >= until or self.account.wechat.status(msg_id, now) not in {None, "SENDING"}
            case _:
                return False

    def hears_an_answer(self) -> None:
        """Its run hears that answer. ``mass/get`` that says nothing is asked again while there is time."""
        run = self.run
        effect = run.waits_for if run else None
        if run is None or effect is None:
            return
        outcome = outcomes.outcome(self, effect)
        is_early = isinstance(effect, steps.Poll) and self.world.now < effect.until
        if not (is_early and isinstance(outcome, events.Polled) and outcome.status is None):
            run.inbox.append(outcome)

    def _cut_off(self, run: Run, effect: steps.Effect) -> events.Event | None:
        """What its run asks is asked no more; the answer may have come in the same moment.

        A wish that the account has answered is about to be told: its run waits for that.
        """
        heard = run.state.heard
        is_over = isinstance(effect, steps.SendWish) and heard is not None and heard.wish == effect.wish
        if not (run is self.run and self.is_answered() and (is_over or self.world.random.random() < 0.5)):
            return None
        return outcomes.outcome(self, effect)

    def _bound(self) -> int:
        """How often it may begin one kind of effect: by what has befallen it, and one more each day."""
        return USUAL + EACH * (self.flown + self.answers + self.runs + self.world.losses) + (self.world.now - NOON).days

    def _send_wish(self, run: Run, *, search: bool) -> None:
        self.sent, wish = asking.wish_of(self, run, search=search)
        if self.world.gentle or self.world.random.random() < TOLD_AT_ONCE:
            run.inbox.append(self.sent)
        self.account.inbox.append(wish)

    def _submit(self, run: Run, lease: Lease) -> None:
        if lease.holder != run.id:  # as the activity sees it, after a reset
            run.inbox.append(events.Lost("the run before had begun it"))
            return
        case = Case(self.request, run.state, self.world.now)
        end = write_end(case.newest, case.conditions())
        until = min(filter(None, (lease.valid_until, end)))
        uploads = run.state.material.uploads if run.state.material else ()
        made_at = min((one.made_at for one in uploads), default=None)
        self.flights.append(Flight(lease, until, self.world.skew(), run, made_at))
        call = Call(self.key, lease.wish, lease.number, lease.not_before, lease.valid_until)
        self.world.judge.begins(self.account.name, call, self.account.pace)

    def report(self, known: Known, ended: Ended | None = None) -> Report:
        """What the account is told."""
        return Report(key=self.key, digest=self.engine.digest, workflow_id=self.workflow_id, known=known, ended=ended)

    def _replied(self, update: events.Updated, refusal: str | None) -> None:
        self.world.judge.refuses(type(update.answer).__name__, self.key, refusal or "")
        if refusal is not None:
            return
        answer, through = update.answer, OF_LIST if update.id.startswith(OF_LIST) else ""
        self.world.reached.answered(self.planned(), type(answer).__name__)
        sure, send_at = getattr(answer, "confirm_not_delivered", False), getattr(answer, "send_at", None)
        self.world.judge.books[self.key].lies += getattr(answer, "reason", None) == people.UNLOOKED
        self.world.judge.says(type(answer).__name__, self.key, answer.by, sure=sure, send_at=send_at, through=through)
