"""The calls that look after the account and after what was sent."""

from typing import Any, Final, Literal

from qunfa.wechat.answers import Addresses, CallbackCheck, Quota, Speed, Tag, Tags, done
from qunfa.wechat.calling import Caller
from qunfa.wechat.credentials import Token

_TAGS: Final = "/cgi-bin/tags/get"
_QUOTA: Final = "/cgi-bin/openapi/quota/get"
_DELETE: Final = "/cgi-bin/message/mass/delete"
_SPEED_GET: Final = "/cgi-bin/message/mass/speed/get"
_SPEED_SET: Final = "/cgi-bin/message/mass/speed/set"
_CALLBACK_CHECK: Final = "/cgi-bin/callback/check"
_CALLBACK_IPS: Final = "/cgi-bin/getcallbackip"

SPEED_MAX: Final = 4

CheckAction = Literal["dns", "ping", "all"]
CheckOperator = Literal["CHINANET", "UNICOM", "CAP", "DEFAULT"]


class OperationsCalls(Caller):
    """Tags, quotas, recalls, speed and the callback's reachability."""

    async def tags(self, token: Token) -> tuple[Tag, ...]:
        """All tags of the account."""
        return (await self._get(_TAGS, token, Tags.model_validate)).tags

    async def quota(self, token: Token, cgi_path: str) -> Quota:
        """How often the API at `cgi_path` (`/cgi-bin/…`) may be called today, and was."""
        return await self._post(_QUOTA, token, {"cgi_path": cgi_path}, Quota.model_validate, about=cgi_path)

    async def delete(self, token: Token, msg_id: int, article_idx: int | None = None) -> None:
        """Take back the articles of a job that was sent, or one of them, counted from 1; only mpnews and mpvideo.

        The page behind the message goes, the message stays. Other jobs with the same material lose their pages, too.

        Raises:
            ValueError: the article_idx is less than 1 (0 would be all articles).
        """
        if article_idx is not None and article_idx < 1:
            raise ValueError("articles are counted from 1")
        body: dict[str, Any] = (
            {"msg_id": msg_id} if article_idx is None else {"msg_id": msg_id, "article_idx": article_idx}
        )
        await self._post(_DELETE, token, body, done, about=f"msg_id {msg_id}")

    async def delete_url(self, token: Token, url: str) -> None:
        """Take back the article at `url` (`https://mp.weixin.qq.com/s?…`)."""
        await self._post(_DELETE, token, {"url": url}, done, about="an article by its URL")

    async def speed_get(self, token: Token) -> Speed:
        """How fast the account's mass sends go."""
        return await self._post(_SPEED_GET, token, {}, Speed.model_validate)

    async def speed_set(self, token: Token, speed: int) -> None:
        """Set how fast all mass sends of the account go from now on, from 0 (the fastest) to 4.

        Raises:
            ValueError: another speed.
        """
        if speed not in range(SPEED_MAX + 1):
            raise ValueError(f"a speed is a whole number from 0 to {SPEED_MAX}")
        await self._post(_SPEED_SET, token, {"speed": speed}, done, about=f"speed {speed}")

    async def callback_check(
        self, token: Token, *, action: CheckAction = "all", check_operator: CheckOperator = "DEFAULT"
    ) -> CallbackCheck:
        """Let WeChat look up the callback's host and ping it, from one carrier's network or its own choice."""
        body = {"action": action, "check_operator": check_operator}
        return await self._post(_CALLBACK_CHECK, token, body, CallbackCheck.model_validate)

    async def callback_ips(self, token: Token) -> tuple[str, ...]:
        """The addresses that pushes come from, some as networks (`a.b.c.d/26`); they change now and then."""
        return (await self._get(_CALLBACK_IPS, token, Addresses.model_validate)).ip_list
