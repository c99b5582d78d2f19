import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from qunfa.callback.app import create_app
from qunfa.callback.delivery import DeliveryError
from qunfa.callback.pushes import BODY_LIMIT
from qunfa.callback.server import Services
from qunfa.contract.result import Counts, JobFinished
from tests.callback.pushing import (
    AES_KEY,
    APPID,
    FINISHED,
    HELLO,
    Inbox,
    callback_settings,
    post,
    push_of,
    receiver,
    sealed,
    signed,
    status_of,
)

ORIGINAL = "gh_4d00ed8d6399"
EVENT = JobFinished(
    msg_id=3147483650,
    status="send success",
    counts=Counts(total=100, filter=98, sent=97, error=1),
    create_time=1481013459,
    to_user_name=ORIGINAL,
)


def _client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver")


async def test_success_waits_for_the_delivery() -> None:
    """`success` is not answered before the push is durable."""
    arrived, durable = asyncio.Event(), asyncio.Event()

    async def deliver(appid: str, event: JobFinished) -> None:
        arrived.set()
        await durable.wait()

    async with receiver(deliver) as http:
        posting = asyncio.create_task(post(http))
        await arrived.wait()
        assert not posting.done()
        durable.set()
        assert (await posting).text == "success"


@pytest.mark.parametrize("slow", ["delivery", "body"])
async def test_what_takes_too_long_is_given_up(slow: str) -> None:
    """Past the deadline the answer is 503, before WeChat hangs up, and what goes on is cancelled."""
    waits = cancelled = False

    async def wait() -> None:
        nonlocal waits, cancelled
        waits = True
        try:
            await asyncio.Event().wait()
        finally:
            cancelled = True

    async def deliver(appid: str, event: JobFinished) -> None:
        await wait()

    async def body() -> AsyncIterator[bytes]:
        yield FINISHED[:50]
        await wait()

    async with receiver(deliver, deadline=timedelta(seconds=0.3)) as http:
        while not waits:  # a crowded machine may give it up before it waits
            answer = await post(http, FINISHED if slow == "delivery" else body())
            assert (answer.status_code, answer.text) == (503, "unavailable")
    assert cancelled


def _half_signed(*, ago: float = 0, without: str = "", **more: str) -> dict[str, str]:
    """A query without `signature`, which is good where another one covers the encrypted part."""
    query = {**sealed(ago=ago)["params"], **more}
    return {name: value for name, value in query.items() if name not in ("signature", without)}


@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
@pytest.mark.parametrize(
    ("name", "query", "status"),
    [
        ("demo", lambda: signed(token="guess"), 403), ("nobody", lambda: signed(token="guess"), 404),
        ("demo", lambda: signed(token="guess", msg_signature="guess"), 403),
        ("demo", dict, 403),
        *[("demo", partial(_half_signed, without=one), 403) for one in ("msg_signature", "timestamp", "nonce")],
        ("demo", partial(_half_signed, ago=700), 403), ("demo", partial(_half_signed, ago=-700), 403),
        ("demo", partial(_half_signed, timestamp="soon"), 403),
    ],
    ids=range(10),
)  # fmt: skip
async def test_the_body_of_a_forged_push_is_not_read(
    inbox: Inbox, name: str, query: Callable[[], dict[str, str]], status: int, mode: str
) -> None:
    """It is refused by its query alone, and nothing tells that one from a forgery that was read."""
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield FINISHED

    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        answer = await post(http, {"params": query(), "content": body()}, name=name)
        other = await post(http, {"params": signed(token="guess"), "content": FINISHED}, name=name)
    assert (answer.status_code, inbox.got, read) == (status, [], False)
    assert (answer.content, answer.headers) == (other.content, other.headers)


@pytest.mark.parametrize("way", ["/wechat/demo", "/wechat/demo/events"])
async def test_a_body_is_read_up_to_256_kib(inbox: Inbox, way: str) -> None:
    """Not one byte more; a body without an end is cut off there."""
    chunks = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal chunks
        while True:
            chunks += 1
            yield b"x" * 1024

    bearer = {"Authorization": "Bearer " + "e" * 16}
    full = FINISHED + b" " * (BODY_LIMIT - len(FINISHED))
    async with receiver(inbox, events_token="e" * 16) as http:
        for body, status in ((full + b" ", 413), (flood(), 413), (full, 200)):
            answer = await http.post(way, params=signed(), content=body, headers=bearer)
            assert answer.status_code == status
    assert len(inbox.got) == 1
    assert chunks <= BODY_LIMIT // 1024 + 2


