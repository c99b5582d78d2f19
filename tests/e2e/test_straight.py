"""Every audience gets the message once, though the answer is lost, and whenever the push comes."""

import asyncio
import json

import httpx
import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from qunfa.contract import MASS_SEND, MassSendResult, mass_send_id
from qunfa.contract.ids import PREVIEW_MASS_SEND, preview_id
from qunfa.contract.steps import SUBMIT, WISH
from qunfa.settings import Settings
from tests.e2e.own_worker import own_worker
from tests.e2e.processes import Ended, temporal
from tests.e2e.stage import CALLBACK_TOKEN, Scene
from tests.e2e.staging import receiving_at
from tests.looking import PATIENCE

AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
HELD = {"http_timeout": PATIENCE}
"""A call that WeChat holds is not given up: it is over when the test lets it go."""


async def test_a_send_to_all_reaches_every_follower_once(scene: Scene) -> None:
    """One try, one job, the push's counts, and every follower exactly once.

    Where tasks wait in a row, a crowd of sends does not keep its account from answering, nor a lease from use. What
    asks the account comes next, before files are looked at.
    """
    handle = await scene.start()
    result = await scene.result(handle)
    [job] = result.jobs
    assert (result.outcome, result.may_have_been_delivered, result.problem) == ("sent", True, None)
    assert (job.state, job.observed_by, job.deduplicated, job.generation) == ("sent", "push", False, 0)
    assert job.counts is not None
    assert (result.totals, job.counts.total, job.counts.sent) == (job.counts, 100, 100)
    [simulated] = scene.jobs
    assert (simulated.msg_id, simulated.clientmsgid) == (job.msg_id, job.clientmsgid)
    assert await scene.everyone_once()
    assert (await scene.status(handle)).phase == "done"
    account = (await scene.ledger_handle.describe()).raw_description.workflow_execution_info
    scheduled = [event.activity_task_scheduled_event_attributes for event in (await handle.fetch_history()).events]
    given = {one.activity_type.name: one.priority.priority_key for one in scheduled}
    assert (account.priority.priority_key, given[SUBMIT], given[WISH]) == (1, 1, 2)


