"""No secret and no token in a history, a log line or a metric, whatever goes well or wrong."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import WorkflowFailureError

from tests.callback.pushing import signed
from tests.e2e.processes import configuration, listening, logged, running, stopped
from tests.e2e.stage import CALLBACK_TOKEN, SECRET, Scene
from tests.looking import PATIENCE, look_again
from tests.ports import free_address

TOKEN_LIKE = re.compile(rb"\d+_[A-Za-z0-9_-]{100,}")
"""The form of WeChat's access tokens; no id or digest of ours, and no media_id of WeChat's, is so long."""

DEAD_TOKEN = {"kind": "errcode", "errcode": 42001}
SURVIVED: dict[str, list[dict[str, Any]]] = {
    "lost": [{"kind": "reset_after_accept"}],
    "broken": [{"kind": "broken_json"}],
    "dead": [{"kind": "errcode", "errcode": 40001}],
    "tokenless": [DEAD_TOKEN, {"kind": "errcode", "errcode": -1, "endpoint": "stable_token"}],
}
FATAL: dict[str, list[dict[str, Any]]] = {
    "refused": [{"kind": "errcode", "errcode": 48001}],
    "unwanted": [DEAD_TOKEN, {"kind": "errcode", "errcode": 40164, "endpoint": "stable_token"}],
}


async def test_no_secret_leaves_the_processes(scene: Scene, tmp_path: Path) -> None:
    """Worker and receiver at DEBUG level, through a batch of successes and failures."""
    metrics, receivers = free_address(), free_address()
    config = configuration(scene, tmp_path, metrics=metrics)
    logs = {name: tmp_path / f"{name}.log" for name in ("receiver", "worker")}
    debug = {"QUNFA_LOG_LEVEL": "DEBUG", "QUNFA_METRICS__RECEIVER": receivers}
    async with (
        running(scene, ["-m", "qunfa.cli", "callback"], config, debug, logs["receiver"]) as receiver,
        running(scene, ["worker.py"], config, debug, logs["worker"]) as worker,
    ):
        await logged(logs["receiver"], '"connected"')
        await logged(logs["worker"], '"started"')
        url = await listening(logs["receiver"])
        scene.callback = f"{url}/wechat/{scene.account}"
        await scene.simulate(limits={"to_all_per_month": 100, "user_per_month": 100})
        await a_batch(scene)
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.post(scene.callback, params=signed("another-token"), content=b"<xml/>")
            await http.post(scene.callback, params=signed(CALLBACK_TOKEN), content=b"<xml><broken>")
            seen = {
                "worker metrics": (await http.get(f"http://{metrics}/metrics")).content,
                "receiver metrics": (await http.get(f"http://{receivers}/metrics")).content,
            }
        assert [await stopped(worker), await stopped(receiver)] == [0, 0]
    seen |= {f"{name} log": log.read_bytes() for name, log in logs.items()} | await histories(scene)
    assert b"temporal_workflow_failed" in seen["worker metrics"]
    assert b"MASSSENDJOBFINISH" in seen["receiver log"]
    assert b"48001" in seen["history of refused"]
    token = (await current_token(scene)).encode()
    assert TOKEN_LIKE.fullmatch(token)
    secrets = [SECRET.encode(), CALLBACK_TOKEN.encode(), token, b"access_token=", b"signature="]
    for place, text in seen.items():
        assert [secret for secret in secrets if secret in text] == [], place
        assert TOKEN_LIKE.findall(text) == [], place


async def a_batch(scene: Scene) -> None:
    """Sends that go well, lose their answer, are refused, find no token, a dead one, and no push."""
    assert (await scene.result(await scene.start("well"))).outcome == "sent"
    for key, faults in SURVIVED.items():
        for fault in faults:
            scene.fault(**fault)
        assert (await scene.result(await scene.start(key))).outcome == "sent"
    for key, faults in FATAL.items():
        for fault in faults:
            scene.fault(**fault)
        with pytest.raises(WorkflowFailureError):
            await scene.result(await scene.start(key, on_problem="fail"))
    scene.plan(drop=True)
    silent = await scene.start("silent", result={"push_timeout": 1, "poll_interval": 1})
    assert (await scene.result(silent)).jobs[0].observed_by == "poll"


async def histories(scene: Scene) -> dict[str, bytes]:
    """Every history of the account, with its payloads as they stand, once Temporal's list shows all of them."""
    query = f'TaskQueue = "{scene.queue}"'
    async with asyncio.timeout(PATIENCE):
        while len(found := [one async for one in scene.client.list_workflows(query)]) <= len(scene.started):
            await look_again()
    handles = [scene.client.get_workflow_handle(one.id, run_id=one.run_id) for one in found]
    return {
        f"history of {handle.id.rpartition(':')[2]}": b"".join(
            [event.SerializeToString() async for event in handle.fetch_history_events()]
        )
        for handle in handles
    }


async def current_token(scene: Scene) -> str:
    """The access token that WeChat gives out now."""
    asked = {"grant_type": "client_credential", "appid": scene.appid, "secret": SECRET}
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{scene.sim.url}/cgi-bin/stable_token", json=asked)
    return str(answer.json()["access_token"])
