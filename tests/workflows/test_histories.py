"""Determinism is a contract: what earlier code recorded replays with today's."""

import json
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.workflow import NondeterminismError

from qunfa.language.phrases import speak_by_default
from qunfa.temporal.payloads import data_converter
from qunfa.temporal.whole_tasks import WholeTasks
from tests.histories.keep import HISTORIES, keep, path_of
from tests.workflows.metronome import OtherInBatches, OtherMassSend
from workflows.account import Account
from workflows.check_send import CheckMassSend
from workflows.in_batches import MassSendInBatches
from workflows.mass_send import MassSend
from workflows.notify import Notify
from workflows.preview import PreviewMassSend
from workflows.recall import RecallMassSend

pytestmark = pytest.mark.long

ALL = [MassSend, MassSendInBatches, Account, RecallMassSend, PreviewMassSend, CheckMassSend, Notify]
TASK_STARTED = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
RECORDED = sorted(HISTORIES.glob("*/*.json"))


def history_of(file: Path) -> WorkflowHistory:
    recorded = json.loads(file.read_text(encoding="utf-8"))
    return WorkflowHistory.from_json(recorded["workflowId"], recorded["history"])


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: f"{file.parent.name}/{file.stem}")
async def test_a_recorded_history_replays(file: Path) -> None:
    """No path that any version has recorded has become another one. No query has led it anywhere."""
    await as_workers_do().replay_workflow(history_of(file))


@pytest.mark.parametrize(
    "end", ["through_its_whole.account", "with_its_problem.send-1", "waits_for_a_choice.send-1-run-2"]
)
async def test_a_history_replays_whose_clock_was_set_back(end: str) -> None:
    """Temporal's, for a task: its time stands still for the workflow, and no query has led that there."""
    recorded = history_of(next(file for file in RECORDED if file.stem.endswith(end)))
    first, second, third, *_ = [event for event in recorded.events if event.event_type == TASK_STARTED]
    second.event_time.FromNanoseconds(first.event_time.ToNanoseconds() - 5_000_000)
    assert third.event_time.ToNanoseconds() > first.event_time.ToNanoseconds()
    await as_workers_do().replay_workflow(recorded)


def as_workers_do() -> Replayer:
    runner = WholeTasks(forget=pytest.fail)
    return Replayer(workflows=ALL, workflow_runner=runner, data_converter=data_converter)


def newest_of(kind: str) -> Path:
    names = {"Account": "account", "MassSend": "send-1", "MassSendInBatches": "batches.send-1-run-2"}
    ends = tuple(f"{mark}{names.get(kind, f'{kind}-1')}" for mark in "._")
    return max((file for file in RECORDED if file.stem.endswith(ends)), key=lambda file: file.parent.name)


@pytest.mark.parametrize("kind", [one.__name__ for one in ALL])
async def test_a_history_of_each_kind_replays_in_the_sandbox(kind: str) -> None:
    """Workers do without, but what it forbids stays out of workflows. What a worker speaks is no part of a history."""
    speak_by_default("zh")
    try:
        await Replayer(workflows=ALL, data_converter=data_converter).replay_workflow(history_of(newest_of(kind)))
    finally:
        speak_by_default("en")


@pytest.mark.parametrize("version", sorted({file.parent for file in RECORDED}), ids=lambda folder: folder.name)
async def test_the_replay_notices_another_order_of_commands(version: Path) -> None:
    """The check can fail: other code under the same name does not replay, whichever path it is held against."""
    sends = {path_of(file): file for file in RECORDED if file.parent == version and ".send-" in file.name}
    accounts = {path_of(file) for file in RECORDED if file.parent == version and ".account" in file.name}
    assert accounts >= sends.keys()
    runner = UnsandboxedWorkflowRunner()
    replayer = Replayer(
        workflows=[OtherMassSend, OtherInBatches], workflow_runner=runner, data_converter=data_converter
    )
    for file in sends.values():
        with pytest.raises(NondeterminismError):
            await replayer.replay_workflow(history_of(file))


def test_many_paths_are_kept() -> None:
    """There are histories, so that the tests above are about something."""
    assert len({path_of(file) for file in RECORDED}) >= 20


def test_a_recorded_history_is_never_recorded_anew(tmp_path: Path) -> None:
    """A new path is added to the version's folder; one that it has stays as it is, also where it has become shorter."""
    new, kept = tmp_path / "new", tmp_path / "0.2.0"
    new.mkdir()
    kept.mkdir()
    for file, text in {
        kept / "old.send-1.json": "{}",
        new / "old.send-1.json": "x",
        new / "old.send-2.json": "x",
    }.items():
        file.write_text(text, encoding="utf-8")
    (new / "other.account.json").write_text("y", encoding="utf-8")
    assert keep(new, kept) == ["old: skipped, since it is kept as 0.2.0 recorded it", "other: new in 0.2.0"]
    assert {file.name: file.read_text(encoding="utf-8") for file in kept.iterdir()} == {
        "old.send-1.json": "{}",
        "other.account.json": "y",
    }
