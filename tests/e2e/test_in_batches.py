"""A send in batches against the simulator: each openid gets it once, whatever is away for a while."""

import re

from temporalio.client import WorkflowExecution

from qunfa.contract import MassSendResult, mass_send_id
from tests.e2e.stage import Scene
from tests.looking import until

OPENIDS = 25_000
HISTORIES = 7
"""Of a send, of itself in batches, of its three batches, of one to a few, and of the account."""


def listed(scene: Scene, count: int = OPENIDS) -> dict[str, str]:
    """An audience by a file of so many openids, in which the first stand twice."""
    openids = scene.openids(count)
    text = "\n".join([*openids, *openids[:5]]) + "\n"
    return {"kind": "openid_file", "uri": scene.file("all.txt", text.encode())}


def whole(result: MassSendResult) -> bool:
    """Whether all three batches were sent; one that was retried has a job more."""
    batches = {job.index for job in result.jobs}
    return (result.outcome, len(batches), result.totals and result.totals.sent) == ("sent", 3, OPENIDS)


async def test_a_file_of_openids_reaches_each_of_them_once(scene: Scene) -> None:
    """Three jobs, one after the other; a lost answer is found out about by its batch.

    No history has one of them: not that of the whole send, nor of its batches, nor the account's. A few have theirs.
    """
    await scene.simulate(followers=OPENIDS + 1_000)
    scene.fault("reset_after_accept", endpoint="mass/send")
    handle = await scene.start(audience=listed(scene))
    result = await scene.result(handle)
    assert whole(result)
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)
    status = await scene.status(handle)
    assert (status.progress.done, status.progress.openids) == (3, OPENIDS)
    few = {"kind": "openids", "openids": scene.openids(2)}
    await scene.result(await scene.start("few", audience=few))
    openids = scene.openids(OPENIDS)
    prefix = openids[0][:6]
    assert all(one.startswith(prefix) for one in openids)
    found = await histories(scene)
    assert len(found) == HISTORIES
    named = [name for name, content in found.items() if re.search(rf"{prefix}[\w-]{{22}}".encode(), content)]
    assert [name.partition(" ")[0] for name in named] == [mass_send_id(scene.account, "few")]


async def histories(scene: Scene) -> dict[str, bytes]:
    """All histories of the account's sends and its own, once Temporal's list shows them."""
    query = f'WorkflowId STARTS_WITH "mass-send:{scene.account}:" OR WorkflowId = "{scene.ledger_handle.id}"'

    async def runs() -> list[WorkflowExecution]:
        return [one async for one in scene.client.list_workflows(query)]

    handles = [
        scene.client.get_workflow_handle(one.id, run_id=one.run_id)
        for one in await until(runs, lambda found: len(found) >= HISTORIES)
    ]
    return {
        f"{handle.id} {handle.run_id}": b"".join(
            [event.SerializeToString() async for event in handle.fetch_history_events()]
        )
        for handle in handles
    }


async def test_the_plan_in_the_store_keeps_its_key(scene: Scene) -> None:
    """The account has lost its ledger, and no run of a list has a try: a plain send under its key is refused."""
    audience = listed(scene)
    await scene.simulate(followers=OPENIDS)
    assert whole(await scene.result(await scene.start(audience=audience)))
    await scene.ledger_handle.terminate("by mistake")
    assert "stands for other content already" in await scene.refusal(await scene.start())
    assert whole(await scene.result(await scene.start(audience=audience)))
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)
