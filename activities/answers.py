"""What came of one try to submit, as the workflow and the ledger are told it.

| the client says | kind | with |
|---|---|---|
| `Submitted` | accepted | msg_id, msg_data_id |
| 45065 with a msg_id | duplicate | msg_id, errcode |
| 45065 without one; a code of class UNKNOWN or CONFIRMING | unknown | errcode, errmsg, rid |
| any other errcode | refused | errcode, errmsg, rid |
| `NoToken` with WeChat's refusal | refused, `token_endpoint` | errcode, errmsg, rid |
| `NotWritten`, any other `NoToken` | not_written | detail |
| `MaybeWritten` | unknown | detail |
"""

from datetime import datetime
from typing import Final, Literal

from qunfa.contract.job import Answer
from qunfa.rules.codes import CodeClass
from qunfa.wechat import MaybeWritten, NoToken, NotWritten, Refused, Submitted

Outcome = Submitted | Refused | NotWritten | MaybeWritten

_OPEN: Final = frozenset({CodeClass.UNKNOWN, CodeClass.CONFIRMING})


def answer_of(outcome: Outcome, at: datetime) -> Answer:
    """The answer that `outcome` is, heard `at`."""
    match outcome:
        case Submitted():
            return Answer(kind="accepted", at=at, msg_id=outcome.msg_id, msg_data_id=outcome.msg_data_id)
        case Refused():
            return _refusal(outcome, _kind_of(outcome), at)
        case NoToken(refused=Refused() as refused):
            return _refusal(refused, "refused", at).model_copy(update={"token_endpoint": True})
        case NoToken():
            return not_written(at, f"no access token could be had ({outcome.reason})")
        case NotWritten():
            return not_written(at, f"nothing could be written ({outcome.reason})")
        case MaybeWritten():
            return Answer(kind="unknown", at=at, detail=f"no usable answer came ({outcome.reason})")


def not_written(at: datetime, detail: str, *, at_once: bool = False) -> Answer:
    """The answer of a try of which nothing left this machine, for the reason in `detail`."""
    return Answer(kind="not_written", at=at, detail=detail, at_once=at_once)


def _kind_of(refused: Refused) -> Literal["duplicate", "unknown", "refused"]:
    if refused.code.code_class is CodeClass.DUPLICATE:
        return "unknown" if refused.msg_id is None else "duplicate"
    return "unknown" if refused.code.code_class in _OPEN else "refused"


def _refusal(refused: Refused, kind: Literal["duplicate", "unknown", "refused"], at: datetime) -> Answer:
    return Answer(
        kind=kind,
        at=at,
        errcode=refused.errcode,
        errmsg=refused.errmsg,
        rid=refused.rid,
        msg_id=refused.msg_id if kind == "duplicate" else None,
    )
