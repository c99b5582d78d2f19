"""What would become of a send that is started now, by what its key has done before. The plan itself is asked.

A freeze, or a quota that is used up, may hold back what the key lets go.

| the plan, once the ledger has told what it knows | a start would |
|---|---|
| ends | ``give_result`` |
| asks a person | ``ask`` |
| awaits WeChat's word | ``await_result`` |
| submits, and something may have been delivered | ``try_again`` |
| submits | ``send`` |

Before that, a key that runs is followed, and one that stands for other content is refused. WeChat is taken to say again
what it has said.

The record of a list has no tries: each batch has its own. So its first batch tells whether it was begun.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final, NamedTuple

from qunfa.contract.audience import All, is_long
from qunfa.contract.facts import Ended
from qunfa.contract.grants import Granted
from qunfa.contract.ids import mass_send_id
from qunfa.contract.limits import Allowance, AllowanceName, Book
from qunfa.contract.prospect import (
    Ahead,
    ApprovalSeen,
    Effect,
    FreezeSeen,
    KeySeen,
    KeyState,
    Past,
    QuotaSeen,
    RunSeen,
    StartWould,
)
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Answer
from qunfa.contract.steps import AccountFacts, JobStatus
from qunfa.rules.approval import is_demanded, is_required
from qunfa.rules.calendar import last_open, next_day, next_month, shanghai_clock
from qunfa.rules.course import Jobs, course, judgement_of, may_have_been_delivered, may_straggle, newest_no
from qunfa.rules.memory import given_up
from qunfa.rules.quota_view import A_FOLLOWER_A_MONTH, allowances, had_by_all, this_month
from qunfa.rules.submission import TURNS_WITHIN, Ask, Expire, Submit, next_step
from qunfa.send import events, steps
from qunfa.send.apply import apply, with_own_ids
from qunfa.send.doubt import jobs_of
from qunfa.send.endings import DOUBTS
from qunfa.send.plan import plan
from qunfa.send.state import Case, SendState

SUBMITS: Final = frozenset({"send", "try_again", "go_on"})
"""What leads to a submission."""
_STEPS_MAX: Final = 100
_STILL_FAILED: Final = JobStatus(status="SEND_FAIL")
NO_LEDGER: Final = "not known: the account's own workflow does not run yet, and a send would start it"
_UNKNOWN: Final = "not known"
_HAD_ALL: Final = (
    "audience: each follower has had 4 sends to all that month, by the account's own book, so WeChat may leave "
    "everybody out"
)
_USED_UP: Final = {"day": 45028, "month": 45040}
"""By which code WeChat says that a day or a month is used up; some months end with the code of a day."""
_NAMES: Final[dict[AllowanceName, str]] = {
    "sends": "mass sends",
    "sends_to_all": "mass sends to all",
    "mass_calls": "calls of sendall and send",
}


class Start(NamedTuple):
    """A request that is to be started by this account now; ``digest`` is of its content, where that is known.

    ``namespace`` is Temporal's, by which the ``clientmsgid`` is made.
    """

    request: MassSendRequest
    facts: AccountFacts
    namespace: str
    digest: str | None
    now: datetime


def case_of(start: Start, past: Past) -> tuple[Case, steps.Step | steps.End]:
    """Where the send would stand once its account has told what it knows, and what would come next."""
    state = SendState(namespace=start.namespace, life="a check", pinned=start.facts, started_at=start.now)
    known = with_own_ids(Case(start.request, state, start.now), past.known)
    past = past.model_copy(update={"known": given_up(known, start.now)})
    for number in range(_STEPS_MAX):
        step = plan(start.request, state, start.now)
        event = _event(start, step, state, past, f"check-{number}")
        if event is None:
            break
        state = apply(start.request, state, event, start.now)
    return Case(start.request, state, start.now), plan(start.request, state, start.now)


def _event(start: Start, step: steps.Step | steps.End, state: SendState, past: Past, wish: str) -> events.Event | None:
    """What would happen next without WeChat's help; ``None`` where it is for WeChat, a person or the time to act."""
    if isinstance(step, steps.End):
        return None
    match step.effect:
        case steps.Inspect():
            return events.Inspected(start.digest or "unknown")
        case steps.LookUp():
            return events.LookedUp(past.known)
        case steps.SendWish(wish=sent):
            return events.WishSent(sent, searched=True)
        case steps.Report(ended):
            return events.Reported(ended)
        case steps.AskWechat(msg_id):
            return events.WechatSaid(msg_id, _STILL_FAILED)
        case None if step.awaits_answer and state.wish and (not state.heard or state.heard.wish != state.wish.wish):
            return Granted(wish=state.wish.wish, answer="known", known=past.known, ended=past.ended)
        case effect:
            return events.at_once(effect, state, lambda: wish)


