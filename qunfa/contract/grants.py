"""What passes between a ``MassSend`` and its ``Account``: wishes, grants and reports.

A wish goes by an update, whose answer is the account's. In a crowd it goes by a signal, as all else does.

| message | from | to | payload |
|---|---|---|---|
| ``wish``, an update | ``MassSend``, by a short activity | ``Account`` | :class:`Wish` → :class:`Granted` |
| ``wants`` | ``MassSend``, by a short activity with signal-with-start | ``Account`` | :class:`Wish` |
| ``granted`` | ``Account``, where no update waits for it | the run that wished | :class:`Granted` |
| ``told`` | the submitting activity, ``MassSend``, ``RecallMassSend`` | ``Account`` | :class:`Report` |
| ``ledger_lost`` | a worker, which looks for such accounts | ``MassSend`` | :class:`LedgerLost` |
"""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from qunfa.contract.facts import Clientmsgid, Ended, Known, Try, TryId, WishId
from qunfa.contract.fields import HOUR, Generation, Id64, Key, Moment, Number, Stored
from qunfa.contract.ledger import Frozen, Recalled, SendsCounted
from qunfa.contract.result import Answer

PATIENCE: Final = timedelta(seconds=12)
"""How long an activity waits for the account's answer before Temporal is left to repeat it."""

Span = Annotated[timedelta, Field(ge=timedelta(0), le=HOUR)]
Digest = Annotated[str, Field(min_length=1, max_length=128)]
WorkflowId = Annotated[str, Field(min_length=1, max_length=1000)]


class Turn(Stored):
    """What a send would submit when it is its turn.

    ``due``: when it wants to go. ``until``: after which it would submit nothing any more. ``pace`` and
    ``http_timeout`` are those that the send has pinned.
    """

    generation: Generation
    clientmsgid: Clientmsgid
    due: Moment
    until: Moment | None = None
    pace: Span
    http_timeout: Span


class Ending(Stored):
    """What a send may have submitted that is about to say that nothing was delivered, or to ask a person.

    Of a newest job that WeChat has refused, it is the generation after it, which a ``retry`` may have begun.
    """

    generation: Generation
    clientmsgid: Clientmsgid


class Wish(Stored):
    """Payload of ``wish``: what a run knows of its key, and what it would submit. A later one replaces it.

    ``number``: by which the account tells the wishes of one run apart, since one that was sent first may come last.
    Without a ``turn`` it only wants what the ledger knows, and takes back its place. ``searched``: earlier runs of the
    workflow id were looked for, and what they have left is in ``known``, ``ended`` and ``digests``. ``whose``: a msg_id
    of which the run wants to know whose job it is. ``ending``: the run is about to end, or to ask a person.
    ``frozen``: the freeze that the run was last told of, which a ledger that was lost adopts. ``started_at``: when the
    send was started, or the list of which it is a batch. ``asked_at``: when the activity began that waits for the
    answer; ``None`` where none waits.
    """

    wish: WishId
    key: Key
    digest: Digest
    workflow_id: WorkflowId
    run_id: str
    number: Number = 1
    known: Known = Known()
    searched: bool = False
    digests: tuple[Digest, ...] = ()
    ended: Ended | None = None
    turn: Turn | None = None
    whose: Id64 | None = None
    ending: Ending | None = None
    frozen: Frozen | None = None
    started_at: Moment | None = None
    asked_at: Moment | None = None

    @property
    def job(self) -> Turn | Ending | None:
        """The generation that it is about, where something of it may have been submitted, or is to be."""
        return self.turn or self.ending


class Lease(Stored):
    """Leave to write between ``not_before`` and ``valid_until``; untold after ``expires_at`` its try is lost."""

    key: str
    generation: int
    number: int
    wish: WishId
    clientmsgid: Clientmsgid
    holder: str
    not_before: Moment
    valid_until: Moment
    expires_at: Moment
    pace: timedelta

    @property
    def identity(self) -> TryId:
        """Of the try that it is for."""
        return TryId(self.generation, self.number, self.wish)

    @property
    def early(self) -> timedelta:
        """How long before it begins a worker may be given it: a third more than one call may take, at least.

        It is granted before its time, by no more than one call may take. Temporal's clock may be set back after that.
        """
        return (self.expires_at - self.not_before) / 3

    def tried(self, answer: Answer | None = None, *, lost_at: datetime | None = None) -> Try:
        """The try that it is for: under way, answered or lost."""
        return Try(
            generation=self.generation,
            number=self.number,
            wish=self.wish,
            clientmsgid=self.clientmsgid,
            not_before=self.not_before,
            holder=self.holder,
            answer=answer,
            lost_at=lost_at,
        )


class Waits(Stored):
    """Why it is not the send's turn yet.

    ``frozen``: by whom. ``queue``: others are before it, ``place`` of them. ``full``: the ledger has no room for the
    key, and is to be asked again at ``until``.
    """

    why: Literal["frozen", "queue", "full"]
    place: int = 0
    until: Moment | None = None
    frozen: Frozen | None = None


class Granted(Stored):
    """The answer to a wish, and the payload of ``granted``: at once, and again when something changes.

    | ``answer`` | means |
    |---|---|
    | ``lease`` | it is the send's turn |
    | ``known`` | what the ledger knows; with ``waits`` where the wish has a turn that is not granted yet |
    | ``search`` | earlier runs are to be looked for first |
    | ``reused`` | the key stands for other content |

    ``counted``: the account's sends of this day and month, for a quota that is used up.
    """

    wish: WishId
    answer: Literal["lease", "known", "search", "reused"]
    known: Known = Known()
    ended: Ended | None = None
    lease: Lease | None = None
    waits: Waits | None = None
    counted: SendsCounted | None = None


class Report(Stored):
    """Payload of ``told``: facts of a key, also of one that the ledger does not know; how its send ended; a recall.

    An answered try in ``known`` gives its lease back. ``to_all`` counts a newly accepted job as one to all.
    """

    key: Key
    digest: Digest
    workflow_id: WorkflowId
    known: Known = Known()
    to_all: bool = False
    ended: Ended | None = None
    recalled: Recalled | None = None


class LedgerLost(Stored):
    """Payload of ``ledger_lost``: the ``Account`` was closed at this time, and with it went its queue.

    A send that waits for its turn since before then asks for it again. Any other one does nothing.
    """

    at: Moment
