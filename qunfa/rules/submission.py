"""The submission of one job: what a try's answer makes of it, and what comes next.

What a try's answer makes of the job (:mod:`qunfa.send.doubt`), and next (:func:`next_step`) while nothing is unknown:

| answer | the job | next |
|---|---|---|
| accepted; 45065 with a msg_id of nobody else's | accepted | :class:`Await` its verdict |
| 45065 with a msg_id of another job | collides | :class:`Ask` ``clientmsgid_collision`` |
| unknown: −1, 45066, time-out, a code no table lists … | *ever unknown* | :class:`Submit` the same again |
| 89504, 89505 | *ever unknown* | the same, once the administrator has had time to answer |
| 89505 again | the administrator is asked anew | :class:`Ask` ``unknown_outcome``; one try before it where nobody is |
| nothing written, no token | no try | :class:`Submit` again, or :class:`Ask` where the token was refused for good |
| 40001, 40014, 42001 | definite no | :class:`Submit` at once, then spaced; the sixth time ``account_refused`` |
| pace and busy codes | definite no | :class:`Submit` again |
| quota codes | definite no | :class:`Submit` in the next window, or :class:`Ask` ``quota_exhausted`` |
| 40007 | definite no | :class:`Ask` ``media_refused`` |
| any other listed code | definite no | :class:`Ask` the problem of its class |

Once a job is *ever unknown*, only "accepted" settles it: whatever else WeChat answers may be the echo of our own first
try. The same ``clientmsgid`` is tried again, spaced, while the window (within which WeChat remembers it) and the
caller's ``not_after`` last; then :class:`Ask` ``unknown_outcome``. While nothing is unknown and ``not_after`` has come:
:class:`Expire`. No :class:`Submit` is ever at or after ``not_after``, or after the window of an unknown try. Both come
early where the account's hours do not hold what is before them: see :func:`write_end`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from qunfa.contract.result import Answer, Job
from qunfa.contract.steps import Timing
from qunfa.rules.calendar import SendHours, last_open, next_day, next_month, next_opening
from qunfa.rules.codes import CodeClass, code_of, return_code

OF_HOURS: Final = "the account's send_hours"
"""Why a try waits for them."""
_MONTHLY: Final = frozenset({45040})
_TOKEN_REFUSALS_MAX: Final = 5
"""Each worker has a token of its own, and each may be out of date. A refusal is a definite no, so tries cost little."""
_ASKED: Final = 89505
_CONFIRMING_MAX: Final = 1
"""A job that an administrator has refused may set its ``clientmsgid`` free: their yes to a repeat would deliver it.

Where no person hears of that repeat, another one finds what their yes has made.
"""
TURNS_WITHIN: Final = timedelta(minutes=10)
"""After midnight in Shanghai: by then WeChat's clock and ours agree on the day."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the account and the caller allow. ``jitter`` spreads the sends that wait for the same window.

    ``punctual``: ``send_at`` counts although a try may be out; ``rescheduled``: it does where that try can be settled
    after it. ``unattended``: no person is asked.
    """

    timing: Timing
    quota: Literal["wait", "ask"] = "wait"
    send_hours: SendHours | None = None
    send_at: datetime | None = None
    not_after: datetime | None = None
    jitter: timedelta = timedelta(0)
    punctual: bool = False
    rescheduled: bool = False
    unattended: bool = False


@dataclass(frozen=True, slots=True)
class Submit:
    """Try (again) at ``at``, with the job's ``clientmsgid``; ``why`` says what it waits for until then.

    ``held``: by its time or the account's hours, or by a quota that is used up; ``None`` where tries are only spaced.
    """

    at: datetime
    why: str
    held: Literal["time", "quota"] | None = None


@dataclass(frozen=True, slots=True)
class Await:
    """WeChat has the job: wait for its verdict."""

    msg_id: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A person must decide about ``problem``."""

    problem: str


@dataclass(frozen=True, slots=True)
class Expire:
    """``not_after`` has come, or the last hours before it are over, and nothing can have been delivered."""


Step = Submit | Await | Ask | Expire


def unsettled(job: Job) -> bool:
    """Whether the job may have been delivered and nobody's word has settled it."""
    return job.verdict is None and (job.msg_id is not None or job.ever_unknown)


def next_step(job: Job, now: datetime, conditions: Conditions) -> Step:
    """What comes next for a job without a verdict. Total: every state of a job has a next step."""
    if job.collides_with is not None:
        return Ask("clientmsgid_collision")
    if job.msg_id is not None:
        return Ask("no_verdict") if job.gave_up else Await(job.msg_id)
    wanted = _next_try(job, now, conditions)
    if isinstance(wanted, Ask):
        return wanted
    end = write_end(job, conditions)
    if end is not None and wanted.at >= end:
        wanted = _last_try(job, wanted, now, end, conditions)
    at = next_opening(wanted.at, conditions.send_hours)
    if end is not None and at >= end:
        return Ask("unknown_outcome") if job.ever_unknown else Expire()
    return wanted if at == wanted.at else Submit(at, OF_HOURS, wanted.held or "time")


def _last_try(job: Job, wanted: Submit, now: datetime, end: datetime, conditions: Conditions) -> Submit:
    """A try that is spaced beyond the ``end`` is made after all: once more, shortly before it, within the hours."""
    if job.answer is None or wanted.held is not None or wanted.at <= now:
        return wanted
    repeat = conditions.timing.repeat
    return replace(wanted, at=max(now, job.answer.at + repeat, end - repeat))


