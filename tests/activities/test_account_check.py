from datetime import UTC, datetime, timedelta

import httpx
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.checks import AccountCheck
from qunfa.contract.checks import AccountStep, TokenSeen
from qunfa.contract.steps import ACCOUNT_CHANGED
from qunfa.simulator import Simulator
from tests.activities.conftest import APPID, NOON, SECRET, Desk, ManualClock, activity_info, desk_at, simulated


def check_of(desk: Desk, http: httpx.AsyncClient, clock: ManualClock | None = None) -> AccountCheck:
    """The activities, with a clock that stands still."""
    return AccountCheck(desk.settings, desk.accounts, http, clock)


async def token_of(desk: Desk, http: httpx.AsyncClient) -> TokenSeen:
    """What is seen of the token."""
    return await ActivityEnvironment().run(check_of(desk, http).check_token, AccountStep(account=desk.pinned))


async def test_a_token_is_had_anew(desk: Desk, sim: Simulator, http: httpx.AsyncClient) -> None:
    """One call each time, and nothing of it is a secret."""
    for _ in range(2):
        assert await token_of(desk, http) == TokenSeen(source="stable")
    assert [call.path for call in sim.world.calls] == ["/cgi-bin/stable_token"] * 2


async def test_an_address_that_wechat_refuses(desk: Desk, sim: Simulator, http: httpx.AsyncClient) -> None:
    """With its code and text; a token in the cache does not hide it."""
    await token_of(desk, http)
    account = {"appid": APPID, "secret": SECRET, "ip_whitelist": ["203.0.113.7"]}
    await sim.reset(simulated(accounts={"demo": account}))
    seen = await token_of(desk, http)
    assert (seen.refused, seen.errcode) == ("ip_not_whitelisted", 40164)
    assert (seen.errmsg or "").startswith("invalid ip 127.0.0.1")


async def test_a_wechat_that_is_not_there(http: httpx.AsyncClient) -> None:
    """A reason, but no code."""
    seen = await token_of(desk_at("http://127.0.0.1:1", http), http)
    assert (seen.refused, seen.errcode, "Connect" in (seen.detail or "")) == (None, None, True)


async def test_the_url_of_a_token_service_is_not_told(desk: Desk, http: httpx.AsyncClient) -> None:
    """It may hold a key."""
    served = desk_at(desk.base_url, http, token_source="http://127.0.0.1:1/demo?key=k1")
    seen = await token_of(served, http)
    assert seen.source == "a token service"
    assert "k1" not in seen.model_dump_json()


async def test_the_clock_is_held_against_temporals_and_wechats(desk: Desk, http: httpx.AsyncClient) -> None:
    """One that is two days ahead is so against both."""
    ahead = timedelta(days=2)
    clock = ManualClock(datetime.now(UTC) + ahead)
    environment = ActivityEnvironment()
    environment.info = activity_info(started_time=datetime.now(UTC))
    clocks = await environment.run(check_of(desk, http, clock).read_clocks, AccountStep(account=desk.pinned))
    assert clocks.ahead_of_temporal == pytest.approx(ahead.total_seconds(), abs=5)
    assert clocks.ahead_of_wechat == pytest.approx(ahead.total_seconds(), abs=5)


async def test_temporals_time_is_told_without_wechats(http: httpx.AsyncClient) -> None:
    """Why there is only one."""
    desk = desk_at("http://127.0.0.1:1", http)
    environment = ActivityEnvironment()
    environment.info = activity_info(started_time=NOON - timedelta(seconds=3))
    clocks = await environment.run(
        check_of(desk, http, ManualClock(NOON)).read_clocks, AccountStep(account=desk.pinned)
    )
    assert (clocks.ahead_of_temporal, clocks.ahead_of_wechat) == (3, None)
    assert clocks.detail == "WeChat could not be reached (ConnectError)"


@pytest.mark.parametrize("name", ["check_token", "read_clocks"])
async def test_another_account_than_was_asked_for(desk: Desk, http: httpx.AsyncClient, name: str) -> None:
    """The configuration has changed meanwhile: nobody is asked."""
    step = AccountStep(account=desk.pinned.model_copy(update={"appid": "wxother"}))
    with pytest.raises(ApplicationError) as failure:
        await ActivityEnvironment().run(getattr(check_of(desk, http), name), step)
    assert failure.value.type == ACCOUNT_CHANGED
