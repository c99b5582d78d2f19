"""What a send in batches becomes by what happens to it: one event, one fact or a few."""

from datetime import datetime
from itertools import takewhile
from typing import Any, Final

from qunfa.batches import steps
from qunfa.batches.answers import JUST_ENDED, is_for_its_batch, is_over, refusal
from qunfa.batches.state import MATERIAL, WINNER, BatchesState, Case, PassedOn, Passing, Question, Running
from qunfa.contract.batches import BatchRow, BatchSaid, doubted
from qunfa.contract.fields import REASON_MAX
from qunfa.contract.operators import Abort, Choose, MarkSent, Pause, Reschedule, Resume, Retry
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import COMPLETES
from qunfa.rules.material import rebuilding
from qunfa.rules.problems import PLAN_MISSING
from qunfa.send.answers import is_settled_first
from qunfa.send.decisions import acted
from qunfa.send.events import Answering
from qunfa.send.state import UNANSWERED, Act

PACED_BY: Final = 9
"""So many of the newest batches tell how long one takes."""
_ABOUT: Final = {MATERIAL: "", WINNER: ": what the rest gets"}
_NAMES: Final[dict[type[Any], PassedOn]] = {
    Retry: "retry",
    MarkSent: "mark_sent",
    Abort: "abort",
    Pause: "pause",
    Resume: "resume",
    Reschedule: "reschedule",
}
NAMED: Final = {name: answer for answer, name in _NAMES.items()}


def apply(request: MassSendRequest, state: BatchesState, event: steps.Event, now: datetime) -> BatchesState:  # noqa: C901, PLR0911, PLR0912  one row for each event
    case = Case(request, state, now)
    match event:
        case steps.Refused(reasons):
            return state.changed(refused=reasons)
        case steps.Pinned(facts):
            return state.changed(pinned=facts)
        case steps.Inspected(digest, contents):
            return state.changed(digest=digest, contents=contents)
        case steps.Joined(counted):
            return state.changed(joined=True, counted=counted, counted_at=now)
        case steps.Planned(plan):
            if state.was_reset:
                plan = plan.model_copy(update={"is_from_before": True})
            what = f"planned: {plan.openids:,} openids in {plan.batches:,} batches"
            planned = state.changed(plan=plan).saying(now, what)
            chosen = f"an earlier run has chosen message {plan.winner} for the rest"
            return planned.saying(now, chosen) if plan.winner else planned
        case steps.Kept(version, material):
            return _with_content(state, version, material=material)
        case steps.Obstructed(problem):
            waits = case.waiting_for_quota(problem) if state.plan is not None else None
            return waits or state.changed(obstacle=problem)
        case steps.WasPreviewed(done):
            return state.changed(previews=(*state.previews, done)).saying(now, event.said)
        case steps.Shown(lines):
            return state.changed(shows=lines, shown_at=state.shown_at or now)
        case steps.Begin(number):
            return _began(case, number)
        case BatchSaid():
            return _said(case, event)
        case steps.Ended(row):
            return _ended(case, row)
        case steps.WasPassed(identity, why):
            return was_passed(case, identity, why)
        case steps.WasRefused(name, why):
            return _not_taken(case, name, why)
        case steps.Put(about):
            count = state.questions + 1
            asked = state.changed(question=Question(about=about, since=now, count=count), questions=count)
            return asked.saying(now, "needs an operator" + _ABOUT.get(about, f": batch {about:,}"))
        case steps.LookedBack():
            return _looked_back(case, event)
        case steps.Unheard(number):
            return _unheard(case, number)
        case steps.Reported(rows, uri, sent, told):
            reported = state.changed(reported=rows, was_sent=sent, told=told)
            silent = uri or state.plan is None
            return reported if silent else reported.saying(now, "the report could not be written")
        case steps.Updated(identity, answer):
            return updated(case, identity, answer)
        case steps.Cancelled(reason):
            return cancelled(case, reason)
        case steps.WasReset():
            return _reset(case)
        case steps.Finished(outcome):
            return state.saying(now, f"ended as {outcome}")


def _with_content(state: BatchesState, version: int, **changes: Any) -> BatchesState:
    """The state after the message of this number was changed so."""
    one = state.contents[version].changed(**changes)
    return state.changed(contents=(*state.contents[:version], one, *state.contents[version + 1 :]))


