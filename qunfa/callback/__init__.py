"""The receiver of WeChat's pushes."""

from qunfa.callback.answers import ReceiverMetrics
from qunfa.callback.app import DEADLINE, create_app, create_metrics_app, run_receiver
from qunfa.callback.crypto import CipherError, MessageCipher, sign
from qunfa.callback.delivery import Delivery, DeliveryError, TemporalDelivery, UnknownAccountError, report_job_finish
from qunfa.callback.document import EventError, HostileError
from qunfa.callback.event import parse_event
from qunfa.callback.server import ReceiverError

__all__ = [
    "DEADLINE",
    "CipherError",
    "Delivery",
    "DeliveryError",
    "EventError",
    "HostileError",
    "MessageCipher",
    "ReceiverError",
    "ReceiverMetrics",
    "TemporalDelivery",
    "UnknownAccountError",
    "create_app",
    "create_metrics_app",
    "parse_event",
    "report_job_finish",
    "run_receiver",
    "sign",
]
