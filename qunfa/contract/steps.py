"""The activities of a mass send: their names, what goes in and what comes out. Payloads are history.

The first part asks WeChat and makes material. The second part speaks with the account's ledger, and submits.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Final, Literal

from pydantic import Field

from qunfa.contract.audience import All, Batch, Openids, Tag
from qunfa.contract.facts import Known
from qunfa.contract.fields import Entire, Moment, Stored
from qunfa.contract.grants import Granted, Lease, Report, Wish
from qunfa.contract.ledger import PreviewsLeft
from qunfa.contract.message import Article, Digest, ImageVia, Message, NewsVia, Source, SourcedMessage
from qunfa.contract.notice import WantedNotice
from qunfa.contract.request import PreviewMessage, PreviewRecipient
from qunfa.contract.result import Answer

RESOLVE_ACCOUNT: Final = "resolve_account"
CHECK_AUDIENCE: Final = "check_audience"
JOB_STATUS: Final = "job_status"
AWAIT_VERDICT: Final = "await_verdict"
INSPECT: Final = "inspect"
UPLOAD: Final = "upload"
MAKE_DRAFT: Final = "make_draft"
CHECK_DRAFT: Final = "check_draft"
CONVERT_VIDEO: Final = "convert_video"
PREVIEW: Final = "preview"

ACCOUNT_CHANGED: Final = "AccountChanged"
"""Failure type: the worker's configuration has another appid or base URL under the account's name."""
UNKNOWN_ACCOUNT: Final = "UnknownAccount"
"""Failure type: the worker's configuration has no account of this name."""
TRIED_BEFORE: Final = "TriedBefore"
"""Failure type: Temporal was told to carry a try out again; what came of the first time is not known."""
NOT_DECIDED: Final = "NotDecidedYet"
"""Failure type, retried by Temporal: ``mass/get`` has no verdict yet, or could not be asked."""
LEDGER_UNAVAILABLE: Final = "LedgerUnavailable"
"""Failure type, retried by Temporal: the account's ledger, or Temporal's memory of earlier runs, could not be asked."""
WECHAT_UNAVAILABLE: Final = "WechatUnavailable"
"""Failure type, retried by Temporal: WeChat could not be asked, or was too busy to answer."""
AUDIENCE_REFUSED: Final = "AudienceRefused"
"""Failure type: WeChat does not let the account look at its tags. First detail: ``{errcode, errmsg, rid,
token_endpoint}``."""

MATERIAL_REFUSED: Final = "MaterialRefused"
"""Failure type: WeChat does not take a file, a draft or a video, or not from this account. First detail as for
``AudienceRefused``."""
SOURCE_CHANGED: Final = "SourceChanged"
"""Failure type: a source is no longer what it was when the send was prepared."""
SOURCE_REFUSED: Final = "SourceRefused"
"""Failure type: a source that was read before is now refused."""
SOURCE_UNAVAILABLE: Final = "SourceUnavailable"
"""Failure type, retried by Temporal: a source could not be read for now."""

WISH: Final = "wish"
LOOK_UP: Final = "look_up"
TELL: Final = "tell"
TAKE_PREVIEW: Final = "take_preview"
SUBMIT: Final = "submit"
BEING_CANCELLED: Final = "is_being_cancelled"
"""By this attribute the event loop of a run says whether the workflow task that it takes brings a cancellation."""
TRIED: Final = "a try is over"
"""The line of a worker's log that tells what came of a try."""


class Timing(Stored):
    """The time spans of a send, as configured under ``[timing]``."""

    window: timedelta = timedelta(hours=23)
    repeat: timedelta = timedelta(seconds=60)
    repeat_max: timedelta = timedelta(minutes=30)
    pace: timedelta = timedelta(seconds=1)
    ask: timedelta = timedelta(seconds=10)
    http_timeout: timedelta = timedelta(seconds=30)
    heartbeat: timedelta = timedelta(seconds=30)
    push_grace: timedelta = timedelta(minutes=10)
    confirmation: timedelta = timedelta(minutes=35)


class Pinned(Stored):
    """Which account a step is for; one that finds another appid or base URL under ``name`` refuses."""

    name: str
    appid: str
    base_url: str


