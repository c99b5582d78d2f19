"""A recall: the pages of what was delivered go, by job, by article and by URL; and what WeChat lets nobody recall."""

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from qunfa.contract.ids import RECALL_MASS_SEND, recall_id
from qunfa.contract.recall import RecallResult, RecallStatus
from qunfa.simulator.jobs import Job
from tests.e2e.stage import Scene
from tests.looking import PATIENCE, until
from tests.media.samples import picture

pytestmark = pytest.mark.long


def news(scene: Scene, articles: int = 1) -> dict[str, Any]:
    """A message of so many articles."""
    thumb = {"uri": scene.file("cover.jpg", picture("JPEG"))}
    each = [{"title": f"春 {number}", "content": f"<p>{number}</p>", "thumb": thumb} for number in range(articles)]
    return {"msgtype": "mpnews", "articles": each}


async def sent(scene: Scene, articles: int = 1, key: str = "spring", **more: Any) -> Job:
    """A job of so many articles that was delivered to everybody, and whose push has come."""
    result = await scene.result(await scene.start(key, message=news(scene, articles), **more))
    assert result.outcome == "sent"
    msg_id = result.jobs[-1].msg_id
    return next(job for job in scene.jobs if job.msg_id == msg_id)


async def started(scene: Scene, **aim: Any) -> WorkflowHandle[Any, RecallResult]:
    """A recall."""
    raw = {"account": scene.account, "by": "li", "reason": "wrong price", **aim}
    handle = await scene.client.start_workflow(
        RECALL_MASS_SEND,
        raw,
        id=recall_id(scene.account, aim["msg_id"] if "msg_id" in aim else aim["url"]),
        task_queue=scene.queue,
        result_type=RecallResult,
    )
    scene.started.append(handle)
    return handle


async def recalled(scene: Scene, **aim: Any) -> RecallResult:
    """What came of a recall that ended well."""
    handle = await started(scene, **aim)
    async with asyncio.timeout(PATIENCE):
        return await handle.result()


async def failed(handle: WorkflowHandle[Any, RecallResult]) -> RecallResult:
    """What came of a recall that ended badly."""
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("RecallFailed", True)
    return RecallResult.model_validate(cause.details[0])


async def not_recalled(scene: Scene, **aim: Any) -> RecallResult:
    """Likewise."""
    return await failed(await started(scene, **aim))


async def waits(handle: WorkflowHandle[Any, RecallResult], said: str) -> RecallStatus:
    """The status, once the recall waits for something of which this is said."""

    async def look() -> RecallStatus:
        status: RecallStatus = await handle.query("status", result_type=RecallStatus)
        return status

    return await until(look, lambda status: status.waiting_for and said in status.waiting_for.reason)


def deletes(scene: Scene) -> int:
    """How often `mass/delete` was called."""
    return len([call for call in scene.sim.world.calls if call.path.endswith("/mass/delete")])


async def test_a_send_is_recalled_and_stays_delivered(scene: Scene) -> None:
    """One call; `mass/get` says DELETE; the cards stay, and so does the send's verdict, with the recall beside it."""
    job = await sent(scene)
    result = await recalled(scene, msg_id=job.msg_id)
    assert (result.outcome, result.verified, result.status) == ("recalled", True, "DELETE")
    assert (result.key, result.msgtype, [call.answer for call in result.calls]) == ("spring", "mpnews", ["ok"])
    assert (job.msg_status, deletes(scene)) == ("DELETE", 1)
    assert await scene.everyone_once()
    [record] = (await scene.ledger_until(lambda view: view.records[0].recalled)).records
    [noted] = record.recalled
    assert (noted.msg_id, noted.by, noted.reason, noted.verified) == (job.msg_id, "li", "wrong price", True)
    assert (record.ended_as, record.jobs[0].verdict and record.jobs[0].verdict.status) == ("sent", "send success")


