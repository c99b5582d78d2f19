"""A send by itself: a test plays the account, WeChat and the people, one event after the other."""

from dataclasses import is_dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, get_type_hints

from pydantic import TypeAdapter

from qunfa.contract.facts import Known
from qunfa.contract.grants import Granted, Lease, Turn, Waits
from qunfa.contract.operators import Abort, MarkSent, Retry, Status
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Answer, Counts, JobFinished, Problem
from qunfa.contract.steps import AccountFacts
from qunfa.send import events, steps
from qunfa.send.apply import apply
from qunfa.send.show import status
from qunfa.send.state import OpenWish, SendState
from tests.rules.arbitrary import NOON
from tests.send.arbitrary_facts import a_try
from tests.send.engine import Engine, Run

FACTS: Final = AccountFacts(name="demo", appid="wx", base_url="https://x.test")
_OF_THE_ACCOUNT: Final = (steps.Wish, steps.SendWish, steps.GiveBack, steps.Report)
_STEPS_MAX: Final = 2_000
BY_LI: dict[str, Any] = {"by": "li", "reason": "looked"}


class Typed(Engine):
    """Carries a run out, and sees that what comes next has no value of another type, and says whom it asks."""

    def planned(self, run: Run, now: datetime) -> steps.Step | steps.End:
        step = super().planned(run, now)
        has_its_types(step)
        if isinstance(step, steps.Step) and isinstance(step.effect, _OF_THE_ACCOUNT):
            assert step.why
        return step


def has_its_types(value: Any) -> None:
    """Fails where a field of a step, or of its effect, has a value of another type."""
    kind: Any = type(value)
    for name, adapter in adapters(kind).items():
        part = getattr(value, name)
        adapter.validate_python(part, strict=True)
        if is_dataclass(part):
            has_its_types(part)


@cache
def adapters(kind: type) -> dict[str, TypeAdapter[Any]]:
    """What each field of a step or an effect may be."""
    return {name: TypeAdapter(hint) for name, hint in get_type_hints(kind).items()}


