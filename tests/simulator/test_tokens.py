import pytest

from tests.simulator.api import Start, account_config

USUAL: dict[str, object] = {"tokens": {}}


async def test_a_stable_token_stays_and_its_seconds_shrink(start: Start) -> None:
    """In normal mode repeated calls return the same token, with the seconds it has left."""
    api = await start(sim=USUAL)
    first = await api.stable_token()
    await api.advance(100)
    second = await api.stable_token()
    assert first["access_token"] == second["access_token"]
    assert first["expires_in"] - 110 <= second["expires_in"] <= first["expires_in"] - 100
    assert "errcode" not in first


async def test_a_stable_token_is_renewed_five_minutes_before_it_ends(start: Start) -> None:
    """A returned stable token has at least 300 s left; the one before it lives to its end."""
    api = await start(sim=USUAL)
    old = (await api.stable_token())["access_token"]
    await api.advance(6901)
    new = await api.stable_token()
    assert new["access_token"] != old
    assert new["expires_in"] > 7000
    assert [await api.works(old), await api.works(new["access_token"])] == [0, 0]
    await api.advance(300)
    assert [await api.works(old), await api.works(new["access_token"])] == [42001, 0]


async def test_a_forced_refresh_kills_the_old_stable_token_at_once(start: Start) -> None:
    """After force_refresh the previous stable token answers 40001."""
    api = await start(sim=USUAL)
    old = (await api.stable_token())["access_token"]
    new = (await api.stable_token(force=True))["access_token"]
    assert new != old
    assert [await api.works(old), await api.works(new)] == [40001, 0]


async def test_a_forced_refresh_within_thirty_seconds_does_not_refresh(start: Start) -> None:
    """Forced calls less than 30 s apart return the same token."""
    api = await start(sim=USUAL)
    first = (await api.stable_token(force=True))["access_token"]
    assert (await api.stable_token(force=True))["access_token"] == first
    await api.advance(30)
    assert (await api.stable_token(force=True))["access_token"] != first


async def test_twenty_forced_refreshes_a_day(start: Start) -> None:
    """The 21st forced refresh of a day is refused with 45009; the next day there are more."""
    api = await start(sim=USUAL)
    for _ in range(20):
        assert "access_token" in await api.stable_token(force=True)
        await api.advance(30)
    assert (await api.stable_token(force=True))["errcode"] == 45009
    await api.advance(86400)
    assert "access_token" in await api.stable_token(force=True)


async def test_a_classic_token_replaces_the_earlier_one_after_the_overlap(start: Start) -> None:
    """cgi-bin/token gives a new token each time; the old one works for five more minutes."""
    api = await start(sim=USUAL)
    old, new = (await api.classic_token())["access_token"], (await api.classic_token())["access_token"]
    await api.advance(299)
    assert [await api.works(old), await api.works(new)] == [0, 0]
    await api.advance(2)
    assert [await api.works(old), await api.works(new)] == [40001, 0]


async def test_stable_and_classic_tokens_do_not_disturb_each_other(start: Start) -> None:
    """Neither kind invalidates the other."""
    api = await start(sim=USUAL)
    stable, classic = (await api.stable_token())["access_token"], (await api.classic_token())["access_token"]
    await api.stable_token(force=True)
    await api.advance(301)
    assert [await api.works(stable), await api.works(classic)] == [40001, 0]
    newest = (await api.stable_token())["access_token"]
    await api.classic_token()
    await api.advance(301)
    assert [await api.works(classic), await api.works(newest)] == [40001, 0]


async def test_lifetime_and_overlap_are_settings(start: Start) -> None:
    """Token lifetimes are configurable, and told in expires_in."""
    api = await start(sim={"tokens": {"lifetime": 60, "overlap": 10}})
    token = await api.classic_token()
    assert token["expires_in"] == 60
    await api.advance(60)
    assert await api.works(token["access_token"]) == 42001


@pytest.mark.parametrize(
    ("token", "errcode"),
    [("", 41001), ("rubbish", 40014), ("60_" + "x" * 128, 40001)],
    ids=["missing", "malformed", "never issued"],
)
async def test_a_token_that_is_none_is_refused(start: Start, token: str, errcode: int) -> None:
    """41001 without a token, 40014 for text that is none, 40001 for one that was never given."""
    api = await start(sim=USUAL)
    assert await api.works(token) == errcode


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"appid": ""}, 41002),
        ({"secret": ""}, 41004),
        ({"grant_type": "password"}, 40002),
        ({"appid": "wxffffffffffffffff"}, 40013),
        ({"secret": "wrong"}, 40125),
    ],
)
async def test_wrong_credentials_are_refused_by_both_token_endpoints(
    start: Start, change: dict[str, str], errcode: int
) -> None:
    """41002, 41004, 40002, 40013 and 40125 of the token endpoints."""
    api = await start(sim=USUAL)
    assert (await api.classic_token(change))["errcode"] == errcode
    assert (await api.stable_token(changes=change))["errcode"] == errcode


async def test_an_address_outside_the_whitelist_gets_no_token(start: Start) -> None:
    """Token endpoints refuse unknown addresses with 40164; other endpoints do not look at it."""
    api = await start(ip_whitelist=["203.0.113.7"])
    refused = await api.stable_token()
    assert refused["errcode"] == 40164
    assert refused["errmsg"].startswith("invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: ")
    assert await api.works(api.token) == 0
    api = await start(ip_whitelist=["127.0.0.1"])
    assert "access_token" in await api.stable_token()


async def test_the_classic_token_has_a_daily_limit(start: Start) -> None:
    """Calls beyond the day's quota answer 45009 until midnight in China."""
    api = await start(limits={"calls_per_day": {"token": 2}})
    assert [(await api.classic_token()).get("errcode") for _ in range(3)] == [None, None, 45009]
    await api.sim("clock", {"set": "2026-12-15T23:59:58+08:00"})
    assert (await api.classic_token())["errcode"] == 45009
    await api.advance(3)
    assert "access_token" in await api.classic_token()


async def test_stable_tokens_have_a_limit_per_minute(start: Start) -> None:
    """More calls a minute than allowed answer 45011."""
    api = await start(limits={"stable_tokens_per_minute": 2})
    assert [(await api.stable_token()).get("errcode") for _ in range(3)] == [None, None, 45011]
    await api.advance(60)
    assert "access_token" in await api.stable_token()


async def test_a_token_of_one_account_acts_for_that_account_only(start: Start) -> None:
    """A job is known to the account that sent it and to no other."""
    other = account_config(appid="wx1111111111111111", tags=[])
    api = await start(sim={"accounts": {"demo": account_config(), "other": other}})
    msg_id = (await api.sendall())["msg_id"]
    assert (await api.status(msg_id))["msg_id"] == msg_id
    now = api.world.clock.now()
    api.token = api.world.accounts["other"].tokens.stable(now).value
    assert (await api.status(msg_id))["errcode"] == 40059
    assert await api.call("tags/get") == {"tags": []}
