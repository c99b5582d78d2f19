"""Reports of earlier sends. Those that an audience names are the word of the newest runs, also of the batches."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from activities.earlier_runs import NewestRun, VisibleRuns
from qunfa.audience.parts import NobodyError
from qunfa.audience.plans import AUDIENCES, REPORT, REST, Plans
from qunfa.audience.reports import ReportWriter
from qunfa.audience.store import Store
from qunfa.contract.audience import Several, Unreached
from qunfa.contract.batches import BatchRow, PlanStep, ReportState, batch_key
from qunfa.contract.ids import mass_send_id
from qunfa.contract.steps import LookUpStep, Pinned, Remembered
from qunfa.rules.calendar import shanghai_day
from qunfa.send.doubt import is_doubt

Asking = Callable[[LookUpStep], Awaitable[Remembered]]
"""What an account's ledger knows of a key."""
_OUT_OF_DATE: Final = (
    "the report of {key} is out of date: the newest run of that send has not written it. Once it has ended by itself, "
    "its report is new. If it does not run, start it again: it sends to those who are left. If they are not to get "
    "that, freeze the account before, and abort it."
)
_OF_ANOTHER: Final = (
    "the report of {key} tells of another WeChat, such as that of a rehearsal: its plan has another appid or base_url. "
    "Name another report, or send to these people by a file."
)
WITHOUT_PLAN: Final = (
    "{key} has a report, but no plan in the store any more: another key may have reached the same people. "
    "Look into later reports, and send to those who are left by a file."
)
_RESTORED: Final = (
    "the report of {key} is from before Temporal's database was restored: who has been reached since is forgotten. "
    "Start {key} again: it writes its report anew. If it is not to send, freeze the account before, and abort it."
)
_BATCH_RAN: Final = (
    "the report of {key} is out of date: its batch {number} has run again, and may have reached its people. "
    "Look again once that has ended. If this is said still, start {key} again: it writes its report anew."
)
_CLAIMED: Final = (
    "{by} reaches the same people by the report of {key}. Once it has ended, name its own report. Who came into the "
    "report of {key} since is in no plan: send to them by a file."
)
UNPLANNED: Final = (
    "{by} was to reach the same people by the report of {key}, and has no plan for them. It may have reached them all "
    "the same: look into WeChat's console. If it has not, and does not run, remove {uri} and try this again."
)


class NamedReports:
    """The reports that the audience of a step names. Temporal may have forgotten what the ledger ``known`` tells.

    Who only looks does not ask that: it counts also where the account is silent, or does not run.

    Raises:
        NobodyError: of all methods: a sentence for each report that may be wrong.
        ApplicationError: of all methods: `LedgerUnavailable`, retried: Temporal does not tell now.
        PlanLostError: of all methods: what a report says cannot be read.
        StoreUnavailable: of all methods: the store cannot be read.
    """

    def __init__(self, store: Store, runs: VisibleRuns, known: Asking, step: PlanStep) -> None:
        self._store = store
        self._known, self._keep, self._pinned = known, step.keep, step.account
        self._plans = Plans(store)
        self._runs = runs
        self._account, self._key = step.account.name, step.key
        audience = step.audience
        of, minus = (audience.of, audience.minus) if isinstance(audience, Several) else ((audience,), ())
        self._named = [part for part in (*of, *minus) if isinstance(part, Unreached)]
        self._to_reach = [part for part in of if isinstance(part, Unreached)]

    async def newest_runs(self) -> dict[str, NewestRun | None]:
        """By its key, the newest run of each send: it has written its report, which tells how its batches stand now.

        It is of this very account, and no other key has those whom this one is to reach by a report.
        """
        runs, old, asked = dict[str, NewestRun | None](), list[str](), dict[str, Remembered]()
        for part in self._named:
            newest = runs[part.key] = await self._runs.newest(mass_send_id(self._account, part.key))
            plan = await self._plans.get(self._account, part.key)
            at = await report_in(self._store, self._account, part.key).written_at()
            if plan is None and at is not None:  # A rule for expiry has taken the claims with it.
                old.append(WITHOUT_PLAN.format(key=part.key))
            elif plan is not None and not plan.is_of(self._pinned):
                old.append(_OF_ANOTHER.format(key=part.key))
            elif newest is not None and not newest.has_written(at):
                old.append(_OUT_OF_DATE.format(key=part.key))
            elif (why := await self._overtaken(part, at, asked)) is not None:
                old.append(why)
        for part in self._to_reach:
            old += await self._claimed(part)
        if old:
            raise NobodyError(old)
        return runs

    async def claim(self) -> None:
        """Have nothing more go out under the keys whose people are reached under this one, and under no other one."""
        # All keys go in one order, so that one of those that want the same people has them all.
        for key, state in sorted({(part.key, state) for part in self._to_reach for state in part.states}):
            by = await self._plans.claim(self._account, key, state, self._key)
            if by != self._key:
                raise NobodyError([await self._is_with(by, key, state)])

    async def _claimed(self, part: Unreached) -> list[str]:
        """A sentence for each other key that has people of this part."""
        claims = await self._plans.claims(self._account, part.key)
        others = {state: claims[state] for state in part.states if claims.get(state, self._key) != self._key}
        return list(dict.fromkeys([await self._is_with(by, part.key, state) for state, by in others.items()]))

    async def _is_with(self, by: str, key: str, state: ReportState) -> str:
        """That another key has the people of a report in this state, or was to have them."""
        reaches = await self._plans.reaches(self._account, by, key, state)
        if reaches is None:  # The files of a send that has ended may be cleaned up.
            reaches = await self._runs.was_sent(mass_send_id(self._account, by), "")
        uri = self._plans.uri_of_claim(self._account, key, state)
        return (_CLAIMED if reaches else UNPLANNED).format(by=by, key=key, uri=uri)

    async def see_the_same(self, before: dict[str, NewestRun | None]) -> None:
        """See that no send, and no batch of it, has run again while its report was read, and no other key was first."""
        after = await self.newest_runs()
        if again := [key for key in before if before[key] != after[key]]:
            raise NobodyError(_OUT_OF_DATE.format(key=key) for key in again)

    async def _overtaken(self, part: Unreached, at: datetime | None, asked: dict[str, Remembered]) -> str | None:
        """What may have become of its people since, which the newest run of the send does not know."""
        key, workflow_id = part.key, mass_send_id(self._account, part.key)
        if key not in asked and self._keep:
            step = LookUpStep(appid=self._pinned.appid, key=key, workflow_id=workflow_id, with_batches=True)
            asked[key] = await self._known(step)
        known = asked.get(key, Remembered())
        restored = [one.answer.at for one in known.tries if is_doubt(one) and one.answer]
        if restored and at is not None and at <= max(restored):
            return _RESTORED.format(key=key)
        number = await reached_since(self._store, self._runs, self._account, key, known.reaching, part.states)
        return None if number is None else _BATCH_RAN.format(key=key, number=number)


