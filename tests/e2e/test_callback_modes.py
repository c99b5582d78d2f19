"""A simulated WeChat and the real receiver, in every mode and format: what is right gets through, nothing else does."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from qunfa.cli.callback_report import CallbackReport
from qunfa.contract import MassSendResult
from qunfa.contract.ids import CHECK_CALLBACK
from qunfa.settings import Settings
from tests.e2e.processes import ROOT, Ended, ended, environment
from tests.e2e.stage import CALLBACK_TOKEN, Scene
from tests.e2e.staging import receiving, receiving_at, temporal_at, until_ready
from tests.looking import PATIENCE, look_again
from tests.workflows.failures import failure_of

pytestmark = pytest.mark.long

AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
NEW = {"token": "newTOKEN0123456789", "aes_key": "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba"}
MODES = pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
SOON = {"push_timeout": 1, "poll_interval": 1}
Json = dict[str, Any]


def settings_of(scene: Scene, callback: Json) -> Settings:
    """A receiver's configuration, with this callback of the scene's account."""
    raw = scene.stage.settings.model_dump()
    account = raw["accounts"][scene.account] | {"callback": {"token": CALLBACK_TOKEN, "aes_key": AES_KEY, **callback}}
    return Settings.model_validate({**raw, "accounts": {scene.account: account}})


async def simulate(scene: Scene, receiver: str, callback: Json, push: Json | None = None) -> None:
    """WeChat as new, with this server configuration of the scene's account."""
    url = f"{receiver}/wechat/{scene.account}"
    await scene.simulate(push=push, callback={"url": url, "token": CALLBACK_TOKEN, "aes_key": AES_KEY, **callback})


@asynccontextmanager
async def meeting(scene: Scene, here: Json, there: Json, push: Json | None = None) -> AsyncIterator[str]:
    """A receiver with one configuration, and WeChat with another; gives the receiver's address."""
    async with receiving_at(settings_of(scene, here), scene.stage.address) as receiver:
        await simulate(scene, receiver, there, push)
        yield receiver


async def sent(scene: Scene, key: str = "spring", **more: Any) -> tuple[str, str | None]:
    """What became of a send, and who told it."""
    return seen(await scene.result(await scene.start(key, **more)))


def seen(result: MassSendResult) -> tuple[str, str | None]:
    """The outcome, and who told it."""
    [job] = result.jobs
    return result.outcome, job.observed_by


def statuses(scene: Scene) -> list[int | None]:
    """The HTTP status of each try of a push."""
    return [one.reply.http_status for one in scene.sim.world.courier.log]


@pytest.mark.parametrize("form", ["xml", "json"])
@MODES
async def test_a_send_goes_through(scene: Scene, mode: str, form: str) -> None:
    """The push tells the verdict and the counts, at the first try."""
    async with meeting(scene, {"mode": mode}, {"mode": mode, "format": form}):
        result = await scene.result(await scene.start())
    assert seen(result) == ("sent", "push")
    assert result.totals is not None
    assert result.totals.sent == scene.simulated.config.followers
    assert await scene.everyone_once()
    assert [(one.reply.http_status, one.reply.body) for one in scene.sim.world.courier.log] == [(200, "success")]
    assert (await scene.ledger()).kept == ()


@pytest.mark.parametrize("lists", ["objects", "items", "single"])
@pytest.mark.parametrize("articles", [1, 2])
async def test_articles_are_read_however_json_lists_them(scene: Scene, lists: str, articles: int) -> None:
    """Checks and addresses of all articles, whichever of the undocumented forms WeChat uses."""
    items = [{"ArticleIdx": idx, "AuditState": 2, "CanReprint": 1} for idx in range(1, articles + 1)]
    urls = [f"https://mp.weixin.qq.com/s/{idx}" for idx in range(1, articles + 1)]
    there = {"mode": "safe", "format": "json", "json_lists": lists}
    async with meeting(scene, {"mode": "safe"}, there):
        scene.plan(status="err(30003)", check_state=3, copyright=items, article_urls=urls)
        failure = await failure_of(await scene.start(on_problem="fail"))
    [job] = failure.jobs
    assert (job.status, job.check_state, job.observed_by) == ("err(30003)", 3, "push")
    assert [(one.idx, one.audit_state, one.can_reprint, one.url) for one in job.articles] == [
        (idx, 2, True, url) for idx, url in enumerate(urls, 1)
    ]


