"""A send in batches whose audience is planned, and whose report is written, by the real activities.

They ask a store, Temporal's list of runs and the account, as these are then.
"""

from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.accounts import Accounts
from activities.audiences import Audiences
from activities.earlier_runs import Found, NewestRun, VisibleRuns
from activities.ledger import Ledger
from qunfa.account.show import answer_of
from qunfa.audience.plans import REPORT, REST, ROWS, folder_of
from qunfa.audience.reports import RowsFile
from qunfa.batches import steps
from qunfa.batches.state import BatchesState, Case
from qunfa.contract import batches
from qunfa.contract.audience import Batch, is_long
from qunfa.contract.facts import Known
from qunfa.contract.result import COMPLETES, Problem
from qunfa.contract.steps import LedgerAnswer, LedgerQuestion
from qunfa.rules.memory import union
from qunfa.rules.problems import PLAN_MISSING, PROBLEMS
from tests.simulation import asking
from tests.simulation.attempts import Attempt, Doing, Lists, Shelf, a_call
from tests.simulation.wholes import Whole, WholeRun

if TYPE_CHECKING:
    from tests.simulation.accounts import Account
    from tests.simulation.sends import Send

STOPS: Final = 0.5
"""How many attempts stand still somewhere."""
CALLS: Final = 40
"""An attempt makes so many calls, or fewer."""
ANEW: Final = 0.6
"""How often who resets a run that is over has nothing applied again that people have said to it."""
SILENT: Final = timedelta(seconds=30)
_TO_NOBODY: Final = frozenset({"failed", "aborted", "rejected", "expired"})
_DIGEST: Final = "d"


@dataclass
class SeenRun:
    """A run as Temporal lists it. ``did_nothing``: it was refused, and no reset has made it."""

    newest: NewestRun
    is_made_by_a_reset: bool = False
    did_nothing: bool = False


@dataclass
class Runs(VisibleRuns):
    """Temporal's list, with what the histories of batches tell."""

    wholes: "dict[str, PlannedWhole]" = field(default_factory=dict)

    async def newest(self, workflow_id: str) -> NewestRun | None:
        await a_call()
        return next((one.newest for one in reversed(self._of(workflow_id)) if not one.did_nothing), None)

    async def was_sent(self, workflow_id: str, _current_run_id: str) -> bool:
        await a_call()
        return any(one.newest.outcome in COMPLETES for one in self._of(workflow_id))

    async def reaching(self, workflow_id: str) -> frozenset[int]:
        await a_call()
        whole = self.wholes.get(workflow_id)
        return frozenset(whole.reaching()) if whole else frozenset()

    async def asked_of(self, _workflow_id: str, _whole: str) -> None:
        await a_call()

    async def came_up(self, workflow_id: str) -> datetime | None:
        await a_call()
        return min((one.newest.began_at for one in self._of(workflow_id)), default=None)

    async def find(self, workflow_id: str, current_run_id: str, _appid: str | None) -> Found:
        await a_call()
        runs = [one.newest for one in self._of(workflow_id) if one.newest.run_id != current_run_id]
        began = min((one.began_at for one in runs), default=None)
        batch = self._batch(workflow_id)
        return Found(known=_in_histories(batch), started_at=batch.came_up_at) if batch else Found(started_at=began)

    def _of(self, workflow_id: str) -> list[SeenRun]:
        whole = self.wholes.get(workflow_id)
        return whole.seen if whole else []

    def _batch(self, workflow_id: str) -> "Send | None":
        whole, _, number = workflow_id.rpartition(".")
        return self.wholes[whole].batches.get(int(number)) if whole in self.wholes else None


def _in_histories(batch: "Send") -> Known:
    return union(batch.left, asking.in_its_history(batch.run)) if batch.run else batch.left


class _OfAccount(Ledger):
    """The ledger as an account has it now."""

    def __init__(self, account: "Account", runs: Runs) -> None:
        self._account, self._earlier = account, runs

    async def _ask(self, _appid: str, question: LedgerQuestion, _what: str) -> LedgerAnswer:
        await a_call()
        return answer_of(self._account.state, question, self._account.world.now)[1]


class _OfNobody(Accounts):
    """No account lists followers here."""

    def __init__(self) -> None:
        pass


@dataclass
class _Clock:
    account: "Account"

    def now(self) -> datetime:
        return self.account.world.now

    async def sleep(self, _span: timedelta) -> None:
        await a_call()


