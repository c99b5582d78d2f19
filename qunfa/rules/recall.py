"""A recall, step by step: what stands against it, when ``mass/delete`` is called (again), and when it is over.

Before the first call (:func:`obstacle`, then :func:`next_step`):

| known | next |
|---|---|
| our send had another appid or WeChat, or is not known to have made the job | no call (:func:`stranger`) |
| our send is a text, an image, a voice or a card; or has fewer articles | no call |
| one article of several, which the ledger has noted as recalled | :class:`End` ``recalled`` |
| ``mass/get``: SEND_SUCCESS; SEND_FAIL or 40059 for a job that was said to be delivered | the call |
| ``mass/get``: DELETE | :class:`End` ``recalled``: somebody has done it |
| ``mass/get``: else SEND_FAIL; 40059 for a job that is not ours, or was said to have failed | ``not_recalled`` |
| ``mass/get``: SENDING, the administrator is asked, else 40059, not to be asked | :class:`Look` again |

A job that was said to have failed, which may have been forged, is looked at for ``push_grace`` only, and 40059 is
believed of it once two ``repeat`` have passed.

After a call:

| answer | next |
|---|---|
| ok | ``mass/get`` until it says DELETE, five times in a minute or two; then ``recalled``, but not ``verified`` |
| 40065 for what the ledger has noted as recalled | :class:`End` ``recalled`` |
| 40065 twice, for one article of several, or with SEND_FAIL in ``mass/get`` | :class:`End` ``not_recalled`` |
| 40065, busy, too fast | ``mass/get``; the call again, spaced, once it says what the first call needs |
| lost, −1, 9500001, a code no table lists | likewise |
| nothing written | likewise |
| 45009, or any other refusal | ``mass/get``, in case it is gone all the same; then :class:`End` |
| 40060, which WeChat has said of a deletion that worked | likewise, and the end is ``unknown`` |

A delete may be repeated: a page that is gone cannot go again, and nobody is sent anything. What a repeat costs is one
of WeChat's ten calls a day, so a recall makes at most eight, and asks ``mass/get`` before each. After a lost call a
refusal may be the echo of its success: the end is ``unknown`` then, unless ``mass/get`` says DELETE. One article of
several, and a job that is known by a URL only, have no ``mass/get`` to tell: WeChat's ok is its word. An article that
is gone already is refused with 40065 for ever, and one repeat is enough: its job was sent before the first call. That
is not known of a bare URL: somebody may have it while the job is still being sent, which WeChat refuses likewise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from qunfa.contract.facts import Try
from qunfa.contract.ids import is_same_wechat, mass_send_id
from qunfa.contract.ledger import Recalled
from qunfa.contract.recall import RECALLABLE, Heard, KnownJob, RecallCall, RecallRequest, SentFrom
from qunfa.contract.refusal import full_stop
from qunfa.contract.steps import Pinned, Timing
from qunfa.rules.calendar import next_day, shanghai_clock
from qunfa.rules.codes import DAILY, CodeClass, ReturnCode, code_of, return_code
from qunfa.rules.submission import spacing
from qunfa.rules.verdict import judge

CALLS_MAX: Final = 8
"""Calls of one recall that may have been written: WeChat takes ten a day, of all recalls of the account."""
VERIFYING_LOOKS: Final = 5
_PROMPT: Final = 12
"""The first looks after an ok are so much closer than repeats are."""

_NOBODY_KNOWS: Final = "Nobody knows whether it was recalled: a call may have been carried out."
_UNKNOWN_JOB: Final = 40059
_WRONG_STATE: Final = 40065
_NO_SUCH_ARTICLE: Final = 40060
"""WeChat has said so of a deletion that worked."""
_AGAIN: Final = frozenset({CodeClass.UNKNOWN, CodeClass.CONFIRMING, CodeClass.TOKEN, CodeClass.PACE, CodeClass.LATER})

Outcome = Literal["recalled", "not_recalled", "unknown"]


@dataclass(frozen=True, slots=True)
class Look:
    """Ask ``mass/get`` at ``at``; ``why`` says what the recall waits for until then."""

    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Call ``mass/delete`` at ``at``; ``why`` as for :class:`Look`."""

    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class End:
    """The recall is over; ``sentence`` says what came of it."""

    outcome: Outcome
    sentence: str
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Recall:
    """What a recall knows. Without ``msg_id`` nothing can be asked; ``whole``: DELETE is what ``mass/get`` will say.

    ``failed``: by which word it is known to have failed. ``before``: an earlier recall of the same. ``patience``: how
    long it waits for WeChat at most, for the job to be sent and again for the call to be taken.
    """

    msg_id: int | None
    whole: bool
    ours: bool
    delivered: bool
    timing: Timing
    began_at: datetime
    failed: str | None = None
    before: Recalled | None = None
    calls: tuple[RecallCall, ...] = ()
    heard: Heard | None = None

    @property
    def patience(self) -> timedelta:
        return self.timing.push_grace if self.failed and not self.calls else self.timing.window

    @property
    def fresh(self) -> Heard | None:
        """What ``mass/get`` said since the last call."""
        return self.heard if self.heard and self.heard.after == len(self.calls) else None

    @property
    def doubtful(self) -> bool:
        """Whether a call may have been carried out of which WeChat has not said so."""
        return any(_doubtful(call) for call in self.calls)

    @property
    def written(self) -> int:
        """Calls that WeChat may have counted."""
        return sum(call.answer != "not_written" and not call.token_endpoint for call in self.calls)


