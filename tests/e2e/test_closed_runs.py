"""What closes in Temporal without telling it is told to webhooks all the same, by whichever worker sees it, once."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue

from activities import Onlooker
from qunfa.contract.ids import RECALL_MASS_SEND, mass_send_id, recall_id
from qunfa.settings import Settings
from tests.e2e.own_worker import own_worker, own_worker_again, webhook
from tests.e2e.processes import configuration, running
from tests.e2e.stage import Scene
from tests.looking import PATIENCE, until
from tests.notices.webhook import SECRET, Post, Receiver, receiving
from tests.workflows.resets import points, reset

OFTEN = timedelta(seconds=0.2)


def onlooker(scene: Scene, settings: Settings) -> Onlooker:
    """That of a worker which has just started."""
    return Onlooker(settings, scene.client, OFTEN)


async def told(scene: Scene, settings: Settings, receiver: Receiver, kind: str) -> Post:
    """The one notice of this type, and that there is no other, however often and from wherever one looks."""
    one = onlooker(scene, settings)
    async with one.looking(), onlooker(scene, settings).looking():
        [post] = await receiver.came(kind)
    await one.look()
    await no_others(scene, settings, receiver)
    assert post.data["account"] == scene.account
    assert "你好" not in post.body.decode()
    return post


async def no_others(scene: Scene, settings: Settings, receiver: Receiver) -> None:
    """Nothing else of the account is told, also by who looks anew."""
    await onlooker(scene, settings).look()
    seen = await until(lambda: notifications(scene), lambda count: count >= len(receiver.posts))
    assert seen == len(receiver.posts)


async def notifications(scene: Scene) -> int:
    """How many notices of the account were ever begun."""
    found = scene.client.list_workflows("WorkflowType = 'Notify'")
    return len([run async for run in found if run.id.startswith(f"notify:{scene.account}:")])


async def closed(scene: Scene, handle: WorkflowHandle[Any, Any]) -> None:
    """Once it has failed, or was terminated, also in Temporal's list."""
    with pytest.raises(WorkflowFailureError):
        async with asyncio.timeout(PATIENCE):
            await handle.result(follow_runs=False)
    query = f"WorkflowId = '{handle.id}' AND ExecutionStatus != 'Running' AND RunId = '{handle.result_run_id}'"

    async def listed() -> int:
        return len([run async for run in scene.client.list_workflows(query)])

    await until(listed)


async def frozen_send(scene: Scene, **more: Any) -> WorkflowHandle[Any, Any]:
    """A send that waits, since its account is frozen."""
    await scene.freeze()
    handle = await scene.start(**more)
    await scene.waits(handle, "frozen")
    return handle


async def test_a_terminated_send_is_told(scene: Scene) -> None:
    """Nothing was submitted: the same key can be started again, and that is told as its own end."""
    async with receiving() as receiver, own_worker(scene, account=webhook(receiver)) as settings:
        handle = await frozen_send(scene, requested_by="crm")
        await handle.terminate("wrong text")
        await closed(scene, handle)
        post = await told(scene, settings, receiver, "terminated")
        assert (post.data["key"], post.data["msgtype"], post.data["requested_by"]) == ("spring", "text", "crm")
        assert (post.data["workflow_id"], post.data["run_id"]) == (handle.id, handle.result_run_id)
        assert (post.data["may_have_been_delivered"], post.data["msg_ids"], post.data["outcome"]) == (False, [], None)
        assert post.data["problem"]["name"] == "terminated"
        assert "Start the same key again" in post.data["problem"]["todo"]
        await scene.unfreeze()
        await scene.result(await scene.start(requested_by="crm"))
        await told(scene, settings, receiver, "sent")
    assert [post.type for post in receiver.posts] == ["terminated", "sent"]


async def test_a_send_that_is_reset_is_not_told_as_terminated(scene: Scene) -> None:
    """Temporal terminates the run and goes on in another, which tells its end."""
    async with receiving() as receiver, own_worker(scene, account=webhook(receiver)) as settings:
        handle = await frozen_send(scene)
        again = await reset(scene.client, handle, (await points(handle))[0])
        await closed(scene, handle)
        await scene.unfreeze()
        await scene.result(again)
        await told(scene, settings, receiver, "sent")
    assert [post.type for post in receiver.posts] == ["sent"]


async def test_a_send_that_gave_way_to_a_reset_is_not_terminated(scene: Scene) -> None:
    """Temporal terminates the current run, too, where an earlier one is reset, and names its successor nowhere."""
    async with receiving() as receiver, own_worker(scene, account=webhook(receiver)) as settings:
        first = await scene.start()
        await scene.result(first)
        await receiver.came("sent")
        await scene.freeze()
        current = await scene.start()
        await scene.until(current, lambda status: status.phase != "done")
        earlier = scene.client.get_workflow_handle(first.id, run_id=first.result_run_id)
        again = await reset(scene.client, earlier, (await points(earlier))[0])
        await closed(scene, current)
        await scene.unfreeze()
        await scene.result(again)
        await no_others(scene, settings, receiver)
    assert "terminated" not in [post.type for post in receiver.posts]


