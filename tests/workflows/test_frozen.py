"""Sends of a frozen account: how long their histories get, and what these say of the freeze."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from qunfa.contract.result import JobFinished
from qunfa.markdown import SUMMARY_BYTES
from qunfa.temporal.payloads import data_converter
from tests.looking import until
from tests.temporal import run_at_rest
from tests.workflows.conftest import Desk

pytestmark = pytest.mark.long

BIG = 100 * 1024


async def test_a_frozen_send_goes_on_by_the_bytes_of_its_history(
    monkeypatch: pytest.MonkeyPatch, real_desk: Desk
) -> None:
    """Its account answers once it is unfrozen. Until then some big signals would fill the history."""
    monkeypatch.setattr("workflows.waiting.BYTES_FULL", 4 * BIG)
    desk = real_desk
    await desk.wechat.signal("push", JobFinished(msg_id=1, status="send success"))
    await desk.freeze()
    handle = await desk.start()
    await desk.waits(handle, "frozen by li")
    numbers = count(100)

    async def run_after_another_word() -> str | None:
        await handle.signal("job_finished", {"msg_id": next(numbers), "status": "send success", "odd": "x" * BIG})
        return await run_at_rest(handle)

    await until(run_after_another_word, lambda run_id: run_id != handle.first_execution_run_id)
    await desk.waits(handle, "frozen by li")
    await desk.account.execute_update("unfreeze", {"by": "li", "reason": "right again"})
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1


async def test_a_long_reason_is_cut_in_the_history(real_desk: Desk) -> None:
    """Each summary has as many bytes as Temporal takes, in one line without what steers a terminal."""
    desk = real_desk
    await desk.wechat.signal("push", JobFinished(msg_id=1, status="send success"))
    await desk.freeze("冻\u202e" * 500)
    handle = await desk.start(not_after=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    await desk.waits(handle, "frozen by li: 冻")
    events = (await handle.fetch_history()).events
    summaries = [event.user_metadata.summary for event in events if event.user_metadata.HasField("summary")]
    texts = [str(text) for text in await data_converter.decode(summaries)]
    [timer] = [text for text in texts if text.startswith("frozen by li: 冻\\u202e冻")]
    assert len(timer.encode()) > SUMMARY_BYTES - 10
    assert all(len(text.encode()) <= SUMMARY_BYTES and text.isprintable() for text in texts)


@pytest.mark.history
async def test_an_account_that_was_restored_doubts_until_it_has_caught_up(real_desk: Desk) -> None:
    """A key that it may have forgotten is asked about; one that comes up later is new."""
    desk, taken = real_desk, (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    await desk.wechat.signal("push", JobFinished(msg_id=1, status="send success"))
    await desk.account.signal("restored", {"by": "li", "reason": "disk lost", "taken": taken})
    forgotten = await desk.start("forgotten")
    await desk.asks(forgotten, "unknown_outcome")
    await desk.account.execute_update("caught_up", {"by": "li"})
    assert (await (await desk.start("new")).result()).outcome == "sent"
    await desk.update(forgotten, "retry", confirm_not_delivered=True)
    assert (await forgotten.result()).outcome == "sent"
