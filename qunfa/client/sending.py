"""Sending: a request becomes a workflow, or finds the one that runs under its key."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal, NamedTuple

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.converter import AdvancedJSONEncoder
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from qunfa.client.handle import ClientTooOld, InvalidRequest, MassSendHandle
from qunfa.client.runs import RunIsOverError, TemporalHandle, raise_refusal
from qunfa.contract.content import differing
from qunfa.contract.ids import MASS_SEND, TASK_QUEUE, MassSendId, mass_send_id, parse_mass_send_id
from qunfa.contract.refusal import InvalidRequestError
from qunfa.contract.request import MassSendRequest, parse_request

ACCEPTED_WITHIN: Final = timedelta(minutes=1)
"""How long a caller waits by default to hear that a request is accepted: its files are looked at before."""

MAY_BE_THE_SAME: Final = "it may be the same that is being sent already, and a new key would deliver it twice"

Request = MassSendRequest | Mapping[str, Any]
Wait = Literal["started", "accepted", "result"]


class Asked(NamedTuple):
    """A request as it goes over the wire, and whose it is."""

    raw: dict[str, Any]
    send: MassSendId


class Qunfa:
    """Starts mass sends, and finds those that were started.

    Args:
        client: a connection to Temporal; its namespace is that of the workers.
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
                ``"result"`` until the send has ended well. Where a request of its key runs that nobody can read, each
                waits for the end of that first.
            within: how long to wait at most. Without it a minute, and for the result as long as it takes.

        Raises:
            InvalidRequest: the request is refused, or a send of other content runs under its key.
            NoAnswer: nobody has answered in time. The send goes on.
            MassSendFailed: it was awaited, and ended badly.
            SendStopped: it was awaited, and was ended in Temporal.
            ClientTooOld: the workers are newer, and say what this client does not know. The send is as it was.
        """
        asked = asked_for(request)
        starting = {"started": self._started, "accepted": self._accepted, "result": self._carried_out}[wait]
        named = TemporalHandle(self._client, *asked.send)
        limit = ACCEPTED_WITHIN if within is None and wait != "result" else within
        return await named.bounded(starting(asked), limit, f"wait={wait!r}")

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
                differs = differences(asked, await self._request_of(asked.send, running.run_id))
                if differs is not None:
                    return self._running(asked, running.run_id, differs)
                found = await self._join(asked, running.run_id)
                if found is not None:
                    return found
            else:
                return self._begun(asked, run.result_run_id)

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
            begun = self._begun(asked, (await operation.workflow_handle()).result_run_id)
            try:
                raise_refusal(error)
            except RunIsOverError:
                await begun.accepted()
            return begun
        except (WorkflowAlreadyStartedError, RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
            # Nobody else asks for the handle, and a future whose error nobody has seen is complained about.
            await asyncio.gather(operation.workflow_handle(), return_exceptions=True)
            raise
        return self._begun(asked, (await operation.workflow_handle()).result_run_id)

    async def _join(self, asked: Asked, run_id: str | None) -> TemporalHandle | None:
        """The send that runs already, once it is accepted; nothing where it is over, or is refused for its own faults.

        Raises:
            InvalidRequest: it is refused, and its request is the same; or its content is another one.
            ClientTooOld: it is accepted, and this client cannot read its request.
        """
        theirs = await self._request_of(asked.send, run_id)
        try:
            await TemporalHandle(self._client, *asked.send).ask_accepted()
        except RunIsOverError:
            return None
        except InvalidRequest:
            if theirs == asked.raw:
                raise
            return None
        differs = differences(asked, theirs)
        if differs is None:
            raise ClientTooOld(mass_send_id(*asked.send), theirs, ["the request of the send that runs"])
        return self._running(asked, run_id, differs)

    async def _request_of(self, send: MassSendId, run_id: str | None) -> Any:
        """The request with which the run was started, as its history has it."""
        run = self._client.get_workflow_handle(mass_send_id(*send), run_id=run_id)
        async for event in run.fetch_history_events(page_size=1):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            return next(iter(await self._client.data_converter.decode(payloads)), None)
        return None

    def _begun(self, asked: Asked, run_id: str | None) -> TemporalHandle:
        return TemporalHandle(self._client, *asked.send, run_id=run_id, started=True)

    def _running(self, asked: Asked, run_id: str | None, differs: tuple[str, ...]) -> TemporalHandle:
        return TemporalHandle(self._client, *asked.send, run_id=run_id, differs=differs)


def differences(asked: Asked, theirs: Any) -> tuple[str, ...] | None:
    """The fields in which a request differs from that of the send which runs under its key.

    Nothing is known of one that cannot be read, unless it is the same: the workers refuse it, or are newer.

    Raises:
        InvalidRequest: the request is wrong, or is of another content, or has it at other URIs.
    """
    if asked.raw == theirs:
        return ()
    runs = f'runs under "{asked.send.key}", and goes on'
    try:
        ours = parse_request(asked.raw)
    except InvalidRequestError as error:
        raise InvalidRequest([*error.problems, f"key: a send {runs}; {MAY_BE_THE_SAME}"]) from None
    try:
        running = parse_request(theirs)
    except InvalidRequestError:
        return None
    content = differing(ours, running)
    if content.fields:
        what = "with other URIs in its" if content.in_uris else "of another"
        todo = MAY_BE_THE_SAME if content.in_uris else "use a new key for this one"
        raise InvalidRequest([f"key: a send {what} {' and '.join(content.fields)} {runs}; {todo}"])
    return tuple(name for name in MassSendRequest.model_fields if getattr(ours, name) != getattr(running, name))


def asked_for(request: Request) -> Asked:
    """The request over the wire: as it is given, so that what is wrong is found where the account's ledger is, too.

    Raises:
        InvalidRequest: its account and key, which name the workflow, are no names; or it cannot be JSON.
    """
    if isinstance(request, MassSendRequest):
        raw: dict[str, Any] = request.model_dump(mode="json", exclude_unset=True)
    else:
        raw = _as_json(request)
    send = parse_mass_send_id(f"mass-send:{raw.get('account')}:{raw.get('key')}")
    if send is not None:
        return Asked(raw, send)
    try:
        parse_request(raw)
    except InvalidRequestError as error:
        raise InvalidRequest(error.problems) from None
    raise InvalidRequest(["account and key: must be text"])


def _as_json(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request as Temporal's own converter writes it, whatever that of this client takes."""
    try:
        raw: dict[str, Any] = json.loads(json.dumps(dict(request), cls=AdvancedJSONEncoder))
        # An emoji may have come as its two halves: reading them has made one character of them. What is left is cut.
        json.dumps(raw, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidRequest(["the input has half a character, as text that was cut inside an emoji"]) from None
    except (TypeError, ValueError) as error:
        raise InvalidRequest([f"the input must be one JSON object: {error}"]) from None
    return raw