def _reset(case: Case) -> BatchesState:
    """A batch under way is followed. So is one that has ended badly: the run before may have begun it again.

    It may have begun those after it as well, and a person may have aborted one of these since. The report is written
    anew: one of before counts as out of date.

    What the batch under way asks is forgotten until who follows it tells: it may be another thing by now than what
    Temporal applies an answer to again. The time for an approval or an answer begins anew: it may be long over.
    """
    question = case.state.question and case.state.question.model_copy(update={"since": case.now})
    renewed = case.state.changed(shown_at=case.state.shown_at and case.now, question=question)
    forgets = {"looked": None, "found": (), "fresh": None, "reported": None, "retried": None}
    # Temporal gives it again what people have said since: a resume among that may have answered a batch.
    state, bad = renewed.changed(was_reset=True, answered_at=case.now, **forgets), case.bad
    if state.plan is not None:
        state = state.changed(plan=state.plan.model_copy(update={"is_from_before": True}))
    if bad is not None and state.running is None:
        again = Running(number=bad.number, since=case.now, follows=True)
        state = state.changed(rows=state.rows[:-1], running=again, question=None)
    if state.running is not None:
        state = _judged_anew(case.after(_said(case.after(state), BatchSaid(number=state.running.number))))
    return state.saying(case.now, "this run was reset: a batch under way is followed")


def _judged_anew(case: Case) -> BatchesState:
    """The state without answers that a batch was to be given, each of which has come once more."""
    awaited = [(one.update, NAMED[one.name].model_validate(one.answer)) for one in case.state.passing if one.update]
    case = case.after(case.state.changed(passing=tuple(one for one in case.state.passing if not one.update)))
    for identity, answer in awaited:
        case = case.after(updated(case, identity, answer))
    return case.state


def _began(case: Case, number: int) -> BatchesState:
    state, now = case.state, case.now
    # What was made for previews is not shown again, and would be carried on beside the rows of all batches.
    contents = tuple(one.for_batches for one in state.contents)
    begun = Running(number=number, since=now)
    began = state.changed(running=begun, began_at=state.began_at or now, found=(), fresh=None, contents=contents)
    return began.saying(now, f"begun: batch 1 of {case.total:,}") if state.began_at is None else began


def _said(case: Case, said: BatchSaid) -> BatchesState:
    running = case.state.running
    if running is None:
        return _said_by_another(case, said)
    if running.number != said.number:
        return case.state
    now_asks = said.problem is not None and (running.problem is None or said.problem.name != running.problem.name)
    told = {"problem": said.problem, "answers": said.answers, "held": said.held, "opens": said.opens}
    asks = running.model_copy(update=told)
    if running.waits and not asks.waits:
        asks = asks.model_copy(update={"since": case.now})
    after = _as_paused(case, said).changed(running=asks)
    if said.problem is None or not now_asks:
        return after
    # What a person answers now is about this problem. An abort from before any problem is not, but a reset repeats one.
    is_told_again = after.was_reset and after.asked == said.number
    passing = tuple(one for one in after.passing if one.name != "abort" or one.update or one.asked or is_told_again)
    after = after.changed(passing=passing, asked=said.number)
    return after.saying(case.now, f"batch {said.number:,} needs an operator: {said.problem.name}")


def _as_paused(case: Case, said: BatchSaid) -> BatchesState:
    """The batch was paused with the whole, by an earlier run of that: a resume is for both.

    This run may know that pause, and have been resumed before it came to the batch. Then that is resumed, too.
    """
    state = case.state
    if said.paused_by is None or state.paused is not None:
        return state
    pause, resume = state.newest_act("pause"), state.newest_act("resume")
    if pause is not None and resume is not None and pause.by == said.paused_by:
        is_told = any(one.name == "resume" for one in state.passing)
        return state if is_told else _passing(state, _to_pass_on("resumed", None, Resume(by=resume.by)))
    act = Act(what="pause", at=case.now, by=said.paused_by)
    return state.changed(acts=(*state.acts, act)).saying(case.now, f"batch {said.number:,} was paused before")


def _said_by_another(case: Case, said: BatchSaid) -> BatchesState:
    """A batch that an earlier run had begun asks a person, or no longer does; it is answered by its own key."""
    before = case.state.looked.problem if case.state.looked else None
    looked = Running(number=said.number, since=case.now, follows=True, problem=said.problem)
    after = case.state.changed(looked=looked)
    if said.problem is None or (before is not None and before.name == said.problem.name):
        return after
    what = f"batch {said.number:,}, which an earlier run had begun, needs an operator: {said.problem.name}"
    return after.saying(case.now, what)


