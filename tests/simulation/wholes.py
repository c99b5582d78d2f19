"""A send in batches, carried out by the real plan and apply. Each of its batches is a send of the world's, with a key.

The judge has a book of its own of who is in which batch: batch ``n`` is whoever gets what the key ``list.n`` delivers.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from qunfa.batches import outlook, steps
from qunfa.batches.apply import NAMED, apply
from qunfa.batches.plan import plan
from qunfa.batches.rows import looked_up, may_have_news, row_of, row_of_closed, row_of_refused, settled
from qunfa.batches.state import FROM_BEFORE, BatchesState, Case, Content, PassedOn
from qunfa.contract.batches import OF_LIST, AudiencePlan, BatchRow, BatchSaid, doubted, merged
from qunfa.contract.facts import Known
from qunfa.contract.grants import Wish
from qunfa.contract.operators import Abort, Pause, Reschedule, Resume
from qunfa.contract.request import MassSendRequest, Previewed
from qunfa.contract.steps import AccountFacts
from qunfa.send import events, show
from qunfa.send.doubt import is_doubt
from tests.simulation import asking
from tests.simulation.books import BrokenPromiseError, WholeBook
from tests.simulation.people import plan_of
from tests.simulation.sends import Send

if TYPE_CHECKING:
    from tests.simulation.accounts import Account

STEPS_MAX: Final = 2000
_MESSAGES: Final = (BatchSaid, steps.Updated, steps.Cancelled)
"""What Temporal applies again after a reset. The run takes it in before it hears of that."""


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

    ``is_marked``: the store says that it was sent in part. ``is_sent_in_part``: so it has ended, and nobody has changed
    that.

    ``make``: a send for a batch. ``reported``: the rows of the newest report. ``plan``: that in the store. ``passing``:
    an answer that the batch under way was given, and the run of the batch's that has it. ``holding``: what holds it
    back, and the batch under way was not given yet.
    ``once_planned``: what a person says as soon as its audience is planned. ``came_up_at``: the start of its first run.
    """

    request: MassSendRequest
    account: "Account"
    facts: AccountFacts
    total: int
    make: Callable[["Whole", MassSendRequest], Send]
    run: WholeRun | None = None
    runs: int = 0
    batches: dict[int, Send] = field(default_factory=dict)
    closed: dict[int, BatchRow] = field(default_factory=dict)
    reported: dict[int, BatchRow] = field(default_factory=dict)
    is_marked: bool = False
    is_sent_in_part: bool = False
    plan: AudiencePlan | None = None
    passing: tuple[str, str] | None = None
    looking: tuple[str, int] | None = None
    told: tuple[int, str | None] | None = None
    holding: set[str] = field(default_factory=set)
    once_planned: Abort | None = None
    came_up_at: datetime | None = None
    ended: list[tuple[steps.End, BatchesState]] = field(default_factory=list)
    asked: dict[str, events.Answering] = field(default_factory=dict)
    book: WholeBook = field(init=False)

    def __post_init__(self) -> None:
        self.book = self._new_book()

    def _new_book(self) -> WholeBook:
        approval = self.request.approval
        needs = approval is not None and approval.required
        return WholeBook(needs_approval=needs, send_at=self.request.send_at, not_after=self.request.not_after)

    @property
    def key(self) -> str:
        """Of the whole."""
        return self.request.key

    @property
    def _now(self) -> datetime:
        return self.account.world.now

    def _tell(self, what: str) -> None:
        self.account.world.tell(what)

    def planned(self) -> steps.Step | steps.End | None:
        """What comes next."""
        return plan(self.request, self.run.state, self._now) if self.run else None

    def rings(self) -> None:
        """The timer of a run at rest brings a command, as that of a send does. Its new phase is one."""
        step = self.planned()
        if self.run is None or not isinstance(step, steps.Step) or step.wakes_at is None:
            return
        after = plan(self.request, self.run.state, step.wakes_at)
        if isinstance(after, steps.Step) and after.phase == step.phase and after.effect in {None, step.effect}:
            assert after.wakes_at, f"the timer of {step} brings nothing: {after}"

    # Its runs

    def start(self) -> None:
        """The key is started: a run that knows nothing. Batches of an earlier run may be under way."""
        self.runs, self.came_up_at = self.runs + 1, self.came_up_at or self._now
        losses = self.runs > 1 and any(send.run for send in self.batches.values())
        self.run = WholeRun(
            f"{self.key}-run-{self.runs}", BatchesState(namespace="default", life=f"{self.runs}", started_at=self._now)
        )
        before, self.book, self.passing, self.told = self.book, self._new_book(), None, None
        self.holding = set()
        self.book.ever_approved, self.book.was_rescheduled = before.ever_approved, before.was_rescheduled
        self.book.had_losses = losses
        self._tell(f"{self.key} starts as {self.run.id}")

    def terminate(self) -> None:
        """The run is gone; a batch under way goes on."""
        self._tell(f"{self.key} is terminated")
        self.run = None

    def reset(self) -> None:
        """The run is another one from now on, earlier in its life; what was said to it is said again."""
        old = self.run
        if old is None or not old.snapshots:
            return
        self.runs += 1
        random = self.account.world.random
        cut = random.choice([len(old.snapshots) - 1, random.randrange(len(old.snapshots))])
        again = [one for one in [*old.taken[cut + 1 :], *old.inbox] if isinstance(one, _MESSAGES)]
        state = copy.deepcopy(old.snapshots[cut])
        inbox: list[steps.Event] = [*again, steps.WasReset()]
        self.run = WholeRun(f"{self.key}-run-{self.runs}", state, inbox, old.snapshots[:cut], old.taken[:cut])
        self.book.loses()
        self.passing, self.told, self.is_sent_in_part, self.holding = None, None, False, set()
        self._tell(f"{old.id} is reset to its event {cut}: {self.run.id}")

    # Its batches

    def has_ended(self) -> bool:
        """Whether its batch under way has ended, and it is still to hear of that."""
        running = self.run.state.running if self.run else None
        return running is not None and running.number in self.closed

    def hears_the_end(self) -> None:
        """It is told how its batch under way has ended, with what the account has heard since."""
        running = self.run.state.running if self.run else None
        if self.run and running:
            row, key = self.closed[running.number], f"{self.key}.{running.number}"
            if running.follows and may_have_news(row):
                row = settled(row, looked_up(row.number, key, self._remembered(key, self.run.state)[0]))
            self.run.inbox.append(steps.Ended(row))

    def hears_a_problem(self) -> None:
        """The batch under way tells what it asks, where that has changed; and first who had paused its list."""
        running = self.run.state.running if self.run else None
        send = self.batches.get(running.number) if running else None
        if self.run is None or running is None or send is None or send.run is None:
            return
        step = send.planned()
        problem = step.problem if step else None
        news = (running.number, problem.name if problem else None)
        if news != self.told:
            pause = send.run.state.pause(of_list=True) if self.told is None else None
            self.told = news
            said = BatchSaid(number=running.number, problem=problem, answers=tuple(NAMED) if problem else ())
            self.run.inbox.append(said.model_copy(update={"paused_by": pause.by if pause else None}))

    def closes(self, number: int, *, terminated: bool) -> None:
        """A batch's run is over."""
        send = self.batches[number]
        self.closed[number] = row_of_closed(number, "terminated") if terminated else self._row(send, number)
        self._tell(f"{send.key} is over: {self.closed[number].outcome}")

    def _row(self, send: Send, number: int) -> BatchRow:
        end, last = send.ends[-1], send.last
        assert last is not None
        if end.refused:
            return row_of_refused(number, send.key, list(end.refused))
        return row_of(number, show.result(send.request, last.state, end, self._now))

    def _begin(self, number: int, case: Case) -> None:
        """The batch is started, or followed where it runs already."""
        if self.is_sent_in_part:
            raise BrokenPromiseError(f"{self.key} had ended as sent in part, and begins batch {number}")
        send = self.batches.get(number)
        if send is None:
            send = self.batches[number] = self.make(self, case.batch(number))
        others = [one.key for one in self.batches.values() if one.run and one is not send]
        self.book.begins(send.key, self._now, others, is_rest=case.group_of(number) == "rest")
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
                self.is_sent_in_part = step.outcome == "partly_sent" and self.is_marked
                self._tell(f"{self.key} ends: {step.outcome}")
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
        after = apply(self.request, run.state, event, self._now)
        for reply in after.replies:
            if (answer := self.asked.pop(reply.id, None)) is not None and reply.refusal is None:
                self.book.says(type(answer).__name__, getattr(answer, "send_at", None), answer.by)
        self._owes(event, run.state, after)
        run.state = after.changed(replies=())
        self._tell(f"{run.id}: {str(event)[:100]}")
        if isinstance(event, steps.Planned) and self.once_planned is not None:
            run.inbox.append(steps.Updated(f"{run.id}-soon", self.once_planned))
            self.once_planned = None
        if isinstance(event, steps.Begin) and run.state.plan:
            self._begin(event.number, Case(self.request, run.state, self._now))
        if isinstance(event, steps.Ended):
            self.passing = self.told = None

    def _owes(self, event: steps.Event, before: BatchesState, after: BatchesState) -> None:
        """What holds it back is passed on to the batch under way, unless that has ended, or asks a person."""
        running = before.running
        if running is None:
            return
        taken = isinstance(event, steps.Updated) and not any(
            one.id == event.id and one.refusal for one in after.replies
        )
        if isinstance(event, steps.Updated) and taken and isinstance(event.answer, Pause | Reschedule):
            self.holding.add(type(event.answer).__name__.lower())
        if isinstance(event, steps.Updated) and taken and isinstance(event.answer, Resume):
            self.holding.discard("pause")
        asks = isinstance(event, BatchSaid) and event.problem is not None
        if asks or after.running is None or after.stop is not None:
            self.holding.clear()
        owed = self.holding - {one.name for one in after.passing}
        self.account.world.judge.books[f"{self.key}.{running.number}"].owed = owed

    def _event(self, effect: steps.Effect) -> steps.Event | None:  # noqa: PLR0911  one row for each effect
        match effect:
            case steps.Pin():
                return steps.Pinned(self.facts)
            case steps.Inspect():
                return steps.Inspected("d", tuple(Content(digest="d") for _ in self.request.versions))
            case steps.Join():
                return self._join()
            case steps.PlanAudience():
                standing = self.plan
                self.plan = standing or plan_of(self.request, self.total, self._now)
                update = {"is_sent_in_part": self.is_marked, "is_from_before": standing is not None}
                return steps.Planned(self.plan.model_copy(update=update))
            case steps.Preview(number):
                return steps.WasPreviewed(Previewed(to=str(number), sent=True))
            case steps.Show():
                late = outlook.late(Case(self.request, self.run.state, self._now)) if self.run else ()
                return steps.Shown(("to all of them", FROM_BEFORE, *late))
            case steps.PassOn(passing):
                return self._pass_on(passing.id, passing.name, passing.answer)
            case steps.LookBack(number):
                return self._look_back(number)
            case steps.WriteReport(rows):
                return self._report(rows)
            case _:
                return steps.at_once(effect)

    def _report(self, rows: int) -> steps.Event:
        assert self.run is not None
        state = self.run.state
        is_hidden = any(map(is_doubt, self._remembered(self.key, state)[0].tries))
        known = {row.number: row.in_doubt if is_hidden else row for row in state.all_rows}
        if self.plan is not None and (is_hidden or (state.plan is None and state.fresh is None)):
            known = {number: doubted(number) for number in range(1, self.plan.batches + 1)} | known
        self.reported = merged(self.reported.values(), known.values(), state.fresh)
        self.is_marked = any(row.state == "sent" for row in self.reported.values())
        told = tuple(row for row in self.reported.values() if row not in state.all_rows)
        return steps.Reported(rows, "file:/srv/report.csv.gz", "part" if self.is_marked else None, told)

    def _remembered(self, key: str, state: BatchesState) -> tuple[Known, bool]:
        return asking.remembered(self.account, key, Case(self.request, state, self._now).started_at, self.came_up_at)

    def _join(self) -> steps.Event:
        """The account knows its key from now on."""
        run = self.run
        assert run is not None
        wish = Wish(
            wish=f"{run.id}-joins",
            key=self.key,
            digest=run.state.digest or "",
            workflow_id=f"mass-send:{self.request.account}:{self.key}",
            run_id=run.id,
            searched=True,
            number=1,
        )
        self.account.takes(wish)
        return steps.Joined()

    def _look_back(self, number: int) -> steps.Event | None:
        """What an earlier run has begun is told to abort, once, and its end is awaited.

        The account may know that Temporal has forgotten one.
        """
        send, run, key = self.batches.get(number), self.run, f"{self.key}.{number}"
        if run is None:
            return None
        if send is None or send.run is None:
            row = self.closed.get(number)
            if row is not None and not may_have_news(row):
                return steps.LookedBack(number, row)
            known, is_known = self._remembered(key, run.state)
            is_later = any(later > number for later in self.batches)
            kept = looked_up(number, key, known, is_known=is_known, is_later=is_later)
            return steps.LookedBack(number, settled(row, kept)) if row else kept
        if self.looking != (run.id, number):
            self.looking = run.id, number
            send.answers += 1
            abort = Abort(by="li", reason="the whole send ends")
            send.run.inbox.append(events.Updated(f"{OF_LIST}{send.key}-passed-{send.answers}", abort))
        return None

    def _pass_on(self, identity: str, name: PassedOn, answer: dict[str, Any]) -> steps.Event | None:
        """The batch is asked; its word is heard later. Nobody answers where it has no run any more, or another one."""
        running = self.run.state.running if self.run else None
        send = self.batches.get(running.number) if running else None
        self.holding.discard(name)
        if self.passing is not None and self.passing[0] == identity:
            return None if self._is_with_its_run() else self._unheard(identity)
        if send is None or send.run is None:
            return self._unheard(identity)
        self.passing = identity, send.run.id
        asked = NAMED[name].model_validate(answer)
        send.answers += 1
        send.run.inbox.append(events.Updated(f"{OF_LIST}{send.key}-passed-{send.answers}", asked))
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
