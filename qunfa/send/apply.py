"""What a send becomes by what happens to it: one event, one fact or a few, and the lines that tell of them.

Nothing is decided here about what comes next: that follows from the facts (:mod:`qunfa.send.plan`). Whatever becomes
known makes checks worthless that were made before, and may make an ``abort`` too late.
"""

from datetime import datetime, timedelta
from typing import Final

from qunfa.contract.audience import AnyAudience, Batch
from qunfa.contract.facts import Decided, Known, Said
from qunfa.contract.grants import Granted, Lease, LedgerLost
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Answer, JobFinished, Outcome, Problem
from qunfa.contract.steps import AccountFacts
from qunfa.rules.bounds import cut, without_articles
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.course import course
from qunfa.rules.material import rebuilding
from qunfa.rules.memory import given_up, union
from qunfa.rules.outcome import not_known
from qunfa.rules.submission import Await, explain
from qunfa.rules.verdict import judge, verdict_of_poll, verdict_of_push
from qunfa.send import events, joining, questions, steps
from qunfa.send.answers import ENDED
from qunfa.send.decisions import refuse, taken_up, updated, without_finds
from qunfa.send.doubt import UNNAMED, used_by_list
from qunfa.send.endings import deadline
from qunfa.send.plan import plan
from qunfa.send.state import UNANSWERED, Act, Asking, Case, Check, OpenWish, SendState

SEEN_WITHIN: Final = timedelta(seconds=10)
"""How long after the account has taken a wish its run may learn that it was sent."""
ASKS: Final = "needs an operator"
"""So a line of the story begins where a person is asked."""
STRANGERS_MAX: Final = 50
"""How many words of WeChat's on jobs of others a send keeps: one of these may turn out to be its own."""
STRANGE_BYTES: Final = 2048
"""Of such a word. Beyond, its articles go: all of them have to fit into a signal to the account."""
NEWEST_BYTES: Final = 8192
"""Of the newest one, which may be on the job of the try that is under way."""


def apply(request: MassSendRequest, state: SendState, event: events.Event, now: datetime) -> SendState:
    case = Case(request, state, now)
    after = _taken(case, event)
    if after.known != state.known:
        after = after.changed(checks=_still_good(after, event))
    return _in_time(case, after) if isinstance(event, Granted) or after.known != state.known else after


def _taken(case: Case, event: events.Event) -> SendState:  # noqa: C901, PLR0911, PLR0912  one row for each event
    state, now = case.state, case.now
    match event:
        case events.Refused(reasons):
            return state.changed(refused=reasons)
        case events.Pinned(facts):
            return state.changed(pinned=_as_its_whole(case.request.audience, facts))
        case events.Inspected(digest, material):
            return _inspected(state).changed(digest=digest, material=material)
        case events.LookedUp():
            return _looked_up(case, event)
        case events.Wishing():
            return _wishing(case, event)
        case events.WishSent():
            return _wish_sent(case, event)
        case Granted():
            return joining.heard(case, event)
        case JobFinished():
            return _said(case, Said(msg_id=event.msg_id, verdict=verdict_of_push(event), at=now))
        case events.Kept(material):
            return state.changed(material=material)
        case events.Made(message):
            return state.changed(ready=message, make_at=None).saying(now, "the material is ready: WeChat has all of it")
        case events.Obstructed(problem):
            return _obstructed(case, problem)
        case events.WasPreviewed(done):
            return state.changed(previews=(*state.previews, done)).saying(now, event.said)
        case events.Shown(lines):
            return state.changed(shows=lines, shown_at=now)
        case events.TagSeen():
            return state.changed(tag_seen_at=now)
        case events.Began(lease):
            held = state.heard and state.heard.model_copy(update={"lease": None})
            return state.changed(trying=lease, heard=held, known=_tried(state, lease))
        case events.Answered(answer):
            return _answered(case, answer)
        case events.Lost(how):
            return _lost(case, how)
        case steps.GiveBack(lease):
            held = state.heard and state.heard.model_copy(update={"lease": None})
            return joining.given_back(state.changed(heard=held, wish=None), lease, now)
        case events.Reported(ended):
            return state.changed(untold=False, told_end=ended or state.told_end)
        case events.Polled():
            return _polled(case, event)
        case events.WechatSaid(msg_id, said):
            return questions.wechat_said(case, msg_id, said)
        case steps.Put(problem, generation):
            return _put(case, problem, generation)
        case steps.Renew(generation, opens):
            return _renewed(case, generation, opens)
        case steps.Rebuild():
            return _rebuilding(case)
        case events.Updated(identity, answer):
            return updated(case, identity, answer)
        case events.Cancelled(reason):
            return _cancelled(case, reason)
        case events.WasReset():
            return _reset(case)
        case LedgerLost(at=at):
            return _out_of_line(state, at)
        case steps.Drop():
            return questions.ledger_silent(case)
        case events.Continued():
            return state.changed(wish=None)
        case events.Finished(outcome):
            return _finished(case, outcome)
        case events.TimeCame():
            return state


