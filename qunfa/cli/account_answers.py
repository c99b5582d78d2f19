"""Small workflows that look at an account, or change something about it, with the workers' credentials."""

import secrets
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel
from temporalio.common import WorkflowIDConflictPolicy

from qunfa.cli.awaiting import AT_MOST, Handle, InvalidError, demand_worker, result_of
from qunfa.cli.connection import temporal_client
from qunfa.cli.errors import Refused
from qunfa.cli.reading import RPC_TIMEOUT
from qunfa.markdown import summary_line

Result = TypeVar("Result", bound=BaseModel)


def unique() -> str:
    """A part of a workflow id that no other one has."""
    return secrets.token_hex(6)


class Question(NamedTuple):
    """A workflow to be started under an id of its own; `summary` says in Markdown what it is."""

    workflow: str
    workflow_id: str
    raw: dict[str, Any]
    summary: str


async def answer_of(question: Question, result_type: type[Result], queue: str) -> Result:
    """The result of the workflow; when this is interrupted, it is cancelled.

    Raises:
        Refused: No worker polls the queue, or the workflow did not end well; its sentence says why.
    """
    client = await temporal_client()
    await demand_worker(client, queue)
    starting = client.start_workflow(
        question.workflow,
        question.raw,
        id=question.workflow_id,
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        execution_timeout=AT_MOST,
        result_type=result_type,
        static_summary=summary_line(question.summary),
        rpc_timeout=RPC_TIMEOUT,
    )
    try:
        found: Result = await result_of(client, starting, _cancelled)
    except InvalidError as error:
        raise Refused("; ".join(problem.removesuffix(".") for problem in error.problems) + ".") from None
    return found


async def _cancelled(handle: Handle) -> None:
    await handle.cancel(rpc_timeout=RPC_TIMEOUT)