def submitter(tries: Sequence[Try], known: KnownJob) -> str | None:
    """The run that submitted the job: a later one of the key may have been refused as other content.

    Where a person has found the msg_id, no try names it. It is the newest run then that has tried this generation.
    """
    accepted = [one.holder for one in tries if one.answer is not None and one.answer.msg_id == known.msg_id]
    tried = [one.holder for one in tries if one.generation == known.generation]
    return next(filter(None, (*accepted, *reversed(tried))), None)


def obstacle(request: RecallRequest, known: KnownJob) -> str | None:
    """Why WeChat need not be asked, by what this namespace knows of the job; ``None`` where it has to be."""
    if known.msgtype is not None and known.msgtype not in RECALLABLE:
        return f"msg_id {known.msg_id} is a message of type {known.msgtype}: only articles and videos can be recalled."
    article = request.article_idx
    if article is not None and known.articles is not None and article > known.articles:
        return f"msg_id {known.msg_id} has {known.articles} article(s), so there is no article {article}."
    return None


def stranger(request: RecallRequest, known: KnownJob, account: Pinned, sent_from: SentFrom) -> str | None:
    """Why the job may be another one than the key's: each appid counts its own msg_ids, and names get other appids.

    WeChat has several hosts, which count as one. Behind another base URL may be a simulator.
    """
    if request.key is None:
        return None
    send = f"{request.account}/{request.key}"
    is_same = is_same_wechat(sent_from.base_url or "", account.base_url)
    urls = () if is_same else ((sent_from.base_url, account.base_url),)
    for had, has in ((sent_from.appid, account.appid), *urls):
        if had not in {None, has}:
            return (
                f"{send} was sent from {had}, and its account's name stands for {has} now. Nothing was deleted. "
                "Put the configuration back, or delete it in WeChat's console."
            )
    if known.key not in {None, request.key}:
        return f"msg_id {request.msg_id} is a job of {known.key} here, and not of {send}. Nothing was deleted."
    if sent_from.appid is None and known.workflow_id != mass_send_id(request.account, request.key):
        return _forgotten(request.msg_id, send, request.account, request.article_idx)
    return None


def _forgotten(msg_id: int | None, send: str, account: str, article: int | None) -> str:
    if article is not None:
        return (
            f"Nothing that is known here says that msg_id {msg_id} is a job of {send}. Nothing was deleted. "
            f"If {account} has the appid of then, `qunfa recall {msg_id} --account {account} --article {article} "
            '--reason "WHY"` recalls it. Else delete it in WeChat\'s console.'
        )
    return (
        f"Nothing that is known here says that msg_id {msg_id} is a job of {send}. Nothing was deleted. "
        f"If {account} has the appid of then, `qunfa recall {msg_id} --account {account} "
        '--reason "WHY"` recalls it. Else delete it in WeChat\'s console.'
    )


def failed(known: KnownJob) -> str | None:
    """The word by which the job is known to have failed; a push that says so may be forged, so WeChat is asked."""
    judgement = judge(known.verdict) if known.verdict else None
    return known.verdict.status if known.verdict and judgement and not judgement.delivered else None


def not_delivered(msg_id: int | None, status: str) -> str:
    return f"msg_id {msg_id} was not delivered ({status}): there is nothing to recall."