def of_key(start: Start, ahead: Ahead, first: Ahead | None = None) -> KeySeen:
    """What the key has done, and what a start would do; ``first``: what was found of the first batch of a list.

    That of a plain send counts where the key stands for a list.
    """
    run = ahead.run if ahead.run is not None and ahead.run.running else None
    if ahead.past is None:
        return _unknown(ahead.forgotten or "nobody could be asked", run)
    past = ahead.past.model_copy(update={"known": given_up(ahead.past.known, start.now)})
    seen = _seen(past, jobs_of(past.known, start.request.key), ahead.run)
    if first is not None:
        seen = seen.model_copy(update=_of_list(start, past, first))
    if run is not None:
        seen = seen.model_copy(
            update={"state": "running", "phase": run.phase, "at": run.started_at, "said": _running(run)}
        )
    return seen.model_copy(update=_would(start, past, seen))


_SIMPLE: Final[dict[KeyState, tuple[StartWould, str]]] = {
    "running": ("follow", "starts nothing; --wait follows the one that runs"),
    "begun": ("go_on", "what was sent is not sent again"),
    "unknown": ("unknown", _UNKNOWN),
}
"""What a start would do, where the plan need not be asked."""


def _of_list(start: Start, past: Past, first: Ahead) -> dict[str, Any]:
    """What is known of a list whose first batch is known so."""
    is_list = is_long(start.request.audience)
    if not is_list and (past.known.was_submitted or all(one == start.digest for one in past.digests)):
        return {}
    if first.past is None:
        return {"state": "unknown", "said": f"not known: {first.forgotten or 'nobody could be asked'}"}
    if (first.past.known.was_submitted or first.past.ended) and _is_batch(start, past, first):
        batch = _seen(first.past, jobs_of(first.past.known, ""), first.run)
        return {"state": "begun", "said": f"begun before; its first batch: {batch.said}"}
    if is_list and past.digests:
        return {"state": "unknown", "said": "begun before; what became of its batches is not known"}
    return {}


def _is_batch(start: Start, past: Past, first: Ahead) -> bool:
    """Whether it is a batch of this list: its key may be that of a send that has nothing to do with it."""
    if first.run is None:
        return bool(past.digests)
    return first.run.parent == mass_send_id(start.request.account, start.request.key)


def _would(start: Start, past: Past, seen: KeySeen) -> dict[str, Any]:
    """What a start would do; and what is known, where that depends on the content."""
    if start.digest is None:
        return {"then": "not known before its files can be read"}
    if any(one != start.digest for one in past.digests):
        said = "stands for other content" + ("" if seen.state == "new" else f": {seen.said}")
        return {"state": "other_content", "start": "be_refused", "said": said, "then": "is refused; take another key"}
    if (simple := _SIMPLE.get(seen.state)) is not None:
        return {"start": simple[0], "then": simple[1]}
    case, step = case_of(start, past)
    problem = step.problem.name if step.problem else None
    if isinstance(step, steps.End):
        ends = f"ends as {step.outcome} at once; nothing is submitted"
        return {"start": "give_result", "outcome": step.outcome, "problem": problem, "then": ends}
    if step.phase == "needs_operator":
        return {"start": "ask", "problem": problem, "then": f"asks an operator: {problem}"}
    if step.phase == "awaiting_result":
        return {"start": "await_result", "then": "awaits that result; nothing is submitted"}
    if case.in_doubt:
        return {"start": "try_again", "then": "tries the same again; WeChat recognises a repeat"}
    return {"start": "send", "then": "is sent"}


def _seen(past: Past, jobs: Jobs, run: RunSeen | None) -> KeySeen:
    """What is known of a key that does not run. Its tries under way count as those that nobody will hear of."""
    state, ended = _state(past, jobs), past.ended
    accepted = [job.accepted_at for job in jobs if job.accepted_at is not None]
    tried = [one.answer.at if one.answer else one.not_before for one in past.known.tries]
    at = max(accepted or tried, default=(run.closed_at if run else None) or past.touched_at)
    msg_ids = tuple(job.msg_id for job in jobs if job.msg_id is not None)
    return KeySeen(
        state=state,
        start="unknown",
        outcome=ended.outcome if ended else None,
        problem=ended.problem if ended else None,
        msg_ids=msg_ids,
        at=at,
        said=_words(state, msg_ids, ended, f" {shanghai_clock(at)}" if at else "", looked_for=_is_looked_for(jobs)),
        then="",
    )


