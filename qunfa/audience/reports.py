"""Reports of sends in batches: gzipped CSV with one row for each openid, written batch by batch."""

import asyncio
import hashlib
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from qunfa.audience.plans import REPORT, PlanLostError, Plans, folder_of
from qunfa.audience.store import Store
from qunfa.contract.audience import Batch, Group
from qunfa.contract.batches import REPORT_COLUMNS, AudiencePlan, BatchRow, Reported, ReportState

_GZIP: Final = 31
"""The window of zlib, with a header of gzip, which has no time in it: the same report has the same digest."""


class ReportWriter:
    """Writes one report from a plan's snapshot and the rows of its batches; what has no row was not submitted."""

    def __init__(self, store: Store, account: str, key: str) -> None:
        self._store = store
        self._account = account
        self._key = key
        self._plans = Plans(store)
        self._states: Counter[ReportState] = Counter()
        self._digest = hashlib.sha256()

    async def write(self, plan: str, rows: tuple[BatchRow, ...], at: datetime) -> Reported:
        """Write it, in place of an earlier one.

        Raises:
            PlanLostError: the plan or the snapshot is missing, or another one.
            StoreUnavailable: the store cannot be read or written.
        """
        path = f"{folder_of(self._account, self._key)}/{REPORT}"
        found = await self._plans.get(self._account, self._key)
        if found is None or found.plan.digest != plan:
            raise PlanLostError(f"{self._store.uri_of(path)} cannot be written: its plan is missing, or another one.")
        batches = [
            Batch(kind="batch", key=self._key, plan=plan, number=number, of=len(found.batches), openids=place.count)
            for number, place in enumerate(found.batches, 1)
        ]
        content = self._content(found.plan, batches, {row.number: row for row in rows})
        await self._store.put(path, content)
        return Reported(uri=self._store.uri_of(path), sha256=self._digest.hexdigest(), states=dict(self._states), at=at)

    async def _content(
        self, plan: AudiencePlan, batches: list[Batch], rows: dict[int, BatchRow]
    ) -> AsyncIterator[bytes]:
        packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
        title = (",".join(REPORT_COLUMNS) + "\n").encode()
        yield self._told(packer.compress(title))
        for batch in batches:
            openids = await self._plans.openids_of(self._account, batch)
            row, group = rows.get(batch.number), plan.group_of(batch.number)
            yield self._told(await asyncio.to_thread(self._packed, packer, openids, batch, row, group))
        yield self._told(packer.flush())

    def _packed(
        self,
        packer: "zlib._Compress",
        openids: tuple[str, ...],
        batch: Batch,
        row: BatchRow | None,
        group: Group | None,
    ) -> bytes:
        state: ReportState = "not_submitted" if row is None else row.state
        self._states[state] += len(openids)
        msg_id = "" if row is None or row.msg_id is None else row.msg_id
        received = "" if row is None or row.counts is None else row.counts.sent
        rest = f",{batch.number},{msg_id},{state},{received},{batch.openids},{group or ''}\n"
        return packer.compress("".join(openid + rest for openid in openids).encode())

    def _told(self, piece: bytes) -> bytes:
        self._digest.update(piece)
        return piece