@pytest.mark.parametrize(
    ("here", "there", "status"),
    [
        ({"mode": "safe"}, {"mode": "plain"}, 403),
        ({"mode": "compat"}, {"mode": "plain"}, 403),
        ({"mode": "plain"}, {"mode": "safe"}, 400),
        ({"mode": "safe"}, {"mode": "safe", "aes_key": NEW["aes_key"]}, 403),
        ({"mode": "safe"}, {"mode": "safe", "token": NEW["token"]}, 403),
        ({"mode": "safe"}, {"mode": "plain", "format": "json"}, 403),
    ],
    ids=["plain for safe", "plain for compat", "safe for plain", "another key", "another token", "JSON for safe"],
)
async def test_a_push_of_another_configuration_is_refused(scene: Scene, here: Json, there: Json, status: int) -> None:
    """However often it is tried; the send is settled by asking WeChat."""
    async with meeting(scene, here, there, {"spacing": 0}):
        assert await sent(scene, result=SOON) == ("sent", "poll")
        assert await scene.everyone_once()
    assert statuses(scene) == [status] * 3
    assert (await scene.ledger()).kept == ()


@pytest.mark.parametrize("mode", ["compat", "safe"])
async def test_a_forged_verdict_in_the_clear_is_not_believed(scene: Scene, mode: str) -> None:
    """Rightly signed for a plain push, of the right job, before the real one: refused where encryption is wanted."""
    async with meeting(scene, {"mode": mode}, {"mode": mode}):
        scene.plan(forged="verdict")
        assert await sent(scene) == ("sent", "push")
        await scene.sim.world.settled()
    assert statuses(scene) == [403, 200]


@pytest.mark.parametrize("repeats", ["signed_anew", "unchanged"])
@pytest.mark.parametrize("mode", ["plain", "safe"])
async def test_wechats_own_repetition_passes(scene: Scene, mode: str, repeats: str) -> None:
    """A push that was answered 503 while Temporal was away comes again, signed anew or not, and is taken."""
    with temporal_at("127.0.0.1:9"):
        async with receiving(settings_of(scene, {"mode": mode})) as receiver:
            await simulate(scene, receiver, {"mode": mode}, {"spacing": 4000, "repeats": repeats})
            handle = await scene.start()
            await scene.sim.world.until(lambda: statuses(scene) == [503])
            with temporal_at(scene.stage.address):
                await until_ready(receiver)
            scene.sim.world.clock.advance(21)
            assert seen(await scene.result(handle)) == ("sent", "push")
    assert statuses(scene) == [503, 200]


@pytest.mark.parametrize("skew", [-3600, 3600])
@pytest.mark.parametrize("mode", ["plain", "safe"])
async def test_a_push_of_another_hour_is_refused(scene: Scene, mode: str, skew: int) -> None:
    """Somebody has overheard it, or a clock is wrong; nothing is lost by it."""
    async with meeting(scene, {"mode": mode}, {"mode": mode}, {"skew": skew, "tries": 1}):
        assert await sent(scene, result=SOON) == ("sent", "poll")
    assert [(one.reply.http_status, one.reply.body) for one in scene.sim.world.courier.log] == [(403, "stale")]


async def test_no_push_is_lost_in_a_rotation(scene: Scene) -> None:
    """Old and new token and key are taken, before the console changes and after it."""
    here = {"mode": "safe", **NEW, "token_old": CALLBACK_TOKEN, "aes_key_old": AES_KEY}
    async with meeting(scene, here, {"mode": "safe"}) as receiver:
        assert await sent(scene, "before") == ("sent", "push")
        await simulate(scene, receiver, {"mode": "safe", **NEW})
        assert await sent(scene, "after") == ("sent", "push")


