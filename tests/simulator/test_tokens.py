"""Tokens, and how many calls of each kind there are in a minute, a day and a month."""

import pytest

from tests.simulator.api import MIDNIGHT, Api, Json, Start, account_config, message

MASS = "/cgi-bin/message/mass/sendall"


@pytest.fixture
async def usual(start: Start) -> Api:
    """Tokens live as long as WeChat's."""
    return await start(sim={"tokens": {}})


async def stable(api: Api, *, force: bool = False) -> str:
    """A stable token."""
    token: str = (await api.stable_token(force=force))["access_token"]
    return token


async def classic(api: Api) -> str:
    """A token of cgi-bin/token."""
    token: str = (await api.classic_token())["access_token"]
    return token


async def work(api: Api, *tokens: str) -> list[int]:
    """The errcode of a harmless call with each token."""
    return [await api.works(token) for token in tokens]


async def test_a_stable_token_is_renewed_before_it_ends(usual: Api) -> None:
    """Repeated calls return the same one, with the seconds it has left, until that are 300; it lives to its end."""
    first = await usual.stable_token()
    await usual.advance(100)
    second = await usual.stable_token()
    assert first["access_token"] == second["access_token"]
    assert first["expires_in"] - 110 <= second["expires_in"] <= first["expires_in"] - 100
    assert "errcode" not in first
    await usual.advance(6801)
    new = await usual.stable_token()
    assert new["access_token"] != first["access_token"]
    assert new["expires_in"] > 7000
    assert await work(usual, first["access_token"], new["access_token"]) == [0, 0]
    await usual.advance(300)
    assert await work(usual, first["access_token"], new["access_token"]) == [42001, 0]


async def test_a_forced_refresh_kills_the_old_stable_token_at_once(usual: Api) -> None:
    """It answers 40001 then. Forced calls less than 30 s apart return the same token."""
    old = await stable(usual)
    new = await stable(usual, force=True)
    assert new != old
    assert await work(usual, old, new) == [40001, 0]
    assert await stable(usual, force=True) == new
    await usual.advance(30)
    assert await stable(usual, force=True) != new


async def test_twenty_forced_refreshes_a_day(usual: Api) -> None:
    """The 21st forced refresh of a day is refused with 45009; the next day there are more."""
    for _ in range(20):
        await stable(usual, force=True)
        await usual.advance(30)
    assert (await usual.stable_token(force=True))["errcode"] == 45009
    await usual.advance(86400)
    assert await stable(usual, force=True)


async def test_a_classic_token_replaces_the_earlier_after_the_overlap(usual: Api) -> None:
    """cgi-bin/token gives a new token each time; the old one works for five more minutes."""
    old, new = await classic(usual), await classic(usual)
    await usual.advance(299)
    assert await work(usual, old, new) == [0, 0]
    await usual.advance(2)
    assert await work(usual, old, new) == [40001, 0]


async def test_stable_and_classic_tokens_do_not_disturb_each_other(usual: Api) -> None:
    """Neither kind invalidates the other."""
    old, one = await stable(usual), await classic(usual)
    newest = await stable(usual, force=True)
    await usual.advance(301)
    assert await work(usual, old, one) == [40001, 0]
    await classic(usual)
    await usual.advance(301)
    assert await work(usual, one, newest) == [40001, 0]


async def test_lifetime_and_overlap_are_settings(start: Start) -> None:
    """Token lifetimes are configurable, and told in expires_in."""
    api = await start(sim={"tokens": {"lifetime": 60, "overlap": 10}})
    token = await api.classic_token()
    assert token["expires_in"] == 60
    await api.advance(60)
    assert await api.works(token["access_token"]) == 42001


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"appid": ""}, 41002), ({"secret": ""}, 41004), ({"grant_type": "password"}, 40002),
        ({"appid": "wxffffffffffffffff"}, 40013), ({"secret": "wrong"}, 40125),
    ],
)  # fmt: skip
async def test_wrong_credentials_get_no_token(usual: Api, change: dict[str, str], errcode: int) -> None:
    """By both token endpoints. A token is missing (41001), no token at all (40014), or was never given (40001)."""
    assert (await usual.classic_token(change))["errcode"] == errcode
    assert (await usual.stable_token(changes=change))["errcode"] == errcode
    assert await work(usual, "", "rubbish", "60_" + "x" * 128) == [41001, 40014, 40001]


async def test_an_address_outside_the_whitelist_gets_no_token(start: Start) -> None:
    """Token endpoints refuse unknown addresses with 40164; other endpoints do not look at it."""
    api = await start(ip_whitelist=["203.0.113.7"])
    refused = await api.stable_token()
    assert refused["errcode"] == 40164
    assert refused["errmsg"].startswith("invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: ")
    assert await api.works(api.token) == 0
    api = await start(ip_whitelist=["127.0.0.1"])
    assert await stable(api)


async def test_a_token_of_one_account_acts_for_that_account_only(start: Start) -> None:
    """A job is known to the account that sent it and to no other."""
    other = account_config(appid="wx1111111111111111", tags=[])
    api = await start(sim={"accounts": {"demo": account_config(), "other": other}})
    msg_id = (await api.sendall())["msg_id"]
    assert (await api.status(msg_id))["msg_id"] == msg_id
    api.become("other")
    assert (await api.status(msg_id))["errcode"] == 40059
    assert await api.call("tags/get") == {"tags": []}


