"""What a send keeps: facts. All else follows from them and from the request.

The facts of the key itself are :class:`~qunfa.contract.facts.Known`, since the account's ledger keeps them, too.
"""

from datetime import datetime, timedelta
from typing import Any, Final, Generic, Literal, Self, TypeVar

from pydantic import Field

from qunfa.contract.audience import Batch, Version
from qunfa.contract.facts import Decided, Ended, Known
from qunfa.contract.fields import Carried, Stored
from qunfa.contract.grants import Granted, Lease, Turn
from qunfa.contract.ledger import Frozen, SendsCounted
from qunfa.contract.message import Material, Message
from qunfa.contract.operators import Phase, StoryLine
from qunfa.contract.request import MassSendRequest, Previewed
from qunfa.contract.result import Job, Problem
from qunfa.contract.steps import AccountFacts
from qunfa.rules.approval import is_required
from qunfa.rules.calendar import last_open
from qunfa.rules.course import Jobs, may_have_been_delivered, subject
from qunfa.rules.digest import clientmsgid
from qunfa.rules.pace import spread
from qunfa.rules.submission import Conditions, next_window
from qunfa.send.doubt import is_doubt, jobs_of, unknown_of

STORY_MAX: Final = 100
_JITTER: Final = timedelta(minutes=3)

ActKind = Literal["approve", "reject", "pause", "resume", "reschedule", "choose", "abort", "cancel"]


class Act(Stored):
    """What a person has done that holds this run back, lets it go or ends it; the next life of its key forgets it.

    ``of_list``: the list of this batch has passed it on, or has ended.
    """

    what: ActKind
    at: datetime
    by: str = ""
    reason: str | None = None
    send_at: datetime | None = None
    winner: Version | None = None
    of_list: bool = False


Purpose = Literal["joining", "turn", "withdrawing", "asking", "ending", "polling", "owner", "question"]
"""What a run asks its account for: its turn, or before what it wants to know what the ledger knows."""


class OpenWish(Stored):
    """The newest wish, by its id. ``turn``: what it would submit; ``None`` where it only asks what the ledger knows.

    ``number``: by which the account tells it from earlier ones. ``sent_at``: when the account was told of it; ``None``
    while it is on its way. ``since``: when it was made, or the first of those before it that were not answered either.
    """

    wish: str
    number: int
    purpose: Purpose
    turn: Turn | None = None
    whose: int | None = None
    since: datetime
    sent_at: datetime | None = None


Word = Literal["over", "under way", "undecided"]


class Check(Stored):
    """What was asked once more before something is said or done.

    ``at``: when the account's ledger was asked, or WeChat has answered. ``msg_id``: the job that WeChat was asked
    about; ``None`` for the ledger. ``word``: whether WeChat said that it is over, or still under way, or still so after
    a while. Whatever becomes known meanwhile makes it worthless. ``question``: a person's find that nobody could check.
    """

    before: Purpose
    at: datetime
    msg_id: int | None = None
    word: Word = "over"


class Question(Stored):
    """A person's answer that is checked before it is taken: ``left`` are the msg_ids that WeChat is asked about.

    ``asked``: of these it has said no. ``update``: its id. ``whose``: the ledger is to be asked whose the msg_id is.
    """

    update: str
    decision: Decided
    left: tuple[int, ...]
    asked: tuple[int, ...] = ()
    whose: int | None = None


class Asking(Stored):
    """The problem that a person is asked about, since when, and the number of that question."""

    problem: str
    generation: int
    since: datetime
    number: int


class Reply(Stored):
    """What an update is answered: nothing where it is taken, else why not. ``id`` is the update's."""

    id: str
    refusal: str | None = None


class Kept(Carried):
    """What a send keeps, in batches or not, from its first workflow task on.

    ``life``: the same for all runs that continue or reset one, and another one where the key is started again.
    ``started_at``: when that was, by Temporal's clock.
    ``refused``: why the request cannot be carried out. ``pinned``: the account. ``digest``: of the content, once its
    sources were looked at. ``shows``: what is to be approved. ``quota_at``:
    when a quota of WeChat's calls begins anew, for one that was refused. ``story``: the newest lines of what happened.
    """

    namespace: str
    life: str
    started_at: datetime | None = None
    refused: tuple[str, ...] = ()
    pinned: AccountFacts | None = None
    digest: str | None = None
    obstacle: Problem | None = None
    previews: tuple[Previewed, ...] = ()
    shows: tuple[str, ...] = ()
    shown_at: datetime | None = None
    quota_at: datetime | None = None
    acts: tuple[Act, ...] = ()
    story: tuple[StoryLine, ...] = ()
    replies: tuple[Reply, ...] = ()

    def changed(self, **changes: Any) -> Self:
        return self.model_copy(update=changes)

    def saying(self, at: datetime, what: str, by: str | None = None, reason: str | None = None) -> Self:
        """A copy with one more line of the story."""
        line = StoryLine(at=at, what=what, by=by or None, reason=reason)
        return self.changed(story=(*self.story, line)[-STORY_MAX:])

    def replied(self, identity: str, why: str | None = None) -> Self:
        """A copy in which the update of this id is answered: ``why`` it does not fit, or nothing where it was taken."""
        return self.changed(replies=(*self.replies, Reply(id=identity, refusal=why)))

    def newest_act(self, *kinds: ActKind) -> Act | None:
        return next((act for act in reversed(self.acts) if act.what in kinds), None)

    @property
    def paused(self) -> Act | None:
        """The ``pause`` that holds it back: that of the list of this batch, where no person has paused it itself."""
        return self.pause() or self.pause(of_list=True)

    def pause(self, *, of_list: bool = False) -> Act | None:
        """The ``pause`` of a person, or of the list of this batch, that no ``resume`` of the same has followed."""
        acts = [act for act in self.acts if act.what in {"pause", "resume"} and act.of_list == of_list]
        return acts[-1] if acts and acts[-1].what == "pause" else None


