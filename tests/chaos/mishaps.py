"""What can go wrong at WeChat, drawn from a seed: answers to submissions, fates of jobs, answers of the other calls."""

from random import Random
from typing import Any, Final, Literal

from qunfa.simulator import Fault, JobPlan

UNKNOWN_CODES: Final = (-1, 45066, 44007, 61450, 9001001, 9500001, 268487001, 268488001, 89504, 89505, 987654)
"""Codes after which nobody knows whether the submission was accepted; the last one is in no table."""
NO_CODES: Final = (
    *(40001, 40014, 42001),
    *(42010, 45011, 45061, 9500002),
    *(45028, 45009, 45093, 45040),
    *(40007, 48001, 50002, 40152, 45159, 45501, 40164, 61004, 44002, 45002),
)
"""Codes of each class that, alone, say that nothing was accepted."""
LOSSES_BEFORE: Final = ("timeout_before_accept", "reset_before_accept")
LOSSES_AFTER: Final = ("timeout_after_accept", "reset_after_accept", "ok_without_msg_id")
REFUSALS: Final = ("err(10001)", "err(20001)", "err(20008)", "err(22000)", "err(30001)", "err(40001)", "err(40002)")
LASTING: Final = 24
"""More tries than a send makes within the window: it ends with an outcome that nobody knows."""


Lie = Literal["push", "poll", "sending"]
LIES: Final[dict[Lie, JobPlan]] = {
    "push": JobPlan(job_status="SEND_SUCCESS", delay=4),
    "poll": JobPlan(status="send success", job_status="SEND_FAIL", delay=4),
    "sending": JobPlan(job_status="SENDING", delay=10),
}
"""Of a job that is delivered WeChat says otherwise, or nothing, until a push that comes late: before a false push, in
`mass/get`, or in `mass/get` for longer than a send waits."""

_OF_A_QUESTION: Final = (
    *("errcode", "errcode", "timeout_before_accept"),
    *("reset_after_accept", "http_502", "broken_json"),
)


def fault(kind: str, **more: Any) -> Fault:
    """A fault of one call."""
    return Fault.model_validate({"kind": kind, **more})


def refused(errcode: int) -> Fault:
    """WeChat refuses and does nothing."""
    return fault("errcode", errcode=errcode)


def submission(chance: Random) -> Fault:
    """What goes wrong with one submission."""
    what = chance.choices(
        ["lost after", "lost before", "broken", "no", "unknown", "unknown after", "slow"],
        weights=[26, 8, 12, 26, 12, 6, 10],
    )[0]
    match what:
        case "lost after":
            return fault(chance.choice(LOSSES_AFTER))
        case "lost before":
            return fault(chance.choice(LOSSES_BEFORE))
        case "broken":
            kind, accept = chance.choice(["http_502", "broken_json"]), chance.random() < 0.5
            return fault(kind, accept=accept)
        case "no":
            return refused(chance.choice(NO_CODES))
        case "unknown":
            return refused(chance.choice(UNKNOWN_CODES))
        case "unknown after":
            return fault("errcode_after_accept", errcode=chance.choice([-1, 61450, 9500001, 987654]))
        case _:
            return fault("slow", accept=chance.choice([True, False]), seconds=round(chance.uniform(0.2, 2.5), 2))


def job(chance: Random, *, safe: bool) -> JobPlan:
    """The fate of one accepted job, and of its push, which is encrypted in `safe` mode."""
    fate: dict[str, Any] = {}
    match chance.choices(["sent", "refused", "reprint", "failed", "deleted", "nobody"], [70, 10, 7, 6, 4, 3])[0]:
        case "refused":
            fate = {"status": chance.choice(REFUSALS)}
        case "reprint":
            fate = {"reprint": chance.choice(["allowed", "allowed", "forbidden"])}
        case "failed":
            fate = {"job_status": "SEND_FAIL"}
        case "deleted":
            return JobPlan.model_validate({"job_status": "DELETE", "drop": True})
        case "nobody":
            return JobPlan.model_validate({"delivered": False, "counts": {"total": 9, "filter": 0}})
        case _:
            pass
    return JobPlan.model_validate({**fate, **_push(chance, safe=safe)})


def _push(chance: Random, *, safe: bool) -> dict[str, Any]:
    """How the push comes: most come once, soon after the job is finished.

    Who has overheard a push can forge another verdict, unless it has to be encrypted.
    """
    pushes: list[dict[str, Any]] = [
        {},
        {"drop": True},
        {"duplicate": chance.randint(1, 4)},
        {"delay": round(chance.uniform(0.5, 6), 2)},
        {"before_response": True},
        {"before_response": True, "duplicate": 2},
        {"out_of_order": True},
        {"forged": "signature"},
        {"forged": "msg_id", "duplicate": 1},
        {"forged": "verdict"},
    ]
    return chance.choices(pushes, [52, 12, 8, 7, 6, 3, 4, 4, 4, 15 if safe else 0])[0]


def question(chance: Random) -> Fault:
    """What goes wrong with `mass/get`."""
    kind = chance.choice(_OF_A_QUESTION)
    return refused(chance.choice([-1, 40059, 40001, 45009, 45011])) if kind == "errcode" else fault(kind)


def page(chance: Random) -> Fault | None:
    """What goes wrong with a page of openids, if anything does."""
    if chance.random() < 0.75:
        return None
    kind = chance.choice(_OF_A_QUESTION)
    return refused(-1) if kind == "errcode" else fault(kind)


def upload(chance: Random) -> Fault | None:
    """What goes wrong with an upload, if anything does."""
    if chance.random() < 0.75:
        return None
    match chance.choice(["slow", "reset", "dead", "no", "other", "other"]):
        case "slow":
            return fault("slow_upload", seconds=round(chance.uniform(0.2, 1.5), 2))
        case "reset":
            return fault("reset_in_upload")
        case "dead":
            return fault("dies_early", seconds=round(chance.uniform(0, 1.5), 2))
        case "no":
            return refused(chance.choice([-1, 45009, 40001, 40005]))
        case _:
            return fault(chance.choice([*LOSSES_BEFORE, "reset_after_accept", "http_502", "broken_json"]))


def draft(chance: Random) -> Fault:
    """What goes wrong with one `draft/add`."""
    match chance.choice(["picture", "dead", "no", "other", "other"]):
        case "picture":
            return fault("picture_lost")
        case "dead":
            return fault("dies_early", seconds=round(chance.uniform(0, 1.5), 2))
        case "no":
            return refused(chance.choice([-1, 45009, 40001, 45166]))
        case _:
            return fault(chance.choice([*LOSSES_BEFORE, "timeout_after_accept", "http_502", "broken_json"]))


def token(chance: Random) -> Fault | None:
    """What goes wrong with a call of the token endpoint, if anything does."""
    if chance.random() < 0.8:
        return None
    kind = chance.choice(_OF_A_QUESTION)
    return refused(chance.choice([-1, 45009, 45011, 40164])) if kind == "errcode" else fault(kind)
