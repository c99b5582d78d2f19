"""Signals for the account's ledger, which is started where there is none: wishes, and reports."""

from datetime import timedelta
from typing import Final, Protocol

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from activities.failures import ledger_unavailable
from qunfa.contract.grants import Report, Wish
from qunfa.contract.ids import ACCOUNT, account_id

_RPC: Final = timedelta(seconds=5)


class Notes(Protocol):
    """Where a report for the ledger is handed in."""

    async def tell(self, appid: str, report: Report) -> None:
        """Hand in `report`; it may be handed in any number of times.

        Raises:
            ApplicationError: `LedgerUnavailable`, to be retried.
        """


class LedgerNotes:
    """Signals to the `Account` of an appid. Temporal's client repeats a call for some seconds by itself."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def tell(self, appid: str, report: Report) -> None:
        """Signal `told`.

        Raises:
            ApplicationError: `LedgerUnavailable`, to be retried.
        """
        await self._signal(appid, "told", report)

    async def wish(self, appid: str, wish: Wish) -> None:
        """Signal `wants`; its answer is the signal `granted` to the run that wishes.

        Raises:
            ApplicationError: `LedgerUnavailable`, to be retried.
        """
        await self._signal(appid, "wants", wish)

    async def _signal(self, appid: str, name: str, payload: Report | Wish) -> None:
        try:
            await self._client.start_workflow(
                ACCOUNT,
                id=account_id(appid),
                task_queue=self._task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                start_signal=name,
                start_signal_args=[payload],
                rpc_timeout=_RPC,
            )
        except RPCError as error:
            raise ledger_unavailable(
                f"the ledger {account_id(appid)} could not be told about key {payload.key}: Temporal answered "
                f"{error.status.name}. It is told again."
            ) from None
