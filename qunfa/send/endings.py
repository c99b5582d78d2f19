"""How a send ends. Before "nothing was delivered" is said, the ledger and WeChat are asked: a no may be forged.

| before a bad end | where |
|---|---|
| the ledger is asked what it knows | always; if it stays silent, the end is ``unknown``, unless a person has looked |
| WeChat is asked about each job that it accepted | nothing may have been delivered, as far as is known |
| its last word is awaited for ``push_grace`` | it says that the job is still under way |
| the ledger is told of the end | it has answered; a good end only where it did not come through the ledger |

Who stops what another has let go again may have found what that one has not. Such an end is ``unknown``, unless
somebody has looked since. The same goes for what is held back, and is over by its time. And a find that nobody could
check is not denied.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from qunfa.contract.facts import Ended
from qunfa.contract.result import COMPLETES, Job, Outcome, Problem
from qunfa.rules import advice, problems
from qunfa.rules.course import judgement_of, may_straggle, newest_no, shares_clientmsgid, subject
from qunfa.rules.outcome import bad_end
from qunfa.send import doubt, ledger
from qunfa.send.state import Asking, Case
from qunfa.send.steps import AskWechat, End, Poll, Put, Step, Wish

_LATE_ASKS: Final = 3 * ledger.SILENT_ASKS
"""How many ``ask`` long what was asked before an end is believed in."""
_ADMINISTRATOR: Final = "the administrator, who may still confirm it"
_NOT_DELIVERED: Final = "not_delivered"
_UNKNOWN: Final = "unknown_outcome"
DOUBTS: Final = frozenset({_UNKNOWN, "no_verdict", "clientmsgid_collision"})
"""The problems that are over once a person has looked, and found nothing."""


def wanted(case: Case) -> Outcome:
    """How the send is to end as a person, or its time, wants it."""
    stop = case.state.stop
    if stop is not None:
        return "rejected" if stop.what == "reject" else "aborted"
    return "aborted" if case.stops else "expired"


def bad(case: Case, otherwise: Outcome) -> Outcome:
    """``otherwise``, or ``unknown`` where something may have been delivered, or may still be."""
    in_doubt = bool(_finds(case)) or may_straggle(case.jobs) or _held_back(case, otherwise) is not None
    return bad_end(case.jobs, otherwise, straggler=in_doubt)


def vouched_for(case: Case) -> Job | None:
    """What a person has not found in the console, while nothing else may be out: another may find it all the same."""
    return doubt.vouched_for(case.jobs) if _has_no_call_out(case) else None


def opened_again(case: Case) -> Job | None:
    """The same, where it is to go out again since."""
    return doubt.opened_again(case.jobs) if _has_no_call_out(case) else None


def accepted_of(case: Case) -> Mapping[int, datetime]:
    """Each job that WeChat has accepted of this send, or a person has found, with when."""
    return doubt.accepted_of(case.state.known, case.request.key, case.jobs)


def _has_no_call_out(case: Case) -> bool:
    """Whether its account is known, and no try is under way."""
    return case.state.pinned is not None and case.state.trying is None


def problem_of(case: Case) -> Problem | None:
    """The problem that waits for a person, where one does."""
    asking = case.state.asking
    if asking is None or not asking.problem:
        return None
    judgement = judgement_of(case.newest)
    looked_for = asking.problem in DOUBTS and judgement is not None and judgement.name == _NOT_DELIVERED
    name = _NOT_DELIVERED if looked_for else asking.problem
    return described_of(case, name, case.newest)


def described_of(case: Case, name: str, job: Job) -> Problem:
    """The problem with the evidence of this job."""
    problem = case.obstacle(name) or problems.describe(name, job, case.counted)
    return problems.for_audience(problem, case.request.audience)


def reused(case: Case) -> End:
    """The ledger was lost, and knows the key for other content now. What WeChat has answered has no part in that."""
    choice = problems.PROBLEMS["key_reused"]
    problem, found = Problem(name="key_reused", sentence=choice.sentence, todo=choice.todo), _found(case)
    return _unknown(case, problem, *found) if found else End(bad(case, "failed"), problem)


def end(case: Case, outcome: Outcome, problem: Problem | None = None) -> Step | End:
    """The end, or what has to be asked or told before it."""
    return _ending(_before(case, outcome, problem))


def without_content(case: Case) -> Step | End:
    """The end of a send whose content nobody has looked at: its ledger has told what it knows, and cannot be told.

    How an earlier life has ended it does not tell: somebody may have stopped what another has let go again.
    """
    if missed := doubt.left_open(case.state.known, case.jobs):
        return _unknown(case, described_of(case, _UNKNOWN, missed))
    return _ending(_by_wechat(case, wanted(case), None))


def unheard(case: Case) -> Step | End:
    """The end of a send that its account has never answered."""
    return _ending(_by_wechat(case, _in_silence(case, wanted(case)), None))


def _ending(step: Step | End) -> Step | End:
    return step if isinstance(step, End) else replace(step, ends=True)


def _before(case: Case, outcome: Outcome, problem: Problem | None) -> Step | End:
    if outcome in COMPLETES:
        return _told(case, End(outcome))
    if not _is_asked(case):
        if not ledger.stays_silent(case, Wish("ending")):
            return ledger.asked(case, Wish("ending"), case.standing)
        outcome = _in_silence(case, outcome)
    step = _by_wechat(case, outcome, problem)
    return _told(case, step) if isinstance(step, End) else step


def _in_silence(case: Case, outcome: Outcome) -> Outcome:
    """How it ends under a silent account, which alone knows whether a restored database has forgotten a try."""
    return outcome if _is_confirmed(case) else "unknown"


def _is_confirmed(case: Case) -> bool:
    """Whether who has ended the send has looked into WeChat's console, and found nothing of it."""
    stop = case.state.stop
    looked = {one.at for one in case.state.known.decided if one.what == "abort"}
    return stop is not None and stop.at in looked


