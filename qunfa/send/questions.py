"""What WeChat and the ledger are asked before a person's answer is taken, or before a bad end is told.

A second submission needs a no of ``mass/get`` about each job before it. A ``mark_sent`` needs a job that WeChat knows,
and that is nobody else's.
"""

from datetime import datetime, timedelta
from typing import Final

from qunfa.contract.facts import ELSEWHERE, Known, Said
from qunfa.contract.steps import JobStatus
from qunfa.rules.memory import union
from qunfa.rules.verdict import judge, verdict_of_poll
from qunfa.send.decisions import decide, refuse, unchecked, without_finds
from qunfa.send.endings import accepted_of, vouched_for
from qunfa.send.state import Case, Check, Question, SendState, Word

_NOT_KNOWN: Final = 40059
_ADMINISTRATOR: Final = frozenset({89504, 89505})
_LEDGER: Final = "the account's ledger could not be asked"
_SENDING: Final = "SENDING"
_DOUBLED: Final = "a second submission would double it"


def wechat_said(case: Case, msg_id: int, said: JobStatus | None) -> SendState:
    """The state after ``mass/get`` was asked once."""
    state, now, question = case.state, case.now, case.state.question
    # What was asked before an end may be answered after a person's answer has come, which is of another job.
    if question is not None and question.whose is None and question.left[0] == msg_id:
        return _answer_checked(case, question, msg_id, said)
    if said is None:
        state = state.saying(now, f"WeChat could not be asked about msg_id {msg_id}: what it said before stands")
    else:
        state = _with_yes(case, msg_id, said) or state
        if (at := accepted_of(case).get(msg_id)) and not objection(said, msg_id, now - at, case.facts.timing.repeat):
            state = state.changed(checks=without_finds(state, msg_id))
    word: Word = "under way" if said is not None and is_under_way(said) else "over"
    return state.changed(checks=(*state.checks, Check(before="ending", at=now, msg_id=msg_id, word=word)))


def last_word(case: Case, msg_id: int, word: Word) -> SendState:
    """What ``mass/get`` came to about a job that was said to have failed and was still under way."""
    others = tuple(one for one in case.state.checks if one.msg_id != msg_id)
    state = case.state
    if word == "undecided":
        doubt = f"WeChat had said that msg_id {msg_id} failed, and mass/get does not say so yet"
        state = state.saying(case.now, f"{doubt}: it may still be delivered")
    return state.changed(checks=(*others, Check(before="ending", at=case.now, msg_id=msg_id, word=word)))


def owner_known(case: Case) -> SendState:
    """The ledger has told whose the msg_id of a ``mark_sent`` is."""
    state, question = case.state, case.state.question
    if question is None:
        return state
    decision = question.decision
    # What is from elsewhere may be of this key all the same, where a ledger was lost with its server: a person sees.
    owners = [one for one in state.known.owned if one.msg_id == question.whose and one.key != ELSEWHERE]
    earlier = [
        job.generation for job in case.jobs if job.msg_id == question.whose and job.generation != decision.generation
    ]
    theirs = any((one.key, one.generation) != (case.request.key, decision.generation) for one in owners)
    if earlier and vouched_for(case):
        own = f"msg_id {question.whose} is an earlier job of this send"
        return unchecked(case, question, own, "abort it, where that job was delivered")
    if earlier or theirs:
        owner = owners[0].key if owners else case.request.key
        return _refuted(state, question, f"msg_id {question.whose} is another job's: key {owner}", case.now)
    return state.changed(question=question.model_copy(update={"whose": None}))


def ledger_silent(case: Case) -> SendState:
    """The ledger has not told whose the msg_id of a ``mark_sent`` is."""
    state, question = case.state.changed(wish=None), case.state.question
    return state if question is None else unchecked(case.after(state), question, _LEDGER, "try again")


