"""What time it is at WeChat: the `Date` of an answer to a request that is no call of its API."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx

from qunfa.wechat.transport import api_url


@dataclass(frozen=True, slots=True)
class ServerTime:
    """The `Date` of an answer, to the whole second; None, with the reason, where there is none."""

    date: datetime | None
    reason: str | None = None


async def server_time(http: httpx.AsyncClient, base_url: str) -> ServerTime:
    """One `HEAD` of the root, without a token: it counts towards no quota. Whatever status it has is an answer."""
    try:
        answer = await http.head(f"{api_url(base_url)}/")
    except (httpx.HTTPError, OSError) as error:
        return ServerTime(None, f"WeChat could not be reached ({type(error).__name__})")
    try:
        date = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return ServerTime(None, "WeChat's answer has no usable Date")
    return ServerTime(date) if date.tzinfo else ServerTime(None, "WeChat's answer has a Date without a zone")
