"""Worlds in which others send to the rest of a list by its report, under keys of their own; some of them too early.

| promise | is broken where |
|---|---|
| at most one delivery | somebody gets the message under two keys |

The judge knows by heart who is in which batch: a worker reads that before it writes.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Final

from qunfa.audience.plans import REST, PlanLostError
from qunfa.contract.audience import Batch, Unreached
from qunfa.contract.batches import BatchRow
from qunfa.contract.operators import Abort, Retry
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Answer
from qunfa.contract.steps import AccountFacts
from qunfa.rules.problems import PLAN_MISSING
from qunfa.send import events
from tests.simulation import people
from tests.simulation.accounts import Account
from tests.simulation.attempts import BATCH
from tests.simulation.books import BrokenPromiseError
from tests.simulation.chances import HAPPENINGS
from tests.simulation.listed import HELD, Listed
from tests.simulation.planned import ANEW, PlannedWhole, Workers
from tests.simulation.pushes import Ways
from tests.simulation.restores import OF_A_WHOLE, RestoredList, Snapshot
from tests.simulation.sends import Flight, Send
from tests.simulation.wholes import Whole

RESTS: Final = 3
"""So many keys at most go by the report of another."""
RESETS: Final = 4
"""So often somebody resets a run that is over."""
_RARE: Final = ("tell_of_a_loss", "reset_all", "lose_a_ledger", "reset_a_ledger", "stranger", "continue", "freeze")
_OFTEN: Final = dict.fromkeys(_RARE, 0.3) | {"hold": HELD, "rest": 5.0, "start": 8.0, "abort": 0.4, "reset_over": 5.0}
EARLY: Final = 0.25
"""How often somebody does not wait for the end of the other."""
DELIVERED: Final = ("delivered",)
STATES: Final = (("not_submitted",), ("failed", "not_submitted"), ("failed", "not_submitted"), ("failed",))


class Rests(Listed):
    """A world with one list, and keys for its rest."""

    happenings: ClassVar[dict[str, float]] = HAPPENINGS | _OFTEN

    wholes: list[PlannedWhole]  # type: ignore[assignment]

    def __init__(self, seed: int, *, gentle: bool = False) -> None:
        self._found: list[tuple[Flight, bool]] = []
        self._people: dict[str, tuple[str, ...]] = {}
        self._unheard: set[str] = set()
        self._resets = 0
        super().__init__(seed, gentle=gentle)
        self.sends = []

    def _listed(self, request: MassSendRequest, account: Account, facts: AccountFacts, total: int) -> Whole:
        self.workers = Workers(account)
        self.workers.lists.openids = tuple(f"o{number}" for number in range(total * BATCH))
        request = request.model_copy(update={"split": None, "message_b": None})
        return PlannedWhole(request, account, facts, total, self._make, workers=self.workers)

    # Keys for the rest

    def _rest(self) -> Ways:
        begun = any(one.runs for one in self.wholes)
        return [self._rest_begun] if begun and len(self.wholes) <= RESTS else []

    def _rest_begun(self) -> None:
        """A key by the report of another one, which is over as a rule."""
        is_early = self.random.random() < EARLY
        named = [one for one in self.wholes if one.runs and (is_early or self._is_over(one))]
        if named:
            self._goes_by(self.random.choice(named))

    def _is_over(self, whole: PlannedWhole) -> bool:
        return whole.run is None and whole.seen[-1].newest.is_over and self.workers.has_report(whole)

    def _goes_by(self, other: Whole) -> Whole:
        key, account = f"rest-{len(self.wholes)}", other.account
        request = people.whole_request(self.random, account.name, key, self.now, 1)
        audience = Unreached(kind="report", key=other.key, states=self.random.choice(STATES))
        request = request.model_copy(update={"audience": audience})
        whole = PlannedWhole(request, account, other.facts, 0, self._make, workers=self.workers)
        self.wholes.append(whole)
        self.tell(f"{key} goes by the report of {other.key}, to whom that calls {' or '.join(audience.states)}")
        self._whole_starts(whole)
        return whole

    # Runs that are over

    def _reset_over(self) -> Ways:
        """Somebody resets a run that is over: of a list, or of a batch alone, of which its list hears nothing."""
        if self._resets >= RESETS:
            return []
        wholes = [one for one in self.wholes if one.run is None and one.last and one.last.snapshots]
        return [
            *(partial(self._whole_anew, one) for one in wholes),
            *(partial(self._batch_alone, send) for send in self._batches_over()),
        ]

    def _batches_over(self) -> list[Send]:
        batches = [send for one in self.wholes for send in one.batches.values() if not _is_awaited(one, send)]
        return [send for send in batches if send.run is None and send.last and send.last.snapshots]

    def _whole_anew(self, whole: PlannedWhole) -> None:
        self._resets += 1
        whole.reset_over()

    def _batch_alone(self, send: Send, *, anew: float = ANEW) -> None:
        self._resets += 1
        self._unheard.add(send.key)
        send.run = send.last
        self._lost(send, "reset")
        self.judge.books[send.key].loses()
        send.reset(to_its_start=self.random.random() < anew)
        if send.run is not None and self.random.random() < anew:
            send.run.inbox = [one for one in send.run.inbox if not isinstance(one, events.Updated)]
        for whole in self.wholes:
            whole.book.had_losses |= send in whole.batches.values()

    def _is_told(self, whole: Whole, row: BatchRow) -> bool:
        """Where another key has the rest, the report tells of that as it was, also beside the doubt of a restore."""
        told = whole.reported.get(row.number)
        is_kept = (row.state in REST or row.in_doubt.is_doubted) and (told is None or told.state in REST)
        return super()._is_told(whole, row) or (self.workers.has_claims(whole) and is_kept)

    def _is_unheard(self, send: Send) -> bool:
        return send.key in self._unheard

    def _whole_starts(self, whole: Whole) -> None:
        super()._whole_starts(whole)
        self._unheard -= {send.key for send in whole.batches.values()}

    # What workers do

    def _task(self) -> Ways:
        return [*super()._task(), *(partial(self.workers.go_on, *one) for one in self.workers.running)]

    def _lose_a_worker(self) -> Ways:
        under_way = [whole.loses_its_worker for whole, one in self.workers.running if whole.attempt is one]
        lost = [partial(self._whole_loses, one) for one in under_way] if self._may_lose() else []
        return [*super()._lose_a_worker(), *lost]

    def _look(self) -> None:
        super()._look()
        for send in self.sends:
            for flight in send.flights:
                if all(one is not flight for one, _ in self._found):
                    self._found.append((flight, self._read(send)))
        self._is_reached_once()

    def _read(self, send: Send) -> bool:
        """Whether a try finds to whom its batch goes, and that it may go out still."""
        assert isinstance(send.request.audience, Batch)
        try:
            self._people[send.key] = self.workers.openids_of(send.request.audience)
        except PlanLostError as lost:
            self.tell(f"{send.key}: {lost}")
            return False
        return True

    def _written(self, send: Send, one: Flight, fate: str) -> Answer:
        if next(may for flight, may in self._found if flight is one):
            return super()._written(send, one, fate)
        return Answer(kind="refused", at=self.now, token_endpoint=True, detail="lost", problem="batch_lost")

    def fates(self, send: Send, clientmsgid: str) -> Sequence[str]:
        """Once nothing is lost any more, what was reset alone reaches its people: no report may deny it since."""
        return DELIVERED if self.is_calm and self._is_unheard(send) else super().fates(send, clientmsgid)

    def _whole_decided(self, whole: Whole) -> None:
        """Who is asked for a plan that is missing knows whether a batch was ever begun."""
        step = whole.planned()
        if step is None or step.problem is None or step.problem.name != PLAN_MISSING:
            super()._whole_decided(whole)
            return
        answers: list[events.Answering] = [
            Abort(by="li", reason="looked"),
            Retry(by="li", reason="looked", confirm_not_delivered=True),
        ]
        self._say_to_whole(whole, answers[0] if whole.batches else self.random.choice(answers))

    # What is looked at

    def _is_reached_once(self) -> None:
        reached: dict[str, str] = {}
        for account in self.accounts:
            for job in account.wechat.jobs:
                if not job.delivered or self.judge.books[job.key].lies:
                    continue
                for openid in self._people[job.key]:
                    other = reached.setdefault(openid, job.key)
                    if other != job.key:
                        raise BrokenPromiseError(f"{openid} is reached under {other} and {job.key}")

    def is_over(self) -> bool:
        """Whether nobody plans or reports any more, either."""
        return not self.workers.running and super().is_over()

    def calm(self) -> None:
        """Then a batch that has reached nobody is reset, and somebody sends to each rest. All of it ends, too."""
        try:
            super().calm()
            for send in [one for one in self._batches_over() if not self.judge.books[one.key].delivered][:1]:
                self._batch_alone(send, anew=1)
                super().calm()
            for whole in list(self.wholes):
                if whole.runs and self._is_over(whole):
                    self._goes_by(whole)
                    super().calm()
            if self.whole.runs:
                self._whole_starts(self.whole)
                super().calm()
        finally:
            self.workers.are_gone()


class RestoredRests(Rests, RestoredList):
    """The same, with a Temporal that is restored: the store is what it was, and workers begin anew."""

    happenings: ClassVar[dict[str, float]] = RestoredList.happenings | _OFTEN | {"start": 12.0}
    of_a_whole: ClassVar[dict[str, Any]] = OF_A_WHOLE | {"seen": [], "reached": {}, "scheduled": None, "last": None}

    def _go_back(self, kept: Snapshot) -> None:
        self.workers.are_gone()
        super()._go_back(kept)
        for whole in self.wholes:
            whole.loses_its_worker()


def _is_awaited(whole: Whole, send: Send) -> bool:
    running = whole.run.state.running if whole.run else None
    return running is not None and whole.batches.get(running.number) is send
