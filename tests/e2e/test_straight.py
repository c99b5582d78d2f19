"""The straight way: every audience gets the message once."""

from typing import Any

import pytest

from qunfa.contract import MassSendResult
from tests.e2e.stage import Scene


def only_job(result: MassSendResult) -> Any:
    """The one row of a result."""
    [job] = result.jobs
    return job


async def test_a_send_to_all_reaches_every_follower_once(scene: Scene) -> None:
    """One try, one job, the push's counts, and every follower exactly once."""
    handle = await scene.start()
    result = await scene.result(handle)
    job = only_job(result)
    assert (result.outcome, result.may_have_been_delivered, result.problem) == ("sent", True, None)
    assert (job.state, job.observed_by, job.deduplicated, job.generation) == ("sent", "push", False, 0)
    assert result.totals == job.counts
    assert (job.counts.total, job.counts.sent) == (100, 100)
    [simulated] = scene.jobs
    assert (simulated.msg_id, simulated.clientmsgid) == (job.msg_id, job.clientmsgid)
    assert await scene.everyone_once()
    assert (await scene.status(handle)).phase == "done"


async def test_a_send_to_a_tag_reaches_its_followers_only(scene: Scene) -> None:
    """Followers 10 to 39 have the tag; `expect` holds."""
    audience = {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP", "max": 30}}
    result = await scene.result(await scene.start(audience=audience))
    assert (result.outcome, only_job(result).counts.sent) == ("sent", 30)
    assert await scene.received() == dict.fromkeys(range(10, 40), 1)


async def test_a_tag_that_is_not_as_expected_is_not_sent_to(scene: Scene) -> None:
    """More followers than `expect.max`: a person is asked, nothing is submitted."""
    handle = await scene.start(audience={"kind": "tag", "tag_id": 2, "expect": {"max": 29}})
    await scene.asks(handle, "audience_changed")
    assert scene.tries == []
    assert await scene.nobody()


@pytest.mark.parametrize("count", [2, 10_000])
async def test_a_list_reaches_each_of_its_openids_once(scene: Scene, count: int) -> None:
    """From WeChat's fewest to its most, in one job."""
    await scene.simulate(followers=12_000)
    openids = scene.openids(count)
    result = await scene.result(await scene.start(audience={"kind": "openids", "openids": [*openids, openids[0]]}))
    assert (result.outcome, only_job(result).counts.sent) == ("sent", count)
    assert await scene.received() == dict.fromkeys(range(count), 1)


async def test_two_sends_of_one_account_go_one_after_the_other(scene: Scene) -> None:
    """Started together, never in flight together, and both reach everybody once."""
    scene.fault("slow", times=2, seconds=0.2)
    handles = [await scene.start(key) for key in ("first", "second")]
    for handle in handles:
        assert (await scene.result(handle)).outcome == "sent"
    first, second = scene.tries
    assert second.time - first.time >= 0.2
    assert set((await scene.received()).values()) == {2}
    assert scene.sim.world.ledger.duplicates(scene.simulated) == []
