"""One POST per attempt, to a real receiver."""

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
import trustme
from standardwebhooks import Webhook
from temporalio.api.history.v1 import HistoryEvent
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.closed_runs import ClosedRuns
from activities.notices import AT_ONCE, Notices, RecordedNotices
from qunfa.contract import ids
from qunfa.contract.notice import DELIVER_NOTICE, NOTICE_UNDELIVERED, Notice, NoticeDelivered, NotifyRequest
from qunfa.media.web import resolve
from qunfa.settings import Settings
from tests.activities.conftest import APPID, activity_info, attempt, failed, settings_for
from tests.looking import PATIENCE, until
from tests.media.sources.site import MIB, Reaction, drips, floods, redirect, response, says, silence
from tests.notices.webhook import OK, OTHER, SECRET, Receiver, answers, receiving
from tests.ports import free_ports

LONG = timedelta(seconds=PATIENCE)
REQUEST = NotifyRequest(
    account="demo", name="oncall", webhook_id="msg_1", workflow_id="mass-send:demo:spring", run_id="r"
)
NAMES = {"account": "demo", "key": "春", "workflow_id": "mass-send:demo:spring", "run_id": "r"}
NOTICE = Notice.model_validate(
    {"type": "needs_operator", "timestamp": "2026-12-01T09:00:00Z", "data": {**NAMES, "may_have_been_delivered": False}}
)


async def recorded(request: NotifyRequest, appid: str) -> Notice:
    """Every workflow has asked for the same; `test_notices_again.py` has what histories say."""
    return NOTICE


def settings_of(receiver: Receiver, **more: Any) -> Settings:
    notice = {"url": receiver.url, "secret": SECRET, **more}
    return settings_for("https://wechat.example", notices={"oncall": notice})


async def told(receiver: Receiver, number: int = 1, patience: timedelta = LONG, **more: Any) -> NoticeDelivered:
    notices = Notices(settings_of(receiver, **more), recorded, patience=patience)
    return await attempt(notices.deliver_notice, REQUEST, attempt=number)


def tried_for(span: timedelta) -> dict[str, datetime]:
    """What Temporal tells an attempt of a notice that was first tried so long ago."""
    first = activity_info().scheduled_time
    return {"scheduled_time": first, "current_attempt_scheduled_time": first + span}


async def not_told(receiver: Receiver, *script: Reaction, **more: Any) -> ApplicationError:
    """Why one attempt has failed; it does not name the URL."""
    receiver.script = [*script]
    with pytest.raises(ApplicationError) as caught:
        await told(receiver, **more)
    error = caught.value
    assert error.message.startswith('account demo, notice "oncall": ')
    for secret in ("a-SECRET", str(receiver.port), SECRET, "127.0.0.1"):
        assert secret not in repr((error.message, error.details, error.__cause__))
    return error


