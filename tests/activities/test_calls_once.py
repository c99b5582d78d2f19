"""Calls that nobody repeats in silence: a preview to one person, and what a recall asks and deletes."""

import asyncio
from typing import Any

import httpx
import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.jobs import Recalls
from activities.submission import Previews
from qunfa.contract.recall import DeleteStep, FindJobStep, KnownJob, LookStep, RecallCall
from qunfa.contract.request import Previewed
from qunfa.contract.steps import PreviewStep
from qunfa.simulator import Fault, Simulator, openid
from tests.activities.conftest import APPID, BOSS, NOON, Desk, TokenServer, as_read, attempt, desk_at, failed, impatient

TEXT = {"msgtype": "text", "content": "你好"}
URL = "https://mp.weixin.qq.com/s/nowhere"
WRONG = "wrong-SECRET-0123456789"
DEAD = (40001, 40014, 42001)
"""What WeChat says of a token that it takes no longer."""


def recalls(desk: Desk, temporal: Client) -> Recalls:
    return Recalls(desk.accounts, temporal, desk.clock)


async def delete(desk: Desk, temporal: Client, msg_id: int | None = 7, url: str | None = None) -> RecallCall:
    doing = recalls(desk, temporal).delete_job
    return await attempt(doing, await as_read(doing, DeleteStep(account=desk.pinned, msg_id=msg_id, url=url)))


def calls(sim: Simulator, name: str) -> int:
    return len([call for call in sim.world.calls if call.path.endswith(f"/mass/{name}")])


async def test_it_is_shown_to_that_person_and_delivered_to_nobody(desk: Desk, sim: Simulator) -> None:
    """WeChat's ledger has a preview, and no job."""
    row = await desk.preview()
    assert (row.to, row.sent, row.errcode) == (BOSS["openid"], True, None)
    account = sim.world.accounts["demo"]
    assert [(one.follower, one.content.text) for one in sim.world.ledger.previews(account)] == [(7, "你好")]
    assert (sum(sim.world.ledger.counts(account)), len(sim.world.jobs)) == (0, 0)


@pytest.mark.parametrize(
    ("to", "errcode"),
    [
        ({"openid": openid(APPID, 5000)}, 43004),
        ({"openid": "nobody"}, 40003),
        ({"wxname": "nobody"}, 40132),
        (BOSS, 45009),
    ],
    ids=["no follower", "no openid", "no WeChat id", "the hundred of a day are used up"],
)
async def test_whom_wechat_does_not_show_it(desk: Desk, sim: Simulator, to: dict[str, str], errcode: int) -> None:
    """Its refusal is the row's answer, with its evidence."""
    if errcode == 45009:
        sim.world.faults.add(Fault(endpoint="mass/preview", kind="errcode", errcode=errcode))
    row = await desk.preview(to=to)
    assert (row.sent, row.errcode, row.msg_id) == (False, errcode, None)
    assert row.errmsg
    assert row.rid


@pytest.mark.parametrize(
    "part",
    [{"message": {**TEXT, "later": 1}}, {"to": {**BOSS, "later": 1}}, {"message": {"msgtype": "later"}}, {"later": 1}],
    ids=["of the message", "of the person", "the message", "of the preview"],
)
async def test_a_preview_of_another_version_is_not_shown(desk: Desk, sim: Simulator, part: Any) -> None:
    """The row says so: it is not taken for one that may have been shown."""
    step = {"account": desk.pinned.model_dump(), "to": BOSS, "message": TEXT}
    doing = Previews(desk.accounts).preview
    row = await attempt(doing, await as_read(doing, step | part))
    assert (row.to, row.sent) == (BOSS["openid"], False)
    assert "this worker cannot read what is to be sent" in (row.errmsg or "")
    assert not list(sim.world.calls)


