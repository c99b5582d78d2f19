"""What was overheard, what WeChat repeats, and what is too many."""

import asyncio
import re
import time
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from qunfa.callback import crypto, limits
from qunfa.callback.app import create_app
from qunfa.callback.crypto import sign
from qunfa.callback.delivery import AT_A_TIME, DeliveryError
from qunfa.callback.limits import Recent
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
    finished,
    framed,
    post,
    push_of,
    receiver,
    signed,
)

MODES = pytest.mark.parametrize("mode", ["plain", "safe"])
FAILURES = pytest.mark.parametrize("failure", [DeliveryError("Temporal is away"), TimeoutError()])
FORGED = finished(666)


def _exchangeable(mode: str, timestamp: int, nonce: int) -> dict[str, Any]:
    query = {"timestamp": str(timestamp), "nonce": str(nonce), "signature": sign(TOKEN, str(timestamp), str(nonce))}
    if mode == "plain":
        return {"params": query, "content": FINISHED}
    text = encrypted(framed(FINISHED))
    query["msg_signature"] = sign(TOKEN, str(timestamp), str(nonce), text)
    return {"params": query, "content": enveloped(text)["content"]}


def _exchanged(push: dict[str, Any], content: bytes | None = None) -> dict[str, Any]:
    query = push["params"]
    exchanged = {**query, "timestamp": query["nonce"], "nonce": query["timestamp"]}
    return {"params": exchanged, "content": push["content"] if content is None else content}


def _set_clock(monkeypatch: pytest.MonkeyPatch, now: float) -> None:
    monkeypatch.setattr(crypto, "time", SimpleNamespace(time=lambda: float(now)))


@MODES
@pytest.mark.parametrize(
    ("ago", "status"), [(0, 200), (590, 200), (-590, 200), (610, 403), (-610, 403), (10**8, 403), (-(10**9), 403)]
)
async def test_outside_the_window(inbox: Inbox, mode: str, ago: float, status: int) -> None:
    """Clocks may differ by minutes. What was overheard is worth nothing after ten, and the log says what may be."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        with capture_logs() as lines:
            answer = await post(http, push_of(mode, ago=ago))
    assert (answer.status_code, answer.text) == (status, "success" if status == 200 else "stale")
    assert len(inbox.got) == (status == 200)
    assert status == 200 or re.match(r"signed -?\d+ s ago by this machine's clock", lines[0]["reason"])


async def test_the_window_is_configured(inbox: Inbox) -> None:
    """`[receiver] replay_window`."""
    async with receiver(inbox, {"replay_window": timedelta(hours=2)}) as http:
        assert [(await post(http, push_of("plain", ago=ago))).status_code for ago in (7190, 7210)] == [200, 403]


@MODES
async def test_wechats_own_repetitions(inbox: Inbox, mode: str) -> None:
    """WeChat repeats a push within seconds, signed once or anew; each is answered with success, and passed on once."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        first = push_of(mode, ago=10)
        for push in (first, first, push_of(mode, ago=5), push_of(mode)):
            assert (await post(http, push)).text == "success"
    assert len(inbox.got) == 1


@MODES
async def test_a_nonce_could_be_the_timestamp(inbox: Inbox, mode: str) -> None:
    """Timestamp and nonce can be exchanged under a signature: one of them at most is a time within the window."""
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        for ago, status in ((0, 403), (590, 403), (-590, 403), (700, 200), (-700, 200)):
            answer = await post(http, _exchangeable(mode, int(time.time()), int(time.time() - ago)))
            assert answer.status_code == status, ago


