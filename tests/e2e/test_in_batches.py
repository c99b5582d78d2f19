"""A send in batches against the simulator: each openid gets it once, whoever dies meanwhile."""

import contextlib
import os
import re
import signal
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import WorkflowExecution

from qunfa.cli.view import SendView
from qunfa.contract import MassSendResult, mass_send_id
from qunfa.rules import calendar
from qunfa.wechat import OfficialAccount, OpenidPage, Token
from tests.e2e.commands import parsed, qunfa
from tests.e2e.own_worker import own_worker, own_worker_again
from tests.e2e.stage import Scene
from tests.looking import until

OPENIDS = 25_000
HISTORIES = 7
"""Of a send, of itself in batches, of its three batches, of one to a few, and of the account."""
A_DAY = timedelta(seconds=3)
"""How long a day of Shanghai lasts for the workers of a test that waits for the next one."""


def listed(scene: Scene) -> dict[str, str]:
    """An audience by a file of all openids, in which the first stand twice."""
    openids = scene.openids(OPENIDS)
    text = "\n".join([*openids, *openids[:5]]) + "\n"
    return {"kind": "openid_file", "uri": scene.file("all.txt", text.encode())}


def whole(result: MassSendResult) -> bool:
    """Whether all three batches were sent; one that was retried has a job more."""
    batches = {job.index for job in result.jobs}
    return (result.outcome, len(batches), result.totals and result.totals.sent) == ("sent", 3, OPENIDS)


async def test_a_file_of_openids_reaches_each_of_them_once(scene: Scene) -> None:
    """Three jobs, one after the other; a lost answer is found out about by its batch."""
    await scene.simulate(followers=OPENIDS + 1_000)
    scene.fault("reset_after_accept", endpoint="mass/send")
    handle = await scene.start(audience=listed(scene))
    result = await scene.result(handle)
    assert whole(result)
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)
    status = await scene.status(handle)
    assert (status.progress.done, status.progress.openids) == (3, OPENIDS)


async def test_no_history_has_an_openid_of_a_list(scene: Scene) -> None:
    """Neither that of the whole send, nor those of its batches, nor the account's; a send to two openids has them."""
    await scene.simulate(followers=OPENIDS)
    await scene.result(await scene.start(audience=listed(scene)))
    few = {"kind": "openids", "openids": scene.openids(2)}
    await scene.result(await scene.start("few", audience=few))
    openids = scene.openids(OPENIDS)
    prefix = openids[0][:6]
    assert all(one.startswith(prefix) for one in openids)
    found = await histories(scene)
    assert len(found) == HISTORIES
    named = [name for name, content in found.items() if re.search(rf"{prefix}[\w-]{{22}}".encode(), content)]
    assert [name.partition(" ")[0] for name in named] == [mass_send_id(scene.account, "few")]


async def histories(scene: Scene) -> dict[str, bytes]:
    """All histories of the account's sends and its own, once Temporal's list shows them."""
    query = f'WorkflowId STARTS_WITH "mass-send:{scene.account}:" OR WorkflowId = "{scene.ledger_handle.id}"'

    async def runs() -> list[WorkflowExecution]:
        return [one async for one in scene.client.list_workflows(query)]

    handles = [
        scene.client.get_workflow_handle(one.id, run_id=one.run_id)
        for one in await until(runs, lambda found: len(found) >= HISTORIES)
    ]
    return {
        f"{handle.id} {handle.run_id}": b"".join(
            [event.SerializeToString() async for event in handle.fetch_history_events()]
        )
        for handle in handles
    }


async def test_batches_beyond_the_calls_of_a_day_go_out_the_next_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third batch is refused for want of quota, says so, and waits; WeChat's next day is the workers' too."""
    hurry_days(monkeypatch)
    await scene.simulate(followers=OPENIDS, limits={"calls_per_day": {"mass": 2}})
    handle = await scene.start(audience=listed(scene))
    held = await scene.until(handle, lambda status: status.phase == "scheduled")
    assert (held.progress.done, held.progress.jobs, held.problem) == (2, 3, None)
    assert len(await scene.received()) == 16_666
    assert len(scene.jobs) == 2
    scene.sim.world.clock.advance(timedelta(days=1).total_seconds())
    assert whole(await scene.result(handle))
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)


def hurry_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the workers it is midnight in Shanghai every few seconds, and nobody waits longer than the others."""

    def midnight(moment: datetime) -> datetime:
        local = moment.astimezone(calendar.SHANGHAI)
        return local - timedelta(seconds=local.timestamp() % A_DAY.total_seconds())

    monkeypatch.setattr(calendar, "_DAY", A_DAY)
    monkeypatch.setattr(calendar, "_midnight", midnight)
    monkeypatch.setattr("qunfa.send.state._JITTER", timedelta(seconds=1))


