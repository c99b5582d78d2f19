"""Plans in the store: what stands there, how it is put there once, how a batch is found in it again, and its report.

| below ``audiences/<account>/<key>/`` | what |
|---|---|
| ``openids-<digest>.txt`` | the snapshot: sorted, each openid once, one a line |
| ``plan.json`` | the plan, written last and once: who comes second gets the first one's |
| ``report.csv.gz`` | how it has ended |
| ``rows.json`` | it has ended, and its report was written: how each batch of that has ended |
| ``next-<state>`` | which key reaches those of its report in this state: nothing more goes out under this one |
"""

import asyncio
import hashlib
import json
import logging
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from qunfa.audience.jobs import BatchPlace
from qunfa.audience.store import Store, StoreUnavailable
from qunfa.contract.audience import Audience, Batch, Group, Split, Unreached
from qunfa.contract.batches import (
    REPORT_COLUMNS,
    AudiencePlan,
    BatchRow,
    PlanStep,
    Reported,
    ReportState,
    ReportStep,
    doubted,
    merged,
)
from qunfa.contract.content import in_order
from qunfa.contract.fields import Key, Stored
from qunfa.contract.steps import Pinned

AUDIENCES: Final = "audiences"
PLAN: Final = "plan.json"
REPORT: Final = "report.csv.gz"
ROWS: Final = "rows.json"
_NEXT: Final = "next-"
_DOTS: Final = {".": "%2E", "..": "%2E%2E"}
_GZIP: Final = 31
"""The window of zlib, with a header of gzip, which has no time in it: the same report has the same digest."""


_WRITES_MAX: Final = 3
"""How often a report is written anew because another worker has written its own meanwhile."""
_EARLY_SECONDS: Final = 60.0
"""For the report of a run that ends before it has a plan: its workflow awaits it for two minutes."""
_log: Final = logging.getLogger(__name__)
_ROWS: Final = TypeAdapter(tuple[BatchRow, ...])
_KEY: Final = TypeAdapter[str](Key)


class PlanFile(Stored):
    """What stands in ``plan.json``. ``account``: for which WeChat it was made; files from before that lack it."""

    account: Pinned | None = None
    audience: dict[str, Any]
    content: str
    split: Split | None = None
    snapshot: str
    sha256: str
    plan: AudiencePlan
    batches: tuple[BatchPlace, ...]

    def is_for(self, step: PlanStep | ReportStep) -> bool:
        """Whether it is for that audience and, where that is known, that message."""
        if step.audience is None:
            return False
        asked = (as_planned(step.audience), step.content or self.content, step.split)
        return (self.audience, self.content, self.split) == asked


def as_planned(audience: Audience) -> dict[str, Any]:
    """An audience as a plan has it: no order of it counts."""
    return in_order(audience.model_dump(mode="json", exclude_defaults=True))


class PlanLostError(Exception):
    """The store has no such plan, or not as it was made. The message says in whole sentences what, and what to do."""


def folder_of(account: str, key: str) -> str:
    """Where a send in batches has its files. The keys ``.`` and ``..`` are no folder's names."""
    return f"{AUDIENCES}/{account}/{_DOTS.get(key, key)}"


def snapshot_name(sha256: str) -> str:
    """The snapshot's name: two that differ never stand in each other's place."""
    return f"openids-{sha256[:16]}.txt"