class Alone:
    """One run; ``begun`` are the effects that were begun and are not over."""

    def __init__(self, facts: Any = FACTS, **request: Any) -> None:
        raw: dict[str, Any] = {
            "account": "demo",
            "key": "spring",
            "audience": {"kind": "all"},
            "message": {"msgtype": "text", "content": "你好"},
            **request,
        }
        self.now: datetime = NOON
        self.begun: list[steps.Effect] = []
        self.story: list[str] = []
        self.engine = Typed(
            MassSendRequest.model_validate(raw),
            facts,
            lambda _run, effect: self.begun.append(effect),
            self.story.append,
            steps_max=_STEPS_MAX,
        )
        self.run = Run("run-1", SendState(namespace="default", life="life-1"))
        self.number = 0

    @property
    def state(self) -> SendState:
        """What the run knows."""
        return self.run.state

    @property
    def step(self) -> steps.Step:
        """What comes next, where that is not the end."""
        step = self.engine.planned(self.run, self.now)
        assert isinstance(step, steps.Step), step
        return step

    @property
    def end(self) -> steps.End:
        """How the send ends."""
        end = self.engine.planned(self.run, self.now)
        assert isinstance(end, steps.End), end
        return end

    @property
    def status(self) -> Status:
        """What people see."""
        return status(self.engine.request, self.state, self.engine.planned(self.run, self.now), self.now)

    @property
    def wish(self) -> OpenWish:
        """What it has asked its account for."""
        assert self.state.wish is not None
        return self.state.wish

    @property
    def turn(self) -> Turn:
        """The turn that it has asked for."""
        assert self.wish.turn is not None
        return self.wish.turn

    @property
    def until(self) -> datetime:
        """When it goes on, at the latest."""
        assert self.step.until is not None
        return self.step.until

    @property
    def problem(self) -> Problem:
        """The problem that people see."""
        problem = self.status.problem
        assert problem is not None
        return problem

    @property
    def failure(self) -> Problem:
        """The problem that it has ended with."""
        problem = self.end.problem
        assert problem is not None
        return problem

    def does(self) -> type[steps.Effect] | None:
        """The kind of effect that comes next."""
        effect = self.step.effect
        return type(effect) if effect is not None else None

    def wants(self) -> str | None:
        """What the open wish is for."""
        return self.state.wish.purpose if self.state.wish else None

    def asks(self) -> str | None:
        """The problem that a person is asked about."""
        return self.step.problem.name if self.step.problem else None

    def take(self, *happened: events.Event) -> None:
        """These events, and what the run does by itself after them. What it keeps then can be read again."""
        self.run.inbox.extend(happened)
        self.engine.go(self.run, self.now)
        assert SendState.model_validate_json(self.state.model_dump_json(warnings="error")) == self.state

    def wait(self, span: timedelta) -> None:
        """Time passes."""
        self.now += span
        self.take(events.TimeCame())

    def joined(self, known: Known | None = None, **answer: Any) -> None:
        """From the start until the ledger has told what it knows."""
        self.take()
        assert isinstance(self.begun.pop(), steps.SendWish)
        self.sent()
        queued = {} if known or answer else {"waits": Waits(why="queue")}
        self.hear(known, **queued, **answer)

    def sent(self, known: Known | None = None) -> None:
        """The account was told of the open wish."""
        self.take(events.WishSent(self.wish.wish, known or Known(), searched=True))

    def hear(self, known: Known | None = None, **answer: Any) -> None:
        """The account answers the open wish."""
        self.take(self.granted(known, **answer))

    def asked(self, known: Known | None = None, **answer: Any) -> None:
        """A wish that is on its way is sent, and answered."""
        assert self.does() is steps.SendWish, self.step
        self.sent()
        self.hear(known, **answer)

    def lease(self, number: int | None = None) -> Lease:
        """A lease for the open wish."""
        self.number = number or self.number + 1
        ends = self.now + self.turn.http_timeout
        return Lease(
            key="spring",
            generation=self.turn.generation,
            number=self.number,
            wish=self.wish.wish,
            clientmsgid=self.turn.clientmsgid,
            holder="run-1",
            not_before=self.now,
            valid_until=ends,
            expires_at=ends + timedelta(minutes=2),
            pace=self.turn.pace,
        )

    def tries(self) -> None:
        """The open wish gets its lease, and the try is under way."""
        if self.does() is steps.SendWish:
            self.sent()
        self.hear(answer="lease", lease=self.lease())
        assert self.does() is steps.Submit

    def answered(self, kind: str = "accepted", **more: Any) -> None:
        """The answer to the try; an acceptance has msg_id 7."""
        usual = {"kind": kind, "at": self.now, **({"msg_id": 7} if kind in {"accepted", "duplicate"} else {})}
        self.take(events.Answered(Answer.model_validate({**usual, **more})))

    def reported(self, outcome: str | None = None) -> None:
        """The ledger was told what it is to be told next, with this end."""
        effect = self.step.effect
        assert isinstance(effect, steps.Report), self.step
        assert (effect.ended.outcome if effect.ended else None) == outcome
        self.take(events.Reported(effect.ended))

    def accepted(self) -> None:
        """From the start until WeChat has accepted it as msg_id 7."""
        self.joined()
        self.tries()
        self.answered()

    def pushed(self, word: str = "send success", msg_id: int = 7) -> None:
        """WeChat's push, as the account forwards it."""
        counts = Counts(total=9, filter=9, sent=9) if word == "send success" else None
        self.take(JobFinished(msg_id=msg_id, status=word, counts=counts))

    def granted(self, known: Known | None = None, **answer: Any) -> Granted:
        """An answer of the account to the open wish."""
        usual = {"wish": self.wish.wish, "answer": "known", "known": known or Known()}
        return Granted.model_validate({**usual, **answer})

    def take_and_reply(self, event: events.Event) -> str | None:
        """The event, and what the update that awaited it is refused with."""
        after = apply(self.engine.request, self.state, event, self.now)
        self.take(event)
        return after.replies[-1].refusal if after.replies else None

    def update(self, answer: events.Answering) -> str | None:
        """A person answers; why that does not fit."""
        self.engine.taken += 1
        event = events.Updated(f"update-{self.engine.taken}", answer)
        after = apply(self.engine.request, self.state, event, self.now)
        refusal = after.replies[-1].refusal if after.replies else None
        self.take(event)
        return refusal

    def retry(self, **more: Any) -> str | None:
        """Retry, by li."""
        return self.update(Retry(**BY_LI, **more))

    def abort(self, **more: Any) -> str | None:
        """Abort, by li."""
        return self.update(Abort(**BY_LI, **more))

    def mark_sent(self, msg_id: int) -> str | None:
        """Found in the console, by li."""
        return self.update(MarkSent(**BY_LI, msg_id=msg_id))


def own(number: int = 1, answer: Answer | None = None, *, lost: bool = False) -> Known:
    """What the ledger knows of a try under the key's own clientmsgid."""
    alone = Alone()
    alone.joined()
    one = a_try(number, answer, lost=lost).model_copy(update={"clientmsgid": alone.turn.clientmsgid})
    return Known(tries=(one,))