class AccountFacts(Stored):
    """What is pinned of an account when a send starts. ``send_hours``: Shanghai, ``("08:00", "22:00")``.

    ``notices`` says which webhooks are told what; where they are is looked up each time.
    """

    name: str
    appid: str
    base_url: str
    kind: Literal["service", "subscription"] = "service"
    approval: Literal["never", "all", "always"] = "never"
    quota: Literal["wait", "ask"] = "wait"
    send_hours: tuple[str, str] | None = None
    news_via: NewsVia = "draft"
    image_via: ImageVia = "images"
    timing: Timing = Timing()
    notices: tuple[WantedNotice, ...] = ()

    @property
    def pinned(self) -> Pinned:
        """The account as every step must find it."""
        return Pinned(name=self.name, appid=self.appid, base_url=self.base_url)


class Run(Stored):
    """One run of a workflow."""

    workflow_id: str
    run_id: str


class ResolveStep(Stored):
    """Input of ``resolve_account`` → :class:`AccountFacts`.

    A run that a reset has made keeps the appid and the base URL that its life has pinned: ``first_run_id`` names that.
    A batch takes the facts of its ``whole``, for as long as Temporal has that, and its workers' ``timing``.
    """

    account: str
    first_run_id: str | None = None
    whole: Run | None = None


class AccountStep(Stored):
    """Input of what is asked of an account as a whole, such as ``check_token`` and ``get_speed``."""

    account: Pinned


class JobStatusStep(Stored):
    """Input of ``job_status`` (asked once) and ``await_verdict`` (asked until there is one or ``until`` has come)."""

    account: Pinned
    msg_id: int
    interval: timedelta = timedelta(minutes=1)
    interval_max: timedelta = timedelta(minutes=30)
    until: datetime | None = None


class JobStatus(Stored):
    """What ``mass/get`` says of a job.

    ``status``: ``SENDING``, ``SEND_SUCCESS``, ``SEND_FAIL``, ``DELETE`` or another text; ``None`` with the errcode
    where it refused to say (40059: it does not know the msg_id). ``detail``: why it has none, in words.
    """

    status: str | None = None
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None
    detail: str | None = None


class AudienceStep(Stored):
    """Input of ``check_audience`` → :class:`AudienceFinding`."""

    account: Pinned
    tag_id: int


class AudienceFinding(Stored):
    """The tag as ``tags/get`` shows it now; ``found`` is false where the account has no such tag."""

    found: bool
    name: str | None = None
    count: int | None = None


class InspectStep(Stored):
    """Input of ``inspect`` → :class:`~qunfa.contract.message.Inspection`: every source is read, hashed and checked."""

    account: Pinned
    message: SourcedMessage
    news_via: NewsVia = "draft"
    fit_images: bool = False


class UploadStep(Stored):
    """Input of ``upload`` → :class:`~qunfa.contract.message.Uploaded`: ``source``, if it still is what it was."""

    account: Pinned
    source: Source


class PictureOf(Stored):
    """A picture of an article's content: where it stood, where it stands at WeChat, and the SHA-256 of its source."""

    uri: str
    url: str
    sha256: Digest | None = None


class DraftStep(Stored):
    """Input of ``make_draft`` → :class:`~qunfa.contract.message.Made`: one ``draft/add``, or one ``uploadnews``.

    ``covers`` has one thumb media_id per article. ``contents`` is what an inspection has found: workers of another
    version may clean an article otherwise, and what they would make of it was not approved.
    """

    account: Pinned
    articles: tuple[Article, ...]
    covers: tuple[str, ...]
    pictures: tuple[PictureOf, ...] = ()
    news_via: NewsVia = "draft"
    contents: tuple[Digest, ...] = ()


class CheckDraftStep(Stored):
    """Input of ``check_draft`` → :class:`DraftFinding`: whether WeChat has kept every picture of the draft."""

    account: Pinned
    media_id: str
    pictures: tuple[tuple[str, ...], ...]


class DraftFinding(Stored):
    """The pictures that WeChat has dropped, ``article 1: https://…`` each."""

    lost: tuple[str, ...] = ()


class ConvertStep(Stored):
    """Input of ``convert_video`` → :class:`~qunfa.contract.message.Made`: one ``uploadvideo``."""

    account: Pinned
    media_id: str
    title: str
    description: str = ""


class AnyPreview(Stored):
    """What a worker reads of the input of ``preview`` also where another version has written the rest."""

    account: Pinned
    to: PreviewRecipient


