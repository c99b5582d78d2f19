"""What a worker says of an account, and what time Temporal had when it was asked."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from qunfa.cli.account_answers import unique
from qunfa.cli.awaiting import Handle, InvalidError, result_of
from qunfa.cli.errors import Refused, explain
from qunfa.cli.reading import RPC_TIMEOUT
from qunfa.contract.checks import CheckAccountResult, Finding
from qunfa.contract.ids import CHECK_ACCOUNT, account_check_id
from qunfa.rules.doctor_account import account_findings, not_answered

WITHIN: Final = timedelta(seconds=30)
"""Two steps of the workflow, one after the other, take at most 20."""
_AT_MOST: Final = timedelta(minutes=1)
"""The workflow ends then, also where nobody is left to end it."""
_LOG: Final = "Look at the workers' log."
_SILENT: Final = "Look at the workers' log; one of an earlier version does not know this check."


class Answer(NamedTuple):
    """The findings; by how many seconds this machine is ahead of Temporal, and the appid, where these could be seen."""

    findings: list[Finding]
    ahead: float | None = None
    appid: str | None = None


async def ask_workers(client: Client, queue: str, account: str, appid: str | None) -> Answer:
    """What a worker finds; `appid` is what this machine's configuration has. Cancelled, it leaves nothing running."""
    reading: list[float] = []
    seen = None
    try:
        async with asyncio.timeout(WITHIN.total_seconds()):
            found: CheckAccountResult = await result_of(
                client, _started(client, queue, account, reading), _end, quietly=True
            )
    except InvalidError as error:
        findings = not_answered(account, "; ".join(error.problems), "Correct the name, or the workers' configuration.")
    except Refused as error:
        findings = not_answered(account, str(error), _LOG)
    except RPCError as error:
        findings = not_answered(account, " ".join(explain(error).lines), "Look at Temporal, then repeat this.")
    except TimeoutError:
        findings = not_answered(account, f"no worker answered within {WITHIN.total_seconds():.0f} s", _SILENT)
    else:
        findings, seen = account_findings(found, appid), found.appid
    return Answer(findings, next(iter(reading), None), seen)


async def _started(client: Client, queue: str, account: str, reading: list[float]) -> Handle:
    before = datetime.now(UTC)
    handle: Handle = await client.start_workflow(
        CHECK_ACCOUNT,
        {"account": account},
        id=account_check_id(account, unique()),
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        execution_timeout=_AT_MOST,
        result_type=CheckAccountResult,
        rpc_timeout=RPC_TIMEOUT,
    )
    between = before + (datetime.now(UTC) - before) / 2
    begun = (await handle.describe(rpc_timeout=RPC_TIMEOUT)).start_time
    reading.append((between - begun).total_seconds())
    return handle


async def _end(handle: Handle) -> None:
    await handle.terminate("the doctor has gone", rpc_timeout=RPC_TIMEOUT)
