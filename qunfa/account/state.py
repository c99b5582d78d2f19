"""What an account keeps, across continue-as-new.

| part | what | bounded by |
|---|---|---|
| ``records`` | what is known of each key: facts | bytes and age, see :mod:`qunfa.account.budget` |
| ``queue`` | the wishes that wait for a lease, in the order in which they get it | bytes |
| ``notes`` | answers to wishes that do not wait, not sent yet | bytes, with the queue |
| ``closed`` | ids of wishes that are over, so that a late copy of one does nothing | number |
| ``lease``, ``pace`` | who may write now, and when the next may | |
| ``frozen``, ``switched`` | the switch, and how often it was turned | |
| ``kept`` | pushes of nobody's job | number and bytes |
| ``forwards`` | pushes that are to go on, not sent yet | number |
| ``book``, ``previewing`` | what was sent and previewed, by Shanghai day | days, number |
| ``forgotten`` | keys that a person had forgotten | bytes |
| ``restored`` | from which snapshot Temporal's database was restored | |

What follows from the facts of a record is computed once for each of its states, and is never stored.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer

from qunfa.contract.facts import Ended, Known
from qunfa.contract.fields import Carried, Moment, Stored
from qunfa.contract.grants import Ending, Lease, WorkflowId
from qunfa.contract.ledger import Day, Forgotten, Frozen, KeptPush, Pace, Recalled, Restored
from qunfa.contract.result import Job
from qunfa.rules.bounds import RECALLS_IN_SHORT, shortened, signed_shortly, tries_to_come
from qunfa.rules.course import is_open
from qunfa.rules.memory import is_under_way, is_unknown
from qunfa.send.doubt import jobs_of


class Claim(NamedTuple):
    """A msg_id of a key's: of which generation, and whether by an acceptance rather than a 45065 alone."""

    generation: int
    accepted: bool


class Record(Stored):
    """What is known of one key.

    ``unsearched``: earlier runs may know more than this. ``recalled``: the newest recalls of its jobs, beside their
    verdicts. ``booked``, ``failed``: the msg_ids that the quota book has counted, and as failed. ``to_all``: they
    go to all. ``wished``: the run that wished last, and the
    number of that wish. ``lapsed``: a database that was restored may have forgotten what was submitted of it.
    """

    key: str
    digest: str
    workflow_id: WorkflowId
    known: Known = Known()
    ended: Ended | None = None
    recalled: tuple[Recalled, ...] = ()
    booked: tuple[int, ...] = ()
    failed: tuple[int, ...] | None = None
    to_all: bool | None = None
    wished: tuple[str, int] | None = None
    touched_at: Moment
    unsearched: bool = False
    lapsed: bool | None = None

    def changed(self, **changes: Any) -> "Record":
        """Another record; `model_copy` would take along what was computed for this one."""
        return Record(**{name: getattr(self, name) for name in Record.model_fields} | changes)

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        """The generations. The first one has no ``clientmsgid`` where nothing of it is known."""
        return jobs_of(self.known, self.key)

    @cached_property
    def unsettled(self) -> bool:
        """Whether something of the key may have been delivered, and no word settles it; or a try is under way."""
        return any(is_open(job, self.jobs) for job in self.jobs) or any(map(is_under_way, self.known.tries))

    @cached_property
    def stays(self) -> bool:
        """Whether it may not go for want of room: it is unsettled, and is more than the echo of another key's job.

        An ended send with such echoes alone has nothing to come. Its closed run tells of them as of a settled one.
        """
        is_open_yet = any(job.msg_id is not None and is_open(job, self.jobs) for job in self.jobs)
        is_heard = not any(is_unknown(one) or is_under_way(one) for one in self.known.tries)
        is_echo = self.ended is not None and is_heard and not is_open_yet
        return self.unsettled and not is_echo

    @cached_property
    def to_come(self) -> int:
        """How many more tries it may keep in short: none where the newest generation is not tried again by itself."""
        if self.ended is not None or not self.unsettled:
            return 0
        newest = self.jobs[-1]
        if newest.msg_id is not None or newest.collides_with is not None:
            return 0
        return tries_to_come(self.known, newest.clientmsgid)

    @cached_property
    def claims(self) -> Mapping[int, Claim]:
        """The msg_ids that are this key's, as far as its own facts say."""
        others = {one.msg_id for one in self.known.owned if one.key != self.key}
        found = {one.msg_id: Claim(one.generation, accepted=False) for one in self.known.owned if one.key == self.key}
        for one in self.known.tries:
            msg_id = one.answer.msg_id if one.answer else None
            if one.answer and one.answer.kind == "duplicate" and msg_id is not None and msg_id not in others:
                found.setdefault(msg_id, Claim(one.generation, accepted=False))
        for one in self.known.tries:
            if one.answer and one.answer.kind == "accepted" and one.answer.msg_id is not None:
                found[one.answer.msg_id] = Claim(one.generation, accepted=True)
        for decision in self.known.decided:
            if decision.what == "mark_sent" and decision.msg_id is not None:
                found[decision.msg_id] = Claim(decision.generation, accepted=True)
        return found

    @cached_property
    def short(self) -> "Record":
        """The record without what no rule needs; itself where that saves nothing."""
        less = self.changed(known=shortened(self.known), recalled=signed_shortly(self.recalled[-RECALLS_IN_SHORT:]))
        return less if less.size < self.size else self

    @cached_property
    def size(self) -> int:
        """Bytes that it takes in the state, at most."""
        return len(self.model_dump_json(exclude_none=True).encode()) + len(self.key) + 4


