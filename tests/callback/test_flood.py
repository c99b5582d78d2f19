"""Pushes that somebody has overheard, again and again, at a real receiver before a real Temporal."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest
from temporalio.client import Client

from tests.callback.pushing import AES_KEY, FINISHED, encrypted, enveloped, framed, signed
from tests.callback.running import address_of, is_ready, renamed, running, signals
from tests.looking import look_again

MANY = 300
AT_ONCE = 30
UNKNOWN = "".join(f"<Unknown{n}>{'x' * 200}</Unknown{n}>" for n in range(32)).encode()


async def _all(http: httpx.AsyncClient, pushes: list[dict[str, Any]]) -> Counter[str]:
    """How often each word is the answer to the pushes, many of which are under way at the same time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(push: dict[str, Any]) -> str:
        async with places:
            return (await http.post("/wechat/demo", **push)).text

    return Counter(await asyncio.gather(*map(one, pushes)))


async def test_one_signature_of_plain_mode(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lets one push in, and no other one; the account has one signal."""
    appid, query = f"wx{uuid4().hex}", signed()
    monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
    body = FINISHED.replace(b"</xml>", UNKNOWN + b"</xml>")
    pushes = [{"params": query, "content": body.replace(b"3147483650", b"%d" % n)} for n in range(1, MANY + 1)]
    async with running(renamed(appid)) as http:
        while not await is_ready(http):
            await look_again()
        answers = await _all(http, pushes)

    assert answers == {"success": 1, "forged": MANY - 1}
    assert await signals(client, appid) == 1


async def test_one_push_of_safe_mode(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each repetition is answered with success, as WeChat's own would have to be; the account has one signal."""
    appid = f"wx{uuid4().hex}"
    monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
    push = enveloped(encrypted(framed(FINISHED, appid)))
    async with running(renamed(appid, aes_key=AES_KEY)) as http:
        while not await is_ready(http):
            await look_again()
        answers = await _all(http, [push] * MANY)

    assert answers == {"success": MANY}
    assert await signals(client, appid) == 1
