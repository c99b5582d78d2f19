"""Somebody else has used the key of a list, or of one of its batches: nothing is taken for what it is not."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from qunfa.contract.batches import AudiencePlan, BatchRow, ReportStep, batch_key
from qunfa.contract.facts import Known
from qunfa.contract.grants import Wish
from qunfa.contract.steps import Pinned, WishStep
from tests.send.arbitrary_facts import a_try
from tests.workflows.conftest import Desk
from tests.workflows.model import accepts, says
from tests.workflows.test_in_batches import FILE, batch, failed, refused, sent_to, terminated

OTHERS: dict[str, dict[str, Any]] = {
    "audience": {**FILE, "uri": "file:/srv/lists/autumn.txt"},
    "message": {"msgtype": "text", "content": "别的"},
}


async def test_a_stranger_under_a_batchs_key_hides_none(real_desk: Desk) -> None:
    """A plain send under it was refused, and did nothing. The run before that of its id is the batch's."""
    desk = real_desk
    desk.wechat.script = [accepts, accepts, says(40003)]
    await terminated(desk, "hidden")
    assert "stands for other content" in await refused(await desk.start("hidden.2"))
    second = await desk.start("hidden", audience=FILE, approval={"required": True}, requested_by="wang")
    await desk.waits(second, "approval")
    await desk.update(second, "abort")
    result = await second.result()
    assert (result.outcome, [job.state for job in result.jobs]) == ("partly_sent", ["sent", "sent", "refused"])
    assert (await batch(desk, 3, "hidden").describe()).status is WorkflowExecutionStatus.FAILED


async def test_a_batch_that_cannot_be_followed_may_be_delivered(real_desk: Desk) -> None:
    """A stranger runs under its key. What became of the batch before that is the ledger's to say."""
    desk = real_desk
    desk.wechat.script = [accepts, says(40003)]
    await terminated(desk, "follow")
    key, goes_on = batch_key("follow", 1), asyncio.Event()

    async def held(step: WishStep) -> None:
        if step.wish.key == key:
            await goes_on.wait()

    desk.slow.before_wish = held
    stranger = await desk.start(key)
    result = await failed(await desk.start("follow", audience=FILE))
    goes_on.set()
    assert "stands for other content" in await refused(stranger)
    assert result.problem is not None
    assert (result.outcome, result.problem.name, result.may_have_been_delivered) == ("unknown", "key_reused", True)
    assert [job.state for job in result.jobs] == ["unknown", "refused"]


async def test_a_request_that_ends_at_once_adopts_no_other(real_desk: Desk) -> None:
    """It is too late, and has another message or audience: what was sent before is none of it, and goes on."""
    desk = real_desk
    desk.wechat.script = [accepts, says(40003)]
    await terminated(desk, "late")
    late = {"audience": FILE, "not_after": await desk.env.get_current_time() - timedelta(hours=1)}
    for name, other in OTHERS.items():
        said = await refused(await desk.start("late", **{**late, name: other}))
        assert ("stands for other content" in said, 'under "late.1" was delivered' in said) == (True, True), name
        assert (await batch(desk, 2, "late").describe()).status is WorkflowExecutionStatus.RUNNING
    own = await (await desk.start("late", **late)).result()
    assert (own.outcome, [job.state for job in own.jobs]) == ("partly_sent", ["sent", "refused"])
    assert await sent_to(desk) == [1, 2]


async def test_a_batch_without_a_try_ends_no_looking_back(real_desk: Desk) -> None:
    """Temporal has forgotten all batches. The ledger knows that one was begun, and the one behind it may be sent."""
    desk = real_desk
    handle = await desk.start("no-try", audience=FILE, approval={"required": True}, requested_by="wang")
    await desk.waits(handle, "approval")
    wish = Wish(wish="w", key="no-try", digest="d", workflow_id=handle.id, run_id="gone", number=1, searched=True)
    for number, known in enumerate((Known(), Known(tries=(a_try(lost=True),))), 1):
        key = f"no-try.{number}"
        begun = {"wish": key, "key": key, "workflow_id": batch(desk, number, "no-try").id, "known": known}
        await desk.account.signal("wants", wish.model_copy(update=begun))
    await desk.update(handle, "abort")
    result = await failed(handle)
    assert (result.outcome, [job.state for job in result.jobs]) == ("unknown", ["new", "unknown"])


@pytest.mark.parametrize("message", ["text", "image"])
async def test_an_early_end_tells_what_the_store_alone_knows(real_desk: Desk, message: str) -> None:
    """All of it was deleted. The content of a picture is not known yet, and the report may be of another one."""
    desk, key, now = real_desk, f"stored-{message}", await real_desk.env.get_current_time()
    rows = tuple(BatchRow(number=one, outcome="deleted", may_have_been_delivered=True, msg_id=one) for one in (1, 2, 3))
    desk.store.plans[key] = AudiencePlan(digest="a" * 64, openids=25_000, batches=3, taken_at=now)
    account = Pinned(name="demo", appid="wx", base_url="https://api.weixin.qq.com")
    desk.store.reports.append(ReportStep(account=account, key=key, plan="a" * 64, rows=rows))
    picture = {"message": {"msgtype": "image", "images": [{"uri": "file:/poster.png"}]}} if message == "image" else {}
    late = await desk.start(key, audience=FILE, not_after=now - timedelta(hours=1), **picture)
    result = await late.result()
    assert desk.store.reports[-1].fresh == 1, "nothing is in doubt"
    told = [(job.msg_id, job.state) for job in result.jobs]
    if message == "image":
        assert (result.outcome, told) == ("partly_sent", [])
    else:
        assert (result.outcome, told) == ("deleted", [(one, "deleted") for one in (1, 2, 3)])
