"""One key, at most one delivery: repeated starts, runs that are terminated, an account that is closed."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowFailureError

from activities import LostQueues
from qunfa.contract import mass_send_id
from tests.e2e.stage import FOLLOWERS, Scene, on_its_own_queue, working
from tests.looking import until
from tests.workflows.resets import Reapply, points, reset
from tests.workflows.unreadable import payload

KEYS = ("one", "two", "three")
OFTEN = timedelta(seconds=0.2)
RESTORE = {"by": "li", "reason": "disk lost", "taken": "2026-01-01T03:00:00+08:00"}


async def test_a_refusal_tells_of_a_delivery_that_the_ledger_has_lost(scene: Scene) -> None:
    """Temporal still has the earlier run: also where the request is unreadable, or came under another workflow id."""
    sent = await scene.result(await scene.start())
    await scene.ledger_handle.terminate("lost")
    told = f"was delivered, or may have been (msg_id: {sent.jobs[0].msg_id})"
    said = '{"account": "%s", "key": "spring", "message": {"msgtype": "text", "content": "hi \\ud83d"}}'
    for raw, workflow_id in (
        (payload((said % scene.account).encode()), mass_send_id(scene.account, "spring")),
        (scene.request(), f"another-{scene.account}"),
    ):
        assert told in await scene.refusal(await scene.start_raw(raw, workflow_id))
    assert await scene.everyone_once()


async def test_both_terminated_in_mid_try_still_deliver_once(scene: Scene) -> None:
    """Ledger and send are gone: the new run finds the try in the old one's history, and repeats its clientmsgid."""
    settings, soon_asked = on_its_own_queue(scene), {"push_timeout": 1, "poll_interval": 1}  # the ledger has the push
    scene.fault("timeout_after_accept", seconds=0.5)
    async with working(scene.client, settings):
        first = await scene.start()
        await scene.accepted()
    await first.terminate("by mistake")  # without a worker, it has not gone on meanwhile
    await scene.ledger_handle.terminate("by mistake")
    async with working(scene.client, settings):
        result = await scene.result(await scene.start(result=soon_asked))
    assert (result.outcome, result.jobs[0].deduplicated, len(scene.jobs)) == ("sent", True, 1)
    assert await scene.everyone_once()


async def current_run(scene: Scene) -> str:
    """The account's."""
    return (await scene.ledger_handle.describe()).run_id


async def all_wait_again(scene: Scene, lost: str, count: int) -> None:
    """In another run than the one that was lost, which has learned of the freeze from them."""
    await until(lambda: current_run(scene), lambda run_id: run_id != lost)
    view = await scene.ledger_until(lambda view: len(view.waiting) == count)
    assert view.frozen
    assert view.frozen.by == "li"


async def test_whoever_waits_at_an_account_that_was_closed_asks_again(scene: Scene) -> None:
    """A reset closes one, too. Told by several workers, by each several times; and nobody goes out twice."""
    settings = on_its_own_queue(scene)
    looks = [LostQueues(settings, scene.client, OFTEN) for _ in range(2)]
    async with working(scene.client, settings), looks[0].looking(), looks[1].looking():
        await scene.freeze()
        handles = [await scene.start(key) for key in KEYS]
        for handle in handles:
            await scene.waits(handle, "frozen by li: wrong text")
        before = await current_run(scene)
        await reset(scene.client, scene.ledger_handle, (await points(scene.ledger_handle))[0], Reapply.NONE)
        await all_wait_again(scene, before, len(KEYS))
        assert scene.tries == []
        await scene.unfreeze()
        results = [await scene.result(handle) for handle in handles]
    assert [result.outcome for result in results] == ["sent"] * len(KEYS)
    assert await scene.received() == dict.fromkeys(range(FOLLOWERS), len(KEYS))
    assert len(scene.tries) == len(KEYS)


async def test_the_next_account_is_told_of_a_restore(scene: Scene) -> None:
    """It is frozen, and doubts as the one before it did. A worker sees to that, and nobody goes out meanwhile."""
    settings = on_its_own_queue(scene)
    async with working(scene.client, settings), LostQueues(settings, scene.client, OFTEN).looking():
        handle = await scene.start("one", send_at=(datetime.now(UTC) + timedelta(hours=3)).isoformat())
        await scene.until(handle, lambda status: status.phase == "scheduled")
        await scene.ledger_handle.signal("restored", RESTORE)
        await scene.ledger_until(lambda view: view.restored is not None)
        await scene.ledger_handle.execute_update("caught_up", {"by": "li"})
        before = await current_run(scene)
        await scene.ledger_handle.terminate("by mistake")
        await until(lambda: current_run(scene), lambda run_id: run_id != before)
        view = await scene.ledger_until(lambda view: view.restored is not None)
        assert view.restored
        assert (view.restored.by, view.restored.reason, view.restored.ended_at) == ("li", "disk lost", None)
        assert view.frozen
        await handle.execute_update("abort", {"by": "li", "reason": "enough"})
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        assert (await scene.status(handle)).phase == "done"
    assert scene.tries == []