def _answer_checked(case: Case, question: Question, msg_id: int, said: JobStatus | None) -> SendState:
    """The state once WeChat was asked about one of the msg_ids on which a person's answer depends.

    The answer is refused, or the next msg_id is asked about, or the answer is taken.
    """
    state, marks = case.state, question.decision.what == "mark_sent"
    if said is None or (marks and _is_vague(said)):
        when = "try again" if marks else "retry later"
        return unchecked(case, question, _unasked(msg_id, said), when)
    accepted_at = accepted_of(case).get(msg_id)
    if marks:
        if said.status is None and said.errcode == _NOT_KNOWN:
            why = f"WeChat does not know msg_id {msg_id}: it answered {_word(said)}"
            return _refuted(state, question, why, case.now - 2 * case.facts.timing.repeat)
        against = None
    elif accepted_at is None:
        against = f"more became known of this send: msg_id {msg_id} does not stand for it any more. Look at its status."
    else:
        state = _with_yes(case, msg_id, said) or state
        against = objection(said, msg_id, case.now - accepted_at, case.facts.timing.repeat)
    if against is not None:
        return refuse(state, question.update, against)
    asked, taken = (*question.asked, msg_id), decide(case.after(state), question.update, question.decision)
    left = tuple(one for one in accepted_of(case) if one not in asked)
    if marks or not left or taken.replies[-1].refusal is not None:
        return taken
    return state.changed(question=question.model_copy(update={"left": left, "asked": asked}))


def _refuted(state: SendState, question: Question, why: str, until: datetime) -> SendState:
    """The state with a ``mark_sent`` refused whose msg_id is none of this send; nor was it, when found until then."""
    return refuse(state.changed(checks=without_finds(state, question.decision.msg_id, until)), question.update, why)


def _is_vague(said: JobStatus) -> bool:
    """Whether WeChat has not said whether it knows a job."""
    return said.status is None and not is_under_way(said) and said.errcode != _NOT_KNOWN


def _unasked(msg_id: int, said: JobStatus | None) -> str:
    if said is None:
        return f"WeChat could not be asked about msg_id {msg_id}"
    return f"WeChat has not said whether it knows msg_id {msg_id} (it answered {_word(said)})"


def _word(said: JobStatus) -> str:
    return f"{said.errcode} {said.errmsg or ''}".strip()


def _with_yes(case: Case, msg_id: int, said: JobStatus) -> SendState | None:
    """The state with a yes of ``mass/get`` on a job that was said to have failed: a push may be forged."""
    verdict = verdict_of_poll(said.status) if said.status else None
    judgement = judge(verdict) if verdict else None
    if verdict is None or judgement is None or not judgement.delivered:
        return None
    known = union(case.state.known, Known(said=(Said(msg_id=msg_id, verdict=verdict, at=case.now),)))
    return case.state.changed(known=known, untold=True).saying(
        case.now, f"mass/get says {verdict.status} of msg_id {msg_id}"
    )


def is_under_way(said: JobStatus) -> bool:
    """Whether WeChat says that the job may still be delivered."""
    return said.status == _SENDING or said.errcode in _ADMINISTRATOR


def objection(said: JobStatus, msg_id: int, age: timedelta, repeat: timedelta) -> str | None:
    """Why a second submission must not be made, as a sentence; ``None`` where nothing stands against it.

    | ``mass/get`` says | a second submission |
    |---|---|
    | ``SEND_FAIL`` | may be made |
    | 40059, two minutes (twice ``repeat``) after the job was accepted or later: WeChat has no such job | may be made |
    | 40059 before that: it may be too new to be known | not yet |
    | ``SENDING``; 89504, 89505: the administrator is being asked | would double it |
    | ``SEND_SUCCESS``, ``DELETE`` | would double it |
    | another refusal, another word | not yet: WeChat has not said |

    Twice ``repeat`` after a job was accepted WeChat would know it. ``age``: how long ago that was.
    """
    about = f"msg_id {msg_id}"
    if is_under_way(said):
        if said.status is None:
            return f"WeChat still asks the administrator about {about} ({said.errcode}); {_DOUBLED}"
        return f"WeChat now says {said.status} of {about}; {_DOUBLED}"
    verdict = verdict_of_poll(said.status) if said.status else None
    judgement = judge(verdict) if verdict else None
    if judgement:
        delivered = f"WeChat now says {said.status} of {about}; {_DOUBLED}"
        return delivered if judgement.delivered else None
    if said.status is None and said.errcode == _NOT_KNOWN:
        if age >= 2 * repeat:
            return None
        return f"WeChat does not know {about} yet ({_NOT_KNOWN}), so nothing was changed; retry in a moment"
    word = said.status or _word(said)
    return f"WeChat has not said what became of {about} (it answered {word}), so nothing was changed; retry later"