class Place(NamedTuple):
    """A wish that waits for a lease: a row, since there may be hundreds.

    ``number``: by arrival. ``knew``: the run knows that its generation may have been accepted. ``told``: where the
    switch stood when its run was last told; ``None`` before its first answer. The rest is as in its ``Wish``.
    """

    key: str
    wish: str
    run_id: str
    number: int
    asked_at: Moment
    due: Moment
    until: Moment | None
    generation: int
    clientmsgid: str
    pace: timedelta
    http_timeout: timedelta
    knew: bool
    told: int | None

    @property
    def turn(self) -> tuple[datetime, int]:
        """What the queue is ordered by: a ``due`` of last year is no older than the wish."""
        return max(self.due, self.asked_at), self.number


class Note(NamedTuple):
    """An answer to a wish that does not wait. ``until``: when a ledger without room is to be asked again.

    ``doubt``: what may be forgotten of a send that is about to end, or to ask a person, where the ledger has no room
    for that. ``ended``: how an earlier run of the key has ended, as who wishes has found, where it has no record that
    tells.
    """

    serial: int
    answer: Literal["known", "search", "reused"]
    key: str
    workflow_id: str
    run_id: str
    wish: str
    until: Moment | None
    doubt: Ending | None = None
    ended: Ended | None = None


class Forward(NamedTuple):
    """The newest push on a msg_id, on its way to the ``MassSend`` of the key."""

    serial: int
    key: str
    msg_id: int


def _as_known(kind: type[Any]) -> BeforeValidator:
    """Leaves out what a newer version has put behind the fields of a row: a model that is stored ignores it, too."""
    fields = len(kind._fields)
    return BeforeValidator(lambda row: row[:fields] if isinstance(row, list | tuple) else row)


class AccountState(Carried):
    """All that ``Account`` keeps. As JSON it leaves out what is empty."""

    appid: str
    since: Moment
    records: dict[str, Record] = Field(default_factory=dict)
    queue: tuple[Annotated[Place, _as_known(Place)], ...] = ()
    notes: tuple[Annotated[Note, _as_known(Note)], ...] = ()
    closed: tuple[str, ...] = ()
    lease: Lease | None = None
    announced: bool = False
    """The holder of the lease has been told."""
    pace: Pace = Pace()
    frozen: Frozen | None = None
    unfrozen_at: Moment | None = None
    switched: int = 0
    serial: int = 0
    """The number that the newest place, note or forward has."""
    kept: tuple[KeptPush, ...] = ()
    forwards: tuple[Annotated[Forward, _as_known(Forward)], ...] = ()
    book: dict[str, Day] = Field(default_factory=dict)
    previewing: tuple[str, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()
    restored: Restored | None = None

    def changed(self, **changes: Any) -> "AccountState":
        return self.model_copy(update=changes)

    @model_serializer(mode="wrap")
    def _sparse(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        sparse: dict[str, Any] = _sparse(handler(self))
        return sparse


def _sparse(value: Any) -> Any:
    """Without empty members, which are the defaults of their fields everywhere."""
    if isinstance(value, dict):
        members = ((name, _sparse(member)) for name, member in value.items())
        return {name: member for name, member in members if member is not None and member not in ([], (), {})}
    return [_sparse(one) for one in value] if isinstance(value, list) else value