@dataclass
class Workers:
    """Those that plan and report for an account. ``running``: attempts under way, of whom some have given them up."""

    account: "Account"
    running: "list[tuple[PlannedWhole, Attempt]]" = field(default_factory=list)

    def __post_init__(self) -> None:
        clock, self.lists, self.runs = _Clock(self.account), Lists(), Runs()
        self.store, ledger = Shelf(clock.now), _OfAccount(self.account, self.runs)
        self.audiences = Audiences(_OfNobody(), self.lists, self.store, self.runs, ledger.known, clock)

    def openids_of(self, batch: Batch) -> tuple[str, ...]:
        """Those to whom a batch goes; `PlanLostError` where it must not."""

        async def found(_step: object) -> tuple[str, ...]:
            return await self.audiences.openids_of(self.account.name, batch)

        attempt = Attempt(found, batch, ActivityEnvironment.default_info())
        attempt.go_on(self.account.world.now)
        openids: tuple[str, ...] = attempt.outcome()
        return openids

    def has_report(self, whole: Whole) -> bool:
        """Whether its report stands in the store."""
        return f"{folder_of(self.account.name, whole.key)}/{REPORT}" in self.store.files

    def has_claims(self, whole: Whole) -> bool:
        """Whether another key has people of its report."""
        folder = folder_of(self.account.name, whole.key)
        return any(f"{folder}/next-{state}" in self.store.files for state in REST)

    def go_on(self, whole: "PlannedWhole", attempt: Attempt) -> None:
        """An attempt goes on until it stands still, or has ended."""
        if attempt.go_on(self.account.world.now):
            self.running.remove((whole, attempt))
            whole.hears_of(attempt)

    def are_gone(self) -> None:
        """All of them have ended in the midst of their work."""
        for _, attempt in self.running:
            attempt.drop()
        self.running.clear()


@dataclass
class Scheduled:
    """An activity as Temporal has it: the effect that it is of, since when, and the number of its attempt."""

    effect: steps.PlanAudience | steps.WriteReport
    at: datetime
    number: int = 1


