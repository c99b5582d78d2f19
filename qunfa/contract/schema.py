"""JSON Schema of everything that callers write and read."""

from typing import Any

from pydantic import BaseModel

from qunfa.contract.event import JobFinished
from qunfa.contract.ledger import Claim, ClaimAnswer, FreezeAnswer, LeaseAnswer, LedgerView, Reserve, Told
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import MassSendResult
from qunfa.contract.status import Status
from qunfa.contract.updates import Abort, Freeze, MarkSent, Retry, Unfreeze

SCHEMAS: dict[str, type[BaseModel]] = {
    "MassSend": MassSendRequest,
    "MassSend.result": MassSendResult,
    "MassSend.status": Status,
    "MassSend.job_finished": JobFinished,
    "MassSend.retry": Retry,
    "MassSend.mark_sent": MarkSent,
    "MassSend.abort": Abort,
    "Account.claim": Claim,
    "Account.claim.result": ClaimAnswer,
    "Account.reserve": Reserve,
    "Account.reserve.result": LeaseAnswer,
    "Account.told": Told,
    "Account.push": JobFinished,
    "Account.freeze": Freeze,
    "Account.freeze.result": FreezeAnswer,
    "Account.unfreeze": Unfreeze,
    "Account.ledger": LedgerView,
}
"""Message name → its model: a workflow's input, ``.result``, and its signals, updates and queries."""


def json_schema(name: str) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one entry of :data:`SCHEMAS`."""
    read = name.endswith((".result", ".status", ".ledger"))
    return SCHEMAS[name].model_json_schema(mode="serialization" if read else "validation")
