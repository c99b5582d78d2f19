"""What callers of Qunfa see: requests, results, updates, ids and names."""

from qunfa.contract.event import ArticleCheck, Counts, JobFinished
from qunfa.contract.ids import ACCOUNT, MASS_SEND, SEARCH_ATTRIBUTES, TASK_QUEUE, account_id, mass_send_id
from qunfa.contract.refusal import InvalidRequestError
from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.contract.result import INVALID_REQUEST, MASS_SEND_FAILED, MassSendResult, Problem
from qunfa.contract.status import Status
from qunfa.contract.updates import Abort, Freeze, MarkSent, Retry, Unfreeze

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
