"""Webhooks from end to end: a worker that dies with a notice in its hand, secrets, and a receiver that hangs."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError

from qunfa.contract.ids import RECALL_MASS_SEND, notify_id, recall_id
from qunfa.contract.notice import AccountNoticesResult
from qunfa.contract.recall import RecallResult
from qunfa.settings import Settings
from tests.e2e.commands import parsed, qunfa
from tests.e2e.own_worker import own_worker
from tests.e2e.processes import configuration, logged, running, stopped
from tests.e2e.stage import Scene
from tests.looking import PATIENCE
from tests.media.samples import picture
from tests.media.sources.site import silence
from tests.notices.webhook import OTHER, SECRET, Receiver, answers, receiving
from tests.ports import free_address

pytestmark = pytest.mark.long

KILLED = -9
REFUSED: dict[str, Any] = {"kind": "errcode", "errcode": 40164}


def webhook(receiver: Receiver, **more: Any) -> dict[str, Any]:
    """The account's configuration with one webhook."""
    return {"notices": {"oncall": {"url": receiver.url, "secret": SECRET, **more}}}


def own_worker_again(scene: Scene, receiver: Receiver, **more: Any) -> AbstractAsyncContextManager[Settings]:
    """Another worker on the queue that the scene has already."""
    scene.queue = scene.queue.removesuffix(f"-{scene.account}")
    return own_worker(scene, account=webhook(receiver, **more))


def in_file(scene: Scene, receiver: Receiver) -> str:
    """The same, as it stands in `qunfa.toml`."""
    return f"""
[accounts.{scene.account}.notices.oncall]
url = "{receiver.url}"
secret = "{SECRET}"
secret_old = "{OTHER}"
"""


async def test_a_send_and_its_recall_are_told(scene: Scene) -> None:
    """A question, its end, and the recall of what was delivered: each once, signed, with where to look."""
    async with receiving() as receiver, own_worker(scene, account=webhook(receiver)):
        thumb = {"uri": scene.file("cover.jpg", picture("JPEG"))}
        articles = [{"title": "春 sale", "content": "<p>cheap</p>", "thumb": thumb}]
        scene.fault(**REFUSED)
        handle = await scene.start(message={"msgtype": "mpnews", "articles": articles})
        await scene.asks(handle, "ip_not_whitelisted")
        [question] = await receiver.came("needs_operator")
        await scene.update(handle, "retry")
        result = await scene.result(handle)
        [end] = await receiver.came("sent")
        msg_id = result.jobs[0].msg_id
        assert msg_id is not None
        recall = await scene.client.start_workflow(
            RECALL_MASS_SEND,
            {"account": scene.account, "msg_id": msg_id, "by": "li", "reason": "wrong price"},
            id=recall_id(scene.account, msg_id),
            task_queue=scene.queue,
            result_type=RecallResult,
        )
        async with asyncio.timeout(PATIENCE):
            assert (await recall.result()).outcome == "recalled"
        [recalled] = await receiver.came("recalled")
    assert question.data["problem"]["errcode"] == 40164
    assert end.data["totals"]["sent"] == 100
    assert (recalled.data["key"], recalled.data["msg_ids"], recalled.data["verified"]) == ("spring", [msg_id], True)
    assert [post.type for post in receiver.posts] == ["needs_operator", "sent", "recalled"]
    for post in receiver.posts:
        assert post.signed_with(SECRET)
        for content in ("春 sale", "cheap", "cover", *scene.openids(100)):
            assert content not in post.body.decode()


async def test_a_hanging_receiver_delays_no_end(scene: Scene) -> None:
    """The send is answered and ends with its notices under way; the worker itself stops in time, too."""
    async with receiving() as receiver:
        receiver.rest = silence
        async with own_worker(scene, account=webhook(receiver)):
            scene.fault(**REFUSED)
            handle = await scene.start()
            await scene.asks(handle, "ip_not_whitelisted")
            await receiver.came("needs_operator")
            await scene.update(handle, "retry")
            assert (await scene.result(handle)).outcome == "sent"
            for post in (*receiver.of("needs_operator")[:1], *(await receiver.came("sent"))[:1]):
                told = scene.client.get_workflow_handle(notify_id(scene.account, "oncall", post.webhook_id))
                assert (await told.describe()).status == WorkflowExecutionStatus.RUNNING
    assert await scene.everyone_once()


