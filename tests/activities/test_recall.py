"""The calls of a recall: what each answer of `mass/get` and `mass/delete` becomes."""

import asyncio

import httpx
import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.jobs import Recalls
from qunfa.contract.recall import DeleteStep, FindJobStep, KnownJob, LookStep, RecallCall
from qunfa.contract.steps import JobStatus
from qunfa.simulator import Fault, Simulator
from tests.activities.conftest import NOON, SECRET, Desk, TokenServer, desk_at, settings_for

URL = "https://mp.weixin.qq.com/s/nowhere"


def recalls(desk: Desk, temporal: Client) -> Recalls:
    """The activities, at noon."""
    return Recalls(desk.settings, desk.accounts, temporal, desk.clock)


async def delete(desk: Desk, temporal: Client, msg_id: int | None = 7, url: str | None = None) -> RecallCall:
    """What comes of a call."""
    step = DeleteStep(account=desk.pinned, msg_id=msg_id, url=url)
    return await ActivityEnvironment().run(recalls(desk, temporal).delete_job, step)


async def look(desk: Desk, temporal: Client, msg_id: int = 7) -> JobStatus:
    """What `mass/get` says."""
    step = LookStep(account=desk.pinned, msg_id=msg_id)
    return await ActivityEnvironment().run(recalls(desk, temporal).look_at_job, step)


def deletes(sim: Simulator) -> int:
    """How often `mass/delete` was called."""
    return len([call for call in sim.world.calls if call.path.endswith("/mass/delete")])


async def test_a_refusal_is_an_answer(desk: Desk, temporal: Client) -> None:
    """With WeChat's code, its words, its rid, and the time."""
    call = await delete(desk, temporal)
    assert (call.answer, call.errcode, call.at, call.token_endpoint) == ("refused", 40059, NOON, False)
    assert (bool(call.errmsg), bool(call.rid)) == (True, True)


async def test_a_url_is_called_by_its_url(desk: Desk, sim: Simulator, temporal: Client) -> None:
    """WeChat says that it does not have it."""
    assert (await delete(desk, temporal, None, URL)).errcode == 40066
    assert deletes(sim) == 1


async def test_a_call_under_way_is_ended_before_a_cancelled_recall(
    desk: Desk, sim: Simulator, temporal: Client
) -> None:
    """The POST is not broken off: its answer is returned."""
    sim.world.faults.add(Fault(endpoint="mass/delete", kind="slow", seconds=0.3))
    environment = ActivityEnvironment()
    step = DeleteStep(account=desk.pinned, msg_id=7)
    calling = asyncio.create_task(environment.run(recalls(desk, temporal).delete_job, step))
    await sim.world.until(lambda: deletes(sim) == 1)
    environment.cancel()
    assert (await calling).errcode == 40059


async def test_a_recall_that_is_cancelled_before_its_call_writes_nothing(
    desk: Desk, sim: Simulator, temporal: Client
) -> None:
    """While its token is on its way."""
    sim.world.faults.add(Fault(endpoint="stable_token", kind="slow", seconds=0.3))
    environment = ActivityEnvironment()
    step = DeleteStep(account=desk.pinned, msg_id=7)
    calling = asyncio.create_task(environment.run(recalls(desk, temporal).delete_job, step))
    await sim.world.until(lambda: len(sim.world.calls) == 1)
    environment.cancel()
    call = await calling
    assert (call.answer, deletes(sim)) == ("not_written", 0)


@pytest.mark.parametrize("kind", ["reset_before_accept", "http_502", "broken_json"])
async def test_no_answer_is_a_lost_call(desk: Desk, sim: Simulator, temporal: Client, kind: str) -> None:
    """It is not repeated here: that is the workflow's, in the open."""
    sim.world.faults.add(Fault.model_validate({"endpoint": "mass/delete", "kind": kind, "accept": False}))
    call = await delete(desk, temporal)
    assert (call.answer, call.errcode, bool(call.detail), deletes(sim)) == ("lost", None, True, 1)


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_a_recall_replaces_a_dead_token_once(desk: Desk, sim: Simulator, temporal: Client, errcode: int) -> None:
    """Nothing was deleted by then."""
    sim.world.faults.add(Fault(endpoint="mass/delete", kind="errcode", errcode=errcode))
    assert ((await delete(desk, temporal)).errcode, deletes(sim)) == (40059, 2)
    sim.world.faults.add(Fault(endpoint="mass/delete", kind="errcode", errcode=errcode, times=2))
    assert (await delete(desk, temporal)).errcode == errcode


async def test_a_wrong_secret_was_no_call(sim: Simulator, http: httpx.AsyncClient, temporal: Client) -> None:
    """The token endpoint refused it; the secret is not in the answer."""
    wrong = "wrong-SECRET-0123456789"
    call = await delete(desk_at(sim.url, http, secret=wrong), temporal)
    assert (call.answer, call.token_endpoint, call.errcode, deletes(sim)) == ("refused", True, 40125, 0)
    assert wrong not in repr(call)


async def test_without_a_connection_nothing_was_called(
    token_server: TokenServer, http: httpx.AsyncClient, temporal: Client
) -> None:
    """And no secret is in the answer."""
    desk = desk_at(token_server.url, http)
    token = (await desk.accounts.token("demo")).get_secret_value()
    await token_server.stop()
    call = await delete(desk, temporal)
    assert call.answer == "not_written"
    assert token not in repr(call)
    assert SECRET not in repr(call)


async def test_a_job_that_wechat_does_not_know_is_an_answer(desk: Desk, temporal: Client) -> None:
    """40059: it may be too new."""
    said = await look(desk, temporal)
    assert (said.status, said.errcode) == (None, 40059)


@pytest.mark.parametrize(("errcode", "kind"), [(48001, "LookRefused"), (-1, "WechatUnavailable")])
async def test_what_is_no_answer_about_the_job(
    desk: Desk, sim: Simulator, temporal: Client, errcode: int, kind: str
) -> None:
    """It is asked again, unless a person has to change something first."""
    sim.world.faults.add(Fault(endpoint="mass/get", kind="errcode", errcode=errcode))
    with pytest.raises(ApplicationError) as raised:
        await look(desk, temporal)
    assert (raised.value.type, raised.value.non_retryable) == (kind, kind == "LookRefused")


async def test_a_recall_for_another_account_is_refused(desk: Desk, sim: Simulator, temporal: Client) -> None:
    """A recall deletes nothing at a WeChat that it has not pinned."""
    pinned = desk.pinned
    desk.settings = settings_for("http://127.0.0.1:10")
    for activity, step in (
        ("delete_job", DeleteStep(account=pinned, msg_id=7)),
        ("look_at_job", LookStep(account=pinned, msg_id=7)),
    ):
        with pytest.raises(ApplicationError) as raised:
            await ActivityEnvironment().run(getattr(recalls(desk, temporal), activity), step)
        assert (raised.value.type, raised.value.non_retryable) == ("AccountChanged", True)
    assert list(sim.world.calls) == []


@pytest.mark.parametrize(
    ("step", "known"), [({"msg_id": 7}, KnownJob(msg_id=7)), ({"url": URL}, KnownJob())], ids=["msg_id", "url"]
)
async def test_an_account_without_a_ledger_knows_no_job(
    desk: Desk, temporal: Client, step: dict[str, object], known: KnownJob
) -> None:
    """None is started for a question."""
    account = desk.pinned.model_copy(update={"appid": "wxfedcba9876543210"})
    found = await ActivityEnvironment().run(
        recalls(desk, temporal).find_job, FindJobStep.model_validate({"account": account, **step})
    )
    assert found == known
