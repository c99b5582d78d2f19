"""A send in batches without a server: what it does next is done at once, as a script says."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from qunfa.batches import outlook, steps
from qunfa.batches.apply import apply
from qunfa.batches.plan import plan
from qunfa.batches.state import FROM_BEFORE, BatchesState, Case, Content
from qunfa.contract.batches import AudiencePlan, BatchRow, BatchSaid, PlannedGroup
from qunfa.contract.operators import Abort, Choose, MarkSent, Pause, Resume, Retry
from qunfa.contract.request import MassSendRequest, Previewed
from qunfa.contract.result import COMPLETES, Outcome, Problem
from qunfa.contract.steps import AccountFacts
from tests.rules.arbitrary import NOON

MINUTE = timedelta(minutes=1)
FACTS = AccountFacts(name="demo", appid="wx", base_url="https://api.weixin.qq.com")
FILE = {"kind": "openid_file", "uri": "file:/srv/lists/spring.txt"}
LI: dict[str, Any] = {"by": "li", "reason": "looked"}
ANSWERS: dict[str, Any] = {
    "abort": Abort(**LI), "pause": Pause(**LI), "resume": Resume(**LI), "retry": Retry(**LI),
    "mark_sent": MarkSent(**LI, msg_id=7), "a": Choose(winner="a", **LI), "b": Choose(winner="b", **LI),
}  # fmt: skip
ASKS = Problem(name="send_failed", sentence="s", todo="t")
Ending = Callable[[int], BatchRow]


def request(**more: Any) -> MassSendRequest:
    """A text to a file of openids."""
    message = {"msgtype": "text", "content": "你好"}
    return MassSendRequest.model_validate(
        {"account": "demo", "key": "spring", "audience": FILE, "message": message, **more}
    )


def planned(batches: int = 3, openids: int = 25_000) -> AudiencePlan:
    """A plan of so many batches."""
    return AudiencePlan(digest="a" * 64, openids=openids, batches=batches, taken_at=NOON)


def split_plan() -> AudiencePlan:
    """Two groups of one batch each, and a rest of two."""
    groups = (
        PlannedGroup(name="a", openids=2_000, batches=1),
        PlannedGroup(name="b", openids=3_001, batches=1),
        PlannedGroup(name="rest", openids=19_999, batches=2),
    )
    return planned(4).model_copy(update={"groups": groups})


def row(number: int, outcome: Outcome) -> BatchRow:
    """A batch that has ended so."""
    open_ = outcome in COMPLETES or outcome == "unknown"
    return BatchRow(number=number, outcome=outcome, may_have_been_delivered=open_)


def sent(number: int) -> BatchRow:
    """A batch that was sent."""
    return BatchRow(number=number, outcome="sent", may_have_been_delivered=True, msg_id=1000 + number)


def failed(number: int) -> BatchRow:
    """A batch to which WeChat has said no."""
    return BatchRow(
        number=number, outcome="failed", may_have_been_delivered=False, problem="send_failed", for_good=True
    )


def asks(number: int) -> BatchSaid:
    """A batch that needs a person."""
    return BatchSaid(number=number, problem=ASKS, answers=("retry", "abort"))


class Drive:
    """One send in batches: it counts how often each batch was begun. ``earlier``: what earlier runs had begun.

    ``silent``: the ledger does not tell.
    """

    def __init__(self, asked: MassSendRequest | None = None, batches: int = 3, facts: AccountFacts = FACTS) -> None:
        self.request = asked or request()
        self.state = BatchesState(namespace="default", life="life")
        self.now = NOON
        self.begun: Counter[int] = Counter()
        self.passed: list[str] = []
        self.earlier: dict[int, BatchRow] = {}
        self.silent = False
        self.plan = split_plan() if self.request.split else planned(batches)
        self.facts = facts

    @property
    def step(self) -> steps.Step | steps.End:
        """What comes next."""
        return plan(self.request, self.state, self.now)

    def hear(self, *events: steps.Event) -> "Drive":
        """Take in what happens."""
        for event in events:
            self.state = apply(self.request, self.state, event, self.now)
        return self

    def go(self) -> steps.Step | steps.End:
        """Do what comes next, until a batch is under way, or a person, a time or nothing is awaited."""
        while not isinstance(step := self.step, steps.End):
            event = self.event(step)
            if event is None:
                return step
            if isinstance(event, steps.Begin):
                self.begun[event.number] += 1
            self.hear(event)
        return step

    def carry(self, ending: Ending = sent) -> steps.Step | steps.End:
        """The same, with each batch ended."""
        while isinstance(step := self.go(), steps.Step) and self.state.running is not None:
            self.hear(steps.Ended(ending(self.state.running.number)))
        return step

    def ended(self, ending: Ending = sent) -> steps.End:
        """The same, to the end."""
        end = self.carry(ending)
        assert isinstance(end, steps.End), end
        return end

    def ended_on(self, day: datetime) -> steps.End:
        """The same, after it has waited until then."""
        self.go()
        self.now = day
        return self.ended()

    def waits(self, ending: Ending = sent) -> steps.Step:
        """The same, until somebody or a time is awaited."""
        step = self.carry(ending)
        assert isinstance(step, steps.Step), step
        return step

    def answer(self, answer: Any, identity: str = "u") -> str | None:
        """A person's answer; why it does not fit."""
        self.hear(steps.Updated(identity, answer))
        reply = next((one for one in self.state.replies if one.id == identity), None)
        self.state = self.state.changed(replies=())
        return reply.refusal if reply else None

    def event(self, step: steps.Step) -> steps.Event | None:  # noqa: PLR0911  one row for each effect
        """What comes of a step at once, as the script says."""
        match step.effect:
            case steps.Pin():
                return steps.Pinned(self.facts)
            case steps.Inspect():
                return steps.Inspected("d", tuple(Content(digest="d") for _ in self.request.versions))
            case steps.Join():
                return steps.Joined()
            case steps.PlanAudience():
                return steps.Planned(self.plan)
            case steps.Preview(number, version):
                return steps.WasPreviewed(Previewed(to=f"{version}-{number}", sent=True))
            case steps.Show():
                before = self.state.plan is not None and self.state.plan.is_from_before
                case = Case(self.request, self.state, self.now)
                return steps.Shown(("to all of them", *([FROM_BEFORE] if before else []), *outlook.late(case)))
            case steps.PassOn(passing):
                self.passed.append(passing.name)
                return steps.WasPassed(passing.id)
            case steps.LookBack(number):
                return steps.Unheard(number) if self.silent else steps.LookedBack(number, self.earlier.get(number))
            case steps.WriteReport(rows):
                told = self.plan.is_sent_in_part or any(row.state == "sent" for row in self.state.all_rows)
                return steps.Reported(rows, "file:/srv/report.csv.gz", "part" if told else None)
            case effect:
                return steps.at_once(effect)
