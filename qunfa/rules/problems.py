"""What a person is asked to decide: every problem, its plain sentence, what to do, and the answers that fit.

An err(10001…) refuses the content: the same content would be refused again, so there is no retry. A generation + 1 is a
second submission with a new ``clientmsgid``: before it ``mass/get`` has to say no. Where a call of the first may still
be on its way, it shares the first one's ``clientmsgid`` (see :mod:`qunfa.rules.course`).
"""

from dataclasses import dataclass
from typing import Final

from qunfa.contract.audience import AnyAudience, Batch, Openids
from qunfa.contract.fields import GENERATIONS_MAX
from qunfa.contract.ledger import SendsCounted
from qunfa.contract.refusal import InvalidRequestError, full_stop
from qunfa.contract.result import Job, Problem
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.codes import refused_address
from qunfa.rules.quota_view import sends_counted
from qunfa.rules.submission import explain, may_be_forgotten
from qunfa.rules.verdict import CONTENT_MEANINGS, err_code

RETRY: Final = "retry"
MARK_SENT: Final = "mark_sent"
ABORT: Final = "abort"
CHOOSE: Final = "choose"
DEAD: Final = 40007
"""WeChat's word for an id that it does not know, or no longer."""
INVALID: Final = "invalid_request"
"""The problem of a request that cannot be carried out: its send ends at once, and nobody is asked."""
BATCH_FAILED: Final = "batch_failed"
"""The problem of a send in batches of which a batch has ended badly."""
PLAN_MISSING: Final = "plan_missing"
"""The problem of a send in batches without a plan, of which a restored database may have forgotten batches."""
WINNER_NOT_CHOSEN: Final = "winner_not_chosen"
"""The problem of a split test of which both groups have had their turn."""
ASK_WECHAT: Final = (
    "Look it up in WeChat's console. Use no new key before you know: it would be sent twice. Start this key again only"
    " if the message may still go out. WeChat is then asked about a job that it has accepted."
)
"""What to do about a send that has ended in doubt, and whose key asks nobody about that."""
NO_NEW_KEY: Final = ASK_WECHAT + (
    " If it never tells, you are asked again. The job is certainly not there: abort with confirm_not_delivered. A try"
    " without an answer is repeated under its clientmsgid, and that delivers it if it never arrived. WeChat remembers a"
    " clientmsgid for less than a day. After that you are asked again: answer mark_sent, or retry or abort with"
    " confirm_not_delivered."
)
"""What to do about a send that has ended in doubt."""
_THE_SAME_NEW_KEY: Final = " Make it from this one, with -2 at its end: if others do so too, nobody gets it twice."
"""An advice stays where it stands for ever: two people who follow it must come to one key."""
LOOK_FIRST: Final = (
    "Look into WeChat's console: did a slow try come through after all? If none did, use a new key to send again."
    + _THE_SAME_NEW_KEY
)
"""What to do about a key that is started again, and has ended after WeChat's no to another try than the slow one."""
USE_A_NEW_KEY: Final = "Use a new key to send again." + _THE_SAME_NEW_KEY
"""What to do about a send that has ended by WeChat's no, for which its key stands from then on."""
FOUND_BY_A_PERSON: Final = (
    "Look it up in WeChat's console. It is there: start neither this key nor another one. It is certainly not there:"
    " start this key again."
)
"""What to do about a send that has ended, and that a person says to have found."""
ASKS_NOBODY: Final = (
    ' This request asks nobody. Start it with "on_problem": "wait" to be asked.'
    ' A list needs "on_batch_problem": "stop" as well.'
)
"""The same of a request that ends at each problem."""
USE_THE_SAME_KEY: Final = "To send it after all, put this right, and start the same key again."
LATER: Final = " Give it a later not_after."
"""The same of a send whose time was over."""
CORRECT_IT: Final = (
    "Nothing was sent. Correct what was refused, and use a new key: this one stands for it." + _THE_SAME_NEW_KEY
)
"""The same where what was refused is what the key stands for."""
STOPPED_SINCE: Final = (
    "Somebody may have stopped it since. Look into WeChat's console once more. Found: mark_sent with its msg_id."
    ' Certainly not there: retry to send it, or abort with "confirm_not_delivered": true (--confirm-not-delivered).'
)
"""What to do about a key that was stopped before it went out again."""
SEND_TO_THE_REST: Final = "Send to the rest alone, under a new key: qunfa report shows who is left, and how."
ITS_LIST_GOES_ON: Final = "This batch is over. Its list says what comes next: look at that list's status."
LOOK_AT_ITS_LIST: Final = "Look it up in WeChat's console. Its list says what comes next: look at that list's status."
"""What to do about a batch that has ended in doubt: nobody starts its key."""
NO_RETRY: Final = "Resume to go on with the next batch, or abort the rest: a retry would fail again."
"""What to do about a batch to which WeChat has said no."""
IN_VAIN: Final = (
    "its not_after has passed, or no send_hours are left before it, so a retry would submit nothing. Look into "
    "WeChat's console. Nothing is there: abort with confirm_not_delivered (--confirm-not-delivered). Else answer "
    "mark_sent, where that fits"
)
IN_VAIN_AS_CANCELLED: Final = (
    "this send was cancelled, so a retry would submit nothing. Look into WeChat's console. Nothing is there: abort "
    "with confirm_not_delivered (--confirm-not-delivered). Else answer mark_sent, where that fits"
)
CONFIRMING: Final = (
    "WeChat has asked the administrator about this send, who may confirm it until {until}. Look into its console after "
    "that, and answer then"
)
NO_ROOM: Final = (
    "this key was tried so often that its account has no room for one more try. Abort it once you know that nothing "
    "was delivered"
)
NO_MORE: Final = f"this key has been submitted {GENERATIONS_MAX} times, and is submitted no more: abort it"
STRAGGLES: Final = (
    " No answer has settled an earlier try, and a slow WeChat may still carry it out. So an end now is unknown. Wait"
    " some minutes, then look into WeChat's console. Another job is there: mark_sent with its msg_id. None is there:"
    ' abort with "confirm_not_delivered": true (--confirm-not-delivered).'
)
NOT_AGAIN: Final = " It is not tried again now: something else stands against that, and is asked about next."
NOT_DOUBLED: Final = " A retry cannot double it."
SENT_BY_HAND: Final = (
    " A draft dies once it is sent. Look into WeChat's console whether somebody has sent this one by hand. If so,"
    " abort: a retry may send the articles to the followers again."
)
_DIED: Final = (
    f"WeChat answered {DEAD}: it no longer knows the material. Material dies with its delivery, so an earlier try may "
    "have been delivered: look into WeChat's console before you retry."
)
_ONE_BATCH: Final = " This is one batch of a list: those of other batches may have the message."
_THE_REST_ALONE: Final = (
    " Aborted by its own key, this batch alone ends, and the list can be resumed. A new key is for the rest alone, by"
    " the list's report (--from-report): others would get it twice."
)
_OTHER_OPENIDS: Final = "The openids stand in the request. Abort, and send to corrected ones under a new key."
"""What to do where WeChat refuses a list of openids, which nobody can correct in its console."""
_WARNINGS: Final = (
    *(_DIED, SENT_BY_HAND, STRAGGLES, NOT_AGAIN, NOT_DOUBLED, _ONE_BATCH, _THE_REST_ALONE, ASKS_NOBODY, LATER),
)
"""What the table does not know of a send; it holds nothing of the message."""


