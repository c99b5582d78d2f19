"""`qunfa recall` as an operator types it, on a machine without credentials."""

import asyncio
import os
import pty
import signal
import sys
from asyncio.subprocess import PIPE, Process

import pytest

from qunfa.contract.ids import recall_id
from qunfa.contract.recall import RecallResult
from tests.e2e.commands import parsed, qunfa
from tests.e2e.processes import ended, environment
from tests.e2e.stage import Scene
from tests.e2e.test_recall import deletes, forget, news, sent
from tests.looking import PATIENCE

pytestmark = pytest.mark.long

WHY = ("--reason", "wrong price")


async def typed(scene: Scene, *args: str, stdin: int, **given: str) -> Process:
    """The command as a process of its own."""
    more = {"QUNFA_TASK_QUEUE": scene.queue, "QUNFA_CONFIG": "", "LOGNAME": "wang", "COLUMNS": "200", **given}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "qunfa.cli", *args),
        env=environment(scene.stage.address, **more),
        stdin=stdin,
        stdout=PIPE,
        stderr=PIPE,
    )


async def test_by_account_and_key(scene: Scene) -> None:
    """The send's job; the answer says what a recall does not do."""
    job = await sent(scene)
    answer = await qunfa(scene, "recall", f"{scene.account}/spring", *WHY, "--yes")
    assert answer.exit_code == 0, answer.stderr
    first, second, *_ = answer.stdout.splitlines()
    assert first == f"{scene.account}/spring, msg_id {job.msg_id}  recalled"
    assert second == f"Recalled: WeChat says that msg_id {job.msg_id} is deleted."
    assert "wang: wrong price" in answer.stdout
    assert "stay visible in every chat" in answer.stdout
    assert (job.msg_status, deletes(scene)) == ("DELETE", 1)
    ledger = await qunfa(scene, "ledger", scene.appid)
    assert "sent, recalled" in ledger.stdout


async def test_one_article_by_msg_id(scene: Scene) -> None:
    """Whose it is Temporal knows; --json has the one result, and who asked why."""
    job = await sent(scene, 2)
    answer = await qunfa(scene, "recall", str(job.msg_id), "--article", "2", *WHY, "--yes", "--by", "li", "--json")
    result = RecallResult.model_validate(parsed(answer))
    assert (result.outcome, result.article_idx, result.key, result.by) == ("recalled", 2, "spring", "li")
    assert set(job.deleted) == {2}


async def test_the_command_recalls_one_article_by_its_url(scene: Scene) -> None:
    """Whose it is the account's ledger knows."""
    job = await sent(scene, 2)
    answer = await qunfa(scene, "recall", job.article_urls[0], *WHY, "--yes", "--json")
    result = RecallResult.model_validate(parsed(answer))
    assert (result.account, result.msg_id, result.article_idx) == (scene.account, job.msg_id, 1)
    assert set(job.deleted) == {1}


async def test_what_is_not_known_here_needs_its_account(scene: Scene) -> None:
    """Exit 2 without it; with it WeChat is asked."""
    job = await sent(scene)
    await forget(scene)
    url = job.article_urls[0]
    for unknown in (url, "3999999999"):
        answer = await qunfa(scene, "recall", unknown, *WHY, "--yes")
        assert (answer.exit_code, "--account NAME" in answer.stderr) == (2, True)
    assert deletes(scene) == 0
    answer = await qunfa(scene, "recall", url, *WHY, "--yes", "--account", scene.account)
    assert (answer.exit_code, set(job.deleted)) == (0, {1})
    answer = await qunfa(scene, "recall", "3999999999", *WHY, "--yes", "--account", scene.account)
    assert (answer.exit_code, "WeChat knows no msg_id 3999999999" in answer.stdout) == (1, True)


async def test_a_bad_end_is_exit_1_with_the_facts(scene: Scene) -> None:
    """As JSON, too."""
    result = await scene.result(await scene.start())
    answer = await qunfa(scene, "recall", f"{scene.account}/spring", *WHY, "--yes", "--json")
    told = RecallResult.model_validate(parsed(answer))
    assert (answer.exit_code, told.outcome, told.msgtype) == (1, "not_recalled", "text")
    assert told.msg_id == result.jobs[0].msg_id


