"""Tokens: how they are had, how long they are good, and who gets none."""

import pytest

from tests.simulator.api import Api, Start

pytestmark = pytest.mark.usefixtures("still")


@pytest.fixture
async def usual(start: Start) -> Api:
    return await start(sim={"tokens": {}})


async def stable(api: Api, *, force: bool = False) -> str:
    token: str = (await api.stable_token(force=force))["access_token"]
    return token


async def classic(api: Api) -> str:
    token: str = (await api.classic_token())["access_token"]
    return token


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
    assert await usual.works(first["access_token"], new["access_token"]) == [0, 0]
    await usual.advance(300)
    assert await usual.works(first["access_token"], new["access_token"]) == [42001, 0]


async def test_a_forced_refresh_kills_the_old_stable_token_at_once(usual: Api) -> None:
    """It answers 40001 then. Forced calls less than 30 s apart return the same token. The 21st of a day is refused."""
    old = await stable(usual)
    new = await stable(usual, force=True)
    assert new != old
    assert await usual.works(old, new) == [40001, 0]
    assert await stable(usual, force=True) == new
    for _ in range(19):
        await usual.advance(30)
        newer = await stable(usual, force=True)
        assert newer != new
        new = newer
    await usual.advance(30)
    assert (await usual.stable_token(force=True))["errcode"] == 45009
    await usual.advance(86400)
    assert await stable(usual, force=True)


async def test_a_classic_token_replaces_the_earlier_after_the_overlap(usual: Api) -> None:
    """cgi-bin/token gives a new token each time; the old one works for five more minutes."""
    old, new = await classic(usual), await classic(usual)
    await usual.advance(299)
    assert await usual.works(old, new) == [0, 0]
    await usual.advance(2)
    assert await usual.works(old, new) == [40001, 0]


async def test_stable_and_classic_tokens_do_not_disturb_each_other(usual: Api) -> None:
    """Neither kind invalidates the other."""
    old, one = await stable(usual), await classic(usual)
    newest = await stable(usual, force=True)
    await usual.advance(301)
    assert await usual.works(old, one) == [40001, 0]
    await classic(usual)
    await usual.advance(301)
    assert await usual.works(one, newest) == [40001, 0]


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
    assert await usual.works("", "rubbish", "60_" + "x" * 128) == [41001, 40014, 40001]


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
