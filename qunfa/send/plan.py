"""What comes next for a send: the whole business process, as one table that is read from above.

| where | next |
|---|---|
| a lease is being used | its call, which is never cancelled |
| the request is refused | :class:`LookUp`, to say what its key has done before; then the end |
| the account is not pinned | :class:`Pin` |
| the content is not known | :class:`Inspect`; where the send ends before, :class:`LookUp` and the end |
| the ledger has not told what it knows | the ledger is asked; see :func:`_join` |
| the key stands for other content | the end |
| the ledger lacks a fact | :class:`Report` |
| WeChat named a msg_id with a 45065, and nobody knows whose it is | the ledger is asked |
| a person's answer is being checked | the ledger and WeChat are asked |
| ``mass/get`` says no | the push is awaited for a while, which says why |
| the key had failed before | the same failure again |
| a person ends it | the end, as :mod:`qunfa.send.endings` lets it be told |
| something stands against submitting, and nothing is known to be out | a person is asked |
| WeChat no longer knows the material | it is made anew, once |
| else | by the course of the jobs: :func:`_by_course` |

A lease in hand that the next step does not use is given back first; a wish for a turn that it does not want is taken
back. It is total: every state has a next step.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from qunfa.contract.fields import GENERATIONS_MAX
from qunfa.contract.request import MassSendRequest
from qunfa.rules.course import Over, course, judgement_of, subject
from qunfa.rules.course import Renew as NeedsRenewal
from qunfa.rules.material import is_rebuildable
from qunfa.rules.problems import refused_request
from qunfa.rules.submission import Ask, Await, Expire
from qunfa.rules.submission import Submit as MaySubmit
from qunfa.rules.verdict import judge
from qunfa.send import endings, ledger, steps, turns
from qunfa.send.doubt import of_unknown_owner, used_before
from qunfa.send.endings import ask
from qunfa.send.state import Case, SendState
from qunfa.send.steps import End, Step

Rule = Callable[[Case], "Step | End | None"]
_CONFIGURATION: Final = "the account's configuration"


def plan(request: MassSendRequest, state: SendState, now: datetime) -> Step | End:
    case = Case(request, state, now)
    found = (step for rule in _RULES if (step := rule(case)) is not None)
    step = ledger.nothing_left_behind(case, next(found, None) or _by_course(case))
    if isinstance(step, Step) and step.phase == "needs_operator" and step.problem is None:
        return replace(step, problem=endings.problem_of(case))
    return step


def _trying(case: Case) -> Step | None:
    lease = case.state.trying
    if lease is None:
        return None
    return Step("submitting", steps.Submit(lease), f"WeChat's answer to try {lease.number}")


def _refused(case: Case) -> Step | End | None:
    reasons, key = case.state.refused, case.request.key
    if not reasons:
        return None
    problem = refused_request(list(reasons))
    if not case.state.searched:
        effect = steps.Pin() if case.state.pinned is None else steps.LookUp()
        return Step("done", effect, f"what the key {key} has done before", problem=problem)
    said = used_before(case.state.known, key, case.jobs) if case.state.pinned else None
    reasons = (*reasons, said) if said else reasons
    return End("failed", refused_request(list(reasons)), reasons)


def _pin(case: Case) -> Step | None:
    return Step("preparing", steps.Pin(), _CONFIGURATION) if case.state.pinned is None else None


def _content(case: Case) -> Step | End | None:
    """The content is looked at while it may be sent, or where its key has done something that is to be settled."""
    if case.state.digest is not None:
        return None
    until = case.open_until
    if until is not None and case.state.searched and case.in_doubt:
        until = max(until, case.state.started_at or until) + case.request.decision_timeout
    if not case.stops and (until is None or case.now < until):
        return Step("preparing", steps.Inspect(), "a look at the material", until)
    if not case.state.searched:
        return Step("preparing", steps.LookUp(), "what the key has done before")
    return endings.unheard(case) if case.state.unheard else endings.without_content(case)


def _join(case: Case) -> Step | End | None:
    """The ledger is asked what it knows. A person can end a send that waits for a silent one, and is answered."""
    if case.state.heard is not None:
        return None
    turn = turns.at_once(case)
    wanted = steps.Wish("joining") if turn is None else steps.Wish("turn", turn)
    if case.state.question is not None and ledger.is_silent(case, wanted):
        return Step(case.standing, steps.Drop(case.state.question.update))
    step = ledger.asked(case, wanted, case.standing if turn or endings.problem_of(case) else "preparing")
    if case.stops and ledger.stays_silent(case, wanted):
        end = _unheard(case)
        return end if isinstance(end, End) else replace(end, awaits_answer=True)
    return step


def _unheard(case: Case) -> Step | End:
    """The end of a send whose account is silent. WeChat's yes on its own job needs no ledger, even if it comes now."""
    come = course(case.jobs, case.now, case.conditions())
    if isinstance(come, Over) and not of_unknown_owner(case.state.known):
        return endings.end(case, come.outcome)
    return endings.unheard(case)


