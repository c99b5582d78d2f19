"""WeChat's word on a finished job: the event ``MASSSENDJOBFINISH`` as the receiver hands it on.

This is the payload of ``Account``'s signal ``push`` and of ``MassSend``'s signal ``job_finished``.
"""

from typing import Annotated

from pydantic import Field

from qunfa.contract.fields import MSG_ID_MAX, Stored

Count = Annotated[int, Field(ge=0, le=MSG_ID_MAX)]


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