@dataclass
class PlannedWhole(Whole):
    """One such send.

    ``seen``: its runs in Temporal's list, the newest last. ``reached``: whether the newest run of a batch, which has
    ended, may have reached people.
    ``attempt``: what its run awaits, where a worker has that. ``last``: its newest run, once that is over.
    """

    _: KW_ONLY
    workers: Workers
    seen: list[SeenRun] = field(default_factory=list)
    reached: dict[int, bool] = field(default_factory=dict)
    scheduled: Scheduled | None = None
    attempt: Attempt | None = None
    last: WholeRun | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.workers.runs.wholes[self.workflow_id] = self

    @property
    def workflow_id(self) -> str:
        """Of all its runs."""
        return f"mass-send:{self.request.account}:{self.key}"

    def reaching(self) -> set[int]:
        """The batches of which the newest run may have reached people, or still may."""
        return {number for number, send in self.batches.items() if send.run or self.reached.get(number)}

    # Its runs

    def start(self) -> None:
        super().start()
        self._comes_up()

    def terminate(self) -> None:
        self.last = self.run
        super().terminate()
        self.scheduled = self.attempt = None

    def reset_over(self) -> None:
        """Somebody resets its newest run, which is over."""
        self.run, self.is_sent_in_part = self.last, False
        self.reset()
        if self.run is not None and self.account.world.random.random() < ANEW:
            self.run.inbox = [steps.WasReset()]

    def reset(self) -> None:
        before = self.run
        super().reset()
        if self.run is not before:
            self._comes_up(is_made_by_a_reset=True)

    def _comes_up(self, *, is_made_by_a_reset: bool = False) -> None:
        assert self.run is not None
        self.scheduled = self.attempt = None
        self.seen.append(SeenRun(NewestRun(self.run.id, self._now, is_over=False), is_made_by_a_reset))

    def go(self) -> None:
        before, run = len(self.ended), self.run
        super().go()
        self.last = run if self.run is None else None
        if len(self.ended) > before:
            end, newest = self.ended[-1][0], self.seen[-1]
            newest.newest = newest.newest._replace(is_over=True, outcome=end.outcome)
            newest.did_nothing = bool(end.refused) and not newest.is_made_by_a_reset

    def closes(self, number: int, *, terminated: bool) -> None:
        super().closes(number, terminated=terminated)
        end = self.batches[number].ends[-1] if not terminated else None
        if end is None or not end.refused:
            self.reached[number] = end is None or end.outcome not in _TO_NOBODY

    def _take(self, event: steps.Event) -> None:
        super()._take(event)
        if isinstance(event, steps.Planned):
            self.total = event.plan.batches
        step = self.planned()
        effect = step.effect if isinstance(step, steps.Step) else None
        if self.scheduled is not None and self.scheduled.effect != effect:
            self.scheduled = self.attempt = None

    # What workers do for it

    def _waits_for(self, effect: steps.Effect) -> bool:
        if isinstance(effect, steps.PlanAudience | steps.WriteReport):
            return self.attempt is not None
        return super()._waits_for(effect)

    def _event(self, effect: steps.Effect) -> steps.Event | None:
        if not isinstance(effect, steps.PlanAudience | steps.WriteReport):
            return super()._event(effect)
        if self.attempt is None and self.run is not None:
            self._attempted(effect, self.run.id, self.run.state)
        return None

    def _attempted(self, effect: steps.PlanAudience | steps.WriteReport, run_id: str, state: BatchesState) -> None:
        world, does = self.account.world, self.workers.audiences
        scheduled = self.scheduled = self.scheduled or Scheduled(effect, self._now)
        slow = not world.gentle and world.random.random() < STOPS
        stops = {world.random.randrange(1, CALLS) for _ in range(2)} if slow else ()
        info = replace(
            ActivityEnvironment.default_info(),
            workflow_id=self.workflow_id,
            workflow_run_id=run_id,
            attempt=scheduled.number,
            scheduled_time=scheduled.at,
            current_attempt_scheduled_time=self._now,
            started_time=self._now,
            heartbeat_timeout=SILENT,
        )
        doing: Doing = does.plan_audience if isinstance(effect, steps.PlanAudience) else does.write_report
        step = self._plan_step(state) if isinstance(effect, steps.PlanAudience) else self._report_step(state)
        self.attempt = Attempt(doing, step, info, stops)
        self.workers.running.append((self, self.attempt))

    def _plan_step(self, state: BatchesState) -> batches.PlanStep:
        audience = self.request.audience
        assert is_long(audience)
        return batches.PlanStep(
            account=self.facts.pinned,
            key=self.key,
            audience=audience,
            content=state.digest or _DIGEST,
            split=self.request.split,
            started_at=state.started_at,
            is_unbegun=state.is_unbegun,
            versions=tuple(one.digest for one in state.contents),
        )

    def _report_step(self, state: BatchesState) -> batches.ReportStep:
        plan = state.plan.digest if state.plan else ""
        return batches.ReportStep(
            account=self.facts.pinned,
            key=self.key,
            plan=plan,
            rows=state.all_rows,
            audience=None if plan else self.request.audience,
            content=state.digest or _DIGEST,
            split=self.request.split,
            fresh=state.fresh,
            started_at=Case(self.request, state, self._now).started_at,
        )

    def loses_its_worker(self) -> None:
        """Temporal has heard nothing of its attempt for a while: another one is next. That one may go on."""
        if self.scheduled is not None:
            self.scheduled.number += 1
        self.attempt = None

    def hears_of(self, attempt: Attempt) -> None:
        """An attempt has ended. What nobody awaits any more is heard by nobody."""
        scheduled, run = self.scheduled, self.run
        if attempt is not self.attempt or scheduled is None or run is None:
            return
        try:
            outcome = attempt.outcome()
        except ApplicationError as error:
            self._tell(f"{run.id}: {error.type}: {str(error)[:100]}")
            if not error.non_retryable:
                self.loses_its_worker()
                return
            event = (
                _unplanned(error) if isinstance(scheduled.effect, steps.PlanAudience) else self._unreported(run.state)
            )
        else:
            is_plan = isinstance(scheduled.effect, steps.PlanAudience)
            event = steps.Planned(outcome) if is_plan else self._reported(outcome)
        self.attempt = None
        run.inbox.append(event)

    def _reported(self, written: batches.Reported) -> steps.Event:
        assert self.run is not None
        content, _ = self.workers.store.files.get(f"{folder_of(self.account.name, self.key)}/{ROWS}", (None, None))
        if written.uri and content is not None:
            self.reported = {row.number: row for row in RowsFile.model_validate_json(content).rows}
            self.is_marked = any(row.state == "sent" for row in self.reported.values())
        rows = len(self.run.state.all_rows)
        return steps.Reported(rows, written.uri or None, written.was_sent, written.rows)

    def _unreported(self, state: BatchesState) -> steps.Event:
        is_known = state.plan is not None and not state.plan.is_sent_in_part
        return steps.Reported(len(state.all_rows), sent=None if is_known else "perhaps")


def _unplanned(error: ApplicationError) -> steps.Event:
    """As its workflow takes it."""
    match error.type:
        case batches.PLAN_REUSED:
            return steps.Refused((f"key: {error.message}",))
        case batches.AUDIENCE_INVALID:
            return steps.Refused(tuple(map(str, error.details[0])))
        case batches.PLAN_MISSING:
            known = PROBLEMS[PLAN_MISSING]
            return steps.Obstructed(Problem(name=PLAN_MISSING, sentence=known.sentence, todo=known.todo))
        case _:
            return steps.Refused((error.message,))
