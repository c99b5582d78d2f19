"""A signal to an `Account`: whoever has one for it may be the first."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy

from qunfa.contract.ids import ACCOUNT, FIRST


async def signal_account(  # noqa: PLR0913  all that the call varies by
    client: Client, task_queue: str, workflow_id: str, name: str, payload: object, *, within: timedelta | None = None
) -> None:
    """Signal the workflow, which is started where there is none. Temporal's client repeats the call by itself.

    Raises:
        RPCError: Temporal has not said that it has the signal, `within` the time that one call may take.
    """
    await client.start_workflow(
        ACCOUNT,
        id=workflow_id,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        priority=Priority(priority_key=FIRST),
        start_signal=name,
        start_signal_args=[payload],
        rpc_timeout=within,
    )
