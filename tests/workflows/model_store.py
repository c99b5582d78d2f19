"""A model of the store of audiences: a plan of a few small batches, and the reports that were written."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.batches import Batches
from qunfa.contract.batches import (
    AUDIENCE_INVALID,
    PLAN_AUDIENCE,
    PLAN_LOST,
    PLAN_MISSING,
    PLAN_REUSED,
    WRITE_REPORT,
    AudiencePlan,
    PlannedGroup,
    PlanStep,
    Reported,
    ReportState,
    ReportStep,
    merged,
)
from qunfa.contract.steps import ACCOUNT_CHANGED, AUDIENCE_REFUSED
from qunfa.rules.terms import ONE_DRAFT

_GROUPS = (
    PlannedGroup(name="a", openids=5_000, batches=1),
    PlannedGroup(name="b", openids=10_000, batches=1),
    PlannedGroup(name="rest", openids=10_000, batches=1),
)


@dataclass
class ModelStore:
    """Plans an audience as the test says."""

    client: Client
    now: Callable[[], datetime]
    openids: int = 25_000
    batches: int = 3
    wrong: tuple[str, ...] = ()
    errcode: int | None = None
    reused: bool = False
    silent: bool = False
    """No report can be written, and nobody knows what stands there."""
    missing: bool = False
    is_elsewhere: bool = False
    """The account's name stands for another one, so that WeChat cannot be asked."""
    plans: dict[str, AudiencePlan] = field(default_factory=dict)
    reports: list[ReportStep] = field(default_factory=list)
    versions: tuple[str, ...] = ()
    """The digests that the newest plan was asked for with."""

    @activity.defn(name=PLAN_AUDIENCE)
    async def plan_audience(self, step: PlanStep) -> AudiencePlan:
        """The plan of the key: the same each time."""
        self.versions = step.versions
        if self.wrong:
            raise ApplicationError("no audience", list(self.wrong), type=AUDIENCE_INVALID, non_retryable=True)
        if self.is_elsewhere:
            raise ApplicationError("another appid", type=ACCOUNT_CHANGED, non_retryable=True)
        if self.errcode is not None:
            said = {"errcode": self.errcode, "errmsg": "no", "about": "Asking for the followers of tag 2"}
            raise ApplicationError("WeChat refuses", said, type=AUDIENCE_REFUSED, non_retryable=True)
        if self.missing and step.started_at is not None and not step.is_unbegun:
            raise ApplicationError("file:/srv/plan.json is missing.", type=PLAN_MISSING, non_retryable=True)
        if self.reused:
            raise ApplicationError("The store has another plan.", type=PLAN_REUSED, non_retryable=True)
        if step.is_sent_once and self.batches > 1 and step.key not in self.plans:
            problems = [ONE_DRAFT.format(number=self.batches)]
            raise ApplicationError("no audience", problems, type=AUDIENCE_INVALID, non_retryable=True)
        groups = _GROUPS if step.split else ()
        plan = AudiencePlan(
            digest="a" * 64, openids=self.openids, batches=self.batches, taken_at=self.now(), groups=groups
        )
        standing = self.plans.setdefault(step.key, plan)
        return standing.model_copy(update={"is_from_before": standing is not plan})

    @activity.defn(name=WRITE_REPORT)
    async def write_report(self, step: ReportStep) -> Reported:
        if self.silent:
            raise ApplicationError("no plan", type=PLAN_LOST, non_retryable=True)
        if step.key not in self.plans:
            return Reported(uri="", sha256="", states={}, at=self.now())
        self.reports.append(step)
        uri = f"file:/srv/audiences/demo/{step.key}/report.csv.gz"
        plan, states = self.plans[step.key], Counter[ReportState]()
        told = merged((), (row for report in self.reports if report.key == step.key for row in report.rows))
        for number in range(1, plan.batches + 1):
            states[told[number].state if number in told else "not_submitted"] += plan.size(number)
        more = tuple(row for row in told.values() if row not in step.rows)
        return Reported(uri=uri, sha256="b" * 64, states=dict(states), rows=more, at=self.now())

    @property
    def activities(self) -> list[Callable[..., Any]]:
        batches = Batches(self.client)
        return [self.plan_audience, self.write_report, batches.answer_batch, batches.follow_batch, batches.look_back]
