"""What the commands know of one mass send: the JSON of `status`, `send` and the commands that answer a problem."""

from datetime import datetime
from typing import Literal

from qunfa.contract.fields import Stored
from qunfa.contract.ledger import FreezeAnswer
from qunfa.contract.operators import Status
from qunfa.contract.result import COMPLETES, MassSendResult

State = Literal["running", "completed", "failed", "canceled", "terminated", "timed_out"]
"""How Temporal sees the workflow."""


class Failure(Stored):
    """The failure with which a workflow closed: its type (`MassSendFailed`, `InvalidRequest` …) and message."""

    type: str | None
    message: str


class Work(Stored):
    """Something that a worker does for a workflow just now, or tries again later: an activity by its name.

    `written` of `size` bytes, where an upload has told. `failure` is why the last attempt failed, where there was one.
    `paused`: somebody has paused the activity in Temporal, so that nobody does it.
    """

    activity: str
    attempt: int = 1
    written: int | None = None
    size: int | None = None
    failure: str | None = None
    paused: bool = False


class SendView(Stored):
    """One mass send.

    `status` is what the workflow says of itself, and `None` where it was not asked or no worker answered. `work` is
    what workers make or look at for it just now. `result` is what it ended with. `note` says what is missing here and
    why.
    """

    workflow_id: str
    run_id: str | None = None
    account: str
    key: str
    state: State
    phase: str | None = None
    status: Status | None = None
    work: tuple[Work, ...] = ()
    result: MassSendResult | None = None
    failure: Failure | None = None
    note: str | None = None
    started_at: datetime | None = None
    closed_at: datetime | None = None
    link: str | None = None

    @property
    def ended_well(self) -> bool:
        """Whether the workflow completed with an outcome that counts as done."""
        return self.state == "completed" and self.result is not None and self.result.outcome in COMPLETES


class SendRow(Stored):
    """One line of `list`, from Temporal's search attributes; no worker is asked for it.

    `outcome` is how the send ended, or `refused`; `None` while it runs, where it did not end by itself, and where it
    ended under a worker that did not tell this yet.
    """

    workflow_id: str
    run_id: str
    account: str | None
    key: str | None
    state: State
    phase: str | None = None
    outcome: str | None = None
    problem: str | None = None
    msgtype: str | None = None
    msg_ids: tuple[str, ...] = ()
    started_at: datetime | None = None
    closed_at: datetime | None = None


class Answered(Stored):
    """What became of one answer among several; `refusal` says why it was not carried out, and is `None` where it was.

    `send` is the send afterwards, as far as it could be read.
    """

    account: str
    key: str
    answer: str
    refusal: str | None = None
    send: SendView | None = None


class Switched(Stored):
    """What became of a freeze or unfreeze of one account among several; `refusal` says why it was not carried out."""

    account: str
    update: str
    appid: str | None = None
    refusal: str | None = None
    answer: FreezeAnswer | None = None
