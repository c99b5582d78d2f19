"""What callers of Qunfa see: requests, results, updates, ids and names."""

from qunfa.contract.ids import ACCOUNT, MASS_SEND, SEARCH_ATTRIBUTES, account_id, mass_send_id
from qunfa.contract.operators import Freeze, Status, Unfreeze
from qunfa.contract.refusal import InvalidRequestError
from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.contract.result import INVALID_REQUEST, MASS_SEND_FAILED, JobFinished, MassSendResult

__all__ = [
    "ACCOUNT",
    "INVALID_REQUEST",
    "MASS_SEND",
    "MASS_SEND_FAILED",
    "SEARCH_ATTRIBUTES",
    "Freeze",
    "InvalidRequestError",
    "JobFinished",
    "MassSendRequest",
    "MassSendResult",
    "Status",
    "Unfreeze",
    "account_id",
    "mass_send_id",
    "parse_request",
]
