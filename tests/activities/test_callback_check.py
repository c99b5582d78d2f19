import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.checks import CallbackCheck
from qunfa.contract.checks import CALLBACK_CHECK_REFUSED, CallbackAddress, CallbackCheckStep, CallbackView
from qunfa.contract.steps import ACCOUNT_CHANGED, WECHAT_UNAVAILABLE, Pinned
from qunfa.simulator import Fault, Simulator
from tests.activities.conftest import APPID, SECRET, Desk, simulated


async def check(desk: Desk, account: Pinned | None = None) -> CallbackView:
    """What WeChat sees."""
    step = CallbackCheckStep(account=account or desk.pinned)
    return await ActivityEnvironment().run(CallbackCheck(desk.settings, desk.accounts).callback_check, step)


@pytest.fixture
async def listener() -> AsyncIterator[str]:
    """Something listens there; its URL."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/wechat/demo"


async def called_back(sim: Simulator, url: str) -> None:
    """WeChat as new, with this callback."""
    account = {"appid": APPID, "secret": SECRET, "callback": {"url": url, "token": "t"}}
    await sim.reset(simulated(accounts={"demo": account}))


async def test_wechat_sees_the_callback(desk: Desk, sim: Simulator, listener: str) -> None:
    """The host's addresses, and how they answer, as WeChat tells it."""
    await called_back(sim, listener)
    seen = await check(desk)
    assert seen.dns == (CallbackAddress(ip="127.0.0.1", operator="UNICOM"),)
    [ping] = seen.ping
    assert (ping.ip, ping.operator, ping.loss) == ("127.0.0.1", "UNICOM", "0%")
    assert ping.time.endswith("ms")


async def test_a_callback_that_does_not_answer_is_seen(desk: Desk, sim: Simulator) -> None:
    """That everything is lost is an answer."""
    await called_back(sim, "http://127.0.0.1:1/")
    assert [ping.loss for ping in (await check(desk)).ping] == ["100%"]


async def test_a_refused_callback_check_is_for_a_person(desk: Desk) -> None:
    """The account has no callback at WeChat: final, with WeChat's evidence."""
    with pytest.raises(ApplicationError, match=r"account demo.*40201") as failure:
        await check(desk)
    assert (failure.value.type, failure.value.non_retryable) == (CALLBACK_CHECK_REFUSED, True)
    [evidence] = failure.value.details
    assert evidence["errcode"] == 40201
    assert evidence["rid"]


@pytest.mark.parametrize("kind", ["http_502", "reset_before_accept"])
async def test_trouble_with_a_callback_check_is_left_to_a_retry(
    desk: Desk, sim: Simulator, listener: str, kind: str
) -> None:
    """The next attempt has an answer."""
    await called_back(sim, listener)
    sim.world.faults.add(Fault.model_validate({"endpoint": "callback/check", "kind": kind}))
    with pytest.raises(ApplicationError) as failure:
        await check(desk)
    assert (failure.value.type, failure.value.non_retryable) == (WECHAT_UNAVAILABLE, False)
    assert (await check(desk)).dns


async def test_a_changed_account_gets_no_callback_check(desk: Desk, sim: Simulator) -> None:
    """The check fails for good, and no call is made."""
    with pytest.raises(ApplicationError) as failure:
        await check(desk, Pinned(name="demo", appid="wxStarted", base_url=desk.base_url))
    assert failure.value.type == ACCOUNT_CHANGED
    assert not list(sim.world.calls)
