"""Asking a person: the ledger is asked first, then the problem waits for an answer until its time is over."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from qunfa.contract.result import Outcome, Problem
from qunfa.rules.course import judgement_of, subject
from qunfa.rules.problems import LOOK_FIRST, PROBLEMS, describe
from qunfa.rules.stragglers import may_straggle, shares_clientmsgid
from qunfa.send import endings, ledger
from qunfa.send.state import Asking, Case
from qunfa.send.steps import End, Put, Step, Wish

_STRAGGLES: Final = (
    " An earlier try got no answer, and a slow WeChat may still carry it out. So an end now is unknown. Wait some"
    " minutes, then look into WeChat's console. Another job is there: mark_sent with its msg_id. None is there: abort"
    ' with "confirm_not_delivered": true (--confirm-not-delivered).'
)
_NOT_DOUBLED: Final = " A retry cannot double it."
_USE_A_NEW_KEY: Final = "Use a new key to send again."


def ask(case: Case, name: str) -> Step | End:
    """Put the problem to a person, and wait for the answer; the end where nobody decides, or nobody is to."""
    problem = described(case, name)
    if case.state.again and not _is_asked_again(case):
        return endings.end(case, "failed", _failed_before(case, name, problem))
    asking = _asking(case, name)
    if (asking is None or _strange_words(case)) and not case.checked("asking"):
        step = ledger.asked(case, Wish("asking"), case.standing)
        return step if asking is None else replace(step, problem=problem)
    if case.request.on_problem == "fail":
        return endings.end(case, "failed", problem)
    if asking is None:
        return Step("needs_operator", Put(name, case.newest.generation), problem=problem)
    until, late = deadline(case, asking)
    if case.now >= until:
        return endings.end(case, late, problem)
    return Step("needs_operator", why=f"an operator's answer to {name}", until=until, problem=problem)


def described(case: Case, name: str) -> Problem:
    """The problem, with WeChat's evidence, and with what a slow try means for the answer."""
    failed = [job for job in case.jobs if (judgement := judgement_of(job)) and judgement.name == name]
    problem = case.obstacle(name) or describe(name, failed[-1] if failed else subject(case.jobs), case.counted)
    if judgement_of(case.newest) is None or not may_straggle(case.jobs):
        return problem
    shares = PROBLEMS[name].new_generation and shares_clientmsgid(case.jobs)
    return problem.model_copy(update={"sentence": problem.sentence + _STRAGGLES + (_NOT_DOUBLED if shares else "")})


def deadline(case: Case, asking: Asking) -> tuple[datetime, Outcome]:
    """Until when an answer is awaited, and how the send ends without one."""
    decided_by = asking.since + case.request.decision_timeout
    not_after = case.request.not_after
    submitted = case.in_doubt or case.newest.msg_id is not None
    if not_after is None or submitted or decided_by < not_after:
        return decided_by, "failed"
    return not_after, "expired"


def _asking(case: Case, name: str) -> Asking | None:
    asking = case.state.asking
    if asking is None or (asking.problem, asking.generation) != (name, case.newest.generation):
        return None
    return asking


def _is_asked_again(case: Case) -> bool:
    """Whether a key that had failed before may have been delivered all the same, and a person can settle that.

    One that a person has ended already is not asked about: no answer would fit.
    """
    can_settle = not case.stops and (case.in_doubt or judgement_of(case.newest) is not None)
    return can_settle and case.request.on_problem == "wait" and endings.bad(case, "failed") != "failed"


def _strange_words(case: Case) -> bool:
    """Whether WeChat has said something of a job that is none of ours: the ledger sends on what is."""
    ours = {job.msg_id for job in case.jobs}
    return any(one.msg_id not in ours for one in case.state.known.said)


def _failed_before(case: Case, name: str, problem: Problem) -> Problem:
    sentence = f"This key has failed as {name} before, and nothing was submitted now: {problem.sentence}"
    todo = _USE_A_NEW_KEY if endings.bad(case, "failed") == "failed" else LOOK_FIRST
    return problem.model_copy(update={"sentence": sentence, "todo": todo})
