"""Notes for the account's ledger: the signal `told`."""

from datetime import timedelta
from typing import Final, Protocol

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from activities.failures import ledger_unavailable
from qunfa.contract.ids import ACCOUNT, account_id
from qunfa.contract.ledger import Told

_RPC: Final = timedelta(seconds=5)


class Notes(Protocol):
    """Where a note for the ledger is handed in."""

    async def tell(self, appid: str, note: Told) -> None:
        """Hand in `note`; it may be handed in any number of times.

        Raises:
            ApplicationError: `LedgerUnavailable`, to be retried.
        """


class LedgerNotes:
    """Signals `told` to the `Account` of an appid, which is started where there is none."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def tell(self, appid: str, note: Told) -> None:
        """Signal `note`; Temporal's client repeats the call for some seconds by itself.

        Raises:
            ApplicationError: `LedgerUnavailable`, to be retried.
        """
        try:
            await self._client.start_workflow(
                ACCOUNT,
                id=account_id(appid),
                task_queue=self._task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                start_signal="told",
                start_signal_args=[note],
                rpc_timeout=_RPC,
            )
        except RPCError as error:
            raise ledger_unavailable(
                f"the ledger {account_id(appid)} could not be told about key {note.key}: Temporal answered "
                f"{error.status.name}. It is told again."
            ) from None