def _as_its_whole(audience: AnyAudience, facts: AccountFacts) -> AccountFacts:
    """The account's facts. A batch goes to the account of its whole, where WeChat was for that.

    It makes its articles the way for which its whole has looked at their sources.
    """
    if not isinstance(audience, Batch):
        return facts
    via = audience.material.news_via if audience.material else None
    of_whole = {"appid": audience.appid, "base_url": audience.base_url, "news_via": via}
    return facts.model_copy(update={name: one for name, one in of_whole.items() if one})


def _still_good(after: SendState, event: events.Event) -> tuple[Check, ...]:
    """Checks that count although something became known: what the ledger has just told in answer to one.

    So does what a person has found, and nobody could check.
    """
    told = without_finds(after)[-1:] if isinstance(event, Granted) and after.wish is None else ()
    return (*_finds(after), *told)


def _finds(state: SendState) -> tuple[Check, ...]:
    return tuple(one for one in state.checks if one.before == "question")


def _in_time(case: Case, after: SendState) -> SendState:
    """Without an ``abort`` that came too late: an accepted job is awaited. Short of that nothing is tried again."""
    if after.stop is None or after.pinned is None:
        return after
    then = case.after(after)
    if then.may_be_held or not isinstance(course(then.jobs, case.now, then.conditions()), Await):
        return after
    acts = tuple(act for act in after.acts if act.what not in {"abort", "reject"})
    return after.changed(acts=acts).saying(case.now, "the abort came too late: something may have been delivered")


def _looked_up(case: Case, found: events.LookedUp) -> SendState:
    """A run that ends by this joins nobody: a try of an earlier run may still be written, and is lost to it."""
    state = case.state
    of_list = used_by_list(case.request.key, found.known, found.first_batch or Known())
    said = not_known(case.request.key, found.why) if found.why else of_list
    added = (said,) if said and state.refused else ()
    # That there is no such account is told last: it ends with what to do.
    reasons = (*state.refused, *added) if state.pinned else (*added, *state.refused)
    known = union(state.known, given_up(with_own_ids(case, found.known), case.now))
    return state.changed(known=known, searched=True, unheard=bool(found.why), again=True, refused=reasons)


def with_own_ids(case: Case, known: Known) -> Known:
    """What is known, where a try that may be forgotten has the ``clientmsgid`` of its generation."""
    tries = tuple(
        one.model_copy(update={"clientmsgid": case.own_id(one.generation)}) if one.clientmsgid == UNNAMED else one
        for one in known.tries
    )
    return known.model_copy(update={"tries": tries})


def _inspected(state: SendState) -> SendState:
    """Without what was looked up of the key, which may be of other content: the ledger tells what is of this one.

    What a run tells the ledger is taken for its own by later runs of the key.
    """
    return state.changed(known=Known(said=state.known.said), searched=False, unheard=False, again=False)


def _wishing(case: Case, event: events.Wishing) -> SendState:
    state, before = case.state, case.state.wish
    unanswered = before is not None and (state.heard is None or state.heard.wish != before.wish)
    number = state.wishes + 1
    opened = OpenWish(
        wish=event.wish,
        number=number,
        purpose=event.purpose,
        turn=event.turn,
        whose=event.whose,
        since=before.since if before is not None and unanswered else case.now,
    )
    return state.changed(wish=opened, wishes=number)


def _wish_sent(case: Case, sent: events.WishSent) -> SendState:
    """An earlier wish may have been looked for before a reset: its facts count, and its search does not."""
    came_up_at = min(filter(None, (case.state.came_up_at, sent.came_up_at)), default=None)
    state = case.state.changed(known=union(case.state.known, sent.known), came_up_at=came_up_at)
    open_wish, heard = state.wish, state.heard
    if heard is not None and heard.wish == sent.wish:
        state = joining.found_late(case, state.changed(searched=state.searched or sent.searched), heard)
    if open_wish is None or open_wish.wish != sent.wish:
        return state
    told = open_wish.model_copy(update={"sent_at": case.now})
    return state.changed(wish=told, searched=state.searched or sent.searched)


