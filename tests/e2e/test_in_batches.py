"""A send in batches against the simulator: each openid gets it once, whoever dies meanwhile."""

import pytest

from qunfa.contract import MassSendResult, mass_send_id
from tests.e2e.own_worker import own_worker, own_worker_again
from tests.e2e.stage import Scene
from tests.looking import until

OPENIDS = 25_000


def listed(scene: Scene) -> dict[str, str]:
    """An audience by a file of all openids, in which the first stand twice."""
    openids = scene.openids(OPENIDS)
    text = "\n".join([*openids, *openids[:5]]) + "\n"
    return {"kind": "openid_file", "uri": scene.file("all.txt", text.encode())}


def whole(result: MassSendResult) -> bool:
    """Whether all three batches were sent."""
    return (result.outcome, len(result.jobs), result.totals and result.totals.sent) == ("sent", 3, OPENIDS)


async def test_a_file_of_openids_reaches_each_of_them_once(scene: Scene) -> None:
    """Three jobs, one after the other; a lost answer is found out about by its batch."""
    await scene.simulate(followers=OPENIDS + 1_000)
    scene.fault("reset_after_accept", endpoint="mass/send")
    handle = await scene.start(audience=listed(scene))
    result = await scene.result(handle)
    assert whole(result)
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)
    status = await scene.status(handle)
    assert (status.progress.done, status.progress.openids) == (3, OPENIDS)


@pytest.mark.long
async def test_another_worker_goes_on_with_the_batches(scene: Scene) -> None:
    """The first worker ends between two batches, or in one; the second goes on where it stood."""
    await scene.simulate(followers=OPENIDS)
    async with own_worker(scene):
        handle = await scene.start(audience=listed(scene))
        await until(lambda: _tried(scene), lambda tries: tries > 0)
    async with own_worker_again(scene, {}):
        assert whole(await scene.result(handle))
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)


@pytest.mark.long
async def test_a_list_that_is_started_again_reaches_each_once(scene: Scene) -> None:
    """The batch under way goes on alone, and the next run of the key follows it."""
    await scene.simulate(followers=OPENIDS)
    audience = listed(scene)
    await scene.start(audience=audience)
    await until(lambda: _tried(scene), lambda tries: tries > 0)
    await scene.client.get_workflow_handle(mass_send_id(scene.account, "spring")).terminate("by hand")
    assert whole(await scene.result(await scene.start(audience=audience)))
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)


async def _tried(scene: Scene) -> int:
    return len(scene.tries)


async def test_the_rest_of_a_split_gets_what_was_chosen(scene: Scene) -> None:
    """Groups a and b get a message each; nobody of the rest gets anything before, and nobody gets two."""
    await scene.simulate(followers=OPENIDS)
    other = {"msgtype": "text", "content": "春装到了"}
    split = {"a": 10, "b": 20, "rest": "winner"}
    handle = await scene.start(audience=listed(scene), split=split, message_b=other)
    status = await scene.asks(handle, "winner_not_chosen")
    assert status.answers == ("choose", "abort")
    tested = await scene.received()
    assert (len(scene.jobs), set(tested.values())) == (2, {1})
    assert 0.25 < len(tested) / OPENIDS < 0.35
    await scene.update(handle, "choose", winner="b")
    assert (await scene.result(handle)).outcome == "sent"
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)
    assert [job.content.text == other["content"] for job in scene.jobs] == [False, True, True, True]
