"""A simulated WeChat and the real receiver, in every mode and format, and the check of a callback."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from qunfa.cli.callback_report import CallbackReport
from qunfa.settings import Settings
from tests.e2e.processes import Ended, ended, running
from tests.e2e.stage import CALLBACK_TOKEN, Scene
from tests.e2e.staging import receiving_at

pytestmark = pytest.mark.long

AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
Json = dict[str, Any]


def settings_of(scene: Scene, callback: Json) -> Settings:
    """A receiver's configuration, with this callback of the scene's account."""
    raw = scene.stage.settings.model_dump()
    account = raw["accounts"][scene.account] | {"callback": {"token": CALLBACK_TOKEN, "aes_key": AES_KEY, **callback}}
    return Settings.model_validate({**raw, "accounts": {scene.account: account}})


async def simulate(scene: Scene, receiver: str, callback: Json) -> None:
    """WeChat as new, with this server configuration of the scene's account."""
    url = f"{receiver}/wechat/{scene.account}"
    await scene.simulate(callback={"url": url, "token": CALLBACK_TOKEN, "aes_key": AES_KEY, **callback})


@pytest.mark.parametrize("form", ["xml", "json"])
@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
async def test_a_send_goes_through(scene: Scene, mode: str, form: str) -> None:
    """The console verifies the URL; the push tells the verdict and the counts, at the first try."""
    async with (
        receiving_at(settings_of(scene, {"mode": mode}), scene.stage.address) as receiver,
        httpx.AsyncClient(base_url=scene.sim.url, trust_env=False) as wechat,
    ):
        await simulate(scene, receiver, {"mode": mode, "format": form})
        found = (await wechat.post("/_sim/verify", json={"account": scene.account})).json()
        result = await scene.result(await scene.start())
    assert found["verified"]
    [job] = result.jobs
    assert (result.outcome, job.observed_by, job.counts and job.counts.sent) == ("sent", "push", 100)
    assert await scene.everyone_once()
    assert [(one.reply.http_status, one.reply.body) for one in scene.sim.world.courier.log] == [(200, "success")]
    assert (await scene.ledger()).kept == ()


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
    command = ["-m", "qunfa.cli", "callback", "check", scene.account, "--url", f"{receiver}/wechat/{scene.account}"]
    async with running(scene, [*command, *args], file, {}) as process:
        return await ended(process)


async def test_the_callback_can_be_checked(scene: Scene, tmp_path: Path) -> None:
    """From the URL to Temporal, and by WeChat through a worker; the ledger stays as it was, and no secret is shown."""
    async with receiving_at(settings_of(scene, {"mode": "safe"}), scene.stage.address) as receiver:
        await simulate(scene, receiver, {"mode": "safe"})
        await scene.result(await scene.start())
        before = await scene.ledger()
        answer = await check(scene, tmp_path, receiver, "safe", "--json")
    assert answer.code == 0, answer.stdout + answer.stderr
    report = CallbackReport.model_validate_json(answer.stdout)
    assert [step.state for step in report.steps] == ["ok"] * 4
    assert report.wechat is not None
    assert report.wechat.view is not None
    assert [(ping.ip, ping.loss) for ping in report.wechat.view.ping] == [("127.0.0.1", "0%")]
    assert await scene.ledger() == before
    assert CALLBACK_TOKEN not in answer.stdout + answer.stderr
    assert AES_KEY not in answer.stdout + answer.stderr


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
