"""``RecallMassSend``: the pages behind a delivered message go; the card that was delivered stays in every chat.

It is a job's, or one article's of it. It calls ``mass/delete``, which WeChat takes ten times a day. WeChat takes it for
articles (mpnews) and videos (mpvideo) that were sent.
"""

from datetime import datetime
from typing import Annotated, Final, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from qunfa.contract.fields import (
    RULES,
    AccountName,
    Entire,
    Key,
    Model,
    Moment,
    MsgId,
    Name,
    Reason,
    Stored,
    one_of,
    without,
)
from qunfa.contract.ledger import LedgerView, Recalled, Record
from qunfa.contract.operators import WaitingFor
from qunfa.contract.result import Verdict
from qunfa.contract.steps import Pinned

FIND_JOB: Final = "find_job"
SENT_FROM: Final = "sent_from"
LOOK_AT_JOB: Final = "look_at_job"
DELETE_JOB: Final = "delete_job"

RECALL_FAILED: Final = "RecallFailed"
"""Failure type of the workflow: nothing was recalled, or nobody knows. First detail: the :class:`RecallResult`."""
LOOK_REFUSED: Final = "LookRefused"
"""Failure type: WeChat does not let the account ask about its jobs. First detail: ``{errcode, errmsg, rid,
token_endpoint, about}``."""

RECALLABLE: Final = ("mpnews", "mpvideo")
ARTICLES_MAX: Final = 8
ARTICLE_HOST: Final = "mp.weixin.qq.com"
_NAMING: Final = ("__biz", "mid", "idx", "sn")
"""The parameters of a long URL that name an article; the others say how somebody came by it."""


def _article_url(value: str) -> str:
    parts = urlsplit(value)
    whole = parts.scheme in {"http", "https"} and parts.hostname == ARTICLE_HOST and parts.path.startswith("/s")
    if whole and not any(character.isspace() or not character.isprintable() for character in value):
        return value
    raise ValueError(f"must be the address of an article, https://{ARTICLE_HOST}/s…")


ArticleUrl = Annotated[str, Field(strict=True, max_length=1024), AfterValidator(_article_url)]


class RecallRequest(Model):
    """The input of ``RecallMassSend``: a job by its ``msg_id``, or one article by its ``url``.

    ``article_idx`` counts the job's articles from 1; without it, all of them are recalled. ``key``: of the send that
    has made the job. Each appid has msg_ids of its own, and another one may have the account's name by now.
    """

    account: AccountName
    msg_id: MsgId | None = None
    key: Key | None = None
    url: ArticleUrl | None = None
    article_idx: Annotated[int, Field(strict=True, ge=1, le=ARTICLES_MAX)] | None = None
    by: Name
    reason: Reason

    model_config = ConfigDict(
        json_schema_extra={RULES: [one_of("msg_id", "url"), without("article_idx", "url"), without("key", "url")]}
    )

    @model_validator(mode="after")
    def _one_aim(self) -> "RecallRequest":
        if (self.msg_id is None) == (self.url is None):
            raise ValueError("must have either msg_id or url")
        if self.url is not None and self.article_idx is not None:
            raise ValueError("article_idx goes with msg_id: a url is one article's already")
        if self.url is not None and self.key is not None:
            raise ValueError("key goes with msg_id")
        return self


class RecallCall(Stored):
    """One call of ``mass/delete``.

    ``ok``: WeChat says that it is done. ``refused``: an errcode. ``lost``: it may have been carried out, and no answer
    came. ``not_written``: it never left. ``detail`` says for people what happened where no errcode does.
    """

    at: Moment
    answer: Literal["ok", "refused", "lost", "not_written"]
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None
    token_endpoint: bool = False
    detail: str | None = None


class Heard(Stored):
    """What ``mass/get`` said of the job: ``status``, or the errcode of a refusal, or in ``detail`` why it said nothing.

    ``lasting``: a person has to change something before WeChat can be asked. ``after``: how many calls of
    ``mass/delete`` had been made by then; ``looks``: how often it was asked since the last of them.
    """

    at: Moment
    status: str | None = None
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None
    detail: str | None = None
    lasting: bool = False
    after: int = 0
    looks: int = 1


