"""Notices: what a webhook of the platform engineer's is told of a send or a recall.

``Notify`` tells one notice to one webhook. ``AccountNotices`` shows an account's webhooks, and can test them.

A notice holds plain facts: nothing of the message, no openid, no secret. Fields may be added. A receiver passes over
what it does not know. A notice may come more than once, always with the same ``webhook-id``. Notices may come out of
order.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from qunfa.contract.fields import AccountName, Flag, Model, Moment, Stored
from qunfa.contract.operators import Phase
from qunfa.contract.result import Counts, Outcome

DELIVER_NOTICE: Final = "deliver_notice"

NOTICE_UNDELIVERED: Final = "NoticeUndelivered"
"""Failure type: the receiver has not taken the notice (yet). Of the activity, which Temporal retries; and in the end of
``Notify``, when it has given up."""
NOTICE_UNWANTED: Final = "NoticeUnwanted"
"""Failure type: the receiver has answered 410 Gone, so that this notice is not tried again."""

NOTICE_REFUSED: Final = "NoticeRefused"
"""Failure type: the workflow that ``Notify`` was given is none of this account's, or has not asked for the notice."""

NoticeType = Literal[
    "needs_operator",
    "awaiting_approval",
    "sent",
    "failed",
    "unknown",
    "recalled",
    "recall_failed",
    "refused",
    "terminated",
]
"""What a notice is of.

``sent``: the send has completed (``outcome`` ``sent``, ``sent_nobody``, ``partly_sent`` or ``deleted``). ``unknown``:
it has ended and may have been delivered. ``failed``: it has ended otherwise (``failed``, ``aborted``, ``rejected``,
``expired``).

The last three are read from a run that has closed. ``recall_failed``: a recall has not deleted the pages, or nobody
knows. ``refused``: the request of a send, or of a recall, was invalid. ``terminated``: Temporal has closed a send, or a
recall, without a result of ours.
"""


class WantedNotice(Stored):
    """One webhook of an account, as a send pins it: its name, and which notices it is told. Not where it is."""

    name: str
    events: tuple[str, ...]


class NoticeProblem(Stored):
    """The problem in Qunfa's own words, with WeChat's code, text and rid where it is WeChat that refused."""

    name: str
    sentence: str
    todo: str
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None


class NoticeData(Stored):
    """The facts, as they were when the event happened.

    ``workflow_id`` and ``run_id`` lead to the send, or the recall, in Temporal. ``answers`` are the updates that fit;
    :class:`~qunfa.contract.operators.Status` has them, too. ``answer_by`` is when it is too late for them. ``totals``
    are those of WeChat's pushes. ``article_idx`` (none: all articles) and ``verified`` are a recall's; its ``key`` is
    ``None`` where the job is none of Qunfa's. ``may_have_been_delivered`` and ``msg_ids`` are of all submissions under
    the key; a question of a list names the newest 20, and its end all. It names no batch of an earlier run that it has
    not come to. Of a run that has closed without a result of ours, ``phase`` and ``outcome`` are ``None``.

    ``look_at`` is the command that shows the articles that are to be approved. ``link`` is the workflow's page in
    Temporal's UI, where the worker that tells the notice knows its address.
    """

    account: str
    key: str | None = None
    workflow_id: str
    run_id: str
    msgtype: str | None = None
    requested_by: str | None = None
    phase: Phase | None = None
    outcome: Literal[Outcome, "recalled", "not_recalled"] | None = None
    may_have_been_delivered: bool
    problem: NoticeProblem | None = None
    answers: tuple[str, ...] = ()
    answer_by: datetime | None = None
    msg_ids: tuple[int, ...] = ()
    totals: Counts | None = None
    article_idx: int | None = None
    verified: bool | None = None
    look_at: str | None = None
    link: str | None = None


class Notice(Stored):
    """The body of the webhook's POST. ``timestamp`` is when the event happened, not when it is told.

    The type ``test`` is of nothing: an operator has asked whether the webhook takes it.
    """

    type: NoticeType | Literal["test"]
    timestamp: Moment
    data: NoticeData

    def told_to(self, name: str, webhook_id: str) -> "NotifyRequest":
        """The request that has the account's webhook ``name`` told, by the workflow of which it is."""
        data = self.data
        return NotifyRequest(
            account=data.account,
            name=name,
            webhook_id=webhook_id,
            workflow_id=data.workflow_id,
            run_id=data.run_id,
            notice=self,
        )


def _where_readable(value: Any, read: ValidatorFunctionWrapHandler) -> Notice | None:
    try:
        found: Notice | None = read(value)
    except ValidationError:
        return None
    return found


class NotifyRequest(Stored):
    """Input of ``Notify``, and of its activity ``deliver_notice``: which notice is for the account's webhook ``name``.

    ``workflow_id`` and ``run_id`` name the workflow that asks; the worker reads in its history what is told.
    ``webhook_id`` is the event's: the same on every try, for each of the account's webhooks, and after a reset.

    ``notice`` is how the workflow that asks records what is told. It counts in that workflow's own history, where its
    code has written it; whatever else a starter puts there is not told. It is ``None`` where this version cannot read
    it: a newer one may have written it.
    """

    account: AccountName
    name: str
    webhook_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
    workflow_id: Annotated[str, Field(min_length=1, max_length=1000)]
    run_id: Annotated[str, Field(min_length=1, max_length=100)]
    notice: Annotated[Notice | None, WrapValidator(_where_readable)] = None

    def named(self) -> Self:
        """The request without what its starter says of the notice."""
        return self.model_copy(update={"notice": None})


class NoticeDelivered(Stored):
    """Result of ``Notify``: when the receiver has taken the notice, with which status, at which try."""

    at: datetime
    status: int
    attempt: int


class AccountNoticesRequest(Model):
    """The input of ``AccountNotices``. With ``test`` each webhook is told a notice of the type ``test``, once."""

    account: AccountName
    test: Flag = False


class Webhook(Stored):
    """One of them, as a send would pin it now: its name and what it wants, not where it is.

    ``took_test`` is ``None`` where none was told; ``problem`` says why it was not taken.
    """

    name: str
    events: tuple[str, ...]
    took_test: bool | None = None
    problem: str | None = None


class AccountNoticesResult(Stored):
    """The result of ``AccountNotices``; that a webhook did not take its test is one as well."""

    account: str
    webhooks: tuple[Webhook, ...] = ()