async def test_finished_job_is_delivered(http: httpx.AsyncClient, inbox: Inbox) -> None:
    """A finished job reaches the account of the URL, and WeChat reads `success`.

    The log has one line: which push, and what was answered; neither URL nor content is in it.
    """
    with capture_logs() as lines:
        answer = await post(http)
    assert (answer.status_code, answer.text) == (200, "success")
    assert inbox.got == [(APPID, EVENT)]
    (line,) = lines
    assert line.pop("milliseconds") >= 0
    assert line == {
        "event": "push", "log_level": "info", "account": "demo", "wechat_event": "MASSSENDJOBFINISH",
        "msg_id": 3147483650, "status": "send success", "answer": "success", "reason": None, "forwarded_status": None,
        "address": "127.0.0.1",
    }  # fmt: skip


async def test_refused_pushes_are_warned_about(http: httpx.AsyncClient, inbox: Inbox) -> None:
    """Each refusal is one warning with its reason; what a stranger calls the account is not repeated."""
    inbox.failure = DeliveryError("Temporal did not take the push: UNAVAILABLE")
    with capture_logs() as lines:
        await post(http)
        await post(http, b"<private/words>")
        await post(http, name="<script>")
        await post(http, {"params": signed(token="guess"), "content": FINISHED})
    assert [(line["account"], line["answer"]) for line in lines] == [
        ("demo", "unavailable"), ("demo", "malformed"), ("unknown", "unknown_account"), ("demo", "forged"),
    ]  # fmt: skip
    assert {line["log_level"] for line in lines} == {"warning"}
    assert "UNAVAILABLE" in lines[0]["reason"]
    for hidden in ("private", "script", "signature="):
        assert hidden not in str(lines)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/wechat/", 404), ("POST", "/wechat/demo/", 404), ("POST", "/wechat//demo", 404),
        ("POST", "//wechat/demo", 404), ("POST", "/wechat%2Fdemo/x", 404), ("PUT", "/wechat/demo", 405),
        ("DELETE", "/wechat/demo", 405), ("PATCH", "/wechat/demo", 405), ("GET", "/wechat/demo/events", 405),
        ("DELETE", "/wechat/demo/events", 405), ("GET", "/metrics", 404), ("GET", "/readyz", 200),
    ],
)  # fmt: skip
async def test_only_one_path_is_for_pushes(inbox: Inbox, method: str, path: str, status: int) -> None:
    """What is nearly the callback URL is none, and WeChat uses GET and POST. Strangers see no metrics."""
    async with _client(create_app(callback_settings(events_token="e" * 16), inbox)) as http:
        assert (await http.request(method, path, params=signed(), content=FINISHED)).status_code == status
    assert inbox.got == []


async def test_the_receiver_may_be_embedded(inbox: Inbox) -> None:
    """Mounted in another application, or with a middleware that keeps somebody out: that holds for pushes too."""

    class Closed:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await PlainTextResponse("closed", 418)(scope, receive, send)

    async with _client(Starlette(routes=[Mount("/in", create_app(callback_settings(), inbox))])) as http:
        below = await http.post("/in/wechat/demo", params=signed(), content=FINISHED)
        assert (below.status_code, (await post(http)).status_code, len(inbox.got)) == (200, 404, 1)
    app = create_app(callback_settings(), inbox)
    app.add_middleware(Closed)
    async with _client(app) as http:
        assert (await post(http)).status_code == 418
    assert len(inbox.got) == 1


async def test_pushes_are_counted_by_account_event_and_answer(http: httpx.AsyncClient) -> None:
    """Strangers cannot add labels."""
    for push in (FINISHED, FINISHED, HELLO):
        await post(http, push)
    await http.get("/wechat/demo", params=signed(echostr="1"))
    for name in ("one", "two"):
        await post(http, name=name)
    answer = await http.get("/metrics")
    labels = ("account", "event", "answer")
    shown = _samples(answer.text, "qunfa_pushes_total")
    assert {tuple(one.labels[label] for label in labels): one.value for one in shown if one.value} == {
        ("demo", "MASSSENDJOBFINISH", "success"): 1,
        ("demo", "MASSSENDJOBFINISH", "repeated"): 1,
        ("demo", "other", "success"): 1,
        ("demo", "verification", "success"): 1,
        ("unknown", "unknown", "unknown_account"): 2,
    }
    assert 'qunfa_push_seconds_count{account="demo"} 4.0' in answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")