def write_end(job: Job, conditions: Conditions) -> datetime | None:
    """From when on nothing of the job may be written any more: ``not_after``, and the window of an unknown try.

    It is when the last hours before that are over: people who are told a later time would come in vain.
    """
    ends = [conditions.not_after] if conditions.not_after else []
    if job.ever_unknown and job.window_started_at:
        ends.append(job.window_started_at + conditions.timing.window)
    return last_open(min(ends), conditions.send_hours) if ends else None


def spacing(repeats: int, timing: Timing) -> timedelta:
    """Time between two tries: ``repeat``, doubled with each, up to ``repeat_max``."""
    doublings = min(max(repeats, 1) - 1, 16)
    grown: timedelta = timing.repeat * 2**doublings
    return min(grown, max(timing.repeat_max, timing.repeat))


def _next_try(job: Job, now: datetime, conditions: Conditions) -> Submit | Ask:
    """Not before ``send_at``, while nothing may be out: an earlier run of the key may have had another time."""
    if job.confirming > _CONFIRMING_MAX + conditions.unattended:
        return Ask("unknown_outcome")
    wanted, send_at = _by_answer(job, now, conditions), conditions.send_at
    if isinstance(wanted, Ask) or send_at is None or send_at <= wanted.at or not keeps_time(job, send_at, conditions):
        return wanted
    return Submit(send_at, "send_at", "time")


def keeps_time(job: Job, send_at: datetime, conditions: Conditions) -> bool:
    """Whether a try waits for its time; one that may be out is settled before, unless a person wants it later."""
    if not job.ever_unknown or conditions.punctual:
        return True
    end = write_end(job, conditions)
    return conditions.rescheduled and (end is None or send_at < end)


def _by_answer(job: Job, now: datetime, conditions: Conditions) -> Submit | Ask:
    answer = job.answer
    again = "the next try" if answer is None else f"the next try: {explain(answer)}"
    if answer is None:
        return Submit(now, again)
    spaced = max(now, answer.at + spacing(job.repeats, conditions.timing))
    if answer.at_once:
        return Submit(max(now, answer.at + conditions.timing.ask), again)
    if (confirmed := confirming_until(answer, conditions.timing)) is not None:
        return Submit(max(now, confirmed), again)  # a try before that may ask the administrator again
    if job.ever_unknown or answer.kind == "not_written":
        return Submit(spaced, again)
    match class_of(answer):
        case CodeClass.TOKEN if job.token_refusals <= _TOKEN_REFUSALS_MAX:
            pause = timedelta(0) if job.token_refusals <= 1 else conditions.timing.repeat
            return Submit(max(now, answer.at + pause), again)
        case CodeClass.QUOTA:
            return _next_window(job, answer, spaced, conditions)
        case CodeClass.PACE | CodeClass.LATER:
            return Submit(spaced, again)
        case _:
            return Ask(problem_of(answer))


def next_window(errcode: int | None, at: datetime, hours: SendHours | None) -> datetime:
    """The window after the one that is used up; a refusal just after midnight may still speak of the day before."""
    following = next_month if errcode in _MONTHLY else next_day
    return following(at - TURNS_WITHIN, hours)


def _next_window(job: Job, answer: Answer, spaced: datetime, conditions: Conditions) -> Submit | Ask:
    """Each refusal moves it forward among those that wait: none is overtaken by newer ones for ever."""
    if conditions.quota == "ask":
        return Ask("quota_exhausted")
    jitter = conditions.jitter / max(1, job.repeats)
    opens = next_window(answer.errcode, answer.at, conditions.send_hours) + jitter
    return Submit(max(spaced, opens), f"the next quota window in Asia/Shanghai: {explain(answer)}", "quota")


def confirming_until(answer: Answer, timing: Timing) -> datetime | None:
    """Until when the administrator may confirm what WeChat has asked them about; ``None`` where it has not."""
    return answer.at + timing.confirmation if class_of(answer) is CodeClass.CONFIRMING else None


def puts_a_question(answer: Answer) -> bool:
    """Whether WeChat has put a question to the administrator; 89504 may speak of one that waits already."""
    return answer.errcode == _ASKED and class_of(answer) is CodeClass.CONFIRMING


def definite_no(answer: Answer) -> bool:
    """Whether this answer, taken alone, says that nothing was accepted."""
    if answer.kind != "refused":
        return False
    return answer.token_endpoint or (answer.errcode is not None and return_code(answer.errcode).definite_no)


def class_of(answer: Answer) -> CodeClass:
    """How WeChat's code is classed; ``UNKNOWN`` where there is none."""
    if answer.errcode is None:
        return CodeClass.UNKNOWN
    return code_of(answer.errcode, token_endpoint=answer.token_endpoint).code_class


def problem_of(answer: Answer) -> str:
    """The problem that a refusing answer stands for."""
    if answer.errcode is None:
        return answer.problem or "account_changed"
    fallback = "account_refused" if class_of(answer) is CodeClass.TOKEN else "request_refused"
    return code_of(answer.errcode, token_endpoint=answer.token_endpoint).problem or fallback


def asks_to_slow_down(answer: Answer) -> bool:
    """Whether WeChat asks the account to submit more slowly."""
    return answer.kind in {"refused", "unknown"} and class_of(answer) is CodeClass.PACE


RESTORED: Final = "Temporal's database was restored:"
"""How the detail begins of an answer to a try that may be forgotten."""


def may_be_forgotten(answer: Answer | None) -> bool:
    """Whether it stands for a try that a restored database may have forgotten: nobody knows of one."""
    return answer is not None and (answer.detail or "").startswith(RESTORED)


def explain(answer: Answer) -> str:
    """The answer in one clause for people."""
    if answer.errcode is None:
        return answer.detail or answer.kind
    return f"WeChat answered {answer.errcode}, {code_of(answer.errcode, token_endpoint=answer.token_endpoint).meaning}"