def _state(past: Past, jobs: Jobs) -> KeyState:
    if any((judgement := judgement_of(job)) and judgement.delivered for job in jobs):
        return "sent"
    if any(job.msg_id is not None and job.verdict is None for job in jobs):
        return "accepted"
    if _ended_in_doubt(past.ended, jobs) or may_have_been_delivered(jobs) or may_straggle(jobs):
        return "in_doubt"
    return "ended" if past.ended or any(job.attempts for job in jobs) else "new"


def _ended_in_doubt(ended: Ended | None, jobs: Jobs) -> bool:
    """Whether WeChat has not said no since; the no that it ended with may not have been its last word."""
    no = newest_no(jobs)
    return ended is not None and ended.outcome == "unknown" and (no is None or ended.problem not in {None, *DOUBTS})


def _is_looked_for(jobs: Jobs) -> bool:
    """Whether a person has not found one of the jobs in WeChat's console."""
    return any(one.name == "not_delivered" for job in jobs if (one := judgement_of(job)))


def _words(state: KeyState, msg_ids: tuple[int, ...], ended: Ended | None, at: str, *, looked_for: bool) -> str:
    ids = ", ".join(map(str, msg_ids))
    match state:
        case "new":
            return "new"
        case "sent":
            return f"sent as msg_id {ids}, accepted{at}"
        case "accepted":
            return f"accepted as msg_id {ids},{at}; no result yet"
        case "in_doubt":
            return f"in doubt: a try of{at} may have been accepted"
        case _ if ended:
            problem = f" ({ended.problem})" if ended.problem else ""
            return f"ended as {ended.outcome}{problem},{at}; nothing was delivered"
        case _ if looked_for:
            return f"tried{at}; a person has not found it in WeChat's console"
        case _:
            return f"was refused by WeChat,{at}; nothing was delivered"


def _running(run: RunSeen) -> str:
    since = f" since {shanghai_clock(run.started_at)}" if run.started_at else ""
    return f"runs{since}{f': {run.phase}' if run.phase else ''}"


def _unknown(why: str, run: RunSeen | None) -> KeySeen:
    if run is None:
        return KeySeen(state="unknown", start="unknown", said=f"not known: {why}", then="not known")
    then = "starts nothing; whether it is the same content is not known"
    return KeySeen(state="running", start="follow", phase=run.phase, at=run.started_at, said=_running(run), then=then)


def of_approval(start: Start, key: KeySeen) -> ApprovalSeen | None:
    """Who requires an approval; ``None`` where none is awaited."""
    policy, request = start.facts.approval, start.request
    if key.start not in SUBMITS or not is_required(policy, request):
        return None
    then = "waits until somebody approves it"
    if is_demanded(policy, request):
        return ApprovalSeen(required_by="account", said=f"required by the account ({policy})", then=then)
    return ApprovalSeen(required_by="request", said="required by the request", then=then)


def of_freeze(start: Start, ahead: Ahead, key: KeySeen) -> FreezeSeen:
    """Whether the account is frozen, and whether the send would wait for that."""
    book = ahead.book
    if book is None or book.since is None:
        return FreezeSeen(state="unknown", effect="unknown", said=_unasked(ahead), then=_UNKNOWN)
    if book.frozen is None:
        return FreezeSeen(state="free", effect="none", said="not frozen", then="nothing")
    end = start.request.not_after and last_open(start.request.not_after, start.facts.send_hours)
    waits = "waits for an unfreeze" + (f", until {shanghai_clock(end)} at the latest" if end else "")
    effect, then = _of_key(key) or ("waits", waits)
    said = f"frozen by {book.frozen.by} since {shanghai_clock(book.frozen.at)}: {book.frozen.reason}"
    return FreezeSeen(state="frozen", frozen=book.frozen, effect=effect, said=said, then=then)


