"""An account whose workflow was closed under sends that wait: they ask again within seconds, and each goes out once."""

from datetime import timedelta

import pytest

from activities import LostQueues
from tests.e2e.stage import FOLLOWERS, Scene, on_its_own_queue, working
from tests.looking import until
from tests.workflows.resets import Reapply, points, reset

KEYS = ("one", "two", "three")
OFTEN = timedelta(seconds=0.2)


async def current_run(scene: Scene) -> str:
    """The account's."""
    return (await scene.ledger_handle.describe()).run_id


async def knows(scene: Scene, lost: str, msg_id: int) -> None:
    """Another run of the account than the one that was lost knows whose job it is."""
    await until(lambda: current_run(scene), lambda run_id: run_id != lost)
    await scene.ledger_until(lambda view: any(job.msg_id == msg_id for one in view.records for job in one.jobs))


async def all_wait_again(scene: Scene, lost: str, count: int) -> None:
    """In another run than the one that was lost, which has learned of the freeze from them."""
    await until(lambda: current_run(scene), lambda run_id: run_id != lost)
    view = await scene.ledger_until(lambda view: len(view.waiting) == count)
    assert view.frozen
    assert view.frozen.by == "li"


@pytest.mark.parametrize("lost", ["terminated", "reset", "reset without what it had heard"])
async def test_whoever_waits_at_an_account_that_was_closed_asks_again(scene: Scene, lost: str) -> None:
    """Told by several workers, by each several times; and nobody goes out twice."""
    settings = on_its_own_queue(scene)
    looks = [LostQueues(settings, scene.client, OFTEN) for _ in range(2)]
    async with working(scene.client, settings), looks[0].looking(), looks[1].looking():
        await scene.freeze()
        handles = [await scene.start(key) for key in KEYS]
        for handle in handles:
            await scene.waits(handle, "frozen by li: wrong text")
        before = await current_run(scene)
        if lost == "terminated":
            await scene.ledger_handle.terminate("by mistake")
        else:
            first = (await points(scene.ledger_handle))[0]
            await reset(scene.client, scene.ledger_handle, first, Reapply.ALL if lost == "reset" else Reapply.NONE)
        await all_wait_again(scene, before, len(KEYS))
        assert scene.tries == []
        await scene.unfreeze()
        results = [await scene.result(handle) for handle in handles]
    assert [result.outcome for result in results] == ["sent"] * len(KEYS)
    assert await scene.received() == dict.fromkeys(range(FOLLOWERS), len(KEYS))
    assert len(scene.tries) == len(KEYS)


async def test_a_send_whose_account_was_closed_still_hears_the_push(scene: Scene) -> None:
    """It waits for no turn. The next account learns whose job it is, without being asked for anything."""
    settings = on_its_own_queue(scene)
    async with working(scene.client, settings), LostQueues(settings, scene.client, OFTEN).looking():
        scene.plan(out_of_order=True)
        waiting = await scene.start("one", result={"push_timeout": 3600})
        (job,) = await scene.accepted()
        await scene.until(waiting, lambda status: status.phase == "awaiting_result")
        before = await current_run(scene)
        await scene.ledger_handle.terminate("by mistake")
        await knows(scene, before, job.msg_id)
        await scene.result(await scene.start("two"))
        result = await scene.result(waiting)
    assert [(job.state, job.observed_by) for job in result.jobs] == [("sent", "push")]
