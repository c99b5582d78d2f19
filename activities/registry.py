"""All activities of a worker, with what they work with."""

from collections.abc import Callable
from typing import Any

import httpx
from temporalio.client import Client

from activities.accounts import Accounts
from activities.audience import AudienceCheck
from activities.configuration import Configuration
from activities.earlier_runs import VisibleRuns
from activities.ledger import Ledger
from activities.notes import LedgerNotes
from activities.result import Results
from activities.submission import Submission
from qunfa.settings import Settings


def all_activities(
    settings: Settings, client: Client, http: httpx.AsyncClient, task_queue: str
) -> list[Callable[..., Any]]:
    """What a worker registers; `task_queue` is where an `Account` is started that does not run yet."""
    accounts = Accounts(settings, http)
    configuration = Configuration(settings)
    ledger = Ledger(client, task_queue, VisibleRuns(client))
    submission = Submission(settings, accounts, LedgerNotes(client, task_queue))
    results = Results(settings, accounts)
    audience = AudienceCheck(settings, accounts)
    return [
        configuration.resolve_account,
        audience.check_audience,
        ledger.claim,
        ledger.reserve,
        ledger.tell,
        ledger.owner_of,
        submission.submit,
        results.job_status,
        results.await_verdict,
    ]
