"""One preview to one person, and what each answer makes of its row."""

from typing import Any

import httpx
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.submission import Previews
from qunfa.contract.request import Previewed
from qunfa.contract.steps import PreviewStep
from qunfa.simulator import Fault, Simulator, openid
from tests.activities.conftest import APPID, SECRET, Desk, TokenServer, desk_at, settings_for

BOSS = {"openid": openid(APPID, 7)}


async def previewed(desk: Desk, **more: Any) -> Previewed:
    """What comes of a preview."""
    step = {"account": desk.pinned, "to": BOSS, "message": {"msgtype": "text", "content": "你好"}, **more}
    previews = Previews(desk.settings, desk.accounts)
    return await ActivityEnvironment().run(previews.preview, PreviewStep.model_validate(step))


def previews_at(sim: Simulator) -> int:
    """How many calls of `mass/preview` WeChat has seen."""
    return len([call for call in sim.world.calls if call.path.endswith("/mass/preview")])


async def test_it_is_shown_to_that_person_and_delivered_to_nobody(desk: Desk, sim: Simulator) -> None:
    """WeChat's ledger has a preview, and no job."""
    row = await previewed(desk)
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
    ],
)
async def test_whom_wechat_does_not_show_it(desk: Desk, to: dict[str, str], errcode: int) -> None:
    """Its refusal is the row's answer, with its evidence."""
    row = await previewed(desk, to=to)
    assert (row.sent, row.errcode, row.msg_id) == (False, errcode, None)
    assert row.errmsg
    assert row.rid


async def test_the_hundred_of_a_day(desk: Desk, sim: Simulator) -> None:
    """45009 of WeChat, whoever has used them up."""
    sim.world.faults.add(Fault(endpoint="mass/preview", kind="errcode", errcode=45009))
    row = await previewed(desk)
    assert (row.sent, row.errcode) == (False, 45009)


@pytest.mark.parametrize("errcode", [40001, 42001])
async def test_a_preview_replaces_a_dead_token_once(desk: Desk, sim: Simulator, errcode: int) -> None:
    """Nothing was shown by then, so the same preview goes out with a fresh one."""
    sim.world.faults.add(Fault(endpoint="mass/preview", kind="errcode", errcode=errcode))
    assert (await previewed(desk)).sent
    sim.world.faults.add(Fault(endpoint="mass/preview", kind="errcode", errcode=errcode, times=2))
    row = await previewed(desk)
    assert (row.sent, row.errcode) == (False, errcode)
    assert len(sim.world.ledger.previews(sim.world.accounts["demo"])) == 1


@pytest.mark.parametrize("kind", ["reset_after_accept", "http_502", "broken_json", "timeout_after_accept"])
async def test_a_lost_answer_is_not_asked_for_again(sim: Simulator, hasty: httpx.AsyncClient, kind: str) -> None:
    """One call, and the row says that the person may have seen it."""
    desk = desk_at(sim.url, hasty)
    await desk.accounts.token("demo")
    sim.world.faults.add(Fault.model_validate({"endpoint": "mass/preview", "kind": kind}))
    row = await previewed(desk)
    assert (row.sent, row.errcode, previews_at(sim)) == (False, None, 1)
    assert (row.errmsg or "").startswith("it may have been shown, but no answer came")


async def test_without_a_token_nothing_is_shown(sim: Simulator, http: httpx.AsyncClient) -> None:
    """The row says what the token endpoint said; the secret is not in it."""
    wrong = "wrong-SECRET-0123456789"
    row = await previewed(desk_at(sim.url, http, secret=wrong))
    assert (row.sent, previews_at(sim)) == (False, 0)
    assert "no access token could be had" in (row.errmsg or "")
    assert wrong not in repr(row)


async def test_without_a_connection_nothing_is_shown(token_server: TokenServer, http: httpx.AsyncClient) -> None:
    """It is safe to do again, and the row has no secret."""
    desk = desk_at(token_server.url, http)
    token = (await desk.accounts.token("demo")).get_secret_value()
    await token_server.stop()
    row = await previewed(desk)
    assert (row.sent, row.errcode) == (False, None)
    assert "It is safe to do again" in (row.errmsg or "")
    assert token not in repr(row)
    assert SECRET not in repr(row)


async def test_a_preview_for_another_account_is_refused(desk: Desk, sim: Simulator) -> None:
    """A preview of a send is not made at a WeChat that the send has not pinned."""
    desk.settings = settings_for("http://127.0.0.1:10")
    with pytest.raises(ApplicationError) as raised:
        await previewed(desk)
    assert (raised.value.type, raised.value.non_retryable, previews_at(sim)) == ("AccountChanged", True, 0)