async def test_tokens_have_limits_of_their_own(start: Start) -> None:
    """More stable ones a minute than allowed answer 45011; classic ones of a day 45009, until midnight in China."""
    api = await start(limits={"stable_tokens_per_minute": 2, "calls_per_day": {"token": 2}})
    assert [(await api.stable_token()).get("errcode") for _ in range(3)] == [None, None, 45011]
    await api.advance(60)
    assert await stable(api)
    assert [(await api.classic_token()).get("errcode") for _ in range(3)] == [None, None, 45009]
    await api.until("2026-12-15T23:59:58+08:00")
    assert (await api.classic_token())["errcode"] == 45009
    await api.advance(3)
    assert await classic(api)


async def test_sixty_sends_a_minute(start: Start) -> None:
    """The 61st call of sendall or send within a minute answers 45011; scale shortens the minute."""
    api = await start()
    assert await api.sendalls(*map(str, range(59))) == [0] * 59
    assert (await api.send(api.openids(0, 1)))["errcode"] == 0
    assert await api.sendalls("60", "61") == [45011, 45011]
    await api.advance(61)
    assert await api.sendalls("62") == [0]
    api = await start(sim={"scale": 60}, limits={"mass_per_minute": 1})
    assert await api.sendalls("a", "b") == [0, 45011]
    await api.advance(1)
    assert await api.sendalls("b") == [0]


async def test_a_hundred_mass_calls_a_day(start: Start) -> None:
    """Those beyond the daily quota answer 45009 until midnight in China; a duplicate is still told as one."""
    api = await start(limits={"calls_per_day": {"mass": 3}, "user_per_month": 100})
    assert await api.sendalls("a", "b", "c", "d") == [0, 0, 0, 45009]
    await api.advance(61)
    assert await api.sendalls("c") == [45065]
    await api.until(MIDNIGHT)
    assert await api.sendalls("e") == [0]


@pytest.mark.parametrize(
    ("limits", "path", "body", "codes"),
    [
        ({"calls_per_day": {"user/get": 1}}, "user/get", None, [0, 45009]),
        ({}, "message/mass/delete", {"msg_id": 1}, [40059] * 10 + [45009]),
        ({}, "message/mass/preview", message() | {"touser": "0"}, [0] * 100 + [45009]),
    ],
    ids=["user/get", "delete", "preview"],
)
async def test_each_endpoint_has_its_daily_quota(
    start: Start, limits: Json, path: str, body: Json | None, codes: list[int]
) -> None:
    """45009 leaves the others alone, and goes with midnight in China."""
    api = await start(limits=limits)
    if body and "touser" in body:
        body = body | {"touser": api.openids(7)[0]}
    assert await api.codes(path, *[body] * len(codes)) == codes
    assert await api.code("tags/get") == 0
    assert await api.sendalls("a") == [0]
    await api.until(MIDNIGHT)
    assert await api.code(path, body) == codes[0]


async def test_the_quota_endpoint_counts_calls(start: Start) -> None:
    """openapi/quota/get tells limit, used and remaining calls, and the rate of mass sends; test accounts have less."""
    api = await start()
    await api.sendalls("a", "b")
    assert await api.call("openapi/quota/get", {"cgi_path": MASS}) == {
        "errcode": 0,
        "errmsg": "ok",
        "quota": {"daily_limit": 100, "used": 2, "remain": 98},
        "rate_limit": {"call_count": 60, "refresh_second": 60},
    }
    published = {"media/upload": 100_000, "media/uploadnews": 10, "draft/add": 1_000, "draft/get": 500}
    for kind, limits in (("service", published | {"token": 2000}), ("test", {"token": 200, "user/get": 100})):
        api = await start(kind=kind)
        told = {path: await api.call("openapi/quota/get", {"cgi_path": f"/cgi-bin/{path}"}) for path in limits}
        assert {path: answer["quota"]["daily_limit"] for path, answer in told.items()} == limits


async def test_a_subscription_account_sends_once_a_day(start: Start) -> None:
    """The second successful send of a day, to all or to a tag, answers 45028; the day changes at midnight in China.

    A retry of the send that used the day up answers 45065: the duplicate check comes before the quota.
    """
    api = await start(kind="subscription")
    assert await api.sendalls("a", "b") == [0, 45028]
    assert (await api.sendall(tag=None))["errcode"] == 45028
    await api.until("2026-12-15T23:59:00+08:00")
    assert await api.sendalls("a", "b") == [45065, 45028]
    await api.until(MIDNIGHT)
    assert (await api.sendall(tag=None))["errcode"] == 0


async def test_a_failed_send_gives_the_day_back(start: Start) -> None:
    """Only successful sends use a subscription account's day up; one under way counts as used."""
    api = await start(kind="subscription", sim={"timing": {"delivery": 10}})
    await api.plan(status="send fail")
    assert await api.sendalls("a", "b") == [0, 45028]
    await api.finish(11)
    assert await api.sendalls("c", "d") == [0, 45028]


async def test_a_service_account_sends_to_all_four_times_a_month(api: Api) -> None:
    """The fifth send to all of a month answers 45028; sends to tags go on; the next month begins anew."""
    assert [(await api.sendall(tag=None, clientmsgid=f"{n}"))["errcode"] for n in range(5)] == [0] * 4 + [45028]
    assert await api.sendalls("tag") == [0]
    await api.until("2027-01-01T00:00:01+08:00")
    assert (await api.sendall(tag=None))["errcode"] == 0
