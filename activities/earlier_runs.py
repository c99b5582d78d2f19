"""What the earlier runs of a mass send have left, where its ledger was lost: Temporal still has their histories."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

from temporalio import activity
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.attempts import asking, passing
from activities.run_history import Remains, RunHistory, added_up, request_in, start_of
from qunfa.audience.plans import PlanLostError, PlanNewerError, Plans
from qunfa.audience.store import StoreUnavailable
from qunfa.contract.facts import Ended, Known
from qunfa.contract.ids import MASS_SEND, MASS_SEND_IN_BATCHES, MassSendId, is_later, mass_send_id, parse_mass_send_id
from qunfa.contract.recall import SentFrom
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import REFUSED
from qunfa.contract.steps import LEDGER_UNAVAILABLE
from qunfa.send.doubt import jobs_of
from qunfa.temporal.connection import UnlessGone, is_gone

RUNS_MAX: Final = 50
"""How many runs that left something are read, newest first: each of them knew what those before it had left."""
SEARCHED: Final = timedelta(seconds=90)
"""How long is searched for a run that left something: a key may have had thousands of runs that were refused."""
_AT_ONCE: Final = 16
"""Refused runs whose starts are read at a time: thousands, one after the other, would take too long."""
LOOKS: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between looks for the current run in Temporal's list, which is a little behind."""

_TOO_SHORT_FOR_A_TRY: Final = 6
"""Started, one workflow task (3 events), an activity scheduled, and the end: a shorter history submitted nothing."""
_BY_ITSELF: Final = frozenset(
    {WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.FAILED, WorkflowExecutionStatus.CANCELED}
)
"""How a run ends that has done all it does at its end."""
_TO_NOBODY: Final = frozenset({"failed", "aborted", "rejected", "expired"})
"""Outcomes of a send that nothing was delivered of."""
_OUTCOME: Final = SearchAttributeKey.for_keyword("MassSendOutcome")
_PROGRESS: Final = SearchAttributeKey.for_keyword("MassSendProgress")
_RPC: Final = timedelta(seconds=10)
_STORE_SECONDS: Final = 5.0


class Found(NamedTuple):
    """All that earlier runs have left: their facts, the digests of their content, and how the newest of them ended.

    `digests`: in order, each once. Only runs that have submitted something count, or have begun a batch.
    `ended`: also of a run that was aborted before it submitted anything.
    `started_at`: when the oldest run was started, whatever it has left: an account that was told of a restore asks
    whether that was before all was over.
    """

    known: Known = Known()
    digests: tuple[str, ...] = ()
    ended: Ended | None = None
    started_at: datetime | None = None
    gave_up: str | None = None
    """Of a run that has submitted nothing, the content of which the end tells."""

    def began(self, own: datetime | None) -> datetime | None:
        """When the key came up, for a run with a start of its `own`."""
        return min(filter(None, (own, self.started_at)), default=None)

    @classmethod
    def of(cls, runs: Sequence[Remains]) -> "Found":
        """What `runs`, the newest first, know together."""
        newest = next((run for run in runs if run.known.was_submitted or run.gave_up), None)
        return cls(
            known=added_up(*(run.known for run in runs if run.known.was_submitted)),
            digests=tuple(sorted({run.digest for run in runs if run.digest and run.counts})),
            ended=newest.ended if newest else None,
            gave_up=newest.digest if newest and not newest.counts else None,
        )

    def ended_to(self, digest: str) -> Ended | None:
        """The end that a run with this content hears: whoever gave other content up says nothing of this."""
        return self.ended if self.gave_up in {None, digest} else None

    def known_to(self, digest: str) -> Known:
        """The facts that a run with this content takes over: none where the key stands for other content.

        Else its own history would have them as facts of its content, and later runs would be refused.
        """
        return Known() if any(one != digest for one in self.digests) else self.known


