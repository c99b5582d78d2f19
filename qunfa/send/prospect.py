"""What would become of a send that is started now, by what its key has done before. The plan itself is asked.

| the plan, once the ledger has told what it knows | a start would |
|---|---|
| ends | ``give_result`` |
| asks a person | ``ask`` |
| awaits WeChat's word | ``await_result`` |
| submits, and something may have been delivered | ``try_again`` |
| submits | ``send`` |

Before that, a key that runs is followed, and one that stands for other content is refused. WeChat is taken to say again
what it has said.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple

from qunfa.contract.facts import Ended
from qunfa.contract.grants import Granted
from qunfa.contract.prospect import Ahead, KeySeen, KeyState, Past, RunSeen
from qunfa.contract.request import MassSendRequest
from qunfa.contract.steps import AccountFacts, JobStatus
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.course import Jobs, judgement_of, may_have_been_delivered
from qunfa.rules.memory import given_up
from qunfa.send import events, steps
from qunfa.send.apply import apply
from qunfa.send.doubt import jobs_of
from qunfa.send.instant import at_once
from qunfa.send.plan import plan
from qunfa.send.state import Case, SendState

SUBMITS: Final = frozenset({"send", "try_again"})
"""What leads to a submission."""
_STEPS_MAX: Final = 100
_STILL_FAILED: Final = JobStatus(status="SEND_FAIL")


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
    past = past.model_copy(update={"known": given_up(past.known, start.now)})
    state = SendState(namespace=start.namespace, life="a check", pinned=start.facts, digest=start.digest or "unknown")
    for number in range(_STEPS_MAX):
        step = plan(start.request, state, start.now)
        event = _event(step, state, past, f"check-{number}")
        if event is None:
            break
        state = apply(start.request, state, event, start.now)
    return Case(start.request, state, start.now), plan(start.request, state, start.now)


def _event(step: steps.Step | steps.End, state: SendState, past: Past, wish: str) -> events.Event | None:
    """What would happen next without WeChat's help; ``None`` where it is for WeChat, a person or the time to act."""
    if isinstance(step, steps.End):
        return None
    match step.effect:
        case steps.SendWish(wish=sent):
            return events.WishSent(sent, searched=True)
        case steps.Report(ended):
            return events.Reported(ended)
        case steps.AskWechat(msg_id):
            return events.WechatSaid(msg_id, _STILL_FAILED)
        case None if step.awaits_answer and state.wish and (not state.heard or state.heard.wish != state.wish.wish):
            return events.Heard(Granted(wish=state.wish.wish, answer="known", known=past.known, ended=past.ended))
        case effect:
            return at_once(effect, state, lambda: wish)


def of_key(start: Start, ahead: Ahead) -> KeySeen:
    """What the key has done, and what a start would do."""
    run = ahead.run if ahead.run is not None and ahead.run.running else None
    if ahead.past is None:
        return _unknown(ahead.forgotten or "nobody could be asked", run)
    past = ahead.past.model_copy(update={"known": given_up(ahead.past.known, start.now)})
    seen = _seen(past, jobs_of(past.known, start.request.key, ""), ahead.run)
    if run is not None:
        seen = seen.model_copy(
            update={"state": "running", "phase": run.phase, "at": run.started_at, "said": _running(run)}
        )
    return seen.model_copy(update=_would(start, past, seen))


def _would(start: Start, past: Past, seen: KeySeen) -> dict[str, Any]:
    """What a start would do; and what is known, where that depends on the content."""
    if start.digest is None:
        return {"start": "unknown", "then": "not known before its files can be read"}
    if any(one != start.digest for one in past.digests):
        said = "stands for other content" + ("" if seen.state == "new" else f": {seen.said}")
        return {"state": "other_content", "start": "be_refused", "said": said, "then": "is refused; take another key"}
    if seen.state == "running":
        return {"start": "follow", "then": "starts nothing; --wait follows the one that runs"}
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
        said=_words(state, msg_ids, ended, f" {shanghai_clock(at)}" if at else ""),
        then="",
    )


def _state(past: Past, jobs: Jobs) -> KeyState:
    if any((judgement := judgement_of(job)) and judgement.delivered for job in jobs):
        return "sent"
    if any(job.msg_id is not None and job.verdict is None for job in jobs):
        return "accepted"
    if may_have_been_delivered(jobs):
        return "in_doubt"
    return "ended" if past.ended or any(job.attempts for job in jobs) else "new"


def _words(state: KeyState, msg_ids: tuple[int, ...], ended: Ended | None, at: str) -> str:
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
        case _:
            how = f"ended as {ended.outcome}" if ended else "was refused by WeChat"
            problem = f" ({ended.problem})" if ended and ended.problem else ""
            return f"{how}{problem},{at}; nothing was delivered"


def _running(run: RunSeen) -> str:
    since = f" since {shanghai_clock(run.started_at)}" if run.started_at else ""
    return f"runs{since}{f': {run.phase}' if run.phase else ''}"


def _unknown(why: str, run: RunSeen | None) -> KeySeen:
    if run is None:
        return KeySeen(state="unknown", start="unknown", said=f"not known: {why}", then="not known")
    then = "starts nothing; whether it is the same content is not known"
    return KeySeen(state="running", start="follow", phase=run.phase, at=run.started_at, said=_running(run), then=then)
