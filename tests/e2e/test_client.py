"""`qunfa.client`, on a real server with a real worker and a simulated WeChat."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client

from qunfa.client import InvalidRequest, MassSendHandle, NoAnswer, Qunfa, SendStopped, Wait
from tests.e2e.stage import Scene, working
from tests.looking import PATIENCE, look_again

WITHIN = timedelta(seconds=PATIENCE)


def qunfa_of(scene: Scene, queue: str | None = None) -> Qunfa:
    """A caller's client, with Temporal's usual converter, as one that knows nothing of pydantic has it."""
    service = scene.client.service_client
    return Qunfa(Client(service, namespace=scene.client.namespace), task_queue=queue or scene.queue)


async def sent(scene: Scene, key: str = "spring", wait: Wait = "accepted", **more: Any) -> MassSendHandle:
    """A send by the client."""
    handle = await qunfa_of(scene).send(scene.request(key, **more), wait=wait, within=WITHIN)
    scene.started.append(scene.client.get_workflow_handle(handle.id))
    return handle


@pytest.mark.parametrize("named", [{"account": "A b"}, {"key": "a b"}, {"key": None}, {"account": 7}])
async def test_a_request_that_cannot_name_its_send_starts_nothing(scene: Scene, named: dict[str, Any]) -> None:
    """Its workflow would have no id."""
    with pytest.raises(InvalidRequest, match=next(iter(named))):
        await sent(scene, **named)
    assert scene.started == []


@pytest.mark.parametrize(
    ("wait", "field", "value"), [("result", "colour", "red"), ("started", "send_at", "2999-12-01T09:00:00+08:00")]
)
async def test_a_corrected_request_is_sent(scene: Scene, wait: Wait, field: str, value: str) -> None:
    """The wrong one waits for a worker still, and is not taken for it. Each handle has its own result."""
    settings = scene.stage.settings.model_copy(update={"task_queue": f"{scene.queue}-late-{wait}"})
    qunfa = qunfa_of(scene, settings.task_queue)
    wrong = await qunfa.send(scene.request(wait, **{field: value}), wait="started")
    with pytest.raises(NoAnswer):
        await qunfa.send(scene.request(wait), wait=wait, within=timedelta(milliseconds=500))
    async with working(scene.client, settings):
        handle = await qunfa.send(scene.request(wait), wait=wait, within=WITHIN)
        assert (handle.started, handle.run_id == wrong.run_id) == (True, False)
        assert (await handle.result(within=WITHIN)).outcome == "sent"
        with pytest.raises(InvalidRequest, match=field):
            await wrong.result(within=WITHIN)
    assert await scene.everyone_once()


async def test_who_waits_no_longer_leaves_the_send_running(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """No worker in time, a limit, or a caller that is interrupted: each says that the send goes on."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    nobody = Qunfa(scene.client, task_queue="nobody-works-here")
    with pytest.raises(NoAnswer, match="was not stopped by this") as unheard:
        await nobody.send(scene.request("unheard", send_at=tomorrow), within=timedelta(seconds=3))
    assert unheard.value.handle.key == "unheard"
    await scene.client.get_workflow_handle(unheard.value.handle.id).terminate("the test is over")
    handle = await sent(scene, send_at=tomorrow)
    with pytest.raises(NoAnswer):
        await handle.result(within=timedelta(milliseconds=50))
    waiting = asyncio.ensure_future(handle.result())
    await look_again()
    waiting.cancel()
    with caplog.at_level(logging.WARNING, "qunfa.client"), pytest.raises(asyncio.CancelledError):
        await waiting
    assert "was not stopped by this" in caplog.text
    assert (await handle.status()).phase == "scheduled"
    await scene.client.get_workflow_handle(handle.id).cancel()
    with pytest.raises(SendStopped) as stopped:
        await handle.result(within=WITHIN)
    assert (stopped.value.how, stopped.value.may_have_been_delivered) == ("cancelled", False)


async def test_a_terminated_send_is_followed_where_it_is_sent_again(scene: Scene) -> None:
    """Terminated, it may have been delivered; once somebody sends the key again, the first handle tells its result."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    first = await sent(scene, send_at=tomorrow)
    await scene.client.get_workflow_handle(first.id).terminate("by mistake")
    with pytest.raises(SendStopped, match="may have been delivered") as stopped:
        await first.result(within=WITHIN)
    assert (stopped.value.how, stopped.value.may_have_been_delivered) == ("terminated", True)
    again = await sent(scene)
    assert again.run_id != first.run_id
    assert (await again.result(within=WITHIN)).outcome == "sent"
    assert (await first.result(within=WITHIN)).outcome == "sent"
    assert await scene.everyone_once()


async def test_many_callers_of_one_key_get_one_send(scene: Scene) -> None:
    """One of them has started it; all hear that it is accepted."""
    handles = await asyncio.gather(*(sent(scene) for _ in range(5)))
    assert [handle.started for handle in handles].count(True) >= 1
    assert {(await handle.result(within=WITHIN)).jobs[0].msg_id for handle in handles} == {scene.jobs[0].msg_id}
    assert await scene.everyone_once()
