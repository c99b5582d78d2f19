import json

import pytest

from qunfa.wechat import CallbackCheck, CallbackDns, CallbackPing, MaybeWritten, Speed, Token
from tests.wechat.conftest import TOKEN, WeChat

OK = {"errcode": 0, "errmsg": "ok"}


@pytest.mark.parametrize(
    ("article_idx", "body"), [(None, b'{"msg_id":30124}'), (2, b'{"msg_id":30124,"article_idx":2}')]
)
async def test_delete(article_idx: int | None, body: bytes, token: Token) -> None:
    """A job is taken back as a whole, or one article of it."""
    wechat = WeChat(OK)
    await wechat.account().delete(token, 30124, article_idx)
    assert wechat.requests[0].content == body


async def test_delete_by_url(token: Token) -> None:
    """An article is taken back by its URL."""
    wechat = WeChat(OK)
    await wechat.account().delete_url(token, "https://mp.weixin.qq.com/s?__biz=x&mid=1")
    assert wechat.requests[0].content == b'{"url":"https://mp.weixin.qq.com/s?__biz=x&mid=1"}'


async def test_no_article_means_no_article(token: Token) -> None:
    """0, which WeChat reads as all articles, is not taken for one."""
    wechat = WeChat(OK)
    with pytest.raises(ValueError, match="counted from 1"):
        await wechat.account().delete(token, 30124, 0)
    assert wechat.requests == []


async def test_the_speed(token: Token) -> None:
    """The speed comes with what it stands for."""
    wechat = WeChat({"speed": 3, "realspeed": 15})
    assert await wechat.account().speed_get(token) == Speed(speed=3, realspeed=15)
    assert (wechat.requests[0].method, wechat.requests[0].content) == ("POST", b"{}")


@pytest.mark.parametrize("speed", [0, 4])
async def test_setting_the_speed(speed: int, token: Token) -> None:
    """It goes from 0 to 4."""
    wechat = WeChat(OK)
    await wechat.account().speed_set(token, speed)
    assert json.loads(wechat.requests[0].content) == {"speed": speed}


@pytest.mark.parametrize("speed", [-1, 5])
async def test_no_other_speed_is_set(speed: int, token: Token) -> None:
    """Another one is refused before WeChat does."""
    wechat = WeChat(OK)
    with pytest.raises(ValueError, match="from 0 to 4"):
        await wechat.account().speed_set(token, speed)
    assert wechat.requests == []


async def test_callback_check(token: Token) -> None:
    """WeChat tells how it sees the callback's host."""
    dns = {"ip": "111.161.64.40", "real_operator": "UNICOM"}
    ping = {"ip": "111.161.64.40", "from_operator": "UNICOM", "package_loss": "0%", "time": "23.079ms"}
    wechat = WeChat({"dns": [dns], "ping": [ping]})
    assert await wechat.account().callback_check(token) == CallbackCheck(
        dns=(CallbackDns(ip="111.161.64.40", real_operator="UNICOM"),),
        ping=(CallbackPing(ip="111.161.64.40", from_operator="UNICOM", package_loss="0%", time="23.079ms"),),
    )
    assert wechat.requests[0].content == b'{"action":"all","check_operator":"DEFAULT"}'


async def test_a_check_of_names_only(token: Token) -> None:
    """What was not asked for may be missing."""
    wechat = WeChat({"dns": [{"ip": "111.161.64.40"}]})
    check = await wechat.account().callback_check(token, action="dns", check_operator="UNICOM")
    assert check == CallbackCheck(dns=(CallbackDns(ip="111.161.64.40"),))
    assert wechat.requests[0].content == b'{"action":"dns","check_operator":"UNICOM"}'


async def test_callback_ips(token: Token) -> None:
    """The addresses of pushes come as WeChat writes them, networks too."""
    wechat = WeChat({"ip_list": ["101.226.62.77", "101.226.233.128/26"]})
    assert await wechat.account().callback_ips(token) == ("101.226.62.77", "101.226.233.128/26")
    (request,) = wechat.requests
    assert request.method == "GET"
    assert str(request.url) == f"https://wechat.example/cgi-bin/getcallbackip?access_token={TOKEN}"


async def test_a_list_of_addresses_that_is_missing_is_not_an_empty_one(token: Token) -> None:
    """An answer without addresses is no answer."""
    with pytest.raises(MaybeWritten):
        await WeChat({}).account().callback_ips(token)
