"""What operators see of a send while it runs, and the updates by which they and others answer.

The query ``status`` of ``MassSend`` answers with a :class:`Status`, and so does every update of it. ``freeze``,
``unfreeze``, ``forget`` and ``caught_up`` are updates of ``Account``, ``restored`` is a signal. ``by`` is what the
caller says it is.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from qunfa import states
from qunfa.contract.audience import Version
from qunfa.contract.fields import Entire, Key, MsgId, Name, Reason, Stored, Time
from qunfa.contract.request import Previewed
from qunfa.contract.result import JobResult, Problem

Phase = states.Phase
Held = Literal["account_frozen", "quota_exhausted"]
"""What holds back a send that is ``scheduled``, and is no problem that a person is asked about.

``MassSendProblem`` says it, so that such sends are listed and found.
"""


FROZEN_BY: Final = "frozen by "
"""So begins what a send waits for that a freeze holds back; who, and why, comes next."""


class WaitingFor(Stored):
    """What a send waits for."""

    reason: str
    """What is waited for, in words."""
    until: datetime | None = None
    """How long at most."""


class StoryLine(Stored):
    """One line of a send's story."""

    at: datetime
    """When it happened."""
    what: str
    """What happened."""
    by: str | None = None
    """Who did it; null for what the workflow did itself."""
    reason: str | None = None
    """Why."""


class Progress(Stored):
    """How far a send is."""

    jobs: int = 1
    """WeChat's jobs in all."""
    accepted: int = 0
    """Those that WeChat has accepted."""
    done: int = 0
    """Those that have a verdict."""
    followers: int | None = None
    """Those reached so far; null where no push told of a job that may have reached somebody."""
    openids: int | None = None
    """Of a send in batches: how many openids its plan has. Its jobs are its batches."""
    ends_at: datetime | None = None
    """Of a send in batches: when it will be through, by an estimate."""


class Approval(Stored):
    """Whether a person has to approve the send, and who did."""

    required: bool = False
    """Whether a person has to approve."""
    by: str | None = None
    """Who has approved."""
    at: datetime | None = None
    """When."""
    shows: tuple[str, ...] = ()
    """What will go out and to whom, in lines."""


class Status(Stored):
    """Where a send stands."""

    phase: Phase
    """Where the send stands."""
    problem: Problem | None = None
    """What a person is asked about, or why it failed."""
    batch: int | None = None
    """The number of the batch that a person is asked about."""
    answers: tuple[str, ...] = ()
    """The updates that fit now."""
    jobs: tuple[JobResult, ...] = ()
    """WeChat's jobs: one row for each generation."""
    progress: Progress = Progress()
    """How far it is."""
    waiting_for: WaitingFor | None = None
    """What it waits for."""
    previews: tuple[Previewed, ...] = ()
    """What became of each preview."""
    approval: Approval = Approval()
    """Whether a person has to approve, and who did."""
    paused_by: str | None = None
    """Who has paused it."""
    list_paused_by: str | None = None
    """Of a batch: who has paused its list, which holds the batch back, too."""
    send_at: datetime | None = None
    """When it is to go out."""
    history: tuple[StoryLine, ...] = ()
    """Who did what, and why."""
    updated_at: datetime
    """When this was so."""


class Retry(Entire):
    """Try again. ``send_ignore_reprint`` answers a reprint; ``confirm_not_delivered`` an unknown outcome."""

    by: Name
    """Who answers."""
    reason: Reason
    """Why."""
    send_ignore_reprint: Annotated[bool, Field(strict=True)] = False
    """Whether it is sent although WeChat judges it a reprint."""
    confirm_not_delivered: Annotated[bool, Field(strict=True)] = False
    """Whether somebody has looked into WeChat's console, and nothing of it is there."""


class MarkSent(Entire):
    """The job was found in WeChat's console under ``msg_id``."""

    by: Name
    """Who answers."""
    reason: Reason
    """Why."""
    msg_id: MsgId
    """The job's msg_id in WeChat's console."""


class Abort(Entire):
    """End the send. ``confirm_not_delivered`` says that nothing of it is in WeChat's console: it ends as aborted."""

    by: Name
    """Who answers."""
    reason: Reason
    """Why."""
    confirm_not_delivered: Annotated[bool, Field(strict=True)] = False
    """Whether somebody has looked into WeChat's console, and nothing of it is there."""


class Approve(Entire):
    """The send may go out as it is shown. ``by`` is somebody else than who asked for it."""

    by: Name
    """Who approves."""
    reason: Reason | None = None
    """Why."""


class Reject(Entire):
    """The send is not to go out."""

    by: Name
    """Who rejects."""
    reason: Reason | None = None
    """Why."""


class Pause(Entire):
    """Nothing more of the send is submitted for now."""

    by: Name
    """Who pauses it."""
    reason: Reason | None = None
    """Why."""


class Resume(Entire):
    """The send goes on where it stood."""

    by: Name
    """Who lets it go on."""
    reason: Reason | None = None
    """Why."""


class Reschedule(Entire):
    """Not before ``send_at``; a time in the past means now."""

    by: Name
    """Who moves it."""
    send_at: Time
    """When it is to go out."""


class Choose(Entire):
    """The rest of a split test gets the message of this group."""

    by: Name
    """Who chooses."""
    winner: Version
    """The group whose message the rest gets."""
    reason: Reason | None = None
    """Why."""


class Freeze(Entire):
    """Nothing more of the account is submitted, whoever asks."""

    by: Name
    reason: Reason


class Unfreeze(Entire):
    """Submissions of the account go on."""

    by: Name
    reason: Reason | None = None


class Forget(Entire):
    """The account's ledger forgets what it knows of ``key``: who asks vouches that nothing of it is open."""

    by: Name
    reason: Reason
    key: Key


class Restore(Entire, extra="ignore"):
    """Temporal's database was restored from a snapshot ``taken`` then: what was submitted since is forgotten.

    Open: it comes by a signal, and nobody would hear that it was dropped for a field of a newer version.
    """

    by: Name
    reason: Reason
    taken: Time


class CaughtUp(Entire):
    """All that was forgotten was started again: a key that comes up from now on is a new one."""

    by: Name
    reason: Reason | None = None
