import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from qunfa.callback import DeliveryError, ReceiverError, create_app
from qunfa.callback.body import BODY_LIMIT
from qunfa.callback.services import Services
from qunfa.contract.result import Counts, JobFinished
from tests.callback.pushing import AES_KEY, APPID, FINISHED, HELLO, Inbox, callback_settings, receiver, sealed, signed


async def _post(http: httpx.AsyncClient, content: Any = FINISHED, name: str = "demo") -> httpx.Response:
    return await http.post(f"/wechat/{name}", params=signed(), content=content)


async def test_finished_job_is_delivered(http: httpx.AsyncClient, inbox: Inbox) -> None:
    """A finished job reaches the account of the URL, and WeChat reads `success`."""
    answer = await _post(http)

    assert (answer.status_code, answer.text) == (200, "success")
    (appid, event), *rest = inbox.got
    assert not rest
    assert appid == APPID
    assert event == JobFinished(
        msg_id=3147483650,
        status="send success",
        counts=Counts(total=100, filter=98, sent=97, error=1),
        create_time=1481013459,
        to_user_name="gh_4d00ed8d6399",
    )


async def test_success_waits_for_the_delivery() -> None:
    """`success` is not answered before the push is durable."""
    arrived, durable = asyncio.Event(), asyncio.Event()

    async def deliver(appid: str, event: JobFinished) -> None:
        arrived.set()
        await durable.wait()

    async with receiver(deliver) as http:
        posting = asyncio.create_task(_post(http))
        await arrived.wait()
        assert not posting.done()
        durable.set()
        assert (await posting).text == "success"


@pytest.mark.parametrize("failure", [DeliveryError("Temporal is away"), TimeoutError()])
async def test_a_push_that_cannot_be_delivered_is_asked_for_again(
    http: httpx.AsyncClient, inbox: Inbox, failure: Exception
) -> None:
    """What is not durable is answered with 503, so that WeChat tries again."""
    inbox.failure = failure

    answer = await _post(http)

    assert (answer.status_code, answer.text) == (503, "unavailable")


async def test_slow_delivery() -> None:
    """Past its deadline a delivery is given up with 503, before WeChat hangs up."""
    cancelled = asyncio.Event()

    async def deliver(appid: str, event: JobFinished) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with receiver(deliver, deadline=timedelta(milliseconds=200)) as http:
        answer = await _post(http)

    assert answer.status_code == 503
    assert cancelled.is_set()


async def test_slow_body(inbox: Inbox) -> None:
    """A body that does not end within the deadline is given up."""

    async def endless() -> AsyncIterator[bytes]:
        yield FINISHED[:50]
        await asyncio.Event().wait()

    async with receiver(inbox, deadline=timedelta(milliseconds=200)) as http:
        answer = await _post(http, endless())

    assert answer.status_code == 503
    assert inbox.got == []


@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
@pytest.mark.parametrize("name", ["demo", "nobody"])
async def test_forged_push(inbox: Inbox, name: str, mode: str) -> None:
    """A push without WeChat's signature is refused, and its body is not even read."""
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield FINISHED

    async with receiver(inbox, aes_key=AES_KEY, mode=mode) as http:
        answer = await http.post(f"/wechat/{name}", params=signed(token="guess"), content=body())

    assert answer.status_code == {"demo": 403, "nobody": 404}[name]
    assert inbox.got == []
    assert not read


async def test_unsigned_push(http: httpx.AsyncClient, inbox: Inbox) -> None:
    """A push without any query is refused."""
    assert (await http.post("/wechat/demo", content=FINISHED)).status_code == 403
    assert inbox.got == []


@pytest.mark.parametrize(
    "body",
    [
        b"<xml><MsgType>text</MsgType><Content>hello</Content><MsgId>7</MsgId></xml>",
        b"<xml><MsgType>event</MsgType><Event>PUBLISHJOBFINISH</Event></xml>",
    ],
)
async def test_other_pushes_are_taken(http: httpx.AsyncClient, inbox: Inbox, body: bytes) -> None:
    """What is not ours is taken, even while Temporal is away."""
    inbox.failure = DeliveryError("Temporal is away")

    assert (await _post(http, body)).text == "success"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"MsgType":',
        b"<xml>",
        b'<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml/>',
        b"<xml><MsgType>event</MsgType><Event>MASSSENDJOBFINISH</Event><Status>send success</Status></xml>",
    ],
)
async def test_unreadable_push(http: httpx.AsyncClient, inbox: Inbox, body: bytes) -> None:
    """A genuine push that cannot be read is refused, so that WeChat's own alarm sounds."""
    answer = await _post(http, body)

    assert (answer.status_code, answer.text) == (400, "malformed")
    assert inbox.got == []