def as_todo(why: str) -> str:
    """Why an answer does not fit, as what to do instead."""
    return full_stop(f"{why[:1].upper()}{why[1:]}")


_TODOS: Final = (
    *(LOOK_AT_ITS_LIST, FOUND_BY_A_PERSON, NO_NEW_KEY, ASK_WECHAT, LOOK_FIRST, USE_A_NEW_KEY, USE_THE_SAME_KEY),
    CORRECT_IT,
    *(SEND_TO_THE_REST, ITS_LIST_GOES_ON, STOPPED_SINCE, _OTHER_OPENIDS),
    *map(as_todo, (IN_VAIN, IN_VAIN_AS_CANCELLED, NO_ROOM, NO_MORE)),
)
"""What to do that no row of the table says; it holds nothing of the message."""
_UNTIL: Final = as_todo(CONFIRMING).partition("{")[0]
"""How one begins that tells a time."""
_OF_NUMBERS: Final = frozenset({BATCH_FAILED, WINNER_NOT_CHOSEN, "key_reused"})
"""The problems whose sentences are made of keys, names and numbers, and of nothing else."""
_REPRINT: Final = "reprint_needs_decision"
_AUDIENCE: Final = "audience_refused"
_LOOK_BELOW: Final = "Look at the articles below."
_WORKERS_ADDRESS: Final = "this worker's address"
_NAMED_ADDRESS: Final = "the address named in WeChat's message"