def _is_asked(case: Case) -> bool:
    """Whether the ledger was asked, and the asking went on without a long break.

    A restored database may have kept an answer from before its snapshot, and the ledger knows of the restore by now.
    """
    checks = [check for check in case.state.checks if check.before == "ending"]
    if not case.checked("ending") or any(check.word == "under way" for check in checks):
        return case.checked("ending")
    return case.now <= max(check.at for check in checks) + _LATE_ASKS * case.facts.timing.ask


def _by_wechat(case: Case, outcome: Outcome, problem: Problem | None) -> Step | End:
    """The end, or before it the question to WeChat about a job that was said to have failed."""
    if case.in_doubt:
        return _unknown(case, problem, *(_found(case) or ()))
    for msg_id in accepted_of(case):
        if (step := _last_word(case, msg_id)) is not None:
            return step
    ended, doubted = bad(case, outcome), _found(case) or _undecided(case)
    if ended == "unknown" or doubted:
        return _unknown(case, problem, *(doubted or ()))
    return End(ended, _over(case, problem, ended))


def _held_back(case: Case, ended: Outcome = "expired") -> Job | None:
    """What a person has not found, and was to go out again since: who holds it back may have found it.

    A person has stopped the send or an earlier life of its key, or holds it back, maybe by a freeze. So does who has
    not approved it in time.
    """
    is_unapproved = ended in {"expired", "failed"} and case.needs_approval
    held = case.stops or case.state.paused is not None or case.state.freeze is not None or is_unapproved
    is_held = held or case.obstacle(_NOT_DELIVERED) is not None
    return doubt.left_open(case.state.known, case.jobs) if is_held else None


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
    problem, stop = ended.problem.name if ended.problem else None, case.state.stop
    found = _finds(case)[-1] if ended.outcome == "unknown" and _finds(case) else None
    told = Ended(outcome=ended.outcome, problem=problem, of_list=stop is not None and stop.of_list, found=found)
    if known or case.state.told_end == told:
        return ended
    return ledger.told(case, told)


def _unknown(case: Case, problem: Problem | None, why: str = "", otherwise: str = "") -> End:
    """An end in doubt, which has a problem in any case; ``why``: what it does not say.

    What the table advises to do about it may be to use a new key, which nobody may do in doubt.
    """
    if problem is None or (why and problem.name in DOUBTS and newest_no(case.jobs)):
        problem = _doubt(case)
    if problem.todo == problems.LOOK_FIRST:
        otherwise = otherwise or problem.todo
    todo = advice.in_doubt(case.request, otherwise=otherwise)
    sentence = f"{problem.sentence} But {why}." if why else problem.sentence
    return End("unknown", problem.model_copy(update={"sentence": sentence, "todo": todo}))


def _doubt(case: Case) -> Problem:
    """What is told of a doubt that nobody was asked about: WeChat's no, where that may be wrong."""
    no = newest_no(case.jobs)
    if no is not None and not no.delivered:
        return described(case, no.name)
    return described_of(case, _UNKNOWN, _held_back(case) or case.newest)


def _over(case: Case, problem: Problem | None, outcome: Outcome) -> Problem | None:
    """What the table advises are answers, and nobody answers a send that is over."""
    if problem is None:
        return None
    looked_for = any(one.name == _NOT_DELIVERED for job in case.jobs if (one := judgement_of(job)))
    no: advice.No | None = "wechat" if newest_no(case.jobs) else "person" if looked_for else None
    died = advice.has_died(case.request, problem, again=case.newest.generation > 0, drafted=_is_drafted(case))
    todo = advice.once_over(case.request, problem, outcome, no, died=died)
    return problem.model_copy(update={"todo": todo})


def _found(case: Case) -> tuple[str, str] | None:
    """What a person has found, and nobody could check; and what to do: a key that is started again asks nobody."""
    found = _finds(case)
    return (found_as(found[-1]), problems.FOUND_BY_A_PERSON) if found else None


def found_as(msg_id: int) -> str:
    """What is told of a find that nobody could check."""
    return f"a person says that it stands in WeChat's console as msg_id {msg_id}, and nobody could check that"