@pytest.mark.parametrize("beyond", [0, 1])
async def test_a_push_is_read_up_to_256_kib(http: httpx.AsyncClient, inbox: Inbox, beyond: int) -> None:
    """256 KiB are read, and not one byte more."""
    answer = await _post(http, FINISHED + b" " * (BODY_LIMIT + beyond - len(FINISHED)))

    assert answer.status_code == (413 if beyond else 200)
    assert len(inbox.got) == (0 if beyond else 1)


async def test_body_limit_while_reading(http: httpx.AsyncClient) -> None:
    """A chunked body is cut off at the limit, however long it would go on."""
    chunks = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal chunks
        while True:
            chunks += 1
            yield b"x" * 1024

    answer = await _post(http, flood())

    assert (answer.status_code, answer.text) == (413, "too_large")
    assert chunks <= BODY_LIMIT // 1024 + 2


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_a_push_by_another_method_is_refused(http: httpx.AsyncClient, method: str) -> None:
    """WeChat uses GET and POST."""
    assert (await http.request(method, "/wechat/demo", params=signed())).status_code == 405


async def test_one_line_per_push(http: httpx.AsyncClient, inbox: Inbox) -> None:
    """The log says which push and what was answered; neither URL nor content is in it."""
    query = signed()
    with capture_logs() as lines:
        await http.post("/wechat/demo", params=query, content=FINISHED)

    (line,) = lines
    milliseconds = line.pop("milliseconds")
    assert milliseconds >= 0
    assert line == {
        "event": "push",
        "log_level": "info",
        "account": "demo",
        "wechat_event": "MASSSENDJOBFINISH",
        "msg_id": 3147483650,
        "status": "send success",
        "answer": "success",
        "reason": None,
        "forwarded_status": None,
        "address": "127.0.0.1",
    }


async def test_refused_pushes_are_warned_about(http: httpx.AsyncClient, inbox: Inbox) -> None:
    """Each refusal is one warning with its reason; what a stranger calls the account is not repeated."""
    inbox.failure = DeliveryError("Temporal did not take the push: UNAVAILABLE")
    with capture_logs() as lines:
        await _post(http)
        await _post(http, b"<private/words>")
        await http.post("/wechat/<script>", params=signed(), content=FINISHED)
        await http.post("/wechat/demo", params=signed(token="guess"), content=FINISHED)

    assert [(line["account"], line["answer"]) for line in lines] == [
        ("demo", "unavailable"),
        ("demo", "malformed"),
        ("unknown", "unknown_account"),
        ("demo", "forged"),
    ]
    assert {line["log_level"] for line in lines} == {"warning"}
    assert "UNAVAILABLE" in lines[0]["reason"]
    for hidden in ("private", "script", "signature="):
        assert hidden not in str(lines)


@pytest.mark.parametrize("path", ["/wechat/", "/wechat/demo/", "/wechat//demo", "//wechat/demo", "/wechat%2Fdemo/x"])
async def test_only_one_path_is_for_pushes(http: httpx.AsyncClient, inbox: Inbox, path: str) -> None:
    """What is nearly the callback URL is none."""
    answer = await http.post(path, params=signed(), content=FINISHED)

    assert answer.status_code == 404
    assert inbox.got == []


async def test_middleware_sees_pushes(inbox: Inbox) -> None:
    """Who embeds the receiver and adds a middleware, to keep somebody out, does so for pushes too."""

    class Closed:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await PlainTextResponse("closed", 418)(scope, receive, send)

    app = create_app(callback_settings(), inbox)
    app.add_middleware(Closed)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as http:
        answer = await _post(http)

    assert (answer.status_code, inbox.got) == (418, [])


async def test_headers_that_others_add(inbox: Inbox) -> None:
    """What somebody adds to the headers of one answer on its way is not in the next one."""
    receiver_ = create_app(callback_settings(), inbox)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_more(message: Message) -> None:
            message.get("headers", []).append((b"x-more", b"1"))
            await send(message)

        await receiver_(scope, receive, send_more)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as http:
        for name in ("demo", "demo", "nobody", "nobody"):
            assert (await _post(http, name=name)).headers.get_list("x-more") == ["1"]


