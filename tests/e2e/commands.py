"""`qunfa` against the stage, as an operator without credentials types it."""

import asyncio
import os
import pty
import sys
from asyncio.subprocess import PIPE, Process

from typer.testing import CliRunner, Result

from qunfa.cli import app
from tests.e2e.processes import Ended, ended, environment
from tests.e2e.stage import Scene


async def qunfa(scene: Scene, *args: str, **more: str) -> Result:
    """What a command prints, and its exit code; there is no terminal, so that it asks nothing."""
    given = {
        "TEMPORAL_ADDRESS": scene.stage.address,
        "TEMPORAL_NAMESPACE": "default",
        "QUNFA_TASK_QUEUE": scene.queue,
        "QUNFA_CONFIG": "",
        "LOGNAME": "wang",
        **more,
    }
    return await asyncio.to_thread(CliRunner().invoke, app, list(args), env=given)


async def typed(scene: Scene, *args: str, stdin: int = PIPE) -> Process:
    """The command as a process of its own."""
    more = {"QUNFA_TASK_QUEUE": scene.queue, "QUNFA_CONFIG": "", "LOGNAME": "wang", "COLUMNS": "200"}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "qunfa.cli", *args),
        env=environment(scene.stage.address, **more),
        stdin=stdin,
        stdout=PIPE,
        stderr=PIPE,
    )


async def answered(scene: Scene, said: str, *args: str) -> Ended:
    """The command on a terminal, where somebody answers its question."""
    master, slave = pty.openpty()
    process = await typed(scene, *args, stdin=slave)
    os.write(master, said.encode())
    end = await ended(process)
    os.close(master)
    os.close(slave)
    return end
