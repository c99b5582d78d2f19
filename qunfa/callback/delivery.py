"""Handing a parsed push to the ``Account`` workflow it belongs to."""

from typing import Protocol

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from qunfa.contract.ids import ACCOUNT, account_id
from qunfa.contract.result import JobFinished

PUSH_SIGNAL = "push"


class DeliveryError(Exception):
    """The push could not be handed over; WeChat must try again. The message says why."""


class Delivery(Protocol):
    """Hands a push over. When it returns, the push is durable."""

    async def __call__(self, appid: str, event: JobFinished) -> None:
        """Raises DeliveryError where the push is not known to be durable."""


class TemporalDelivery:
    """Signals the account's workflow, and starts it when it is not running. Safe to repeat.

    The event goes out as plain JSON, whatever data converter the client has.
    """

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def __call__(self, appid: str, event: JobFinished) -> None:
        """Returns once Temporal has the signal; raises DeliveryError where it has not answered so."""
        try:
            await self._client.start_workflow(
                ACCOUNT,
                id=account_id(appid),
                task_queue=self._task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                start_signal=PUSH_SIGNAL,
                start_signal_args=[event.model_dump(mode="json")],
            )
        except RPCError as error:
            raise DeliveryError(f"Temporal did not take the push: {error.status.name}") from error
