"""The receiver of WeChat's pushes."""

from qunfa.callback.app import DEADLINE, ReceiverError, create_app, create_metrics_app
from qunfa.callback.cipher import CipherError, MessageCipher
from qunfa.callback.delivery import Delivery, DeliveryError, TemporalDelivery
from qunfa.callback.malformed import EventError, HostileError
from qunfa.callback.metrics import ReceiverMetrics
from qunfa.callback.parser import parse_event
from qunfa.callback.reporting import UnknownAccountError, report_job_finish
from qunfa.callback.server import run_receiver
from qunfa.callback.signature import sign

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
