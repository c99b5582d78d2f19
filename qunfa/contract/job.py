"""One WeChat job of a mass send, as it follows from what is known of its key."""

from typing import Final, Literal

from qunfa.contract.event import ArticleCheck, Counts
from qunfa.contract.fields import Id64, Moment, Stored

Observer = Literal["push", "poll", "operator", "ledger"]

NOT_DELIVERED: Final = "confirmed as not delivered"
"""The status of a verdict that an operator gave with ``confirm_not_delivered``."""


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