def _said(case: Case, word: Said) -> SendState:
    """A word of WeChat's on one of our jobs, or on one that may turn out to be ours."""
    said = cut(word)
    state, msg_id, status = case.state, said.msg_id, said.verdict.status
    if judge(said.verdict) is None:
        return state.saying(case.now, f"WeChat's word on msg_id {msg_id} says nothing: {status}")
    known = union(state.known, Known(said=(said,)))
    if known == state.known:
        return state
    ours = {job.msg_id for job in case.jobs} if state.pinned else set()
    if msg_id in ours:
        return state.changed(known=known).saying(case.now, _word_on(said))
    if _size(said) > NEWEST_BYTES:
        said = without_articles(said)
        known = union(state.known, Known(said=(said,)))
    others = [one for one in known.said if one.msg_id not in ours and one != said][1 - STRANGERS_MAX :]
    stay = [one for one in known.said if one.msg_id in ours or one == said or one in others]
    words = tuple(_in_short(one) if one in others else one for one in stay)
    return state.changed(known=known.model_copy(update={"said": words}))


def _in_short(said: Said) -> Said:
    return without_articles(said) if _size(said) > STRANGE_BYTES else said


def _size(said: Said) -> int:
    return len(said.model_dump_json().encode())


def _word_on(said: Said) -> str:
    how = "WeChat's push" if said.verdict.observed_by == "push" else "mass/get"
    return f"{how} on msg_id {said.msg_id}: {said.verdict.status}"


def _obstructed(case: Case, problem: Problem) -> SendState:
    """A person is asked; but not while a try may be out, which only the same message to the same people can settle.

    Nor where the account waits for its quota, be it one of mass sends or of other calls.
    """
    if case.may_be_held:
        return case.waiting_for_quota(problem) or case.state.changed(obstacle=problem)
    again = case.now + case.facts.timing.repeat_max
    return case.state.changed(make_at=again).saying(case.now, f"it is tried again later: {problem.sentence}")


def _tried(state: SendState, lease: Lease, answer: Answer | None = None, lost_at: datetime | None = None) -> Known:
    """The facts with the lease's try."""
    return union(state.known, Known(tries=(lease.tried(answer, lost_at=lost_at),)))


def _over(state: SendState) -> SendState:
    """Without the lease whose try is over; a run that was reset meanwhile asks the ledger now."""
    return state.changed(heard=state.heard if state.searched else None, wish=None, trying=None)


def _answered(case: Case, answer: Answer) -> SendState:
    """Once the try is answered. A worker whose clock is ahead must not put off the next one."""
    state, lease = case.state, case.state.trying
    if lease is None:
        return state
    answer = answer.model_copy(update={"at": min(answer.at, case.now)})
    after = _over(state.changed(known=_tried(state, lease, answer), untold=state.untold or not answer.told))
    after = after.saying(case.now, _what_happened(case.after(after), lease, answer))
    known_before = {job.msg_id for job in case.jobs}
    came_early = [one for one in after.known.said if one.msg_id == answer.msg_id and one.msg_id not in known_before]
    return after.saying(case.now, _word_on(came_early[0])) if came_early else after


def _lost(case: Case, how: str) -> SendState:
    state, lease = case.state, case.state.trying
    if lease is None:
        return state
    after = _over(state.changed(known=_tried(state, lease, lost_at=case.now), untold=True))
    return after.saying(case.now, f"try {lease.number}: {how}; it may have been accepted")


def _what_happened(case: Case, lease: Lease, answer: Answer) -> str:
    job = next(job for job in case.jobs if job.generation == lease.generation)
    if answer.msg_id is not None and job.collides_with == answer.msg_id:
        return f"try {lease.number}: WeChat takes it for job msg_id {answer.msg_id}"
    if answer.msg_id is not None:
        again = " (it had accepted it before)" if answer.kind == "duplicate" else ""
        return f"try {lease.number}: accepted as msg_id {answer.msg_id}{again}"
    return f"try {lease.number}: {explain(answer)}" + ("; it may have been accepted" if job.ever_unknown else "")


def _polled(case: Case, polled: events.Polled) -> SendState:
    """A verdict of ``mass/get``, or that it had none in time."""
    msg_id, verdict = polled.msg_id, verdict_of_poll(polled.status) if polled.status else None
    asked = case.check("ending", msg_id) is not None
    if verdict is None and not asked:
        what = f"no verdict on msg_id {msg_id} within {case.request.result.give_up_after}"
        vain = {**case.state.vain, msg_id: case.now}
        return case.state.changed(vain=vain).saying(case.now, what, reason=polled.detail)
    state = questions.last_word(case, msg_id, "undecided" if verdict is None else "over") if asked else case.state
    if verdict is None:
        return state
    after = _said(case.after(state), Said(msg_id=msg_id, verdict=verdict, at=case.now))
    return after if after.known == state.known else after.changed(untold=True)