@dataclass(frozen=True, slots=True)
class Choice:
    """One problem: what it says, what to do, which updates answer it, and whether a retry is a new generation."""

    sentence: str
    todo: str
    answers: tuple[str, ...] = (RETRY, ABORT)
    new_generation: bool = False


PROBLEMS: Final[dict[str, Choice]] = {
    _REPRINT: Choice(
        "WeChat judged the message a reprint and did not send it.",
        'Retry with "send_ignore_reprint": true (--send-ignore-reprint) to send it as a reprint where the original'
        " allows that, or abort.",
        new_generation=True,
    ),
    "originality_forbidden": Choice(
        "WeChat's originality check forbids this message; nothing was sent.",
        "Abort, and send other content under a new key.",
        answers=(ABORT,),
    ),
    "originality_check_error": Choice(
        "WeChat's originality check had an error of its own and stopped the message.",
        "Retry, or abort.",
        new_generation=True,
    ),
    "content_refused": Choice(
        "WeChat's review refused the content; nothing was sent.",
        "Abort, and send other content under a new key.",
        answers=(ABORT,),
    ),
    "admin_refused": Choice(
        "The account's administrator refused the mass send on the phone.",
        "Speak with the administrator, then retry (they are asked again) or abort.",
        new_generation=True,
    ),
    "admin_timeout": Choice(
        "The account's administrator did not confirm the mass send within 30 minutes.",
        "Make sure that the administrator can confirm, then retry (they are asked again) or abort.",
        new_generation=True,
    ),
    "send_failed": Choice(
        "WeChat accepted the message and then failed to send it, without a reason.",
        "Check the console for the job, then retry or abort.",
        new_generation=True,
    ),
    "not_delivered": Choice(
        "An operator has confirmed that an earlier submission was not delivered.",
        "Retry to submit it again, or abort.",
        new_generation=True,
    ),
    "no_verdict": Choice(
        "WeChat accepted the message and has not said what became of it.",
        "Look the job up in WeChat's console. Retry asks WeChat again and submits nothing. Certainly not there: abort"
        ' with "confirm_not_delivered": true (--confirm-not-delivered). Abort without it ends as unknown.',
        answers=(RETRY, MARK_SENT, ABORT),
    ),
    "unknown_outcome": Choice(
        "A submission may have reached WeChat, and no later try could find out whether it did.",
        "Look the message up in WeChat's console. Found: mark_sent with its msg_id. Certainly not there: retry with"
        ' "confirm_not_delivered": true (--confirm-not-delivered) to send it, or abort with the same to give it up.'
        " Abort without it ends as unknown.",
        answers=(RETRY, MARK_SENT, ABORT),
        new_generation=True,
    ),
    "clientmsgid_collision": Choice(
        "WeChat took the last try for a repeat of another job; it may have accepted this one all the same.",
        "Look the message up in WeChat's console. Found, for the recipients of this send: mark_sent with its msg_id."
        " Certainly not there, or for others alone: abort with"
        ' "confirm_not_delivered": true (--confirm-not-delivered). Abort without it ends as unknown.',
        answers=(MARK_SENT, ABORT),
    ),
    "account_refused": Choice(
        "WeChat refuses the account; nothing was sent.",
        "Put the account right (rights, secret, standing) as WeChat's message says, then retry or abort.",
    ),
    "key_reused": Choice(
        "The account's ledger was lost, and now has this key with other content; nothing more is submitted.",
        "Look the message up in WeChat's console, and use a new key for each content.",
        answers=(ABORT,),
    ),
    "account_changed": Choice(
        "Since the send started, the workers' configuration has another account under this name; nothing was sent.",
        "Restore the account's appid and base URL at the workers, then retry; or abort and send under a new key.",
    ),
    "ip_not_whitelisted": Choice(
        f"WeChat does not accept calls from {_WORKERS_ADDRESS}; nothing was sent.",
        f"Put {_NAMED_ADDRESS} on the account's IP whitelist, wait some minutes, then retry.",
    ),
    "request_refused": Choice(
        "WeChat refused the request as malformed; nothing was sent.",
        "This is likely a fault of Qunfa, or a change at WeChat. Report it with the rid, then abort or retry.",
    ),
    _AUDIENCE: Choice(
        "WeChat refused the audience; nothing was sent.",
        "Correct the tag or the followers in WeChat's console, then retry; or abort and send under a new key.",
    ),
    "audience_changed": Choice(
        "The tag is not what the request expects; nothing was sent.",
        "Make sure that the right followers are under the tag, then retry or abort.",
    ),
    "media_refused": Choice(
        "WeChat refused the material; nothing was sent.",
        "If WeChat refuses the file or id itself, abort, and send another one under a new key. If something else stands"
        " against it (a review, the console), put that right, then retry.",
    ),
    "source_changed": Choice(
        "A source of the message is no longer what it was when the send was prepared; nothing was sent.",
        "Put the earlier content back, then retry; or abort, and send the new content under a new key.",
    ),
    "source_refused": Choice(
        "A source of the message can no longer be read; nothing was sent.",
        "Put it back where it was, or allow it in the workers' configuration, then retry; or abort.",
    ),
    "pictures_lost": Choice(
        "WeChat has dropped pictures from the draft; nothing was sent.",
        "Retry makes another draft. If pictures are lost again, abort and send other ones under a new key.",
    ),
    "material_failed": Choice(
        "The material could not be made, for a reason that Qunfa does not know; nothing was sent.",
        "Look at the failed activity in the history, then retry or abort.",
    ),
    BATCH_FAILED: Choice(
        "A batch has ended badly, and those after it wait.",
        "Resume to go on with the next batch, retry to send this batch again under its key, or abort the rest.",
        answers=("resume", RETRY, ABORT),
    ),
    WINNER_NOT_CHOSEN: Choice(
        "Both groups of the split test have had their turn, and the rest waits.",
        'Choose what the rest gets: "winner": "a" or "b" (--winner). Or abort: the rest then gets nothing.',
        answers=(CHOOSE, ABORT),
    ),
    PLAN_MISSING: Choice(
        "The database was restored and may have forgotten batches of this send, whose plan is not in the store.",
        "Put the store's files back, then retry. Are they lost? Look for its batches in WeChat's console. Found: abort."
        " Certainly none there: abort, and use a new key. Or plan it anew: retry with"
        ' "confirm_not_delivered": true (--confirm-not-delivered). Each batch then asks, too, or ends in doubt.',
    ),
    "batch_lost": Choice(
        "The openids of this batch are not in the store as they were planned; nothing was sent.",
        "Put the store's files back as they were, then retry; or abort.",
    ),
    "call_impossible": Choice(
        "No call to WeChat can be made of what this send has; nothing was sent.",
        "This is likely a fault of Qunfa. Retry with workers of another version; or abort, and send under a new key.",
    ),
    "quota_exhausted": Choice(
        "The account has used up its mass sends or its API calls; nothing was sent.",
        "Retry when there is quota again (the day and the month change at midnight in Shanghai), or abort.",
    ),
}


