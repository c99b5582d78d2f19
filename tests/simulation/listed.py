"""A world with a send in batches: its batches are sends like others, and what can be lost of those can be lost here.

| promise | is broken where |
|---|---|
| at most one delivery | a batch's followers get its message twice |
| one batch at a time | one begins while another is under way, unapproved, paused, aborted, or at another time |
| a person chooses | a batch of a split test's rest begins before that |
| the report is honest | a batch that it calls sent was not delivered; or another was, or may still be |
| nothing hangs | it goes on for ever once nothing is lost any more |
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final

from qunfa.batches import steps
from qunfa.batches.state import BatchesState
from qunfa.contract.batches import BatchRow
from qunfa.contract.operators import Abort, Choose, Resume, Retry
from qunfa.contract.request import MassSendRequest
from qunfa.contract.steps import AccountFacts, Timing
from qunfa.send import events
from tests.simulation import people
from tests.simulation.accounts import Account
from tests.simulation.books import Book, BrokenPromiseError
from tests.simulation.chances import HAPPENINGS
from tests.simulation.pushes import Ways
from tests.simulation.sends import Send
from tests.simulation.wholes import Whole
from tests.simulation.world import World

ABORTED_SOON: Final = 0.6
BATCHES: Final = (2, 2, 3, 4)
STARTS_MAX: Final = 3
HELD: Final = 1.2
"""How often somebody pauses, resumes or moves it or a batch: these are held by two, and each lets go of their own."""


class Listed(World):
    """A world with one send in batches, beside others."""

    happenings: ClassVar[dict[str, float]] = HAPPENINGS | {"hold": HELD}

    def __init__(self, seed: int, *, gentle: bool = False) -> None:
        super().__init__(seed, gentle=gentle)
        self.is_forgetful = False
        account = self.random.choice(self.accounts)
        facts = AccountFacts(
            name=account.name,
            appid=account.state.appid,
            base_url="https://x.test",
            send_hours=account.hours,
            timing=Timing(pace=account.pace),
        )
        total = self.random.choice(BATCHES)
        request = people.whole_request(self.random, account.name, "list", self.now, total)
        self.whole = self._listed(request, account, facts, total)
        self.wholes = [self.whole]
        self._ends: dict[str, int] = {}
        self._running: set[str] = set()

    def _listed(self, request: MassSendRequest, account: Account, facts: AccountFacts, total: int) -> Whole:
        return Whole(request, account, facts, total, self._make)

    def _make(self, whole: Whole, request: MassSendRequest) -> Send:
        """A send for a batch."""
        send = Send(self, whole.account, request.key, request, whole.facts, is_batch=True)
        usual = send.engine.replied

        def replied(update: events.Updated, refusal: str | None) -> None:
            usual(update, refusal)
            whole.was_answered(send, refusal)

        send.engine.replied = replied
        account = whole.account
        book = Book(account=account.name, hours=account.hours, needs_approval=False, not_after=request.not_after)
        self.judge.books[send.key] = book
        self.sends.append(send)
        return send

    # What happens to it

    def _able(self, what: str) -> Ways:
        return [*super()._able(what), *(one for whole in self.wholes for one in self._of_whole(whole, what))]

    def _of_whole(self, whole: Whole, what: str) -> Ways:
        """What can happen to it, beside its tasks and what it hears."""
        run = whole.run
        if run is None:
            return [partial(self._whole_starts, whole)] if what == "start" and whole.runs < STARTS_MAX else []
        match what:
            case "terminate" if self._may_lose():
                return [partial(self._whole_loses, whole.terminate)]
            case "reset" if self._may_lose() and run.snapshots:
                return [partial(self._whole_loses, whole.reset)]
            case "cancel" if self._may_lose():
                return [partial(self._whole_loses, lambda: run.inbox.append(steps.Cancelled("no reason given")))]
            case "answer" if self._may_answer():
                return self._whole_answers(whole)
            case "hold" if self._may_answer():
                return [partial(self._whole_held, whole)]
            case "abort" if self._may_answer():
                return [partial(self._say_to_whole, whole, Abort(by="li", reason="no"))]
            case _:
                return []

    def _whole_starts(self, whole: Whole) -> None:
        """A person may abort it as soon as it is planned again, if its last run is lost: it may have begun a batch."""
        was_lost = len(whole.ended) < whole.runs
        whole.start()
        is_aborted = was_lost and self.random.random() < ABORTED_SOON
        whole.once_planned = Abort(by="li", reason="no") if is_aborted else None

    def _whole_loses(self, loss: Callable[[], object]) -> None:
        self.losses += 1
        loss()

    def _task(self) -> Ways:
        return [*super()._task(), *(partial(self._whole_goes, one) for one in self.wholes if one.has_work())]

    def _hear(self) -> Ways:
        return [*super()._hear(), *(one.hears_the_end for one in self.wholes if _is_to_hear(one))]

    def _pass_time(self) -> None:
        for whole in self.wholes:
            if not whole.has_work():
                whole.rings()
        super()._pass_time()

    def _whole_goes(self, whole: Whole) -> None:
        ended = len(whole.ended)
        whole.go()
        if len(whole.ended) > ended:
            self._was_honest(whole, *whole.ended[-1])

    # People

    def _whole_answers(self, whole: Whole) -> Ways:
        """What a person does who sees that it asks; of a batch that asks, they look into WeChat's console."""
        step, run = whole.planned(), whole.run
        if run is None or not isinstance(step, steps.Step):
            return []
        if run.state.paused:
            return [partial(self._say_to_whole, whole, Resume(by="li"))]
        if run.state.shown_at is not None and step.phase == "awaiting_approval":
            return [lambda: self._say_to_whole(whole, people.approval(self.random))]
        if step.problem is None:
            return []
        return [partial(self._batch_decided if run.state.running else self._whole_decided, whole)]

    def _batch_decided(self, whole: Whole) -> None:
        run = whole.run
        running = run.state.running if run else None
        if running is None or running.problem is None:
            return
        send = whole.batches[running.number]
        given = people.decision(
            self.random, running.problem.name, send.account.wechat, send.key, self.now, out=bool(send.flights)
        )
        if given is not None:
            self._say_to_whole(whole, given)

    def _whole_decided(self, whole: Whole) -> None:
        """A person who has chosen once chooses the same again: a batch of the rest has one content under its key."""
        who: dict[str, Any] = {"by": "li", "reason": "looked"}
        answers: list[events.Answering] = [Resume(by="li"), Resume(by="li"), Retry(**who), Abort(**who)]
        step = whole.planned()
        if isinstance(step, steps.Step) and step.problem is not None and step.problem.name == "winner_not_chosen":
            answers = [*[Choose(by="li", winner="b")] * 4, Abort(**who)]
        self._say_to_whole(whole, self.random.choice(answers))

    def _say_to_whole(self, whole: Whole, answer: events.Answering) -> None:
        self.answers += 1
        if whole.run:
            whole.run.inbox.append(steps.Updated(f"list-update-{self.answers}", answer))

    def _whole_held(self, whole: Whole) -> None:
        paused = whole.run is not None and whole.run.state.paused is not None
        self._say_to_whole(whole, people.holding(self.random, paused=paused, now=self.now))

    # What is looked at

    def _look(self) -> None:
        super()._look()
        for whole in self.wholes:
            for number, send in whole.batches.items():
                if send.run is not None:
                    self._running.add(send.key)
                elif send.key in self._running or len(send.ends) != self._ends.get(send.key, 0):
                    self._running.discard(send.key)
                    whole.closes(number, terminated=len(send.ends) == self._ends.get(send.key, 0))
                    self._ends[send.key] = len(send.ends)
            whole.hears_a_problem()

    def forget_ends(self) -> None:
        """Their batches are what they were: which run is no news."""
        batches = [send for whole in self.wholes for send in whole.batches.values()]
        self._running = {send.key for send in batches if send.run}
        self._ends = {send.key: len(send.ends) for send in batches}

    def _was_honest(self, whole: Whole, end: steps.End, state: BatchesState) -> None:
        """What it says of each batch is so; nobody is told that it was delivered who was not, or the reverse."""
        ended = {row.number: row for row in state.told_rows}
        rows = ended if state.plan is None else whole.reported
        if state.plan is not None and not all(self._is_told(whole, row) for row in ended.values()):
            raise BrokenPromiseError("the report has other rows than the end")
        for number, send in whole.batches.items():
            book, row = self.judge.books[send.key], rows.get(number)
            if book.is_misled or send.ended_blind or self._is_unheard(send):
                continue
            told = row.state if row else "not_submitted"
            coming = send.account.wechat.may_deliver(send.key, self.now) or bool(send.run)
            if told == "sent" and not (book.delivered or book.lies):
                raise BrokenPromiseError(f"{send.key} is reported as sent, and nothing was delivered")
            if told in {"failed", "not_submitted"} and (book.delivered or coming):
                raise BrokenPromiseError(f"{send.key} is reported as {told}, and was delivered, or may be")
        if end.outcome == "sent" and len(rows) != whole.total:
            raise BrokenPromiseError(f"the list ends as sent after {len(rows)} of {whole.total} batches")

    def _is_told(self, whole: Whole, row: BatchRow) -> bool:
        """Whether the report has this row, with which it has ended."""
        return whole.reported.get(row.number) == row

    def _is_unheard(self, _send: Send) -> bool:
        """Whether a batch was run again by itself."""
        return False

    def is_over(self) -> bool:
        """Whether its lists have ended, too."""
        return not any(one.run or self._of_whole(one, "start") for one in self.wholes) and super().is_over()

    def going(self) -> list[str]:
        """The keys that still run."""
        return [*super().going(), *(one.key for one in self.wholes if one.run)]

    def _all_do_theirs(self) -> None:
        super()._all_do_theirs()
        for whole in self.wholes:
            if answers := self._whole_answers(whole):
                answers[0]()


def _is_to_hear(whole: Whole) -> bool:
    told = whole.run is not None and any(isinstance(one, steps.Ended) for one in whole.run.inbox)
    return whole.has_ended() and not told
