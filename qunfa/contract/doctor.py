"""What ``qunfa doctor`` prints with ``--json``."""

from datetime import datetime
from typing import Final, Literal

from qunfa.contract.fields import Stored

State = Literal["ok", "warning", "failed", "skipped"]
CheckName = Literal[
    "configuration",
    "temporal",
    "temporal_version",
    "retention",
    "search_attributes",
    "workers",
    "workflow_tasks",
    "clock",
    "account",
    "own_workflow",
    "token",
    "ip_whitelist",
    "quota",
    "worker_clock",
    "callback",
]

GENERAL: Final[tuple[CheckName, ...]] = (
    "configuration",
    "temporal",
    "temporal_version",
    "retention",
    "search_attributes",
    "workers",
    "workflow_tasks",
    "clock",
)
"""The checks that are made once, in the order in which they are shown."""
OF_AN_ACCOUNT: Final[tuple[CheckName, ...]] = (
    "account",
    "own_workflow",
    "token",
    "ip_whitelist",
    "quota",
    "worker_clock",
    "callback",
)
"""The checks that are made of each account."""


class Finding(Stored):
    """What one check found: ``said`` is a sentence, ``todo`` the next step, where there is one.

    ``account`` is ``None`` for the checks that are made once. ``skipped``: it could not be made, or there is nothing to
    check, and ``said`` says why.
    """

    name: CheckName
    account: str | None = None
    state: State
    said: str
    todo: str | None = None


class Diagnosis(Stored):
    """All findings, in the order in which they are shown. ``ok``: none of them has failed."""

    ok: bool
    at: datetime
    task_queue: str | None
    accounts: tuple[str, ...]
    findings: tuple[Finding, ...]
