"""A list that is approved hours after it was shown, when it has a warning that it had not then."""

from datetime import timedelta
from typing import Any

from temporalio.testing import WorkflowEnvironment

from qunfa.contract.steps import Timing
from tests.looking import until
from tests.workflows.conftest import leap, running, usual_facts
from tests.workflows.test_in_batches import FILE
from tests.workflows.test_refused_updates import replays

HOUR = timedelta(hours=1)
SLOW = Timing(pace=timedelta(minutes=5))


async def test_a_list_approved_late_is_shown_with_its_warning(env: WorkflowEnvironment) -> None:
    """The first approval is refused, and wakes the list, which shows itself anew. The second one is taken."""
    async with running(env, usual_facts(timing=SLOW)) as desk:
        desk.store.batches, desk.store.openids = 20, 200_000
        not_after = await env.get_current_time() + 3 * HOUR
        approval: dict[str, Any] = {"approval": {"required": True}, "requested_by": "wang", "decision_timeout": "PT10H"}
        handle = await desk.start(audience=FILE, not_after=not_after.isoformat(), **approval)
        # The time-skipping server forgets a query of a run that goes on as another one.
        await until(handle.describe, lambda run: run.run_id != handle.first_execution_run_id)
        shows = (await desk.waits(handle, "approval")).approval.shows
        assert not any(line.startswith("not_after") for line in shows)
        await leap(env, 2.5 * HOUR)
        # Who may not approve it is refused before the list hears of it, and shows nothing anew.
        assert "somebody else has to approve it" in await desk.refused(handle, "approve", by="wang")
        assert (await desk.status(handle)).approval.shows == shows
        assert "a warning has come up" in await desk.refused(handle, "approve")
        anew = await desk.status(handle)
        assert any(line.startswith("not_after") for line in anew.approval.shows)
        assert "approve" in anew.answers
        assert (await desk.update(handle, "approve")).phase == "submitting"
        await replays(env.client, handle)
