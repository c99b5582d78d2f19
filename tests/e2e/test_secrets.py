"""No secret and no token in a history, a log line or a metric, whatever goes well or wrong."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import WorkflowFailureError

from tests.callback.pushing import signed
from tests.e2e.commands import qunfa
from tests.e2e.processes import configuration, listening, logged, running, stopped
from tests.e2e.stage import CALLBACK_TOKEN, SECRET, TOKEN_LIKE, Scene
from tests.looking import until
from tests.media.samples import noise, picture, recording
from tests.media.sources.site import Reaction, Site, response, says, serve
from tests.notices import webhook
from tests.notices.webhook import Receiver, answers, receiving
from tests.ports import free_address

SIGNATURE = "SIGNATURE-that-opens-the-store-0123456789"
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
MANY = {"to_all_per_month": 100, "user_per_month": 100}


async def leaked(scene: Scene, seen: dict[str, bytes], *more: str) -> dict[str, list[bytes]]:
    """The secrets in each place where there are some."""
    asked = {"grant_type": "client_credential", "appid": scene.appid, "secret": SECRET}
    async with httpx.AsyncClient(trust_env=False) as http:
        token = (await http.post(f"{scene.sim.url}/cgi-bin/stable_token", json=asked)).json()["access_token"]
    assert TOKEN_LIKE.fullmatch(token.encode())
    secrets = [one.encode() for one in (SECRET, CALLBACK_TOKEN, token, "access_token=", "signature=", *more)]
    found = {
        place: [secret for secret in secrets if secret in text] + TOKEN_LIKE.findall(text)
        for place, text in seen.items()
    }
    return {place: some for place, some in found.items() if some}


async def histories(scene: Scene, others: int = 1) -> dict[str, bytes]:
    """Every history of the account as it stands, once Temporal's list shows the sends and so many others."""
    query = f'TaskQueue = "{scene.queue}"'

    async def listed() -> list[Any]:
        return [one async for one in scene.client.list_workflows(query)]

    found = await until(listed, lambda runs: len(runs) >= len(scene.started) + others)
    handles = [scene.client.get_workflow_handle(one.id, run_id=one.run_id) for one in found]
    return {
        f"history of {handle.id.rpartition(':')[2]}": b"".join(
            [event.SerializeToString() async for event in handle.fetch_history_events()]
        )
        for handle in handles
    }


async def fails(scene: Scene, key: str, **more: Any) -> str:
    """A send that fails; what its failure says."""
    with pytest.raises(WorkflowFailureError) as caught:
        await scene.result(await scene.start(key, on_problem="fail", **more))
    return str(caught.value.cause)


async def test_no_secret_leaves_the_processes(scene: Scene, tmp_path: Path) -> None:
    """Worker and receiver at DEBUG level, through successes and failures, and with a webhook in every mood."""
    metrics, receivers = free_address(), free_address()
    logs = {name: tmp_path / f"{name}.log" for name in ("receiver", "worker")}
    debug = {"QUNFA_LOG_LEVEL": "DEBUG", "QUNFA_METRICS__RECEIVER": receivers}
    async with AsyncExitStack() as stack:
        told = await stack.enter_async_context(receiving())
        told.script = [answers(500), answers(302, f"Location: {told.url}"), answers(410)]
        config = configuration(scene, tmp_path, metrics=metrics, more=hook(told))
        command = ["-m", "qunfa.cli", "callback"]
        receiver = await stack.enter_async_context(running(scene, command, config, debug, logs["receiver"]))
        worker = await stack.enter_async_context(running(scene, ["worker.py"], config, debug, logs["worker"]))
        await logged(logs["receiver"], '"connected"')
        await logged(logs["worker"], '"started"')
        scene.callback = f"{await listening(logs['receiver'])}/wechat/{scene.account}"
        await scene.simulate(limits=MANY)
        await a_batch(scene)
        await told.until(lambda: len(told.posts) >= len(scene.started) + 2)
        await logged(logs["worker"], "did not reach")
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.post(scene.callback, params=signed("another-token"), content=b"<xml/>")
            await http.post(scene.callback, params=signed(CALLBACK_TOKEN), content=b"<xml><broken>")
            seen = {
                "worker metrics": (await http.get(f"http://{metrics}/metrics")).content,
                "receiver metrics": (await http.get(f"http://{receivers}/metrics")).content,
            }
        assert [await stopped(worker), await stopped(receiver)] == [0, 0]
    seen |= {f"{name} log": log.read_bytes() for name, log in logs.items()}
    seen |= await histories(scene, len(scene.started) + 4)  # their notices, and what the commands have started
    assert b"temporal_workflow_failed" in seen["worker metrics"]
    assert b"MASSSENDJOBFINISH" in seen["receiver log"]
    assert b"48001" in seen["history of refused"]
    assert any(b"answers 410 Gone" in text for text in seen.values())
    bare = webhook.SECRET.removeprefix("whsec_")
    assert await leaked(scene, seen, "a-SECRET", webhook.SECRET, webhook.OTHER, bare) == {}


