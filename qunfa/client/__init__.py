"""The client: start mass sends from a service, await their results, and answer them.

    handle = await Qunfa(client).send(request)
    result = await handle.result()

It needs Temporal's client and pydantic alone: ``pip install qunfa``.
"""

from qunfa.client.asked import Request
from qunfa.client.handle import (
    ClientTooOld,
    InvalidRequest,
    MassSendFailed,
    MassSendHandle,
    NoAnswer,
    NoSuchSend,
    QunfaError,
    SendStopped,
    UpdateRefused,
)
from qunfa.client.sending import Qunfa, Wait
from qunfa.contract.operators import Status
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import MassSendResult

__all__ = [
    "ClientTooOld",
    "InvalidRequest",
    "MassSendFailed",
    "MassSendHandle",
    "MassSendRequest",
    "MassSendResult",
    "NoAnswer",
    "NoSuchSend",
    "Qunfa",
    "QunfaError",
    "Request",
    "SendStopped",
    "Status",
    "UpdateRefused",
    "Wait",
]
