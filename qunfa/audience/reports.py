"""The report of a send in batches, as it stands in the store beside the plan."""

import asyncio
import hashlib
import logging
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError, model_validator

from qunfa.audience.plans import REPORT, REST, ROWS, PlanFile, PlanLostError, Plans, folder_of
from qunfa.audience.store import Store, StoreUnavailable
from qunfa.contract.audience import Batch, Group
from qunfa.contract.batches import (
    REPORT_COLUMNS,
    AudiencePlan,
    BatchRow,
    Reported,
    ReportState,
    ReportStep,
    doubted,
    merged,
)
from qunfa.contract.fields import Carried, NewerError

_GZIP: Final = 31
"""The window of zlib, with a header of gzip, which has no time in it: the same report has the same digest."""
_EARLY_SECONDS: Final = 60.0
"""For the report of a run that ends before it has a plan: its workflow awaits it for two minutes."""
_log: Final = logging.getLogger(__name__)


class RowsFile(Carried):
    """What stands in ``rows.json``. ``at``: when it was written, by Temporal's clock; older files lack it."""

    rows: tuple[BatchRow, ...]
    at: datetime | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_a_number(cls, raw: Any) -> Any:
        return {"rows": raw} if isinstance(raw, list) else raw


class ReportWriter:
    """Writes one report from a plan's snapshot and the rows of its batches.

    What has no row was not submitted. But each batch gets a row where nobody knows what earlier runs have begun: the
    plan is forgotten and its send has no end, or the ledger is silent or doubts all before there is a plan.

    ``awake``: after so much time another worker may have the task, and what was read of the store may be old.

    Raises:
        PlanLostError: of all but `withdraw`: the plan or its snapshot is missing, or another one, or cannot be read.
        StoreUnavailable: of all methods: the store cannot be read or written; or it was read too long ago.
    """

    def __init__(self, store: Store, account: str, key: str, awake: timedelta) -> None:
        self._store = store
        self._awake = awake.total_seconds()
        self._read_at = elapsed()
        self._account = account
        self._key = key
        self._folder = folder_of(account, key)
        self._rows, self._report = f"{self._folder}/{ROWS}", f"{self._folder}/{REPORT}"
        self.rows_uri = store.uri_of(self._rows)
        self._plans = Plans(store)
        self._digest = hashlib.sha256()

    async def write(self, step: ReportStep, at: datetime, is_hidden: Callable[[], Awaitable[bool]]) -> Reported:
        """Write it, in place of an earlier one; by the plan of the step, or by its own that stands there.

        `at` is Temporal's time of this attempt: the clocks of workers and of the store may be wrong.
        Where a restored database may have forgotten what was submitted under its key, no batch is denied: it is asked
        whether it ``is_hidden``.

        What an earlier report has told of a batch stays, where this one knows less: Temporal and the ledger forget.
        Where another worker has told otherwise meanwhile, its report stays, and the next attempt reads that first.
        Without a plan of its own in the store there is no report, and its `uri` is empty. So it is where a run ends
        before it has a plan, and the report cannot be written: what was sent before is told all the same.
        """
        found = await self._plan_for(step)
        if found is None:
            return Reported(uri="", sha256="", states={}, at=at)
        rows = {row.number: row for row in step.rows}
        unheard = {number: doubted(number) for number in range(1, len(found.batches) + 1)}
        if any(number not in rows or rows[number] != rows[number].in_doubt for number in unheard) and await is_hidden():
            rows = unheard | {number: row.in_doubt for number, row in rows.items()}
        told = await self._rows_to_write(step, found, at, rows)
        uri = self._store.uri_of(self._report)
        try:
            async with asyncio.timeout(None if step.plan else _EARLY_SECONDS):
                await self._put(found, told, at)
        except (PlanLostError, StoreUnavailable, TimeoutError) as error:
            if step.plan:
                raise
            _log.warning("%s could not be written: %s", uri, error)
            return _reported(found, step, told, at)
        return _reported(found, step, told, at, uri, self._digest.hexdigest())

    async def _plan_for(self, step: ReportStep) -> PlanFile | None:
        """The plan that the step names by its digest. Of a run that ends before it has one: that of its key, if any."""
        found = await self._plans.get(self._account, self._key)
        if not step.plan:
            return found if found is not None and found.is_for(step) else None
        if found is None or found.plan.digest != step.plan:
            uri = self._store.uri_of(self._report)
            raise PlanLostError(f"{uri} cannot be written: its plan is missing, or another one.")
        return found

    async def _rows_to_write(
        self, step: ReportStep, found: PlanFile, at: datetime, rows: dict[int, BatchRow]
    ) -> dict[int, BatchRow]:
        """What the run tells of each batch, over what an earlier report has told.

        All batches are in doubt where the run ends before it knows which of them an earlier one had begun.
        """
        before = await self.rows_to_go_by()
        is_forgotten = found.plan.is_forgotten(at)
        if not step.plan and (step.fresh is None or (is_forgotten and not await self.stands())):
            rows = {number: doubted(number) for number in range(1, len(found.batches) + 1)} | rows
        told = merged(before, rows.values(), None if is_forgotten else step.fresh)
        is_claimed = await self._plans.is_claimed(self._account, self._key)
        return _as_claimed(await self._rows_of_claims(), told) if is_claimed else told

    async def _put(self, found: PlanFile, told: dict[int, BatchRow], at: datetime) -> None:
        digest = found.plan.digest
        batches = [
            Batch(kind="batch", key=self._key, plan=digest, number=number, of=len(found.batches), openids=place.count)
            for number, place in enumerate(found.batches, 1)
        ]
        rows = RowsFile(rows=tuple(told.values()), at=at)
        await self._store.put(self._rows, self._piece(rows.model_dump_json().encode()))
        await self._store.put(self._report, self._content(found.plan, batches, told))

    async def rows(self) -> tuple[BatchRow, ...]:
        """How the batches have ended, as the report tells; none where there is no report."""
        return _rows_of(await self.rows_file())

    async def rows_to_go_by(self) -> tuple[BatchRow, ...]:
        """The same, for a run that submits or tells what they do not forbid.

        Raises:
            StoreUnavailable: they are not to be seen, and the store lists them, or a report.
        """
        told = await self.rows_file()
        if told is None and any(
            one.path in {self._rows, self._report} for one in await self._store.found(self._folder)
        ):
            raise StoreUnavailable(f"{self.rows_uri} is not to be seen. Put it back, if it is missing.")
        return _rows_of(told)

    async def written_at(self) -> datetime | None:
        """When the report was written, if it stands: by Temporal's clock or the store's, whichever is earlier.

        A store that was copied has the time of the copy. The rows may be newer than a report, if the next one failed.
        """
        times = [one.at for one in await self._store.found(self._folder) if one.path == self._report]
        told = await self.rows_file() if times else None
        if told is not None and told.at is not None:
            times.append(told.at)
        return min(times, default=None)

    async def rows_file(self) -> RowsFile | None:
        """The rows as they stand; None where nothing is to be seen."""
        self._read_at = elapsed()
        content = await self._store.get(self._rows)
        try:
            return None if content is None else RowsFile.model_validate_json(content)
        except NewerError:
            where = self._store.uri_of(self._rows)
            raise StoreUnavailable(f"{where} was written by a newer version. Upgrade this worker, too.") from None
        except ValidationError:
            raise PlanLostError(f"{self._store.uri_of(self._rows)} cannot be read. Put it back as it was.") from None

    async def _rows_of_claims(self) -> dict[int, BatchRow]:
        """What other keys have gone by. Without that, nobody knows whose people a batch has."""
        told = await self.rows_file()
        if told is None:
            raise PlanLostError(f"{self.rows_uri} is missing. Put it back: it tells how the batches ended.")
        return {row.number: row for row in told.rows}

    async def withdraw(self) -> None:
        """Take the report away: the send goes on, and nobody is to go on by an old one. Its rows stay."""
        self._see_awake()
        await self._store.remove(self._report)

    def _see_awake(self) -> None:
        """See that the rows were just read: a worker that slept since would write over what newer runs have told."""
        if elapsed() - self._read_at > self._awake:
            where = self._store.uri_of(self._rows)
            raise StoreUnavailable(f"{where} was read too long ago, since the worker or the store was too slow.")

    async def _piece(self, content: bytes) -> AsyncIterator[bytes]:
        """The rows in one piece, asked for when the store is about to put them there."""
        self._see_awake()
        yield content

    async def stands(self) -> bool:
        """Whether there is a report: the newest run that has sent anything has come to its end."""
        return any(one.path == self._report for one in await self._store.found(self._folder))

    async def _content(
        self, plan: AudiencePlan, batches: list[Batch], rows: dict[int, BatchRow]
    ) -> AsyncIterator[bytes]:
        self._digest = hashlib.sha256()
        packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
        title = (",".join(REPORT_COLUMNS) + "\n").encode()
        yield self._told(packer.compress(title))
        for batch in batches:
            openids = await self._plans.openids_of(self._account, batch)
            row, group = rows.get(batch.number), plan.group_of(batch.number)
            yield self._told(await asyncio.to_thread(self._packed, packer, openids, batch, row, group))
        yield self._told(packer.flush())
        if {row.number: row for row in await self.rows()} != rows:  # This worker slept: its report is the older one.
            where = self._store.uri_of(self._report)
            raise StoreUnavailable(f"{where} was not replaced: another worker has told otherwise meanwhile.")

    def _packed(
        self,
        packer: "zlib._Compress",
        openids: tuple[str, ...],
        batch: Batch,
        row: BatchRow | None,
        group: Group | None,
    ) -> bytes:
        msg_id = "" if row is None or row.msg_id is None else row.msg_id
        received = "" if row is None or row.counts is None else row.counts.sent
        rest = f",{batch.number},{msg_id},{_state(row)},{received},{batch.openids},{group or ''}\n"
        return packer.compress("".join(openid + rest for openid in openids).encode())

    def _told(self, piece: bytes) -> bytes:
        self._digest.update(piece)
        return piece


