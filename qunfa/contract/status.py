"""What the query ``status`` of ``MassSend`` answers, and every update with it."""

from datetime import datetime
from typing import Literal

from qunfa.contract.fields import Stored
from qunfa.contract.preview import Previewed
from qunfa.contract.result import JobResult, Problem

Phase = Literal[
    "preparing",
    "previewing",
    "awaiting_approval",
    "scheduled",
    "submitting",
    "awaiting_result",
    "paused",
    "needs_operator",
    "done",
]


class WaitingFor(Stored):
    """What a send waits for, and until when at most."""

    reason: str
    until: datetime | None = None


class StoryLine(Stored):
    """Who did what and why; ``by`` is ``None`` for what the workflow did itself."""

    at: datetime
    what: str
    by: str | None = None
    reason: str | None = None


class Progress(Stored):
    """Jobs in all, accepted by WeChat, and with a verdict; followers reached so far, as far as pushes told."""

    jobs: int = 1
    accepted: int = 0
    done: int = 0
    followers: int | None = None


class Approval(Stored):
    """Whether a person has to approve the send, and who did. ``shows`` says in lines what will go out, and to whom."""

    required: bool = False
    by: str | None = None
    at: datetime | None = None
    shows: tuple[str, ...] = ()


class Status(Stored):
    """Where a send stands. ``answers`` names the updates that fit now."""

    phase: Phase
    problem: Problem | None = None
    answers: tuple[str, ...] = ()
    jobs: tuple[JobResult, ...] = ()
    progress: Progress = Progress()
    waiting_for: WaitingFor | None = None
    previews: tuple[Previewed, ...] = ()
    approval: Approval = Approval()
    paused_by: str | None = None
    send_at: datetime | None = None
    history: tuple[StoryLine, ...] = ()
    updated_at: datetime
