"""Audiences of sends in batches: planned into the store, found again batch by batch, and reported."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.accounts import Accounts, WechatFollowers, on_the_next_day
from activities.attempts import Beat, Clock, Places, SystemClock, awake, heartbeats, lasting, passing
from activities.earlier_runs import VisibleRuns
from activities.named_reports import Asking, NamedReports, knows_more, reached_since, reports_of
from activities.sources import unreadable_here
from qunfa.audience.jobs import SNAPSHOT, PlanFound, PlanJob, SplitJob
from qunfa.audience.parts import Begun, Gathering, NobodyError
from qunfa.audience.planner import PlannerError, plan
from qunfa.audience.plans import REPORT, PlanFile, PlanLostError, Plans, as_planned, digest_of, folder_of, snapshot_name
from qunfa.audience.reports import ReportWriter
from qunfa.audience.store import Store, StoreUnavailable
from qunfa.contract import batches
from qunfa.contract.audience import Batch, Version
from qunfa.contract.checks import CHECK_STORE, StoreSeen
from qunfa.contract.ids import mass_send_id
from qunfa.contract.ledger import LIFE
from qunfa.contract.steps import LEDGER_UNAVAILABLE, SOURCE_UNAVAILABLE, AccountStep, LookUpStep
from qunfa.media.sources import Sources
from qunfa.media.spool import Scratch, SourceUnavailable
from qunfa.rules.calendar import shanghai_day
from qunfa.rules.digest import content_digest
from qunfa.rules.terms import ONE_DRAFT
from qunfa.send.doubt import is_doubt

LIST_MAX: Final = 2 << 30
"""Bytes of a file of openids as it stands at its source."""
LIST_WITHIN: Final = timedelta(minutes=30)
"""How long it may take to bring it here."""
REPORTS_MAX: Final = 1_000
"""With more reports in a month, it is not counted who was reached before."""
NO_STORE: Final = (
    "the workers have no [store], where plans and reports of sends in batches stand. Set its uri to a folder that all "
    "workers share, or to a bucket: docs/audiences.md says how."
)
_OLD: Final = (
    "the plan of {key} is older than {days} days, after which Temporal and the ledger forget what was sent of it. Use "
    "another key, and look into the report and WeChat's console before."
)
_TAKEN_OVER: Final = (
    "nothing more is sent under the key {key}. The plan of {by} was begun by its report, and may reach the same "
    "people. See how to go on by `qunfa report`."
)
_SENT: Final = (
    "the key {key} was sent before, at least in part, and its plan is not in the store any more. Nothing more is sent "
    "under it. Use another key for another send."
)
_HAD_A_PLAN: Final = (
    "the key {key} had a plan before, which is not in the store any more: {uri} tells how its batches ended. Nothing "
    "more is sent under it. Use another key for another send."
)
_RAN_AGAIN: Final = (
    "nothing more is sent under the key {key}: its batch {number} ran again by itself, and may have reached people. "
    "Use another key for the rest."
)
_ASKED_MAX: Final = 5
"""How often a silent ledger is asked before a report is written: for some minutes."""
_MONTH: Final = len("2026-12")


class Audiences:
    """Plans audiences and finds their batches again. `store` is None where none is configured."""

    def __init__(  # noqa: PLR0913, PLR0917  what it works with
        self,
        accounts: Accounts,
        sources: Sources,
        store: Store | None,
        runs: VisibleRuns,
        known: Asking,
        clock: Clock | None = None,
    ) -> None:
        self._accounts = accounts
        self._runs = runs
        self._known = known
        self._sources = sources
        self._store = store
        self.plans = None if store is None else Plans(store)
        self._clock = clock or SystemClock()
        self._gate = asyncio.Semaphore(1)
        """One plan at a time in a worker: each takes memory and disk."""
        self._places = Places()

    @activity.defn(name=batches.PLAN_AUDIENCE)
    async def plan_audience(self, step: batches.PlanStep) -> batches.AudiencePlan:
        """Resolve an audience, and put its snapshot and its plan in the store; once for a key, however often asked."""
        try:
            with self._places.one(SOURCE_UNAVAILABLE, "this worker plans too many audiences; it is tried again."):
                async with heartbeats() as beat:
                    return await self._plan(step, beat)
        except NobodyError as nobody:
            raise lasting(batches.AUDIENCE_INVALID, f"audience: {nobody}", list(nobody.problems)) from None
        except PlanLostError as lost:
            raise lasting(batches.PLAN_LOST, str(lost)) from None
        except StoreUnavailable as silent:
            raise passing(batches.STORE_UNAVAILABLE, str(silent)) from None
        except (SourceUnavailable, PlannerError) as missing:
            raise passing(SOURCE_UNAVAILABLE, str(missing)) from None
        except OSError as error:
            raise passing(SOURCE_UNAVAILABLE, f"audience: {unreadable_here(error)}") from None

    @activity.defn(name=batches.WRITE_REPORT)
    @heartbeats()
    async def write_report(self, step: batches.ReportStep) -> batches.Reported:
        """Write the report of a send in batches; again, where it was written before.

        Another key may go to whom it calls `failed`. So it denies no batch that a restore may have forgotten.
        """
        at = activity.info().started_time
        if self._store is None and not step.plan:
            return batches.Reported(uri="", sha256="", states={}, at=at)
        if self._store is None:
            raise lasting(batches.PLAN_LOST, f"The report cannot be written: {NO_STORE}")
        writer, is_hidden = ReportWriter(self._store, step.account.name, step.key, awake()), partial(self._hides, step)
        try:
            return await writer.write(step, at, is_hidden)
        except PlanLostError as lost:
            told = tuple(row.in_doubt for row in step.rows if row != row.in_doubt)
            if told and await is_hidden():
                return batches.Reported(uri="", sha256="", states={}, rows=told, at=at)
            raise passing(batches.PLAN_LOST, str(lost)) from None
        except StoreUnavailable as silent:
            raise passing(batches.STORE_UNAVAILABLE, str(silent)) from None

    @activity.defn(name=CHECK_STORE)
    @heartbeats()
    async def check_store(self, step: AccountStep) -> StoreSeen:
        """Whether the store does what plans need; a small file is put there, and removed again."""
        self._accounts.pinned(step.account)
        if self._store is None:
            return StoreSeen()
        try:
            return StoreSeen(uri=self._store.uri, detail=await self._store.shortcoming())
        except StoreUnavailable as silent:
            return StoreSeen(uri=self._store.uri, detail=silent.reason)

    async def openids_of(self, account: str, batch: Batch) -> tuple[str, ...]:
        """The openids of a batch, as the plan that it names has them.

        Raises:
            PlanLostError: the plan or the snapshot is missing, or another one; or no store is configured; or another
                key was planned by the report of this one.
            StoreUnavailable: the store cannot be read now.
        """
        if self.plans is None:
            raise PlanLostError(f"The batch cannot be read: {NO_STORE}")
        if claims := await self.plans.claims(account, batch.key):
            raise PlanLostError(_TAKEN_OVER.format(key=batch.key, by=min(claims.values())))
        return await self.plans.openids_of(account, batch)

    async def _plan(self, step: batches.PlanStep, beat: Beat) -> batches.AudiencePlan:
        if self._store is None or self.plans is None:
            raise NobodyError([NO_STORE])
        account = step.account.name
        begun = Begun(self._store, folder_of(account, step.key), map(str, activity.info().heartbeat_details))
        beat.details = begun.names
        now, first = self._clock.now(), await self.plans.get(account, step.key)
        if first is not None:
            await begun.remove()
            return await self._standing(self._store, step, _same(first, step), now)
        if (why := await self._is_used(self._store, step)) is not None:
            await begun.remove()
            raise NobodyError([why])
        if step.keep and not step.is_unbegun and await self._is_forgotten(step):
            await begun.remove()
            raise lasting(batches.PLAN_MISSING, f"{self.plans.uri_of(account, step.key)} is missing.")
        followers = WechatFollowers(self._accounts, step.account)
        named = NamedReports(self._store, self._runs, self._known, step)
        reports = await self._reports(self._store, step)
        with Scratch("audience") as folder:
            gathering = Gathering(folder, self._sources, followers, account, begun)
            try:
                newest = await named.newest_runs()
                job = await gathering.job(step.audience, reports, _split_of(step))
                told, found = await self._planned(step, job, now)
                await named.see_the_same(newest)
                if step.keep:
                    await named.claim()
                    await named.see_the_same(newest)
                    told = await self._kept(self.plans, step, told, found, Path(job.folder))
            except (NobodyError, PlanLostError):
                await begun.remove()
                raise
            except ApplicationError as error:
                failure = (on_the_next_day(error, self._clock.now()) if step.keep else None) or error
                await (begun.remove() if failure.non_retryable else _keep(step, gathering, begun))
                raise failure from None
            except (SourceUnavailable, StoreUnavailable, PlannerError, OSError):
                await _keep(step, gathering, begun)
                raise
        await begun.remove()
        return told

    async def _is_used(self, store: Store, step: batches.PlanStep) -> str | None:
        """Why a key without a plan gets none: it had one, whose rows would be told of the people of another.

        A bucket's rule for expiry takes the plan first: its rows are younger.
        """
        if await self._was_sent(step):
            return _SENT.format(key=step.key)
        writer = ReportWriter(store, step.account.name, step.key, awake())
        return _HAD_A_PLAN.format(key=step.key, uri=writer.rows_uri) if await writer.rows_to_go_by() else None

    async def _was_sent(self, step: batches.PlanStep) -> bool:
        """Whether an earlier run of the key has ended after some of it was sent, as Temporal tells."""
        info, workflow_id = activity.info(), mass_send_id(step.account.name, step.key)
        asking = info.workflow_run_id if info.workflow_id == workflow_id else None
        return await self._runs.was_sent(workflow_id, asking or "")

    async def _hides(self, step: batches.ReportStep) -> bool:
        """The same of a send that ends. A ledger that is silent for long may hide something, too."""
        try:
            return await self._is_forgotten(step)
        except ApplicationError as silent:
            if silent.type != LEDGER_UNAVAILABLE or activity.info().attempt <= _ASKED_MAX:
                raise
            return True

    async def _is_forgotten(self, step: batches.PlanStep | batches.ReportStep) -> bool:
        """Whether a restored database may have forgotten batches of the key, or what became of them."""
        name, key = step.account.name, step.key
        asked = LookUpStep(
            appid=step.account.appid, key=key, workflow_id=mass_send_id(name, key), started_at=step.started_at
        )
        return any(is_doubt(one) for one in (await self._known(asked)).tries)

    async def _planned(
        self, step: batches.PlanStep, job: PlanJob, now: datetime
    ) -> tuple[batches.AudiencePlan, PlanFound]:
        async with self._gate:
            found = await plan(job)
        if found.kind == "refused":
            raise NobodyError(found.problems)
        if step.is_sent_once and len(found.batches) > 1:
            raise NobodyError([ONE_DRAFT.format(number=f"{len(found.batches):,}")])
        if job.reports and not found.reached_before:
            activity.logger.warning(
                "the plan counts nobody as reached before: of %d reports one cannot be read, or they are too long",
                len(job.reports),
            )
        parts = tuple(
            batches.PlannedPart(
                what=part.what, openids=seen.openids, dropped=seen.dropped, is_excluded=number in job.minus
            )
            for number, (part, seen) in enumerate(zip(job.parts, found.parts, strict=True))
        )
        told = batches.AudiencePlan(
            digest=digest_of(found.sha256, found.batches),
            openids=found.openids,
            batches=len(found.batches),
            duplicates=found.duplicates,
            dropped=sum(part.dropped for part in parts if not part.is_excluded),
            taken_at=now,
            parts=parts,
            reached_before=found.reached_before,
            groups=found.groups,
        )
        return told, found

    async def _kept(
        self, plans: Plans, step: batches.PlanStep, told: batches.AudiencePlan, found: PlanFound, folder: Path
    ) -> batches.AudiencePlan:
        """The plan that stands in the store then, which another worker may have made."""
        made = PlanFile(
            account=step.account,
            audience=as_planned(step.audience),
            content=step.content,
            split=step.split,
            snapshot=snapshot_name(found.sha256),
            sha256=found.sha256,
            plan=told,
            batches=found.batches,
        )
        standing = _same(await plans.put(step.account.name, step.key, made, folder / SNAPSHOT), step)
        return told if standing == told else _dated(standing)

    async def _standing(
        self, store: Store, step: batches.PlanStep, plan: batches.AudiencePlan, now: datetime
    ) -> batches.AudiencePlan:
        """The plan that an earlier run has made. Whoever only looks sees it, too: it is what is sent."""
        writer = ReportWriter(store, step.account.name, step.key, awake())
        reaching = await self._reaching(step)
        was_sent, why = await self._was_sent(step), await self._is_left(store, writer, step, reaching)
        was_sent = was_sent or (
            step.keep and await knows_more(self._known, step, await writer.rows_to_go_by(), reaching)
        )
        # Read last, as a report is withdrawn by it.
        if was_sent or any(row.state == "sent" for row in await writer.rows_to_go_by()):
            return plan.model_copy(update={"is_sent_in_part": True})
        if why is not None and not step.keep:
            raise NobodyError([why])
        if why is not None:  # It sends nothing, and writes its report anew.
            return plan.model_copy(update={"is_sent_in_part": True})
        if plan.is_forgotten(now):
            raise NobodyError([_OLD.format(key=step.key, days=LIFE.days)])
        if step.keep:
            await writer.withdraw()
        return _dated(plan).model_copy(update={"winner": await self._winner(step, plan)})

    async def _reaching(self, step: batches.PlanStep) -> Collection[int]:
        """The batches that may have been delivered, by the ledger. Who only looks does not ask it."""
        if not step.keep:
            return ()
        workflow_id = mass_send_id(step.account.name, step.key)
        asked = LookUpStep(appid=step.account.appid, key=step.key, workflow_id=workflow_id, with_batches=True)
        return (await self._known(asked)).reaching

    async def _is_left(
        self, store: Store, writer: ReportWriter, step: batches.PlanStep, reaching: Collection[int]
    ) -> str | None:
        """Why the rest is for another key, although the report tells of nobody who was sent to."""
        name, key = step.account.name, step.key
        if claims := await Plans(store).claims(name, key):
            return _TAKEN_OVER.format(key=key, by=min(claims.values()))
        if not await writer.stands():  # An earlier run has not come to its end, and its batches are its own.
            return None
        number = await reached_since(store, self._runs, name, key, reaching)
        return None if number is None else _RAN_AGAIN.format(key=key, number=number)

    async def _winner(self, step: batches.PlanStep, plan: batches.AudiencePlan) -> Version | None:
        """Which message the rest of a split test got: the key of its first batch stands for that one.

        Not by its URIs, of which what stands there may have others by now.
        """
        number = next((one for one in range(1, plan.batches + 1) if plan.group_of(one) == "rest"), None)
        if number is None:
            return None
        whole, first = (mass_send_id(step.account.name, key) for key in (step.key, batches.batch_key(step.key, number)))
        batch = await self._runs.asked_of(first, whole)
        if batch is None or not isinstance(batch.audience, Batch) or batch.audience.plan != plan.digest:
            return None
        try:
            got = content_digest(batch.model_copy(update={"audience": step.audience}), batch.audience.material)
        except ValueError:
            return None
        versions: tuple[Version, ...] = ("a", "b")
        return next((one for one, digest in zip(versions, step.versions, strict=False) if digest == got), None)

    async def _reports(self, store: Store, step: batches.PlanStep) -> list[str]:
        """The reports of this account that were written this month in Shanghai, save that of the key itself.

        What cannot be read there holds up no plan.
        """
        try:
            found = await reports_of(store, step.account, shanghai_day(self._clock.now())[:_MONTH])
        except (PlanLostError, StoreUnavailable) as error:
            activity.logger.warning("the plan counts nobody as reached before: %s", error)
            return []
        others = [path for path in found if path != f"{folder_of(step.account.name, step.key)}/{REPORT}"]
        return others if len(others) <= REPORTS_MAX else []


def _split_of(step: batches.PlanStep) -> SplitJob | None:
    """The key is hashed with each openid, so that other people are in a group of the next send."""
    return None if step.split is None else SplitJob(a=step.split.a, b=step.split.b, salt=step.key)


async def _keep(step: batches.PlanStep, gathering: Gathering, begun: Begun) -> None:
    """Have the next attempt go on with what WeChat has listed; nothing stays of a plan that is not kept."""
    if step.keep:
        with suppress(StoreUnavailable):
            await gathering.keep()
        activity.heartbeat(*begun.names)


def _dated(plan: batches.AudiencePlan) -> batches.AudiencePlan:
    """A plan that this attempt has found. Only one that an earlier attempt has made may be of this run.

    Clocks of workers differ. So a plan of the run before may look younger than this run, but not where this is the
    first attempt.
    """
    info = activity.info()
    is_own = info.attempt > 1 and plan.taken_at >= info.scheduled_time
    return plan.model_copy(update={"is_from_before": not is_own})


def _same(first: PlanFile, step: batches.PlanStep) -> batches.AudiencePlan:
    """The first plan of a key, if it is for the same account, audience and, where that is known, the same message."""
    if not first.is_for(step) or not first.is_of(step.account):
        raise lasting(
            batches.PLAN_REUSED,
            f"The store has a plan of the key {step.key} for another audience, message or WeChat. Use another key.",
        )
    return first.plan
