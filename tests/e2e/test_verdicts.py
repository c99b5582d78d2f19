"""No result is lost: the push may come early, late, often, never or forged."""

import httpx

from qunfa.contract import MassSendResult
from tests.callback.pushing import signed
from tests.e2e.stage import CALLBACK_TOKEN, Scene
from tests.e2e.staging import receiving, temporal_at, until_ready
from tests.workflows.failures import failure_of

OTHER_EVENT = b"""<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[o1]]></FromUserName>
<CreateTime>1481013459</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[subscribe]]></Event></xml>"""
PATIENT_PUSHES = {"spacing": 4000}
"""Repeats that come only when the test moves WeChat's clock: 20 s apart at this scale."""


def seen(result: MassSendResult) -> tuple[str, str | None]:
    """The outcome, and who told it."""
    [job] = result.jobs
    return result.outcome, job.observed_by


async def test_a_push_before_the_answer_is_kept_for_it(scene: Scene) -> None:
    """WeChat pushes before it has answered the call: nobody knows the msg_id yet, and nothing is lost."""
    scene.plan(before_response=True)
    result = await scene.result(await scene.start())
    assert seen(result) == ("sent", "push")
    assert result.totals is not None
    assert await scene.everyone_once()
    assert (await scene.ledger()).kept == ()


async def test_a_push_that_comes_five_times_is_one_result(scene: Scene) -> None:
    """Repeated pushes, also after the end, change nothing and start nothing."""
    scene.plan(duplicate=4)
    result = await scene.result(await scene.start())
    assert seen(result) == ("sent", "push")
    assert await scene.everyone_once()
    pushes = list(scene.sim.world.courier.log)
    assert [(one.reply.http_status, one.reply.body) for one in pushes] == [(200, "success")] * 5
    assert [job.verdict and job.verdict.status for job in (await scene.ledger()).records[0].jobs] == ["send success"]


async def test_a_verdict_comes_without_any_push(scene: Scene) -> None:
    """Then `mass/get` decides, without counts."""
    scene.plan(drop=True)
    result = await scene.result(await scene.start(result={"push_timeout": 1, "poll_interval": 1}))
    assert seen(result) == ("sent", "poll")
    assert result.totals is None
    assert await scene.everyone_once()


async def test_pushes_out_of_order_find_their_sends(scene: Scene) -> None:
    """The first send's push comes after the second's: each gets its own verdict."""
    scene.plan(out_of_order=True, status="err(20008)")
    first = await scene.start("first", on_problem="fail")
    [job] = await scene.accepted()
    assert seen(await scene.result(await scene.start("second"))) == ("sent", "push")
    failure = await failure_of(first)
    assert seen(failure) == ("failed", "push")
    assert (failure.problem and failure.problem.name, failure.jobs[0].msg_id) == ("content_refused", job.msg_id)
    assert await scene.everyone_once()


async def test_a_forged_push_does_nothing(scene: Scene) -> None:
    """A wrong signature is 403, and the send takes its verdict from the real push that follows."""
    scene.plan(forged="signature")
    assert seen(await scene.result(await scene.start())) == ("sent", "push")
    await scene.sim.world.settled()
    assert [one.reply.http_status for one in scene.sim.world.courier.log] == [403, 200]
    assert (await scene.ledger()).kept == ()


async def test_a_push_of_a_job_that_is_not_ours_is_kept(scene: Scene) -> None:
    """Rightly signed, but of no job we know: a send made by hand. It is kept and counted, and disturbs nothing."""
    scene.plan(forged="msg_id")
    assert seen(await scene.result(await scene.start())) == ("sent", "push")
    view = await scene.ledger()
    assert [kept.event.msg_id for kept in view.kept] == [9_999_999_999]
    assert [(day.total, day.to_all, day.others) for day in view.book.values()] == [(1, 1, 1)]


async def test_a_push_that_was_refused_comes_again(scene: Scene) -> None:
    """While the receiver cannot reach Temporal it answers 503, so that WeChat repeats the push."""
    with temporal_at("127.0.0.1:9"):
        async with receiving(scene.stage.settings) as url:
            scene.callback = f"{url}/wechat/{scene.account}"
            await scene.simulate(push=PATIENT_PUSHES)
            handle = await scene.start()
            await scene.sim.world.until(lambda: list(scene.sim.world.courier.log))
            await scene.waits(handle, "WeChat's push")
            with temporal_at(scene.stage.address):
                await until_ready(url)
            scene.sim.world.clock.advance(21)
            assert seen(await scene.result(handle)) == ("sent", "push")
    assert [one.reply.http_status for one in scene.sim.world.courier.log] == [503, 200]
    assert await scene.everyone_once()


async def test_other_events_are_answered_with_success(scene: Scene) -> None:
    """Whatever else WeChat pushes is no business of the ledger's, and must not be repeated."""
    url = f"{scene.stage.receiver}/wechat/{scene.account}"
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(url, params=signed(CALLBACK_TOKEN), content=OTHER_EVENT)
    assert (answer.status_code, answer.text) == (200, "success")
    assert (await scene.freeze()).in_flight == ()
    assert (await scene.ledger()).kept == ()
