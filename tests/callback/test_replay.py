import asyncio
import re
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from qunfa.callback import DeliveryError, create_app, sign, signature
from qunfa.callback import recent as recent_module
from qunfa.callback.handover import AT_A_TIME
from qunfa.callback.recent import Recent
from qunfa.contract.result import JobFinished
from tests.callback.pushing import (
    AES_KEY,
    APPID,
    FINISHED,
    HELLO,
    TOKEN,
    Inbox,
    callback_settings,
    encrypted,
    enveloped,
    framed,
    receiver,
    sealed,
    signed,
)

MODES = pytest.mark.parametrize("mode", ["plain", "safe"])


FORGED = FINISHED.replace(b"3147483650", b"666")


def _exchangeable(mode: str, timestamp: int, nonce: int) -> dict[str, Any]:
    """A push with this timestamp and nonce."""
    text = encrypted(framed(FINISHED))
    query = {"timestamp": str(timestamp), "nonce": str(nonce), "signature": sign(TOKEN, str(timestamp), str(nonce))}
    if mode == "plain":
        return {"params": query, "content": FINISHED}
    query["msg_signature"] = sign(TOKEN, str(timestamp), str(nonce), text)
    return {"params": query, "content": enveloped(text)["content"]}


def _exchanged(query: dict[str, str]) -> dict[str, str]:
    return {**query, "timestamp": query["nonce"], "nonce": query["timestamp"]}


def _push(mode: str, ago: float) -> dict[str, Any]:
    return {"params": signed(ago=ago), "content": FINISHED} if mode == "plain" else sealed(ago=ago)


@MODES
@pytest.mark.parametrize("ago", [0, 590, -590])
async def test_within_the_window(inbox: Inbox, mode: str, ago: float) -> None:
    """Clocks may differ by minutes, either way."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        assert (await http.post("/wechat/demo", **_push(mode, ago))).text == "success"


@MODES
@pytest.mark.parametrize("ago", [610, -610, 10**8, -(10**9)])
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
    """WeChat repeats a push within seconds, signed once or anew; each is answered with success, and passed on once."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        first = _push(mode, 10)
        for push in (first, first, _push(mode, 5), _push(mode, 0)):
            assert (await http.post("/wechat/demo", **push)).text == "success"

    assert len(inbox.got) == 1


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1.5", "1e9", "٧٧٧", "999999999", "9" * 11, "9" * 64])
async def test_timestamp_that_is_none(inbox: Inbox, timestamp: str) -> None:
    """A timestamp is a number of seconds, of ten digits, also where it is signed."""
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


@MODES
async def test_nonce_that_could_be_the_timestamp(inbox: Inbox, mode: str) -> None:
    """Timestamp and nonce can be exchanged under a signature: one of them at most is a time within the window."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        for ago, status in ((0, 403), (590, 403), (-590, 403), (700, 200), (-700, 200)):
            answer = await http.post("/wechat/demo", **_exchangeable(mode, int(time.time()), int(time.time() - ago)))
            assert answer.status_code == status, ago


@MODES
async def test_timestamp_and_nonce_exchanged(inbox: Inbox, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A push whose nonce is a time to come is not good once more when that time has come."""
    now = int(time.time())
    first = _exchangeable(mode, now, now + 900)
    second = {**first, "params": _exchanged(first["params"])}
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        assert (await http.post("/wechat/demo", **first)).text == "success"
        monkeypatch.setattr(signature, "time", SimpleNamespace(time=lambda: float(now + 900)))
        if mode == "plain":
            second["content"] = FORGED
        answer = await http.post("/wechat/demo", **second)

    assert (answer.status_code, answer.text) == (403, "forged")
    assert len(inbox.got) == 1


