"""How the tests call `qunfa`, and read what it prints."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import WorkflowHandle
from typer.testing import Result

Qunfa = Callable[..., Awaitable[Result]]
Scripted = Callable[..., Awaitable[WorkflowHandle[Any, Any]]]

QUEUE = "cli-tests"
DESERTED_QUEUE = "nobody-polls-this"


def parsed(result: Result) -> Any:
    """The one JSON value on stdout."""
    return json.loads(result.stdout)
