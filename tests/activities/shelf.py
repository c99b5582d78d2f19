"""Files of openids, and a store beside them, for the activities of audiences."""

import gzip
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
from temporalio.testing import ActivityEnvironment

from activities.accounts import Accounts
from activities.attempts import Clock
from activities.audiences import Audiences
from activities.earlier_runs import NewestRun, VisibleRuns
from qunfa.account.show import answer_of
from qunfa.account.state import AccountState, Record
from qunfa.audience.store import Store
from qunfa.contract.audience import Batch
from qunfa.contract.batches import AudiencePlan, BatchRow, PlanStep, Reported, ReportStep
from qunfa.contract.facts import Known
from qunfa.contract.request import MassSendRequest
from qunfa.contract.steps import LedgerQuestion, LookUpStep, Pinned, Remembered
from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Sources
from tests.activities.conftest import APPID, activity_info, attempt, settings_for

WECHAT = "http://127.0.0.1:9"
"""Where nobody listens: files and reports need no WeChat."""
PINNED = Pinned(name="demo", appid=APPID, base_url=WECHAT)
MANY = tuple(f"oMany{number:06d}" for number in range(25_000))


@dataclass
class Shelf(VisibleRuns):
    """A folder with files, and a store beside it."""

    http: httpx.AsyncClient
    path: Path
    wechat: str = WECHAT
    clock: Clock | None = None
    hosts: tuple[str, ...] = ()
    """Where lists may be read from, too."""
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    completed: set[str] = field(default_factory=set)
    """Ids of which Temporal has a run that has completed."""
    newest_runs: dict[str, list[NewestRun]] = field(default_factory=dict)
    """By the id of a workflow, what Temporal tells of its newest run: each time the next one, the last for ever."""
    reached: dict[str, set[int]] = field(default_factory=dict)
    """By the id of a send, its batches whose newest run may have reached people."""
    requests: dict[str, MassSendRequest] = field(default_factory=dict)
    """By the id of a workflow, what its newest run was asked to send."""
    ledger: AccountState | None = None
    """What the account knows; nothing where there is none."""

    def __post_init__(self) -> None:
        (self.path / "lists").mkdir()

    @property
    def audiences(self) -> Audiences:
        """As a worker has them: one of its own each time."""
        return self.with_store(Store((self.path / "store").as_uri(), self.policy))

    @property
    def policy(self) -> SourcePolicy:
        return SourcePolicy(roots=(self.path / "lists",), hosts=self.hosts, size_max=1 << 26)

    def with_store(self, store: Store) -> Audiences:
        accounts = Accounts(settings_for(self.wechat), self.http)
        return Audiences(accounts, Sources(self.policy), store, self, self.known, self.clock)

    async def known(self, step: LookUpStep) -> Remembered:
        """As the account answers, of which nobody else knows more."""
        if self.ledger is None:
            return Remembered()
        question = LedgerQuestion(key=step.key, started_at=step.started_at, with_batches=step.with_batches)
        _, answer = answer_of(self.ledger, question, datetime.now(UTC))
        return Remembered(**dict(answer.known or Known()), reaching=answer.reaching)

    def knowing(self, key: str, known: Known) -> AccountState:
        """An account that knows so much of a key."""
        now = datetime.now(UTC)
        record = Record(key=key, digest="d", workflow_id=f"mass-send:demo:{key}", known=known, touched_at=now)
        return AccountState(appid="wx", since=now, records={key: record})

    async def was_sent(self, workflow_id: str, _current_run_id: str) -> bool:
        return workflow_id in self.completed

    async def newest(self, workflow_id: str) -> NewestRun | None:
        told = self.newest_runs.get(workflow_id, [])
        return told.pop(0) if len(told) > 1 else next(iter(told), None)

    async def reaching(self, workflow_id: str) -> frozenset[int]:
        return frozenset(self.reached.get(workflow_id, ()))

    async def asked_of(self, workflow_id: str, _whole: str) -> MassSendRequest | None:
        return self.requests.get(workflow_id)

    @property
    def pinned(self) -> Pinned:
        return Pinned(name="demo", appid=APPID, base_url=self.wechat)

    async def people(self, key: str) -> set[str]:
        [snapshot] = (self.path / "store" / "audiences" / "demo" / key).glob("openids-*.txt")
        return set(snapshot.read_text().split())

    def put(self, name: str, content: bytes | tuple[str, ...]) -> dict[str, Any]:
        path = self.path / "lists" / name
        path.write_bytes(content if isinstance(content, bytes) else "".join(f"{one}\n" for one in content).encode())
        return {"kind": "openid_file", "uri": path.as_uri()}

    async def plan(
        self,
        audience: dict[str, Any],
        key: str = "spring",
        *,
        by: Audiences | None = None,
        beats: list[tuple[Any, ...]] | None = None,
        heartbeat_details: tuple[Any, ...] = (),
        heartbeat_timeout: timedelta | None = None,
        scheduled_at: datetime | None = None,
        attempt: int = 1,
        **more: Any,
    ) -> AudiencePlan:
        """One attempt to plan; `beats` are its heartbeats, and `heartbeat_details` those of the one before.

        `scheduled_at`: of the first attempt; else a moment after all that was done before.
        """
        self.asked.setdefault(key, audience)
        step = PlanStep.model_validate(
            {"account": self.pinned, "key": key, "audience": audience, "content": "c" * 64, **more}
        )
        environment = ActivityEnvironment()
        later = (self.clock.now() if self.clock else datetime.now(UTC)) + timedelta(microseconds=1)
        environment.info = activity_info(
            heartbeat_details=heartbeat_details,
            heartbeat_timeout=heartbeat_timeout,
            attempt=attempt,
            scheduled_time=scheduled_at or later,
        )
        environment.on_heartbeat = lambda *details: beats.append(details) if beats is not None else None
        return await environment.run((by or self.audiences).plan_audience, step)

    async def batches(self, plan: AudiencePlan, key: str = "spring") -> list[tuple[str, ...]]:
        audiences = self.audiences
        return [
            await audiences.openids_of("demo", batch_of(plan, number, key)) for number in range(1, plan.batches + 1)
        ]

    async def report(self, plan: AudiencePlan | None, *rows: BatchRow, key: str = "spring") -> list[list[str]]:
        reported = await self.reported(plan, *rows, key=key)
        content = at(reported.uri).read_bytes()
        assert sha256(content).hexdigest() == reported.sha256
        return [line.split(",") for line in gzip.decompress(content).decode().splitlines()]

    async def reported(
        self,
        plan: AudiencePlan | None,
        *rows: BatchRow,
        key: str = "spring",
        by: Audiences | None = None,
        number: int = 1,
        **more: Any,
    ) -> Reported:
        """What comes of attempt `number` to write it for the audience that was planned first; `more`: of the step."""
        own = {"account": self.pinned, "key": key, "plan": plan.digest if plan else "", "rows": rows}
        own["fresh"] = max((one.number for one in rows), default=0) + 1
        step = ReportStep.model_validate({"audience": self.asked[key], "content": "c" * 64, **own, **more})
        now = self.clock.now() if self.clock else datetime.now(UTC)
        return await attempt((by or self.audiences).write_report, step, attempt=number, started_time=now)

    @property
    def stored(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.path / "store")) for path in (self.path / "store").rglob("*") if path.is_file()
        )


def at(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))


def batch_of(plan: AudiencePlan, number: int, key: str = "spring", /, **more: Any) -> Batch:
    """One batch of a plan, as its send names it."""
    fields = {"plan": plan.digest, "number": number, "of": plan.batches, "openids": plan.size(number), **more}
    return Batch.model_validate({"kind": "batch", "key": key, **fields})