async def test_below_another_application(inbox: Inbox) -> None:
    """The receiver may be mounted in another application."""
    app = Starlette(routes=[Mount("/in", create_app(callback_settings(), inbox))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as http:
        below = await http.post("/in/wechat/demo", params=signed(), content=FINISHED)
        beside = await http.post("/wechat/demo", params=signed(), content=FINISHED)

    assert (below.status_code, beside.status_code, len(inbox.got)) == (200, 404, 1)


async def test_metrics(http: httpx.AsyncClient) -> None:
    """Pushes are counted by account, event and answer; strangers cannot add labels."""
    await _post(http)
    await _post(http)
    await _post(http, b"<xml><MsgType>text</MsgType></xml>")
    await http.get("/wechat/demo", params=signed(echostr="1"))
    for name in ("one", "two"):
        await _post(http, name=name)

    answer = await http.get("/metrics")

    samples = {
        tuple(sample.labels.get(label, "") for label in ("account", "event", "answer")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == "qunfa_pushes_total"
    }
    assert samples == {
        ("demo", "MASSSENDJOBFINISH", "success"): 1,
        ("demo", "MASSSENDJOBFINISH", "repeated"): 1,
        ("demo", "other", "success"): 1,
        ("demo", "verification", "success"): 1,
        ("unknown", "unknown", "unknown_account"): 2,
    }
    assert 'qunfa_push_seconds_count{account="demo"} 4.0' in answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")


async def test_health(http: httpx.AsyncClient) -> None:
    """The process is healthy as long as it answers."""
    assert (await http.get("/healthz")).text == "ok"


@pytest.mark.parametrize(("reachable", "status"), [(True, 200), (False, 503)])
async def test_readiness(inbox: Inbox, reachable: bool, status: int) -> None:
    """The receiver is ready while Temporal can be reached."""

    async def ready() -> bool:
        return reachable

    app = create_app(callback_settings(), inbox, ready=ready)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as http:
        assert (await http.get("/readyz")).status_code == status


async def test_defect_in_a_delivery_is_not_success(inbox: Inbox) -> None:
    """An error that nobody expected never becomes `success`; the log has what came, and the same push is good again."""
    inbox.failure = ZeroDivisionError()
    query = signed()
    with contextlib.closing(Services()) as services, capture_logs() as lines:
        url = services.add(create_app(callback_settings(), inbox), "127.0.0.1", 0)
        serving = asyncio.create_task(services.run())
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            first = await http.post("/wechat/demo", params=query, content=FINISHED)
            inbox.failure = None
            second = await http.post("/wechat/demo", params=query, content=FINISHED)
        services.stop()
        await serving

    assert (first.status_code, second.text) == (500, "success")
    line = lines[0]
    assert (line["event"], line["account"], line["msg_id"], line["status"]) == (
        "push", "demo", 3147483650, "send success",
    )  # fmt: skip
    assert (line["answer"], line["log_level"]) == ("failed", "error")
    assert line["reason"].startswith("ZeroDivisionError in the receiver: not known to be taken, WeChat has to send it")


async def test_caller_that_hangs_up(inbox: Inbox) -> None:
    """A push whose body breaks off is not delivered."""
    app = create_app(callback_settings(), inbox)
    query = "&".join(f"{name}={value}" for name, value in signed().items())
    incoming = [
        {"type": "http.request", "body": FINISHED[:-6], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/wechat/demo", "query_string": query.encode(), "headers": []}
    with contextlib.suppress(OSError):
        await app(scope, receive, send)

    assert sent[0]["status"] == 400
    assert inbox.got == []


def test_no_account_with_a_callback() -> None:
    """A receiver that could serve nobody does not start."""
    settings = callback_settings()
    silent = settings.model_copy(update={"accounts": {"silent": settings.accounts["silent"]}})

    with pytest.raises(ReceiverError, match=r"QUNFA_ACCOUNTS__NAME__CALLBACK__TOKEN"):
        create_app(silent, Inbox())


async def test_metrics_are_not_where_strangers_are(inbox: Inbox) -> None:
    """The application has none; they are shown where whoever runs it says."""
    transport = httpx.ASGITransport(create_app(callback_settings(), inbox))
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as http:
        assert (await http.get("/metrics")).status_code == 404


@pytest.mark.parametrize("content", [FINISHED, HELLO])
@pytest.mark.parametrize("mode", ["plain", "safe"])
async def test_original_id(inbox: Inbox, mode: str, content: bytes) -> None:
    """Where it is configured, a push is for it; one that says otherwise, or nothing, is none of the account's."""
    name = b"<ToUserName>gh_4d00ed8d6399</ToUserName>"
    ours = content if content is FINISHED else content.replace(b"<xml>", b"<xml>" + name)
    other = ours.replace(b"gh_4d00ed8d6399", b"gh_another")
    async with receiver(inbox, original_id="gh_4d00ed8d6399", aes_key=AES_KEY, mode=mode) as http:
        for body, answer in ((other, "forged"), (ours, "success"), (b"<xml><MsgType>text</MsgType></xml>", "forged")):
            push = sealed(body) if mode == "safe" else {"params": signed(), "content": body}
            assert (await http.post("/wechat/demo", **push)).text == answer

    assert [event.to_user_name for _, event in inbox.got] == ["gh_4d00ed8d6399"] * (content is FINISHED)
