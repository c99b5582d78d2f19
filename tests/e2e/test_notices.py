"""Webhooks from end to end: what is told of a send and its recall, and a worker that dies with a notice in its hand."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from qunfa.contract.ids import RECALL_MASS_SEND, notify_id, recall_id
from qunfa.contract.notice import AccountNoticesResult
from qunfa.contract.recall import RecallResult
from tests.cli.calls import parsed
from tests.e2e.commands import qunfa
from tests.e2e.own_worker import own_worker, own_worker_again, webhook
from tests.e2e.processes import configuration, logged, running
from tests.e2e.stage import Scene
from tests.looking import PATIENCE
from tests.media.sources.site import silence
from tests.notices.webhook import OTHER, SECRET, answers, receiving

pytestmark = pytest.mark.long

KILLED = -9
REFUSED: dict[str, Any] = {"kind": "errcode", "errcode": 40164}


async def test_a_send_and_its_recall_are_told(scene: Scene) -> None:
    """A question, its end, and the recall of what was delivered: each once, signed, with where to look."""
    async with receiving() as receiver, own_worker(scene, account=webhook(receiver)):
        scene.fault(**REFUSED)
        handle = await scene.start(message=scene.news("<p>cheap</p>"))
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
        for content in ("春", "cheap", "cover", *scene.openids(100)):
            assert content not in post.body.decode()


async def test_a_worker_killed_with_a_notice_in_its_hand_costs_nothing(scene: Scene, tmp_path: Path) -> None:
    """The receiver has it, and Temporal does not know. It is told again, byte for byte, and where the URL is now.

    The send pins which notices are wanted, not where they go: a mistake in the configuration costs no notice.
    """
    async with receiving() as receiver, receiving() as moved:
        receiver.rest = silence
        oncall = f'notices.oncall = {{url = "{receiver.url}", secret = "{SECRET}"}}'
        config = configuration(scene, tmp_path, more=oncall)
        log = tmp_path / "worker.log"
        async with running(scene, ["worker.py"], config, {}, log) as worker:
            await logged(log, '"started"')
            handle = await scene.start()
            assert (await scene.result(handle)).outcome == "sent"
            [first] = await receiver.came("sent")
            worker.kill()
            assert await worker.wait() == KILLED
        async with own_worker_again(scene, webhook(moved, secret_old=OTHER)):
            told = scene.client.get_workflow_handle(notify_id(scene.account, "oncall", first.webhook_id))
            async with asyncio.timeout(PATIENCE):
                await told.result()
    [again] = moved.posts
    assert (again.webhook_id, again.body) == (first.webhook_id, first.body)
    assert (first.signed_with(SECRET), again.signed_with(SECRET), again.signed_with(OTHER)) == (True, True, True)
    assert len(receiver.posts) == 1


async def test_webhooks_are_shown_and_tested(scene: Scene) -> None:
    """By a worker, so that an operator needs neither URL nor secret; one that does not take its test is exit 1."""
    none = await qunfa(scene, "notices", scene.account, "--test")
    assert (none.exit_code, "No webhook is told of its sends" in none.stdout) == (0, True)
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