def _reused(case: Case) -> End | None:
    if case.state.heard is None or case.state.heard.answer != "reused":
        return None
    return endings.reused(case)


def _untold(case: Case) -> Step | None:
    return ledger.told(case) if case.state.untold else None


def _owner(case: Case) -> Step | None:
    if not of_unknown_owner(case.state.known):
        return None
    return ledger.asked(case, steps.Wish("owner"), "submitting")


def _question(case: Case) -> Step | None:
    question = case.state.question
    if question is None:
        return None
    msg_id = question.left[0]
    if question.whose is None:
        return Step(case.standing, steps.AskWechat(msg_id), f"WeChat's word on msg_id {msg_id}")
    wanted = steps.Wish("question", whose=question.whose)
    if ledger.is_silent(case, wanted):
        return Step(case.standing, steps.Drop(question.update))
    return ledger.asked(case, wanted, case.standing)


def _again(case: Case) -> Step | End | None:
    """A key that had failed before fails again, whatever was decided about it since and not submitted.

    What was decided may share a ``clientmsgid`` under which a slow try is out: that is asked about.
    """
    judgements = [one for job in case.jobs if (one := judgement_of(job))]
    if not case.state.again or not judgements or any(one.delivered for one in judgements):
        return None
    return ask(case, "unknown_outcome" if case.in_doubt else judgements[-1].name)


def _stopped(case: Case) -> Step | End | None:
    if not case.stops or isinstance(course(case.jobs, case.now, case.conditions()), Over):
        return None
    return endings.end(case, endings.wanted(case), endings.problem_of(case))


def _obstructed(case: Case) -> Step | End | None:
    """A person is asked; where a restore may have forgotten a try, about that first."""
    obstacle = case.state.obstacle
    if obstacle is None or not case.may_be_held:
        return None
    return ask(case, "unknown_outcome" if case.in_doubt else obstacle.name)


def _rebuilt(case: Case) -> Step | None:
    rebuildable = is_rebuildable(case.jobs, case.request.message, case.state.material, case.facts.news_via)
    return Step("preparing", steps.Rebuild()) if rebuildable else None


def _for_a_better_no(case: Case) -> Step | None:
    """A no of ``mass/get`` waits a while for the push, which says why."""
    job = subject(case.jobs)
    judgement = judge(job.verdict) if job.verdict else None
    if job.verdict is None or job.verdict.observed_by != "poll" or judgement is None or judgement.delivered:
        return None
    polled = [one.at for one in case.state.known.said if one.msg_id == job.msg_id]
    until = max(polled) + case.facts.timing.push_grace
    if case.now >= until:
        return None
    return Step("awaiting_result", why=f"the push that says why msg_id {job.msg_id} failed", until=until)


_RULES: Final[tuple[Rule, ...]] = (
    _trying,
    _refused,
    _pin,
    _content,
    _join,
    _reused,
    _untold,
    _owner,
    _question,
    _for_a_better_no,
    _again,
    _stopped,
    _obstructed,
    _rebuilt,
)


def _by_course(case: Case) -> Step | End:
    """By what is known of the jobs: WeChat's yes ends it, its no asks a person, and nothing yet submits."""
    match course(case.jobs, case.now, case.conditions()):
        case Over(outcome):
            return endings.end(case, outcome)
        case NeedsRenewal() if case.newest.generation + 1 == GENERATIONS_MAX:
            return ask(case, "unknown_outcome")
        case NeedsRenewal():
            return Step("submitting", steps.Renew(case.newest.generation, case.own_id(case.newest.generation + 1)))
        case Expire():
            return endings.end(case, "expired")
        case Await(msg_id):
            return _await(case, msg_id)
        case Ask(problem):
            return ask(case, problem)
        case MaySubmit() as may:
            return turns.submit(case, may)


def _await(case: Case, msg_id: int) -> Step | End:
    """The push first, then ``mass/get``; before that the ledger, which may hold the push."""
    job, times = subject(case.jobs), case.request.result
    accepted_at = job.accepted_at or case.now
    pushed_until = accepted_at + times.push_timeout
    again = [one.at for one in case.state.known.decided if one.generation == job.generation]
    joined_at = case.state.joined_at or accepted_at
    reason = f"WeChat's push on msg_id {msg_id}"
    if case.now < pushed_until:
        return Step("awaiting_result", why=reason, until=pushed_until)
    if not case.checked("polling"):
        return ledger.asked(case, steps.Wish("polling"), "awaiting_result")
    poll = steps.Poll(msg_id, max([accepted_at, joined_at, *again]) + times.give_up_after)
    return Step("awaiting_result", poll, f"{reason}, asking mass/get as well")
