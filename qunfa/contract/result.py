"""What ``MassSend`` returns, and carries as the first detail of its failure."""

from typing import Final, Literal

from qunfa.contract.event import ArticleCheck, Counts
from qunfa.contract.fields import Stored
from qunfa.contract.job import Observer

Outcome = Literal[
    "sent", "sent_nobody", "partly_sent", "deleted", "unknown", "failed", "aborted", "rejected", "expired"
]
COMPLETES: frozenset[Outcome] = frozenset({"sent", "sent_nobody", "partly_sent", "deleted"})
"""The outcomes with which the workflow completes; with the others it fails as ``MassSendFailed``."""

REFUSED: Final = "refused"
ShownOutcome = Literal[Outcome, "refused"]
"""What the search attribute ``MassSendOutcome`` says of a send that has ended: its outcome, or that its request was
refused."""

INVALID_REQUEST = "InvalidRequest"
"""Type of the failure of a workflow whose request was refused."""
MASS_SEND_FAILED = "MassSendFailed"
"""Type of the failure of a workflow that was carried out and ended badly."""

JobStateName = Literal[
    "new", "submitting", "refused", "unknown", "accepted", "sent", "sent_nobody", "deleted", "failed"
]


class Problem(Stored):
    """Why a person is needed, or why the send failed.

    ``sentence`` says what happened, ``todo`` what to do; ``errcode``, ``errmsg`` and ``rid`` are WeChat's evidence.
    """

    name: str
    sentence: str
    todo: str
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None
    articles: tuple[ArticleCheck, ...] = ()


class JobResult(Stored):
    """One job at one generation."""

    index: int
    generation: int
    clientmsgid: str
    msg_id: int | None = None
    msg_data_id: int | None = None
    state: JobStateName
    status: str | None = None
    check_state: int | None = None
    counts: Counts | None = None
    articles: tuple[ArticleCheck, ...] = ()
    observed_by: Observer | None = None
    deduplicated: bool = False


class MassSendResult(Stored):
    """The outcome of a mass send. ``may_have_been_delivered`` is false only where nothing can have been."""

    outcome: Outcome
    may_have_been_delivered: bool
    account: str
    key: str
    problem: Problem | None = None
    jobs: tuple[JobResult, ...] = ()
    totals: Counts | None = None
