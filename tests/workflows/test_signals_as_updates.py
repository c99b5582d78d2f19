"""A pause, an abort or a freeze that is sent as a signal: Temporal says that it succeeded, and it stops nothing."""

from datetime import UTC, datetime, timedelta

from temporalio.worker import Replayer

from qunfa.contract.result import JobFinished
from qunfa.temporal.payloads import data_converter
from tests.looking import until
from tests.workflows.conftest import Desk
from tests.workflows.test_refused_requests import page
from workflows.account import Account
from workflows.mass_send import MassSend


async def test_a_signal_named_as_an_update_is_shown_once(real_desk: Desk) -> None:
    """On the page and in the story, in whose place an operator looks whether the send is paused. A replay agrees."""
    desk = real_desk
    handle = await desk.start(send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    for name in ("pause", "hello", "pause"):
        await handle.signal(name, {"by": "li", "reason": "wrong text"})
    said = "the signal pause changed nothing: send it as an update"
    status = await desk.until(handle, lambda status: any(line.what == said for line in status.history))
    assert (status.phase, [line.what for line in status.history].count(said)) == ("scheduled", 1)
    assert said in await page(handle)
    await desk.update(handle, "abort")
    await until(handle.describe, lambda found: found.close_time is not None)
    replayer = Replayer(workflows=[MassSend], data_converter=data_converter)
    await replayer.replay_workflow(await handle.fetch_history())


async def test_a_freeze_sent_as_a_signal_is_on_the_page(real_desk: Desk) -> None:
    """Of an account that is as open as before."""
    desk = real_desk
    await desk.wechat.signal("push", JobFinished(msg_id=1, status="send success"))
    await desk.account.signal("freeze", {"by": "li", "reason": "wrong text"})
    shown = await until(lambda: page(desk.account), lambda shown: "The signal `freeze` of" in shown)
    assert "changed nothing: send it as an update" in shown
    assert (await desk.ledger()).frozen is None
    await Replayer(workflows=[Account], data_converter=data_converter).replay_workflow(
        await desk.account.fetch_history()
    )