async def test_a_send_that_was_not_accepted_has_nothing_to_recall(scene: Scene) -> None:
    """No recall is started."""
    await scene.freeze()
    await scene.waits(await scene.start(message=news(scene)), "frozen by li")
    answer = await qunfa(scene, "recall", f"{scene.account}/spring", *WHY, "--yes")
    assert (answer.exit_code, "has nothing to recall" in answer.stderr) == (1, True)
    assert deletes(scene) == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("nothing",), "'nothing' names no mass send"),
        (("https://mp.weixin.qq.com/s/a", "--article", "1"), "--article goes with a send or a msg_id"),
        (("https://example.com/s/a", "--account", "demo"), "must be the address of an article"),
        (("demo/spring", "--account", "other"), "leave --account out"),
        (("demo/spring", "--article", "9"), "less than or equal to 8"),
    ],
)
async def test_wrong_use(scene: Scene, args: tuple[str, ...], said: str) -> None:
    """Exit 2, and WeChat is not asked."""
    answer = await qunfa(scene, "recall", *args, *WHY, "--yes")
    assert (answer.exit_code, said in answer.stderr) == (2, True)
    assert list(scene.sim.world.calls) == []


async def test_without_a_worker_nothing_is_started(scene: Scene) -> None:
    """A recall that comes days later would surprise everybody."""
    answer = await qunfa(scene, "recall", f"{scene.account}/spring", *WHY, "--yes", QUNFA_TASK_QUEUE="nobody")
    assert (answer.exit_code, "No worker polls the task queue nobody" in answer.stderr) == (1, True)


@pytest.mark.parametrize(("said", "code", "status"), [("y\n", 0, "DELETE"), ("n\n", 1, "SEND_SUCCESS")])
async def test_a_terminal_is_asked(scene: Scene, said: str, code: int, status: str) -> None:
    """After it was told what goes, what stays, and what else goes with it."""
    job = await sent(scene)
    master, slave = pty.openpty()
    process = await typed(scene, "recall", f"{scene.account}/spring", *WHY, stdin=slave)
    os.write(master, said.encode())
    end = await ended(process)
    os.close(master)
    os.close(slave)
    assert (end.code, job.msg_status) == (code, status), end.stderr
    asked = " ".join(end.stderr.split())
    assert f"{scene.account}/spring: msg_id {job.msg_id}, sent, 100 received it" in asked
    assert "stay visible in every chat" in asked
    assert "Every other send of the same material loses its pages with it." in asked
    assert "cannot be undone, and WeChat takes ten calls a day. Recall it?" in asked


async def test_an_interrupted_recall_goes_on(scene: Scene) -> None:
    """Ctrl-C ends the command, which says where to look; another one is told that it is under way, and why it waits."""
    await scene.simulate(admin_confirmation=True)
    sending = await scene.start(message=news(scene))
    [job] = await scene.accepted()
    process = await typed(scene, "recall", str(job.msg_id), "--account", scene.account, *WHY, "--yes", stdin=PIPE)
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while b"mass/get says SENDING" not in (line := await process.stderr.readline()):
            assert line, "it ended"
    process.send_signal(signal.SIGINT)
    end = await ended(process)
    assert (end.code, "The recall goes on without this command" in end.stderr) == (130, True)
    other = await qunfa(scene, "recall", str(job.msg_id), "--account", scene.account, *WHY, "--yes")
    assert other.exit_code == 1
    assert "a recall is under way already, by wang: wrong price." in other.stderr
    scene.sim.world.decide(scene.simulated, "confirmed", None)
    await scene.result(sending)
    handle = scene.client.get_workflow_handle(recall_id(scene.account, job.msg_id), result_type=RecallResult)
    async with asyncio.timeout(PATIENCE):
        assert (await handle.result()).outcome == "recalled"