def of_quota(start: Start, ahead: Ahead, key: KeySeen) -> QuotaSeen:
    """What is left for it at its time, and what would come of it where that is nothing.

    | the account's book has | of an account with ``quota = "wait"`` | with ``quota = "ask"`` |
    |---|---|---|
    | one left of each limit that is for such a send | nothing | nothing |
    | none left of one | WeChat refuses, it waits until midnight in Shanghai | WeChat refuses, and a person is asked |

    The book is not WeChat's. Sends that were not ours may have used more, so a limit may be used up all the same.
    """
    book = ahead.book
    if book is None or book.since is None:
        return QuotaSeen(state="unknown", effect="unknown", said=_unasked(ahead), then=_UNKNOWN)
    case, _ = case_of(start, ahead.past or Past())
    step = course(case.jobs, start.now, case.conditions())
    at = step.at if isinstance(step, Submit) else start.now
    rows = tuple(_rows(start, book, at))
    used_up = [row for row in rows if row.left == 0]
    until = None
    if (found := _of_key(key)) is not None:
        effect, then = found
    elif used_up:
        effect, until, then = _refused(case, at, max(used_up, key=attrgetter("renewed_at")))
    elif at > start.now:
        effect, then = "none", f"goes at its time, {shanghai_clock(at)}"
    else:
        effect, then = "none", "goes once it is approved" if of_approval(start, key) else "goes at once"
    return QuotaSeen(
        state="used_up" if used_up else "left",
        allowances=rows,
        effect=effect,
        until=until,
        said="; ".join(_quota_words(start, book, at, rows)),
        then=then,
    )


def _of_key(key: KeySeen) -> tuple[Effect, str] | None:
    """What it does to a send that its key keeps from being submitted; ``None`` where it would be submitted."""
    if key.start in SUBMITS:
        return None
    return ("unknown", _UNKNOWN) if key.start == "unknown" else ("none", "nothing: it is not submitted")


def _unasked(ahead: Ahead) -> str:
    return NO_LEDGER if ahead.book is not None else f"not known: {ahead.unbooked or 'nobody could be asked'}"


def _rows(start: Start, book: Book, at: datetime) -> Iterator[Allowance]:
    """The limits that are for such a send."""
    to_all = isinstance(start.request.audience, All)
    for row in allowances(start.facts.kind, book, (), at):
        if row.name in {"sends", "mass_calls"} or (row.name == "sends_to_all" and to_all):
            yield row


def _quota_words(start: Start, book: Book, at: datetime, rows: tuple[Allowance, ...]) -> Iterator[str]:
    """What is left; and of a send in batches, what its followers have had already."""
    yield from (_left(row, start.now) for row in rows)
    if _counts_for_each(start) and (had := had_by_all(this_month(book, at))):
        yield had


def _counts_for_each(start: Start) -> bool:
    """Whether a send to all leaves each follower of a list one message fewer."""
    return is_long(start.request.audience) and start.facts.kind == "service"


def left_out(start: Start, ahead: Ahead, key: KeySeen, at: datetime) -> list[str]:
    """That WeChat may send a list to nobody at this time."""
    had_all = ahead.book is not None and this_month(ahead.book, at).went_to_all >= A_FOLLOWER_A_MONTH
    return [_HAD_ALL] if had_all and key.start in SUBMITS and _counts_for_each(start) else []


def _left(row: Allowance, now: datetime) -> str:
    least = "at most " if row.left and row.may_be_less else ""
    renewed = {"day": next_day, "month": next_month}[row.period](now, None)
    which = "this" if row.renewed_at == renewed else "that"
    return f"{least}{row.left} of {row.limit} {_NAMES[row.name]} left {which} {row.period}"


def _refused(case: Case, at: datetime, row: Allowance) -> tuple[Effect, datetime | None, str]:
    """What comes of a try that WeChat refuses for want of quota: the rules of a real one are asked."""
    turned = next_day(at - timedelta(days=1), None) + TURNS_WITHIN  # just after midnight it would be tried again
    answer = Answer(kind="refused", at=max(at, turned), errcode=_USED_UP[row.period])
    match next_step(case.newest.model_copy(update={"answer": answer}), at, case.conditions()):
        case Submit(at=until, held="quota"):
            nightly = "; it may be tried each midnight" if row.period == "month" else ""
            return "waits", until, f"WeChat refuses it; it waits until {shanghai_clock(until)}{nightly}"
        case Ask() if case.request.on_problem == "fail":
            return "fails", None, "WeChat refuses it; it fails as quota_exhausted"
        case Ask():
            return "asks", None, "WeChat refuses it; an operator is asked (quota_exhausted)"
        case Expire():
            return "expires", None, "WeChat refuses it; its not_after comes before there is more"
        case _:
            return "unknown", None, "not known: an earlier try may have used it"
