"""What callers of Qunfa see: requests, results, updates, ids and names."""

from qunfa.contract.ids import ACCOUNT, MASS_SEND, SEARCH_ATTRIBUTES, TASK_QUEUE, account_id, mass_send_id
from qunfa.contract.operators import Abort, Freeze, MarkSent, Retry, Status, Unfreeze
from qunfa.contract.refusal import InvalidRequestError
from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.contract.result import (
    INVALID_REQUEST,
    MASS_SEND_FAILED,
    ArticleCheck,
    Counts,
    JobFinished,
    MassSendResult,
    Problem,
)

__all__ = [
    "ACCOUNT",
    "INVALID_REQUEST",
    "MASS_SEND",
    "MASS_SEND_FAILED",
    "SEARCH_ATTRIBUTES",
    "TASK_QUEUE",
    "Abort",
    "ArticleCheck",
    "Counts",
    "Freeze",
    "InvalidRequestError",
    "JobFinished",
    "MarkSent",
    "MassSendRequest",
    "MassSendResult",
    "Problem",
    "Retry",
    "Status",
    "Unfreeze",
    "account_id",
    "mass_send_id",
    "parse_request",
]