async def reports_of(store: Store, account: Pinned, month: str) -> list[str]:
    """Where the reports stand that were written in a month of Shanghai, such as ``2026-12``, for this very account.

    Raises:
        PlanLostError: for which WeChat one of them was written cannot be read.
        StoreUnavailable: they cannot be listed or read.
    """
    plans, found = Plans(store), await store.found(f"{AUDIENCES}/{account.name}")
    paths = [one.path for one in found if shanghai_day(one.at).startswith(month) and one.path.endswith(f"/{REPORT}")]
    return sorted([path for path in paths if not await plans.is_of_another(account, path.split("/")[-2])])


def report_in(store: Store, account: str, key: str) -> ReportWriter:
    """The report of a key, which is read alone."""
    return ReportWriter(store, account, key, awake=timedelta())


async def reached_since(  # noqa: PLR0913, PLR0917  what it looks at
    store: Store,
    runs: VisibleRuns,
    account: str,
    key: str,
    more: Collection[int],
    states: Collection[ReportState] = REST,
) -> int | None:
    """The first batch that the report has in one of these states, and that may have reached its people all the same.

    It was reset by itself, which its send does not hear of before it writes its next report. ``more``: those of which
    the ledger knows, be their runs gone; or they are sends of their own, whose keys look like those of batches.
    """
    rows = await report_in(store, account, key).rows()
    told = {row.number: row.state for row in rows}
    plan = await Plans(store).get(account, key) if more else None
    batches = len(plan.batches) if plan else 0
    reaching = {*await runs.reaching(mass_send_id(account, key)), *(one for one in more if one <= batches)}
    return min((one for one in reaching if told.get(one, "not_submitted") in states), default=None)


async def knows_more(known: Asking, step: PlanStep, rows: Sequence[BatchRow], reaching: Collection[int]) -> bool:
    """Whether the store alone knows a job that WeChat has accepted: its batch would be submitted once more.

    ``reaching``: the batches of which the ledger knows.
    """
    name, appid = step.account.name, step.account.appid
    accepted = [row.number for row in rows if row.msg_id is not None and row.may_have_been_delivered]
    for number in (one for one in accepted if one not in reaching):
        key = batch_key(step.key, number)
        found = await known(LookUpStep(appid=appid, key=key, workflow_id=mass_send_id(name, key)))
        if not found.was_submitted:
            return True
    return False