@MODES
async def test_the_console_verifies_the_url(scene: Scene, mode: str) -> None:
    """With the right token, whatever the mode; with another one it does not."""
    async with (
        meeting(scene, {"mode": mode}, {"mode": mode}),
        httpx.AsyncClient(base_url=scene.sim.url, trust_env=False) as wechat,
    ):
        found = (await wechat.post("/_sim/verify", json={"account": scene.account})).json()
        forged = (await wechat.post("/_sim/verify", json={"account": scene.account, "signed": False})).json()
    assert (found["verified"], forged["verified"], forged["http_status"]) == (True, False, 403)


async def check(scene: Scene, folder: Path, receiver: str, mode: str, *args: str) -> Ended:
    """`qunfa callback check` as a process whose configuration names an AppSecret that nobody can read."""
    file = folder / "qunfa.toml"
    file.write_text(
        f"""
task_queue = "{scene.queue}"
[accounts.{scene.account}]
appid = "{scene.appid}"
secret_file = "{folder}/nowhere"
kind = "service"
callback = {{token = "{CALLBACK_TOKEN}", aes_key = "{AES_KEY}", mode = "{mode}"}}
""",
        encoding="utf-8",
    )
    command = ("-m", "qunfa.cli", "callback", "check", scene.account, "--url", f"{receiver}/wechat/{scene.account}")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *args,
        cwd=ROOT,
        env=environment(scene.stage.address, QUNFA_CONFIG=str(file)),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    return await ended(process)


@MODES
async def test_the_callback_can_be_checked(scene: Scene, tmp_path: Path, mode: str) -> None:
    """From the URL to Temporal, and by WeChat through a worker; the ledger stays as it was, and no secret is shown."""
    async with meeting(scene, {"mode": mode}, {"mode": mode}) as receiver:
        assert await sent(scene) == ("sent", "push")
        before = await scene.ledger()
        answer = await check(scene, tmp_path, receiver, mode, "--json")
    assert answer.code == 0, answer.stdout + answer.stderr
    report = CallbackReport.model_validate_json(answer.stdout)
    assert [(step.name, step.state) for step in report.steps] == [
        ("url", "ok"), ("push", "ok"), ("temporal", "ok"), ("wechat", "ok"),
    ]  # fmt: skip
    assert report.wechat is not None
    assert report.wechat.view is not None
    assert [(ping.ip, ping.loss) for ping in report.wechat.view.ping] == [("127.0.0.1", "0%")]
    assert await scene.ledger() == before
    assert CALLBACK_TOKEN not in answer.stdout + answer.stderr
    assert AES_KEY not in answer.stdout + answer.stderr
    looks = f"WorkflowType = '{CHECK_CALLBACK}' AND ExecutionStatus = 'Completed'"
    async with asyncio.timeout(PATIENCE):
        while not [one async for one in scene.client.list_workflows(looks) if f":{scene.account}:" in one.id]:
            await look_again()


async def test_a_callback_that_does_not_fit_is_found_out(scene: Scene, tmp_path: Path) -> None:
    """Exit 1: the receiver has another mode than is configured here, and WeChat has no URL at all."""
    async with receiving_at(settings_of(scene, {"mode": "safe"}), scene.stage.address) as receiver:
        await scene.simulate(callback=None)
        answer = await check(scene, tmp_path, receiver, "plain")
    assert answer.code == 1
    lines = answer.stdout.splitlines()
    states = [line.split()[:2] for line in lines if line.split()[:1] in (["ok"], ["failed"], ["skipped"])]
    assert states == [["ok", "url"], ["failed", "push"], ["skipped", "temporal"], ["failed", "wechat"]]
    assert "40201" in answer.stdout
    assert lines[-1] == "Failed: push, wechat."