class RecallResult(Stored):
    """The result of ``RecallMassSend``, and the first detail of its failure.

    ``recalled``: WeChat says so; ``verified``: by ``mass/get``, which has no word for one article of several.
    ``not_recalled``: certainly not by this recall. ``unknown``: a call may have been carried out.
    ``key`` and ``msgtype`` are known where the job is one of Qunfa's. ``calls``: each call of ``mass/delete``.
    """

    outcome: Literal["recalled", "not_recalled", "unknown"]
    sentence: str
    account: str
    msg_id: int | None = None
    article_idx: int | None = None
    url: str | None = None
    key: str | None = None
    msgtype: str | None = None
    verified: bool = False
    status: str | None = None
    calls: tuple[RecallCall, ...] = ()
    by: str
    reason: str


class RecallStatus(Stored):
    """Answer of the query ``status``: what a recall does or waits for, and what it has heard so far."""

    phase: Literal["looking", "waiting", "deleting", "verifying", "done"]
    waiting_for: WaitingFor | None = None
    msg_id: int | None = None
    article_idx: int | None = None
    url: str | None = None
    heard: Heard | None = None
    calls: tuple[RecallCall, ...] = ()
    by: str | None = None
    reason: str | None = None
    updated_at: datetime


class FindJobStep(Stored):
    """Input of ``find_job`` → :class:`KnownJob`: what this namespace knows of the job."""

    account: Pinned
    msg_id: int | None = None
    url: str | None = None
    article_idx: int | None = None


class KnownJob(Stored):
    """A job as the account's ledger and its send know it; ``key`` and what follows are ``None`` for one not ours.

    ``msg_id`` and ``article_idx`` are those that a URL was found to stand for. ``articles`` is ``None`` for a draft
    that was sent by its media_id. ``recalled``: the newest recall of just this, as the ledger has noted it.
    """

    msg_id: int | None = None
    article_idx: int | None = None
    key: str | None = None
    digest: str | None = None
    workflow_id: str | None = None
    generation: int = 0
    verdict: Verdict | None = None
    msgtype: str | None = None
    articles: int | None = None
    recalled: Recalled | None = None


class SentFromStep(Stored):
    """Input of ``sent_from`` → :class:`SentFrom`: which account the send of ``key`` had when it made the job."""

    account: Pinned
    key: str
    msg_id: int


class SentFrom(Stored):
    """The account that a send has pinned; ``None`` of what its histories do not tell, or Temporal has forgotten."""

    appid: str | None = None
    base_url: str | None = None


class LookStep(Stored):
    """Input of ``look_at_job`` → :class:`~qunfa.contract.steps.JobStatus`: one ``mass/get``."""

    account: Pinned
    msg_id: int


class AnyDelete(Stored):
    """What a worker reads of the input of ``delete_job`` also where another version has written the rest."""

    account: Pinned


class DeleteStep(AnyDelete, Entire):
    """Input of ``delete_job`` → :class:`RecallCall`: one ``mass/delete``, by msg_id or by url."""

    msg_id: int | None = None
    article_idx: int | None = None
    url: str | None = None


class ArticleAt(Stored):
    """Which article stands at a URL; ``record`` is ``None`` where its send is not one of Qunfa's."""

    msg_id: int
    article_idx: int
    record: Record | None = None


def article_at(view: LedgerView, url: str) -> ArticleAt | None:
    """The article at ``url``, by the pushes that the account's ledger has seen."""
    wanted = _naming(url)
    for record in view.records:
        for job in record.jobs:
            articles = job.verdict.articles if job.verdict else ()
            for one in articles:
                if job.msg_id is not None and one.url and _naming(one.url) == wanted:
                    return ArticleAt(msg_id=job.msg_id, article_idx=one.idx, record=record)
    for kept in view.kept:
        for one in kept.event.articles:
            if one.url and _naming(one.url) == wanted:
                return ArticleAt(msg_id=kept.event.msg_id, article_idx=one.idx)
    return None


def _naming(url: str) -> tuple[str, ...]:
    """What names the article in its URL: not the scheme, not the fragment, not where somebody found it."""
    try:
        parts = urlsplit(url.replace("&amp;", "&"))
    except ValueError:  # a push may hold any text
        return (url,)
    query = parse_qs(parts.query)
    if all(name in query for name in _NAMING):
        return tuple(query[name][0] for name in _NAMING)
    return (parts.path, parts.query if parts.path == "/s" else "")
