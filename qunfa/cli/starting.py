"""Starting a mass send; what runs already under its key is never taken for it unless it says the same."""

import asyncio
from datetime import timedelta
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from temporalio.client import Client, WorkflowContinuedAsNewError, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from qunfa.cli.reading import RPC_TIMEOUT
from qunfa.cli.rendering.message import excerpt, heading
from qunfa.cli.request_options import Request
from qunfa.contract import MASS_SEND, InvalidRequestError, MassSendRequest, mass_send_id, parse_request
from qunfa.contract.ids import MassSendId
from qunfa.contract.message import TextMessage
from qunfa.contract.request import describe
from qunfa.markdown import plain, summary_line

EARLY: Final = timedelta(seconds=2)
"""How long a command that does not follow its send waits for an early end."""


class Started(NamedTuple):
    """A send that was started (`run_id`), or one that runs already under its key (no `run_id`)."""

    send: MassSendId
    run_id: str | None


async def start(client: Client, request: Request, queue: str) -> Started:
    """Start the send, unless one runs under its key.

    A closed one of the same key is no hindrance: the account's ledger knows what became of it, and nothing is
    delivered twice.
    """
    parsed = request.parsed
    send = MassSendId(parsed.account, parsed.key)
    try:
        handle = await client.start_workflow(
            MASS_SEND,
            request.raw,
            id=mass_send_id(*send),
            task_queue=queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary=summary(parsed),
            static_details=details(parsed),
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        return Started(send, None)
    return Started(send, handle.result_run_id)


async def ends_early(client: Client, started: Started) -> bool:
    """Whether the run ends within :data:`EARLY`, as one does whose request is refused, or whose key was sent before."""
    run = client.get_workflow_handle(mass_send_id(*started.send), run_id=started.run_id)
    try:
        async with asyncio.timeout(EARLY.total_seconds()):
            await run.result(follow_runs=False)
    except WorkflowFailureError:
        return True
    except (TimeoutError, WorkflowContinuedAsNewError, RPCError):
        return False
    return True


async def says_the_same(client: Client, request: Request) -> bool:
    """Whether the send that runs under the key has this request's audience and message."""
    handle = client.get_workflow_handle(mass_send_id(request.parsed.account, request.parsed.key))
    async for event in handle.fetch_history_events(page_size=1):
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        (raw, *_) = await client.data_converter.decode(payloads) or [None]
        running = _parsed(raw)
        return running is not None and _content(running) == _content(request.parsed)
    return False


def summary(request: MassSendRequest) -> str:
    """The send in one line of Markdown, for Temporal's UI."""
    what, whom = plain(heading(request.message)), plain(describe(request.audience))
    return summary_line(f"{what} to {whom} of **{plain(request.account)}**")


def details(request: MassSendRequest) -> str:
    """The send in a few lines of Markdown, for Temporal's UI."""
    message = request.message
    said = message.content if isinstance(message, TextMessage) else heading(message)
    lines = {
        "key": request.key,
        "audience": describe(request.audience),
        "message": excerpt(said),
        "send at": request.send_at and request.send_at.isoformat(),
        "not after": request.not_after and request.not_after.isoformat(),
        "requested by": request.requested_by,
    }
    return "\n".join(f"- {name}: {plain(value)}" for name, value in lines.items() if value)


def _content(request: MassSendRequest) -> dict[str, Any]:
    return request.model_dump(include={"audience", "message"})


def _parsed(raw: Any) -> MassSendRequest | None:
    try:
        return parse_request(raw)
    except (InvalidRequestError, ValidationError):
        return None
