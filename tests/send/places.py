"""Sends that stand where many tests begin."""

from datetime import timedelta
from typing import Any, Final

from qunfa.contract.facts import Known, Owned
from qunfa.contract.grants import Waits
from qunfa.contract.ledger import Frozen
from qunfa.contract.operators import Approve, Pause
from qunfa.contract.result import MassSendResult
from qunfa.contract.steps import AccountFacts, JobStatus
from qunfa.send import events, steps
from qunfa.send.show import result
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
APPROVED: Final[dict[str, Any]] = {"approval": {"required": True}, "requested_by": "wang"}
FAILED: Final = JobStatus(status="SEND_FAIL")
SENDING: Final = JobStatus(status="SENDING")
BATCH: Final[dict[str, Any]] = {
    "kind": "batch", "key": "spring", "plan": "a" * 64, "number": 2, "of": 3, "openids": 10_000
}  # fmt: skip
FROZEN: Final = Waits(why="frozen", frozen=Frozen(by="wang", reason="wrong text", at=NOON))
QUEUE: Final = Waits(why="queue", place=3)
HOURS: Final = FACTS.model_copy(update={"send_hours": ("12:00", "13:00")})


def begun(facts: AccountFacts = FACTS, **request: Any) -> Alone:
    """It has asked its account, and heard nothing."""
    alone = Alone(facts, **request)
    alone.take()
    return alone


def joined(facts: AccountFacts = FACTS, **request: Any) -> Alone:
    """Nothing was tried yet."""
    alone = Alone(facts, **request)
    alone.joined()
    return alone


def planned(**request: Any) -> Alone:
    """Joined, and due in an hour."""
    return joined(send_at=(NOON + HOUR).isoformat(), **request)


def queued(waits: Waits | None = QUEUE, **request: Any) -> Alone:
    """Its turn is due, and it waits for it."""
    alone = joined(**request)
    alone.sent()
    alone.hear(waits=waits)
    return alone


def frozen(**request: Any) -> Alone:
    """It is due while its account is frozen."""
    return queued(FROZEN, **request)


def paused(**request: Any) -> Alone:
    """Held back before it has a place in the queue."""
    alone = planned(**request)
    alone.update(Pause(by="li", reason="look"))
    return alone


def aborted() -> Alone:
    """A person ends it, and the ledger is asked before."""
    alone = planned()
    alone.abort()
    return alone


def to_approve(**request: Any) -> Alone:
    """Somebody has to approve."""
    alone = joined(**APPROVED, **request)
    alone.take(events.Shown(("to all",)))
    return alone


def approved(**request: Any) -> Alone:
    """Somebody has approved."""
    alone = to_approve(**request)
    alone.update(Approve(by="li"))
    return alone


def trying(**request: Any) -> Alone:
    """A try is under way."""
    alone = joined(**request)
    alone.tries()
    return alone


def unanswered(**request: Any) -> Alone:
    """Its try got no answer."""
    alone = trying(**request)
    alone.answered("unknown")
    return alone


def refused(**request: Any) -> Alone:
    """WeChat has refused its try, and a person is asked."""
    alone = trying(**request)
    alone.answered("refused", errcode=48001)
    alone.asked()
    assert alone.asks() == "account_refused"
    return alone


def accepted(**request: Any) -> Alone:
    """WeChat has it as msg_id 7."""
    alone = Alone(**request)
    alone.accepted()
    return alone


def sent() -> Alone:
    """WeChat has delivered it."""
    alone = accepted()
    alone.pushed()
    return alone


def polled() -> Alone:
    """No push came."""
    alone = accepted()
    alone.wait(45 * MINUTE)
    alone.asked()
    return alone


def polled_no() -> Alone:
    """``mass/get`` says no."""
    alone = polled()
    alone.take(events.Polled(7, "SEND_FAIL"), events.Reported())
    return alone


def silent(**request: Any) -> Alone:
    """WeChat has never said what became of it, and a person is asked."""
    alone = accepted(**request)
    alone.wait(24 * HOUR)
    alone.asked()
    alone.take(events.Polled(7, None))
    alone.asked()
    assert alone.asks() == "no_verdict"
    return alone


def asking(word: str = "send fail", **request: Any) -> Alone:
    """Its job has failed, and a person is asked."""
    alone = accepted(**request)
    alone.pushed(word)
    alone.asked()
    assert alone.step.phase == "needs_operator"
    return alone


def checked() -> Alone:
    """WeChat is asked about its job before an answer of a person's is taken."""
    alone = asking()
    assert alone.retry() is None
    return alone