async def test_a_send_to_a_tag_reaches_its_followers_only(scene: Scene) -> None:
    """Followers 10 to 39 have the tag; `expect` holds."""
    audience = {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP", "max": 30}}
    result = await scene.result(await scene.start(audience=audience))
    assert (result.outcome, result.totals and result.totals.sent) == ("sent", 30)
    assert await scene.received() == dict.fromkeys(range(10, 40), 1)


async def test_a_list_reaches_each_of_its_openids_once(scene: Scene) -> None:
    """WeChat's most, in one job, whose answer is lost."""
    await scene.simulate(followers=12_000)
    scene.fault("reset_after_accept", endpoint="mass/send")
    openids = scene.openids(10_000)
    result = await scene.result(await scene.start(audience={"kind": "openids", "openids": [*openids, openids[0]]}))
    assert (result.outcome, result.jobs[0].deduplicated) == ("sent", True)
    assert result.totals is not None
    assert result.totals.sent == len(openids)
    assert await scene.received() == dict.fromkeys(range(len(openids)), 1)


def settings_of(scene: Scene, mode: str) -> Settings:
    """A receiver's configuration, with the callback of the scene's account in this mode."""
    raw = scene.stage.settings.model_dump()
    account = raw["accounts"][scene.account]
    account["callback"] = {"token": CALLBACK_TOKEN, "aes_key": AES_KEY, "mode": mode}
    return Settings.model_validate({**raw, "accounts": {scene.account: account}})


@pytest.mark.long
@pytest.mark.parametrize(("mode", "form"), [("compat", "xml"), ("safe", "json")])
async def test_a_push_of_each_mode_and_format_is_the_verdict(scene: Scene, mode: str, form: str) -> None:
    """The console verifies the URL; the push tells the verdict and the counts, at the first try."""
    async with (
        receiving_at(settings_of(scene, mode), scene.stage.address) as receiver,
        httpx.AsyncClient(base_url=scene.sim.url, trust_env=False) as wechat,
    ):
        callback = {"token": CALLBACK_TOKEN, "aes_key": AES_KEY, "mode": mode, "format": form}
        await scene.simulate(callback={"url": f"{receiver}/wechat/{scene.account}", **callback})
        found = (await wechat.post("/_sim/verify", json={"account": scene.account})).json()
        result = await scene.result(await scene.start())
    assert found["verified"]
    [job] = result.jobs
    assert (result.outcome, job.observed_by, job.counts and job.counts.sent) == ("sent", "push", 100)
    assert await scene.everyone_once()
    assert [(one.reply.http_status, one.reply.body) for one in scene.sim.world.courier.log] == [(200, "success")]
    assert (await scene.ledger()).kept == ()


async def about(scene: Scene, *command: str) -> Ended:
    """A `temporal workflow` command about the scene's send."""
    workflow_id = mass_send_id(scene.account, "spring")
    return await temporal(scene.stage.address, "workflow", *command, "--workflow-id", workflow_id)


async def test_a_send_from_temporals_command_line(scene: Scene) -> None:
    """A bad request is refused by name. A good one is sent, and asked about; `abort` comes too late."""
    await scene.simulate(admin_confirmation=True)
    start = ("start", "--type", MASS_SEND, "--task-queue", scene.queue)
    handle = scene.client.get_workflow_handle(mass_send_id(scene.account, "spring"), result_type=MassSendResult)
    bad = await about(scene, *start, "--input", json.dumps(scene.request(audience={})))
    assert bad.code == 0, bad.stderr
    assert "audience.kind: is missing" in await scene.refusal(handle)
    assert list(scene.sim.world.calls) == []
    await about(scene, *start, "--input", json.dumps(scene.request()))
    scene.started.append(handle)
    await scene.until(handle, lambda status: status.phase == "awaiting_result")
    said = await about(scene, "query", "--type", "status", "--output", "json")
    [status] = json.loads(said.stdout)["queryResult"]
    [job] = scene.jobs
    assert (said.code, status["phase"], status["jobs"][0]["msg_id"]) == (0, "awaiting_result", job.msg_id)
    said = await about(scene, "update", "execute", "--name", "abort", "--input", '{"by": "li", "reason": "wrong text"}')
    assert said.code == 1
    assert f"already accepted as msg_id {job.msg_id}; a delivered send can only be recalled" in said.stderr
    scene.sim.world.decide(scene.simulated, "confirmed", None)
    assert (await scene.result(handle)).outcome == "sent"
    assert await scene.everyone_once()


@pytest.mark.parametrize("kind", ["all", "openid_file"])
async def test_a_pause_in_a_preview_shows_it_to_nobody_twice(scene: Scene, kind: str) -> None:
    """WeChat has shown it, and does not answer: its row is kept all the same, also of a send in batches."""
    audience = {"kind": kind}
    if kind == "openid_file":
        audience["uri"] = scene.file("list.txt", "\n".join(scene.openids(3)).encode())
    scene.fault("timeout_after_accept", "mass/preview")
    async with own_worker(scene, timing=HELD):
        handle = await scene.start(audience=audience, preview={"to": [{"openid": scene.openids(1)[0]}]})
        await scene.sim.world.until(lambda: scene.calls("mass/preview"), PATIENCE)
        pausing = asyncio.create_task(scene.update(handle, "pause"))
        await scene.until(handle, lambda status: status.phase == "paused")
        scene.sim.world.let_go()
        await pausing
        assert (await scene.update(handle, "resume")).phase != "paused"
        assert (await scene.result(handle)).outcome == "sent"
        [row] = (await scene.status(handle)).previews
    assert "it may have been shown" in (row.errmsg or "")
    assert (len(scene.sim.world.ledger.previews(scene.simulated)), scene.calls("mass/preview")) == (1, 1)


async def test_a_cancelled_preview_goes_on_to_nobody_else(scene: Scene) -> None:
    """The one under way is awaited, and the next is not begun."""
    scene.fault("timeout_after_accept", "mass/preview")
    raw = {name: scene.request()[name] for name in ("account", "key", "message")}
    raw["to"] = [{"openid": one} for one in scene.openids(2)]
    named = preview_id(scene.account, "spring")
    async with own_worker(scene, timing=HELD):
        handle = await scene.client.start_workflow(PREVIEW_MASS_SEND, raw, id=named, task_queue=scene.queue)
        await scene.sim.world.until(lambda: scene.calls("mass/preview"), PATIENCE)
        await handle.cancel()
        scene.sim.world.let_go()
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, CancelledError)
    assert (len(scene.sim.world.ledger.previews(scene.simulated)), scene.calls("mass/preview")) == (1, 1)