async def test_a_recall_that_is_cancelled_in_its_call_says_what_came_of_it(scene: Scene) -> None:
    """WeChat has the call and takes its time: its answer is waited for, and the ledger has it."""
    job = await sent(scene)
    scene.fault(endpoint="mass/delete", kind="slow", seconds=0.6)
    handle = await started(scene, msg_id=job.msg_id)
    await scene.sim.world.until(lambda: deletes(scene) == 1, PATIENCE)
    await handle.cancel()
    async with asyncio.timeout(PATIENCE):
        result = await handle.result()
    assert (result.outcome, result.verified, [call.answer for call in result.calls]) == ("recalled", False, ["ok"])
    assert (job.msg_status, deletes(scene)) == ("DELETE", 1)
    [record] = (await scene.ledger_until(lambda view: view.records[0].recalled)).records
    assert [noted.verified for noted in record.recalled] == [False]


async def test_a_recalled_send_is_not_sent_again(scene: Scene) -> None:
    """Its key stands for a delivery that happened."""
    job = await sent(scene)
    await recalled(scene, msg_id=job.msg_id)
    result = await scene.result(await scene.start(message=news(scene)))
    assert (result.outcome, result.jobs[0].deduplicated) == ("sent", True)
    assert len(scene.jobs) == 1


async def test_one_article_of_several(scene: Scene) -> None:
    """WeChat's ok is its only word; the others stay, until the last one goes."""
    job = await sent(scene, 2)
    first = await recalled(scene, msg_id=job.msg_id, article_idx=2)
    assert (first.outcome, first.verified, first.status) == ("recalled", False, "SEND_SUCCESS")
    assert (set(job.deleted), job.msg_status) == ({2}, "SEND_SUCCESS")
    second = await recalled(scene, msg_id=job.msg_id, article_idx=1)
    assert (second.verified, job.msg_status) == (True, "DELETE")


async def test_one_article_is_recalled_by_its_url(scene: Scene) -> None:
    """The push has told which job's it is, so that it is checked and verified like any other."""
    job = await sent(scene, 2)
    url = job.article_urls[1].replace("http:", "https:") + "#rd"
    result = await recalled(scene, url=url)
    assert (result.msg_id, result.article_idx, result.key) == (job.msg_id, 2, "spring")
    assert job.deleted == {2}


async def forget(scene: Scene) -> None:
    """Let the account's ledger know nothing, as of sends that were made elsewhere."""
    await scene.ledger_handle.terminate("it is lost")
    await scene.unfreeze()
    assert (await scene.ledger()).records == ()


async def test_a_job_that_is_not_ours(scene: Scene) -> None:
    """One that was sent from elsewhere: `mass/get` and WeChat say what can be recalled."""
    job, text = await sent(scene), await scene.result(await scene.start("text"))
    await forget(scene)
    result = await recalled(scene, msg_id=job.msg_id)
    assert (result.outcome, result.key, result.verified) == ("recalled", None, True)
    refused = await not_recalled(scene, msg_id=text.jobs[0].msg_id)
    assert [(call.answer, call.errcode) for call in refused.calls] == [("refused", 40008)]
    assert "WeChat answered 40008, the message type is invalid" in refused.sentence


async def test_an_article_of_nobody_by_its_url(scene: Scene) -> None:
    """Nothing leads from the URL to a job, so that WeChat's ok is its only word; a wrong one is WeChat's to refuse."""
    job = await sent(scene, 2)
    await forget(scene)
    result = await recalled(scene, url=job.article_urls[0])
    assert (result.outcome, result.verified, result.msg_id, set(job.deleted)) == ("recalled", False, None, {1})
    refused = await not_recalled(scene, url="https://mp.weixin.qq.com/s/nowhere")
    assert [(call.answer, call.errcode) for call in refused.calls] == [("refused", 40066)]


async def test_a_text_cannot_be_recalled(scene: Scene) -> None:
    """Ours is known to be one: WeChat is not asked."""
    result = await scene.result(await scene.start())
    refused = await not_recalled(scene, msg_id=result.jobs[0].msg_id)
    assert (refused.outcome, refused.msgtype, refused.calls, deletes(scene)) == ("not_recalled", "text", (), 0)
    assert "only articles and videos can be recalled" in refused.sentence


