"""What becomes of a send: WeChat's event on each job, the job, and the result.

| what | is |
|---|---|
| :class:`JobFinished` | the event ``MASSSENDJOBFINISH``, as the receiver hands it on |
| :class:`Job` | one job of a send, as it follows from what is known of its key |
| :class:`MassSendResult` | what ``MassSend`` returns, and the first detail of its failure |

The event is the payload of ``Account``'s signal ``push`` and of ``MassSend``'s signal ``job_finished``.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from qunfa.contract.fields import MSG_ID_MAX, Id64, Moment, Stored

Count = Annotated[int, Field(ge=0, le=MSG_ID_MAX)]

Observer = Literal["push", "poll", "operator", "ledger"]

NOT_DELIVERED: Final = "confirmed as not delivered"
"""The status of a verdict that an operator gave with ``confirm_not_delivered``."""

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
UPDATE_REFUSED: Final = "UpdateRefused"
"""Type of the error of an update that does not fit."""
ASK_AGAIN: Final = "AskAgain"
"""Type of the error of an update that the run had no time for, since it goes on as another one."""

JobStateName = Literal[
    "new", "submitting", "refused", "unknown", "accepted", "sent", "sent_nobody", "deleted", "failed"
]


class ArticleCheck(Stored):
    """WeChat's originality check of one article, and the address of the article once it was sent.

    ``audit_state``: 0 not checked, 1 checking, 11 passed, anything else failed. ``original_article_type``: 1 original,
    2 older than the library, 3 news, 4 blocked.
    """

    idx: int
    url: str | None = None
    user_declare_state: int | None = None
    audit_state: int | None = None
    original_url: str | None = None
    original_article_type: int | None = None
    can_reprint: bool | None = None
    need_replace_content: bool | None = None
    need_show_reprint_source: bool | None = None


class Counts(Stored):
    """People, approximately: WeChat counts when a job is *about* to be complete.

    ``total``: followers in the audience. ``filter``: left after filtering (refusals, over four messages this month):
    the people to be sent to, *not* the number removed. ``sent`` and ``error``: delivered and failed.
    """

    total: Count = 0
    filter: Count = 0
    sent: Count = 0
    error: Count = 0


class JobFinished(Stored):
    """One ``MASSSENDJOBFINISH``.

    ``status`` is WeChat's text as it came (``send success``, ``sendsuccess``, ``err(30003)`` …). ``check_state``: 0 no
    check, 1 no reprint, 2 a reprint that may be sent, 3 a reprint that may not. ``counts`` is ``None`` when the event
    holds none. ``extra`` is what the event holds besides, or holds in a form that could not be read: text by place
    (``ArticleUrlResult/ResultList/item[2]/Unheard``), shortened where it is long.
    """

    msg_id: Annotated[int, Field(ge=1, le=MSG_ID_MAX)]
    status: str
    counts: Counts | None = None
    check_state: int | None = None
    articles: tuple[ArticleCheck, ...] = ()
    create_time: int | None = None
    to_user_name: str | None = None
    extra: dict[str, str] = Field(default_factory=dict)


class Answer(Stored):
    """What came of one try to submit.

    ``accepted``: WeChat took the job. ``duplicate``: 45065, it had taken it before. ``refused``: an errcode.
    ``unknown``: the request may have been written, and no word of WeChat's says what became of it.
    ``not_written``: nothing left this machine, so it was no try. ``unused``: its lease was given back before.
    """

    kind: Literal["accepted", "duplicate", "refused", "unknown", "not_written", "unused"]
    at: Moment
    errcode: Id64 | None = None
    errmsg: str | None = None
    rid: str | None = None
    msg_id: Id64 | None = None
    msg_data_id: Id64 | None = None
    detail: str | None = None
    """For people: what happened where no errcode says it."""
    token_endpoint: bool = False
    """What refused came before the submission, which was not written: the token endpoint, or the worker itself."""
    at_once: bool = False
    """Nothing but its lease was missing: the next try need not be spaced."""
    told: bool = True
    """The account's ledger has been told."""


class Verdict(Stored):
    """WeChat's word on an accepted job, or an operator's. ``counts`` is ``None`` unless a push said it."""

    status: str
    observed_by: Observer
    counts: Counts | None = None
    check_state: int | None = None
    articles: tuple[ArticleCheck, ...] = ()


class Job(Stored):
    """One job at one generation.

    ``attempts`` counts leases taken. ``ever_unknown`` is sticky: once a try may have reached WeChat, only "accepted"
    settles this generation. ``window_started_at``: when the try began from which WeChat remembers the ``clientmsgid``.
    """

    index: int = 0
    generation: int = 0
    clientmsgid: str
    attempts: int = 0
    ever_unknown: bool = False
    window_started_at: Moment | None = None
    unanswered: tuple[int, ...] = ()
    """The numbers of the tries that may have been written, and of which no word of WeChat's came."""
    vague: bool = False
    """A try got an answer that may stand for an acceptance."""
    repeats: int = 0
    """Answers since the job was last begun or tried again by an operator: the spacing grows with them."""
    token_refusals: int = 0
    answer: Answer | None = None
    msg_id: int | None = None
    msg_data_id: int | None = None
    accepted_at: Moment | None = None
    deduplicated: bool = False
    collides_with: int | None = None
    """The msg_id of another job that WeChat returned for this ``clientmsgid``."""
    overruled: bool = False
    """WeChat was found to have accepted it after an operator had confirmed it as not delivered."""
    gave_up: bool = False
    """No verdict came within ``give_up_after``."""
    verdict: Verdict | None = None


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