@pytest.mark.parametrize("name", ["our id", "another id", "with a schedule"])
async def test_a_refused_request_is_told(scene: Scene, name: str) -> None:
    """To the account that it names, without what stands in it, and with what was sent under its key.

    One with a cron schedule is refused as the run that this has gone on as.
    """
    async with receiving() as receiver, own_worker(scene, account=webhook(receiver, events=["refused"])) as settings:
        sent = (await scene.result(await scene.start())).jobs if name == "our id" else ()
        wanted = mass_send_id(scene.account, "spring") if name == "our id" else f"sale-of-{scene.account}"
        more = {"cron_schedule": "@every 1s"} if name == "with a schedule" else {}
        handle = await scene.start_raw(scene.request(surprise="a-SECRET-word"), wanted, **more)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        last = await scene.client.get_workflow_handle(wanted).describe()
        handle = scene.client.get_workflow_handle(wanted, run_id=last.run_id)
        await closed(scene, handle)
        post = await told(scene, settings, receiver, "refused")
    assert (post.data["key"], post.data["workflow_id"], post.data["run_id"]) == ("spring", wanted, handle.result_run_id)
    assert (post.data["may_have_been_delivered"], post.data["msg_ids"]) == (bool(sent), [job.msg_id for job in sent])
    assert ("Use no new key" in post.data["problem"]["todo"]) is bool(sent)
    assert post.data["problem"]["name"] == "invalid_request"
    assert "a-SECRET-word" not in post.body.decode()


async def test_what_no_worker_could_begin_is_told_by_its_workflow_id(scene: Scene) -> None:
    """Input that is no JSON, or a time that was over; where the id names no account, nobody can be told."""
    half_an_emoji = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b'{"account": "\\ud83d'))
    timed = {"run_timeout": timedelta(seconds=1)}
    async with receiving() as receiver:
        async with own_worker(scene, account=webhook(receiver)) as settings:
            pass
        late = await scene.start_raw(scene.request("late"), mass_send_id(scene.account, "late"), **timed)
        for workflow_id in (mass_send_id(scene.account, "spring"), f"of-nobody-{scene.account}"):
            handle = await scene.start_raw(half_an_emoji, workflow_id)
            await handle.terminate()
            await closed(scene, handle)
        await closed(scene, late)
        async with own_worker_again(scene, webhook(receiver)), onlooker(scene, settings).looking():
            posts = {post.data["key"]: post.data for post in await receiver.came("terminated", 2)}
            await no_others(scene, settings, receiver)
    assert (posts["spring"]["requested_by"], len(receiver.posts)) == (None, 2)
    assert (posts["late"]["problem"]["name"], posts["late"]["may_have_been_delivered"]) == ("timed_out", False)


async def recall(scene: Scene, raw: dict[str, Any], **more: Any) -> WorkflowHandle[Any, Any]:
    """One that somebody has started, of a job that WeChat does not know."""
    raw = {"account": scene.account, "msg_id": 4711, "by": "li", **raw}
    named = recall_id(scene.account, 4711)
    return await scene.client.start_workflow(RECALL_MASS_SEND, raw, id=named, task_queue=scene.queue, **more)


async def test_a_recall_that_failed_is_told(scene: Scene) -> None:
    """With how it has ended, and whose it was."""
    async with receiving() as receiver, own_worker(scene, account=webhook(receiver)) as settings:
        await closed(scene, await recall(scene, {"reason": "a-SECRET-reason"}))
        post = await told(scene, settings, receiver, "recall_failed")
    assert (post.data["outcome"], post.data["problem"]["name"]) == ("not_recalled", "not_recalled")
    assert (post.data["msg_ids"], post.data["requested_by"], post.data["key"]) == ([4711], "li", None)
    assert "a-SECRET-reason" not in post.body.decode()


async def test_a_recall_that_was_terminated_is_told_by_its_key(scene: Scene) -> None:
    """As its request names it: a run that is cut off has no result that does."""
    async with receiving() as receiver, own_worker(scene, account=webhook(receiver)) as settings:
        handle = await recall(scene, {"key": "spring", "reason": "too early"}, start_delay=timedelta(days=1))
        await handle.terminate()
        await closed(scene, handle)
        post = await told(scene, settings, receiver, "terminated")
    assert (post.data["key"], post.data["msg_ids"], post.data["requested_by"]) == ("spring", [4711], "li")


async def test_a_webhook_that_wants_other_events_is_told_nothing(scene: Scene) -> None:
    """Where none of a worker's webhooks wants them, it does not even look."""
    async with (
        receiving() as receiver,
        own_worker(scene, account=webhook(receiver, events=["sent", "refused"])) as settings,
    ):
        handle = await frozen_send(scene)
        await handle.terminate()
        await closed(scene, handle)
        await onlooker(scene, settings).look()
        assert await notifications(scene) == 0


@pytest.mark.long
async def test_what_closed_while_no_worker_ran_is_told_by_the_next(scene: Scene, tmp_path: Path) -> None:
    """A worker that is started looks back."""
    async with receiving() as receiver:
        oncall = f'notices.oncall = {{url = "{receiver.url}", secret = "{SECRET}"}}'
        config = configuration(scene, tmp_path, more=oncall)
        await (await scene.start()).terminate()
        async with running(scene, ["worker.py"], config, {}, tmp_path / "worker.log"):
            await receiver.came("terminated")