async def test_a_recall_of_another_version_deletes_nothing(desk: Desk, sim: Simulator, temporal: Client) -> None:
    """A field that this worker does not know may say which part is meant. The call comes again."""
    doing = recalls(desk, temporal).delete_job
    step = DeleteStep(account=desk.pinned, msg_id=7).model_dump(mode="json") | {"only_for": 1}
    call = await attempt(doing, await as_read(doing, step))
    assert (call.answer, call.at) == ("not_written", NOON)
    assert "this worker cannot read what is to be deleted (only_for: is not a field" in (call.detail or "")
    assert not list(sim.world.calls)


@pytest.mark.parametrize("errcode", DEAD)
async def test_a_dead_token_is_replaced_once(desk: Desk, sim: Simulator, temporal: Client, errcode: int) -> None:
    """Nothing was shown or deleted by then, so the same call goes out with a fresh one."""
    for name in ("preview", "delete"):
        sim.world.faults.add(Fault(endpoint=f"mass/{name}", kind="errcode", errcode=errcode))
    assert (await desk.preview()).sent
    assert ((await delete(desk, temporal)).errcode, calls(sim, "delete")) == (40059, 2)
    for name in ("preview", "delete"):
        sim.world.faults.add(Fault(endpoint=f"mass/{name}", kind="errcode", errcode=errcode, times=2))
    row = await desk.preview()
    assert (row.sent, row.perhaps, row.errcode) == (False, False, errcode)
    assert (await delete(desk, temporal)).errcode == errcode
    assert len(sim.world.ledger.previews(sim.world.accounts["demo"])) == 1


@pytest.mark.parametrize("kind", ["reset_after_accept", "http_502", "broken_json", "timeout_after_accept"])
async def test_a_lost_answer_is_not_asked_for_again(
    *, desk: Desk, sim: Simulator, http: httpx.AsyncClient, temporal: Client, kind: str
) -> None:
    """One call, and the row says that the person may have seen it. A recall is repeated by its workflow alone."""
    await impatient(desk, http)
    refusing = kind.replace("after", "before")  # there is no job, so that WeChat accepts no deletion
    sim.world.faults.add(Fault.model_validate({"endpoint": "mass/preview", "kind": kind}))
    sim.world.faults.add(Fault.model_validate({"endpoint": "mass/delete", "kind": refusing, "accept": False}))
    row, call = await desk.preview(), await delete(desk, temporal)
    assert (row.sent, row.perhaps, row.errcode, calls(sim, "preview")) == (False, True, None, 1)
    assert (row.errmsg or "").startswith("it may have been shown, but no answer came")
    assert (call.answer, call.errcode, bool(call.detail), calls(sim, "delete")) == ("lost", None, True, 1)


async def test_without_a_token_nothing_is_called(sim: Simulator, http: httpx.AsyncClient, temporal: Client) -> None:
    """Both say what the token endpoint said; the secret is in neither."""
    desk = desk_at(sim.url, http, secret=WRONG)
    row, call = await desk.preview(), await delete(desk, temporal)
    assert (row.sent, calls(sim, "preview"), calls(sim, "delete")) == (False, 0, 0)
    assert "no access token could be had" in (row.errmsg or "")
    assert (call.answer, call.token_endpoint, call.errcode) == ("refused", True, 40125)
    assert WRONG not in repr((row, call))


async def test_without_a_connection_nothing_is_called(
    token_server: TokenServer, http: httpx.AsyncClient, temporal: Client
) -> None:
    """It is safe to do again."""
    desk = desk_at(token_server.url, http)
    await desk.accounts.token("demo")
    await token_server.stop()
    row = await desk.preview()
    assert (row.sent, row.errcode) == (False, None)
    assert "It is safe to do again" in (row.errmsg or "")
    assert (await delete(desk, temporal)).answer == "not_written"


