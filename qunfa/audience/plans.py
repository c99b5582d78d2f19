"""Plans in the store: what stands there, how it is put there once, and how a batch is found in it again.

| below ``audiences/<account>/<key>/`` | what |
|---|---|
| ``openids-<digest>.txt`` | the snapshot: sorted, each openid once, one a line |
| ``plan.json`` | the plan, written last and once: who comes second gets the first one's |
| ``report.csv.gz`` | how it has ended |
| ``rows.json`` | it has ended, and its report was written: how each batch of that has ended |
| ``next-<state>`` | which key reaches those of its report in this state: nothing more goes out under this one |
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from qunfa.audience.jobs import BatchPlace
from qunfa.audience.store import Store, StoreUnavailable
from qunfa.contract.audience import Audience, Batch, Split, Unreached
from qunfa.contract.batches import AudiencePlan, PlanStep, ReportState, ReportStep
from qunfa.contract.content import in_order
from qunfa.contract.fields import Carried, Key, NewerError
from qunfa.contract.ids import is_same_wechat
from qunfa.contract.steps import Pinned

AUDIENCES: Final = "audiences"
PLAN: Final = "plan.json"
REPORT: Final = "report.csv.gz"
ROWS: Final = "rows.json"
REST: Final[tuple[ReportState, ...]] = ("failed", "not_submitted")
"""In these states of a report its people may go over to another key."""
_NEXT: Final = "next-"
_OF_A_PLACE: Final = {"offset", "length", "count", "sha256"}
_DOTS: Final = {".": "%2E", "..": "%2E%2E"}
_KEY: Final = TypeAdapter[str](Key)


class PlanFile(Carried):
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

    def is_of(self, account: Pinned) -> bool:
        """Whether it was made for that WeChat, as far as is known: a rehearsal has the account's name, too."""
        made_for = self.account or account
        is_here = is_same_wechat(made_for.base_url, account.base_url)
        return is_here and (made_for.name, made_for.appid) == (account.name, account.appid)


def as_planned(audience: Audience) -> dict[str, Any]:
    """An audience as a plan has it: no order of it counts."""
    return in_order(audience.model_dump(mode="json", exclude_defaults=True))


class PlanLostError(Exception):
    """The store has no such plan, or not as it was made. The message says in whole sentences what, and what to do."""


class PlanNewerError(StoreUnavailable):
    """A newer version has written the plan: a worker of that one can go on."""


def folder_of(account: str, key: str) -> str:
    """Where a send in batches has its files. The keys ``.`` and ``..`` are no folder's names."""
    return f"{AUDIENCES}/{account}/{_DOTS.get(key, key)}"


def _claim_of(account: str, key: str, state: ReportState) -> str:
    return f"{folder_of(account, key)}/{_NEXT}{state}"


def snapshot_name(sha256: str) -> str:
    """The snapshot's name: two that differ never stand in each other's place."""
    return f"openids-{sha256[:16]}.txt"


def digest_of(sha256: str, batches: tuple[BatchPlace, ...]) -> str:
    """The digest of a plan: of its snapshot and its batches. So it is the same wherever it is made.

    Its fields are named: with one more, a plan that stands would be taken for another one.
    """
    told = {"snapshot": sha256, "batches": [batch.model_dump(include=_OF_A_PLACE) for batch in batches]}
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
        except NewerError:
            raise PlanNewerError(
                f"{self._store.uri_of(path)} was written by a newer version. Upgrade this worker, too."
            ) from None
        except ValidationError:
            raise PlanLostError(f"{self._store.uri_of(path)} is no plan. Put it back as it was.") from None

    async def is_of_another(self, account: Pinned, key: str) -> bool:
        """Whether the plan of a key is known to be for another WeChat of that name."""
        plan = await self.get(account.name, key)
        return plan is not None and not plan.is_of(account)

    async def put(self, account: str, key: str, plan: PlanFile, snapshot: Path) -> PlanFile:
        """Put a plan there, or get the one that somebody has put there before."""
        folder = folder_of(account, key)
        await self._store.put(f"{folder}/{plan.snapshot}", snapshot)
        if await self._store.create(f"{folder}/{PLAN}", plan.model_dump_json().encode()):
            return plan
        first = await self.get(account, key)
        if first is None:
            raise self._unseen(f"{folder}/{PLAN}")
        if first.snapshot != plan.snapshot:
            await self._store.remove(f"{folder}/{plan.snapshot}")
        return first

    async def claim(self, account: str, key: str, state: ReportState, by: str) -> str:
        """Have nothing more go out under a key: those in this state are for whoever claims them first, which is told.

        The file itself says who that is: a list of the folder may be behind.
        """
        path = _claim_of(account, key, state)
        await self._store.create(path, by.encode())
        content = await self._store.get(path)
        if content is None:
            raise self._unseen(path)
        return self._claimant(path, content)

    def _unseen(self, path: str) -> StoreUnavailable:
        """A bucket that is busy may write nothing, and one that heals may show it late."""
        where = self._store.uri_of(path)
        return StoreUnavailable(f"{where} was not written, or is not to be seen yet. It is tried again.")

    def uri_of_claim(self, account: str, key: str, state: ReportState) -> str:
        """Where it stands which key has those in this state."""
        return self._store.uri_of(_claim_of(account, key, state))

    async def claims(self, account: str, key: str) -> dict[ReportState, str]:
        """By the states in the report of a key, which key has those people."""
        found = await self._claim_files(account, key)
        return {state: self._claimant(_claim_of(account, key, state), content) for state, content in found.items()}

    async def is_claimed(self, account: str, key: str) -> bool:
        """Whether another key has people of the report of a key, be it readable or not which one."""
        return bool(await self._claim_files(account, key))

    async def _claim_files(self, account: str, key: str) -> dict[ReportState, bytes]:
        files = {state: await self._store.get(_claim_of(account, key, state)) for state in REST}
        return {state: content for state, content in files.items() if content is not None}

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
        another = f"{where} is another plan than the one that the send was started with. Put it back."
        if self._latest is None or self._latest[0] != named:
            plan = await self.get(account, batch.key)
            if plan is None:
                raise PlanLostError(f"{where} is missing. Put it back: batches are sent by it.")
            if not plan.plan.digest == batch.plan == digest_of(plan.sha256, plan.batches):
                raise PlanLostError(another)
            self._latest = named, plan
        plan = self._latest[1]
        if len(plan.batches) != batch.of or not 1 <= batch.number <= batch.of:
            raise PlanLostError(another)
        if plan.batches[batch.number - 1].count != batch.openids:
            raise PlanLostError(f"{where} has another size for batch {batch.number:,}. Put it back as it was.")
        return plan
