"""Looks that change nothing: at a request, at an account, at its callback, and at the whole installation.

| what is asked | by whom | the answer |
|---|---|---|
| what would be sent, and what stands against it | ``CheckMassSend`` | :class:`CheckResult` |
| whether the workers can work with an account | ``CheckAccount`` | :class:`CheckAccountResult` |
| what WeChat sees of an account's callback | ``CheckCallback`` | :class:`CallbackCheckResult` |
| whether all of it is in order | ``qunfa doctor --json`` | :class:`Diagnosis` |
| pictures of articles, as people may see them before a send | ``ShowPictures`` | :class:`ShowPicturesResult` |

``CheckAccount`` asks WeChat for an access token, unless a classic one is still good. It calls ``openapi/quota/get``
once for each of :data:`CALLS`. The clock is read from the answer to a ``HEAD`` of WeChat's root. That is no call of
the API.
"""

from datetime import datetime
from typing import Annotated, Final, Literal, get_args

from pydantic import Field

from qunfa.contract.batches import AudiencePlan
from qunfa.contract.fields import MSG_ID_MAX, AccountName, Model, Stored
from qunfa.contract.ledger import Frozen
from qunfa.contract.limits import Allowance, CallsLeft
from qunfa.contract.message import Digest, MediaSource, NewsVia, Source
from qunfa.contract.prospect import ApprovalSeen, FreezeSeen, KeySeen, QuotaSeen
from qunfa.contract.steps import Pinned

CHECK_TOKEN: Final = "check_token"  # noqa: S105  the name of an activity
READ_CLOCKS: Final = "read_clocks"
CHECK_STORE: Final = "check_store"

CALLS: Final = ("/cgi-bin/message/mass/sendall", "/cgi-bin/message/mass/send")
"""The calls that send, whose count is asked for."""

CALLBACK_CHECK: Final = "callback_check"
"""The activity that asks WeChat."""
CALLBACK_CHECK_REFUSED: Final = "CallbackCheckRefused"
"""Failure type: WeChat refuses the question for good; details as of ``AudienceRefused``."""

TEST_MSG_ID_MIN: Final = MSG_ID_MAX - 2**40 + 1
"""WeChat's msg_ids are far smaller. From here on they belong to test pushes, which ``Account`` takes and forgets."""

FindingState = Literal["ok", "warning", "failed", "skipped"]
GeneralCheck = Literal[
    "configuration",
    "temporal",
    "temporal_version",
    "retention",
    "search_attributes",
    "workers",
    "visibility",
    "workflow_tasks",
    "first_tasks",
    "restore",
    "clock",
]
"""The checks that are made once."""
AccountCheck = Literal["account", "own_workflow", "token", "ip_whitelist", "quota", "worker_clock", "store", "callback"]
CheckName = Literal[GeneralCheck, AccountCheck]
OF_AN_ACCOUNT: Final[tuple[CheckName, ...]] = get_args(AccountCheck)
"""The checks that are made of each account."""
READ_PICTURES: Final = "read_pictures"
ANSWER_BYTES: Final = 300_000
"""Of pictures in one answer, where the first one is not bigger by itself. Temporal warns of payloads of 512 KiB."""
ASKED_MAX: Final = 900
"""Pictures that are asked for at once: a hundred and a cover in each of eight articles, and some."""


class CheckResult(Stored):
    """What would be sent to how many, what stands against it, and what a start would meet."""

    account: str
    """The account."""
    key: str
    """The caller's key."""
    msgtype: str
    """What kind of message it is."""
    audience: str
    """Who would get it, in words."""
    followers: int | None = None
    """How many that are: by WeChat's count, which may be of some time ago, or by the list; null where not known."""
    uncounted: str | None = None
    """Why that is not known."""
    plan: AudiencePlan | None = None
    """The plan of a send in batches; null for any other, and where the audience could not be read."""
    ends_at: datetime | None = None
    """When a send in batches would be through, by an estimate."""
    sources: tuple[Source, ...] = ()
    """The files of the message, as the workers find them."""
    removed: tuple[str, ...] = ()
    """What was taken out of the articles' content."""
    problems: tuple[str, ...] = ()
    """A sentence for each thing that stands against it."""
    warnings: tuple[str, ...] = ()
    """A sentence for each thing that a start lets pass: WeChat may refuse or change it, or part is not sent."""
    past: KeySeen | None = None
    """What the key has done before, and what a start would do; null from workers that do not look."""
    approval: ApprovalSeen | None = None
    """Who requires an approval; null where a start would wait for none, and from workers that do not look."""
    freeze: FreezeSeen | None = None
    """Whether the account is frozen; null from workers that do not look."""
    quota: QuotaSeen | None = None
    """What is left of its mass sends, by its own book; null from workers that do not look."""


class CheckAccountRequest(Model):
    """The input of ``CheckAccount``."""

    account: AccountName


