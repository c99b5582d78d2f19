"""Sending: a request becomes a workflow, or finds the one that runs under its key."""

import asyncio
from datetime import timedelta
from typing import Any, Final, Literal, get_args

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from qunfa.client.asked import Asked, Request, asked_for, differences
from qunfa.client.handle import ClientTooOld, InvalidRequest, MassSendHandle, check_within
from qunfa.client.runs import RunIsOverError, TemporalHandle, raise_refusal
from qunfa.contract.ids import MASS_SEND, TASK_QUEUE, mass_send_id
from qunfa.temporal.connection import is_gone

ACCEPTED_WITHIN: Final = timedelta(minutes=1)
"""How long a caller waits by default to hear that a request is accepted: its files are looked at before."""

Wait = Literal["started", "accepted", "result"]


def check_wait(wait: str, within: timedelta | None) -> None:
    """Raise ``ValueError`` for what no ``send()`` waits for, and ``TypeError`` for what is no span of time."""
    check_within(within)
    if wait not in get_args(Wait):
        raise ValueError(f"wait: must be one of {', '.join(get_args(Wait))}, not {wait!r}")


class Qunfa:
    """Starts mass sends, and finds those that were started.

    Args:
        client: a connection to Temporal; its namespace is that of the workers. It has no payload codec: they read
            plain JSON, and refuse what is encrypted.
        task_queue: of the workers, where theirs is another one than ``qunfa``.
    """

    def __init__(self, client: Client, *, task_queue: str = TASK_QUEUE) -> None:
        self._client = client
        self._task_queue = task_queue

    async def send(
        self, request: Request, *, wait: Wait = "accepted", within: timedelta | None = None
    ) -> MassSendHandle:
        """Start a send, unless one runs under its key: then that is the one whose handle is returned.

        A key that was sent before is started again, and ends with the earlier result; nothing is delivered twice.

        Args:
            request: as a model or as JSON, which the workers check.
            wait: ``"accepted"`` until the workers have checked all of it, ``"started"`` until Temporal has it,
                ``"result"`` until the send has ended well. Where a request runs under its key that differs, or that
                nobody can read, each first hears whether that is accepted. One that is refused is not joined.
            within: how long to wait at most. Without it a minute, and for the result as long as it takes.

        Raises:
            InvalidRequest: the request is refused, or a send of other content runs under its key.
            NoAnswer: nobody has answered in time. The send goes on.
            MassSendFailed: it was awaited, and ended badly.
            SendStopped: it was awaited, also to be accepted, and was ended in Temporal.
            ClientTooOld: the workers are newer, and say what this client does not know. The send is as it was.
            ValueError: there is no such ``wait``.
            TypeError: ``within`` is no ``timedelta``.
        """
        check_wait(wait, within)
        asked = asked_for(request)
        starting = {"started": self._started, "accepted": self._accepted, "result": self._carried_out}[wait]
        limit = ACCEPTED_WITHIN if within is None and wait != "result" else within
        return await self._handle_of(asked).bounded(starting(asked), limit, f"wait={wait!r}")

    def handle(self, account: str, key: str) -> MassSendHandle:
        """The send of this account and key, whoever has started it; whether there is one is not looked for."""
        return TemporalHandle(self._client, account, key)

    async def _started(self, asked: Asked) -> TemporalHandle:
        while True:
            try:
                run = await self._client.start_workflow(
                    MASS_SEND,
                    asked.raw,
                    id=mass_send_id(*asked.send),
                    task_queue=self._task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                )
            except WorkflowAlreadyStartedError as running:
                if await self._handle_of(asked).request_of(running.run_id) == asked.raw:
                    return self._handle_of(asked, run_id=running.run_id)
                found = await self._join(asked, running.run_id)
                if found is not None:
                    return found
            else:
                return self._handle_of(asked, run_id=run.result_run_id, started=True)

    async def _carried_out(self, asked: Asked) -> TemporalHandle:
        handle = await self._started(asked)
        await handle.result()
        return handle

    async def _accepted(self, asked: Asked) -> TemporalHandle:
        while True:
            try:
                return await self._begin(asked)
            except WorkflowAlreadyStartedError as running:
                found = await self._join(asked, running.run_id)
                if found is not None:
                    return found

    async def _begin(self, asked: Asked) -> TemporalHandle:
        """Start the send, and await in the same call whether it is accepted: by its run, or one that has followed."""
        operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            MASS_SEND,
            asked.raw,
            id=mass_send_id(*asked.send),
            task_queue=self._task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )
        try:
            await self._client.execute_update_with_start_workflow("accepted", start_workflow_operation=operation)
        except WorkflowUpdateFailedError as error:
            begun = self._handle_of(asked, run_id=(await operation.workflow_handle()).result_run_id, started=True)
            try:
                raise_refusal(error)
            except RunIsOverError:
                await begun.accepted()
            return begun
        except (WorkflowAlreadyStartedError, RPCError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            # Nobody else asks for the handle, and a future whose error nobody has seen is complained about.
            await asyncio.gather(operation.workflow_handle(), return_exceptions=True)
            if not (isinstance(error, RPCError) and is_gone(error)):
                raise
            begun = self._handle_of(asked, started=True)
            await begun.accepted()
            return begun
        return self._handle_of(asked, run_id=(await operation.workflow_handle()).result_run_id, started=True)

    async def _join(self, asked: Asked, run_id: str | None) -> TemporalHandle | None:
        """The send that runs already, once it is accepted; nothing where it is over, or is refused for its own faults.

        Raises:
            InvalidRequest: it is refused, and its request is the same; or its content is another one.
            ClientTooOld: it is accepted, and this client cannot read its request.
        """
        running = self._handle_of(asked)
        theirs = await running.request_of(run_id)
        try:
            await running.ask_accepted()
        except RunIsOverError:
            return None
        except InvalidRequest:
            if theirs == asked.raw:
                raise
            return None
        differs = differences(asked, theirs)
        if differs is None:
            raise ClientTooOld(mass_send_id(*asked.send), theirs, ["the request of the send that runs"])
        return self._handle_of(asked, run_id=run_id, differs=differs)

    def _handle_of(self, asked: Asked, **found: Any) -> TemporalHandle:
        return TemporalHandle(self._client, *asked.send, asked=asked, **found)
