"""What a caller sees of a send is the same with a real server, worker and simulated WeChat, and with the fake."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from qunfa.client import InvalidRequest, MassSendFailed, MassSendRequest, NoSuchSend, UpdateRefused, Wait
from tests.client.test_fake import HELD, SPLIT
from tests.e2e.sides import Side
from tests.e2e.test_client import WITHIN
from tests.looking import until


async def test_a_typed_request_is_accepted_and_delivered(side: Side) -> None:
    """The handle names the run, tells the status, and gives the typed result."""
    not_after = datetime.now(UTC) + timedelta(hours=1)
    request = MassSendRequest.model_validate(side.request("typed", not_after=not_after))
    handle = await side.qunfa.send(request, within=WITHIN)
    assert (handle.id, handle.started, handle.differs) == (f"mass-send:{request.account}:typed", True, ())
    result = await handle.result(within=WITHIN)
    status = await handle.status()
    assert (result.outcome, status.phase, status.jobs[0].msg_id) == ("sent", "done", result.jobs[0].msg_id)
    assert await side.was_delivered()


async def test_a_refused_request_names_all_that_is_wrong_in_one_call(side: Side) -> None:
    """Nothing is submitted; its result, asked for later, is the same error."""
    wrong: dict[str, Any] = {"audience": {"kind": "all", "tag_id": 2}, "send_at": "tomorrow", "colour": "red"}
    with pytest.raises(InvalidRequest) as caught:
        await side.send(**wrong)
    assert [one.partition(":")[0] for one in caught.value.problems] == ["audience.tag_id", "send_at", "colour"]
    later = await side.send("later", wait="started", **wrong)
    for handle in (side.handle(), later):
        with pytest.raises(InvalidRequest) as again:
            await handle.result(within=WITHIN)
        assert again.value.problems == caught.value.problems
    assert side.scene is None or await side.scene.nobody()


@pytest.mark.parametrize("wait", ["accepted", "started"])
async def test_a_key_that_runs_gives_the_same_send(side: Side, wait: Wait) -> None:
    """It says in what the request differs; one of other content is refused, and what runs goes on."""
    first = await side.send(**HELD)
    again = await side.send(wait=wait, **HELD)
    assert (again.run_id, again.started, again.differs) == (first.run_id, False, ())
    later = await side.send(wait=wait, **HELD, not_after="2999-01-01T00:00:00Z")
    assert (later.run_id, later.differs) == (first.run_id, ("not_after",))
    with pytest.raises(InvalidRequest, match="a send of another message runs under") as caught:
        await side.send(wait=wait, **HELD, message={"msgtype": "text", "content": "else"})
    assert caught.value.problems[0].startswith("key: ")
    with pytest.raises(InvalidRequest, match="colour"):
        await side.send(wait=wait, **HELD, colour="red")
    await until(first.status, lambda status: status.phase == "awaiting_approval")
    assert (await first.abort(by="li", reason="a test")).phase == "awaiting_approval"
    with pytest.raises(MassSendFailed) as failed:
        await first.result(within=WITHIN)
    account = side.request()["account"]
    said = f'mass send "spring" of account {account} ended as aborted. Nothing was delivered.'
    assert str(failed.value) == said
    sent = await (await side.send()).result(within=WITHIN)
    assert (sent.outcome, sent.jobs[0].deduplicated) == ("sent", False)
    assert await side.was_delivered()


@pytest.mark.parametrize("wait", ["accepted", "started"])
async def test_a_list_that_is_sent_says_who_has_started_it(side: Side, wait: Wait) -> None:
    """It goes on as another run meanwhile. Whoever sends it again gets it; another second message is refused."""
    more = {**side.listed(100), **HELD, **SPLIT}
    first = await side.send(wait=wait, **more)
    assert (first.started, first.run_id is not None, first.differs) == (True, True, ())
    await first.accepted(within=WITHIN)
    again = await side.send(wait=wait, **more)
    assert (again.started, again.differs) == (False, ())
    with pytest.raises(InvalidRequest, match="a send of another message_b runs under"):
        await side.send(wait=wait, **{**more, "message_b": {"msgtype": "text", "content": "else"}})
    await again.abort(by="li", reason="a test")
    with pytest.raises(MassSendFailed) as caught:
        await first.result(within=WITHIN)
    assert caught.value.result.outcome == "aborted"


async def test_a_key_that_was_sent_gives_the_earlier_result(side: Side) -> None:
    """Another run, which submits nothing. Other content under the key is refused with the msg_id that was delivered."""
    first = await (await side.send()).result(within=WITHIN)
    again = await side.send(wait="result")
    assert again.started
    result = await again.result()
    assert (result.jobs[0].msg_id, result.jobs[0].deduplicated) == (first.jobs[0].msg_id, True)
    with pytest.raises(InvalidRequest, match=f"msg_id: {first.jobs[0].msg_id}"):
        await side.send(message={"msgtype": "text", "content": "else"})
    after = await (await side.send()).result(within=WITHIN)
    assert after.jobs[0].msg_id == first.jobs[0].msg_id
    assert await side.was_delivered()


async def test_a_send_is_approved_by_somebody_else(side: Side) -> None:
    """An answer that does not fit is refused with a sentence."""
    handle = await side.send(**HELD)
    await until(handle.status, lambda status: "approve" in status.answers)
    with pytest.raises(UpdateRefused, match="somebody else") as caught:
        await handle.approve(by="CRM")
    assert caught.value.update == "approve"
    with pytest.raises(UpdateRefused, match="by: must not be blank"):
        await handle.approve(by=" ")
    with pytest.raises(UpdateRefused, match="does not fit"):
        await handle.retry(by="li", reason="why not")
    await handle.approve(by="li", reason="looks right")
    assert (await handle.result(within=WITHIN)).outcome == "sent"
    with pytest.raises(UpdateRefused, match="has ended"):
        await handle.abort(by="li", reason="too late")


async def test_a_send_is_held_and_moved_by_its_handle(side: Side) -> None:
    """Paused, moved, resumed, approved: it goes out."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    handle = await side.send(send_at=tomorrow.isoformat(), **HELD)
    assert (await handle.pause(by="li")).phase == "paused"
    await handle.reschedule(by="li", send_at=datetime.now(UTC))
    await handle.resume(by="li")
    await until(handle.status, lambda status: status.phase == "awaiting_approval")
    await handle.approve(by="li")
    assert (await handle.result(within=WITHIN)).outcome == "sent"


async def test_a_planned_send_is_aborted_before_its_time(side: Side) -> None:
    """Its status tells the time that it waits for."""
    if side.fake:
        side.fake.waits_for_its_time()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    handle = await side.send(send_at=tomorrow.isoformat())
    status = await until(handle.status, lambda status: status.phase == "scheduled")
    waits = status.waiting_for
    assert waits is not None
    assert (status.answers, waits.reason, waits.until) == (("pause", "reschedule", "abort"), "send_at", tomorrow)
    await handle.abort(by="li", reason="wrong text")
    with pytest.raises(MassSendFailed) as caught:
        await handle.result(within=WITHIN)
    assert (caught.value.result.outcome, caught.value.result.jobs) == ("aborted", ())


async def test_there_is_no_send_under_an_unknown_key(side: Side) -> None:
    """Each method says so."""
    handle = side.handle("never")
    with pytest.raises(NoSuchSend, match=handle.id):
        await handle.status()
    with pytest.raises(NoSuchSend):
        await handle.result(within=WITHIN)
    with pytest.raises(NoSuchSend):
        await handle.accepted(within=WITHIN)
    with pytest.raises(NoSuchSend):
        await handle.abort(by="li", reason="a test")