class TokenSeen(Stored):
    """How an access token was had: from ``source``, or why there is none.

    ``refused`` is Qunfa's name of the problem where WeChat refused for good; ``errcode``, ``errmsg`` and ``rid`` are
    WeChat's.
    """

    source: str = ""
    detail: str | None = None
    refused: str | None = None
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None


class Clocks(Stored):
    """By how many seconds the worker's clock is ahead of Temporal's and of WeChat's; ``None`` where not known."""

    ahead_of_temporal: float | None = None
    ahead_of_wechat: float | None = None
    detail: str | None = None


class StoreSeen(Stored):
    """The worker's ``[store]`` at ``uri``, if one is configured; ``detail`` says why it cannot be used."""

    uri: str | None = None
    detail: str | None = None


class AccountTerms(Stored):
    """Settings by which an account's sends go out; ``send_hours``: Shanghai, ``None`` for the whole day."""

    kind: str
    approval: str
    quota: str
    send_hours: tuple[str, str] | None = None
    news_via: str
    image_via: str


class CheckAccountResult(Stored):
    """The result of ``CheckAccount``; ``calls`` are empty where no token was had. Nothing of it is a secret.

    ``base_url``: where the workers call WeChat. ``terms``: by their configuration. ``None``: a worker does not tell it.
    """

    account: str
    appid: str
    base_url: str | None = None
    kind: str
    terms: AccountTerms | None = None
    token: TokenSeen
    clocks: Clocks
    calls: tuple[CallsLeft, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    uncounted: str | None = None
    frozen: Frozen | None = None
    store: StoreSeen | None = None


def is_test(msg_id: int) -> bool:
    """Whether a push is a test push: it is about no send of anybody's."""
    return msg_id >= TEST_MSG_ID_MIN


class CallbackCheckRequest(Model):
    """The input of ``CheckCallback``."""

    account: AccountName


class CallbackAddress(Stored):
    """An address that WeChat finds for the callback's host, and whose network it is in."""

    ip: str
    operator: str = ""


class CallbackPing(Stored):
    """How an address answers WeChat's ping: ``loss`` and ``time`` as WeChat writes them (``0%``, ``23.079ms``)."""

    ip: str
    operator: str = ""
    loss: str = ""
    time: str = ""


class CallbackView(Stored):
    """What WeChat sees of the callback's host."""

    dns: tuple[CallbackAddress, ...] = ()
    ping: tuple[CallbackPing, ...] = ()


class CallbackCheckResult(Stored):
    """The result of ``CheckCallback``: ``view``, or in ``problem`` why there is none.

    ``errcode``, ``errmsg`` and ``rid`` are WeChat's, where it refused.
    """

    account: str
    appid: str
    view: CallbackView | None = None
    problem: str | None = None
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None


class Finding(Stored):
    """What one check found: ``said`` is a sentence, ``todo`` the next step, where there is one.

    ``account`` is ``None`` for the checks that are made once. ``skipped``: it could not be made, or there is nothing to
    check, and ``said`` says why.
    """

    name: CheckName
    account: str | None = None
    state: FindingState
    said: str
    todo: str | None = None


class Diagnosis(Stored):
    """All findings, in the order in which they are shown. ``ok``: none of them has failed."""

    ok: bool
    at: datetime
    task_queue: str | None
    accounts: tuple[str, ...]
    findings: tuple[Finding, ...]


class ShowPicturesRequest(Model):
    """The input of ``ShowPictures``: pictures by their URIs.

    They are read where the workers' configuration allows it. WeChat is not asked. The result is history, so it is
    small: about :data:`ANSWER_BYTES` of pictures. What is left over is asked for again.
    """

    account: AccountName
    """The account whose workers read them."""
    pictures: Annotated[tuple[MediaSource, ...], Field(min_length=1, max_length=ASKED_MAX)]
    """The pictures."""


class ReadPicturesStep(Stored):
    """Input of ``read_pictures`` → :class:`ShowPicturesResult`."""

    account: Pinned
    uris: tuple[str, ...]


class ShownPicture(Stored):
    """A picture: ``data`` in base64, a file of the format ``kind``. ``problem`` says why there is none.

    ``sha256`` and ``size`` (bytes) are of the source itself. ``smaller``: ``data`` is not the source, but made of it.
    """

    sha256: Digest | None = None
    size: int = 0
    kind: Literal["png", "jpeg", "gif", "bmp"] | None = None
    data: str | None = None
    smaller: bool = False
    problem: str | None = None


class ShowPicturesResult(Stored):
    """The first of the pictures that were asked for, in their order; at least one.

    ``news_via`` is how the account's articles go to WeChat; ``None`` where an older worker has answered.
    """

    pictures: tuple[ShownPicture, ...]
    news_via: NewsVia | None = None


class SourcesSeen(Stored):
    """The answer to the query ``sources`` of ``MassSend``: the files of the message, as they were found.

    ``digest`` is of all that is sent to whom. ``contents`` has one SHA-256 per article, as in ``Inspection``. All is
    empty where nothing was looked at yet.
    """

    digest: Digest | None = None
    sources: tuple[Source, ...] = ()
    contents: tuple[Digest, ...] = ()
