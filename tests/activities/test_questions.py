"""What WeChat is asked about an account, and what its answers become: all of it is asked in one way."""

from dataclasses import dataclass

import httpx
import pytest
from temporalio.client import Client

from activities.checks import Checks, Limits
from qunfa.contract.checks import CALLBACK_CHECK_REFUSED, CallbackAddress, CallbackPing, CallbackView
from qunfa.contract.limits import REALSPEEDS, Book, CallsLeft, CallsLeftStep, SendsCountedStep, SetSpeedStep, Speed
from qunfa.contract.steps import AUDIENCE_REFUSED, WECHAT_UNAVAILABLE, AccountStep, AudienceFinding, AudienceStep
from qunfa.simulator import Fault, Simulator
from tests.activities.conftest import APPID, SECRET, Desk, attempt, desk_at, failed, simulated

SENDALL = "/cgi-bin/message/mass/sendall"


@dataclass
class Asking:
    """Each question, as its activity asks it."""

    desk: Desk
    temporal: Client
    http: httpx.AsyncClient

    @property
    def checks(self) -> Checks:
        return Checks(self.desk.accounts, self.http)

    @property
    def limits(self) -> Limits:
        return Limits(self.desk.accounts, self.temporal)

    async def tag(self, tag_id: int = 2) -> AudienceFinding:
        return await attempt(self.checks.check_audience, AudienceStep(account=self.desk.pinned, tag_id=tag_id))

    async def followers(self) -> int:
        return (await attempt(self.checks.count_followers, AccountStep(account=self.desk.pinned))).total

    async def callback(self) -> CallbackView:
        return await attempt(self.checks.callback_check, AccountStep(account=self.desk.pinned))

    async def get_speed(self) -> Speed:
        return await attempt(self.limits.get_speed, AccountStep(account=self.desk.pinned))

    async def set_speed(self, speed: int = 1) -> None:
        await attempt(self.limits.set_speed, SetSpeedStep(account=self.desk.pinned, speed=speed))

    async def calls_left(self, path: str = SENDALL) -> CallsLeft:
        return await attempt(self.limits.calls_left, CallsLeftStep(account=self.desk.pinned, cgi_path=path))


@pytest.fixture
def asking(desk: Desk, temporal: Client, http: httpx.AsyncClient) -> Asking:
    return Asking(desk, temporal, http)


async def test_a_tag_is_found_with_its_name_and_count(asking: Asking) -> None:
    """That the account does not have it is a finding as well."""
    assert await asking.tag() == AudienceFinding(found=True, name="VIP", count=50)
    assert await asking.tag(999) == AudienceFinding(found=False)


async def test_all_followers_are_counted(asking: Asking, sim: Simulator) -> None:
    """By WeChat's own number, also where it is more than one page has."""
    account = {"appid": APPID, "secret": SECRET, "followers": 23_456}
    await sim.reset(simulated(accounts={"demo": account}))
    assert await asking.followers() == 23_456


async def test_wechat_sees_the_callback(asking: Asking, sim: Simulator) -> None:
    """The host's addresses, and how they answer. That everything is lost is an answer."""
    account = {"appid": APPID, "secret": SECRET, "callback": {"url": "http://127.0.0.1:1/", "token": "t"}}
    await sim.reset(simulated(accounts={"demo": account}))
    assert await asking.callback() == CallbackView(
        dns=(CallbackAddress(ip="127.0.0.1", operator="UNICOM"),),
        ping=(CallbackPing(ip="127.0.0.1", operator="UNICOM", loss="100%", time=""),),
    )


@pytest.mark.parametrize("speed", range(5))
async def test_a_speed_is_set_and_told(asking: Asking, speed: int) -> None:
    """By WeChat's table."""
    await asking.set_speed(speed)
    assert await asking.get_speed() == Speed(speed=speed, realspeed=REALSPEEDS[speed])


async def test_the_count_of_an_api(asking: Asking) -> None:
    """Used and left of a day's calls, and how many at once where WeChat tells."""
    found = await asking.calls_left()
    assert (found.daily_limit, found.used, found.remain) == (100, 0, 100)
    assert (found.call_count, found.refresh_second) == (60, 60)
    draft = await asking.calls_left("/cgi-bin/draft/add")
    assert (draft.daily_limit, draft.call_count) == (1000, None)


@pytest.mark.parametrize(("path", "errcode"), [("/cgi-bin/nowhere", 76021), (SENDALL, 48001)])
async def test_a_count_that_wechat_refuses_says_why(asking: Asking, sim: Simulator, path: str, errcode: int) -> None:
    """It is an answer."""
    if path == SENDALL:
        sim.world.faults.add(Fault(endpoint="quota/get", kind="errcode", errcode=errcode))
    found = await asking.calls_left(path)
    assert (found.errcode, found.used, bool(found.errmsg)) == (errcode, None, True)


async def test_an_account_without_a_ledger_has_an_empty_book(asking: Asking) -> None:
    """And nobody says since when it counts."""
    assert await attempt(asking.limits.sends_counted, SendsCountedStep(appid="wx-of-nobody")) == Book()


@pytest.mark.parametrize(
    ("ask", "endpoint", "errcode", "kind"),
    [
        ("tag", "tags/get", 48001, AUDIENCE_REFUSED),
        ("followers", "user/get", 48001, AUDIENCE_REFUSED),
        ("tag", "tags/get", 50002, AUDIENCE_REFUSED),
        ("tag", "tags/get", 45009, AUDIENCE_REFUSED),
        ("callback", "callback/check", 40201, CALLBACK_CHECK_REFUSED),
        ("get_speed", "speed/get", 45083, "SpeedRefused"),
        ("set_speed", "speed/set", 45083, "SpeedRefused"),
    ],
)
async def test_a_refusal_is_for_a_person(
    *, asking: Asking, sim: Simulator, ask: str, endpoint: str, errcode: int, kind: str
) -> None:
    """The failure is final, and carries WeChat's evidence."""
    sim.world.faults.add(Fault(endpoint=endpoint, kind="errcode", errcode=errcode))
    failure = await failed(getattr(asking, ask)(), kind, f"account demo.*{errcode}", lasting=True)
    [evidence] = failure.details
    assert (evidence["errcode"], evidence["token_endpoint"]) == (errcode, False)
    assert evidence["rid"]
    assert evidence["rid"] in evidence["errmsg"]


async def test_an_address_that_may_not_have_tokens_is_for_a_person(
    sim: Simulator, temporal: Client, http: httpx.AsyncClient
) -> None:
    """40164 of the token endpoint is final, and marked as the token endpoint's."""
    elsewhere = {"appid": APPID, "secret": SECRET, "ip_whitelist": ["192.0.2.1"]}
    await sim.reset(simulated(accounts={"demo": elsewhere}))
    failure = await failed(Asking(desk_at(sim.url, http), temporal, http).tag(), AUDIENCE_REFUSED, lasting=True)
    [evidence] = failure.details
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
async def test_trouble_with_a_question_is_left_to_a_retry(asking: Asking, sim: Simulator, fault: Fault) -> None:
    """Busy, broken, a refused token: the next attempt finds the tag. So it is with a count."""
    sim.world.faults.add(fault)
    await failed(asking.tag(), WECHAT_UNAVAILABLE, "account demo")
    assert (await asking.tag()).found
    sim.world.faults.add(Fault(endpoint="quota/get", kind="errcode", errcode=-1))
    await failed(asking.calls_left(), WECHAT_UNAVAILABLE, "quota/get answered -1")