async def test_what_was_no_push_exchanged(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a request that was refused because it was too old, or a verification of the URL."""
    now = int(time.time())
    old, check = (
        _exchangeable("plain", now - 900, now + 900)["params"],
        _exchangeable("plain", now, now + 900)["params"],
    )
    async with receiver(inbox) as http:
        for query, word in ((old, "stale"), (check, "1")):
            assert (await http.get("/wechat/demo", params={**query, "echostr": "1"})).text == word
        monkeypatch.setattr(signature, "time", SimpleNamespace(time=lambda: float(now + 900)))
        for query in (old, check):
            answer = await http.post("/wechat/demo", params=_exchanged(query), content=FORGED)
            assert (answer.status_code, answer.text) == (403, "forged")
    assert inbox.got == []


@MODES
@pytest.mark.parametrize("tried", [True, False])
async def test_a_stranger_who_exchanges_them_keeps_no_push_out(inbox: Inbox, mode: str, tried: bool) -> None:
    """Whether WeChat's first try has failed, or has not come yet; the stranger's order stays refused."""
    now = int(time.time())
    ours = _exchangeable(mode, now, now - 5_000_000)
    theirs = {**ours, "params": _exchanged(ours["params"])}
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        inbox.failure = DeliveryError("Temporal is away")
        if tried:
            assert (await http.post("/wechat/demo", **ours)).status_code == 503
        inbox.failure = None
        assert (await http.post("/wechat/demo", **theirs)).text == ("forged" if tried else "stale")
        for _ in range(2):
            assert (await http.post("/wechat/demo", **ours)).text == "success"
            assert (await http.post("/wechat/demo", **theirs)).text == "forged"
    assert len(inbox.got) == 1


async def test_a_stranger_who_moves_digits_keeps_no_push_out(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shorter nonce lends digits to a timestamp long past, before WeChat's own comes."""
    now = 1_800_000_000
    monkeypatch.setattr(signature, "time", SimpleNamespace(time=lambda: float(now)))
    ours = _exchangeable("plain", now, 123_456_789)
    theirs = {**ours["params"], "timestamp": "1234567891", "nonce": "800000000"}
    async with receiver(inbox) as http:
        assert (await http.post("/wechat/demo", params=theirs, content=FORGED)).text == "stale"
        assert (await http.post("/wechat/demo", **ours)).text == "success"


async def test_another_push_under_a_signature_that_was_used(inbox: Inbox) -> None:
    """In plain mode whoever sees one request could put any body below its signature."""
    query = signed()
    async with receiver(inbox) as http:
        answers = [
            (await http.post("/wechat/demo", params=query, content=content)).text
            for content in (FINISHED, FORGED, FINISHED, HELLO)
        ]

    assert answers == ["success", "forged", "success", "forged"]
    assert len(inbox.got) == 1


async def test_signature_of_another_account(inbox: Inbox) -> None:
    """Two accounts may have the same Token: a signature that one of them has had is not good for the other."""
    settings = callback_settings()
    demo = settings.accounts["demo"]
    accounts = {"demo": demo, "twin": demo.model_copy(update={"appid": "wxtwin"})}
    app = create_app(settings.model_copy(update={"accounts": accounts}), inbox)
    query = signed()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as http:
        assert (await http.post("/wechat/demo", params=query, content=FINISHED)).text == "success"
        assert (await http.post("/wechat/twin", params=query, content=FINISHED)).text == "forged"
    assert [appid for appid, _ in inbox.got] == [APPID]


@MODES
@pytest.mark.parametrize("failure", [DeliveryError("Temporal is away"), TimeoutError()])
async def test_push_that_failed_comes_again(inbox: Inbox, mode: str, failure: Exception) -> None:
    """WeChat repeats it under the same signature, and it is taken then."""
    push = _push(mode, 1)
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        inbox.failure = failure
        assert (await http.post("/wechat/demo", **push)).status_code == 503
        inbox.failure = None
        assert (await http.post("/wechat/demo", **push)).text == "success"

    assert len(inbox.got) == 1


@pytest.mark.parametrize("anew", [True, False])
async def test_repetition_while_the_first_one_is_under_way(anew: bool) -> None:
    """It waits; where the first one fails, it is passed on itself, and success is answered only then."""
    arrived, failing, got = asyncio.Event(), asyncio.Event(), list[int]()

    async def deliver(_appid: str, event: JobFinished) -> None:
        got.append(event.msg_id)
        if len(got) == 1:
            arrived.set()
            await failing.wait()
            raise DeliveryError("Temporal is away")

    query = signed()
    async with receiver(deliver) as http:
        first = asyncio.create_task(http.post("/wechat/demo", params=query, content=FINISHED))
        await arrived.wait()
        again = signed() if anew else query
        others = [asyncio.create_task(http.post("/wechat/demo", params=again, content=FINISHED)) for _ in range(3)]
        failing.set()
        assert (await first).status_code == 503
        assert {(await other).text for other in others} == {"success"}

    assert len(got) == 2


async def test_status_that_nobody_understands(inbox: Inbox) -> None:
    """It is passed on once of each job, whatever stands beside it; one that is understood still is."""
    async with receiver(inbox) as http:
        for msg_id in (b"1", b"2"):
            for status in (b"qwert", b"qwertz", b"send success", b"send success"):
                content = FINISHED.replace(b"3147483650", msg_id).replace(b"send success", status)
                assert (await http.post("/wechat/demo", params=signed(), content=content)).text == "success"

    assert [(event.msg_id, event.status) for _, event in inbox.got] == [
        (1, "qwert"), (1, "send success"), (2, "qwert"), (2, "send success"),
    ]  # fmt: skip


async def test_too_many_results(inbox: Inbox) -> None:
    """Beyond `results_per_second`, and those of a minute at once, WeChat has to come again; it is counted."""
    async with receiver(inbox, {"results_per_second": 1e-6}) as http:
        pushes = [(signed(), FINISHED.replace(b"3147483650", b"%d" % msg_id)) for msg_id in (1, 2, 3)]
        statuses = [(await http.post("/wechat/demo", params=query, content=body)).status_code for query, body in pushes]
        again = await http.post("/wechat/demo", params=pushes[0][0], content=pushes[0][1])
        other = await http.post("/wechat/demo", params=signed(), content=HELLO)
        metrics = (await http.get("/metrics")).text

    assert statuses == [200, 429, 429]
    assert (again.text, other.text) == ("success", "success")
    assert 'qunfa_pushes_total{account="demo",answer="too_many",event="MASSSENDJOBFINISH"} 2.0' in metrics
    assert len(inbox.got) == 1


async def test_a_burst_reaches_an_account_by_few_calls_at_a_time() -> None:
    """Ten are under way, whatever waits behind them; all of them arrive."""
    line = Line()
    async with receiver(line) as http:
        bodies = [FINISHED.replace(b"3147483650", b"%d" % number) for number in range(1, 41)]
        answers = await asyncio.gather(*[http.post("/wechat/demo", params=signed(), content=body) for body in bodies])

    assert {answer.text for answer in answers} == {"success"}
    assert (line.most, line.arrived) == (AT_A_TIME, 40)


class Line:
    """A delivery that lets go when as many are under way as may be, or no more are to come."""

    def __init__(self) -> None:
        self.most = self.arrived = self._under_way = 0
        self._full = asyncio.Event()

    async def __call__(self, appid: str, event: JobFinished) -> None:
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        if self._under_way >= AT_A_TIME:
            self._full.set()
        await self._full.wait()
        self._under_way -= 1
        self.arrived += 1


@pytest.mark.parametrize("failure", [DeliveryError("Temporal is away"), TimeoutError()])
async def test_results_that_are_not_taken_are_not_too_many(inbox: Inbox, failure: Exception) -> None:
    """What fails uses nothing up, however it fails."""
    async with receiver(inbox, {"results_per_second": 1e-6}) as http:
        inbox.failure = failure
        for _ in range(3):
            assert (await http.post("/wechat/demo", params=signed(), content=FINISHED)).status_code == 503
        inbox.failure = None
        assert (await http.post("/wechat/demo", params=signed(), content=FINISHED)).text == "success"


def test_what_is_remembered_is_bounded() -> None:
    """In number: the latest are remembered, and never more than there is room for."""
    recent: Recent[int] = Recent(timedelta(hours=1), most=6)
    for number in range(20):
        recent.note(str(number), number)
        assert len(recent) <= 6
        assert all(recent.get(str(one)) == one for one in range(max(0, number - 2), number + 1))
    assert [number for number in range(16) if recent.get(str(number)) is not None] == [15]


def test_what_is_old_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """By time: after the span, and before three times as long."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(recent_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    recent: Recent[int] = Recent(timedelta(seconds=10))
    recent.note("a", 1)
    clock.now = 9
    recent.note("b", 2)
    clock.now = 18.9
    assert recent.get("b") == 2
    recent.note("c", 3)
    clock.now = 28.9
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (None, None, 3)
    clock.now = 50
    assert (recent.get("c"), len(recent)) == (None, 0)
