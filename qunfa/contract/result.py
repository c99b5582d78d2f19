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

from qunfa import states
from qunfa.contract.fields import MSG_ID_MAX, Id64, Moment, Stored

Count = Annotated[int, Field(ge=0, le=MSG_ID_MAX)]

Observer = Literal["push", "poll", "operator", "ledger"]

NOT_DELIVERED: Final = "confirmed as not delivered"
"""The status of a verdict that an operator gave with ``confirm_not_delivered``."""

Outcome = states.Outcome
ShownOutcome = states.ShownOutcome
COMPLETES: frozenset[Outcome] = frozenset({"sent", "sent_nobody", "partly_sent", "deleted"})
"""The outcomes with which the workflow completes; with the others it fails as ``MassSendFailed``."""

REFUSED: Final = "refused"

INVALID_REQUEST = "InvalidRequest"
"""Type of the failure of a workflow whose request was refused."""
MASS_SEND_FAILED = "MassSendFailed"
"""Type of the failure of a workflow that was carried out and ended badly."""
UPDATE_REFUSED: Final = "UpdateRefused"
"""Type of the error of an update that does not fit."""
ASK_AGAIN: Final = "AskAgain"
"""Type of the error of an update for which the run had no time, since it goes on as another."""

JobStateName = Literal[
    "new", "submitting", "refused", "unknown", "accepted", "sent", "sent_nobody", "deleted", "failed"
]


class ArticleCheck(Stored):
    """WeChat's originality check of one article, and the address of the article once it was sent."""

    idx: int
    """The article's place, from 1."""
    url: str | None = None
    """Its address, once it was sent."""
    user_declare_state: int | None = None
    """Whether the account declared it original."""
    audit_state: int | None = None
    """0 not checked, 1 checking, 11 passed, anything else failed."""
    original_url: str | None = None
    """The address of the original."""
    original_article_type: int | None = None
    """1 original, 2 older than the library, 3 news, 4 blocked."""
    can_reprint: bool | None = None
    """Whether it may be sent as a reprint."""
    need_replace_content: bool | None = None
    """Whether its content is replaced by the original's."""
    need_show_reprint_source: bool | None = None
    """Whether its source is shown."""


class Counts(Stored):
    """People, approximately: WeChat counts when a job is *about* to be complete."""

    total: Count = 0
    """The followers in the audience."""
    filter: Count = 0
    """Those left after filtering (refusals, over four messages this month), *not* the number removed."""
    sent: Count = 0
    """Those to whom it was delivered."""
    error: Count = 0
    """Those to whom it could not be delivered."""


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
    problem: str | None = None
    """What a person is asked about, where the worker itself has found that waiting does not help."""


class Verdict(Stored):
    """WeChat's word on an accepted job, or an operator's. ``counts`` is ``None`` unless a push said it."""

    status: str
    observed_by: Observer
    counts: Counts | None = None
    check_state: int | None = None
    articles: tuple[ArticleCheck, ...] = ()


class Job(Stored):
    """A key's job at one generation.

    ``attempts`` counts its tries that may have been written. ``under_way``: the answer to one is awaited.
    ``ever_unknown`` is sticky: once a try may have reached WeChat, only "accepted" settles this generation.
    ``window_started_at``: when the try began from which WeChat remembers the ``clientmsgid``.
    """

    generation: int = 0
    clientmsgid: str
    attempts: int = 0
    under_way: bool = False
    ever_unknown: bool = False
    window_started_at: Moment | None = None
    unanswered: tuple[int, ...] = ()
    """The numbers of the tries that may have been accepted, and that no word of WeChat's settles."""
    vague: bool = False
    """A try got an answer that may stand for an acceptance."""
    repeats: int = 0
    """Answers since the job was last begun or tried again by an operator: the spacing grows with them."""
    token_refusals: int = 0
    confirming: int = 0
    """How many answers say that the administrator has been asked to confirm: each may be another question to them."""
    answer: Answer | None = None
    msg_id: int | None = None
    msg_data_id: int | None = None
    accepted_at: Moment | None = None
    deduplicated: bool = False
    collides_with: int | None = None
    """The msg_id of another job that WeChat returned for this ``clientmsgid``."""
    gave_up: bool = False
    """No verdict came within ``give_up_after``."""
    verdict: Verdict | None = None


class Problem(Stored):
    """Why a person is needed, or why the send failed, with WeChat's evidence."""

    name: str
    """The problem's name, as the operators' guide lists it."""
    sentence: str
    """What happened."""
    todo: str
    """What to do."""
    errcode: int | None = None
    """WeChat's code."""
    errmsg: str | None = None
    """WeChat's words."""
    rid: str | None = None
    """WeChat's id of the call, for its support."""
    articles: tuple[ArticleCheck, ...] = ()
    """WeChat's check of each article."""


class JobResult(Stored):
    """One job at one generation."""

    index: int
    """The number of the job, from 0."""
    generation: int
    """The number of the submission, from 0."""
    clientmsgid: str
    """By which WeChat recognises a repeat."""
    msg_id: int | None = None
    """WeChat's id of the job."""
    msg_data_id: int | None = None
    """WeChat's id of the message, for its statistics."""
    state: JobStateName
    """What became of it."""
    status: str | None = None
    """WeChat's words."""
    check_state: int | None = None
    """0 no check, 1 no reprint, 2 a reprint that may be sent, 3 a reprint that may not."""
    counts: Counts | None = None
    """How many it reached; null where no push told."""
    articles: tuple[ArticleCheck, ...] = ()
    """WeChat's check of each article, and where it stands."""
    observed_by: Observer | None = None
    """Who told the verdict."""
    deduplicated: bool = False
    """Whether WeChat, or the ledger, knew it already."""


class MassSendResult(Stored):
    """The outcome of a mass send."""

    outcome: Outcome
    """How the send has ended."""
    may_have_been_delivered: bool
    """False only where nothing can have been delivered."""
    account: str
    """The account."""
    key: str
    """The caller's key."""
    problem: Problem | None = None
    """Why it ended badly."""
    jobs: tuple[JobResult, ...] = ()
    """WeChat's jobs: one row for each generation, in order. Of a list, one for each batch that was begun, and for each
    generation of it that WeChat has accepted."""
    totals: Counts | None = None
    """How many it reached in all: of several submissions the one that reached most, of a list the sum of its batches.
    Null where no push told of a job that may have reached somebody."""
