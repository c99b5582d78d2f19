"""`python -m tests.bench.simple WECHAT PORT`: worker and receiver of `tests.bench.rivals`, by Temporal's defaults."""

import asyncio
import sys
from typing import Any

import httpx
import uvicorn
from lxml import etree
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from qunfa.temporal.connection import connect
from tests.bench.rivals import FINISHED, NOTHING, POST, QUEUE, Simple, Wanted


@activity.defn(name=NOTHING)
async def nothing(wanted: Wanted) -> None:
    """What no message is sent by."""


class Posting:
    """The calls of WeChat's, and which run each push is for."""

    def __init__(self, http: httpx.AsyncClient, client: Client) -> None:
        self._http, self._client = http, client
        self._tokens: dict[str, asyncio.Task[str]] = {}
        self._runs: dict[int, str] = {}

    @activity.defn(name=POST)
    async def post(self, wanted: Wanted) -> None:
        """Submit the message."""
        token = await self._tokens.setdefault(wanted.appid, asyncio.create_task(self._token(wanted)))
        body = {
            "filter": {"is_to_all": False, "tag_id": wanted.tag_id},
            "text": {"content": wanted.content},
            "msgtype": "text",
        }
        answer = await self._json("/cgi-bin/message/mass/sendall", body, {"access_token": token})
        self._runs[answer["msg_id"]] = activity.info().workflow_id or ""

    async def pushed(self, request: Request) -> Response:
        """Give a push to the run that it is for."""
        event = etree.fromstring(await request.body(), etree.XMLParser(resolve_entities=False))
        run = self._client.get_workflow_handle(self._runs.pop(int(event.findtext("MsgID") or 0)))
        await run.signal(FINISHED, event.findtext("Status"))
        return PlainTextResponse("success")

    async def _token(self, wanted: Wanted) -> str:
        body = {"grant_type": "client_credential", "appid": wanted.appid, "secret": wanted.secret}
        return str((await self._json("/cgi-bin/stable_token", body, {}))["access_token"])

    async def _json(self, path: str, body: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        answer = (await self._http.post(path, json=body, params=query)).raise_for_status().json()
        if answer.get("errcode"):
            raise ValueError(f"{path}: WeChat answered {answer}")
        return dict(answer)


async def main(wechat: str, port: int) -> None:
    """Serve until killed."""
    client = await connect()
    async with httpx.AsyncClient(base_url=wechat, trust_env=False) as http:
        posting = Posting(http, client)
        app = Starlette(routes=[Route("/wechat/{account}", posting.pushed, methods=["POST"])])
        receiver = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, access_log=False))
        async with Worker(client, task_queue=QUEUE, workflows=[Simple], activities=[nothing, posting.post]):
            await receiver.serve()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
