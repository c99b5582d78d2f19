"""What a caller may do who has heard nothing: the handle of `NoAnswer`, an answer under way, a send that was ended."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from qunfa.client import ClientTooOld, MassSendHandle, NoAnswer, Qunfa, SendStopped, UpdateRefused, Wait, runs
from qunfa.contract import MASS_SEND, mass_send_id
from tests.client.answering import NOBODY, QUEUE, RESULT, WITHIN, asked
from tests.looking import until
from tests.temporal import is_there

TEXT = {"msgtype": "text", "content": "hi"}
OTHER = {"msgtype": "text", "content": "else"}


@contextlib.contextmanager
def temporal_is_down() -> Iterator[None]:
    """No start gets through."""
    lost = RPCError("no route to host", RPCStatusCode.UNAVAILABLE, b"")
    with patch.object(Client, "start_workflow", AsyncMock(side_effect=lost)):
        yield


async def unheard(qunfa: Qunfa, request: dict[str, Any]) -> MassSendHandle:
    """The handle of a send whose start was lost."""
    with temporal_is_down(), pytest.raises(NoAnswer) as caught:
        await qunfa.send(request, wait="result")
    return caught.value.handle


async def is_closed(client: Client, key: str) -> bool:
    """Whether its newest run has ended."""
    return (await client.get_workflow_handle(mass_send_id("demo", key)).describe()).close_time is not None


@pytest.mark.parametrize("is_over", [False, True])
async def test_what_was_not_heard_is_no_other_send(qunfa: Qunfa, temporal_server: Client, *, is_over: bool) -> None:
    """Its handle neither tells of a message that has its key, nor answers it. What became of its own is not known."""
    key = f"unheard-{is_over}"
    await qunfa.send(asked(key, message=TEXT), wait="started")
    handle = await unheard(qunfa, asked(key, message=OTHER))
    if is_over:
        await temporal_server.get_workflow_handle(handle.id).signal("end")
        await until(lambda: is_closed(temporal_server, key))
    said = f"the newest send of {handle.id} is of another message, .* Yours may have been sent by an earlier run"
    for asking in (handle.status(), handle.accepted(), handle.result()):
        with pytest.raises(NoAnswer, match=rf"{said}.* `qunfa ledger demo`, and into WeChat's console\.$") as caught:
            await asking
        assert "nothing was sent" not in str(caught.value)
    with pytest.raises(UpdateRefused, match=f"abort: {said}"):
        await handle.abort(by="li", reason="a test")


async def test_what_was_delivered_unheard_is_not_unsent(qunfa: Qunfa, temporal_server: Client) -> None:
    """Its start was taken, and it ended well. Who then takes its key for another message is refused."""
    mine = asked("delivered", message=TEXT)
    lost = await unheard(qunfa, mine)
    await qunfa.send(mine, wait="started")
    await temporal_server.get_workflow_handle(lost.id).signal("end")
    await until(lambda: is_closed(temporal_server, "delivered"))
    await qunfa.send(asked("delivered", message=OTHER, requested_by=NOBODY), wait="started")
    for asking in (lost.status(), lost.accepted(), lost.result()):
        with pytest.raises(NoAnswer, match="Yours may have been sent by an earlier run"):
            await asking


async def test_a_list_of_newer_words_answers_its_caller(qunfa: Qunfa, temporal_server: Client) -> None:
    """Its client reads neither its request nor that of the run as which it goes on, written anew."""
    request = asked("newer-list", message=TEXT, goes_on=True)
    handle = await qunfa.send(request, wait="started")
    run = temporal_server.get_workflow_handle(handle.id)
    await until(run.describe, lambda newest: newest.run_id != handle.run_id)
    for one in (handle, await unheard(qunfa, request)):
        assert (await one.status()).phase == (await one.accepted(within=WITHIN)).phase == "scheduled"
        assert (await one.abort(by="li", reason="a test")).answers == ("li",)
    await run.terminate("a test")
    await qunfa.send({**request, "goes_on": False}, wait="started")
    with pytest.raises(UpdateRefused, match="cannot be compared with yours"):
        await handle.abort(by="li", reason="a test")


async def test_what_was_not_heard_and_runs_is_told(qunfa: Qunfa) -> None:
    """The same message under its key is what was asked for. One that nobody can read may be another one."""
    request = asked("runs-unheard", message=TEXT)
    await qunfa.send(request, wait="started")
    handle = await unheard(qunfa, request)
    assert (await handle.status()).phase == (await handle.accepted(within=WITHIN)).phase == "scheduled"
    await qunfa.send(asked("newer", message={"msgtype": "hologram"}), wait="started")
    newer = await unheard(qunfa, asked("newer", message=TEXT))
    with pytest.raises(ClientTooOld, match="the request of the send under this key"):
        await newer.status()


async def test_an_old_handle_answers_no_other_send(qunfa: Qunfa, temporal_server: Client) -> None:
    """Who has looked at one message lets no other one go out, and stops none."""
    old = await qunfa.send(asked("replaced", message=TEXT), within=WITHIN)
    await temporal_server.get_workflow_handle(old.id).terminate("a test")
    new = await qunfa.send(asked("replaced", message=OTHER), within=WITHIN)
    with pytest.raises(UpdateRefused, match="is of another message"):
        await old.abort(by="li", reason="a test")
    assert (await new.abort(by="li", reason="a test")).answers == ("li",)


async def test_an_answer_without_an_answer_may_come_through(
    qunfa: Qunfa, temporal_server: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporal has taken it, and a worker carries it out once it is there. Who gives another one must know."""
    monkeypatch.setattr(runs, "ANSWERS_WITHIN", timedelta(milliseconds=300))
    handle = await Qunfa(temporal_server, task_queue="nobody-works-here").send(asked("approved"), wait="started")
    with pytest.raises(NoAnswer, match=r"This approve may have been carried out.* Look at the status") as caught:
        await handle.approve(by="li")
    assert "was not stopped" not in str(caught.value)