async def test_what_alarms_are_set_on_is_shown_before_it_happens(http: httpx.AsyncClient) -> None:
    """An increase is counted from a value before: a series that begins with its first count has none."""

    async def shown() -> dict[tuple[str, str, str], float]:
        samples = _samples((await http.get("/metrics")).text, "qunfa_pushes_total")
        return {(one.labels["account"], one.labels["event"], one.labels["answer"]): one.value for one in samples}

    guide = (Path(__file__).parents[2] / "docs" / "receiver.md").read_text(encoding="utf-8")
    section = guide.partition("Set an alarm")[2].partition("\nThe log")[0]
    named = set(re.findall(r"^- `(\w+)`[:,]", section, re.MULTILINE))
    named |= {word for words in re.findall(r'answer=~"(\S+?)"', section) for word in words.split("|")}
    assert {"malformed", "stranger"} <= named, "where the console's mode or WeChat's addresses change, all are refused"
    before = await shown()
    assert {(account, answer) for account, _, answer in before} == {("demo", answer) for answer in named}
    assert set(before.values()) == {0}
    await http.get("/wechat/demo", params=signed("another", echostr="1"))
    await post(http, {"params": signed("another"), "content": FINISHED})
    after = await shown()
    assert set(after) == set(before)
    changed = {one: value for one, value in after.items() if value}
    assert changed == {("demo", "verification", "forged"): 1, ("demo", "unknown", "forged"): 1}


def _samples(text: str, name: str) -> list[Sample]:
    families = text_string_to_metric_families(text)
    return [sample for family in families for sample in family.samples if sample.name == name]


async def test_defect_in_a_delivery_is_not_success(inbox: Inbox) -> None:
    """An error that nobody expected never becomes `success`; the log has what came, and the same push is good again."""
    inbox.failure = ZeroDivisionError()
    push = push_of("plain")
    with contextlib.closing(Services()) as services, capture_logs() as lines:
        url = services.add(create_app(callback_settings(), inbox), "127.0.0.1", 0)
        serving = asyncio.create_task(services.run())
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            first = await post(http, push)
            inbox.failure = None
            second = await post(http, push)
        services.stop()
        await serving
    assert (first.status_code, second.text) == (500, "success")
    line = lines[0]
    assert [line[name] for name in ("event", "account", "msg_id", "status", "answer", "log_level")] == [
        "push", "demo", 3147483650, "send success", "failed", "error",
    ]  # fmt: skip
    assert line["reason"].startswith("ZeroDivisionError in the receiver: not known to be taken, WeChat has to send it")


async def test_a_push_that_breaks_off_is_not_delivered(inbox: Inbox) -> None:
    """The caller hangs up in the midst of its body."""
    begun: dict[str, Any] = {"type": "http.request", "body": FINISHED[:-6], "more_body": True}
    assert await status_of(create_app(callback_settings(), inbox), begun, {"type": "http.disconnect"}) == 400
    assert inbox.got == []


@pytest.mark.parametrize("content", [FINISHED, HELLO], ids=["result", "message"])
@pytest.mark.parametrize("mode", ["plain", "safe"])
async def test_a_push_for_another_original_id_is_refused(inbox: Inbox, mode: str, content: bytes) -> None:
    """Where it is configured, a push that names another one, or none, is none of the account's."""
    name = b"<ToUserName>gh_4d00ed8d6399</ToUserName>"
    ours = content if content is FINISHED else content.replace(b"<xml>", b"<xml>" + name)
    other = ours.replace(b"gh_4d00ed8d6399", b"gh_another")
    async with receiver(inbox, original_id=ORIGINAL, aes_key=AES_KEY, mode=mode) as http:
        for body, answer in ((other, "forged"), (ours, "success"), (b"<xml><MsgType>text</MsgType></xml>", "forged")):
            assert (await post(http, push_of(mode, body))).text == answer
    assert [event.to_user_name for _, event in inbox.got] == [ORIGINAL] * (content is FINISHED)
