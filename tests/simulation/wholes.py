"""A send in batches, carried out by the real plan and apply. Each of its batches is a send of the world's, with a key.

The judge has a book of its own of who is in which batch: batch ``n`` is whoever gets what the key ``list.n`` delivers.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from qunfa.batches import steps
from qunfa.batches.apply import apply
from qunfa.batches.plan import plan
from qunfa.batches.rows import row_of, row_of_closed, row_of_refused
from qunfa.batches.state import BatchesState, Content, batch_of
from qunfa.contract.batches import AudiencePlan, BatchRow, PlannedGroup
from qunfa.contract.operators import Abort, MarkSent, Pause, Resume, Retry
from qunfa.contract.request import MassSendRequest, Previewed
from qunfa.contract.steps import AccountFacts
from qunfa.send import events, show
from tests.simulation.judge import CLOCK, BrokenPromiseError
from tests.simulation.people import REQUESTER
from tests.simulation.sends import Send

STEPS_MAX: Final = 2000
GROUPS: Final = 2
"""A split test has so many groups beside its rest."""
_MESSAGES: Final = (steps.Updated, steps.Cancelled)
_ANSWERS: Final[dict[str, Any]] = {
    "retry": Retry,
    "mark_sent": MarkSent,
    "abort": Abort,
    "pause": Pause,
    "resume": Resume,
}


def whole_request(random: Random, account: str, key: str, now: datetime, batches: int) -> MassSendRequest:
    """A request for a list of so many batches, of one kind or another."""
    raw: dict[str, Any] = {
        "account": account,
        "key": key,
        "audience": {"kind": "openid_file", "uri": "file:/srv/list.txt"},
        "message": {"msgtype": "text", "content": "你好"},
        "requested_by": REQUESTER,
        "on_batch_problem": random.choice(["stop", "stop", "continue"]),
    }
    if random.random() < 0.15:
        raw["approval"] = {"required": True}
    if random.random() < 0.2:
        raw["send_at"] = (now + timedelta(minutes=random.choice([1, 300]))).isoformat()
    if random.random() < 0.2:
        raw["not_after"] = (now + timedelta(hours=random.choice([6, 30]))).isoformat()
    if random.random() < 0.25:
        raw["on_problem"] = "fail"
    if batches > GROUPS and random.random() < 0.5:
        raw["split"] = {"a": 10, "b": 10}
        raw["message_b"] = {"msgtype": "text", "content": "再见"}
    return MassSendRequest.model_validate(raw)


def plan_of(request: MassSendRequest, batches: int, now: datetime) -> AudiencePlan:
    """A plan of so many batches; in a split test the first two are its groups."""
    sizes = {"a": 1, "b": 1, "rest": batches - GROUPS} if request.split else {}
    groups = [
        PlannedGroup.model_validate({"name": n, "openids": 9_999 * size, "batches": size}) for n, size in sizes.items()
    ]
    openids = sum(group.openids for group in groups) or 10_000 * batches - 1
    return AudiencePlan(digest="a" * 64, openids=openids, batches=batches, taken_at=now, groups=tuple(groups))


@dataclass
class WholeBook:
    """What people have told a send in batches since it was started, and what it has begun; nothing after a loss."""

    needs_approval: bool
    send_at: datetime | None
    not_after: datetime | None
    approved: bool = False
    paused: bool = False
    aborted: bool = False
    chosen: bool = False
    had_losses: bool = False

    def begins(self, name: str, now: datetime, under_way: list[str], *, is_rest: bool) -> None:
        """A batch begins, while these are under way; ``is_rest``: of a split test."""
        if self.had_losses:
            return
        wrong = {
            f"while {', '.join(under_way)} is under way": bool(under_way),
            "and nobody has approved it": self.needs_approval and not self.approved,
            "while it is paused": self.paused,
            "before anybody has chosen what the rest gets": is_rest and not self.chosen,
            "although it was aborted": self.aborted,
            "before its time": self.send_at is not None and now < self.send_at - CLOCK,
            "after its time": self.not_after is not None and now >= self.not_after + CLOCK,
        }
        for how, is_so in wrong.items():
            if is_so:
                raise BrokenPromiseError(f"{name} begins {how}")

    def says(self, answer: events.Answering) -> None:
        """A person's answer was taken."""
        match type(answer).__name__:
            case "Approve":
                self.approved = True
            case "Pause":
                self.paused = True
            case "Resume":
                self.paused = False
            case "Abort" | "Reject":
                self.aborted = True
            case "Choose":
                self.chosen = True
            case "Reschedule":
                self.send_at = getattr(answer, "send_at", self.send_at)
            case _:
                pass


@dataclass
class WholeRun:
    """One run: its state, its inbox, and what it was before each of the events that it has ``taken``."""

    id: str
    state: BatchesState
    inbox: list[steps.Event] = field(default_factory=list)
    snapshots: list[BatchesState] = field(default_factory=list)
    taken: list[steps.Event] = field(default_factory=list)