def describe(name: str, job: Job, counted: SendsCounted | None = None) -> Problem:
    """The problem ``name`` of ``job`` with WeChat's evidence, and for a quota what the ledger has ``counted``."""
    choice = PROBLEMS[name]
    answer, verdict = job.answer, job.verdict
    from_verdict = verdict is not None and (err_code(verdict.status) is not None or name == "send_failed")
    evidence: dict[str, object] = {}
    if verdict is not None and from_verdict:
        evidence = {"errcode": err_code(verdict.status), "errmsg": verdict.status, "articles": verdict.articles}
    elif answer is not None:
        evidence = {"errcode": answer.errcode, "errmsg": answer.errmsg or answer.detail, "rid": answer.rid}
    known = sends_counted(counted) if counted is not None and name == "quota_exhausted" else None
    sentence = " ".join(filter(None, (choice.sentence, _more(name, job), known)))
    todo = f"{_LOOK_BELOW} {choice.todo}" if name == _REPRINT and evidence.get("articles") else choice.todo
    return with_address(Problem.model_validate({"name": name, "sentence": sentence, "todo": todo, **evidence}))


def for_audience(problem: Problem, audience: AnyAudience) -> Problem:
    """The problem as it is of this audience: openids stay as they are, and of a list others may have the message."""
    sentence, todo = problem.sentence, problem.todo
    if problem.name == _AUDIENCE and isinstance(audience, Openids | Batch):
        todo = _OTHER_OPENIDS
    if isinstance(audience, Batch):
        sentence += _ONE_BATCH
        todo += _THE_REST_ALONE if "under a new key" in todo else ""
    return problem.model_copy(update={"sentence": sentence, "todo": todo})