def _looked_back(case: Case, looked: steps.LookedBack) -> BatchesState:
    """What nobody has heard of is unknown where the plan is so old that it may be forgotten."""
    state, number, row = case.state, looked.number, looked.row
    if number != len(state.all_rows) + 1:
        return state
    state = state.changed(looked=None)
    if row is None and case.is_forgotten:
        row = doubted(number)
    if row is None:
        return state.changed(fresh=number)
    what = f"batch {number:,}, which an earlier run had begun, ended as {row.outcome}"
    return state.changed(found=(*state.found, row), reported=None).saying(case.now, what)


def _unheard(case: Case, number: int) -> BatchesState:
    """All batches that are left are unknown: who asked for each of them would wait as long again for each."""
    state = case.state
    if number != len(state.all_rows) + 1:
        return state
    rows = map(doubted, range(number, max(number, case.total) + 1))
    after = state.changed(looked=None, found=(*state.found, *rows), reported=None)
    return after.saying(case.now, UNANSWERED)


def _ended(case: Case, row: BatchRow) -> BatchesState:
    state, running = case.state, case.state.running
    if running is None or running.number != row.number:
        return state
    took = state.took if running.follows else (*state.took, case.now - running.since)[-PACED_BY:]
    after = state.changed(rows=(*state.rows, row), running=None, reported=None, took=took)
    if row.outcome not in COMPLETES or state.asked == row.number:
        # It may have been for the covers that it was begun with, which the next one is to upload itself.
        contents = tuple(one.changed(material=one.material and rebuilding(one.material)) for one in state.contents)
        after = after.changed(contents=contents)
    if row.outcome not in COMPLETES:
        why = f": {row.problem}" if row.problem else ""
        after = after.saying(case.now, f"batch {row.number:,} ended as {row.outcome}{why}")
    elif row.number == case.total:
        after = after.saying(case.now, "the last batch is sent")
    return without_answers(case.after(after))


def updated(case: Case, identity: str, answer: Answering) -> BatchesState:
    """The state after an update, with its reply, unless the batch under way is asked first.

    A ``resume`` that answers a batch that has ended badly lifts no pause: who answers may not know of it.
    What an ``abort`` confirms is dropped where no batch asks: one under way would refuse it. Without that it needs no
    batch's word, and nothing that somebody answers a batch keeps it from ending the rest.

    | answer | while a batch asks a person | while a batch is under way | else |
    |---|---|---|---|
    | ``retry``, ``mark_sent`` | the batch is given it, and its word is the reply | – | that batch once more |
    | ``abort`` that confirms | the same; taken, it ends the send | as one that does not | as one that does not |
    | ``abort`` | as while one is under way | the send ends after it, and it is told | the send ends |
    | ``pause``, ``resume`` | – | the batch is told, and the next one waits | the next one waits, or goes on |
    | ``choose`` | – | – | the rest of a split test gets that message |
    | ``reschedule`` | – | the batch is told, and the next one waits for that time | the next one waits for it |
    """
    state, running = case.state, case.state.running
    if why := refusal(case.request, state, case.now, answer):
        return state.replied(identity, why)
    if is_for_its_batch(case, answer):
        return _passing(state, _to_pass_on(identity, identity, answer))
    if isinstance(answer, Retry):
        return _once_more(case, identity, answer)
    if isinstance(answer, MarkSent):
        return state.replied(identity, JUST_ENDED)
    if isinstance(answer, Resume) and case.bad is not None and case.request.on_batch_problem == "stop":
        state = state.changed(excused=case.bad.number, question=None, answered_at=case.now)
        if state.paused is not None:
            what = f"batch {case.bad.number:,} is left as it is; the send stays paused"
            return state.saying(case.now, what, answer.by, answer.reason).replied(identity)
    if isinstance(answer, Choose | Pause) and state.question is not None and state.question.about == WINNER:
        state = state.changed(question=None)
    if isinstance(answer, Abort):
        answer = answer.model_copy(update={"confirm_not_delivered": False})
    state = acted(case.after(state), answer)
    if running is not None and isinstance(answer, Abort | Pause | Resume | Reschedule):
        state = _passing(state, _to_pass_on(identity, None, answer))
    return state.replied(identity)


