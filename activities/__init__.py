"""The side effects of a mass send, one noun a file: classes whose methods are the activities."""

from activities.accounts import Accounts
from activities.audience import AudienceCheck
from activities.clock import Clock, SystemClock
from activities.configuration import Configuration
from activities.earlier_runs import EarlierRuns, VisibleRuns
from activities.ledger import Ledger
from activities.notes import LedgerNotes, Notes
from activities.onlooker import Onlooker
from activities.registry import all_activities
from activities.result import Results
from activities.run_history import Remains
from activities.submission import Submission

__all__ = [
    "Accounts",
    "AudienceCheck",
    "Clock",
    "Configuration",
    "EarlierRuns",
    "Ledger",
    "LedgerNotes",
    "Notes",
    "Onlooker",
    "Remains",
    "Results",
    "Submission",
    "SystemClock",
    "VisibleRuns",
    "all_activities",
]
