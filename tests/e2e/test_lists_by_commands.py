"""A send in batches from its plan to its report, by commands alone."""

import gzip
from pathlib import Path

import pytest

from qunfa.cli.report import ReportView
from qunfa.cli.view import SendView
from qunfa.contract.batches import REPORT_COLUMNS
from qunfa.contract.checks import CheckResult
from tests.cli.calls import parsed
from tests.e2e.commands import qunfa
from tests.e2e.stage import Scene
from tests.looking import until

FOLLOWERS = 20_001
BATCH = FOLLOWERS // 3


@pytest.mark.long
async def test_a_list_goes_out_by_commands_and_so_does_the_rest(scene: Scene, tmp_path: Path) -> None:
    """A plan that sends nothing, a send of which a batch fails, its report, and the rest: each follower has it once."""
    await scene.simulate(followers=FOLLOWERS)
    file = scene.file("who.txt", "".join(f"{one}\n" for one in scene.openids(FOLLOWERS)).encode())
    store = {"QUNFA_STORE__URI": str(scene.stage.settings.store.uri)}
    to_list = ("send", "--account", scene.account, "--key", "spring", "--openid-file", file, "--text", "春")

    looked = CheckResult.model_validate(parsed(await qunfa(scene, *to_list, "--dry-run", "--json")))
    assert looked.problems == ()
    assert looked.plan is not None
    assert (looked.plan.openids, looked.plan.batches, scene.tries) == (FOLLOWERS, 3, [])

    scene.plan()
    next(scene.problem("content_refused"))
    sent = await qunfa(scene, *to_list, "--on-batch-problem", "continue", "--wait", "--yes")
    view = SendView.model_validate(parsed(await qunfa(scene, "status", f"{scene.account}/spring", "--json")))
    assert view.result is not None
    assert (sent.exit_code, view.in_batches, view.result.outcome) == (1, True, "partly_sent")
    assert f"qunfa report {scene.account}/spring" in sent.stdout

    async def listed() -> list[tuple[str, str]]:
        rows = parsed(await qunfa(scene, "list", "--account", scene.account, "--json"))
        return [(one["key"], one["outcome"]) for one in rows]

    await until(listed, [("spring", "partly_sent")].__eq__)

    copy = tmp_path / "all.csv.gz"
    told = await qunfa(scene, "report", f"{scene.account}/spring", "--output", str(copy), "--json", **store)
    report = ReportView.model_validate(parsed(told))
    assert {one.state: (one.openids, one.batches) for one in report.sums} == {
        "sent": (FOLLOWERS - BATCH, 2),
        "failed": (BATCH, 1),
    }
    rows = gzip.decompress(copy.read_bytes()).decode().splitlines()
    assert (rows[0].split(","), len(rows)) == (list(REPORT_COLUMNS), FOLLOWERS + 1)

    again = ("send", "--account", scene.account, "--key", "spring-2", "--from-report", "spring", "--state", "failed")
    assert (await qunfa(scene, *again, "--text", "春", "--wait", "--yes")).exit_code == 0
    assert await scene.received() == dict.fromkeys(range(FOLLOWERS), 1)


async def test_a_send_without_a_report_says_why(scene: Scene, tmp_path: Path) -> None:
    """It is no send in batches; or the store is none, or not there."""
    handle = await scene.start()
    await scene.result(handle)
    name = f"{scene.account}/spring"
    told = await qunfa(scene, "report", name, QUNFA_STORE__URI=tmp_path.as_uri())
    assert (told.exit_code, f"{name} is no send in batches, and has no report" in told.stderr) == (1, True)
    told = await qunfa(scene, "report", name)
    assert (told.exit_code, "has no [store]" in told.stderr) == (2, True)
    told = await qunfa(scene, "report", f"{scene.account}/nobody", QUNFA_STORE__URI=tmp_path.as_uri())
    assert (told.exit_code, "see that [store] here is the workers'" in told.stderr) == (1, True)