@dataclass
class Whole:
    """One send in batches. ``closed``: how batches have ended that nobody has begun again since.

    ``make``: a send for a batch. ``reported``: the rows of the newest report. ``passing``: an answer that the batch
    under way was given, and the run of the batch's that has it.
    """

    request: MassSendRequest
    facts: AccountFacts
    total: int
    random: Random
    tell: Callable[[str], None]
    make: Callable[["Whole", MassSendRequest], Send]
    now: Callable[[], datetime]
    run: WholeRun | None = None
    runs: int = 0
    batches: dict[int, Send] = field(default_factory=dict)
    closed: dict[int, BatchRow] = field(default_factory=dict)
    reported: tuple[BatchRow, ...] | None = None
    passing: tuple[str, str] | None = None
    looking: tuple[str, int] | None = None
    told: tuple[int, str | None] | None = None
    ended: list[tuple[steps.End, BatchesState]] = field(default_factory=list)
    asked: dict[str, events.Answering] = field(default_factory=dict)
    book: WholeBook = field(init=False)

    def __post_init__(self) -> None:
        self.book = self._new_book()

    def _new_book(self) -> WholeBook:
        approval = self.request.approval
        needs = approval is not None and approval.required
        return WholeBook(needs, self.request.send_at, self.request.not_after)

    @property
    def key(self) -> str:
        """Of the whole."""
        return self.request.key

    def planned(self) -> steps.Step | steps.End | None:
        """What comes next."""
        return plan(self.request, self.run.state, self.now()) if self.run else None

    # Its runs

    def start(self) -> None:
        """The key is started: a run that knows nothing. Batches of an earlier run may be under way."""
        self.runs += 1
        losses = self.runs > 1 and any(send.run for send in self.batches.values())
        self.run = WholeRun(f"{self.key}-run-{self.runs}", BatchesState(namespace="default", life=f"{self.runs}"))
        self.book, self.reported, self.passing, self.told = self._new_book(), None, None, None
        self.book.had_losses = losses
        self.tell(f"{self.key} starts as {self.run.id}")

    def terminate(self) -> None:
        """The run is gone; a batch under way goes on."""
        self.tell(f"{self.key} is terminated")
        self.run = None

    def reset(self) -> None:
        """The run is another one from now on, earlier in its life; what was said to it is said again."""
        old = self.run
        if old is None or not old.snapshots:
            return
        self.runs += 1
        cut = self.random.choice([len(old.snapshots) - 1, self.random.randrange(len(old.snapshots))])
        again = [one for one in [*old.taken[cut + 1 :], *old.inbox] if isinstance(one, _MESSAGES)]
        state = copy.deepcopy(old.snapshots[cut])
        inbox: list[steps.Event] = [steps.WasReset(), *again]
        self.run = WholeRun(f"{self.key}-run-{self.runs}", state, inbox, old.snapshots[:cut], old.taken[:cut])
        self.book.had_losses, self.passing, self.told = True, None, None
        self.tell(f"{old.id} is reset to its event {cut}: {self.run.id}")

    # Its batches

    def has_ended(self) -> bool:
        """Whether its batch under way has ended, and it is still to hear of that."""
        running = self.run.state.running if self.run else None
        return running is not None and running.number in self.closed

    def hears_the_end(self) -> None:
        """It is told how its batch under way has ended."""
        if self.run and self.run.state.running:
            self.run.inbox.append(steps.Ended(self.closed[self.run.state.running.number]))

    def hears_a_problem(self) -> None:
        """The batch under way tells what it asks, where that has changed, and loses what it was asked in vain."""
        running = self.run.state.running if self.run else None
        send = self.batches.get(running.number) if running else None
        if self.run is None or running is None or send is None or send.run is None:
            return
        step = send.planned()
        problem = step.problem if step else None
        news = (running.number, problem.name if problem else None)
        if news != self.told:
            self.told = news
            self.run.inbox.append(steps.Said(running.number, problem, tuple(_ANSWERS) if problem else ()))

    def closes(self, number: int, *, terminated: bool) -> None:
        """A batch's run is over."""
        send = self.batches[number]
        self.closed[number] = row_of_closed(number, "terminated") if terminated else self._row(send, number)
        self.tell(f"{send.key} is over: {self.closed[number].outcome}")

    def _row(self, send: Send, number: int) -> BatchRow:
        end, last = send.ends[-1], send.last
        assert last is not None
        if end.refused:
            return row_of_refused(number, send.key, list(end.refused))
        return row_of(number, show.result(send.request, last.state, end, self.now()))

    def _begin(self, number: int, chosen: AudiencePlan) -> None:
        """The batch is started, or followed where it runs already."""
        send = self.batches.get(number)
        if send is None:
            send = self.batches[number] = self.make(
                self, batch_of(self.request, chosen, number, self.run.state.winner if self.run else None)
            )
        others = [one.key for one in self.batches.values() if one.run and one is not send]
        self.book.begins(send.key, self.now(), others, is_rest=chosen.group_of(number) == "rest")
        if send.run is None:
            self.closed.pop(number, None)
            send.start()

    # Its tasks

    def has_work(self) -> bool:
        """Whether a task would do something."""
        if self.run is None:
            return False
        step = self.planned()
        if self.run.inbox or isinstance(step, steps.End):
            return True
        return step is not None and step.effect is not None and not self._waits_for(step.effect)

    def _waits_for(self, effect: steps.Effect) -> bool:
        if isinstance(effect, steps.LookBack):
            send = self.batches.get(effect.number)
            return bool(send and send.run) and self.looking == (self.run.id if self.run else "", effect.number)
        return isinstance(effect, steps.PassOn) and self.passing is not None and self._is_with_its_run()

    def _is_with_its_run(self) -> bool:
        running = self.run.state.running if self.run else None
        send = self.batches.get(running.number) if running else None
        return bool(send and send.run and self.passing and send.run.id == self.passing[1])

    def go(self) -> None:
        """A workflow task: on as far as it can by itself, maybe to its end."""
        for _ in range(STEPS_MAX):
            if self.run is None:
                return
            if self.run.inbox:
                self._take(self.run.inbox.pop(0))
                continue
            step = self.planned()
            if isinstance(step, steps.End):
                self.ended.append((step, self.run.state))
                self.tell(f"{self.key} ends: {step.outcome}")
                self.run = None
                return
            event = self._event(step.effect) if step and step.effect else None
            if event is None:
                return
            self._take(event)
        raise AssertionError(f"{self.key} goes on for ever")

    def _take(self, event: steps.Event) -> None:
        run = self.run
        if run is None:
            return
        run.snapshots.append(run.state)
        run.taken.append(event)
        if isinstance(event, steps.Updated):
            self.asked[event.id] = event.answer
        after = apply(self.request, run.state, event, self.now())
        for reply in after.replies:
            if (answer := self.asked.pop(reply.id, None)) is not None and reply.refusal is None:
                self.book.says(answer)
        run.state = after.changed(replies=())
        self.tell(f"{run.id}: {str(event)[:100]}")
        if isinstance(event, steps.Began) and run.state.plan:
            self._begin(event.number, run.state.plan)
        if isinstance(event, steps.Ended):
            self.passing = self.told = None

    def _event(self, effect: steps.Effect) -> steps.Event | None:  # noqa: PLR0911  one row for each effect
        match effect:
            case steps.Pin():
                return steps.Pinned(self.facts)
            case steps.Inspect():
                return steps.Inspected("d", tuple(Content(digest="d") for _ in self.request.versions))
            case steps.Join():
                return steps.Joined()
            case steps.PlanAudience():
                return steps.Planned(plan_of(self.request, self.total, self.now()))
            case steps.Preview(number):
                return steps.WasPreviewed(Previewed(to=str(number), sent=True))
            case steps.Show():
                return steps.Shown(("to all of them",))
            case steps.PassOn(passing):
                return self._pass_on(passing.id, passing.name, passing.answer)
            case steps.LookBack(number):
                return self._look_back(number)
            case steps.WriteReport(rows):
                self.reported = self.run.state.all_rows if self.run else None
                return steps.Reported(rows, "file:/srv/report.csv.gz")
            case _:
                return steps.at_once(effect)

    def _look_back(self, number: int) -> steps.Event | None:
        """What an earlier run has begun is told to abort, once, and its end is awaited."""
        send, run = self.batches.get(number), self.run
        if send is None or run is None:
            return steps.LookedBack(number)
        if send.run is None:
            return steps.LookedBack(number, self.closed[number])
        if self.looking != (run.id, number):
            self.looking = run.id, number
            send.answers += 1
            abort = Abort(by="li", reason="the whole send ends")
            send.run.inbox.append(events.Updated(f"{send.key}-passed-{send.answers}", abort))
        return None

    def _pass_on(self, identity: str, name: str, answer: dict[str, Any]) -> steps.Event | None:
        """The batch is asked; its word is heard later. Nobody answers where it has no run any more, or another one."""
        running = self.run.state.running if self.run else None
        send = self.batches.get(running.number) if running else None
        if self.passing is not None and self.passing[0] == identity:
            return None if self._is_with_its_run() else self._unheard(identity)
        if send is None or send.run is None:
            return self._unheard(identity)
        self.passing = identity, send.run.id
        asked = _ANSWERS[name].model_validate(answer)
        send.answers += 1
        send.run.inbox.append(events.Updated(f"{send.key}-passed-{send.answers}", asked))
        return None

    def _unheard(self, identity: str) -> steps.Event:
        self.passing = None
        return steps.WasPassed(identity, "the batch does not answer")

    def was_answered(self, send: Send, refusal: str | None) -> None:
        """A batch has answered; what it was asked by this one, if it was."""
        running = self.run.state.running if self.run else None
        if self.run and running and self.passing and self.batches.get(running.number) is send:
            self.run.inbox.append(steps.WasPassed(self.passing[0], refusal))
            self.passing = None
