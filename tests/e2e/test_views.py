"""What operators find in Temporal: the views of their guide, with sends in every state, and the pages."""

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any

from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowHandle

from qunfa.contract.ids import parse_mass_send_id
from qunfa.rules.calendar import shanghai_day
from qunfa.rules.problems import PROBLEMS
from tests.cli.calls import until_listed
from tests.e2e.processes import configuration, running
from tests.e2e.stage import Scene
from tests.looking import until
from tests.media.samples import picture
from tests.project.guide import VIEWS
from tests.workflows.failures import failure_of

APPROVAL: dict[str, Any] = {"approval": {"required": True}, "requested_by": "crm"}


async def keys(scene: Scene, query: str) -> set[str]:
    """The keys of this account's sends that a query finds."""
    found = [parse_mass_send_id(one.id) async for one in scene.client.list_workflows(query)]
    return {one.key for one in found if one and one.account == scene.account}


async def in_every_state(scene: Scene) -> str:
    """One send in each state that a view is for, named for it; the msg_id of the one that was sent."""
    scene.fault("errcode", errcode=48001)
    await scene.asks(await scene.start("operator"), "account_refused")
    scene.fault("errcode", errcode=48001)
    await failure_of(await scene.start("failed", on_problem="fail"))
    scene.plan(reprint="allowed")
    await scene.asks(await scene.start("reprint"), "reprint_needs_decision")
    await _in_doubt(scene)
    scene.fault("http_502", "media/upload", times=None)
    image = {"uri": scene.file("spring.jpg", picture("JPEG"))}
    await scene.start("preparing", message={"msgtype": "image", "images": [image]})
    sent = await scene.result(await scene.start("sent"))
    scene.plan(delay=10**6)
    awaiting = await scene.start("awaiting")
    await scene.until(awaiting, lambda status: status.phase == "awaiting_result")
    approval = await scene.start("approval", **APPROVAL)
    await scene.until(approval, lambda status: status.phase == "awaiting_approval")
    paused = await scene.start("paused", send_at=_in_an_hour())
    await scene.waits(paused, "send_at")
    await scene.update(paused, "pause")
    await scene.waits(await scene.start("later", send_at=_in_an_hour()), "send_at")
    await scene.freeze()
    await scene.waits(await scene.start("frozen"), "frozen")
    return str(sent.jobs[0].msg_id)


async def _in_doubt(scene: Scene) -> None:
    """A try that got no answer before its time was over; a slow machine is given more time for it."""
    scene.fault("reset_before_accept", times=None)
    for seconds in (1, 5, 25):
        soon = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        handle = await scene.start("unknown", not_after=soon)
        status = await scene.until(handle, lambda status: status.phase in {"needs_operator", "done"})
        if status.problem and status.problem.name == "unknown_outcome":
            break
    scene.sim.world.faults.clear()
    await scene.asks(handle, "unknown_outcome")


def _in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def test_each_view_finds_what_it_says_and_nothing_else(scene: Scene) -> None:
    """As the guide has them, with today's date, this account and a msg_id in their places."""
    today = shanghai_day(datetime.now(UTC))  # of what has failed since: it may be midnight before the list is read
    msg_id = await in_every_state(scene)
    everything = {
        *("operator", "failed", "reprint", "unknown", "sent", "awaiting"),
        *("approval", "paused", "preparing", "later", "frozen"),
    }
    expected = {
        "needs an operator": {"operator", "reprint", "unknown"},
        "waits for approval": {"approval"},
        "paused": {"paused"},
        "being prepared or previewed": {"preparing"},
        "due, or held back by its time, its turn or a freeze": {"later", "frozen"},
        "accepted, without a result yet": {"awaiting"},
        "unknown: may have been delivered": {"unknown"},
        "failed today": {"failed"},
        "one account": everything,
        "one problem": {"reprint"},
        "one message, by its msg_id": {"sent"},
        "the accounts, each with its switch": set(),
        "frozen accounts": set(),
    }
    assert VIEWS.keys() == expected.keys()
    places = {"2026-12-01": today, "'demo'": f"'{scene.account}'", "3147483650": msg_id}
    for view, text in VIEWS.items():
        query = re.sub("|".join(places), lambda example: places[example[0]], text)
        await until(partial(keys, scene, query), partial(eq, expected[view]))
    for view in ("the accounts, each with its switch", "frozen accounts"):
        await until_listed(scene.client, scene.ledger_handle.id, VIEWS[view])


async def page(handle: WorkflowHandle[Any, Any]) -> str:
    """The current details, as the UI asks for them."""
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return metadata.current_details


async def test_the_accounts_page_shows_its_switch_and_its_ledger(scene: Scene) -> None:
    """Open or frozen by whom, the pace, the sends of the day, and each key's state."""
    [job] = (await scene.result(await scene.start())).jobs
    assert (await scene.ledger_until(lambda view: view.records[0].ended_as)).records[0].ended_as == "sent"
    shown = await page(scene.ledger_handle)
    for part in (f"### {scene.appid}: open", "nothing in flight", "today 1 (1 to all)"):
        assert part in shown
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in shown.splitlines()]
    assert ("`spring`", "0", "1", str(job.msg_id), "sent", "sent") in rows
    await scene.freeze("the picture is wrong")
    shown = await page(scene.ledger_handle)
    for part in ("FROZEN", "by **li**", "the picture is wrong", '`unfreeze` with `{"by": "your name"}`'):
        assert part in shown


async def test_a_worker_that_speaks_chinese_writes_chinese_pages(scene: Scene, tmp_path: Path) -> None:
    """By its settings. Status, search attributes and history are the same English as ever."""
    config = configuration(scene, tmp_path, more='[display]\nlanguage = "zh"')
    scene.fault("errcode", errcode=48001)
    async with running(scene, ["worker.py"], config, {}, tmp_path / "worker.log"):
        handle = await scene.start()
        status = await scene.asks(handle, "account_refused")
        shown = await page(handle)
        for part in (
            "### 待人工处理（needs\\_operator）\n",
            "文本，发给 ",
            "#### account_refused\n",
            "**正在等待**：对 account\\_refused 的人工处理，最迟等到 ",
            "- 微信拒绝了这个公众号；什么都没有发出。",
            '更新 `retry`：`{"by": "your name", "reason": "…"}`',
        ):
            assert part in shown
        assert (await page(scene.ledger_handle)).startswith(f"### {scene.appid}：正常\n")
        assert status.problem is not None
        assert status.problem.sentence.startswith(PROBLEMS["account_refused"].sentence)
        found = partial(keys, scene, 'MassSendPhase = "needs_operator" AND MassSendProblem = "account_refused"')
        await until(found, partial(eq, {"spring"}))
        kept = b"".join([event.SerializeToString() async for event in handle.fetch_history_events()])
        assert not any(word.encode() in kept for word in ("微信", "公众号", "提交", "处理", "等待"))