def begin(request: RecallRequest, known: KnownJob, timing: Timing, now: datetime) -> Recall:
    """The recall before anything was asked."""
    article = known.article_idx if request.article_idx is None else request.article_idx
    judgement = judge(known.verdict) if known.verdict else None
    return Recall(
        msg_id=known.msg_id,
        whole=article is None or known.articles == 1,
        ours=known.key is not None,
        delivered=judgement is not None and judgement.delivered,
        failed=failed(known),
        timing=timing,
        began_at=now,
        before=known.recalled,
    )


def looked(recall: Recall, heard: Heard) -> Recall:
    """The recall after ``mass/get`` was asked."""
    before = recall.fresh
    looks = before.looks + 1 if before else 1
    return replace(recall, heard=heard.model_copy(update={"after": len(recall.calls), "looks": looks}))


def called(recall: Recall, call: RecallCall) -> Recall:
    """The recall after ``mass/delete`` was called."""
    return replace(recall, calls=(*recall.calls, call))


def next_step(recall: Recall, now: datetime) -> Look | Delete | End:
    heard = recall.heard
    if heard and heard.status == "DELETE":
        if recall.calls:
            return End("recalled", f"Recalled: WeChat says that msg_id {recall.msg_id} is deleted.", verified=True)
        already = f"Recalled already, and no call was made: WeChat says that msg_id {recall.msg_id} is deleted."
        return End("recalled", already, verified=True)
    if not recall.calls:
        return _recalled_before(recall) or _first(recall, now)
    call = recall.calls[-1]
    if call.answer == "ok":
        return _verify(recall, now)
    if recall.msg_id is not None and recall.fresh is None:
        return Look(now, "WeChat's word on the job")
    code = _code(call)
    over = code is not None and (call.token_endpoint or code.code_class not in _AGAIN or code.errcode == _UNKNOWN_JOB)
    return _given_up(recall, _refusal(call)) if over else _again(recall, call, now)


def _recalled_before(recall: Recall) -> End | None:
    """Of one article of several ``mass/get`` has no word; another call would be one less for the other recalls."""
    if recall.before is None or recall.whole:
        return None
    said = (
        f"Recalled before, by {_who(recall.before)}, and no call was made. "
        "If its page stands all the same, delete it in WeChat's console."
    )
    return End("recalled", said)


def _first(recall: Recall, now: datetime) -> Look | Delete | End:
    heard = recall.fresh
    if recall.msg_id is None:
        return Delete(now, "WeChat")
    if heard is None:
        return Look(now, "WeChat's word on the job")
    if _is_delivered(recall, heard):
        return Delete(now, "WeChat")
    old = now >= recall.began_at + 2 * recall.timing.repeat  # mass/get may not know yet what was just accepted
    if heard.status == "SEND_FAIL" or (heard.errcode == _UNKNOWN_JOB and recall.failed and old):
        return End("not_recalled", not_delivered(recall.msg_id, recall.failed or "SEND_FAIL"))
    if heard.errcode == _UNKNOWN_JOB and not recall.ours:
        return End("not_recalled", f"WeChat knows no msg_id {recall.msg_id} of this account; nothing was deleted.")
    if heard.lasting:
        return End("not_recalled", f"{heard.detail} Nothing was deleted.")
    if now >= recall.began_at + recall.patience:
        known = "is not known to be sent" if heard.status is None and heard.errcode is None else "is still not sent"
        return End("not_recalled", f"msg_id {recall.msg_id} {known}: {_said(heard)}. Nothing was deleted.")
    return Look(heard.at + spacing(heard.looks, recall.timing), f"msg_id {recall.msg_id} to be sent: {_said(heard)}")


def _is_delivered(recall: Recall, heard: Heard) -> bool:
    """By ``mass/get``, or by the verdict: a yes beats a no."""
    denied = heard.status == "SEND_FAIL" or heard.errcode == _UNKNOWN_JOB
    return heard.status == "SEND_SUCCESS" or (denied and recall.delivered)


def _verify(recall: Recall, now: datetime) -> Look | End:
    heard = recall.fresh
    if recall.msg_id is None:
        return End("recalled", "Recalled: WeChat says that it is done. By a URL alone mass/get cannot be asked.")
    if heard is None:
        return Look(now, "mass/get to say DELETE")
    if not recall.whole:
        more = "mass/get tells nothing of one article of several"
        return End("recalled", f"Recalled: WeChat says that it is done; {more} ({_said(heard)}).")
    if heard.lasting or heard.looks >= VERIFYING_LOOKS:
        said = f"Recalled: WeChat says that it is done, but mass/get does not say DELETE yet: {_said(heard)}."
        return End("recalled", said)
    return Look(heard.at + spacing(heard.looks, recall.timing) / _PROMPT, "mass/get to say DELETE")