def was_passed(case: Case, identity: str, why: str | None) -> BatchesState:
    """The batch has answered; an ``abort`` that it has taken, or that comes too late for it, ends the send."""
    state = case.state
    passed = next((one for one in state.passing if one.id == identity), None)
    if passed is None:
        return state
    state = state.changed(passing=tuple(one for one in state.passing if one is not passed))
    if passed.update is None:
        return _as_held(state, passed) if why is None else _not_taken(case.after(state), passed.name, why)
    if why is not None and not (passed.name == "abort" and is_over(why)):
        return state.replied(passed.update, why)
    if passed.name == "abort":
        state = acted(case.after(state), Abort.model_validate(passed.answer))
    else:
        by, reason = passed.answer.get("by"), passed.answer.get("reason")
        state = state.saying(case.now, f"{passed.name} of the batch", by, reason)
    return state.replied(passed.update)


def _as_held(state: BatchesState, passed: Passing) -> BatchesState:
    """The batch under way has taken what holds the whole: another time holds for it, too."""
    if passed.name != "reschedule" or state.running is None:
        return state
    taken = Reschedule.model_validate(passed.answer)
    return state.changed(running=state.running.model_copy(update={"send_at": taken.send_at}))


def cancelled(case: Case, reason: str) -> BatchesState:
    """Temporal was asked to cancel the run: it ends after the batch under way, which is told."""
    state = case.state
    kept = tuple(act for act in state.acts if act.what != "cancel")
    after = state.changed(acts=(*kept, Act(what="cancel", at=case.now, reason=reason)))
    if state.running is None:
        return after
    said = Abort(by="a cancellation", reason=reason.strip()[:REASON_MAX] or "no reason given")
    return _passing(after, _to_pass_on("cancelled", None, said))


def _not_taken(case: Case, name: PassedOn, why: str) -> BatchesState:
    """What is given again may be refused again, and is told once.

    Another time waits for a doubt to be settled, and a resume may be what settles it: so that goes first then.
    """
    state, what = case.state, f"the batch did not take {name}: {why}"
    if name == "reschedule" and is_settled_first(why):
        state = state.changed(passing=tuple(sorted(state.passing, key=_is_time)))
    is_told = any(line.what == what for line in state.story)
    return state if is_told else state.saying(case.now, what)


def without_answers(case: Case) -> BatchesState:
    """The state after a batch has ended, which is given nothing any more; an ``abort`` is for the rest, too."""
    state = case.state
    for passed in state.passing:
        if passed.update is None:
            continue
        if passed.name == "abort":
            state = acted(case.after(state), Abort.model_validate(passed.answer)).replied(passed.update)
        else:
            state = state.replied(passed.update, JUST_ENDED)
    return state.changed(passing=())


def _once_more(case: Case, identity: str, asked: Retry) -> BatchesState:
    """The batch that has ended badly is to be sent again, under its key; or the material is to be made again."""
    state = case.state.changed(question=None, obstacle=None, found=(), fresh=None)
    what, obstacle = "retry", case.state.obstacle
    if obstacle is not None:
        what = f"retry after {obstacle.name}"
        vouched = obstacle.name == PLAN_MISSING and asked.confirm_not_delivered
        state = state.changed(is_unbegun=state.is_unbegun or vouched)
    if case.bad is not None:
        state = state.changed(rows=state.rows[:-1], reported=None, retried=case.bad.number, answered_at=case.now)
        what = f"retry of batch {case.bad.number:,}"
    return state.saying(case.now, what, asked.by, asked.reason).replied(identity)


def _to_pass_on(identity: str, update: str | None, answer: Answering) -> Passing:
    said = answer.model_dump(mode="json")
    return Passing(id=identity, update=update, name=_NAMES[type(answer)], answer=said)


def _passing(state: BatchesState, one: Passing) -> BatchesState:
    """With an answer that the batch is to be given. One whose reply a person awaits comes before all others.

    Those may wait long for the batch. An ``abort`` takes the place of them all. A pause does not wait for another time
    given just before it. A resume does: else the batch would go out now.
    """
    awaited = tuple(other for other in state.passing if other.update is not None)
    others = tuple(other for other in state.passing if other.update is None)
    if one.update is not None:
        return state.changed(passing=(*awaited, one, *others))
    if one.name == "abort":
        asks = state.running is not None and state.running.problem is not None
        asked = asks or any(other.asked for other in others)
        return state.changed(passing=(*awaited, one.model_copy(update={"asked": asked})))
    times = tuple(takewhile(_is_time, reversed(others)))[::-1] if one.name == "pause" else ()
    return state.changed(passing=(*awaited, *others[: len(others) - len(times)], one, *times))


def _is_time(passing: Passing) -> bool:
    return passing.name == "reschedule"
