"""A receiver as it is run: on a real port of this process, or as a process of its own."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from temporalio.client import Client
from temporalio.worker import Worker

from qunfa.callback.app import run_receiver
from qunfa.contract.ids import account_id
from qunfa.contract.ledger import LedgerView
from qunfa.contract.result import JobFinished
from qunfa.settings import Settings
from tests.callback.pushing import APPID, TOKEN
from tests.looking import PATIENCE, look_again
from workflows.account import Account

PROGRAM = """
import asyncio, os, resource, signal
from qunfa.callback.app import run_receiver
from qunfa.settings import load_settings
from qunfa.telemetry import configure_logging
configure_logging()
def started(url):
    {listening}
    print(url, flush=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
asyncio.run(run_receiver(load_settings(), on_started=started))
"""
ACCOUNT = {"APPID": APPID, "KIND": "service", "SECRET": "s3cret", "CALLBACK__TOKEN": TOKEN}
ENVIRONMENT = {
    "PYTHONPATH": str(Path(__file__).parents[2]), "TEMPORAL_ADDRESS": "127.0.0.1:1", "TEMPORAL_CONFIG_FILE": os.devnull,
    "QUNFA_RECEIVER__HOST": "127.0.0.1", "QUNFA_RECEIVER__PORT": "0", "QUNFA_METRICS__RECEIVER": "",
    **{f"QUNFA_ACCOUNTS__DEMO__{name}": value for name, value in ACCOUNT.items()},
}  # fmt: skip


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A receiver on a free port, and a client of it; both are gone afterwards."""
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    receiver = asyncio.create_task(
        run_receiver(settings, host="127.0.0.1", port=0, on_started=started.set_result, handle_signals=False)
    )
    try:
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(base_url=await started, trust_env=False) as http:
            yield http
    finally:
        receiver.cancel()
        await asyncio.gather(receiver, return_exceptions=True)


async def kept(client: Client, appid: str) -> list[JobFinished]:
    """The results that an account keeps, whose task queue has its name."""
    async with Worker(client, task_queue=appid, workflows=[Account]):
        view = await client.get_workflow_handle(account_id(appid)).query("ledger", result_type=LedgerView)
    return [one.event for one in view.kept]


async def until_ready(http: httpx.AsyncClient) -> None:
    while (await http.get("/readyz")).status_code != 200:
        await look_again()


@asynccontextmanager
async def process_of(log: Path, listening: str = "pass") -> AsyncIterator[tuple[Process, httpx.URL]]:
    """A process with few descriptors, without Temporal, and its URL; `listening` runs in it as soon as it listens."""
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM.format(listening=listening),
            stdout=PIPE, stderr=file, env=ENVIRONMENT, cwd=log.parent,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        yield process, httpx.URL(line.decode().strip())
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
