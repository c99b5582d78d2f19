"""What `make histories` writes down: the histories of a test's workflows."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle

Handle = WorkflowHandle[Any, Any]


async def record(client: Client, handles: Mapping[str, Handle], folder: Path, name: str) -> None:
    """Write the histories of the workflows, each by what it is called and each run's by itself, for the replay test."""
    for kind, handle in handles.items():
        run = 0
        async for history in _runs(client, handle):
            run += 1
            recorded = {"workflowId": handle.id, "history": _without_stack_traces(history)}
            compact = json.dumps(recorded, ensure_ascii=False, separators=(",", ":"))
            file = f"{name}.{kind}.json" if run == 1 else f"{name}.{kind}-run-{run}.json"
            (folder / file).write_text(compact + "\n", encoding="utf-8")


async def _runs(client: Client, handle: Handle) -> AsyncIterator[dict[str, Any]]:
    """The histories of the run that the handle is of, and of those that went on from it."""
    run_id = handle.first_execution_run_id or handle.run_id
    while True:
        history: dict[str, Any] = json.loads(
            (await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()).to_json()
        )
        yield history
        went_on = history["events"][-1].get("workflowExecutionContinuedAsNewEventAttributes")
        if went_on is None:
            return
        run_id = went_on["newExecutionRunId"]


def _without_stack_traces(part: Any) -> Any:
    """A history, or a part of it, without the paths of the machine that recorded it."""
    if isinstance(part, dict):
        return {name: _without_stack_traces(value) for name, value in part.items() if name != "stackTrace"}
    return [_without_stack_traces(value) for value in part] if isinstance(part, list) else part
