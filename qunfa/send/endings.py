"""How a send ends. Before "nothing was delivered" is said, the ledger and WeChat are asked: a no may be forged.

| before a bad end | where |
|---|---|
| the ledger is asked what it knows | always |
| WeChat is asked about each job that it accepted | nothing may have been delivered, as far as is known |
| its last word is awaited for ``push_grace`` | it says that the job is still under way |
| the ledger is told of the end | always; a good end only where it did not come through the ledger |
"""

from dataclasses import replace
from typing import Final

from qunfa.contract.facts import Ended
from qunfa.contract.result import COMPLETES, Outcome, Problem
from qunfa.rules.course import judgement_of
from qunfa.rules.outcome import bad_end
from qunfa.rules.problems import LOOK_FIRST, NO_NEW_KEY, describe
from qunfa.rules.stragglers import may_straggle
from qunfa.send import ledger
from qunfa.send.state import Case
from qunfa.send.steps import AskWechat, End, Poll, Step, Wish

_NOT_DELIVERED: Final = "not_delivered"
_DOUBTS: Final = frozenset({"unknown_outcome", "clientmsgid_collision"})
"""The problems that are over once a person has looked, and found nothing."""


def wanted(case: Case) -> Outcome:
    """How the send is to end as a person, or its time, wants it."""
    stop = case.state.stop
    if stop is not None:
        return "rejected" if stop.what == "reject" else "aborted"
    return "aborted" if case.stops else "expired"


def bad(case: Case, otherwise: Outcome) -> Outcome:
    """``otherwise``, or ``unknown`` where something may have been delivered, or may still be."""
    return bad_end(case.jobs, otherwise, straggler=may_straggle(case.jobs))


def problem_of(case: Case) -> Problem | None:
    """The problem that waits for a person, where one does."""
    asking = case.state.asking
    if asking is None or not asking.problem:
        return None
    judgement = judgement_of(case.newest)
    looked_for = asking.problem in _DOUBTS and judgement is not None and judgement.name == _NOT_DELIVERED
    name = _NOT_DELIVERED if looked_for else asking.problem
    return case.obstacle(name) or describe(name, case.newest, case.counted)


def key_reused(case: Case) -> Problem:
    """The ledger was lost, and knows the key for other content now."""
    return describe("key_reused", case.newest)


def end(case: Case, outcome: Outcome, problem: Problem | None = None) -> Step | End:
    """The end, or what has to be asked or told before it."""
    step = _before(case, outcome, problem)
    return step if isinstance(step, End) else replace(step, ends=True)


def without_ledger(case: Case) -> Step | End:
    """The end of a send whose ledger is silent, or is asked by a content that nobody has looked at: WeChat alone is."""
    step = _by_wechat(case, wanted(case), None)
    return step if isinstance(step, End) else replace(step, ends=True)


def _before(case: Case, outcome: Outcome, problem: Problem | None) -> Step | End:
    if outcome in COMPLETES:
        return _told(case, End(outcome))
    if not case.checked("ending"):
        return ledger.asked(case, Wish("ending"), case.standing)
    step = _by_wechat(case, outcome, problem)
    return _told(case, step) if isinstance(step, End) else step


def _by_wechat(case: Case, outcome: Outcome, problem: Problem | None) -> Step | End:
    """The end, or before it the question to WeChat about a job that was said to have failed."""
    if case.in_doubt:
        return End("unknown", _warned(problem))
    for job in case.jobs:
        if job.msg_id is not None and (step := _last_word(case, job.msg_id)) is not None:
            return step
    undecided = [check.msg_id for check in case.state.checks if check.word == "undecided" and check.msg_id]
    if undecided:
        return End("unknown", _doubted(problem, undecided))
    ended = bad(case, outcome)
    return End(ended, _warned(problem) if ended == "unknown" else problem)


def _last_word(case: Case, msg_id: int) -> Step | None:
    """What WeChat says of a job that was said to have failed; ``None`` once it is over, or its time is."""
    check = case.check("ending", msg_id)
    if check is None:
        return Step("awaiting_result", AskWechat(msg_id), f"WeChat's word on msg_id {msg_id}")
    if check.word != "under way":
        return None
    why = f"WeChat's last word on msg_id {msg_id}: WeChat had said that it failed, and is still sending it"
    return Step("awaiting_result", Poll(msg_id, check.at + case.facts.timing.push_grace), why)


def _told(case: Case, ended: End) -> Step | End:
    """The end, once the ledger knows of it; it knows a yes that came through it."""
    verdict = case.newest.verdict
    pushed = verdict is not None and verdict.observed_by == "push"
    known = case.state.again or (ended.outcome in COMPLETES and pushed)
    told = Ended(outcome=ended.outcome, problem=ended.problem.name if ended.problem else None)
    if known or case.state.told_end == told:
        return ended
    return ledger.told(case, told)


def _warned(problem: Problem | None) -> Problem | None:
    """What the table advises to do about the problem may be to use a new key, which nobody may do in doubt."""
    if problem is None or problem.todo == LOOK_FIRST:
        return problem
    return problem.model_copy(update={"todo": NO_NEW_KEY})


def _doubted(problem: Problem | None, msg_ids: list[int]) -> Problem | None:
    jobs = ", ".join(f"msg_id {msg_id}" for msg_id in msg_ids)
    doubt = f"WeChat had said that {jobs} failed, and mass/get does not say so yet: it may still be delivered"
    return problem and problem.model_copy(update={"sentence": f"{problem.sentence} But {doubt}.", "todo": NO_NEW_KEY})
