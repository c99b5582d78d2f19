import httpx
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.checks import AudienceCheck
from qunfa.contract.steps import (
    ACCOUNT_CHANGED,
    AUDIENCE_REFUSED,
    WECHAT_UNAVAILABLE,
    AudienceFinding,
    AudienceStep,
    Pinned,
)
from qunfa.simulator import Fault, Simulator
from tests.activities.conftest import APPID, SECRET, Desk, desk_at, simulated


async def check(desk: Desk, tag_id: int = 2, account: Pinned | None = None) -> AudienceFinding:
    """What the check finds."""
    step = AudienceStep(account=account or desk.pinned, tag_id=tag_id)
    return await ActivityEnvironment().run(AudienceCheck(desk.settings, desk.accounts).check_audience, step)


async def test_a_tag_is_found_with_its_name_and_count(desk: Desk) -> None:
    """What WeChat shows of the tag is what is answered."""
    assert await check(desk) == AudienceFinding(found=True, name="VIP", count=50)


async def test_a_tag_that_the_account_does_not_have_is_not_found(desk: Desk) -> None:
    """Its absence is a finding, no failure."""
    assert await check(desk, tag_id=999) == AudienceFinding(found=False)


@pytest.mark.parametrize("errcode", [48001, 50002, 45009])
async def test_a_refusal_is_for_a_person(desk: Desk, sim: Simulator, errcode: int) -> None:
    """The failure is final, and carries WeChat's evidence."""
    sim.world.faults.add(Fault(endpoint="tags/get", kind="errcode", errcode=errcode))
    with pytest.raises(ApplicationError, match=f"account demo.*{errcode}") as failure:
        await check(desk)
    assert (failure.value.type, failure.value.non_retryable) == (AUDIENCE_REFUSED, True)
    [evidence] = failure.value.details
    assert (evidence["errcode"], evidence["token_endpoint"]) == (errcode, False)
    assert evidence["rid"]
    assert evidence["rid"] in evidence["errmsg"]


async def test_an_address_that_may_not_have_tokens_is_for_a_person(sim: Simulator, http: httpx.AsyncClient) -> None:
    """40164 of the token endpoint is final, and marked as the token endpoint's."""
    elsewhere = {"appid": APPID, "secret": SECRET, "ip_whitelist": ["192.0.2.1"]}
    await sim.reset(simulated(accounts={"demo": elsewhere}))
    with pytest.raises(ApplicationError) as failure:
        await check(desk_at(sim.url, http))
    assert failure.value.type == AUDIENCE_REFUSED
    [evidence] = failure.value.details
    assert (evidence["errcode"], evidence["token_endpoint"]) == (40164, True)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(endpoint="tags/get", kind="errcode", errcode=-1),
        Fault(endpoint="tags/get", kind="errcode", errcode=45011),
        Fault(endpoint="tags/get", kind="errcode", errcode=42001),
        Fault(endpoint="tags/get", kind="http_502"),
        Fault(endpoint="tags/get", kind="reset_before_accept"),
        Fault(endpoint="stable_token", kind="errcode", errcode=-1),
        Fault(endpoint="stable_token", kind="http_502"),
    ],
    ids=lambda fault: f"{fault.endpoint} {fault.kind} {fault.errcode}",
)
async def test_trouble_with_an_audience_is_left_to_a_retry(desk: Desk, sim: Simulator, fault: Fault) -> None:
    """Busy, broken, a refused token: the next attempt finds the tag."""
    sim.world.faults.add(fault)
    with pytest.raises(ApplicationError, match="account demo") as failure:
        await check(desk)
    assert (failure.value.type, failure.value.non_retryable) == (WECHAT_UNAVAILABLE, False)
    assert (await check(desk)).found


async def test_a_changed_account_is_not_asked_for_its_audience(desk: Desk, sim: Simulator) -> None:
    """The check fails for good, and no call is made."""
    other = Pinned(name="demo", appid="wxStarted", base_url=desk.base_url)
    with pytest.raises(ApplicationError) as failure:
        await check(desk, account=other)
    assert failure.value.type == ACCOUNT_CHANGED
    assert not list(sim.world.calls)