async def test_an_article_that_is_not_there(scene: Scene) -> None:
    """Likewise."""
    job = await sent(scene, 2)
    refused = await not_recalled(scene, msg_id=job.msg_id, article_idx=3)
    assert ("has 2 article(s)" in refused.sentence, deletes(scene)) == (True, 0)


async def test_what_was_not_delivered_cannot_be_recalled(scene: Scene) -> None:
    """WeChat's review has refused it, and a push has said so."""
    scene.plan(status="err(20013)")
    await scene.asks(await scene.start(message=news(scene)), "content_refused")
    [job] = scene.jobs
    refused = await not_recalled(scene, msg_id=job.msg_id)
    assert ("was not delivered (err(20013))" in refused.sentence, deletes(scene)) == (True, 0)


async def test_an_unknown_msg_id(scene: Scene) -> None:
    """Another account's, or a typing error: WeChat does not know it, and nothing is deleted."""
    refused = await not_recalled(scene, msg_id=3_999_999_999)
    assert ("WeChat knows no msg_id 3999999999" in refused.sentence, deletes(scene)) == (True, 0)


async def test_a_second_recall_makes_no_call(scene: Scene) -> None:
    """`mass/get` says already that it is deleted."""
    job = await sent(scene)
    await recalled(scene, msg_id=job.msg_id)
    again = await recalled(scene, msg_id=job.msg_id)
    assert (again.outcome, again.verified, again.calls, deletes(scene)) == ("recalled", True, (), 1)


async def test_a_send_under_way_is_recalled_once_it_is_sent(scene: Scene) -> None:
    """Until then the recall waits, says for what, and calls nothing."""
    await scene.simulate(admin_confirmation=True)
    sending = await scene.start(message=news(scene))
    [job] = await scene.accepted()
    handle = await started(scene, msg_id=job.msg_id)
    status = await waits(handle, "to be sent: mass/get says SENDING")
    assert (status.phase, status.calls, deletes(scene)) == ("waiting", (), 0)
    scene.sim.world.decide(scene.simulated, "confirmed", None)
    assert (await scene.result(sending)).outcome in {"sent", "deleted"}
    async with asyncio.timeout(PATIENCE):
        result = await handle.result()
    assert (result.outcome, result.verified, [call.answer for call in result.calls]) == ("recalled", True, ["ok"])


async def test_wechat_is_called_again_while_it_answers_40065(scene: Scene) -> None:
    """Spaced, and each answer is in the result."""
    job = await sent(scene)
    scene.fault("errcode", "mass/delete", errcode=40065, times=2)
    result = await recalled(scene, msg_id=job.msg_id)
    assert [(call.answer, call.errcode) for call in result.calls] == [("refused", 40065)] * 2 + [("ok", None)]
    first, second, third = (call.at for call in result.calls)
    assert second - first >= scene.stage.settings.timing.repeat
    assert third - second >= 2 * scene.stage.settings.timing.repeat
    assert result.verified


async def test_an_article_that_is_gone_already(scene: Scene) -> None:
    """WeChat answers 40065 for ever, so the recall ends, and leaves some of the day's calls to others."""
    job = await sent(scene, 2)
    await recalled(scene, msg_id=job.msg_id, article_idx=2)
    await forget(scene)
    refused = await not_recalled(scene, msg_id=job.msg_id, article_idx=2)
    assert (refused.outcome, {call.errcode for call in refused.calls}) == ("not_recalled", {40065})
    assert deletes(scene) == 9
    assert "8 times. It may be deleted already" in refused.sentence


async def test_an_article_that_the_ledger_knows_to_be_gone(scene: Scene) -> None:
    """40065 is then what was to be expected: one call, and it counts as recalled."""
    job = await sent(scene, 2)
    await recalled(scene, msg_id=job.msg_id, article_idx=2)
    again = await recalled(scene, msg_id=job.msg_id, article_idx=2)
    assert (again.verified, [call.errcode for call in again.calls]) == (False, [40065])
    assert "Recalled before, by li at" in again.sentence