async def test_a_stopped_send_is_told_as_stopped(qunfa: Qunfa, temporal_server: Client) -> None:
    """What it says of itself is that it runs, for ever. One that has failed, or has ended well, tells its end."""
    handle = await qunfa.send(asked("terminated"), within=WITHIN)
    await temporal_server.get_workflow_handle(handle.id).terminate("a test")
    run = await temporal_server.start_workflow(
        MASS_SEND, asked("slow"), id=mass_send_id("demo", "slow"), task_queue=QUEUE, run_timeout=timedelta(seconds=1)
    )
    slow = qunfa.handle("demo", "slow")
    await until(run.describe, lambda one: one.status is WorkflowExecutionStatus.TIMED_OUT)
    for stopped, how in ((handle, "terminated"), (slow, "timed out")):
        for asking in (stopped.status(), stopped.accepted(within=WITHIN)):
            with pytest.raises(SendStopped, match=f"was {how} in Temporal"):
                await asking
    for ended in (asked("well", result=RESULT), asked("badly", failure=RESULT)):
        ended_well = await qunfa.send(ended, wait="started")
        await until(partial(is_closed, temporal_server, ended["key"]))
        assert (await ended_well.status()).phase == "scheduled"


@pytest.mark.parametrize("queue", [QUEUE, "nobody-works-here"])
async def test_a_send_that_is_stopped_is_not_accepted(temporal_server: Client, queue: str) -> None:
    """While a worker looks at its request, or before one has come."""
    request = asked(f"stopped-by-{queue}", stays_silent=True)
    sending = asyncio.ensure_future(Qunfa(temporal_server, task_queue=queue).send(request, within=WITHIN))
    run = temporal_server.get_workflow_handle(mass_send_id("demo", request["key"]))
    await until(lambda: is_there(temporal_server, run.id))
    await run.terminate("a test")
    with pytest.raises(SendStopped, match="was terminated in Temporal"):
        await sending


@pytest.mark.parametrize("wait", ["accepted", "started"])
async def test_a_send_that_will_be_refused_is_not_joined(qunfa: Qunfa, wait: Wait) -> None:
    """Its request reads well, and differs from the one that was corrected: that would never go out."""
    for key, message in ((f"corrected-{wait}", TEXT), (f"typed-{wait}", OTHER)):
        wrong = await qunfa.send(asked(key, message=message, requested_by=NOBODY), wait="started")
        right = await qunfa.send(asked(key, message=TEXT, requested_by="crm"), wait=wait, within=WITHIN)
        assert (right.started, right.run_id == wrong.run_id, right.differs) == (True, False, ())


async def test_other_content_that_nobody_looks_at_is_not_judged(temporal_server: Client) -> None:
    """Whether it will be refused, nobody knows before a worker is there."""
    nobody = Qunfa(temporal_server, task_queue="nobody-works-here")
    await nobody.send(asked("unseen", message=OTHER), wait="started")
    with pytest.raises(NoAnswer):
        await nobody.send(asked("unseen", message=TEXT), wait="started", within=timedelta(milliseconds=300))