class NewestRun(NamedTuple):
    """Of a send's runs that were not refused, the newest. `is_over`: it has ended by itself, and done all of its end.

    `began_at`: by Temporal's clock; of a run that a reset has made, the time of the reset. `outcome`: where it has one.
    """

    run_id: str
    began_at: datetime
    is_over: bool
    outcome: str | None = None

    def has_written(self, at: datetime | None) -> bool:
        """Whether a report that was written at `at`, if any was, is its own: then nothing was sent after it."""
        began = self.began_at.replace(microsecond=0)  # Buckets tell whole seconds.
        return self.is_over and (at is None or at >= began)


class VisibleRuns:
    """Earlier runs by Temporal's list of workflows, for as long as the namespace keeps them.

    Raises:
        ApplicationError: of all methods: `LedgerUnavailable`, retried: it cannot be told now.
    """

    def __init__(self, client: Client, *, runs_max: int = RUNS_MAX, searched: timedelta = SEARCHED) -> None:
        self._client = client
        self._runs_max = runs_max
        self._searched = searched

    async def find(self, workflow_id: str, current_run_id: str, appid: str | None) -> Found:
        """What the runs of this workflow id but the current one have left at the account of this appid.

        `current_run_id` is empty where who asks is a run of another id. Without an appid all accounts count that have
        had the name. Where there are too many to be read in time, the newest that left something are enough.
        """
        found: list[Remains] = []
        with asking(partial(_unseen, workflow_id)):
            listed = await self.listed(workflow_id, current_run_id)
            try:
                async with asyncio.timeout(self._searched.total_seconds()):
                    await self._search(found, [run for run in listed if run.run_id != current_run_id], appid)
            except TimeoutError:
                if not any(one.counts for one in found):
                    raise _unseen(workflow_id, f"none of {len(listed):,} has left anything so far") from None
        began = min((run.start_time for run in listed if run.run_id != current_run_id), default=None)
        return Found.of(found)._replace(started_at=began)

    async def _search(self, found: list[Remains], runs: list[WorkflowExecution], appid: str | None) -> None:
        """Read the runs, the newest first, until enough that left something are found."""
        for first in range(0, len(runs), _AT_ONCE):
            some = [run for run in runs[first : first + _AT_ONCE] if not _ended_at_once(run)]
            refused = await asyncio.gather(*map(self._was_refused, some))
            for run in (run for run, was_refused in zip(some, refused, strict=True) if not was_refused):
                remains = await self._read(run)
                left = remains is not None and (remains.counts or remains.gave_up)
                if remains is not None and left and (appid is None or remains.appid in {None, appid}):
                    found.append(remains)
                if sum(one.counts for one in found) == self._runs_max:
                    return

    async def was_sent(self, workflow_id: str, current_run_id: str) -> bool:
        """Whether a send in batches of this id has ended, and some of it was sent: no other one completes."""
        with asking(partial(_unseen, workflow_id)):
            runs = await self.listed(workflow_id, current_run_id)
        done = WorkflowExecutionStatus.COMPLETED
        return any(run.workflow_type == MASS_SEND_IN_BATCHES and run.status is done for run in runs)

    async def sent_from(self, send: MassSendId, msg_id: int) -> SentFrom:
        """The account of the oldest run that knows of the job, which has made it; nothing where none does."""
        workflow_id = mass_send_id(*send)
        with asking(partial(_unseen, workflow_id)):
            for run in reversed(await self.listed(workflow_id, "")):
                if _ended_at_once(run) or await self._was_refused(run):
                    continue
                left = await self._read(run)
                if left is not None and any(job.msg_id == msg_id for job in jobs_of(left.known, send.key)):
                    return SentFrom(appid=left.appid, base_url=left.base_url)
        return SentFrom()

    async def came_up(self, workflow_id: str) -> datetime | None:
        """When the oldest of its runs was started that Temporal lists."""
        with asking(partial(_unseen, workflow_id)):
            runs = [run async for run in self._list(workflow_id)]
        return min((run.start_time for run in runs), default=None)

    async def newest(self, workflow_id: str) -> NewestRun | None:
        """The newest run that has done something; `None` where Temporal has none."""
        with asking(partial(_unseen, workflow_id)), UnlessGone():
            run: WorkflowExecution = await self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=_RPC)
            if not await self._did_nothing(run):
                return _as_newest(run)
            for one in await self.listed(workflow_id, run.run_id):
                if not await self._did_nothing(one):
                    return _as_newest(one)
        return None

    async def reaching(self, workflow_id: str) -> frozenset[int]:
        """The numbers of those of its batches of which the newest run has reached people, or still may."""
        with asking(partial(_unseen, workflow_id)):
            listed = [run async for run in self._batches(workflow_id)]
            runs = [stands for run in listed if (stands := await self._as_it_stands(run)) is not None]
        runs.sort(key=lambda run: run.start_time)
        newest = {run.id: run for run in runs if not _failed_as(run, REFUSED)}
        numbers = [one.removeprefix(f"{workflow_id}.") for one, run in newest.items() if not _reached_nobody(run)]
        return frozenset(int(number) for number in numbers if number.isdecimal())

    async def has_later(self, batch_id: str) -> bool:
        """Whether Temporal lists a batch of the same list after this one."""
        whole = batch_id.rpartition(".")[0]
        with asking(partial(_unseen, whole)):
            async for run in self._batches(whole):
                if is_later(run.id, batch_id) and not _failed_as(run, REFUSED):
                    return True
        return False

    def _batches(self, workflow_id: str) -> AsyncIterator[WorkflowExecution]:
        query = f'ParentWorkflowId = {quoted(workflow_id)} AND WorkflowType = "{MASS_SEND}"'
        return self._client.list_workflows(query, rpc_timeout=_RPC)

    async def _as_it_stands(self, run: WorkflowExecution) -> WorkflowExecution | None:
        """Temporal's list is a little behind: what runs by that may have ended.

        `None` where a restore has left it in the list alone: its list begins the batch again, or reports it as unknown.
        """
        if run.status is not WorkflowExecutionStatus.RUNNING:
            return run
        with UnlessGone():
            return await self._client.get_workflow_handle(run.id, run_id=run.run_id).describe(rpc_timeout=_RPC)
        return None

    async def asked_of(self, workflow_id: str, whole: str) -> MassSendRequest | None:
        """What the newest run that has done something was asked to send: see `request_in`; `None` without one."""
        newest = await self.newest(workflow_id)
        with asking(partial(_unseen, workflow_id)), UnlessGone():
            if newest is not None:
                run = self._client.get_workflow_handle(workflow_id, run_id=newest.run_id)
                return await request_in(self._client.data_converter, await start_of(run), whole)
        return None

    async def listed(self, workflow_id: str, current_run_id: str) -> list[WorkflowExecution]:
        """All runs, the newest first, in a list that is up to date: one that lacks this run may lack others as well."""
        for look in (*LOOKS, None):
            runs = [run async for run in self._list(workflow_id)]
            if not current_run_id or any(run.run_id == current_run_id for run in runs):
                return sorted(runs, key=lambda run: run.start_time, reverse=True)
            if look is not None:
                await asyncio.sleep(look)
        raise passing(
            LEDGER_UNAVAILABLE,
            f"{workflow_id}: Temporal's list of workflows does not show this run yet, so it may lack earlier ones. "
            "It is looked at again, since nothing may be sent before.",
        )

    def _list(self, workflow_id: str) -> AsyncIterator[WorkflowExecution]:
        query = f'WorkflowId = {quoted(workflow_id)} AND WorkflowType IN ("{MASS_SEND}", "{MASS_SEND_IN_BATCHES}")'
        return self._client.list_workflows(query, rpc_timeout=_RPC)

    async def _did_nothing(self, run: WorkflowExecution) -> bool:
        """Whether it was refused for certain, or is a list that was refused before it had a plan.

        One that has gone on as another run has done nothing, either, where that one has not.
        """
        if run.status is WorkflowExecutionStatus.CONTINUED_AS_NEW:
            return True
        said = run.typed_search_attributes
        for_its_list = said.get(_OUTCOME) == REFUSED and run.workflow_type == MASS_SEND_IN_BATCHES
        if said.get(_PROGRESS) is None and for_its_list:
            return await self._start_if_first(run) is not None
        return await self._was_refused(run)

    async def _was_refused(self, run: WorkflowExecution) -> bool:
        """Whether its request was refused for certain, so that it has claimed and submitted nothing.

        One that continues another run may have done so before.
        """
        if run.typed_search_attributes.get(_OUTCOME) != REFUSED:
            return False
        start = await self._start_if_first(run)
        return start is not None and not start.continued_execution_run_id

    async def _start_if_first(self, run: WorkflowExecution) -> WorkflowExecutionStartedEventAttributes | None:
        """How the run was started, where its outcome attribute tells of all that was done in it; else ``None``.

        | the run | why its attribute tells less |
        |---|---|
        | was made by a reset | the run before may have submitted something |
        | was started with the attribute | whoever started it has set it |
        | is gone | nobody can see how it was started |
        """
        with UnlessGone():
            start = await start_of(self._client.get_workflow_handle(run.id, run_id=run.run_id))
            was_reset = start.original_execution_run_id != run.run_id
            is_given = _OUTCOME.name in start.search_attributes.indexed_fields
            return None if was_reset or is_given else start
        return None

    async def _read(self, run: WorkflowExecution) -> Remains | None:
        handle = self._client.get_workflow_handle(run.id, run_id=run.run_id)
        history = RunHistory(self._client.data_converter)
        try:
            async for event in handle.fetch_history_events(rpc_timeout=_RPC):
                await history.read(event)
        except RPCError as error:
            if not is_gone(error):
                raise
            activity.logger.warning(
                "run %s of %s is listed, but Temporal no longer keeps its history", run.run_id, run.id
            )
            return None
        return await history.remains()


