"""What operators see of a send while it runs, and the updates by which they and others answer.

The query ``status`` of ``MassSend`` answers with a :class:`Status`, and so does every update of it. ``freeze``,
``unfreeze`` and ``forget`` are updates of ``Account``. ``by`` is what the caller says it is.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from qunfa.contract.fields import Key, Model, MsgId, Name, Reason, Stored, Time
from qunfa.contract.request import Previewed
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


class Retry(Model):
    """Try again. ``send_ignore_reprint`` answers a reprint; ``confirm_not_delivered`` an unknown outcome."""

    by: Name
    reason: Reason
    send_ignore_reprint: Annotated[bool, Field(strict=True)] = False
    confirm_not_delivered: Annotated[bool, Field(strict=True)] = False


class MarkSent(Model):
    """The job was found in WeChat's console under ``msg_id``."""

    by: Name
    reason: Reason
    msg_id: MsgId


class Abort(Model):
    """End the send. ``confirm_not_delivered`` says that nothing of it is in WeChat's console: it ends as aborted."""

    by: Name
    reason: Reason
    confirm_not_delivered: Annotated[bool, Field(strict=True)] = False


class Approve(Model):
    """The send may go out as it is shown. ``by`` is somebody else than who asked for it."""

    by: Name
    reason: Reason | None = None


class Reject(Model):
    """The send is not to go out."""

    by: Name
    reason: Reason | None = None


class Pause(Model):
    """Nothing more of the send is submitted for now."""

    by: Name
    reason: Reason | None = None


class Resume(Model):
    """The send goes on where it stood."""

    by: Name
    reason: Reason | None = None


class Reschedule(Model):
    """Not before ``send_at``; a time in the past means now."""

    by: Name
    send_at: Time


class Freeze(Model):
    """Nothing more of the account is submitted, whoever asks."""

    by: Name
    reason: Reason


class Unfreeze(Model):
    """Submissions of the account go on."""

    by: Name
    reason: Reason | None = None


class Forget(Model):
    """The account's ledger forgets what it knows of ``key``: who asks vouches that nothing of it is open."""

    by: Name
    reason: Reason
    key: Key
