"""An operator pauses or resets the activity of a try, or allows it more attempts, with Temporal's own commands."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHandle

from qunfa.contract import MassSendResult
from qunfa.contract.steps import SUBMIT
from tests.e2e.processes import temporal
from tests.e2e.stage import Stage
from tests.faults.company import Actor, Company, account_of_tries, delivered_once, result_of
from tests.faults.nursery import Nursery
from tests.faults.place import HOLD, Place
from tests.looking import PATIENCE, until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("crashes")]

QUOTA_USED_UP = 45028
"""What WeChat may say of the next try, since it has accepted the one before: an echo, as long as that is in doubt."""
REPEATED = 45065


@dataclass(frozen=True)
class Operator:
    """Somebody who has Temporal's command line, a submitting activity, and its worker."""

    address: str
    handle: WorkflowHandle[object, MassSendResult]
    kills: Callable[[], Awaitable[None]]

    async def activity(self) -> PendingActivityInfo:
        return await submitting(self.handle)

    async def orders(self, command: str, *more: str) -> None:
        await order(self.address, self.handle, command, *more)


async def submitting(handle: WorkflowHandle[object, MassSendResult]) -> PendingActivityInfo:
    """The activity of the try."""
    pending = (await handle.describe()).raw_description.pending_activities
    [activity] = [one for one in pending if one.activity_type.name == SUBMIT]
    return activity


async def order(address: str, handle: WorkflowHandle[object, MassSendResult], command: str, *more: str) -> None:
    """What an operator types about it."""
    which = ["--workflow-id", handle.id, "--activity-id", (await submitting(handle)).activity_id]
    done = await temporal(address, "activity", command, *which, *more)
    assert done.code == 0, done.stderr


async def resets(operator: Operator) -> None:
    """While the first attempt is under way, and may be the only one."""
    await operator.orders("reset")
    await operator.kills()


async def allows_more(operator: Operator) -> None:
    """The second is due when Temporal has given up the first."""
    await operator.orders("update-options", "--retry-maximum-attempts", "5")
    await operator.kills()


async def allows_more_and_counts_from_one(operator: Operator) -> None:
    """The reset comes when Temporal has given up the first attempt, and would have waited before the second."""
    later = ["--retry-initial-interval", "1h", "--retry-maximum-interval", "1h"]
    await operator.orders("update-options", "--retry-maximum-attempts", "5", *later)
    await operator.kills()
    await until(operator.activity, lambda found: found.attempt > 1)
    await operator.orders("reset")


WAYS = (resets, allows_more, allows_more_and_counts_from_one)


async def test_a_try_carried_out_again_writes_nothing(stage: Stage, nursery: Nursery, tmp_path: Path) -> None:
    """The worker that had it accepted is dead; another one comes too late to write, and knows nothing."""
    company = Company(stage, nursery, tmp_path)
    actors = [(company.actor(), way) for way in WAYS]
    await company.simulate()
    results = await asyncio.gather(*[carried_out_again(*one) for one in actors])
    for (actor, way), result in zip(actors, results, strict=True):
        await delivered_once(actor.scene, result)
        assert [call.errcode for call in actor.scene.tries] == [0, QUOTA_USED_UP, REPEATED], way.__name__


async def carried_out_again(actor: Actor, way: Callable[[Operator], Awaitable[None]]) -> MassSendResult:
    """The result of a send whose worker dies when its first try is accepted, and when an operator has given orders."""
    async with actor.victim(Place.AFTER_ACCEPTANCE, HOLD) as victim:
        handle = await actor.send()
        await victim.says(f"at {Place.AFTER_ACCEPTANCE}")
        await way(Operator(actor.scene.stage.address, handle, victim.killed))
        actor.scene.fault("errcode", errcode=QUOTA_USED_UP, account=actor.scene.account)
    async with actor.successor():
        return await result_of(handle)


@pytest.mark.parametrize("command", ["pause", "reset"])
async def test_a_try_paused_or_reset_before_its_call_is_no_doubt(
    stage: Stage, nursery: Nursery, tmp_path: Path, command: str
) -> None:
    """Nothing was written, and the send says so and goes on: what holds it up is its own `pause`, or a freeze."""
    company = Company(stage, nursery, tmp_path)
    actor = company.actor(heartbeat=1, http_timeout=PATIENCE)
    scene = actor.scene
    await company.simulate()
    scene.fault("timeout_before_accept", "stable_token")
    async with actor.successor():
        handle = await actor.send()
        calls = scene.sim.world.calls
        await scene.sim.world.until(lambda: any(call.path.endswith("stable_token") for call in calls), PATIENCE)
        await order(stage.address, handle, command)
        await until(partial(account_of_tries, scene), lambda told: "completed" in told)
        scene.sim.world.let_go()
        result = await result_of(handle)
    await delivered_once(scene, result)
    assert (len(scene.tries), result.jobs[0].deduplicated) == (1, False)
    assert "paused or reset the activity before its call" in await account_of_tries(scene)
