"""What an account's ledger knows, asked without changing anything; no `Account` is started for it."""

from datetime import timedelta
from typing import Any, Final

from temporalio.client import Client, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.failures import ledger_unavailable
from qunfa.contract.ids import account_id
from qunfa.contract.ledger import LedgerView

PATIENCE: Final = timedelta(seconds=12)


async def ledger_view(
    client: Client, appid: str, wanted: dict[str, Any] | None = None, *, patience: timedelta = PATIENCE
) -> LedgerView | None:
    """The ledger of `appid`, or what of it is `wanted` (as its query takes it); None where there is none.

    Raises:
        ApplicationError: `LedgerUnavailable`, retried.
    """
    handle = client.get_workflow_handle(account_id(appid))
    try:
        view: LedgerView = await handle.query("ledger", wanted, result_type=LedgerView, rpc_timeout=patience)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise _unavailable(appid, f"Temporal answered {error.status.name}") from None
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        raise _unavailable(appid, str(error)) from None
    except (KeyError, RuntimeError, ValueError) as error:
        # What it says may hold what could not be read.
        raise _unavailable(appid, f"its answer cannot be read by this worker ({type(error).__name__})") from None
    return view


def _unavailable(appid: str, why: str) -> ApplicationError:
    return ledger_unavailable(f"the ledger {account_id(appid)} could not be asked: {why}. It is asked again.")
