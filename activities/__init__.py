"""The side effects of a mass send, one noun a file: classes whose methods are the activities."""

from activities.accounts import Accounts, Configuration
from activities.attempts import Clock, SystemClock
from activities.checks import AudienceCheck
from activities.earlier_runs import EarlierRuns, VisibleRuns
from activities.jobs import Results
from activities.ledger import Ledger, LedgerNotes, Notes
from activities.lost_queues import LostQueues
from activities.onlooker import Onlooker
from activities.registry import all_activities
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
    "LostQueues",
    "Notes",
    "Onlooker",
    "Remains",
    "Results",
    "Submission",
    "SystemClock",
    "VisibleRuns",
    "all_activities",
]