def _put(case: Case, problem: str, generation: int) -> SendState:
    before = case.state.asking
    number = before.number + 1 if before else 1
    asking = Asking(problem=problem, generation=generation, since=case.now, number=number)
    state = case.state.changed(shows=(), shown_at=None) if case.needs_approval else case.state
    return state.changed(asking=asking).saying(case.now, f"{ASKS}: {problem}")


def _renewed(case: Case, generation: int, opens: str) -> SendState:
    why = "WeChat keeps the clientmsgid of the job that failed, so no slow try comes through: a new one is used"
    opened = Decided(
        id=f"renewed-{generation}", what="open", by="", reason=why, at=case.now, generation=generation, opens=opens
    )
    known = union(case.state.known, Known(decided=(opened,)))
    return case.state.changed(known=known).saying(case.now, why)


def _rebuilding(case: Case) -> SendState:
    after = taken_up(case, f"rebuilt-{len(case.state.known.tries)}")
    material = after.material and rebuilding(after.material)
    what = "WeChat no longer knows the material (40007): it is made anew"
    return after.changed(material=material, ready=None).saying(case.now, what)


def _cancelled(case: Case, reason: str) -> SendState:
    kept = tuple(act for act in case.state.acts if act.what != "cancel")
    state = case.state.changed(acts=(*kept, Act(what="cancel", at=case.now, reason=reason)))
    step = plan(case.request, state, case.now)
    if state.pinned is None or case.may_be_forgotten or case.is_unapproved:
        return state
    if not (case.in_doubt or (isinstance(step, steps.Step) and step.phase == "awaiting_result")):
        return state
    what = "cancellation noted; the send goes on to its verdict, since it may have been accepted"
    return state.saying(case.now, what, None, reason)


def _reset(case: Case) -> SendState:
    """What the ledger had told is of the run before: its leases are, too. A try under way is awaited.

    The time for an approval or an answer begins anew: it may be long over since it was given.
    """
    shown_at, asking = case.state.shown_at and case.now, case.state.asking
    asking = asking and asking.model_copy(update={"since": case.now})
    state = case.state.changed(searched=False, checks=_finds(case.state), shown_at=shown_at, asking=asking)
    if state.trying is None:
        state = state.changed(heard=None, wish=None)
    return state.saying(case.now, "this run was reset: the account's ledger is asked what is known")


def _out_of_line(state: SendState, at: datetime) -> SendState:
    """Without the wish for a turn that went down with the account's queue: it asks again. A lease in hand is used.

    Who waits for no turn tells the next account what was submitted, or it would not know whose a push is. Each
    worker tells of each loss, and one that starts tells of old ones.
    """
    wish = state.wish
    waits = wish is not None and wish.turn is not None
    joined = state.joined_at is not None and state.joined_at > at + SEEN_WITHIN
    if (state.lost_at and at <= state.lost_at) or (joined and not waits):
        return state
    state = state.changed(lost_at=at)
    if state.lease:
        return state
    if state.trying or wish is None or wish.turn is None:
        return state.changed(untold=state.untold or state.known.was_submitted)
    if wish.since > at + SEEN_WITHIN:
        return state
    return state.changed(wish=None)


def _finished(case: Case, outcome: Outcome) -> SendState:
    """The last lines of the story."""
    state, asking, now = case.state, case.state.asking, case.now
    late = outcome in {"failed", "expired", "unknown"} and state.stop is None and state.pinned is not None
    if late and asking and asking.problem and (until := deadline(case, asking)[0]) <= now:
        state = state.saying(now, f"nobody decided about {asking.problem} until {shanghai_clock(until)}")
    elif outcome in {"expired", "unknown"} and state.shown_at and not case.stops and case.needs_approval:
        state = state.saying(now, f"nobody approved until {shanghai_clock(now)}")
    asks_in_vain = state.wish is not None and (state.heard is None or state.wish.purpose == "ending")
    if outcome == "unknown" and (asks_in_vain or state.unheard):
        state = state.saying(now, UNANSWERED)
    if state.question is not None:
        state = refuse(state, state.question.update, ENDED)
    return state.saying(now, f"ended as {outcome}")