class SendState(Kept):
    """A send, from its first workflow task on.

    ``wish``: the newest one, of so many ``wishes``. ``heard``: the newest answer of the ledger, with the lease in hand;
    ``None`` before it has told what it knows, and after a reset. ``joined_at``: when it told that first. ``freeze``: it
    was told of that, and of no end of it. ``lost_at``: when the newest account was closed whose loss was heard of.
    ``searched``: earlier runs were looked for, of which the first started at ``came_up_at``. ``unheard``: in vain,
    since the ledger has not answered. ``trying``: the lease in use. ``again``: it ends as the ledger says, or tells it
    nothing. ``untold``: the ledger lacks a fact. ``told_end``: the end that it was told. ``vain``: the msg_ids of which
    ``mass/get`` had no verdict in time, with when that was. ``material`` is what was found and made, ``ready`` the
    message with the ids that WeChat knows. ``obstacle``: what stands against submitting, and is no word of WeChat's on
    a try; while something may be out, it is tried again at ``make_at``. ``tag_seen_at``: when the tag was as expected.
    """

    known: Known = Known()
    wish: OpenWish | None = None
    wishes: int = 0
    heard: Granted | None = None
    joined_at: datetime | None = None
    freeze: Frozen | None = None
    lost_at: datetime | None = None
    searched: bool = False
    came_up_at: datetime | None = None
    unheard: bool = False
    trying: Lease | None = None
    again: bool = False
    untold: bool = False
    told_end: Ended | None = None
    checks: tuple[Check, ...] = ()
    vain: dict[int, datetime] = Field(default_factory=dict)
    material: Material | None = None
    ready: Message | None = None
    make_at: datetime | None = None
    tag_seen_at: datetime | None = None
    asking: Asking | None = None
    question: Question | None = None

    @property
    def lease(self) -> Lease | None:
        """Leave to write that is in hand."""
        return self.heard.lease if self.heard else None

    @property
    def stop(self) -> Act | None:
        """The ``abort`` or ``reject`` that ends the send."""
        return self.newest_act("abort", "reject")


StateT = TypeVar("StateT", bound=Kept)

UNANSWERED: Final = (
    "the account's ledger has not answered; it alone knows whether a restored database has forgotten a try"
)
QUOTA_OF_CALLS: Final = "the next quota window in Asia/Shanghai, for a call that WeChat has refused"
"""What a send waits for then."""


class AnyCase(Generic[StateT]):
    """A request with its state, as of ``now``, and what follows from these for any send, in batches or not."""

    def __init__(self, request: MassSendRequest, state: StateT, now: datetime) -> None:
        self.request = request
        self.state = state
        self.now = now

    @property
    def facts(self) -> AccountFacts:
        """The account as it is pinned; only once it is."""
        if self.state.pinned is None:
            msg = "the account is not pinned yet"
            raise RuntimeError(msg)
        return self.state.pinned

    @property
    def send_at(self) -> datetime | None:
        """When the send, or its next batch, is to go out."""
        act = self.state.newest_act("reschedule")
        return act.send_at if act else self.request.send_at

    @property
    def open_until(self) -> datetime | None:
        """From when on nothing new is submitted: ``not_after``, or when the account's last hours before it are over."""
        return (end := self.request.not_after) and last_open(end, self.facts.send_hours)

    @property
    def too_late(self) -> bool:
        return self.open_until is not None and self.now >= self.open_until

    @property
    def needs_approval(self) -> bool:
        """Whether a person has to approve, and has not."""
        return is_required(self.facts.approval, self.request) and self.state.newest_act("approve") is None

    @property
    def approvable_until(self) -> datetime | None:
        """Until when a person may approve what is shown. It is counted anew from a ``resume``."""
        shown_at, resumed = self.state.shown_at, self.state.newest_act("resume")
        if shown_at is None:
            return None
        return (max(shown_at, resumed.at) if resumed else shown_at) + self.request.decision_timeout

    @property
    def quota_opens(self) -> datetime | None:
        """When the quota of WeChat's calls begins anew that is waited for."""
        opens = self.state.quota_at
        return opens if opens is not None and self.now < opens else None

    def waiting_for_quota(self, problem: Problem) -> StateT | None:
        """The state in which the account waits for its quota of WeChat's calls; ``None`` where it does not."""
        if problem.name != "quota_exhausted" or self.facts.quota != "wait":
            return None
        opens = next_window(problem.errcode, self.now, None) + spread(self.own_id(0), _JITTER)
        at = max(opens, self.now + self.facts.timing.repeat)
        what = f"the next quota window is waited for: {problem.sentence}"
        return self.state.changed(quota_at=at).saying(self.now, what)

    def own_id(self, generation: int) -> str:
        """The ``clientmsgid`` that belongs to a generation alone."""
        return clientmsgid(self.state.namespace, self.facts.appid, self.request.key, generation)

    def after(self, state: StateT) -> Self:
        """The same request at the same time, with another state."""
        return type(self)(self.request, state, self.now)