async def test_a_worker_killed_with_a_notice_in_its_hand_costs_nothing(scene: Scene, tmp_path: Path) -> None:
    """The receiver has it, and Temporal does not know: it is told again, under the same id, byte for byte."""
    async with receiving() as receiver:
        receiver.rest = silence
        config = configuration(scene, tmp_path, more=in_file(scene, receiver))
        log = tmp_path / "worker.log"
        async with running(scene, ["worker.py"], config, {}, log) as worker:
            await logged(log, '"started"')
            handle = await scene.start()
            assert (await scene.result(handle)).outcome == "sent"
            [first] = await receiver.came("sent")
            worker.kill()
            assert await worker.wait() == KILLED
        receiver.rest = answers(200)
        async with own_worker_again(scene, receiver, secret_old=OTHER):
            told = scene.client.get_workflow_handle(notify_id(scene.account, "oncall", first.webhook_id))
            async with asyncio.timeout(PATIENCE):
                await told.result()
    assert [(post.webhook_id, post.body) for post in receiver.posts] == [(first.webhook_id, first.body)] * 2
    assert all(post.signed_with(SECRET) and post.signed_with(OTHER) for post in receiver.posts)


async def test_a_corrected_url_is_used_at_the_next_try(scene: Scene) -> None:
    """The send pins which notices are wanted, not where they go: a mistake in the configuration costs no notice."""
    async with receiving() as receiver, receiving() as moved:
        receiver.rest = answers(404)
        async with own_worker(scene, account=webhook(receiver)):
            await scene.result(await scene.start())
            [first, *_] = await receiver.came("sent")
        async with own_worker_again(scene, moved, secret=OTHER):
            [post] = await moved.came("sent")
    assert (post.webhook_id, post.body) == (first.webhook_id, first.body)
    assert post.signed_with(OTHER)


async def test_webhooks_are_shown_and_tested(scene: Scene) -> None:
    """By a worker, so that an operator needs neither URL nor secret; one that does not take its test is exit 1."""
    async with receiving() as receiver, receiving() as broken:
        broken.rest = answers(401)
        more = {"url": broken.url, "secret": OTHER, "events": ["unknown", "failed"]}
        configured = webhook(receiver)["notices"]
        async with own_worker(scene, account={"notices": {**configured, "crm": more}}):
            shown = await qunfa(scene, "notices", scene.account, "--json")
            assert receiver.posts == broken.posts == []
            tested = await qunfa(scene, "notices", scene.account, "--test")
    listed = AccountNoticesResult.model_validate(parsed(shown))
    assert [(one.name, one.events[0], one.took_test) for one in listed.webhooks] == [
        ("oncall", "needs_operator", None),
        ("crm", "unknown", None),
    ]
    assert (shown.exit_code, tested.exit_code) == (0, 1)
    assert "taken" in tested.stdout
    assert 'notice "crm": the receiver answers 401.' in " ".join(tested.stdout.split())
    assert "a-SECRET" not in shown.output + tested.output
    [post], [refused] = receiver.posts, broken.posts
    assert (post.type, post.data["account"], post.signed_with(SECRET)) == ("test", scene.account, True)
    assert refused.signed_with(OTHER)


async def test_an_account_without_webhooks_says_how_to_have_some(scene: Scene) -> None:
    """That is no failure."""
    answer = await qunfa(scene, "notices", scene.account, "--test")
    assert answer.exit_code == 0
    assert "No webhook is told of its sends" in answer.stdout


async def test_no_secret_of_a_webhook_leaves_the_worker(scene: Scene, tmp_path: Path) -> None:
    """Neither URL nor secrets: not in a history, a log at DEBUG level, or a metric, whatever the receiver does."""
    metrics = free_address()
    log = tmp_path / "worker.log"
    async with receiving() as receiver:
        receiver.script = [answers(500), answers(302, f"Location: {receiver.url}"), answers(200), answers(410)]
        config = configuration(scene, tmp_path, metrics=metrics, more=in_file(scene, receiver))
        async with running(scene, ["worker.py"], config, {"QUNFA_LOG_LEVEL": "DEBUG"}, log) as worker:
            await logged(log, '"started"')
            handle = await scene.start()
            await scene.result(handle)
            [*_, post] = await receiver.came("sent", 3)
            told = scene.client.get_workflow_handle(notify_id(scene.account, "oncall", post.webhook_id))
            await told.result()
            scene.fault(**REFUSED)
            refused = await scene.start("refused", on_problem="fail")
            with pytest.raises(WorkflowFailureError):
                await scene.result(refused)
            [gone] = await receiver.came("failed")
            unwanted = scene.client.get_workflow_handle(notify_id(scene.account, "oncall", gone.webhook_id))
            with pytest.raises(WorkflowFailureError):
                await unwanted.result()
            async with httpx.AsyncClient(trust_env=False) as http:
                seen = {"metrics": (await http.get(f"http://{metrics}/metrics")).content}
            assert await stopped(worker) == 0
    seen["log"] = await asyncio.to_thread(log.read_bytes)
    for one in (handle, refused, told, unwanted):
        seen[one.id] = b"".join([event.SerializeToString() async for event in one.fetch_history_events()])
    assert b"answers 410 Gone" in seen[unwanted.id]
    assert b"did not reach" in seen["log"]
    secrets = [b"a-SECRET", SECRET.encode(), OTHER.encode(), SECRET.removeprefix("whsec_").encode()]
    for place, text in seen.items():
        assert [secret for secret in secrets if secret in text] == [], place
