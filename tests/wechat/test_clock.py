from datetime import UTC, datetime

import httpx
import pytest

from qunfa.wechat import ServerTime, server_time
from tests.wechat.conftest import WeChat

DATE = "Tue, 01 Dec 2026 04:00:00 GMT"


@pytest.mark.parametrize("status", [200, 404, 405])
async def test_any_answer_tells_the_time(status: int) -> None:
    """The root is asked, without a token: that is no call of the API."""
    wechat = WeChat({}, headers={"Date": DATE}, status_code=status)
    heard = await server_time(wechat.http(), "https://wechat.example/")
    assert heard == ServerTime(datetime(2026, 12, 1, 4, tzinfo=UTC))
    [request] = wechat.requests
    assert (request.method, str(request.url)) == ("HEAD", "https://wechat.example/")


@pytest.mark.parametrize("date", [{}, {"Date": "yesterday"}, {"Date": "Tue, 01 Dec 2026 04:00:00 -0000"}])
async def test_a_date_that_is_none(date: dict[str, str]) -> None:
    """It is not guessed."""
    heard = await server_time(WeChat({}, headers=date).http(), "https://wechat.example")
    assert (heard.date, "Date" in (heard.reason or "")) == (None, True)


async def test_a_clock_that_cannot_be_read_says_why() -> None:
    """Why is said, by the name of the error."""
    heard = await server_time(WeChat(httpx.ConnectError("no")).http(), "https://wechat.example")
    assert heard == ServerTime(None, "WeChat could not be reached (ConnectError)")