class PreviewStep(AnyPreview, Entire):
    """Input of ``preview`` → :class:`~qunfa.contract.request.Previewed`: one ``mass/preview`` to one person."""

    message: PreviewMessage
    image_via: ImageVia = "images"


class WishStep(Stored):
    """Input of ``wish`` → :class:`Wished`. With ``search``, earlier runs are looked for first."""

    appid: str
    wish: Wish
    search: bool = False


class Wished(Stored):
    """What earlier runs have left, and the account's answer; without one, it comes as the signal ``granted``.

    ``came_up_at``: when the first run of the key was started that Temporal tells of.
    """

    known: Known = Known()
    granted: Granted | None = None
    came_up_at: Moment | None = None


class LookUpStep(Stored):
    """Input of ``look_up`` → :class:`Remembered`: what a key has done, by its ledger or its runs.

    ``started_at``: when the send was started that asks. ``or_list``: whether the key may have been that of a list.
    ``with_batches``: whether it is asked which batches of the list with this key may have been delivered.
    ``and_later``: it is that of a batch, and its list asks about those after it as well.
    """

    appid: str
    key: str
    workflow_id: str
    started_at: Moment | None = None
    or_list: bool = False
    with_batches: bool = False
    and_later: bool = False


class Remembered(Known):
    """What a key has done. ``has_record``: the ledger knows the key, also where nothing was tried under it.

    ``first_batch``: what that of a list has done, where it was asked for. ``reaching``: the numbers of its batches that
    may have been delivered, by the ledger; where it was asked for them. ``later``: a batch after it was begun.
    """

    has_record: bool = False
    first_batch: Known = Known()
    reaching: tuple[int, ...] = ()
    later: bool = False


class TellStep(Stored):
    """Input of ``tell``: a report for the ledger, by signal-with-start."""

    appid: str
    report: Report


class TakePreviewStep(Stored):
    """Input of ``take_preview`` → :class:`~qunfa.contract.ledger.PreviewsLeft`: one of today's previews."""

    appid: str
    holder: str


class Listed(Stored):
    """The openids of the request with which the submitting run began: ``count`` of them, by their SHA-256."""

    kind: Literal["listed"]
    count: int
    sha256: str

    @classmethod
    def of(cls, openids: tuple[str, ...]) -> "Listed":
        """What stands for these openids, in their order."""
        return cls(kind="listed", count=len(openids), sha256=sha256("\n".join(openids).encode()).hexdigest())


class AnyTry(Stored):
    """What a worker reads of the input of ``submit`` also where another version has written the rest."""

    account: Pinned
    key: str
    digest: str
    workflow_id: str
    lease: Lease
    write_before: datetime

    @property
    def to_all(self) -> bool:
        """Whether it is known to go to everybody."""
        return False

    def report(self, answer: Answer) -> Report:
        return Report(
            key=self.key,
            digest=self.digest,
            workflow_id=self.workflow_id,
            known=Known(tries=(self.lease.tried(answer),)),
            to_all=self.to_all,
        )


class SubmitStep(AnyTry, Entire):
    """Input of ``submit`` → :class:`~qunfa.contract.result.Answer`.

    One HTTP try, written between the lease's ``not_before`` and ``write_before`` or not at all, and only for the run
    that holds the lease: a reset has it carried out once more, for another run.
    """

    audience: Annotated[All | Tag | Openids | Listed | Batch, Field(discriminator="kind")]
    message: Message
    send_ignore_reprint: bool = False
    image_via: ImageVia = "images"

    @property
    def to_all(self) -> bool:
        return isinstance(self.audience, All)


class LedgerQuestion(Stored):
    """Payload of ``Account``'s update ``ask``: what is known of ``key``, or one of today's previews for a call.

    ``started_at``: when the send was started that asks about the key. ``with_batches``: those of the list
    with this key, too. ``and_later``: it is that of a batch, and its list asks about those after it as well.
    ``asked_at``: on which day the preview counts.
    """

    key: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    started_at: Moment | None = None
    with_batches: bool = False
    and_later: bool = False
    previewing: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    asked_at: Moment | None = None


class LedgerAnswer(Stored):
    """Answer of ``ask``. ``known``: nothing where the ledger does not know the key, or may know less than its runs.

    ``reaching``: the numbers of the key's batches that may have been delivered. ``later``: it knows a batch of the same
    list after this one.
    """

    known: Known | None = None
    reaching: tuple[int, ...] = ()
    later: bool = False
    previews: PreviewsLeft | None = None
