"""Speeds and quotas: WeChat's answers, and its refusals."""

from typing import Any

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.limits import Quotas, Speeds
from qunfa.contract.limits import (
    REALSPEEDS,
    Book,
    CallsLeft,
    CallsLeftStep,
    GetSpeedStep,
    SendsCountedStep,
    SetSpeedStep,
    Speed,
)
from qunfa.simulator import Fault, Simulator
from tests.activities.conftest import Desk, settings_for

SENDALL = "/cgi-bin/message/mass/sendall"


async def get_speed(desk: Desk) -> Speed:
    """The speed."""
    return await ActivityEnvironment().run(
        Speeds(desk.settings, desk.accounts).get_speed, GetSpeedStep(account=desk.pinned)
    )


async def set_speed(desk: Desk, speed: int) -> None:
    """Set it."""
    step = SetSpeedStep(account=desk.pinned, speed=speed)
    await ActivityEnvironment().run(Speeds(desk.settings, desk.accounts).set_speed, step)


async def calls_left(desk: Desk, temporal: Client, path: str = SENDALL) -> CallsLeft:
    """The count of one API."""
    step = CallsLeftStep(account=desk.pinned, cgi_path=path)
    return await ActivityEnvironment().run(Quotas(desk.settings, desk.accounts, temporal).calls_left, step)


@pytest.mark.parametrize("speed", range(5))
async def test_a_speed_is_set_and_told(desk: Desk, speed: int) -> None:
    """By WeChat's table."""
    await set_speed(desk, speed)
    assert await get_speed(desk) == Speed(speed=speed, realspeed=REALSPEEDS[speed])


@pytest.mark.parametrize(("errcode", "kind"), [(45085, "WechatUnavailable"), (45083, "SpeedRefused")])
async def test_what_passes_is_tried_again_and_what_lasts_is_not(
    desk: Desk, sim: Simulator, errcode: int, kind: str
) -> None:
    """45085 is an error of WeChat's own."""
    for endpoint, trying in (("speed/get", get_speed(desk)), ("speed/set", set_speed(desk, 1))):
        sim.world.faults.add(Fault(endpoint=endpoint, kind="errcode", errcode=errcode))
        with pytest.raises(ApplicationError) as raised:
            await trying
        assert (raised.value.type, raised.value.non_retryable) == (kind, kind == "SpeedRefused")


async def test_the_count_of_an_api(desk: Desk, temporal: Client) -> None:
    """Used and left of a day's calls, and how many at once where WeChat tells."""
    found = await calls_left(desk, temporal)
    assert (found.daily_limit, found.used, found.remain) == (100, 0, 100)
    assert (found.call_count, found.refresh_second) == (60, 60)
    draft = await calls_left(desk, temporal, "/cgi-bin/draft/add")
    assert (draft.daily_limit, draft.call_count) == (1000, None)


@pytest.mark.parametrize(("path", "errcode"), [("/cgi-bin/nowhere", 76021), (SENDALL, 48001)])
async def test_a_count_that_wechat_refuses_says_why(
    desk: Desk, sim: Simulator, temporal: Client, path: str, errcode: int
) -> None:
    """It is an answer."""
    if path == SENDALL:
        sim.world.faults.add(Fault(endpoint="quota/get", kind="errcode", errcode=errcode))
    found = await calls_left(desk, temporal, path)
    assert (found.errcode, found.used, bool(found.errmsg)) == (errcode, None, True)


async def test_a_busy_wechat_is_asked_again(desk: Desk, sim: Simulator, temporal: Client) -> None:
    """It is none."""
    sim.world.faults.add(Fault(endpoint="quota/get", kind="errcode", errcode=-1))
    with pytest.raises(ApplicationError, match="quota/get answered -1") as raised:
        await calls_left(desk, temporal)
    assert raised.value.type == "WechatUnavailable"


async def test_an_account_without_a_ledger_has_an_empty_book(desk: Desk, temporal: Client) -> None:
    """And nobody says since when it counts."""
    quotas = Quotas(desk.settings, desk.accounts, temporal)
    assert await ActivityEnvironment().run(quotas.sends_counted, SendsCountedStep(appid="wx-of-nobody")) == Book()


async def test_another_account_is_not_asked_about(desk: Desk, sim: Simulator, temporal: Client) -> None:
    """Nor is its speed set."""
    pinned = desk.pinned
    desk.settings = settings_for("http://127.0.0.1:10")
    quotas, speeds = Quotas(desk.settings, desk.accounts, temporal), Speeds(desk.settings, desk.accounts)
    steps: list[tuple[Any, Any]] = [
        (quotas.calls_left, CallsLeftStep(account=pinned, cgi_path=SENDALL)),
        (speeds.get_speed, GetSpeedStep(account=pinned)),
        (speeds.set_speed, SetSpeedStep(account=pinned, speed=1)),
    ]
    for activity, step in steps:
        with pytest.raises(ApplicationError) as raised:
            await ActivityEnvironment().run(activity, step)
        assert raised.value.type == "AccountChanged"
    assert list(sim.world.calls) == []