async def test_a_notice_is_posted_signed() -> None:
    """The three headers of Standard Webhooks; the published library accepts what we post, as it came.

    During a rotation both secrets sign; the receiver changes its own. What the test computes is what the
    specification's example has.
    """
    async with receiving() as receiver:
        delivered = await told(receiver, 3)
        await told(receiver, secret=OTHER, secret_old=SECRET)
    post, rotated = receiver.posts
    assert post.line == "POST /hook/a-SECRET-path?key=a-SECRET-key HTTP/1.1"
    assert (post.webhook_id, post.headers["content-type"]) == ("msg_1", "application/json")
    assert abs(int(post.headers["webhook-timestamp"]) - time.time()) < PATIENCE
    assert post.signed_with(SECRET)
    assert not post.signed_with(OTHER)
    assert (post.type, post.json["timestamp"], post.data["key"]) == ("needs_operator", "2026-12-01T09:00:00Z", "春")
    assert (delivered.status, delivered.attempt) == (204, 3)
    for secret in (SECRET, OTHER):
        assert rotated.signed_with(secret)
        Webhook(secret).verify(rotated.body, rotated.headers)
    assert len(rotated.headers["webhook-signature"].split(" ")) == 2
    example = replace(
        post,
        headers={
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        body=b'{"test": 2432232314}',
    )
    assert example.signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


@pytest.mark.parametrize(
    "reaction",
    [
        OK,
        answers(202),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
        floods(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        says(response(b"x" * MIB)),
    ],
    ids=["204", "202", "drips", "floods", "long"],
)
async def test_the_head_of_an_answer_is_enough(reaction: Reaction) -> None:
    """A body that is long, slow or endless is not waited for."""
    async with receiving() as receiver:
        receiver.script = [reaction]
        assert (await told(receiver)).status in {200, 202, 204}


@pytest.mark.parametrize(
    ("reaction", "said"),
    [
        *((answers(status), f"answers {status}.") for status in (400, 401, 404, 413, 500, 503)),
        *(
            (says(page), "no answer from the receiver (RemoteProtocolError)")
            for page in (b"", b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 banana\r\n\r\n")
        ),
    ],
)
async def test_a_refusal_is_tried_again(reaction: Reaction, said: str) -> None:
    """By Temporal, benign as all that is tried again."""
    async with receiving() as receiver:
        error = await not_told(receiver, reaction)
    assert said in error.message
    assert (error.type, error.non_retryable, error.next_retry_delay) == (
        "NoticeUndelivered",
        False,
        timedelta(seconds=1),
    )
    assert error.category == ApplicationErrorCategory.BENIGN


async def test_attempts_that_asked_nobody_make_no_notice_rarer() -> None:
    """Of a burst, many an attempt finds no place. What counts is for how long the notice was tried, by Temporal."""
    async with receiving() as receiver:
        receiver.script = [answers(500)]
        since = tried_for(timedelta(seconds=40))
        said = "answers 500"
        notices = Notices(settings_of(receiver), recorded)
        error = await failed(attempt(notices.deliver_notice, REQUEST, attempt=30, **since), NOTICE_UNDELIVERED, said)
    assert error.next_retry_delay == timedelta(seconds=40)


async def test_a_receiver_says_when_it_wants_it_or_never() -> None:
    """A busy one says how long Temporal is to wait. One that answers 410 is not asked again about this notice."""
    async with receiving() as receiver:
        busy = await not_told(receiver, answers(429, "Retry-After: 90"))
        gone = await not_told(receiver, answers(410))
    assert (busy.type, busy.next_retry_delay) == ("NoticeUndelivered", timedelta(seconds=90))
    assert (gone.type, gone.non_retryable) == ("NoticeUnwanted", True)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(status: str) -> None:
    """Wherever it leads, nobody there hears anything; the sentence says what to do."""
    async with receiving() as receiver, receiving() as elsewhere:
        error = await not_told(receiver, says(redirect(elsewhere.url, status)))
        assert elsewhere.posts == []
    assert "a redirect is not followed: configure where it leads" in error.message


@pytest.mark.parametrize(
    "reaction",
    [silence, drips(b"HTTP/1.1 200 OK\r\nX: "), floods(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1_000)],
    ids=["silent", "drips its head", "endless head"],
)
async def test_a_slow_receiver_is_given_up_in_time(reaction: Reaction) -> None:
    """The whole attempt has one limit: without it, an answer that comes little by little would never end."""
    async with receiving() as receiver:
        error = await not_told(receiver, reaction, patience=timedelta(seconds=0.5))
    assert (error.type, error.non_retryable) == ("NoticeUndelivered", False)


async def test_a_receiver_that_is_down_is_tried_again() -> None:
    """Nobody listens there, or its name does not resolve."""
    error = await not_told(Receiver(port=free_ports(1)[0]))
    assert "no answer from the receiver (ConnectError)" in error.message
    error = await not_told(Receiver(port=9), url="http://nobody.internal/a-SECRET-path")
    assert (error.type, error.non_retryable) == ("NoticeUndelivered", False)


@pytest.mark.parametrize("whose", ["webhook", "source"])
async def test_a_name_that_hangs_holds_up_no_other_name(whose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread hangs longer than anybody waits for it. WeChat's name is looked up by threads of asyncio's own.

    A webhook's holds up no file on the web, and a file's no webhook.
    """
    asks, ends, hanging = socket.getaddrinfo, threading.Event(), Counter[str]()

    def hangs(host: Any, *more: Any, **named: Any) -> Any:
        if host in {"hangs.example", b"hangs.example"}:
            hanging["now"] += 1
            ends.wait()
        return asks(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    soon, url = timedelta(seconds=0.03), "https://hangs.example/hook"
    notices = Notices(settings_of(Receiver(port=9), url=url), recorded, patience=soon)

    async def asked() -> None:
        if whose == "webhook":
            await attempt(notices.deliver_notice, REQUEST)
        else:
            await asyncio.wait_for(resolve("hangs.example", 443), soon.total_seconds())

    try:
        for _ in range(40):
            with pytest.raises((ApplicationError, TimeoutError)):
                await asked()
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)
            if whose == "webhook":
                assert await resolve("localhost", 80)
            else:
                async with receiving() as receiver:
                    await told(receiver, url=receiver.url.replace("127.0.0.1", "localhost"))
        assert hanging["now"]
    finally:
        ends.set()


async def test_with_https_only_a_trusted_receiver_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of nobody is refused. A private authority is named by SSL_CERT_FILE, as elsewhere."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with receiving(tls=context) as receiver:
        url = receiver.url.replace("http:", "https:")
        assert "ConnectError" in (await not_told(receiver, url=url)).message
        assert receiver.posts == []
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        assert (await told(receiver, url=url)).status == 204


async def test_a_webhook_that_hangs_takes_few_places_of_a_worker() -> None:
    """Five at a time: the others are not waited for but tried again later, and another webhook's go through."""
    async with receiving() as hanging, receiving() as well:
        hanging.rest = silence
        webhooks = {"oncall": {"url": hanging.url, "secret": SECRET}, "crm": {"url": well.url, "secret": SECRET}}
        notices = Notices(settings_for("https://wechat.example", notices=webhooks), recorded, patience=LONG)
        many = [asyncio.create_task(attempt(notices.deliver_notice, REQUEST, attempt=9)) for _ in range(40)]

        async def refused() -> list[BaseException | None]:
            return [task.exception() for task in many if task.done()]

        await hanging.came("needs_operator", AT_ONCE)
        found = await until(refused, lambda found: len(found) == 40 - AT_ONCE)
        assert all("too many notices under way" in str(error) for error in found)
        again = {error.next_retry_delay for error in found if isinstance(error, ApplicationError)}
        assert all(wait and timedelta(seconds=5) <= wait <= timedelta(seconds=30) for wait in again)
        assert len(again) > 1
        day = tried_for(timedelta(days=1))
        late = await failed(attempt(notices.deliver_notice, REQUEST, **day), NOTICE_UNDELIVERED, "too many")
        assert late.next_retry_delay
        assert timedelta(seconds=5) <= late.next_retry_delay <= timedelta(hours=1)
        await attempt(notices.deliver_notice, REQUEST.model_copy(update={"name": "crm"}))
        for task in many:
            task.cancel()
        await asyncio.gather(*many, return_exceptions=True)
        assert (len(hanging.posts), len(well.posts)) == (AT_ONCE, 1)
        hanging.rest = OK
        assert (await attempt(notices.deliver_notice, REQUEST)).status == 204


@pytest.mark.parametrize("gone", [{"account": "other"}, {"name": "nobody"}])
async def test_a_notice_that_this_worker_does_not_know_is_tried_again(gone: dict[str, str]) -> None:
    """In a rollout some workers have it and some do not."""
    async with receiving() as receiver:
        notices = Notices(settings_of(receiver), recorded)
        said = "this worker's configuration does not have it"
        await failed(attempt(notices.deliver_notice, REQUEST.model_copy(update=gone)), "NoticeUndelivered", said)
        assert receiver.posts == []


class Kept:
    """A workflow as Temporal keeps it: it was started as this type, and has had its notice told."""

    service_client = SimpleNamespace(config=SimpleNamespace(target_host="localhost:7233"))
    data_converter = pydantic_data_converter

    def __init__(self, kind: str, request: NotifyRequest, notice: Any = NOTICE) -> None:
        self._kind = kind
        self._request = request
        self._asked = {**request.model_dump(mode="json"), "notice": notice}

    def get_workflow_handle(self, workflow_id: str, *, run_id: str | None = None) -> Self:
        assert (workflow_id, run_id) == (self._request.workflow_id, self._request.run_id)
        return self

    async def fetch_history_events(self, **_options: Any) -> AsyncIterator[HistoryEvent]:
        first, asked = HistoryEvent(), HistoryEvent()
        started = first.workflow_execution_started_event_attributes
        started.workflow_type.name, started.task_queue.name = self._kind, activity_info().task_queue
        scheduled = asked.activity_task_scheduled_event_attributes
        scheduled.activity_type.name = DELIVER_NOTICE
        scheduled.input.payloads.extend(await self.data_converter.encode([self._asked]))
        yield first
        yield asked


async def told_by(kept: Any, asked: NotifyRequest) -> Notice:
    record = RecordedNotices(kept, ClosedRuns(settings_for("https://wechat.example"), kept))

    async def told(request: NotifyRequest) -> Notice:
        return await record.asked(request, APPID)

    return await attempt(told, asked)


@pytest.mark.parametrize(
    ("kind", "workflow_id"),
    [
        (ids.MASS_SEND, ids.mass_send_id("demo", "spring")),
        (ids.MASS_SEND_IN_BATCHES, ids.mass_send_id("demo", "spring")),
        (ids.ACCOUNT, ids.account_id(APPID)),
        (ids.RECALL_MASS_SEND, ids.recall_id("demo", 7)),
        (ids.ACCOUNT_NOTICES, ids.notices_id("demo", "1")),
    ],
)
async def test_each_workflow_that_tells_notices_is_believed(kind: str, workflow_id: str) -> None:
    """What is told is what its history has."""
    asked = REQUEST.model_copy(update={"workflow_id": workflow_id})
    assert await told_by(Kept(kind, asked), asked) == NOTICE


async def test_a_newer_notice_is_left_to_a_newer_worker() -> None:
    """Its type, or what else is in it, is none that this version knows. Temporal tries it again."""
    newer = {**NOTICE.model_dump(mode="json"), "type": "of-a-newer-version"}
    kept = Kept(ids.MASS_SEND, REQUEST, newer)
    await failed(told_by(kept, REQUEST), NOTICE_UNDELIVERED, "A worker of the version that wrote it can")


async def test_neither_url_nor_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """HTTP libraries log the URL of what they call: not here, not even at DEBUG level."""
    caplog.set_level(logging.DEBUG)
    async with receiving() as receiver:
        await told(receiver)
        await not_told(receiver, answers(500))
    for secret in ("a-SECRET", SECRET, SECRET.removeprefix("whsec_")):
        assert secret not in caplog.text
