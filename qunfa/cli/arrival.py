"""Whether a push has arrived in Temporal: it stands in the history of the account's own workflow then."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final, NamedTuple

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client

from qunfa.cli.appid import describe_account
from qunfa.cli.reading import RPC_TIMEOUT
from qunfa.contract import account_id

PATIENCE: Final = timedelta(seconds=15)
"""A signal stands in the history at once; where a worker is lost at that moment, after its workflow task's timeout."""
_LOOK_EVERY: Final = 0.2
_PAGE: Final = 100
_SIGNAL: Final = "push"


class Position(NamedTuple):
    """How far the account's history went: the run, and how many events it had."""

    run_id: str
    length: int


async def position(client: Client, appid: str) -> Position | None:
    """How far the account's history goes now; None where it has none."""
    description = await describe_account(client, appid)
    return None if description is None else Position(description.run_id, description.history_length)


async def has_arrived(client: Client, appid: str, msg_id: int, since: Position | None) -> bool:
    """Whether a push with this msg_id stands in the account's history after `since`, or will within `PATIENCE`."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while True:
                if await _stands(client, appid, msg_id, since):
                    return True
                await asyncio.sleep(_LOOK_EVERY)
    except TimeoutError:
        return False


async def _stands(client: Client, appid: str, msg_id: int, since: Position | None) -> bool:
    """Looks from the newest event back to `since`, over the runs that have been continued meanwhile."""
    now = await position(client, appid)
    run_id = None if now is None else now.run_id
    while run_id:
        continued: str | None = None
        async for event in _newest_first(client, appid, run_id):
            if since is not None and run_id == since.run_id and event.event_id <= since.length:
                return False
            if msg_id == await _pushed(client, event):
                return True
            continued = event.workflow_execution_started_event_attributes.continued_execution_run_id
        run_id = continued
    return False


async def _newest_first(client: Client, appid: str, run_id: str) -> AsyncIterator[HistoryEvent]:
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=account_id(appid), run_id=run_id),
        maximum_page_size=_PAGE,
    )
    while True:
        page = await client.workflow_service.get_workflow_execution_history_reverse(request, timeout=RPC_TIMEOUT)
        for event in page.history.events:
            yield event
        if not page.next_page_token:
            return
        request.next_page_token = page.next_page_token


async def _pushed(client: Client, event: HistoryEvent) -> int | None:
    """The msg_id of a push that the event is the arrival of."""
    signal = event.workflow_execution_signaled_event_attributes
    if signal.signal_name != _SIGNAL or not signal.input.payloads:
        return None
    said = (await client.data_converter.decode(signal.input.payloads))[0]
    return said.get("msg_id") if isinstance(said, dict) else None
