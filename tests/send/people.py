"""Who asks for a send, and who answers it: requests of one kind or another, and people who tell the truth."""

from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from qunfa.contract.operators import Abort, Approve, MarkSent, Pause, Reject, Reschedule, Resume, Retry
from qunfa.contract.request import MassSendRequest
from qunfa.send.events import Answering
from tests.rules.arbitrary import NOON
from tests.send.wechat import Wechat

KEY: Final = "spring"


def request(random: Random) -> MassSendRequest:
    """A request of one kind or another."""
    raw: dict[str, Any] = {
        "account": "demo",
        "key": KEY,
        "audience": {"kind": "all"},
        "message": {"msgtype": "text", "content": "你好"},
        "requested_by": "crm",
    }
    if random.random() < 0.2:
        raw["approval"] = {"required": True}
    if random.random() < 0.2:
        raw["preview"] = {"to": [{"openid": "o1"}, {"wxname": "li"}]}
    if random.random() < 0.2:
        raw["audience"] = {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}}
    if random.random() < 0.3:
        raw["send_at"] = (NOON + timedelta(minutes=random.choice([1, 300]))).isoformat()
    if random.random() < 0.2:
        raw["not_after"] = (NOON + timedelta(hours=random.choice([6, 30]))).isoformat()
    if random.random() < 0.15:
        raw["on_problem"] = "fail"
    return MassSendRequest.model_validate(raw)


def decision(random: Random, problem: str, wechat: Wechat, now: datetime, *, out: bool) -> Answering | None:
    """What a person answers who looks into WeChat's console; nothing while a call may be ``out``."""
    who: dict[str, Any] = {"by": "li", "reason": "looked"}
    if problem == "unknown_outcome":
        if wechat.jobs:
            return MarkSent(**who, msg_id=random.choice(wechat.jobs).msg_id)
        surely = not out and not wechat.arriving(now)
        return Retry(**who, confirm_not_delivered=True) if surely else None
    if random.random() < 0.2:
        return Abort(**who)
    return Retry(**who, send_ignore_reprint=problem == "reprint_needs_decision")


def holding(random: Random, now: datetime) -> Answering:
    """A person holds the send back, lets it go, or changes its time; it may not fit."""
    later = now + timedelta(seconds=random.choice([-60, 300, 7200]))
    answers: list[Answering] = [Pause(by="li"), Resume(by="li"), Reschedule(by="li", send_at=later)]
    return random.choice(answers)


def approval(random: Random) -> Answering:
    """Another person approves, or not."""
    return Reject(by="wang") if random.random() < 0.1 else Approve(by="wang")
