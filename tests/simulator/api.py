from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from qunfa.simulator import Job, Simulator, SimulatorConfig, World, basics, openid
from qunfa.simulator.accounts import Account
from tests.simulator import samples
from tests.simulator.inbox import Inbox

APPID = "wx0123456789abcdef"
SECRET = "0123456789abcdef0123456789abcdef"
CREDENTIALS = {"grant_type": "client_credential", "appid": APPID, "secret": SECRET}
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
NOON = "2026-12-15T12:00:00+08:00"
MIDNIGHT = "2026-12-16T00:00:01+08:00"
THREE_DAYS = 259_200

Json = dict[str, Any]


@dataclass
class Api:
    """A client of the simulator, of one account."""

    simulator: Simulator
    http: httpx.AsyncClient
    inbox: Inbox
    token: str = ""

    @property
    def world(self) -> World:
        return self.simulator.world

    @property
    def demo(self) -> Account:
        return self.world.accounts["demo"]

    def become(self, account: str) -> None:
        world = self.world
        self.token = basics.stable_token(world.accounts[account], world.config.tokens, world.clock.now()).value

    def openids(self, *numbers: int) -> list[str]:
        return [openid(self.demo.config.appid, number) for number in numbers]

    async def call(self, path: str, body: object = None, **query: str) -> Json:
        """Call an endpoint with the account's token: POST with a body, GET without."""
        sent: Json = {} if body is None else {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self._ask("GET" if body is None else "POST", path, query, **sent)

    async def _ask(self, verb: str, path: str, query: dict[str, str], **sent: Any) -> Json:
        params = {"access_token": self.token} | query
        answer: Json = (await self.http.request(verb, f"/cgi-bin/{path}", params=params, **sent)).json()
        return answer

    async def code(self, path: str, body: object = None, **query: str) -> int:
        """The errcode of a call, 0 if there is none."""
        code: int = (await self.call(path, body, **query)).get("errcode", 0)
        return code

    async def codes(self, path: str, *bodies: object) -> list[int]:
        return [await self.code(path, body) for body in bodies]

    async def upload(self, path: str, file: bytes | None, name: str = "file.bin", **query: str) -> Json:
        """Post a multipart form with a file, or without one if it is None."""
        files = {} if file is None else {"media": (name, file, "application/octet-stream")}
        return await self.post_form(path, files, None, **query)

    async def post_form(self, path: str, files: Any, fields: Any, **query: str) -> Json:
        # Without any file httpx would write no multipart form.
        return await self._ask("POST", path, query, files=files or {"x": b""}, data=fields)

    async def media_id(self, kind: str, file: bytes, *, permanent: bool = False) -> str:
        answer = await self.upload("material/add_material" if permanent else "media/upload", file, type=kind)
        found: str = answer.get("thumb_media_id") or answer["media_id"]
        return found

    async def film(self, **words: str) -> str:
        video = {"media_id": await self.media_id("video", samples.MP4)}
        converted: str = (await self.call("media/uploadvideo", video | words))["media_id"]
        return converted

    async def picture(self, file: bytes) -> str:
        url: str = (await self.upload("media/uploadimg", file))["url"]
        return url

    async def draft(self, *articles: Json) -> str:
        """The id of a new draft; articles get a cover of their own if they have none."""
        cover = {"thumb_media_id": await self.media_id("image", samples.JPG, permanent=True)}
        answer = await self.call("draft/add", {"articles": [cover | each for each in articles or (article(),)]})
        found: str = answer["media_id"]
        return found

    async def sendall(self, content: str | Json = "hello", tag: int | None = 2, **more: object) -> Json:
        """Send a text or another message to a tag, or to all if it is None."""
        chosen: Json = {"is_to_all": True} if tag is None else {"is_to_all": False, "tag_id": tag}
        message_ = message(content) if isinstance(content, str) else content
        return await self.call("message/mass/sendall", message_ | {"filter": chosen} | more)

    async def sendalls(self, *clientmsgids: str, content: str | Json = "hello") -> list[int]:
        return [(await self.sendall(content, clientmsgid=each))["errcode"] for each in clientmsgids]

    async def sent(self, content: str | Json = "hello", tag: int | None = 2, **more: object) -> Job:
        """Send, and return the job once it is finished and pushed."""
        answer = await self.sendall(content, tag, **more)
        await self.world.settled()
        return self.job(answer)

    def job(self, answer: Json) -> Job:
        assert answer["errcode"] == 0, answer
        found = self.world.jobs.get(answer["msg_id"])
        assert found is not None
        return found

    async def send(self, openids: object, text: str = "hello", **more: object) -> Json:
        return await self.call("message/mass/send", message(text) | {"touser": openids} | more)

    async def status(self, msg_id: object) -> Json:
        return await self.call("message/mass/get", {"msg_id": msg_id})

    async def stable_token(self, *, force: bool = False, changes: dict[str, str] | None = None) -> Json:
        return await self.call("stable_token", CREDENTIALS | {"force_refresh": force} | (changes or {}))

    async def classic_token(self, changes: dict[str, str] | None = None) -> Json:
        return await self.call("token", **CREDENTIALS | (changes or {}))

    async def works(self, *tokens: str) -> list[int]:
        return [await self.code("tags/get", access_token=token) for token in tokens]

    async def sim(self, path: str, body: object = None, *, method: str | None = None, expect: int = 200) -> Json:
        """Call an admin endpoint: POST with a body, GET without."""
        verb = method or ("GET" if body is None else "POST")
        response = await self.http.request(verb, f"/_sim/{path}", json=body)
        assert response.status_code == expect, response.text
        return response.json() if response.content else {}

    async def fault(self, kind: str, endpoint: str = "sendall", **more: object) -> object:
        return (await self.sim("faults", {"kind": kind, "endpoint": endpoint} | more, expect=201))["id"]

    async def plan(self, **fields: object) -> object:
        return (await self.sim("pushes", fields, expect=201))["id"]

    async def advance(self, seconds: float) -> None:
        await self.sim("clock", {"advance": seconds})

    async def finish(self, seconds: float) -> None:
        """Let so much time pass, and all that then ends."""
        await self.advance(seconds)
        await self.world.settled()

    async def news(self, *articles: Json) -> Json:
        """The answer to new articles of media/uploadnews; they have a cover of their own."""
        cover = {"thumb_media_id": await self.media_id("thumb", samples.JPG)}
        return await self.call("media/uploadnews", {"articles": [cover | each for each in articles or (article(),)]})

    async def previewed(self, content: Json) -> int:
        return await self.code("message/mass/preview", content | {"touser": self.openids(7)[0]})

    async def until(self, moment: str) -> None:
        await self.sim("clock", {"set": moment})


Start = Callable[..., Awaitable[Api]]


def message(text: str = "hello") -> Json:
    return {"msgtype": "text", "text": {"content": text}}


def article(**changes: object) -> Json:
    return {"title": "Spring", "content": "<p>Hello</p>", "show_cover_pic": 1} | changes


def named(msgtype: str, media_id: str) -> Json:
    """The part of a send that says what, of a message that is one media_id."""
    return {"msgtype": msgtype, msgtype: {"media_id": media_id}}


def account_config(**changes: object) -> Json:
    """A service account of 20 followers; tag 2 has the followers 0 to 4, tag 3 has 3 to 8."""
    tags = [{"id": 2, "name": "VIP", "count": 5}, {"id": 3, "name": "新客", "count": 6, "first": 3}]
    account = {"appid": APPID, "secret": SECRET, "followers": 20, "original_id": "gh_0123456789ab", "tags": tags}
    return account | changes


def simulator_config(*, sim: Json | None = None, **account: object) -> SimulatorConfig:
    """A simulator with the account demo; `sim` are changes of its own settings, the others of the account's.

    Jobs end at once, failed pushes are repeated at once, tokens live for years.
    """
    config = {
        "now": NOON,
        "timing": {"delivery": 0},
        "push": {"spacing": 0},
        "tokens": {"lifetime": 10**8},
        "accounts": {"demo": account_config(**account)},
    }
    return SimulatorConfig.model_validate(config | (sim or {}))
