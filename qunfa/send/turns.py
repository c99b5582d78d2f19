"""From the time of a submission to its turn: what holds it back, the lease that it needs, and the try.

| before a submission | where |
|---|---|
| a person resumes it | it is paused: nothing was known to be out when that was taken |
| the next quota window | WeChat has refused a call for its material today |
| its material is made, and fresh | it has some; while an approval is awaited, it may grow old |
| each preview, then the approval | the request, or the account, wants them |
| its tag is looked at | something is expected of the tag |
| the account grants a lease | always: it asks for its turn a moment before its time |
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from qunfa.contract.audience import Tag
from qunfa.contract.grants import Lease, Turn
from qunfa.contract.operators import Held, Phase
from qunfa.rules.calendar import closing
from qunfa.rules.course import course
from qunfa.rules.material import FRESH, LIFETIME, Ready, next_work
from qunfa.rules.pace import spread
from qunfa.rules.submission import Submit as MaySubmit
from qunfa.rules.submission import keeps_time, write_end
from qunfa.send import endings, ledger
from qunfa.send.doubt import ignores_reprint
from qunfa.send.state import QUOTA_OF_CALLS, Case
from qunfa.send.steps import End, LookAtTag, Make, Preview, Show, Step, Submit, Wish

TAG_FRESH: Final = timedelta(minutes=10)
AHEAD: Final = timedelta(minutes=2)
"""A send that is due so soon asks for its turn already."""
REPRINTED: Final = "sent also if WeChat judges it a reprint"
IN_DOUBT: Final = (
    "an earlier try may have been accepted: this repeats it under its clientmsgid, which WeChat recognises"
)
AT_ONCE: Final = "once somebody approves it, it is repeated without waiting for its time"
_TOLD: Final = (REPRINTED, IN_DOUBT, AT_ONCE)
SPREAD: Final = timedelta(minutes=10)
"""Within so long before that all others ask for theirs: were it the moment that they are due, thousands would ask at
once. For as long after it, one that waits for others of its account is still shown as scheduled. Of a freeze it tells
from its time on."""
IN_TURN: Final = timedelta(hours=1)
"""Before a send asks for its turn, its material must stay fresh for so long after its time."""


def at_once(case: Case) -> Turn | None:
    """The turn that a run asks for along with what is known of its key: where nothing holds it back."""
    state, audience = case.state, case.request.audience
    if state.wish is not None and state.wish.turn is not None:
        return state.wish.turn
    if case.stops or state.known.tries or state.joined_at:
        return None
    if isinstance(audience, Tag) and audience.expect:
        return None
    step = course(case.jobs, case.now, case.conditions())
    if not isinstance(step, MaySubmit) or _held_back(case, step.at):
        return None
    return _turn(case, step.at) if step.at - _ahead(case) <= case.now else None


def submit(case: Case, may: MaySubmit) -> Step | End:
    """What holds a submission back; then the lease, and the try."""
    return _held_back(case, may.at) or replace(_in_turn(case, may), held=_held(case, may))


def _held_back(case: Case, at: datetime) -> Step | End | None:
    """What is to be done before a submission can be made at this time."""
    held = _paused(case) or _refused_today(case) or _to_others(case) or _put_off(case)
    return held or _made(case, at) or _previewed(case) or _approved(case)


def _held(case: Case, may: MaySubmit) -> Held | None:
    """What people find the send by. Before its own time a freeze holds nothing back."""
    if may.held is not None and may.at > case.now:
        return "quota_exhausted" if may.held == "quota" else None
    return "account_frozen" if case.frozen else None


def _in_turn(case: Case, may: MaySubmit) -> Step:
    """The time of the next try, its lease, and the try. What may be out is never called scheduled once it was tried."""
    at, why = may.at, may.why
    early = at > case.now
    is_held = case.frozen is not None or (early and may.held is not None and not case.in_doubt)
    phase: Phase = "scheduled" if is_held or (early and not case.newest.attempts) else "submitting"
    if at - _ahead(case) > case.now:
        return Step(phase, why=why, until=at, look_at=at - _ahead(case))
    audience = case.request.audience
    lease = case.state.lease
    usable = lease is not None and _is_usable(case, lease, at)
    waits = lease is None and _waits(case)
    if isinstance(audience, Tag) and audience.expect and not (waits or _tag_is_fresh(case)):
        until = lease.valid_until if lease and usable else _end_of_writing(case)
        return Step(phase, LookAtTag(), f"WeChat's answer about tag {audience.tag_id}", until)
    if lease is not None and usable:
        return Step("submitting", Submit(lease), f"WeChat's answer to try {lease.number}")
    step = ledger.asked(case, Wish("turn", _turn(case, at)), phase)
    if not early or step.effect is not None:
        return step
    again = min(filter(None, (at if case.frozen else at + _spread(case), step.wakes_at)))
    return replace(step, why=why, until=at, look_at=again)


def _spread(case: Case) -> timedelta:
    return spread(case.newest.clientmsgid, SPREAD)


def _ahead(case: Case) -> timedelta:
    """How long before its time a submission asks for its turn."""
    return AHEAD + _spread(case)


def _waits(case: Case) -> bool:
    """Whether it has asked for its turn."""
    return case.state.wish is not None and case.state.wish.turn is not None


def _is_usable(case: Case, lease: Lease, at: datetime) -> bool:
    """Whether a lease in hand is still for what is to be submitted, and not before its time."""
    in_time = case.now < lease.valid_until and at <= max(case.now, lease.not_before)
    return in_time and lease.generation == case.newest.generation


def _tag_is_fresh(case: Case) -> bool:
    """Whether the tag was looked at a moment ago: a send may wait for its turn for days."""
    return case.state.tag_seen_at is not None and case.now - case.state.tag_seen_at < TAG_FRESH


def _paused(case: Case) -> Step | None:
    paused = case.state.paused
    if paused is None:
        return None
    why = f"resume of the list: paused by {paused.by}" if paused.of_list else f"resume: paused by {paused.by}"
    return Step("paused", why=why, until=_end_of_writing(case))


def _refused_today(case: Case) -> Step | None:
    opens = case.quota_opens
    if opens is None or not case.may_be_held:
        return None
    until = min(filter(None, (opens, _end_of_writing(case))))
    return Step("scheduled", why=QUOTA_OF_CALLS, until=until, held="quota_exhausted")


def _to_others(case: Case) -> Step | End | None:
    """A tag has changed, and what a restore may have forgotten may be out: a person is asked about that doubt first."""
    return endings.ask(case, "unknown_outcome") if case.obstacle("audience_changed") else None


def _put_off(case: Case) -> Step | None:
    again = case.state.make_at
    if again is None or case.now >= again:
        return None
    until = min(filter(None, (again, _end_of_writing(case))))
    return Step("preparing", why="a later try: something stands against it now", until=until)


def _made(case: Case, at: datetime) -> Step | None:
    material, ready = case.state.material, case.state.ready
    if material is None or _awaits_approval(case):
        return None
    # The same message finds out what may be out, until WeChat has let its ids die.
    fresh = LIFETIME if ready is not None and case.in_doubt else FRESH
    asks = at - _ahead(case) <= case.now and not (case.in_doubt or case.state.lease or _waits(case))
    until = max(case.now, at + IN_TURN) if asks else case.now
    work = next_work(case.request.message, material, case.facts.news_via, until, fresh)
    if isinstance(work, Ready) and work.message == ready:
        return None
    return Step("preparing", Make(until), "the material", _end_of_writing(case))


def _previewed(case: Case) -> Step | None:
    preview, done = case.request.preview, len(case.state.previews)
    if preview is None or case.in_doubt or done >= len(preview.to):
        return None
    return Step("previewing", Preview(done), f"the preview to {preview.to[done].name}", _end_of_writing(case))


def _awaits_approval(case: Case) -> bool:
    """Whether a person is asked already. Material that is made anew meanwhile could not be approved."""
    return case.needs_approval and case.state.shown_at is not None


def _approved(case: Case) -> Step | End | None:
    """Nothing goes out before somebody has approved it in this run, or in one that it goes on from.

    So it is in doubt, too: who approved an earlier life of the key was shown what that was to send.
    """
    if not case.needs_approval:
        return None
    if not is_shown(case) or case.approvable_until is None:
        return Step("awaiting_approval", Show(_told(case)), "what is to be approved", _end_of_writing(case))
    until = min(filter(None, (case.approvable_until, _end_of_writing(case))))
    if case.now >= until:
        return endings.end(case, "expired")
    if case.in_doubt and endings.hears_of_others(case) and not case.checked("asking"):
        step = ledger.asked(case, Wish("asking"), "awaiting_approval")
        return replace(step, until=until, look_at=min(filter(None, (step.wakes_at, until))))
    return Step("awaiting_approval", why="approval", until=until)


def is_shown(case: Case) -> bool:
    """Whether what is to be approved stands there as it is: its account may have told more since it was written."""
    return case.state.shown_at is not None and {one for one in case.state.shows if one in _TOLD} == {*_told(case)}


def approval_event(case: Case) -> str | None:
    """What tells an approval from the others of the send in notices; nothing where all is to be shown anew."""
    if not is_shown(case):
        return None
    words = ("awaiting_approval", str(case.newest.generation), "in_doubt" if case.in_doubt else "")
    return " ".join(words).strip() if case.newest.generation or case.in_doubt else words[0]


def _told(case: Case) -> tuple[str, ...]:
    """What who approves has to know of the key, beside what goes out to whom."""
    reprinted, send_at = ignores_reprint(case.request, case.state.known), case.send_at
    at_once = case.in_doubt and send_at is not None and not keeps_time(case.newest, send_at, case.conditions())
    return tuple(line for line, holds in zip(_TOLD, (reprinted, case.in_doubt, at_once), strict=True) if holds)


def _turn(case: Case, at: datetime) -> Turn:
    job, timing = case.newest, case.facts.timing
    return Turn(
        generation=job.generation,
        clientmsgid=job.clientmsgid,
        due=at,
        until=min(filter(None, (_end_of_writing(case), closing(at, case.facts.send_hours))), default=None),
        pace=timing.pace,
        http_timeout=timing.http_timeout,
    )


def _end_of_writing(case: Case) -> datetime | None:
    return write_end(case.newest, case.conditions())