def digest_of(sha256: str, batches: tuple[BatchPlace, ...]) -> str:
    """The digest of a plan: of its snapshot and its batches. So it is the same wherever it is made."""
    told = {"snapshot": sha256, "batches": [batch.model_dump() for batch in batches]}
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Plans:
    """The plans of a store.

    Raises:
        PlanLostError: of all methods: the plan or its snapshot is missing, or another one, or cannot be read.
        StoreUnavailable: of all methods: the store cannot be read or written.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._latest: tuple[tuple[str, str, str], PlanFile] | None = None

    def uri_of(self, account: str, key: str) -> str:
        """Where the plan of a key stands, or would."""
        return self._store.uri_of(f"{folder_of(account, key)}/{PLAN}")

    async def get(self, account: str, key: str) -> PlanFile | None:
        path = f"{folder_of(account, key)}/{PLAN}"
        content = await self._store.get(path)
        if content is None:
            return None
        try:
            return PlanFile.model_validate_json(content)
        except ValidationError:
            raise PlanLostError(f"{self._store.uri_of(path)} is no plan. Put it back as it was.") from None

    async def put(self, account: str, key: str, plan: PlanFile, snapshot: Path) -> PlanFile:
        """Put a plan there, or get the one that somebody has put there before."""
        folder = folder_of(account, key)
        await self._store.put(f"{folder}/{plan.snapshot}", snapshot)
        if await self._store.create(f"{folder}/{PLAN}", plan.model_dump_json().encode()):
            return plan
        first = await self.get(account, key)
        if first is None:
            raise PlanLostError(f"{self._store.uri_of(folder)} was removed while it was written. Start the send again.")
        if first.snapshot != plan.snapshot:
            await self._store.remove(f"{folder}/{plan.snapshot}")
        return first

    async def claim(self, account: str, key: str, state: ReportState, by: str) -> None:
        """Have nothing more go out under a key: those in this state are for whoever claims them first."""
        await self._store.create(f"{folder_of(account, key)}/{_NEXT}{state}", by.encode())

    def uri_of_claim(self, account: str, key: str, state: str) -> str:
        """Where it stands which key has those in this state."""
        return self._store.uri_of(f"{folder_of(account, key)}/{_NEXT}{state}")

    async def claims(self, account: str, key: str) -> dict[str, str]:
        """By the states in the report of a key, which key has those people."""
        claims = dict[str, str]()
        for path in await self._claim_files(account, key):
            content = await self._store.get(path)
            if content is not None:
                claims[path.rpartition(_NEXT)[2]] = self._claimant(path, content)
        return claims

    async def is_claimed(self, account: str, key: str) -> bool:
        """Whether another key has people of the report of a key, be it readable or not which one."""
        return bool(await self._claim_files(account, key))

    async def _claim_files(self, account: str, key: str) -> list[str]:
        folder = folder_of(account, key)
        return sorted(one.path for one in await self._store.found(folder) if one.path.startswith(f"{folder}/{_NEXT}"))

    def _claimant(self, path: str, content: bytes) -> str:
        try:
            return _KEY.validate_python(content.decode(errors="replace").strip())
        except ValidationError:
            raise PlanLostError(
                f"{self._store.uri_of(path)} names no key. Write into it the key that has those people, or remove it "
                "if none has."
            ) from None

    async def reaches(self, account: str, by: str, key: str, state: str) -> bool | None:
        """Whether the plan of ``by`` is for those whom the report of ``key`` had in this state; None without a plan."""
        plan = await self.get(account, by)
        if plan is None:
            return None
        parts = (plan.audience, *plan.audience.get("of", ()))
        named = [Unreached.model_validate(one) for one in parts if one["kind"] == "report"]
        return any(one.key == key and state in one.states for one in named)

    async def openids_of(self, account: str, batch: Batch) -> tuple[str, ...]:
        """The openids of a batch, as the plan that it names has them."""
        plan = await self._plan_of(account, batch)
        place = plan.batches[batch.number - 1]
        path = f"{folder_of(account, batch.key)}/{plan.snapshot}"
        content = await self._store.get_range(path, place.offset, place.length)
        if content is None:
            raise PlanLostError(f"{self._store.uri_of(path)} is missing. Put it back: batches are sent from it.")
        if hashlib.sha256(content).hexdigest() != place.sha256:
            raise PlanLostError(f"{self._store.uri_of(path)} was changed. Put it back as it was.")
        return tuple(content.decode("ascii").split())

    async def _plan_of(self, account: str, batch: Batch) -> PlanFile:
        """The plan that a batch names. The latest one is kept: its batches come one after the other."""
        named = (account, batch.key, batch.plan)
        where = self.uri_of(account, batch.key)
        plan = self._latest[1] if self._latest is not None and self._latest[0] == named else None
        if plan is None:
            plan = await self.get(account, batch.key)
        if plan is None:
            raise PlanLostError(f"{where} is missing. Put it back: batches are sent by it.")
        same = plan.plan.digest == batch.plan == digest_of(plan.sha256, plan.batches)
        if not same or len(plan.batches) != batch.of or not 1 <= batch.number <= batch.of:
            raise PlanLostError(f"{where} is another plan than the one that the send was started with. Put it back.")
        if plan.batches[batch.number - 1].count != batch.openids:
            raise PlanLostError(f"{where} has another size for batch {batch.number:,}. Put it back as it was.")
        self._latest = (named, plan)
        return plan


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
        self._plans = Plans(store)
        self._digest = hashlib.sha256()

    async def write(self, step: ReportStep, at: datetime) -> Reported:
        """Write it, in place of an earlier one; by the plan of the step, or by its own that stands there.

        What an earlier report has told of a batch stays, where this one knows less: Temporal and the ledger forget. So
        does what another worker has told meanwhile.
        Without a plan of its own in the store there is no report, and its `uri` is empty. So it is where a run ends
        before it has a plan, and the report cannot be written: what was sent before is told all the same.
        """
        found = await self._plan_for(step)
        if found is None:
            return Reported(uri="", sha256="", states={}, at=at)
        told = await self._rows_to_write(step, found, at)
        uri = self._store.uri_of(self._report)
        try:
            async with asyncio.timeout(None if step.plan else _EARLY_SECONDS):
                told = await self._written(found, told)
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

    async def _rows_to_write(self, step: ReportStep, found: PlanFile, at: datetime) -> dict[int, BatchRow]:
        """What the run tells of each batch, over what an earlier report has told.

        All batches are in doubt where the run ends before it knows which of them an earlier one had begun.
        """
        before, rows = await self.rows(), {row.number: row for row in step.rows}
        is_forgotten = found.plan.is_forgotten(at)
        if not step.plan and (step.fresh is None or (is_forgotten and not await self.stands())):
            rows = {number: doubted(number) for number in range(1, len(found.batches) + 1)} | rows
        told = merged(before, rows.values(), None if is_forgotten else step.fresh)
        is_claimed = await self._plans.is_claimed(self._account, self._key)
        return _as_claimed(await self._rows_of_claims(), told) if is_claimed else told

    async def _written(self, found: PlanFile, told: dict[int, BatchRow]) -> dict[int, BatchRow]:
        """What it tells then, with what another worker has told meanwhile."""
        digest = found.plan.digest
        batches = [
            Batch(kind="batch", key=self._key, plan=digest, number=number, of=len(found.batches), openids=place.count)
            for number, place in enumerate(found.batches, 1)
        ]
        for _ in range(_WRITES_MAX):
            await self._store.put(self._rows, self._piece(_ROWS.dump_json(tuple(told.values()))))
            await self._store.put(self._report, self._content(found.plan, batches, told))
            stands = merged((), await self.rows())
            if stands == told:
                break
            told = _both(told, stands)
        return told

    async def rows(self) -> tuple[BatchRow, ...]:
        """How the batches have ended, as the report tells; none where there is no report."""
        self._read_at = elapsed()
        content = await self._store.get(self._rows)
        try:
            return _ROWS.validate_json(content) if content is not None else ()
        except ValidationError:
            raise PlanLostError(f"{self._store.uri_of(self._rows)} cannot be read. Put it back as it was.") from None

    async def _rows_of_claims(self) -> dict[int, BatchRow]:
        """What other keys have gone by. Without that, nobody knows whose people a batch has."""
        if await self._store.get(self._rows) is None:
            raise PlanLostError(f"{self._store.uri_of(self._rows)} is missing. Put it back: others have planned by it.")
        return {row.number: row for row in await self.rows()}

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


def _state(row: BatchRow | None) -> ReportState:
    return "not_submitted" if row is None else row.state


def _as_claimed(before: dict[int, BatchRow], told: dict[int, BatchRow]) -> dict[int, BatchRow]:
    """While other keys have the rest, no batch goes over from one key's people to another's: nothing was sent here."""
    rest = {"failed", "not_submitted"}
    stays = {
        number
        for number in {*before, *told}
        if _state(before.get(number)) in rest
        and (_state(told.get(number)) in rest or (number in told and told[number].is_doubted))
    }
    earlier = {number: before[number] for number in stays if number in before}
    return {number: row for number, row in told.items() if number not in stays} | earlier


def _reported(  # noqa: PLR0913, PLR0917  where it stands comes last
    found: PlanFile, step: ReportStep, told: dict[int, BatchRow], at: datetime, uri: str = "", sha256: str = ""
) -> Reported:
    """What a report tells, with the rows that its run does not know."""
    more = tuple(row for row in told.values() if row not in step.rows)
    return Reported(uri=uri, sha256=sha256, states=_states(found, told), rows=more, at=at)


def _states(found: PlanFile, told: dict[int, BatchRow]) -> dict[ReportState, int]:
    """How many openids are in which state."""
    states = Counter[ReportState]()
    for number, place in enumerate(found.batches, 1):
        states[_state(told.get(number))] += place.count
    return dict(states)


def _both(told: dict[int, BatchRow], stands: dict[int, BatchRow]) -> dict[int, BatchRow]:
    """What two workers tell, of which one slept; what may have been delivered counts, whoever says so."""
    others = (row for row in stands.values() if row.may_have_been_delivered or row.number not in told)
    return merged(told.values(), others)