class PlannedRuns(VisibleRuns):
    """Earlier runs, and the plan that the store has under their key: it stays where Temporal has forgotten them.

    A store that is silent holds nobody up: the account's ledger and Temporal tell the same for as long as they have it.
    """

    def __init__(self, client: Client, plans: Plans | None) -> None:
        super().__init__(client)
        self._plans = plans

    async def find(self, workflow_id: str, current_run_id: str, appid: str | None) -> Found:
        """As of the earlier runs, with the content for which the key was planned."""
        found = await super().find(workflow_id, current_run_id, appid)
        content = await self._planned(workflow_id)
        return found if content is None else found._replace(digests=tuple(sorted({*found.digests, content})))

    async def _planned(self, workflow_id: str) -> str | None:
        named = parse_mass_send_id(workflow_id)
        if self._plans is None or named is None:
            return None
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                plan = await self._plans.get(named.account, named.key)
        except PlanNewerError as newer:
            raise passing(LEDGER_UNAVAILABLE, f"{workflow_id} waits for another worker: {newer}") from None
        except (PlanLostError, StoreUnavailable, TimeoutError) as error:
            activity.logger.warning("whether %s was planned before is not known: %s", workflow_id, error)
            return None
        return plan.content if plan else None


def _as_newest(run: WorkflowExecution) -> NewestRun:
    return NewestRun(run.run_id, run.start_time, run.status in _BY_ITSELF, run.typed_search_attributes.get(_OUTCOME))


def _failed_as(run: WorkflowExecution, *outcomes: str) -> bool:
    failed = run.status is WorkflowExecutionStatus.FAILED
    return failed and run.typed_search_attributes.get(_OUTCOME) in outcomes


def _reached_nobody(run: WorkflowExecution) -> bool:
    """Whether it has ended, and WeChat has nothing of it. A cancellation counts only while that is so."""
    return run.status is WorkflowExecutionStatus.CANCELED or _failed_as(run, *_TO_NOBODY)


def _unseen(workflow_id: str, why: str) -> ApplicationError:
    return passing(
        LEDGER_UNAVAILABLE,
        f"{workflow_id}: its earlier runs could not be looked for: {why}. They are looked for again, since nothing may "
        "be sent before.",
    )


def quoted(text: str) -> str:
    """A text as Temporal's list filters want it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _ended_at_once(run: WorkflowExecution) -> bool:
    ended_badly = run.status not in {WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED}
    return ended_badly and 0 < run.history_length < _TOO_SHORT_FOR_A_TRY
