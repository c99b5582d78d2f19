"""What passes between ``MassSend``'s activities and ``Account``, and what ``Account`` keeps."""

from datetime import timedelta
from functools import cached_property
from typing import Final

from qunfa.contract.facts import Known
from qunfa.contract.fields import Id64, Moment, Stored
from qunfa.contract.result import Job, JobFinished, Outcome

LIFE: Final = timedelta(days=35)
"""How long a key is remembered that is not touched any more: by the ledger, and at least as long by Temporal."""


class Recalled(Stored):
    """A recall of a job, or of one of its articles (``article_idx`` from 1). It changes nothing about the delivery.

    ``verified``: ``mass/get`` said DELETE, too.
    """

    at: Moment
    msg_id: Id64
    article_idx: int | None = None
    by: str
    reason: str
    verified: bool = False


class Record(Stored):
    """What is known of one key: one row in ``jobs`` per generation that was tried, in order.

    ``unsearched``: earlier runs may know more than this. ``recalled``: the newest recalls of its jobs, beside their
    verdicts. ``known``: the facts that the jobs follow from, where it was asked for this key alone.
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
    known: Known | None = None


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
    """Accepted submissions of one Shanghai day: to all, in total; and pushes of sends that were not ours.

    ``failed``, ``failed_to_all``: those of them that have failed since. They use up calls, and no send that is known.
    """

    to_all: int = 0
    total: int = 0
    others: int = 0
    previews: int = 0
    failed: int = 0
    failed_to_all: int = 0

    @property
    def went(self) -> int:
        """Sends that have not failed."""
        return max(0, self.total - self.failed)

    @property
    def went_to_all(self) -> int:
        """The same, to all."""
        return max(0, self.to_all - self.failed_to_all)


class SendsCounted(Stored):
    """What the account's book has of this Shanghai day and month, counted ``since``."""

    today: Day
    month: Day
    since: Moment


class PreviewsLeft(Stored):
    """Whether a preview may be made; ``left`` are those of today after it, ``opens`` the next day."""

    granted: bool
    left: int
    opens: Moment


class Pace(Stored):
    """How fast the account may submit. ``told_at``: when the newest 60 tries were told, oldest first."""

    spacing: timedelta = timedelta(0)
    next_at: Moment | None = None
    told_at: tuple[Moment, ...] = ()


class Frozen(Stored):
    """Who froze the account, when and why. ``of_restore``: they told it of one, and it ends with that."""

    by: str
    reason: str
    at: Moment
    of_restore: bool = False


class Restored(Stored):
    """Temporal's database was restored from a snapshot: the account has forgotten what was submitted since ``taken``.

    ``at``: when it was told so. ``ended_at``: since when a key that comes up is a new one.
    """

    by: str
    reason: str
    taken: Moment
    at: Moment
    ended_at: Moment | None = None


class KeptPush(Stored):
    """A push that nobody waits for: a send made by hand, or one that came before its msg_id was told."""

    event: JobFinished
    at: Moment

    @cached_property
    def size(self) -> int:
        """Bytes that it takes in a list, at most."""
        return len(self.model_dump_json(exclude_none=True).encode()) + 1

    @property
    def without_articles(self) -> "KeptPush":
        return KeptPush(event=self.event.model_copy(update={"articles": ()}), at=self.at)


class FreezeAnswer(Stored):
    """Answer of ``freeze`` and ``unfreeze``: the switch, and what is in flight all the same."""

    frozen: Frozen | None
    in_flight: tuple[Lease, ...] = ()


class Waiting(Stored):
    """Who waits for a lease: since when it is ``due``, and how many (``place``) are before it."""

    key: str
    due: Moment
    place: int


class Forgotten(Stored):
    """A key whose facts a person had the ledger forget."""

    key: str
    by: str
    reason: str
    at: Moment


class LedgerView(Stored):
    """Answer of the query ``ledger``; with ``{"msg_id": …}`` or ``{"key": …}`` only the records that hold it.

    ``waiting``: the queue, the next one first. ``forgotten``: oldest first. ``restored``: the newest restore of
    Temporal's database. ``hides_more``: that may have forgotten what was submitted under the ``key`` asked for, of
    which a run began at ``started_at``.
    """

    appid: str
    since: Moment
    records: tuple[Record, ...]
    lease: Lease | None
    pace: Pace
    frozen: Frozen | None
    kept: tuple[KeptPush, ...]
    book: dict[str, Day]
    waiting: tuple[Waiting, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()
    restored: Restored | None = None
    hides_more: bool = False
