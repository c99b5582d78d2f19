"""What passes between ``MassSend``'s activities and ``Account``, and what ``Account`` keeps."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from qunfa.contract.event import JobFinished
from qunfa.contract.fields import YEAR, Key, Moment, Stored
from qunfa.contract.job import Answer, Job
from qunfa.contract.result import Outcome

Span = Annotated[timedelta, Field(ge=timedelta(0), le=YEAR)]


class Recalled(Stored):
    """A recall of a job, or of one of its articles (``article_idx`` from 1). It changes nothing about the delivery.

    ``verified``: ``mass/get`` said DELETE, too.
    """

    at: Moment
    msg_id: int
    article_idx: int | None = None
    by: str
    reason: str
    verified: bool = False


class Record(Stored):
    """What is known of one key: one row in ``jobs`` per job and generation, in order.

    ``unsearched``: a note came for a key that was not claimed, so earlier runs may know more than this. ``recalled``:
    the newest recalls of its jobs, beside their verdicts.
    """

    key: str
    digest: str
    workflow_id: str
    jobs: tuple[Job, ...] = ()
    ended_as: Outcome | None = None
    problem: str | None = None
    touched_at: Moment
    unsearched: bool = False
    recalled: tuple[Recalled, ...] = ()


class Ask(Stored):
    """The try for which a lease is asked. ``pace`` and ``http_timeout`` are those the send has pinned.

    ``holder`` is the run that asks: another run of the same send, after a reset, does not get its lease.
    """

    index: int
    generation: int
    attempt: Annotated[int, Field(ge=1)]
    clientmsgid: Annotated[str, Field(min_length=1, max_length=32)]
    ever_unknown: bool = False
    pace: Span
    http_timeout: Span
    holder: str | None = None


class Claim(Stored):
    """Payload of ``claim``. ``searched``: earlier runs were looked for, and ``found`` is what they left.

    ``holder`` is the run that claims: a lease of its own is no doubt.

    With ``whose`` nothing is claimed: it asks whose job that msg_id is. Nor with ``previewing``: it takes one of
    today's previews for the call of that name, which may ask again. These have no updates of their own, so that a
    worker of 0.1.0, which answers them as an unknown key, can replay the history.
    """

    key: Key
    digest: Annotated[str, Field(min_length=1, max_length=128)]
    workflow_id: Annotated[str, Field(min_length=1, max_length=1000)]
    searched: bool = False
    found: tuple[Job, ...] = ()
    ask: Ask | None = None
    holder: str | None = None
    whose: int | None = None
    previewing: Annotated[str, Field(min_length=1, max_length=256)] | None = None


class Reserve(Stored):
    """Payload of ``reserve``."""

    key: Key
    digest: Annotated[str, Field(min_length=1, max_length=128)]
    ask: Ask


class Lease(Stored):
    """Leave to write between ``not_before`` and ``valid_until``; untold after ``expires_at`` it counts as unknown.

    ``pace`` is the configured spacing of the send that asked, ``holder`` the run.
    """

    key: str
    index: int
    generation: int
    attempt: int
    not_before: Moment
    valid_until: Moment
    expires_at: Moment
    pace: timedelta = timedelta(seconds=1)
    holder: str | None = None


class Day(Stored):
    """Accepted submissions of one Shanghai day: to all, in total; and pushes of sends that were not ours."""

    to_all: int = 0
    total: int = 0
    others: int = 0
    previews: int = 0


class SendsCounted(Stored):
    """What the account's book has of this Shanghai day and month, counted ``since``."""

    today: Day
    month: Day
    since: Moment


class LeaseAnswer(Stored):
    """Answer of ``reserve``; with ``go`` also what was ``counted`` until then.

    ``go``: write within ``lease``. ``wait``: ask again at ``until`` at the latest. ``frozen``: nothing is submitted.
    ``record``: the ledger knows more than the one who asked; merge ``record`` first. ``unclaimed``: claim first.
    """

    kind: Literal["go", "wait", "frozen", "record", "unclaimed"]
    lease: Lease | None = None
    until: Moment | None = None
    reason: str | None = None
    by: str | None = None
    record: Record | None = None
    counted: SendsCounted | None = None


class Owner(Stored):
    """Whose job a msg_id is by the ledger; all ``None`` where it is nobody's."""

    key: str | None = None
    index: int | None = None
    generation: int | None = None


class PreviewsLeft(Stored):
    """Whether a preview may be made; ``left`` are those of today after it, ``opens`` the next day."""

    granted: bool
    left: int
    opens: Moment


class ClaimAnswer(Stored):
    """Answer of ``claim``.

    ``record``: the key is claimed, and this is what is known of it. ``miss``: unknown here; look for earlier runs and
    claim again. ``reused``: the key stands for other content. ``full``: the ledger is full of unsettled sends.
    ``owner``: whose the msg_id is that was asked for. ``previews``: whether the one that was asked for may be made.
    """

    kind: Literal["record", "miss", "reused", "full", "owner", "previews"]
    record: Record | None = None
    lease: LeaseAnswer | None = None
    owner: Owner | None = None
    previews: PreviewsLeft | None = None


class Told(Stored):
    """Payload of ``told``: the ``answer`` of one try, or the ``job`` as its workflow knows it, or the end of a send.

    Or that it was ``recalled``, which is no verdict.

    With ``clientmsgid`` a ledger that was lost can note the answer of a try that it did not lease.
    """

    key: Key
    digest: Annotated[str, Field(min_length=1, max_length=128)]
    workflow_id: Annotated[str, Field(min_length=1, max_length=1000)]
    index: int = 0
    generation: int = 0
    attempt: int = 0
    clientmsgid: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    answer: Answer | None = None
    job: Job | None = None
    to_all: bool = False
    ended_as: Outcome | None = None
    problem: str | None = None
    recalled: Recalled | None = None


class Pace(Stored):
    """How fast the account may submit. ``told_at``: when the newest 60 tries were told, oldest first."""

    spacing: timedelta = timedelta(0)
    next_at: Moment | None = None
    told_at: tuple[Moment, ...] = ()


class Frozen(Stored):
    """Who froze the account, when and why."""

    by: str
    reason: str
    at: Moment


class KeptPush(Stored):
    """A push that nobody waits for: a send made by hand, or one that came before its msg_id was told."""

    event: JobFinished
    at: Moment


class AccountState(Stored):
    """All that ``Account`` keeps, across continue-as-new. ``book`` is by Shanghai day (``2026-12-01``)."""

    appid: str
    since: Moment
    records: dict[str, Record] = Field(default_factory=dict)
    lease: Lease | None = None
    pace: Pace = Pace()
    frozen: Frozen | None = None
    kept: tuple[KeptPush, ...] = ()
    book: dict[str, Day] = Field(default_factory=dict)
    previewing: tuple[str, ...] = ()


class FreezeAnswer(Stored):
    """Answer of ``freeze`` and ``unfreeze``: the switch, and what is in flight all the same."""

    frozen: Frozen | None
    in_flight: tuple[Lease, ...] = ()


class LedgerView(Stored):
    """Answer of the query ``ledger``; with ``{"msg_id": …}`` or ``{"key": …}`` only the records that hold it."""

    appid: str
    since: Moment
    records: tuple[Record, ...]
    lease: Lease | None
    pace: Pace
    frozen: Frozen | None
    kept: tuple[KeptPush, ...]
    book: dict[str, Day]
