"""`qunfa.client`, on a real server with a real worker and a simulated WeChat."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client

from qunfa.client import (
    InvalidRequest,
    MassSendFailed,
    MassSendHandle,
    MassSendRequest,
    NoAnswer,
    NoSuchSend,
    Qunfa,
    SendStopped,
    UpdateRefused,
    Wait,
)
from qunfa.contract.audience import All
from qunfa.contract.message import TextMessage
from tests.e2e.stage import Scene, working
from tests.looking import PATIENCE, look_again, until

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


async def test_a_typed_request_is_accepted_and_delivered(scene: Scene) -> None:
    """The handle names the run, tells the status, and gives the typed result."""
    request = MassSendRequest(
        account=scene.account,
        key="typed",
        audience=All(kind="all"),
        message=TextMessage(msgtype="text", content="春季特卖今天开始"),
        not_after=datetime.now(UTC) + timedelta(hours=1),
    )
    handle = await qunfa_of(scene).send(request, within=WITHIN)
    assert (handle.id, handle.started, handle.differs) == (f"mass-send:{scene.account}:typed", True, ())
    result = await handle.result(within=WITHIN)
    assert (result.outcome, result.totals and result.totals.sent) == ("sent", 100)
    status = await handle.status()
    assert (status.phase, status.jobs[0].msg_id) == ("done", result.jobs[0].msg_id)
    assert await scene.everyone_once()


async def test_a_refused_request_names_all_that_is_wrong_in_one_call(scene: Scene) -> None:
    """Nothing is submitted; its result, asked for later, is the same error."""
    wrong: dict[str, Any] = {"audience": {"kind": "all", "tag_id": 2}, "send_at": "tomorrow", "colour": "red"}
    with pytest.raises(InvalidRequest) as caught:
        await sent(scene, **wrong)
    assert [one.partition(":")[0] for one in caught.value.problems] == ["audience.tag_id", "send_at", "colour"]
    with pytest.raises(InvalidRequest) as again:
        await qunfa_of(scene).handle(scene.account, "spring").result(within=WITHIN)
    assert again.value.problems == caught.value.problems
    assert await scene.nobody()


@pytest.mark.parametrize("named", [{"account": "A b"}, {"key": "a b"}, {"key": None}, {"account": 7}])
async def test_a_request_that_cannot_name_its_send_starts_nothing(scene: Scene, named: dict[str, Any]) -> None:
    """Its workflow would have no id."""
    with pytest.raises(InvalidRequest, match=next(iter(named))):
        await sent(scene, **named)
    assert scene.started == []


@pytest.mark.parametrize("wait", ["accepted", "started"])
async def test_a_key_that_runs_gives_the_same_send(scene: Scene, wait: Wait) -> None:
    """It says in what the request differs; one of other content is refused, and what runs goes on."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    first = await sent(scene, send_at=tomorrow)
    again = await sent(scene, send_at=tomorrow, wait=wait)
    assert (again.run_id, again.started, again.differs) == (first.run_id, False, ())
    later = await sent(scene, send_at=tomorrow, not_after="2999-01-01T00:00:00Z", wait=wait)
    assert (later.run_id, later.differs) == (first.run_id, ("not_after",))
    with pytest.raises(InvalidRequest, match="a send of another message runs under") as caught:
        await sent(scene, message={"msgtype": "text", "content": "else"}, wait=wait)
    assert caught.value.problems[0].startswith("key: ")
    with pytest.raises(InvalidRequest, match="colour"):
        await sent(scene, colour="red", wait=wait)
    assert (await first.status()).phase == "scheduled"
    assert (await first.abort(by="li", reason="a test")).phase


@pytest.mark.parametrize("wait", ["accepted", "started"])
async def test_a_list_that_is_sent_says_who_has_started_it(scene: Scene, wait: Wait) -> None:
    """It goes on as another run meanwhile. Whoever sends it again gets it; another second message is refused."""
    listed = {"kind": "openid_file", "uri": scene.file("some.txt", "\n".join(scene.openids(100)).encode())}
    split = {"split": {"a": 10, "b": 20}, "message_b": {"msgtype": "text", "content": "春装到了"}}
    more: dict[str, Any] = {"audience": listed, "approval": {"required": True}, "requested_by": "crm", **split}
    first = await sent(scene, wait=wait, **more)
    assert (first.started, first.run_id is not None, first.differs) == (True, True, ())
    await first.accepted(within=WITHIN)
    again = await sent(scene, wait=wait, **more)
    assert (again.started, again.differs) == (False, ())
    with pytest.raises(InvalidRequest, match="a send of another message_b runs under"):
        await sent(scene, wait=wait, **{**more, "message_b": {"msgtype": "text", "content": "else"}})
    await again.abort(by="li", reason="a test")
    with pytest.raises(MassSendFailed) as caught:
        await first.result(within=WITHIN)
    assert caught.value.result.outcome == "aborted"


