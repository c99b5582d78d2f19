import re
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from qunfa.callback import sign
from tests.callback.pushing import AES_KEY, FINISHED, TOKEN, Inbox, receiver, sealed, signed

MODES = pytest.mark.parametrize("mode", ["plain", "safe"])


def _push(mode: str, ago: float) -> dict[str, Any]:
    return {"params": signed(ago=ago), "content": FINISHED} if mode == "plain" else sealed(ago=ago)


@MODES
@pytest.mark.parametrize("ago", [0, 590, -590])
async def test_within_the_window(inbox: Inbox, mode: str, ago: float) -> None:
    """Clocks may differ by minutes, either way."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        assert (await http.post("/wechat/demo", **_push(mode, ago))).text == "success"


@MODES
@pytest.mark.parametrize("ago", [610, -610, 10**9, -(10**9)])
async def test_outside_the_window(inbox: Inbox, mode: str, ago: float) -> None:
    """What somebody has overheard is worth nothing after ten minutes, and nothing is signed in the future."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        answer = await http.post("/wechat/demo", **_push(mode, ago))

    assert (answer.status_code, answer.text) == (403, "stale")
    assert inbox.got == []


async def test_window_is_configured(inbox: Inbox) -> None:
    """`[receiver] replay_window`."""
    async with receiver(inbox, {"replay_window": timedelta(hours=2)}) as http:
        answers = [
            (await http.post("/wechat/demo", params=signed(ago=ago), content=FINISHED)).status_code
            for ago in (7190, 7210)
        ]

    assert answers == [200, 403]


@MODES
async def test_wechats_own_repetitions(inbox: Inbox, mode: str) -> None:
    """WeChat repeats a push within seconds, signed once or anew; both pass, and the workflow knows what it has had."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        first = _push(mode, 10)
        for push in (first, first, _push(mode, 5), _push(mode, 0)):
            assert (await http.post("/wechat/demo", **push)).text == "success"

    assert len(inbox.got) == 4
    assert len({event.model_dump_json() for _, event in inbox.got}) == 1


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1.5", "1e9", "٧٧٧", "9" * 13, "9" * 64])
async def test_timestamp_that_is_none(inbox: Inbox, timestamp: str) -> None:
    """A timestamp is a number of seconds, also where it is signed."""
    query = {"signature": sign(TOKEN, timestamp, "n"), "timestamp": timestamp, "nonce": "n"}
    async with receiver(inbox) as http:
        assert (await http.post("/wechat/demo", params=query, content=FINISHED)).status_code == 403
    assert inbox.got == []


async def test_old_url_verification(inbox: Inbox) -> None:
    """Nobody gets an echo for a signature of yesterday: the echo is not covered by it."""
    async with receiver(inbox) as http:
        assert (await http.get("/wechat/demo", params=signed(ago=86400, echostr="echo"))).status_code == 403


async def test_wrong_clock_is_named(inbox: Inbox) -> None:
    """A receiver whose clock is wrong refuses everything, and says why."""
    async with receiver(inbox) as http:
        with capture_logs() as lines:
            await http.post("/wechat/demo", params=signed(ago=3600), content=FINISHED)

    (line,) = lines
    assert line["answer"] == "stale"
    assert re.match(r"signed 360\d s ago by this machine's clock", line["reason"])