def hook(told: Receiver) -> str:
    """The account's webhook as it stands in `qunfa.toml`."""
    return f'notices.oncall = {{url = "{told.url}", secret = "{webhook.SECRET}", secret_old = "{webhook.OTHER}"}}'


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
        await fails(scene, key)
    await commands(scene)
    scene.plan(drop=True)
    silent = await scene.start("silent", result={"push_timeout": 1, "poll_interval": 1})
    assert (await scene.result(silent)).jobs[0].observed_by == "poll"


async def commands(scene: Scene) -> None:
    """What WeChat is asked by commands, some of which find a dead token, or no answer."""
    scene.fault("errcode", "speed/set", errcode=40001)
    for endpoint in ("quota/get", "callback/check"):
        scene.fault("reset_after_accept", endpoint)
    why = ("--reason", "r", "--yes")
    for words in (("quota", scene.account), ("speed", scene.account, "set", "1", *why), ("doctor", scene.account)):
        shown = await qunfa(scene, *words)
        assert await leaked(scene, {words[0]: shown.output.encode()}) == {}
    assert (
        "only articles and videos can be recalled"
        in (await qunfa(scene, "recall", f"{scene.account}/well", *why)).output
    )


def at(site: Site, path: str, *contents: bytes) -> dict[str, Any]:
    """An image message by the signed URL of a page that gives these contents in turn, and the last for ever."""
    target, reactions = f"{path}?sig={SIGNATURE}", [says(content) for content in contents]

    async def react(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now: Reaction = reactions.pop(0) if len(reactions) > 1 else reactions[0]
        await now(reader, writer)

    site.pages[target] = react
    return {"msgtype": "image", "images": [{"uri": site.url(target)}]}


async def uploads(scene: Scene, site: Site) -> None:
    """Uploads that go well, break off, are refused, and sources that are bad, gone, away for a while, or change."""
    good, gone = response(picture()), response(b"", status="404 Not Found")
    later = response(b"", status="503 Later")
    scene.fault("reset_in_upload", "media/upload")
    sent = {"well": at(site, "/well.png", good), "away-later": at(site, "/away.png", good, later, good)}
    handles = [await scene.start(key, message=message) for key, message in sent.items()]
    refusals = {
        "bad": at(site, "/bad.png", response(b"text")),
        "cut": at(site, "/cut.png", response(noise(size=(30, 30))[:-100])),
        "gone": at(site, "/missing.png", gone),
        "strange": {"msgtype": "image", "images": [{"uri": f"https://store.example.com/a.png?sig={SIGNATURE}"}]},
    }
    for key, message in refusals.items():
        assert SIGNATURE not in await scene.refusal(await scene.start(key, message=message))
    for key, contents in {"changed": (good, response(picture(colour="blue"))), "vanished": (good, gone)}.items():
        assert SIGNATURE not in await fails(scene, key, message=at(site, f"/{key}.png", *contents))
    for handle in handles:
        assert (await scene.result(handle)).outcome == "sent"
    scene.fault("errcode", "media/upload", errcode=48001)
    voice = {"msgtype": "voice", "media": at(site, "/a.mp3", response(recording()))["images"][0]}
    await fails(scene, "refused", message=voice)


async def failures(scene: Scene) -> bytes:
    """Every failure in the histories, and all that the sends show to operators."""
    found: list[bytes] = []
    for handle in scene.started:
        found.append((await scene.status(handle)).model_dump_json().encode())
        async for event in handle.fetch_history_events():
            kind = event.WhichOneof("attributes")
            attributes = getattr(event, kind or "")
            there = {"failure", "last_failure"}.intersection(attributes.DESCRIPTOR.fields_by_name)
            found += [getattr(attributes, name).SerializeToString() for name in there]
    return b"".join(found)


@pytest.mark.long
async def test_no_secret_is_left_by_uploads(scene: Scene, tmp_path: Path) -> None:
    """A worker at DEBUG level: the signature stands in the request itself, and nowhere in a log, failure or status."""
    log = tmp_path / "worker.log"
    await scene.simulate(limits=MANY)
    async with serve() as site:
        media = f'[media]\nroots = ["{scene.stage.media}"]\nhosts = ["{site.authority}"]'
        config = configuration(scene, tmp_path, more=media)
        async with running(scene, ["worker.py"], config, {"QUNFA_LOG_LEVEL": "DEBUG"}, log) as worker:
            await logged(log, '"started"')
            await uploads(scene, site)
            seen = {"failures": await failures(scene)}
            assert await stopped(worker) == 0
    seen["log"] = log.read_bytes()
    assert b"503" in seen["failures"]
    assert b"48001" in seen["failures"]
    assert await leaked(scene, seen, SIGNATURE) == {}
    seen |= await histories(scene)
    assert SIGNATURE.encode() in seen["history of well"]
    assert await leaked(scene, seen) == {}