def in_our_words(problem: Problem) -> tuple[str, str]:
    """Its sentence and what to do, with all that we warn of, and with nothing of the message."""
    choice = PROBLEMS[problem.name]
    if problem.name in _OF_NUMBERS:
        return problem.sentence, problem.todo
    told = problem.todo if problem.todo.startswith(_UNTIL) else choice.todo
    todo = next((one for one in _TODOS if problem.todo.startswith(one)), told)
    return choice.sentence + _warned_of(problem.sentence), todo + _warned_of(problem.todo)


def _warned_of(text: str) -> str:
    return "".join(f" {warning.lstrip()}" for warning in _WARNINGS if warning in text)


def refused_request(problems: list[str]) -> Problem:
    """The problem of a request that was refused before anything was done; ``problems`` has a sentence for each."""
    return Problem(name=INVALID, sentence=str(InvalidRequestError(problems)), todo="Correct it, and start it again.")


def tells_of_one_batch(answer: str, problem: str | None) -> bool:
    """Whether an answer says what somebody has found in WeChat's console: that is of one batch, and of no other."""
    return answer == MARK_SENT or (answer, problem) == (RETRY, "unknown_outcome")


def with_address(problem: Problem) -> Problem:
    """An ``ip_not_whitelisted`` with the address that WeChat names, to be copied; any other as it is."""
    address = refused_address(problem.errmsg)
    if address is None:
        return problem
    sentence = problem.sentence.replace(_WORKERS_ADDRESS, f"{_WORKERS_ADDRESS} {address}")
    todo = problem.todo.replace(_NAMED_ADDRESS, address)
    return problem.model_copy(update={"sentence": sentence, "todo": todo})


def _more(name: str, job: Job) -> str | None:
    if name == "content_refused" and job.verdict:
        code = err_code(job.verdict.status)
        meaning = CONTENT_MEANINGS.get(code or 0, "not published by WeChat")
        return f"Its reason {job.verdict.status}: {meaning}."
    if name == "clientmsgid_collision":
        return f"The other job is msg_id {job.collides_with}."
    if name == "media_refused" and job.generation and job.answer and job.answer.errcode == DEAD:
        return _DIED
    if name == "no_verdict":
        return f"The job is msg_id {job.msg_id}." if job.msg_id else "It is an earlier submission of this send."
    if name == "unknown_outcome" and job.window_started_at and not may_be_forgotten(job.answer):
        last = full_stop(f" The last word: {explain(job.answer)}") if job.answer else ""
        return f"The first such try began at {shanghai_clock(job.window_started_at)}.{last}"
    if job.answer and (job.answer.kind == "refused" or may_be_forgotten(job.answer)) and not job.verdict:
        return full_stop(f"{explain(job.answer)[0].upper()}{explain(job.answer)[1:]}")
    return None
