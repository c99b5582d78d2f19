"""`qunfa send --dry-run`: all the checks of a send, and nothing that changes anything."""

from typing import Final

import typer
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from qunfa.cli.awaiting import AT_MOST, Handle, InvalidError, demand_worker, result_of
from qunfa.cli.connection import temporal_client
from qunfa.cli.console import note, show, show_json
from qunfa.cli.errors import ExitCode
from qunfa.cli.reading import RPC_TIMEOUT
from qunfa.cli.rendering.check import render_check
from qunfa.cli.request_options import Request
from qunfa.cli.sources import WORKERS_READ, unread
from qunfa.cli.starting import summary
from qunfa.contract.checks import CheckResult
from qunfa.contract.ids import CHECK_MASS_SEND, check_id
from qunfa.contract.request import describe
from qunfa.markdown import summary_line

_REPLACED: Final = WorkflowIDConflictPolicy.TERMINATE_EXISTING
"""A look changes nothing, so a newer one may end an older one; its answer must never be taken for ours."""


def show_check(request: Request, found: CheckResult, *, as_json: bool) -> None:
    """Print what was found, and exit by it."""
    if as_json:
        show_json(found)
    else:
        show(render_check(request.parsed, found))
    if any(unread(problem) for problem in found.problems):
        note(WORKERS_READ)
    if found.problems:
        raise typer.Exit(ExitCode.REFUSED)


async def check(request: Request, queue: str) -> CheckResult:
    """What would be sent to how many, and what stands against it.

    Raises:
        Refused: No worker polls the queue, or the look was ended.
    """
    client = await temporal_client()
    await demand_worker(client, queue)
    try:
        return await _looked(client, request, queue)
    except InvalidError as error:
        parsed = request.parsed
        return CheckResult(
            account=parsed.account,
            key=parsed.key,
            msgtype=parsed.message.msgtype,
            audience=describe(parsed.audience),
            problems=tuple(error.problems),
        )


async def _looked(client: Client, request: Request, queue: str) -> CheckResult:
    starting = client.start_workflow(
        CHECK_MASS_SEND,
        request.raw,
        id=check_id(request.parsed.account, request.parsed.key),
        task_queue=queue,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=_REPLACED,
        execution_timeout=AT_MOST,
        result_type=CheckResult,
        static_summary=summary_line(f"Dry run: {summary(request.parsed)}"),
        rpc_timeout=RPC_TIMEOUT,
    )
    found: CheckResult = await result_of(client, starting, _ended)
    return found


async def _ended(handle: Handle) -> None:
    await handle.terminate("the dry run was interrupted", rpc_timeout=RPC_TIMEOUT)
