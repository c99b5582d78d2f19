"""The views of the operators' guide, asked of a real Temporal with sends in every state."""

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import eq
from typing import Any

from qunfa.contract.ids import parse_mass_send_id
from qunfa.rules.calendar import shanghai_day
from tests.e2e.stage import Scene
from tests.looking import until
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
    scene.fault("reset_before_accept", times=None)
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    await scene.asks(await scene.start("unknown", not_after=soon), "unknown_outcome")
    scene.sim.world.faults.clear()
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


def _in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def test_each_view_finds_what_it_says_and_nothing_else(scene: Scene) -> None:
    """As the guide has them, with today's date, this account and a msg_id in their places."""
    today = shanghai_day(datetime.now(UTC))  # of what has failed since: it may be midnight before the list is read
    msg_id = await in_every_state(scene)
    everything = {
        *("operator", "failed", "reprint", "unknown", "sent", "awaiting"),
        *("approval", "paused", "later", "frozen"),
    }
    expected = {
        "needs an operator": {"operator", "reprint", "unknown"},
        "waits for approval": {"approval"},
        "paused": {"paused"},
        "due, or held back by its time, its turn or a freeze": {"later", "frozen"},
        "accepted, without a result yet": {"awaiting"},
        "unknown: may have been delivered": {"unknown"},
        "failed today": {"failed"},
        "one account": everything,
        "one problem": {"reprint"},
        "one message, by its msg_id": {"sent"},
        "the accounts, each with its switch": set(),
    }
    assert VIEWS.keys() == expected.keys()
    places = {"2026-12-01": today, "'demo'": f"'{scene.account}'", "3147483650": msg_id}
    for view, text in VIEWS.items():
        query = re.sub("|".join(places), lambda example: places[example[0]], text)
        await until(partial(keys, scene, query), partial(eq, expected[view]))
    accounts = [one.id async for one in scene.client.list_workflows(VIEWS["the accounts, each with its switch"])]
    assert scene.ledger_handle.id in accounts
