"""`qunfa` against the stage, as an operator without credentials types it."""

import asyncio
import json
from typing import Any

from typer.testing import CliRunner, Result

from qunfa.cli import app
from tests.e2e.stage import Scene


async def qunfa(scene: Scene, *args: str, **more: str) -> Result:
    """What a command prints, and its exit code; there is no terminal, so that it asks nothing."""
    environment = {
        "TEMPORAL_ADDRESS": scene.stage.address,
        "TEMPORAL_NAMESPACE": "default",
        "QUNFA_TASK_QUEUE": scene.queue,
        "QUNFA_CONFIG": "",
        "LOGNAME": "wang",
        **more,
    }
    return await asyncio.to_thread(CliRunner().invoke, app, list(args), env=environment)


def parsed(result: Result) -> Any:
    """The one JSON value on stdout."""
    assert result.stdout, result.output
    return json.loads(result.stdout)
