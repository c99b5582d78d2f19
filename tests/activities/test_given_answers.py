"""Which run of a list gives a batch a person's answer, and by which id."""

from collections.abc import Coroutine
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.batches import Batches
from qunfa.contract.batches import OF_LIST, AnswerBatchStep
from qunfa.contract.operators import Status
from qunfa.contract.result import UPDATE_REFUSED
from tests.activities.conftest import NOON, activity_info

RETRY: dict[str, str] = {"by": "li", "reason": "looked"}


def giving(holder: str | None) -> tuple[AsyncMock, Coroutine[Any, Any, Status]]:
    """The batch's update, and the activity that gives it in run 2."""
    update = AsyncMock(return_value=Status(phase="submitting", updated_at=NOON))
    client: Any = Mock(Client, get_workflow_handle=Mock(return_value=Mock(execute_update=update)))
    environment = ActivityEnvironment()
    environment.info = activity_info(workflow_run_id="run-2", activity_id="3")
    step = AnswerBatchStep(workflow_id="mass-send:demo:key.1", update="retry", answer=RETRY, holder=holder)
    return update, environment.run(Batches(client).answer_batch, step)


@pytest.mark.parametrize("holder", ["run-2", None])
async def test_a_run_gives_an_answer_by_an_id_of_its_own(holder: str | None) -> None:
    """Also what nobody awaits, like a pause: after a reset it is given again."""
    update, given = giving(holder)
    await given
    assert [one.kwargs["id"] for one in update.await_args_list] == [f"{OF_LIST}run-2:3"]


async def test_a_reset_run_gives_no_answer_of_the_one_before() -> None:
    """Temporal carries an activity out again that was under way."""
    update, given = giving("run-1")
    with pytest.raises(ApplicationError, match="run run-1, which was reset, may have given retry before") as caught:
        await given
    assert (caught.value.type, caught.value.non_retryable) == (UPDATE_REFUSED, True)
    update.assert_not_awaited()
