"""JSON Schema of everything that callers write and read."""

from typing import Any, Final

from pydantic import BaseModel

from qunfa.contract.checks import (
    CallbackCheckRequest,
    CallbackCheckResult,
    CheckAccountRequest,
    CheckAccountResult,
    CheckResult,
    Diagnosis,
)
from qunfa.contract.grants import Granted, LedgerLost, Report, Wish
from qunfa.contract.ledger import Forgotten, FreezeAnswer, LedgerView
from qunfa.contract.limits import QuotaRequest, QuotaResult, SpeedRequest, SpeedResult
from qunfa.contract.notice import AccountNoticesRequest, AccountNoticesResult, Notice, NoticeDelivered, NotifyRequest
from qunfa.contract.operators import (
    Abort,
    Approve,
    Forget,
    Freeze,
    MarkSent,
    Pause,
    Reject,
    Reschedule,
    Resume,
    Retry,
    Status,
    Unfreeze,
)
from qunfa.contract.recall import RecallRequest, RecallResult, RecallStatus
from qunfa.contract.request import MassSendRequest, PreviewRequest, PreviewResult
from qunfa.contract.result import JobFinished, MassSendResult
from qunfa.contract.schema_names import named
from qunfa.contract.steps import LedgerAnswer, LedgerQuestion

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

SCHEMAS: dict[str, type[BaseModel]] = {
    "MassSend": MassSendRequest,
    "MassSend.result": MassSendResult,
    "MassSend.status": Status,
    "MassSend.granted": Granted,
    "MassSend.job_finished": JobFinished,
    "MassSend.ledger_lost": LedgerLost,
    "MassSend.retry": Retry,
    "MassSend.mark_sent": MarkSent,
    "MassSend.abort": Abort,
    "MassSend.approve": Approve,
    "MassSend.reject": Reject,
    "MassSend.pause": Pause,
    "MassSend.resume": Resume,
    "MassSend.reschedule": Reschedule,
    "PreviewMassSend": PreviewRequest,
    "PreviewMassSend.result": PreviewResult,
    "CheckMassSend": MassSendRequest,
    "CheckMassSend.result": CheckResult,
    "CheckCallback": CallbackCheckRequest,
    "CheckCallback.result": CallbackCheckResult,
    "CheckAccount": CheckAccountRequest,
    "CheckAccount.result": CheckAccountResult,
    "RecallMassSend": RecallRequest,
    "RecallMassSend.result": RecallResult,
    "RecallMassSend.status": RecallStatus,
    "AccountSpeed": SpeedRequest,
    "AccountSpeed.result": SpeedResult,
    "AccountQuota": QuotaRequest,
    "AccountQuota.result": QuotaResult,
    "AccountNotices": AccountNoticesRequest,
    "AccountNotices.result": AccountNoticesResult,
    "Notice": Notice,
    "Notify": NotifyRequest,
    "Notify.result": NoticeDelivered,
    "Account.wants": Wish,
    "Account.told": Report,
    "Account.ask": LedgerQuestion,
    "Account.ask.result": LedgerAnswer,
    "Account.push": JobFinished,
    "Account.freeze": Freeze,
    "Account.freeze.result": FreezeAnswer,
    "Account.unfreeze": Unfreeze,
    "Account.forget": Forget,
    "Account.forget.result": Forgotten,
    "Account.ledger": LedgerView,
    "doctor": Diagnosis,
}
"""Message name → its model: a workflow's input, ``.result``, and its signals, updates and queries.

``Notice`` is the body of a webhook, ``doctor`` what that command prints with ``--json``.
"""


def json_schema(name: str) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one entry of :data:`SCHEMAS`."""
    read = name in {"Notice", "doctor"} or name.endswith((".result", ".status", ".ledger"))
    found = SCHEMAS[name].model_json_schema(mode="serialization" if read else "validation")
    return {"$schema": DIALECT, "$id": f"urn:qunfa:{name}", **named(found)}