class Case(AnyCase[SendState]):
    """The case of a send that is not in batches; the jobs are computed once."""

    def __init__(self, request: MassSendRequest, state: SendState, now: datetime) -> None:
        super().__init__(request, state, now)
        self._jobs: Jobs | None = None

    @property
    def jobs(self) -> Jobs:
        """All generations, in order; at least one."""
        if self._jobs is None:
            found = jobs_of(self.state.known, self.request.key, self.own_id(0))
            self._jobs = tuple(
                job.model_copy(update={"gave_up": True}) if job.msg_id in self.state.vain else job for job in found
            )
        return self._jobs

    @property
    def counted(self) -> SendsCounted | None:
        """What the account's book has of this day and month, as it has told."""
        return self.state.heard.counted if self.state.heard else None

    @property
    def newest(self) -> Job:
        """The newest generation."""
        return self.jobs[-1]

    @property
    def in_doubt(self) -> bool:
        """Whether a try is under way, or something may have been delivered."""
        return self.state.trying is not None or may_have_been_delivered(self.jobs)

    @property
    def started_at(self) -> datetime | None:
        """When the send was first started, or the list of which it is a batch. A ledger that is lost forgets that."""
        audience = self.request.audience
        started_at = (isinstance(audience, Batch) and audience.started_at) or self.state.started_at
        return min(filter(None, (started_at, self.state.came_up_at)), default=None)

    @property
    def may_be_forgotten(self) -> bool:
        """Whether nobody knows of a try, and a restored database may have forgotten one."""
        unknown = unknown_of(self.state.known, self.request.key, self.state.known.tries)
        known = self.state.trying is not None or any(job.msg_id is not None for job in self.jobs)
        return bool(unknown) and all(map(is_doubt, unknown)) and not known

    @property
    def may_be_held(self) -> bool:
        """Whether nothing is out, as far as anybody knows: what a restore may have forgotten may not have been."""
        return not self.in_doubt or self.may_be_forgotten

    @property
    def is_unapproved(self) -> bool:
        """Whether it must not try anything before it is approved, and no job is there to be awaited."""
        return self.needs_approval and self.state.trying is None and subject(self.jobs).msg_id is None

    @property
    def stops(self) -> bool:
        """Whether the send is to end: aborted, rejected, or cancelled before its approval, or with nothing out."""
        cancelled = self.state.newest_act("cancel") is not None
        return self.state.stop is not None or (cancelled and (self.may_be_held or self.is_unapproved))

    def obstacle(self, name: str) -> Problem | None:
        """What stands against submitting, where it is the problem of this name: a doubt is asked about before it."""
        obstacle = self.state.obstacle
        return obstacle if obstacle is not None and obstacle.name == name else None

    def check(self, before: Purpose, msg_id: int | None = None) -> Check | None:
        """What was asked for this, where nothing became known since."""
        return next((one for one in self.state.checks if (one.before, one.msg_id) == (before, msg_id)), None)

    def checked(self, before: Purpose) -> bool:
        return self.check(before) is not None

    @property
    def frozen(self) -> Frozen | None:
        """Who has frozen the account, as it was told last; only while nothing of the send may be out."""
        waits = self.state.heard.waits if self.state.heard else None
        return waits.frozen if waits is not None and waits.why == "frozen" and self.may_be_held else None

    @property
    def standing(self) -> Phase:
        """The phase of a send that asks or tells its account: the one that it is in anyway."""
        state = self.state
        if state.asking and state.asking.problem:
            return "needs_operator"
        if subject(self.jobs).msg_id is not None:
            return "awaiting_result"
        if state.paused:
            return "paused"
        if state.shown_at and self.needs_approval:
            return "awaiting_approval"
        waits = self.send_at is not None and self.send_at > self.now
        early = waits and state.wish is not None and not self.newest.attempts
        return "scheduled" if early or self.frozen else "submitting"

    def conditions(self) -> Conditions:
        """What account and caller allow; the jitter is the same whenever it is computed."""
        return Conditions(
            timing=self.facts.timing,
            quota=self.facts.quota,
            send_hours=self.facts.send_hours,
            send_at=self.send_at,
            not_after=self.request.not_after,
            jitter=spread(self.newest.clientmsgid, _JITTER),
            punctual=self.may_be_forgotten,
            rescheduled=self.state.newest_act("reschedule") is not None,
            unattended=self.request.on_problem == "fail",
        )
