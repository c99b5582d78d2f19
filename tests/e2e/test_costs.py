"""What a send writes down, and what Temporal Cloud would bill for it: one that grows is noticed."""

from typing import Any

import pytest
from temporalio.api.history.v1 import HistoryEvent

from tests.bench.sends import actions
from tests.e2e.stage import Scene
from tests.media.samples import clip, picture

EVENTS = {"text": 29, "article": 81, "video": 57}
"""Of a send whose push comes, and that waits for no turn: one to three workflow tasks more than on a quiet machine."""
ACCOUNT_EVENTS = 26
"""That such a send adds to its account: one workflow task more."""
ACTIONS = {"text": 12, "article": 22, "video": 18}
"""Of both."""


def _message(scene: Scene, kind: str) -> dict[str, Any]:
    if kind == "text":
        return {"msgtype": "text", "content": "你好"}
    if kind == "video":
        return {"msgtype": "mpvideo", "media": {"uri": scene.file("a.mp4", clip())}, "title": "春", "description": "d"}
    pictures = [scene.file(f"{n}.png", picture(size=(40 + n, 30))) for n in range(3)]
    return scene.news("".join(f'<p>春<img src="{uri}"></p>' for uri in pictures))


async def _account_events(scene: Scene) -> list[HistoryEvent]:
    """Of the account, once all that was sent is taken."""
    await scene.ledger_until(lambda view: view.records and all(one.ended_as for one in view.records))
    return [event async for event in scene.ledger_handle.fetch_history_events()]


@pytest.mark.parametrize("kind", ["text", "article", "video"])
async def test_a_send_costs_no_more_than_it_did(scene: Scene, kind: str) -> None:
    """Events and billed actions of the second send of an account: the first one starts its ledger."""
    await scene.result(await scene.start("first"))
    before = await _account_events(scene)
    handle = await scene.start("second", audience={"kind": "tag", "tag_id": 2}, message=_message(scene, kind))
    await scene.result(handle)
    own, added = [event async for event in handle.fetch_history_events()], await _account_events(scene)
    added = added[len(before) :]
    counted = {"events": len(own), "account": len(added), "actions": actions(own) + actions(added)}
    assert counted["events"] <= EVENTS[kind], counted
    assert counted["account"] <= ACCOUNT_EVENTS, counted
    assert counted["actions"] <= ACTIONS[kind], counted
