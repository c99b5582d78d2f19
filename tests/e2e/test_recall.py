"""`qunfa recall` as an operator types it, up to the pages that go at WeChat."""

import asyncio
import signal

import pytest
from temporalio.client import WorkflowFailureError

from qunfa.contract.ids import recall_id
from qunfa.contract.recall import RecallResult
from qunfa.simulator.jobs import Job
from tests.cli.calls import parsed, until_listed
from tests.e2e.commands import answered, qunfa, typed
from tests.e2e.processes import ended
from tests.e2e.stage import Scene
from tests.looking import PATIENCE

pytestmark = pytest.mark.long

WHY = ("--reason", "wrong price")


async def sent(scene: Scene) -> Job:
    """A job of two articles that was delivered to everybody, and whose push has come."""
    result = await scene.result(await scene.start(message=scene.news("<p>0</p>", "<p>1</p>")))
    assert result.outcome == "sent"
    [job] = scene.jobs
    return job


def deletes(scene: Scene) -> int:
    """How often WeChat was asked to delete something."""
    return scene.calls("/mass/delete")


async def test_a_send_is_recalled_and_stays_delivered(scene: Scene) -> None:
    """One call, and WeChat says DELETE; the cards stay, and so does the verdict. Asked for again, nothing is called."""
    job = await sent(scene)
    answer = await qunfa(scene, "recall", f"{scene.account}/spring", *WHY, "--yes")
    assert answer.exit_code == 0, answer.stderr
    first, second, *_ = answer.stdout.splitlines()
    assert first == f"{scene.account}/spring, msg_id {job.msg_id}  recalled"
    assert second == f"Recalled: WeChat says that msg_id {job.msg_id} is deleted."
    assert "wang: wrong price" in answer.stdout
    assert "stay visible in every chat" in answer.stdout
    assert await scene.everyone_once()
    [record] = (await scene.ledger_until(lambda view: view.records[0].recalled)).records
    assert [(noted.msg_id, noted.by, noted.verified) for noted in record.recalled] == [(job.msg_id, "wang", True)]
    assert (record.ended_as, record.jobs[0].verdict and record.jobs[0].verdict.status) == ("sent", "send success")
    assert "sent, recalled" in (await qunfa(scene, "ledger", scene.appid)).stdout
    again = await qunfa(scene, "recall", f"{scene.account}/spring", *WHY, "--yes", "--json")
    assert (RecallResult.model_validate(parsed(again)).calls, job.msg_status, deletes(scene)) == ((), "DELETE", 1)


async def test_one_article_of_several_is_recalled(scene: Scene) -> None:
    """By its URL. Whose it is Temporal knows, or the account's ledger; --json has the one result, and who asked."""
    job = await sent(scene)
    await until_listed(scene.client, scene.ledger_handle.id)
    answer = await qunfa(scene, "recall", job.article_urls[1], *WHY, "--yes", "--by", "li", "--json")
    result = RecallResult.model_validate(parsed(answer))
    assert (result.outcome, result.account, result.key, result.by) == ("recalled", scene.account, "spring", "li")
    assert (result.msg_id, result.article_idx, set(job.deleted)) == (job.msg_id, 2, {2})


async def test_a_refused_start_of_its_key_keeps_no_article(scene: Scene) -> None:
    """Somebody starts the key again with a text, which was sent to nobody: msg_id and key still mean the articles."""
    job = await sent(scene)
    with pytest.raises(WorkflowFailureError):
        await (await scene.start(message={"msgtype": "text", "content": "corrected"})).result()
    await until_listed(scene.client, scene.started[0].id, f"MassSendMsgId = '{job.msg_id}'")
    answer = await qunfa(scene, "recall", str(job.msg_id), "--article", "2", *WHY, "--yes", "--json")
    result = RecallResult.model_validate(parsed(answer))
    assert (result.outcome, result.msgtype, result.article_idx) == ("recalled", "mpnews", 2)
    assert (set(job.deleted), deletes(scene)) == ({2}, 1)
    assert "sent, article 2 recalled" in (await qunfa(scene, "ledger", scene.appid)).stdout
    answer = await qunfa(scene, "recall", f"{scene.account}/spring", "--article", "1", *WHY, "--yes")
    assert (answer.exit_code, set(job.deleted)) == (0, {1, 2})


async def test_what_is_not_known_here_needs_its_account(scene: Scene) -> None:
    """Exit 2 without it; with it WeChat is asked."""
    job = await sent(scene)
    await scene.ledger_handle.terminate("it is lost, as of sends that were made elsewhere")
    await scene.unfreeze()
    url = job.article_urls[0]
    for unknown in (url, "3999999999"):
        answer = await qunfa(scene, "recall", unknown, *WHY, "--yes")
        assert (answer.exit_code, "--account NAME" in answer.stderr) == (2, True)
    assert deletes(scene) == 0
    answer = await qunfa(scene, "recall", url, *WHY, "--yes", "--account", scene.account)
    assert (answer.exit_code, set(job.deleted)) == (0, {1})
    answer = await qunfa(scene, "recall", "3999999999", *WHY, "--yes", "--account", scene.account)
    assert (answer.exit_code, "WeChat knows no msg_id 3999999999" in answer.stdout) == (1, True)


async def test_a_recall_is_confirmed_on_a_terminal(scene: Scene) -> None:
    """After it was told what goes, what stays, and what else goes with it."""
    job = await sent(scene)
    end = await answered(scene, "y\n", "recall", f"{scene.account}/spring", *WHY)
    assert (end.code, job.msg_status) == (0, "DELETE"), end.stderr
    asked = " ".join(end.stderr.split())
    assert f"{scene.account}/spring: msg_id {job.msg_id}, sent, 100 received it" in asked
    assert "stay visible in every chat" in asked
    assert "Every other send of the same material loses its pages with it." in asked
    assert "cannot be undone, and WeChat takes ten calls a day. Recall it?" in asked


async def test_an_interrupted_recall_goes_on(scene: Scene) -> None:
    """Ctrl-C ends the command, which says where to look; another one is told that it is under way, and why it waits."""
    await scene.simulate(admin_confirmation=True)
    sending = await scene.start(message=scene.news("<p>x</p>"))
    [job] = await scene.accepted()
    words = ("recall", str(job.msg_id), "--account", scene.account, *WHY, "--yes")
    process = await typed(scene, *words)
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while b"mass/get says SENDING" not in (line := await process.stderr.readline()):
            assert line, "it ended"
    process.send_signal(signal.SIGINT)
    end = await ended(process)
    assert (end.code, "The recall goes on without this command" in end.stderr) == (130, True)
    other = await qunfa(scene, *words)
    assert other.exit_code == 1
    assert "A recall is under way already, by wang: wrong price." in other.stderr
    assert deletes(scene) == 0
    scene.sim.world.decide(scene.simulated, "confirmed", None)
    await scene.result(sending)
    handle = scene.client.get_workflow_handle(recall_id(scene.account, job.msg_id), result_type=RecallResult)
    async with asyncio.timeout(PATIENCE):
        assert (await handle.result()).outcome == "recalled"
