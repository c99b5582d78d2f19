"""Whose end a handle tells: that of its own run, or of one which sends the same in its place."""

import asyncio
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import (
    Client,
    FetchWorkflowHistoryEventsInput,
    Interceptor,
    OutboundInterceptor,
    WorkflowHandle,
    WorkflowHistoryEventAsyncIterator,
)
from temporalio.service import RPCError, RPCStatusCode

from qunfa.client import Qunfa, SendStopped
from tests.client.answering import WITHIN, asked
from tests.looking import PATIENCE, until
from tests.workflows.resets import points, reset


class Following(Interceptor, OutboundInterceptor):
    """Notes of which runs a client awaits the end."""

    def __init__(self) -> None:
        self.runs: list[str | None] = []

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002  Temporal's own name
        self.next = next
        return self

    def fetch_workflow_history_events(  # its first request is made after this
        self,
        input: FetchWorkflowHistoryEventsInput,  # noqa: A002  as above
    ) -> WorkflowHistoryEventAsyncIterator:
        self.runs.append(input.run_id)
        return super().fetch_workflow_history_events(input)

    async def number(self) -> int:
        """How many there were."""
        return len(set(self.runs))


async def test_a_reset_is_followed_also_a_second_time(qunfa: Qunfa, temporal_server: Client) -> None:
    """By a handle that was only looked for, too: its first run has no result, and that is not the send's end."""
    following = Following()
    looking = Client(temporal_server.service_client, namespace=temporal_server.namespace, interceptors=[following])
    handle = await qunfa.send(asked("reset"), within=WITHIN)
    run = temporal_server.get_workflow_handle(handle.id)
    waiting = [asyncio.ensure_future(one.result()) for one in (handle, Qunfa(looking).handle("demo", "reset"))]
    for number in (1, 2):
        await until(following.number, number.__eq__)
        await reset(temporal_server, run, (await until(lambda: points(run)))[0])
    await until(following.number, (3).__eq__)
    await run.signal("end")
    ended = await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)
    assert [one.outcome for one in ended] == ["sent", "sent"]


async def test_no_end_of_other_content_is_taken_for_ones_own(qunfa: Qunfa, temporal_server: Client) -> None:
    """A run that was terminated may have been delivered; what another one came to, which has its key now, is another's.

    That holds for a handle that has started it, and for one that was only looked for.
    """
    text = {"msgtype": "text", "content": "hi"}
    first = await qunfa.send(asked("other", message=text), within=WITHIN)
    following = Following()
    looking = Client(temporal_server.service_client, namespace=temporal_server.namespace, interceptors=[following])
    found = asyncio.ensure_future(Qunfa(looking).handle("demo", "other").result())
    await until(following.number, (1).__eq__)
    run = temporal_server.get_workflow_handle(first.id)
    await run.terminate("by mistake")
    other = await qunfa.send(asked("other", message={**text, "content": "no"}), within=WITHIN)
    await run.signal("end")
    assert (await other.result(within=WITHIN)).outcome == "sent"
    for ending in (first.result(within=WITHIN), found):
        with pytest.raises(SendStopped, match="may have been delivered"):
            await ending


async def test_a_send_is_followed_whose_first_run_is_forgotten(qunfa: Qunfa, temporal_server: Client) -> None:
    """A list goes on as another run in its first second, and may last longer than Temporal keeps that one."""
    request = asked("forgotten", message={"msgtype": "text", "content": "hi"})
    first = await qunfa.send(request, within=WITHIN)
    run = temporal_server.get_workflow_handle(first.id, run_id=first.run_id)
    await run.terminate("a test")
    await qunfa.send(request, within=WITHIN)
    which = WorkflowExecution(workflow_id=first.id, run_id=first.run_id or "")
    deleted = DeleteWorkflowExecutionRequest(namespace=temporal_server.namespace, workflow_execution=which)
    await temporal_server.workflow_service.delete_workflow_execution(deleted)
    await until(lambda: is_forgotten(run))
    await temporal_server.get_workflow_handle(first.id).signal("end")
    assert (await first.result(within=WITHIN)).outcome == "sent"


async def is_forgotten(run: WorkflowHandle[Any, Any]) -> bool:
    """Whether Temporal has no history of it any more."""
    try:
        await run.fetch_history()
    except RPCError as error:
        return error.status is RPCStatusCode.NOT_FOUND
    return False