def in_doubt(**request: Any) -> Alone:
    """Nobody heard of its try, WeChat has forgotten the clientmsgid, and a person is asked."""
    alone = unanswered(**request)
    alone.wait(FACTS.timing.window)
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    return alone


def straggling(word: str = "err(10001)", **request: Any) -> Alone:
    """Its job has failed, after a try that got no answer."""
    alone = joined(**request)
    for answer in ("unknown", "accepted"):
        alone.tries()
        alone.answered(answer)
        alone.wait(MINUTE)
    alone.pushed(word)
    alone.asked()
    assert alone.step.phase == "needs_operator"
    return alone


def collided(first: str | None = None) -> Alone:
    """WeChat has answered 45065 with the msg_id of another key, maybe after another answer."""
    alone = joined()
    if first is not None:
        alone.tries()
        alone.answered(first, errcode=45011 if first == "refused" else None)
        alone.wait(MINUTE)
    alone.tries()
    alone.answered("duplicate", errcode=45065)
    alone.asked(Known(owned=(Owned(msg_id=7, key="autumn", generation=0, accepted=True),)))
    alone.asked()
    assert alone.asks() == "clientmsgid_collision"
    return alone


def confirmed(**request: Any) -> Alone:
    """It waits for the account's hours, and is to go out then."""
    alone = in_doubt(facts=HOURS, **request)
    assert alone.retry(confirm_not_delivered=True) is None
    alone.reported()
    assert alone.step.phase == "scheduled"
    return alone


def let_go_and_paused() -> Alone:
    """Somebody has paused it."""
    alone = confirmed()
    assert alone.update(Pause(by="li", reason="it is there")) is None
    return alone


def in_line() -> Alone:
    """It is due, and waits for its turn."""
    alone = confirmed()
    alone.wait(alone.until - alone.now)
    alone.sent()
    alone.hear(waits=QUEUE)
    return alone


def trying_again() -> Alone:
    """Its call is on its way."""
    alone = in_line()
    alone.hear(answer="lease", lease=alone.lease())
    assert alone.does() is steps.Submit
    return alone


def without_quota() -> Alone:
    """WeChat has refused it today, maybe since the first one was delivered."""
    alone = trying_again()
    alone.answered("refused", errcode=45028)
    assert alone.step.held == "quota_exhausted"
    return alone


def obstructed() -> Alone:
    """A person is asked about something else."""
    alone = trying_again()
    alone.answered("refused", errcode=48001)
    alone.asked()
    assert alone.asks() == "account_refused"
    return alone


def failed_again() -> Alone:
    """WeChat has taken it and failed, and a person is asked about that."""
    alone = trying_again()
    alone.answered("accepted", msg_id=77)
    alone.pushed("send fail", msg_id=77)
    alone.asked()
    assert alone.asks() == "send_failed"
    return alone


def failed_and_confirmed() -> Alone:
    """It waits for the account's hours once more."""
    alone = failed_again()
    assert alone.retry() is None
    alone.take(events.WechatSaid(77, FAILED), events.Reported())
    assert alone.status.jobs[-1].generation == 2
    return alone


def found(alone: Alone, msg_id: int = 9, said: JobStatus = SENDING) -> None:
    """A person has found the job in the console, and neither the ledger nor WeChat has anything against it."""
    assert alone.mark_sent(msg_id) is None
    alone.asked()
    alone.take(events.WechatSaid(msg_id, said))


def marked() -> Alone:
    """A person has sent it by hand as msg_id 9, while its account was frozen."""
    alone = frozen()
    found(alone)
    alone.reported()
    return alone


def second(alone: Alone) -> Alone:
    """Its job has failed, a person has had it sent again, and the second try is under way."""
    assert alone.retry() is None
    alone.take(events.WechatSaid(7, FAILED), events.Reported())
    alone.tries()
    return alone


def settle_questions(alone: Alone) -> None:
    """The ledger knows no more than the send, and hears all of it."""
    if alone.does() is steps.Report:
        alone.reported()
    else:
        alone.asked()


def end_of(alone: Alone) -> MassSendResult:
    """The ledger knows no more than the send, and hears all of it. WeChat says no of each job."""
    while isinstance(end := alone.engine.planned(alone.run, alone.now), steps.Step):
        match end.effect:
            case steps.Report(ended):
                alone.take(events.Reported(ended))
            case steps.AskWechat(msg_id):
                alone.take(events.WechatSaid(msg_id, FAILED))
            case _:
                alone.asked()
    return result(alone.engine.request, alone.state, end, alone.now)
