"""A run of the send, carried out by the real plan and apply: what takes no time, and what comes of what does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from qunfa.contract.grants import Granted
from qunfa.contract.message import Material
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import JobFinished
from qunfa.contract.steps import AccountFacts
from qunfa.send import events, steps
from qunfa.send.apply import apply
from qunfa.send.plan import plan
from qunfa.send.state import SendState

DIGEST: Final = "d"
_STEPS_MAX: Final = 20_000
_OUTCOMES: Final = (
    *(events.WishSent, events.Answered, events.Lost, events.Reported, events.Polled, events.Made),
    *(events.WechatSaid, events.LookedUp, events.WasPreviewed, events.Shown, events.TagSeen, events.Obstructed),
)
"""What an effect comes to."""


@dataclass
class Run:
    """One run of the send: its state, its inbox, and what it was before each of the events that it has ``taken``."""

    id: str
    state: SendState
    inbox: list[events.Event] = field(default_factory=list)
    snapshots: list[SendState] = field(default_factory=list)
    taken: list[events.Event] = field(default_factory=list)
    waits_for: steps.Effect | None = None


@dataclass
class Engine:
    """Carries runs out. ``begin`` begins what takes time; ``tell`` is told each event.

    ``cancel``: what is under way, and does not come next any more, comes to this, or to nothing.
    """

    request: MassSendRequest
    facts: AccountFacts
    begin: Callable[[Run, steps.Effect], None]
    tell: Callable[[str], None]
    cancel: Callable[[Run, steps.Effect], events.Event | None] = lambda _run, _effect: None
    replied: Callable[[events.Updated, str | None], None] = lambda _update, _refusal: None
    name: str = ""
    digest: str = DIGEST
    material: Material | None = None
    wishes: int = 0
    steps_max: int = _STEPS_MAX
    taken: int = 0
    _asked: dict[str, events.Updated] = field(default_factory=dict)
    _planned: tuple[SendState, datetime, steps.Step | steps.End] | None = None

    def planned(self, run: Run, now: datetime) -> steps.Step | steps.End:
        """What comes next for the run. Of the same state at the same time it is asked again and again."""
        if self._planned is None or self._planned[0] is not run.state or self._planned[1] != now:
            self._planned = (run.state, now, plan(self.request, run.state, now))
        return self._planned[2]

    def go(self, run: Run, now: datetime) -> steps.End | None:
        """The run goes on as far as it can by itself; its end, where it comes to it."""
        while True:
            self.taken += 1
            assert self.taken < self.steps_max, "it goes on for ever"
            if run.inbox:
                self._take(run, run.inbox.pop(0), now)
                continue
            step = self.planned(run, now)
            if run.waits_for is not None and (isinstance(step, steps.End) or step.effect != run.waits_for):
                effect, run.waits_for = run.waits_for, None
                if (event := self.cancel(run, effect)) is not None:
                    self._take(run, event, now)
                continue
            if isinstance(step, steps.End):
                return step
            if (event := self._instant(run, step.effect)) is not None:
                self._take(run, event, now)
            elif step.effect is not None and run.waits_for is None:
                run.waits_for = step.effect
                self.begin(run, step.effect)
            else:
                assert step.wakes_at is None or step.wakes_at > now, f"it waits for a time that is over: {step}"
                return None

    def _take(self, run: Run, event: events.Event, now: datetime) -> None:
        run.snapshots.append(run.state)
        run.taken.append(event)
        if isinstance(event, _OUTCOMES):
            run.waits_for = None
        after = apply(self.request, run.state, event, now)
        if isinstance(event, events.Updated):
            self._asked[event.id] = event
        for reply in after.replies:
            if (update := self._asked.pop(reply.id, None)) is not None:
                self.replied(update, reply.refusal)
        run.state = after.changed(replies=())
        self.tell(f"{run.id}: {brief(event)}")

    def forget_the_plan(self) -> None:
        """The run is another one, whose state may look the same."""
        self._planned = None

    def _instant(self, run: Run, effect: steps.Effect | None) -> events.Event | None:
        """What takes no time."""
        match effect:
            case steps.Pin():
                return events.Pinned(self.facts)
            case steps.Inspect():
                return events.Inspected(self.digest, self.material)
            case _:
                return events.at_once(effect, run.state, self._new_wish)

    def _new_wish(self) -> str:
        self.wishes += 1
        return f"{self.name}wish-{self.wishes}"


def brief(event: events.Event) -> str:
    """An event in a few words."""
    match event:
        case Granted():
            tries = " ".join(
                f"{one.number}{'?' if one.lost_at else ''}{one.answer.kind if one.answer else ''}"
                for one in event.known.tries
            )
            said = " ".join(f"{one.msg_id}={one.verdict.status}" for one in event.known.said)
            return f"heard {event.answer} to {event.wish}: {tries}; {said}; ended {event.ended}"
        case events.Answered(answer):
            return f"answered {answer.kind} {answer.errcode} {answer.msg_id}"
        case JobFinished():
            return f"pushed {event.msg_id} {event.status}"
        case events.Updated(identity, answer):
            return f"{identity} {type(answer).__name__} {answer}"
        case _:
            return str(event)[:120]
