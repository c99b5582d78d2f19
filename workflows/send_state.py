"""All that a ``MassSend`` knows, carried whole across continue-as-new."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from qunfa.contract.audience import All
from qunfa.contract.event import JobFinished
from qunfa.contract.fields import Stored
from qunfa.contract.job import Job
from qunfa.contract.ledger import SendsCounted, Told
from qunfa.contract.material import Material
from qunfa.contract.message import Message
from qunfa.contract.preview import Previewed
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Problem
from qunfa.contract.status import Approval, StoryLine
from qunfa.contract.steps import AccountFacts
from qunfa.rules.clientmsgid import clientmsgid
from qunfa.rules.course import Jobs, subject, with_job, with_push
from qunfa.rules.stragglers import sharing
from qunfa.rules.submission import Conditions

EARLY_MAX: Final = 50
STORY_MAX: Final = 100
_JITTER_SECONDS: Final = 180


class Asked(Stored):
    """The problem that waits for an operator, since when."""

    problem: str
    generation: int
    at: datetime


class Paused(Stored):
    """Who paused the send, and why."""

    by: str
    reason: str | None = None


class SendState(Stored):
    """A send after its key was claimed.

    ``early``: pushes whose msg_id is not (yet) one of ours. ``material`` is what was found and made, ``ready`` the
    message with the ids that WeChat knows; both are ``None`` where nothing has to be made. ``questions``: how often an
    operator was asked.
    """

    facts: AccountFacts
    digest: str
    namespace: str
    workflow_id: str
    send_ignore_reprint: bool = False
    send_at: datetime | None = None
    jobs: tuple[Job, ...] = ()
    early: tuple[JobFinished, ...] = ()
    story: tuple[StoryLine, ...] = ()
    asked: Asked | None = None
    obstacle: Problem | None = None
    awaiting_since: datetime | None = None
    material: Material | None = None
    ready: Message | None = None
    previews: tuple[Previewed, ...] = ()
    approval: Approval = Approval()
    approval_asked_at: datetime | None = None
    paused: Paused | None = None
    cancelled: str | None = None
    counted: SendsCounted | None = None
    questions: int = 0

    @property
    def current(self) -> Job:
        """The newest generation."""
        return self.jobs[-1]

    @property
    def subject(self) -> Job:
        """The generation that is to be settled next."""
        return subject(self.jobs)

    def changed(self, **changes: Any) -> "SendState":
        """A copy with these changes."""
        return self.model_copy(update=changes)

    def with_generation(self, key: str, generation: int, *, shared: bool = False) -> "SendState":
        """With a new generation of the job, and its ``clientmsgid``: its own, or that of the ones before."""
        own = clientmsgid(self.namespace, self.facts.appid, key, 0, generation)
        job = sharing(self.jobs, generation) if shared else Job(index=0, generation=generation, clientmsgid=own)
        return self.changed(jobs=with_job(self.jobs, job), awaiting_since=None)

    def with_current(self, job: Job) -> "SendState":
        """With ``job``, and with the verdicts of pushes that came before its msg_id was known."""
        state = self.changed(jobs=with_job(self.jobs, job))
        for event in self.early:
            state = state.with_event(event)
        return state

    def with_event(self, event: JobFinished) -> "SendState":
        """With a push: on one of our jobs, or kept."""
        early = tuple(kept for kept in self.early if kept != event)
        jobs: Jobs | None = with_push(self.jobs, event) if self.jobs else None
        if jobs is None:
            return self.changed(early=(*early, event)[-EARLY_MAX:])
        return self.changed(jobs=jobs, early=early)

    def with_line(self, line: StoryLine) -> "SendState":
        """With one more line of the story."""
        return self.changed(story=(*self.story, line)[-STORY_MAX:])

    def conditions(self, request: MassSendRequest) -> Conditions:
        """What account and caller allow; the jitter is the same whenever it is computed."""
        spread = int(sha256(self.current.clientmsgid.encode()).hexdigest()[:8], 16) % _JITTER_SECONDS
        return Conditions(
            timing=self.facts.timing,
            quota=self.facts.quota,
            send_hours=self.facts.send_hours,
            send_at=self.send_at,
            not_after=request.not_after,
            jitter=timedelta(seconds=spread),
        )

    def note(self, request: MassSendRequest, **more: Any) -> Told:
        """A note for the ledger."""
        return Told(
            key=request.key,
            digest=self.digest,
            workflow_id=self.workflow_id,
            to_all=isinstance(request.audience, All),
            **more,
        )
