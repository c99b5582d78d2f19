"""The judge notices a history that a worker new to it could not go on with."""

import json

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory

from tests.chaos.evidence import Listed
from tests.chaos.replays import judge_replay, replayer
from tests.histories.keep import HISTORIES

RECORDED = max(HISTORIES.glob("*/a_send_reaches_its_verdict_by_push.send-1.json"))
_SUBMITS = '"activityType":{"name":"submit"}'


@pytest.mark.parametrize("activity", ["submit", "preview"])
async def test_a_history_with_another_activity_does_not_replay(activity: str) -> None:
    """The recorded one does, and so does one of which nothing has been carried out yet."""
    text = RECORDED.read_text(encoding="utf-8")
    assert text.count(_SUBMITS) == 1
    recorded = json.loads(text.replace(_SUBMITS, _SUBMITS.replace("submit", activity)))
    history = WorkflowHistory.from_json(recorded["workflowId"], recorded["history"])
    run = Listed(history.workflow_id, history.run_id, 0.0, None, WorkflowExecutionStatus.RUNNING)
    found = await judge_replay(run, history.events, replayer("default"))
    assert [(one.kind, one.key) for one in found] == ([] if activity == "submit" else [("open", "spring")])
    assert await judge_replay(run, history.events[:1], replayer("default")) == []
