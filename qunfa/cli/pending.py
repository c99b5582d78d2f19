"""What workers do for a workflow at this moment, from Temporal's own account of its activities."""

import re
from typing import Any, Final

from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.exceptions import FailureError

from qunfa.cli.view import Work
from qunfa.contract import steps

SHOWN: Final = frozenset(
    {
        steps.INSPECT,
        steps.UPLOAD,
        steps.MAKE_DRAFT,
        steps.CHECK_DRAFT,
        steps.CONVERT_VIDEO,
        steps.CHECK_AUDIENCE,
        steps.PREVIEW,
    }
)
"""Those that make and check what is sent. The others are steps of the send itself, of which it tells its status."""
_PROGRESS: Final = re.compile(r"(\d+) of (\d+) bytes")


async def pending_work(client: Client, description: WorkflowExecutionDescription) -> tuple[Work, ...]:
    """The activities under way, or waiting for their next attempt, that make material or look at it.

    And whichever is paused in Temporal: what it is a step of stands still, and cannot say so.
    """
    pending = description.raw_description.pending_activities
    shown = [one for one in pending if one.activity_type.name in SHOWN or one.paused]
    return tuple([await _work(client, one) for one in shown])


async def _work(client: Client, pending: Any) -> Work:
    written, size = await _progress(client, pending)
    failure = None
    if pending.attempt > 1 and pending.HasField("last_failure"):
        error = await client.data_converter.decode_failure(pending.last_failure)
        failure = error.message if isinstance(error, FailureError) else str(error)
    return Work(
        activity=pending.activity_type.name,
        attempt=pending.attempt,
        written=written,
        size=size,
        failure=failure,
        paused=pending.paused,
    )


async def _progress(client: Client, pending: Any) -> tuple[int | None, int | None]:
    """Bytes so far and in all, as the heartbeats of an upload tell them."""
    for detail in await client.data_converter.decode(pending.heartbeat_details.payloads):
        if isinstance(detail, str) and (found := _PROGRESS.fullmatch(detail)):
            return int(found[1]), int(found[2])
    return None, None