def _again(recall: Recall, call: RecallCall, now: datetime) -> Look | Delete | End:
    said, heard, before = _answer(call), recall.fresh, recall.before
    if before and call.errcode == _WRONG_STATE:
        return End("recalled", f"Recalled before, by {_who(before)}, and WeChat has nothing more to delete: {said}.")
    due = call.at + spacing(len(recall.calls), recall.timing)
    if number := _in_vain(recall, call):
        return _given_up(
            recall, f"{said}, {number} times. It may be deleted already, or WeChat does not let it be deleted."
        )
    if now >= recall.calls[0].at + recall.patience or (heard and heard.lasting):
        return _given_up(recall, f"{said}. {heard.detail or _said(heard) if heard else ''}")
    if heard is None:  # by a URL alone nothing can be asked
        return Delete(due, said)
    if heard.at < due:
        return Look(due, said)
    if _is_delivered(recall, heard):
        return Delete(now, said)
    return Look(heard.at + spacing(heard.looks, recall.timing), f"{said}; {_said(heard)}")


def _in_vain(recall: Recall, call: RecallCall) -> int | None:
    """How often WeChat was asked, where that is enough; ``call`` is the last."""
    never = not recall.whole or (recall.heard is not None and recall.heard.status == "SEND_FAIL")
    wrong = sum(one.errcode == _WRONG_STATE for one in recall.calls)
    if never and call.errcode == _WRONG_STATE and wrong > 1:
        return wrong
    return recall.written if recall.written >= CALLS_MAX else None


def _given_up(recall: Recall, why: str) -> End:
    why = full_stop(f"{why[0].upper()}{why[1:]}")
    if recall.doubtful:
        return End("unknown", f"{_NOBODY_KNOWS} {why}")
    return End("not_recalled", f"Not recalled. {why}")


def interrupted(recall: Recall, why: str) -> End | None:
    """How a recall ends that cannot go on; ``None`` where no call of its own can have been carried out."""
    if recall.calls and recall.calls[-1].answer == "ok":
        return End("recalled", f"Recalled: WeChat says that it is done. That was not verified, since: {why}")
    if recall.doubtful:
        return End("unknown", f"{_NOBODY_KNOWS} {why}")
    return None


def new_calls_from(calls: Sequence[RecallCall]) -> datetime | None:
    """When WeChat takes recalls of the account again, where the last call has found those of its day used up."""
    spent = [call for call in calls[-1:] if call.errcode == DAILY and not call.token_endpoint]
    return next_day(spent[0].at, None) if spent else None


def _who(before: Recalled) -> str:
    return f"{before.by} at {shanghai_clock(before.at)}"


def _refusal(call: RecallCall) -> str:
    again = new_calls_from([call])
    if again is None:
        return _answer(call)
    return f"{_answer(call)}: WeChat takes ten recalls a day, and there are new ones from {shanghai_clock(again)}."


def _answer(call: RecallCall) -> str:
    """What became of a call, to be followed by a full stop."""
    code = _code(call)
    if code is not None:
        where = "WeChat's token endpoint" if call.token_endpoint else "WeChat"
        return f"{where} answered {code.errcode}, {code.meaning}"
    if call.answer == "not_written":
        return f"WeChat could not be called ({(call.detail or '').rstrip('.')})"
    return f"the answer to a call was lost ({call.detail})"


def _said(heard: Heard) -> str:
    if heard.status is not None:
        return f"mass/get says {heard.status}"
    if heard.errcode is not None:
        return f"mass/get answered {heard.errcode}, {return_code(heard.errcode).meaning}"
    return f"mass/get could not be asked ({(heard.detail or 'no answer').rstrip('.')})"


def _code(call: RecallCall) -> ReturnCode | None:
    return None if call.errcode is None else code_of(call.errcode, token_endpoint=call.token_endpoint)


def _doubtful(call: RecallCall) -> bool:
    code = _code(call)
    if code is None or call.token_endpoint:
        return call.answer == "lost"
    return code.errcode == _NO_SUCH_ARTICLE or not code.definite_no