@MODES
async def test_timestamp_and_nonce_exchanged(inbox: Inbox, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A push whose nonce is a time to come is not good once more when that time has come."""
    now = int(time.time())
    first = _exchangeable(mode, now, now + 900)
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        assert (await post(http, first)).text == "success"
        _set_clock(monkeypatch, now + 900)
        answer = await post(http, _exchanged(first, FORGED if mode == "plain" else None))
    assert (answer.status_code, answer.text) == (403, "forged")
    assert len(inbox.got) == 1


async def test_what_was_no_push_exchanged(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a request that was refused because it was too old, or a verification of the URL."""
    now = int(time.time())
    old, check = (_exchangeable("plain", now - ago, now + 900) for ago in (900, 0))
    async with receiver(inbox) as http:
        for push, word in ((old, "stale"), (check, "1")):
            assert (await http.get("/wechat/demo", params={**push["params"], "echostr": "1"})).text == word
        _set_clock(monkeypatch, now + 900)
        for push in (old, check):
            assert (await post(http, _exchanged(push, FORGED))).text == "forged"
    assert inbox.got == []


@MODES
@pytest.mark.parametrize("tried", [True, False])
async def test_a_stranger_who_exchanges_them_keeps_no_push_out(inbox: Inbox, mode: str, tried: bool) -> None:
    """Whether WeChat's first try has failed, or has not come yet; the stranger's order stays refused."""
    now = int(time.time())
    ours = _exchangeable(mode, now, now - 5_000_000)
    theirs = _exchanged(ours)
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        inbox.failure = DeliveryError("Temporal is away")
        if tried:
            assert (await post(http, ours)).status_code == 503
        inbox.failure = None
        assert (await post(http, theirs)).text == ("forged" if tried else "stale")
        for _ in range(2):
            assert (await post(http, ours)).text == "success"
            assert (await post(http, theirs)).text == "forged"
    assert len(inbox.got) == 1


async def test_a_stranger_who_moves_digits_keeps_no_push_out(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shorter nonce lends digits to a timestamp long past, before WeChat's own comes."""
    _set_clock(monkeypatch, 1_800_000_000)
    ours = _exchangeable("plain", 1_800_000_000, 123_456_789)
    theirs = {**ours["params"], "timestamp": "1234567891", "nonce": "800000000"}
    async with receiver(inbox) as http:
        assert (await post(http, {"params": theirs, "content": FORGED})).text == "stale"
        assert (await post(http, ours)).text == "success"


async def _crowd(http: httpx.AsyncClient, pushes: list[dict[str, Any]]) -> Counter[str]:
    """How often each word is the answer to the pushes, all of which are under way at the same time."""
    return Counter(answer.text for answer in await asyncio.gather(*[post(http, push) for push in pushes]))


async def test_one_signature_of_plain_mode(inbox: Inbox) -> None:
    """It lets one push in, and no other one, be it a message; that one may come again."""
    push = push_of("plain")
    others = [{**push, "content": body} for body in (HELLO, *map(finished, range(1, 300)))]
    async with receiver(inbox) as http:
        assert await _crowd(http, [push, *others]) == {"success": 1, "forged": 300}
        assert [(await post(http, one)).text for one in (push, others[0])] == ["success", "forged"]
    assert [event.msg_id for _, event in inbox.got] == [3147483650]


async def test_one_push_of_safe_mode(inbox: Inbox) -> None:
    """Each repetition is answered with success, as WeChat's own would have to be; it is passed on once."""
    async with receiver(inbox, aes_key=AES_KEY) as http:
        assert await _crowd(http, [push_of("safe")] * 300) == {"success": 300}
    assert len(inbox.got) == 1


async def test_a_signature_of_another_account_is_not_good(inbox: Inbox) -> None:
    """Two accounts may have the same Token: a signature that one of them has had is not good for the other."""
    settings = callback_settings()
    demo = settings.accounts["demo"]
    accounts = {"demo": demo, "twin": demo.model_copy(update={"appid": "wxtwin"})}
    app = create_app(settings.model_copy(update={"accounts": accounts}), inbox)
    push = push_of("plain")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as http:
        assert (await post(http, push)).text == "success"
        assert (await post(http, push, name="twin")).text == "forged"
    assert [appid for appid, _ in inbox.got] == [APPID]


@MODES
@FAILURES
async def test_a_push_that_failed_comes_again(inbox: Inbox, mode: str, failure: Exception) -> None:
    """What is not durable is answered with 503. WeChat repeats it under the same signature, and it is taken then."""
    push = push_of(mode, ago=1)
    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        inbox.failure = failure
        answer = await post(http, push)
        assert (answer.status_code, answer.text) == (503, "unavailable")
        inbox.failure = None
        assert (await post(http, push)).text == "success"
    assert len(inbox.got) == 1


@pytest.mark.parametrize("anew", [True, False])
async def test_a_repetition_waits_for_the_first_one(anew: bool) -> None:
    """Where the first one fails, it is passed on itself, and success is answered only then."""
    arrived, failing, got = asyncio.Event(), asyncio.Event(), list[int]()

    async def deliver(_appid: str, event: JobFinished) -> None:
        got.append(event.msg_id)
        if len(got) == 1:
            arrived.set()
            await failing.wait()
            raise DeliveryError("Temporal is away")

    push = push_of("plain")
    async with receiver(deliver) as http:
        first = asyncio.create_task(post(http, push))
        await arrived.wait()
        again = push_of("plain") if anew else push
        others = [asyncio.create_task(post(http, again)) for _ in range(3)]
        failing.set()
        assert (await first).status_code == 503
        assert {(await other).text for other in others} == {"success"}
    assert len(got) == 2


async def test_a_status_that_nobody_understands_goes_on_once(inbox: Inbox) -> None:
    """Of each job, whatever stands beside it; one that is understood still goes on."""
    async with receiver(inbox) as http:
        for msg_id in (1, 2):
            for status in (b"qwert", b"qwertz", b"send success", b"send success"):
                assert (await post(http, finished(msg_id).replace(b"send success", status))).text == "success"
    assert [(event.msg_id, event.status) for _, event in inbox.got] == [
        (1, "qwert"), (1, "send success"), (2, "qwert"), (2, "send success"),
    ]  # fmt: skip


@FAILURES
async def test_too_many_results_have_to_come_again(inbox: Inbox, failure: Exception) -> None:
    """Beyond `results_per_second`, and those of a minute at once; it is counted. What fails uses nothing up."""
    async with receiver(inbox, {"results_per_second": 1e-6}) as http:
        inbox.failure = failure
        assert [(await post(http)).status_code for _ in range(3)] == [503] * 3
        inbox.failure = None
        pushes = [{"params": signed(), "content": finished(number)} for number in (1, 2, 3)]
        assert [(await post(http, push)).status_code for push in pushes] == [200, 429, 429]
        assert [(await post(http, push)).text for push in (pushes[0], HELLO)] == ["success"] * 2
        metrics = (await http.get("/metrics")).text
    assert 'qunfa_pushes_total{account="demo",answer="too_many",event="MASSSENDJOBFINISH"} 2.0' in metrics
    assert len(inbox.got) == 1


async def test_a_burst_reaches_an_account_by_few_calls_at_a_time() -> None:
    """Ten are under way, whatever waits behind them; all of them arrive."""
    most = arrived = under_way = 0
    full = asyncio.Event()

    async def deliver(_appid: str, _event: JobFinished) -> None:
        nonlocal most, arrived, under_way
        under_way += 1
        most = max(most, under_way)
        if under_way >= AT_A_TIME:
            full.set()
        await full.wait()
        under_way -= 1
        arrived += 1

    async with receiver(deliver) as http:
        answers = await asyncio.gather(*[post(http, finished(number)) for number in range(1, 41)])
    assert {answer.text for answer in answers} == {"success"}
    assert (most, arrived) == (AT_A_TIME, 40)


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
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: clock.now))
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
