"""What WeChat is asked about an account, and what its answers become: all of it is asked in one way."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.checks import AudienceCheck, CallbackCheck
from activities.limits import Quotas, Speeds
from qunfa.contract.checks import CALLBACK_CHECK_REFUSED, CallbackAddress, CallbackCheckStep, CallbackPing, CallbackView
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
from qunfa.contract.prospect import FollowersStep
from qunfa.contract.steps import AUDIENCE_REFUSED, WECHAT_UNAVAILABLE, AudienceFinding, AudienceStep
from qunfa.simulator import Fault, Simulator
from tests.activities.conftest import APPID, SECRET, Desk, attempt, desk_at, simulated

SENDALL = "/cgi-bin/message/mass/sendall"


async def tag(desk: Desk, tag_id: int = 2) -> AudienceFinding:
    """What is found of a tag."""
    step = AudienceStep(account=desk.pinned, tag_id=tag_id)
    return await attempt(AudienceCheck(desk.settings, desk.accounts).check_audience, step)


async def followers(desk: Desk) -> int:
    """How many there are."""
    step = FollowersStep(account=desk.pinned)
    return (await attempt(AudienceCheck(desk.settings, desk.accounts).count_followers, step)).total


async def callback(desk: Desk) -> CallbackView:
    """What WeChat sees of the callback."""
    step = CallbackCheckStep(account=desk.pinned)
    return await attempt(CallbackCheck(desk.settings, desk.accounts).callback_check, step)


async def get_speed(desk: Desk) -> Speed:
    """The speed."""
    return await attempt(Speeds(desk.settings, desk.accounts).get_speed, GetSpeedStep(account=desk.pinned))


async def set_speed(desk: Desk, speed: int = 1) -> None:
    """Set it."""
    step = SetSpeedStep(account=desk.pinned, speed=speed)
    await attempt(Speeds(desk.settings, desk.accounts).set_speed, step)


async def calls_left(desk: Desk, temporal: Client, path: str = SENDALL) -> CallsLeft:
    """The count of one API."""
    step = CallsLeftStep(account=desk.pinned, cgi_path=path)
    return await attempt(Quotas(desk.settings, desk.accounts, temporal).calls_left, step)


async def test_a_tag_is_found_with_its_name_and_count(desk: Desk) -> None:
    """That the account does not have it is a finding as well."""
    assert await tag(desk) == AudienceFinding(found=True, name="VIP", count=50)
    assert await tag(desk, 999) == AudienceFinding(found=False)


async def test_all_followers_are_counted(desk: Desk, sim: Simulator) -> None:
    """By WeChat's own number, also where it is more than one page has."""
    account = {"appid": APPID, "secret": SECRET, "followers": 23_456}
    await sim.reset(simulated(accounts={"demo": account}))
    assert await followers(desk) == 23_456


async def test_wechat_sees_the_callback(desk: Desk, sim: Simulator) -> None:
    """The host's addresses, and how they answer. That everything is lost is an answer."""
    account = {"appid": APPID, "secret": SECRET, "callback": {"url": "http://127.0.0.1:1/", "token": "t"}}
    await sim.reset(simulated(accounts={"demo": account}))
    assert await callback(desk) == CallbackView(
        dns=(CallbackAddress(ip="127.0.0.1", operator="UNICOM"),),
        ping=(CallbackPing(ip="127.0.0.1", operator="UNICOM", loss="100%", time=""),),
    )


@pytest.mark.parametrize("speed", range(5))
async def test_a_speed_is_set_and_told(desk: Desk, speed: int) -> None:
    """By WeChat's table."""
    await set_speed(desk, speed)
    assert await get_speed(desk) == Speed(speed=speed, realspeed=REALSPEEDS[speed])


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


async def test_an_account_without_a_ledger_has_an_empty_book(desk: Desk, temporal: Client) -> None:
    """And nobody says since when it counts."""
    quotas = Quotas(desk.settings, desk.accounts, temporal)
    assert await attempt(quotas.sends_counted, SendsCountedStep(appid="wx-of-nobody")) == Book()


@pytest.mark.parametrize(
    ("ask", "endpoint", "errcode", "kind"),
    [
        (tag, "tags/get", 48001, AUDIENCE_REFUSED),
        (followers, "user/get", 48001, AUDIENCE_REFUSED),
        (tag, "tags/get", 50002, AUDIENCE_REFUSED),
        (tag, "tags/get", 45009, AUDIENCE_REFUSED),
        (callback, "callback/check", 40201, CALLBACK_CHECK_REFUSED),
        (get_speed, "speed/get", 45083, "SpeedRefused"),
        (set_speed, "speed/set", 45083, "SpeedRefused"),
    ],
)
async def test_a_refusal_is_for_a_person(
    *, desk: Desk, sim: Simulator, ask: Callable[[Desk], Awaitable[Any]], endpoint: str, errcode: int, kind: str
) -> None:
    """The failure is final, and carries WeChat's evidence."""
    sim.world.faults.add(Fault(endpoint=endpoint, kind="errcode", errcode=errcode))
    with pytest.raises(ApplicationError, match=f"account demo.*{errcode}") as failure:
        await ask(desk)
    assert (failure.value.type, failure.value.non_retryable) == (kind, True)
    [evidence] = failure.value.details
    assert (evidence["errcode"], evidence["token_endpoint"]) == (errcode, False)
    assert evidence["rid"]
    assert evidence["rid"] in evidence["errmsg"]


async def test_an_address_that_may_not_have_tokens_is_for_a_person(sim: Simulator, http: httpx.AsyncClient) -> None:
    """40164 of the token endpoint is final, and marked as the token endpoint's."""
    elsewhere = {"appid": APPID, "secret": SECRET, "ip_whitelist": ["192.0.2.1"]}
    await sim.reset(simulated(accounts={"demo": elsewhere}))
    with pytest.raises(ApplicationError) as failure:
        await tag(desk_at(sim.url, http))
    assert failure.value.type == AUDIENCE_REFUSED
    [evidence] = failure.value.details
    assert (evidence["errcode"], evidence["token_endpoint"]) == (40164, True)


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(endpoint="tags/get", kind="errcode", errcode=errcode) for errcode in (-1, 45011, 42001, 45085)),
        Fault(endpoint="tags/get", kind="http_502"),
        Fault(endpoint="tags/get", kind="reset_before_accept"),
        Fault(endpoint="stable_token", kind="errcode", errcode=-1),
        Fault(endpoint="stable_token", kind="http_502"),
    ],
    ids=lambda fault: f"{fault.endpoint} {fault.kind} {fault.errcode}",
)
async def test_trouble_with_a_question_is_left_to_a_retry(desk: Desk, sim: Simulator, fault: Fault) -> None:
    """Busy, broken, a refused token: the next attempt finds the tag."""
    sim.world.faults.add(fault)
    with pytest.raises(ApplicationError, match="account demo") as failure:
        await tag(desk)
    assert (failure.value.type, failure.value.non_retryable) == (WECHAT_UNAVAILABLE, False)
    assert (await tag(desk)).found


async def test_a_busy_wechat_is_asked_for_a_count_again(desk: Desk, sim: Simulator, temporal: Client) -> None:
    """Only a lasting refusal is an answer."""
    sim.world.faults.add(Fault(endpoint="quota/get", kind="errcode", errcode=-1))
    with pytest.raises(ApplicationError, match="quota/get answered -1") as raised:
        await calls_left(desk, temporal)
    assert raised.value.type == WECHAT_UNAVAILABLE