def elapsed() -> float:
    """Seconds that have passed, also while the machine was suspended, where its kernel counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _rows_of(told: RowsFile | None) -> tuple[BatchRow, ...]:
    return () if told is None else told.rows


def _state(row: BatchRow | None) -> ReportState:
    return "not_submitted" if row is None else row.state


def _as_claimed(before: dict[int, BatchRow], told: dict[int, BatchRow]) -> dict[int, BatchRow]:
    """While other keys have the rest, no batch goes over from one key's people to another's: nothing was sent here."""
    stays = {
        number
        for number in {*before, *told}
        if _state(before.get(number)) in REST
        and (_state(told.get(number)) in REST or (number in told and told[number].is_doubted))
    }
    earlier = {number: before[number] for number in stays if number in before}
    return {number: row for number, row in told.items() if number not in stays} | earlier


def _reported(  # noqa: PLR0913, PLR0917  where it stands comes last
    found: PlanFile, step: ReportStep, told: dict[int, BatchRow], at: datetime, uri: str = "", sha256: str = ""
) -> Reported:
    """What a report tells, with the rows that its run does not know."""
    own = {row.number: row for row in step.rows}
    more = tuple(row for row in told.values() if own.get(row.number) != row)
    return Reported(uri=uri, sha256=sha256, states=_states(found, told), rows=more, at=at)


def _states(found: PlanFile, told: dict[int, BatchRow]) -> dict[ReportState, int]:
    """How many openids are in which state."""
    states = Counter[ReportState]()
    for number, place in enumerate(found.batches, 1):
        states[_state(told.get(number))] += place.count
    return dict(states)