@pytest.mark.parametrize("wait", ["accepted", "started", "result"])
async def test_a_corrected_request_is_sent(scene: Scene, wait: Wait) -> None:
    """The wrong one waits for a worker still, and is not taken for it. Each handle has its own result."""
    settings = scene.stage.settings.model_copy(update={"task_queue": f"{scene.queue}-late-{wait}"})
    qunfa = qunfa_of(scene, settings.task_queue)
    wrong = await qunfa.send(scene.request(wait, colour="red"), wait="started")
    with pytest.raises(NoAnswer):
        await qunfa.send(scene.request(wait), wait=wait, within=timedelta(milliseconds=500))
    async with working(scene.client, settings):
        handle = await qunfa.send(scene.request(wait), wait=wait, within=WITHIN)
        assert (handle.started, handle.run_id == wrong.run_id) == (True, False)
        assert (await handle.result(within=WITHIN)).outcome == "sent"
        with pytest.raises(InvalidRequest, match="colour"):
            await wrong.result(within=WITHIN)
    assert await scene.everyone_once()


async def test_a_key_that_was_sent_gives_the_earlier_result(scene: Scene) -> None:
    """Another run, which submits nothing. Other content under the key is refused with the msg_id that was delivered."""
    first = await (await sent(scene)).result(within=WITHIN)
    again = await sent(scene, wait="result")
    assert again.started
    result = await again.result()
    assert (result.jobs[0].msg_id, result.jobs[0].deduplicated) == (first.jobs[0].msg_id, True)
    with pytest.raises(InvalidRequest) as caught:
        await sent(scene, message={"msgtype": "text", "content": "else"})
    assert any(str(first.jobs[0].msg_id) in problem for problem in caught.value.problems)
    assert await scene.everyone_once()


async def test_a_send_is_approved_by_somebody_else(scene: Scene) -> None:
    """An answer that does not fit is refused with a sentence."""
    handle = await sent(scene, approval={"required": True}, requested_by="crm")
    await until(handle.status, lambda status: "approve" in status.answers)
    with pytest.raises(UpdateRefused, match="crm") as caught:
        await handle.approve(by="crm")
    assert caught.value.update == "approve"
    with pytest.raises(UpdateRefused, match="by: must not be blank"):
        await handle.approve(by=" ")
    await handle.approve(by="li", reason="looks right")
    assert (await handle.result(within=WITHIN)).outcome == "sent"
    with pytest.raises(UpdateRefused, match="has ended"):
        await handle.abort(by="li", reason="too late")


async def test_a_send_is_held_and_moved_by_its_handle(scene: Scene) -> None:
    """Paused, moved, resumed: it goes out."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    handle = await sent(scene, send_at=tomorrow.isoformat())
    assert (await handle.pause(by="li")).phase == "paused"
    await handle.reschedule(by="li", send_at=datetime.now(UTC))
    await handle.resume(by="li")
    assert (await handle.result(within=WITHIN)).outcome == "sent"


async def test_a_failure_has_the_typed_result(scene: Scene) -> None:
    """A problem that is answered by abort, and one that fails at once."""
    scene.fault("errcode", errcode=48001)
    waits = await sent(scene)
    await until(waits.status, lambda status: status.phase == "needs_operator")
    await waits.abort(by="li", reason="not worth it")
    with pytest.raises(MassSendFailed) as caught:
        await waits.result(within=WITHIN)
    assert (caught.value.result.outcome, caught.value.result.may_have_been_delivered) == ("aborted", False)
    scene.plan(status="err(20008)")
    with pytest.raises(MassSendFailed, match="WeChat") as caught:
        await sent(scene, "fails", wait="result", on_problem="fail")
    result = caught.value.result
    assert (result.outcome, result.problem and result.problem.name) == ("failed", "content_refused")


async def test_there_is_no_send_under_an_unknown_key(scene: Scene) -> None:
    """Each method says so."""
    handle = qunfa_of(scene).handle(scene.account, "never")
    with pytest.raises(NoSuchSend, match=handle.id):
        await handle.status()
    with pytest.raises(NoSuchSend):
        await handle.result(within=WITHIN)
    with pytest.raises(NoSuchSend):
        await handle.accepted(within=WITHIN)
    with pytest.raises(NoSuchSend):
        await handle.abort(by="li", reason="a test")


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
