import pytest

from tests.simulator.api import Api, Start

MASS = "/cgi-bin/message/mass/sendall"


async def codes(api: Api, count: int, tag: int | None = 2) -> list[int]:
    """The errcodes of so many distinct sends, one after the other."""
    moment = f"{api.world.clock.now():.3f}"
    return [(await api.sendall(tag=tag, clientmsgid=f"{moment}-{n}"))["errcode"] for n in range(count)]


async def test_sixty_sends_a_minute(start: Start) -> None:
    """The 61st call of sendall or send within a minute answers 45011; a minute later they pass again."""
    api = await start()
    assert await codes(api, 59) == [0] * 59
    assert (await api.send(api.openids(0, 1)))["errcode"] == 0
    assert await codes(api, 2) == [45011, 45011]
    await api.advance(61)
    assert await codes(api, 1) == [0]


async def test_scale_shortens_the_minute(start: Start) -> None:
    """With scale 60 the minute is a second."""
    api = await start(sim={"scale": 60}, limits={"mass_per_minute": 1})
    assert await codes(api, 1) == [0]
    await api.advance(1)
    assert await codes(api, 1) == [0]


async def test_a_hundred_calls_a_day(start: Start) -> None:
    """Mass calls beyond the daily quota answer 45009 until midnight in China; a duplicate is still told as one."""
    api = await start(limits={"calls_per_day": {"mass": 3}, "user_per_month": 100})
    assert await codes(api, 2) == [0, 0]
    assert (await api.sendall(clientmsgid="last"))["errcode"] == 0
    assert (await api.sendall(clientmsgid="more"))["errcode"] == 45009
    await api.advance(61)
    assert (await api.sendall(clientmsgid="last"))["errcode"] == 45065
    await api.sim("clock", {"set": "2026-12-16T00:00:01+08:00"})
    assert await codes(api, 1) == [0]


async def test_other_calls_have_daily_quotas_of_their_own(start: Start) -> None:
    """45009 on an endpoint leaves the others alone."""
    api = await start(limits={"calls_per_day": {"user/get": 1}})
    assert [await api.code("user/get") for _ in range(2)] == [0, 45009]
    assert await api.code("tags/get") == 0


async def test_the_quota_endpoint_counts_calls(start: Start) -> None:
    """openapi/quota/get tells limit, used and remaining calls, and the rate of mass sends."""
    api = await start()
    await codes(api, 2)
    answer = await api.call("openapi/quota/get", {"cgi_path": MASS})
    assert answer == {
        "errcode": 0,
        "errmsg": "ok",
        "quota": {"daily_limit": 100, "used": 2, "remain": 98},
        "rate_limit": {"call_count": 60, "refresh_second": 60},
    }
    assert await api.code("openapi/quota/get", {"cgi_path": "/cgi-bin/nothing"}) == 76021


async def test_a_subscription_account_sends_once_a_day(start: Start) -> None:
    """The second successful send of a day, to all or to a tag, answers 45028; the day changes at midnight in China."""
    api = await start(kind="subscription")
    assert await codes(api, 2) == [0, 45028]
    assert (await api.sendall(tag=None))["errcode"] == 45028
    await api.sim("clock", {"set": "2026-12-15T23:59:00+08:00"})
    assert await codes(api, 1) == [45028]
    await api.sim("clock", {"set": "2026-12-16T00:00:01+08:00"})
    assert await codes(api, 1, tag=None) == [0]


async def test_a_failed_send_gives_the_day_back(start: Start) -> None:
    """Only successful sends use a subscription account's day up; one under way counts as used."""
    api = await start(kind="subscription", sim={"timing": {"delivery": 10}})
    await api.plan(status="send fail")
    assert await codes(api, 2) == [0, 45028]
    await api.advance(11)
    await api.world.settled()
    assert await codes(api, 2) == [0, 45028]


async def test_the_duplicate_check_comes_before_the_quota(start: Start) -> None:
    """A retry of the send that used the day up answers 45065, not 45028."""
    api = await start(kind="subscription")
    first = await api.sendall(clientmsgid="job-1")
    await api.advance(61)
    again = await api.sendall(clientmsgid="job-1")
    assert (again["errcode"], again["msg_id"]) == (45065, first["msg_id"])


async def test_a_service_account_sends_to_all_four_times_a_month(start: Start) -> None:
    """The fifth send to all of a month answers 45028; sends to tags go on; the next month begins anew."""
    api = await start()
    assert await codes(api, 5, tag=None) == [0, 0, 0, 0, 45028]
    assert await codes(api, 1) == [0]
    await api.sim("clock", {"set": "2027-01-01T00:00:01+08:00"})
    api.token = (await api.stable_token())["access_token"]
    assert await codes(api, 1, tag=None) == [0]


@pytest.mark.parametrize("kind", ["token", "user/get"])
async def test_a_test_account_has_smaller_quotas(start: Start, kind: str) -> None:
    """200 tokens and 100 user/get a day instead of 2,000 and 500."""
    api = await start(kind="test")
    answer = await api.call("openapi/quota/get", {"cgi_path": f"/cgi-bin/{kind}"})
    assert answer["quota"]["daily_limit"] == {"token": 200, "user/get": 100}[kind]
