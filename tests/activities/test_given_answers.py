"""By which id a list gives a batch a person's answer: the batch takes each id once."""

from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.batches import Batches
from qunfa.batches.state import BatchesState
from qunfa.contract.batches import OF_LIST, AnswerBatchStep
from qunfa.contract.operators import Status
from qunfa.send.decisions import of_this_life
from tests.activities.conftest import NOON, activity_info

RETRY: dict[str, str] = {"by": "li", "reason": "looked"}
LONGEST = "名" * 1_000
"""An id of an update, as long as Temporal takes one."""


async def given(run: str, activity: str, given_as: str | None) -> str:
    """The id with which the batch is given it, by an activity of this run of the list."""
    update = AsyncMock(return_value=Status(phase="submitting", updated_at=NOON))
    client: Any = Mock(Client, get_workflow_handle=Mock(return_value=Mock(execute_update=update)))
    environment = ActivityEnvironment()
    environment.info = activity_info(workflow_run_id=run, activity_id=activity)
    step = AnswerBatchStep(workflow_id="mass-send:demo:key.1", update="retry", answer=RETRY, given_as=given_as)
    await environment.run(Batches(client).answer_batch, step)
    assert update.await_args is not None
    identity: str = update.await_args.kwargs["id"]
    return identity


@pytest.mark.parametrize(("given_as", "times"), [("same", 1), (None, 2)])
async def test_a_batch_is_given_by_one_id_what_a_person_awaits(given_as: str | None, times: int) -> None:
    """Also by a list that was reset. What nobody awaits is given anew each time, until the batch takes it."""
    ids = {await given("run-1", "3", given_as), await given("run-2", "5", given_as)}
    assert len(ids) == times
    assert all(one.startswith(OF_LIST) for one in ids)


def test_a_list_gives_an_answer_by_a_short_id() -> None:
    """Whatever the person's own id is. A list that is started again has other ones."""
    lives = [BatchesState(namespace="default", life=life) for life in ("life-1", "life-2")]
    ids = {of_this_life(state, identity) for state in lives for identity in (LONGEST, "u")}
    assert (len(ids), {(len(one), one.isalnum(), one.isascii()) for one in ids}) == (4, {(32, True, True)})
