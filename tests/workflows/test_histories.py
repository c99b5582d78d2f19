"""Determinism is a contract: what earlier code recorded replays with today's."""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from tests.workflows.metronome import OtherMassSend
from workflows.account import Account
from workflows.mass_send import MassSend

HISTORIES = sorted((Path(__file__).parents[1] / "histories").glob("*.json"))


def history_of(file: Path) -> WorkflowHistory:
    """A history and the id of its workflow."""
    recorded = json.loads(file.read_text(encoding="utf-8"))
    return WorkflowHistory.from_json(recorded["workflowId"], recorded["history"])


@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.stem)
async def test_a_recorded_history_replays(file: Path) -> None:
    """No recorded path has become another one."""
    replayer = Replayer(workflows=[MassSend, Account], data_converter=pydantic_data_converter)
    await replayer.replay_workflow(history_of(file))


async def test_the_replay_notices_another_order_of_commands() -> None:
    """The check can fail: other code under the same name does not replay."""
    sends = [file for file in HISTORIES if ".send-" in file.name]
    assert len(sends) >= len({file.name.partition(".")[0] for file in HISTORIES}) >= 10
    replayer = Replayer(workflows=[OtherMassSend], data_converter=pydantic_data_converter)
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(history_of(sends[0]))