@pytest.mark.parametrize("kind", ["reset_after_accept", "http_502", "broken_json", "timeout_after_accept"])
async def test_a_lost_answer_is_asked_about(scene: Scene, kind: str) -> None:
    """The call was carried out: `mass/get` says so, and it is not made again."""
    job = await sent(scene)
    scene.fault(kind, "mass/delete")
    result = await recalled(scene, msg_id=job.msg_id)
    assert (result.outcome, result.verified, [call.answer for call in result.calls]) == ("recalled", True, ["lost"])
    assert deletes(scene) == 1


async def test_a_lost_call_is_made_again(scene: Scene) -> None:
    """`mass/get` says that it was not carried out; doing it twice would do no harm either."""
    job = await sent(scene)
    scene.fault("reset_before_accept", "mass/delete")
    result = await recalled(scene, msg_id=job.msg_id)
    assert (result.verified, [call.answer for call in result.calls]) == (True, ["lost", "ok"])


async def test_a_lost_answer_that_nobody_can_ask_about_stays_unknown(scene: Scene) -> None:
    """One article of several: the refusals that follow may be the echo of the success."""
    job = await sent(scene, 2)
    scene.fault("reset_after_accept", "mass/delete")
    result = await not_recalled(scene, msg_id=job.msg_id, article_idx=1)
    assert (result.outcome, result.calls[0].answer, {call.errcode for call in result.calls[1:]}) == (
        "unknown",
        "lost",
        {40065},
    )
    assert job.deleted == {1}


async def test_ten_a_day(scene: Scene) -> None:
    """45009 ends the recall, with WeChat's words and the next day."""
    await scene.simulate(limits={"calls_per_day": {"mass/delete": 0}})
    job = await sent(scene)
    refused = await not_recalled(scene, msg_id=job.msg_id)
    [call] = refused.calls
    assert (refused.outcome, call.errcode, bool(call.rid)) == ("not_recalled", 45009, True)
    assert "WeChat takes ten recalls a day, and there are new ones from" in refused.sentence
    assert job.msg_status == "SEND_SUCCESS"


async def test_a_token_that_died_is_replaced(scene: Scene) -> None:
    """It is no answer about the recall."""
    job = await sent(scene)
    scene.fault("errcode", "mass/delete", errcode=40001)
    result = await recalled(scene, msg_id=job.msg_id)
    assert [call.answer for call in result.calls] == ["ok"]


async def test_a_lasting_refusal_ends_it(scene: Scene) -> None:
    """The account may not ask: nothing is deleted, and a person has to change something."""
    job = await sent(scene)
    scene.fault("errcode", "mass/get", errcode=48001)
    refused = await not_recalled(scene, msg_id=job.msg_id)
    assert ("48001" in refused.sentence, refused.calls) == (True, ())


@pytest.mark.parametrize(
    ("aim", "problem"),
    [
        ({}, "must have either msg_id or url"),
        ({"msg_id": 7, "url": "https://mp.weixin.qq.com/s/a"}, "must have either msg_id or url"),
        ({"url": "https://mp.weixin.qq.com/s/a", "article_idx": 1}, "article_idx goes with msg_id"),
        ({"url": "https://example.com/s/a"}, "url: must be the address of an article"),
        ({"msg_id": 7, "article_idx": 0}, "article_idx: should be greater than or equal to 1"),
        ({"msg_id": "7"}, "msg_id: must be a whole number"),
        ({"msg_id": 7, "reason": " "}, "reason: must not be blank"),
        ({"msg_id": 8}, 'the workflow id must be "recall:'),
    ],
)
async def test_a_bad_request_fails_at_once(scene: Scene, aim: dict[str, Any], problem: str) -> None:
    """And WeChat never hears of it."""
    raw = {"account": scene.account, "by": "li", "reason": "wrong price", **aim}
    handle = await scene.client.start_workflow(
        RECALL_MASS_SEND, raw, id=recall_id(scene.account, 7), task_queue=scene.queue
    )
    assert problem in await scene.refusal(handle)
    assert list(scene.sim.world.calls) == []