async def test_a_freeze_holds_a_list_until_it_is_lifted(scene: Scene) -> None:
    """The batch that a person lets try again waits for the account, and so does the list; nothing is submitted."""
    await scene.simulate(followers=OPENIDS)
    scene.plan()
    next(scene.problem("admin_refused"))
    handle = await scene.start(audience=listed(scene))
    await scene.asks(handle, "admin_refused")
    await scene.freeze()
    await scene.update(handle, "retry")
    held = await scene.until(handle, lambda status: status.phase == "scheduled")
    assert (held.progress.done, len(scene.jobs)) == (1, 2)
    await scene.unfreeze()
    assert whole(await scene.result(handle))
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)


async def test_the_plan_in_the_store_keeps_its_key(scene: Scene) -> None:
    """The account has lost its ledger, and no run of a list has a try: a plain send under its key is refused."""
    audience = listed(scene)
    await scene.simulate(followers=OPENIDS)
    assert whole(await scene.result(await scene.start(audience=audience)))
    await scene.ledger_handle.terminate("by mistake")
    assert "stands for other content already" in await scene.refusal(await scene.start())
    assert whole(await scene.result(await scene.start(audience=audience)))
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)


async def test_no_page_of_followers_is_asked_for_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """WeChat breaks off between two pages: Temporal repeats the activity, which goes on where it stood."""
    await scene.simulate(followers=OPENIDS)
    ask = OfficialAccount.openids

    async def openids(self: OfficialAccount, token: Token, after: str = "") -> OpenidPage:
        if after and scene.calls("user/get") == 1:
            scene.fault("http_502", endpoint="user/get", accept=False)
        return await ask(self, token, after)

    monkeypatch.setattr(OfficialAccount, "openids", openids)
    assert whole(await scene.result(await scene.start(audience={"kind": "several", "of": [{"kind": "all"}]})))
    assert scene.calls("user/get") == 5  # two pages, the failure, half a page, and that nobody comes after it
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)


async def test_a_store_that_fails_is_told_and_waited_for(scene: Scene) -> None:
    """`qunfa status` has its words; the send goes on once somebody has mended it."""
    await scene.simulate(followers=OPENIDS)
    blocked = scene.stage.media / "store" / "audiences" / scene.account
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("a file stands where a folder should be")
    handle = await scene.start(audience=listed(scene))

    async def told() -> str:
        view = SendView.model_validate(parsed(await qunfa(scene, "status", f"{scene.account}/spring", "--json")))
        return "".join(work.failure or "" for work in view.work)

    assert "a part of its path is no folder" in await until(told)
    blocked.unlink()
    assert whole(await scene.result(handle))


@pytest.mark.long
async def test_a_plan_whose_process_is_killed_is_made_again(scene: Scene) -> None:
    """As where memory is short: the send goes on, and has one plan."""
    await scene.simulate(followers=OPENIDS)
    handle = await scene.start(audience=listed(scene))
    [planner] = await until(planners)
    os.kill(planner, signal.SIGKILL)
    assert whole(await scene.result(handle))
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)


async def planners() -> list[int]:
    """The processes in which this one plans."""
    return _planners()


def _planners() -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words, status = (path / "cmdline").read_bytes().split(b"\0"), (path / "status").read_text()
            if b"qunfa.audience.planner" in words and f"\nPPid:\t{os.getpid()}\n" in status:
                found.append(int(path.name))
    return found


@pytest.mark.long
async def test_another_worker_goes_on_with_the_batches(scene: Scene) -> None:
    """The first worker ends between two batches, or in one; the second goes on where it stood."""
    await scene.simulate(followers=OPENIDS)
    async with own_worker(scene):
        handle = await scene.start(audience=listed(scene))
        await until(lambda: _tried(scene), lambda tries: tries > 0)
    async with own_worker_again(scene, {}):
        assert whole(await scene.result(handle))
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)


@pytest.mark.long
async def test_a_list_that_is_started_again_reaches_each_once(scene: Scene) -> None:
    """The batch under way goes on alone, and the next run of the key follows it."""
    await scene.simulate(followers=OPENIDS)
    audience = listed(scene)
    await scene.start(audience=audience)
    await until(lambda: _tried(scene), lambda tries: tries > 0)
    await scene.client.get_workflow_handle(mass_send_id(scene.account, "spring")).terminate("by hand")
    assert whole(await scene.result(await scene.start(audience=audience)))
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)


async def _tried(scene: Scene) -> int:
    return len(scene.tries)


async def test_the_rest_of_a_split_gets_what_was_chosen(scene: Scene) -> None:
    """Groups a and b get a message each; nobody of the rest gets anything before, and nobody gets two."""
    await scene.simulate(followers=OPENIDS)
    other = {"msgtype": "text", "content": "春装到了"}
    split = {"a": 10, "b": 20, "rest": "winner"}
    handle = await scene.start(audience=listed(scene), split=split, message_b=other)
    status = await scene.asks(handle, "winner_not_chosen")
    assert status.answers == ("choose", "abort")
    tested = await scene.received()
    assert (len(scene.jobs), set(tested.values())) == (2, {1})
    assert 0.25 < len(tested) / OPENIDS < 0.35
    await scene.update(handle, "choose", winner="b")
    assert (await scene.result(handle)).outcome == "sent"
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)
    assert [job.content.text == other["content"] for job in scene.jobs] == [False, True, True, True]
