"""What befalls the workflow of an account: it is terminated, reset, flooded, or started by somebody else."""

import asyncio
from random import Random
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from qunfa.contract import ACCOUNT, account_id
from tests.chaos.stage import QUEUE, RPC, reset
from tests.workflows.resets import points

PUSHES: Final = 600
"""More than an account keeps of nobody's: it lets go of the oldest."""
_AT_A_TIME: Final = 10
_OTHERS: Final = 9_000_000_000
"""From here on msg_ids are nobody's."""


class Account:
    """The account of one appid, from outside."""

    def __init__(self, client: Client, appid: str) -> None:
        self._client = client
        self._id = account_id(appid)

    @property
    def _handle(self) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(self._id)

    async def flood(self) -> None:
        """Pushes on jobs of others, as they would come in a burst."""
        for first in range(0, PUSHES, _AT_A_TIME):
            await asyncio.gather(*[self._push(_OTHERS + first + number) for number in range(_AT_A_TIME)])

    async def terminate(self) -> None:
        """Its ledger is gone; the next signal starts another one."""
        await self._handle.terminate("by mistake", rpc_timeout=RPC)

    async def reset(self) -> None:
        """Back to a task of its run, so that it forgets what it has heard since."""
        run = (await self._handle.describe(rpc_timeout=RPC)).run_id
        if found := await points(self._client.get_workflow_handle(self._id, run_id=run)):
            await reset(self._client, self._id, run, Random(run).choice(found))  # noqa: S311

    async def start_strangely(self) -> None:
        """Somebody who has read its id starts it, with an input that is none."""
        try:
            await self._client.start_workflow(
                ACCOUNT,
                {"records": "all of them"},
                id=self._id,
                task_queue=QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                rpc_timeout=RPC,
            )
        except WorkflowAlreadyStartedError:
            await self._handle.signal("wants", {"key": "x" * 100_000}, rpc_timeout=RPC)

    async def _push(self, msg_id: int) -> None:
        await self._handle.signal("push", {"msg_id": msg_id, "status": "send success"}, rpc_timeout=RPC)
