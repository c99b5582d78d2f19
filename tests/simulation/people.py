"""Who asks for sends, and who answers them: requests of one kind or another, and people who are mostly right."""

from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from qunfa.contract.batches import AudiencePlan, PlannedGroup
from qunfa.contract.operators import Abort, Approve, MarkSent, Pause, Reject, Reschedule, Resume, Retry
from qunfa.contract.request import MassSendRequest
from qunfa.send.events import Answering
from tests.simulation.books import REQUESTER
from tests.simulation.wechat import Wechat

UNLOOKED: Final = "it will do"
"""The reason of a person who has not looked."""
GROUPS: Final = 2
"""A split test has so many groups beside its rest."""
_ANSWERS_OF_DOUBT: Final[tuple[type[Abort] | type[Retry], ...]] = (Abort, Retry, Retry)


def request(random: Random, account: str, key: str, now: datetime) -> MassSendRequest:
    """A request of one kind or another."""
    raw: dict[str, Any] = {
        "account": account,
        "key": key,
        "audience": {"kind": "all"},
        "message": {"msgtype": "text", "content": "你好"},
        "requested_by": REQUESTER,
    }
    if random.random() < 0.12:
        raw["approval"] = {"required": True}
    if random.random() < 0.1:
        raw["preview"] = {"to": [{"openid": "o1"}, {"wxname": "li"}]}
    if random.random() < 0.12:
        raw["audience"] = {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}}
    if random.random() < 0.3:
        raw["send_at"] = (now + timedelta(minutes=random.choice([1, 300]))).isoformat()
    if random.random() < 0.25:
        raw["not_after"] = (now + timedelta(hours=random.choice([6, 6, 30]))).isoformat()
    if random.random() < 0.25:
        raw["on_problem"] = "fail"
    if random.random() < 0.15:
        raw["message"] = {"msgtype": "voice", "media": {"uri": "file:/srv/a.mp3"}}
    return MassSendRequest.model_validate(raw)


def whole_request(random: Random, account: str, key: str, now: datetime, batches: int) -> MassSendRequest:
    """A request for a list of so many batches, of one kind or another."""
    raw: dict[str, Any] = {
        "account": account,
        "key": key,
        "audience": {"kind": "openid_file", "uri": "file:/srv/list.txt"},
        "message": {"msgtype": "text", "content": "你好"},
        "requested_by": REQUESTER,
        "on_batch_problem": random.choice(["stop", "stop", "continue"]),
    }
    if random.random() < 0.15:
        raw["approval"] = {"required": True}
    if random.random() < 0.2:
        raw["send_at"] = (now + timedelta(minutes=random.choice([1, 300]))).isoformat()
    if random.random() < 0.2:
        raw["not_after"] = (now + timedelta(hours=random.choice([6, 30]))).isoformat()
    if random.random() < 0.25:
        raw["on_problem"] = "fail"
    if batches > GROUPS and random.random() < 0.5:
        raw["split"] = {"a": 10, "b": 10}
        raw["message_b"] = {"msgtype": "text", "content": "再见"}
    return MassSendRequest.model_validate(raw)


def plan_of(request: MassSendRequest, batches: int, now: datetime) -> AudiencePlan:
    """A plan of so many batches; in a split test the first two are its groups."""
    sizes = {"a": 1, "b": 1, "rest": batches - GROUPS} if request.split else {}
    groups = [
        PlannedGroup.model_validate({"name": n, "openids": 9_999 * size, "batches": size}) for n, size in sizes.items()
    ]
    openids = sum(group.openids for group in groups) or 10_000 * batches - 1
    return AudiencePlan(digest="a" * 64, openids=openids, batches=batches, taken_at=now, groups=tuple(groups))


def decision(random: Random, problem: str, wechat: Wechat, key: str, now: datetime, *, out: bool) -> Answering | None:
    """What a person answers who looks into WeChat's console; nothing while a call may be ``out``."""
    who: dict[str, Any] = {"by": "li", "reason": "looked"}
    jobs, arriving = wechat.of(key), any(one.key == key for one in wechat.arriving(now))
    sure = not (out or arriving or any(job.delivered or now < job.decided_at for job in jobs))
    if problem in {"unknown_outcome", "clientmsgid_collision"}:
        if jobs:
            return MarkSent(**who, msg_id=random.choice(jobs).msg_id)
        return random.choice(_ANSWERS_OF_DOUBT)(**who, confirm_not_delivered=True) if sure else None
    if (delivered := [job.msg_id for job in jobs if job.delivered]) and random.random() < 0.5:
        return MarkSent(**who, msg_id=delivered[-1])
    if random.random() < 0.3:
        return Abort(**who, confirm_not_delivered=sure)
    return Retry(**who, send_ignore_reprint=problem == "reprint_needs_decision")


def mistake(random: Random, problem: str) -> Answering:
    """What a person answers who does not look."""
    who: dict[str, Any] = {"by": "wang", "reason": UNLOOKED}
    if problem == "unknown_outcome" and random.random() < 0.5:
        return random.choice(_ANSWERS_OF_DOUBT)(**who, confirm_not_delivered=True)
    return MarkSent(**who, msg_id=random.choice([1, 7]))


def late(random: Random, wechat: Wechat, key: str) -> Answering:
    """What a person answers to a page that has changed since; nothing that is not true."""
    who: dict[str, Any] = {"by": "zhao", "reason": "as it was"}
    answers: list[Answering] = [
        Retry(**who),
        Retry(**who, send_ignore_reprint=True),
        Approve(by="zhao"),
        Pause(by="zhao"),
    ]
    answers += [MarkSent(**who, msg_id=job.msg_id) for job in wechat.of(key)[:1]]
    return random.choice(answers)


def holding(random: Random, *, paused: bool, now: datetime) -> Answering:
    """A person holds the send back, lets it go, or changes its time; it may not fit."""
    if paused and random.random() < 0.5:
        return Resume(by="li")
    later = now + timedelta(seconds=random.choice([-60, 300, 7200]))
    answers: list[Answering] = [Pause(by="li"), Resume(by="li"), Reschedule(by="li", send_at=later)]
    return random.choice(answers)


def approval(random: Random) -> Answering:
    """Another person approves, or not; now and then who has asked for it tries to."""
    if random.random() < 0.1:
        return Approve(by=REQUESTER)
    return Reject(by="wang") if random.random() < 0.1 else Approve(by="wang")