async def test_a_refused_deletion_is_an_answer(desk: Desk, sim: Simulator, temporal: Client) -> None:
    """With WeChat's code, its words, its rid, and the time. An article is deleted by its URL."""
    call = await delete(desk, temporal)
    assert (call.answer, call.errcode, call.at, call.token_endpoint) == ("refused", 40059, NOON, False)
    assert (bool(call.errmsg), bool(call.rid)) == (True, True)
    assert ((await delete(desk, temporal, None, URL)).errcode, calls(sim, "delete")) == (40066, 2)


@pytest.mark.parametrize(
    ("endpoint", "answer", "deletes"), [("mass/delete", "refused", 1), ("stable_token", "not_written", 0)]
)
async def test_a_recall_is_cancelled_before_its_call_or_not_at_all(
    *, desk: Desk, sim: Simulator, temporal: Client, endpoint: str, answer: str, deletes: int
) -> None:
    """A POST under way is not broken off: its answer is returned. While the token is on its way, nothing is written."""
    sim.world.faults.add(Fault(endpoint=endpoint, kind="slow", seconds=0.3))
    environment = ActivityEnvironment()
    step = DeleteStep(account=desk.pinned, msg_id=7)
    doing = recalls(desk, temporal).delete_job
    calling = asyncio.create_task(environment.run(doing, await as_read(doing, step)))
    await sim.world.until(lambda: any(call.path.endswith(endpoint) for call in sim.world.calls))
    environment.cancel()
    assert ((await calling).answer, calls(sim, "delete")) == (answer, deletes)


@pytest.mark.parametrize(("endpoint", "shown"), [("mass/preview", 1), ("stable_token", 0)])
async def test_a_preview_is_cancelled_before_its_call_or_not_at_all(
    desk: Desk, sim: Simulator, endpoint: str, shown: int
) -> None:
    """What came of a POST under way is returned. While the token is on its way, nothing is written."""
    sim.world.faults.add(Fault(endpoint=endpoint, kind="slow", seconds=0.3))
    environment = ActivityEnvironment()
    step = PreviewStep.model_validate({"account": desk.pinned, "to": BOSS, "message": TEXT})
    doing = Previews(desk.accounts).preview
    showing = asyncio.create_task(environment.run(doing, await as_read(doing, step)))
    await sim.world.until(lambda: any(call.path.endswith(endpoint) for call in sim.world.calls))
    environment.cancel()
    [outcome] = await asyncio.gather(showing, return_exceptions=True)
    assert isinstance(outcome, Previewed if shown else asyncio.CancelledError)
    assert (len(sim.world.ledger.previews(sim.world.accounts["demo"])), calls(sim, "preview")) == (shown, shown)


@pytest.mark.parametrize(("errcode", "kind"), [(40059, None), (48001, "LookRefused"), (-1, "WechatUnavailable")])
async def test_a_look_is_answered_or_repeated_or_for_a_person(
    desk: Desk, sim: Simulator, temporal: Client, errcode: int, kind: str | None
) -> None:
    """A job that WeChat does not know may be too new. All else is asked again, or a person changes something first."""
    step = LookStep(account=desk.pinned, msg_id=7)
    if kind is None:
        said = await attempt(recalls(desk, temporal).look_at_job, step)
        assert (said.status, said.errcode) == (None, errcode)
        return
    sim.world.faults.add(Fault(endpoint="mass/get", kind="errcode", errcode=errcode))
    await failed(attempt(recalls(desk, temporal).look_at_job, step), kind, lasting=kind == "LookRefused")


@pytest.mark.parametrize(
    ("step", "known"), [({"msg_id": 7}, KnownJob(msg_id=7)), ({"url": URL}, KnownJob())], ids=["msg_id", "url"]
)
async def test_an_account_without_a_ledger_knows_no_job(
    desk: Desk, temporal: Client, step: dict[str, object], known: KnownJob
) -> None:
    """None is started for a question."""
    account = desk.pinned.model_copy(update={"appid": "wxfedcba9876543210"})
    asked = FindJobStep.model_validate({"account": account, **step})
    assert await attempt(recalls(desk, temporal).find_job, asked) == known
