"""The receiver of WeChat's pushes."""

from qunfa.callback.app import DEADLINE, ReceiverError, create_app
from qunfa.callback.delivery import Delivery, DeliveryError, TemporalDelivery
from qunfa.callback.parser import EventError, parse_event
from qunfa.callback.server import run_receiver
from qunfa.callback.signature import sign

__all__ = [
    "DEADLINE",
    "Delivery",
    "DeliveryError",
    "EventError",
    "ReceiverError",
    "TemporalDelivery",
    "create_app",
    "parse_event",
    "run_receiver",
    "sign",
]
