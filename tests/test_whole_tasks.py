"""Which runs a worker forgets, since a query has led them too far: without a server."""

from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance

from qunfa.temporal.whole_tasks import QUERY_OF_ITS_OWN, SUSPECT_SECONDS, WholeRun, WholeTasks

REPLAY: Final = {"is_replaying": True}
UPDATE: Final = {"update": True}
QUERY: Final = {"query": QUERY_OF_ITS_OWN}
AHEAD: Final = [{"events": 3, "began": 1, **REPLAY}, {"events": 9, "began": 1}]
"""A query has brought events, and no task."""
INTO: Final = [{"events": 3, "began": 1, **REPLAY}, {"events": 10, "began": 2}]
"""A query, or a worker's own task, has brought events and the beginning of a task."""


def activation(
    *, events: int, began: int, query: str | None = None, update: bool = False, is_replaying: bool = False
) -> WorkflowActivation:
    """A run goes on, or is asked."""
    job = WorkflowActivationJob()
    if query:
        job.query_workflow.query_id = query
    elif update:
        job.do_update.name = "abort"
    else:
        job.fire_timer.seq = 1
    act = WorkflowActivation(run_id="run", history_length=events, is_replaying=is_replaying, jobs=[job])
    act.timestamp.FromSeconds(began)
    return act


def carried_out(runner: WholeTasks, activations: list[dict[str, Any]]) -> tuple[int, WorkflowActivationCompletion]:
    """How many of them a run has, which starts a timer in each but where it refuses an update; and the last answer."""
    ran, said = 0, WorkflowActivationCompletion()
    known: dict[str, Any] = {}

    def answered(act: WorkflowActivation) -> WorkflowActivationCompletion:
        nonlocal ran
        ran += 1
        said = WorkflowActivationCompletion()
        command = said.successful.commands.add()
        if any(job.HasField("query_workflow") for job in act.jobs):
            command.respond_to_query.query_id = "7b1c"
        elif known.get("refuses"):
            command.update_response.rejected.message = "it does not fit"
        else:
            command.start_timer.seq = ran
        return said

    run = WholeRun(cast("WorkflowInstance", SimpleNamespace(activate=answered)), runner)
    for one in activations:
        known = {"events": known.get("events"), "began": known.get("began"), **one}
        said = run.activate(activation(**{name: value for name, value in known.items() if name != "refuses"}))
    return ran, said


@pytest.mark.parametrize(
    ("runs", "forgotten"),
    [
        pytest.param([[*AHEAD, QUERY]], 1, id="ahead of its task"),
        pytest.param([[*AHEAD, QUERY], [*INTO, QUERY]], 2, id="ahead of its task, then into it"),
        pytest.param(
            [[*AHEAD, QUERY], [{"events": 3, "began": 1, **REPLAY}, {"events": 10, "began": 2, **QUERY}]],
            2,
            id="ahead of its task, then into one that brings nothing",
        ),
        pytest.param([[*AHEAD, QUERY], [*INTO, {"events": 12, **QUERY}]], 1, id="its task came before the next query"),
        pytest.param([[*INTO, QUERY]], 0, id="after its task"),
        pytest.param([[*AHEAD, {"query": "7b1c"}]], 0, id="with its task"),
    ],
)
def test_a_run_is_forgotten_that_a_query_has_led_too_far(runs: list[list[dict[str, Any]]], forgotten: int) -> None:
    """Each activation is as the one before, but for what it says; the run has all of them."""
    forgot: list[str] = []
    runner = WholeTasks(forget=forgot.append)
    for activations in runs:
        ran, _ = carried_out(runner, activations)
        assert ran == len(activations)
    assert forgot == ["run"] * forgotten


@pytest.mark.parametrize(
    ("activations", "fails"),
    [
        pytest.param([*AHEAD, QUERY, {"events": 10, "began": 2}], True, id="ahead of it"),
        pytest.param([*AHEAD, QUERY, {"events": 10, "began": 2, **UPDATE}], True, id="ahead of it and its update"),
        pytest.param([*INTO, QUERY, UPDATE], True, id="into it, without its update"),
        pytest.param([*INTO, QUERY, {}], False, id="into it, and it brings nothing more"),
        pytest.param([*INTO, {"events": 12, "began": 3}], True, id="sooner than the run's own commands can be there"),
        pytest.param([*INTO[:1], {**INTO[1], "refuses": True}, {"events": 10, "began": 3}], False, id="refused before"),
        pytest.param(
            [{"events": 9, "began": 1}, {"events": 14, "began": 2, "refuses": True}, QUERY, {"events": 15, "began": 3}],
            False,
            id="refused, and looked at",
        ),
        pytest.param([*AHEAD, {"events": 12, "began": 2}, {"events": 15, "began": 3}], False, id="a clock set back"),
        pytest.param([*INTO, QUERY, {"events": 13, "began": 3, **UPDATE}], False, id="after it"),
        pytest.param([{"events": 3, "began": 1, **REPLAY}, {**UPDATE, **REPLAY}], False, id="in a replay"),
        pytest.param([*AHEAD, QUERY, {}], False, id="a local activity of the query's run"),
    ],
)
def test_a_task_fails_that_a_query_has_run_into(activations: list[dict[str, Any]], fails: bool) -> None:
    """The run does not have it, and Temporal gives it out again."""
    runner = WholeTasks(forget=lambda _run_id: None)
    ran, said = carried_out(runner, activations)
    assert (said.HasField("failed"), ran) == (fails, len(activations) - fails)
    assert not fails or runner.suspects_run("run")


def test_a_run_is_not_suspected_for_ever() -> None:
    """Nor is its name kept."""
    runner = WholeTasks(forget=lambda _run_id: None)
    runner.suspect("one")
    assert (runner.suspects_run("one"), runner.suspects_run("other")) == (True, False)
    runner.suspects["one"] -= SUSPECT_SECONDS
    assert not runner.suspects_run("one")
    runner.suspect("other")
    assert list(runner.suspects) == ["other"]