def _finds(case: Case) -> list[int]:
    """As which msg_ids a person has found it, and nobody could check that, or it is being checked."""
    ours, question = {job.msg_id for job in case.jobs if not doubt.is_missing(job)}, case.state.question
    asked = question.left if question is not None and question.decision.what == "mark_sent" else ()
    return [msg_id for msg_id in (*_not_decided(case, "question"), *asked) if msg_id not in ours]


def _undecided(case: Case) -> tuple[str, str] | None:
    """Which jobs may not have failed; and what to do: the key fails so again, unless WeChat says otherwise."""
    jobs = ", ".join(f"msg_id {msg_id}" for msg_id in _not_decided(case, "ending"))
    why = f"WeChat had said that {jobs} failed, and mass/get does not say so yet: it may still be delivered"
    return (why, problems.ASK_WECHAT) if jobs else None


def _not_decided(case: Case, before: str) -> list[int]:
    checks = case.state.checks
    return [one.msg_id for one in checks if one.word == "undecided" and one.msg_id and one.before == before]


def ask(case: Case, name: str) -> Step | End:
    """Put the problem to a person, and wait for the answer; the end where nobody decides, or nobody is to."""
    problem = described(case, name)
    if case.state.again and not _is_asked_again(case):
        return end(case, "failed", _failed_before(name, problem))
    asking = _asking(case, name)
    if (asking is None or hears_of_others(case)) and not case.checked("asking"):
        step = ledger.asked(case, Wish("asking"), case.standing)
        return step if asking is None else replace(step, problem=problem)
    if case.request.on_problem == "fail":
        return _administrator(case) or end(case, "failed", problem)
    if asking is None:
        return Step("needs_operator", Put(name, case.newest.generation), problem=problem)
    until, late = deadline(case, asking)
    if case.now >= until:
        return end(case, late, problem)
    # A list is told which answers fit: more do once the administrator's time is over.
    look_at = confirmable_until(case)
    return Step("needs_operator", why=f"an operator's answer to {name}", until=until, look_at=look_at, problem=problem)


def _administrator(case: Case) -> Step | None:
    """Who reads that it has ended looks into the console, which tells nothing while the administrator is asked."""
    until = confirmable_until(case)
    return Step(case.standing, why=_ADMINISTRATOR, until=until) if until else None


def confirmable_until(case: Case) -> datetime | None:
    """Until when the administrator is asked, where that is not over."""
    until = doubt.confirmable_until(case.state.known, case.request.key, case.facts.timing)
    return until if until is not None and case.now < until else None


def described(case: Case, name: str) -> Problem:
    """The problem, with WeChat's evidence, and with what a slow try means for the answer."""
    failed = [job for job in case.jobs if (judgement := judgement_of(job)) and judgement.name == name]
    problem = case.obstacle(name) or problems.describe(name, failed[-1] if failed else subject(case.jobs), case.counted)
    if name == _UNKNOWN and case.state.obstacle is not None and case.state.obstacle.name != name:
        problem = problem.model_copy(update={"sentence": problem.sentence + problems.NOT_AGAIN})
    problem = problems.for_audience(problem, case.request.audience)
    is_first = not case.newest.generation
    if is_first and advice.has_died(case.request, problem, drafted=_is_drafted(case)):
        return problem.model_copy(update={"sentence": problem.sentence + problems.SENT_BY_HAND})
    if judgement_of(case.newest) is None or not may_straggle(case.jobs):
        return problem
    doubled = problems.NOT_DOUBLED if problems.PROBLEMS[name].new_generation and shares_clientmsgid(case.jobs) else ""
    return problem.model_copy(update={"sentence": problem.sentence + problems.STRAGGLES + doubled})


def _is_drafted(case: Case) -> bool:
    """Whether a draft was named or made: what WeChat refused before lies in no console."""
    facts, material = case.state.pinned, case.state.material
    is_there = material is None or material.made is not None
    return is_there and (facts is None or facts.news_via == "draft")


def deadline(case: Case, asking: Asking) -> tuple[datetime, Outcome]:
    """Until when an answer is awaited, and how the send ends without one; nobody can answer for the administrator."""
    asked_until = doubt.confirmable_until(case.state.known, case.request.key, case.facts.timing)
    answerable = max(asking.since, asked_until or asking.since)
    decided_by = answerable + case.request.decision_timeout
    open_until = case.open_until
    submitted = case.in_doubt or case.newest.msg_id is not None
    if open_until is None or submitted or decided_by < open_until:
        return decided_by, "failed"
    return max(open_until, answerable), "expired"


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
    return can_settle and case.request.on_problem == "wait" and bad(case, "failed") != "failed"


def hears_of_others(case: Case) -> bool:
    """Whether WeChat has said something of a job that is none of ours: the ledger sends on what is."""
    ours = {job.msg_id for job in case.jobs}
    return any(one.msg_id not in ours for one in case.state.known.said)


def _failed_before(name: str, problem: Problem) -> Problem:
    sentence = f"This key has failed as {name} before, and nothing was submitted now: {problem.sentence}"
    return problem.model_copy(update={"sentence": sentence, "todo": problems.LOOK_FIRST})
