"""Another system owns the callback URL, and hands events over: by HTTP, or by a Temporal client of its own."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from structlog.testing import capture_logs
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.plugin import SimplePlugin

import qunfa
from qunfa.callback.app import create_app
from qunfa.callback.delivery import DeliveryError, UnknownAccountError
from qunfa.callback.document import EventError
from qunfa.settings import Settings, SettingsError
from tests.callback.pushing import (
    APPID,
    EVENTS_TOKEN,
    FINISHED,
    HELLO,
    Inbox,
    callback_settings,
    post,
    receiver,
    sealed,
    signed,
)
from tests.callback.running import kept

WAY = "/wechat/demo/events"
BEARER = {"Authorization": f"Bearer {EVENTS_TOKEN}"}
TREE = {"MsgType": "event", "Event": "MASSSENDJOBFINISH", "MsgID": 3147483650, "Status": "send success"}
JSON = json.dumps(TREE).encode()
UNREADABLE = {"nothing": b"", "XML": b"<xml>", "JSON": b"{", "type": b"<!DOCTYPE a><x/>", "sealed": sealed()["content"]}


async def _report(inbox: Inbox, content: Any = FINISHED, headers: Any = BEARER, **callback: Any) -> httpx.Response:
    async with receiver(inbox, **{"events_token": EVENTS_TOKEN, **callback}) as http:
        return await http.post(WAY, content=content, headers=headers)


@pytest.mark.parametrize("content", [FINISHED, JSON], ids=["XML", "JSON"])
async def test_event_is_handed_over(inbox: Inbox, content: bytes) -> None:
    """In XML or JSON. The log has one line, told from WeChat's pushes, without content or token."""
    with capture_logs() as lines:
        answer = await _report(inbox, content)
    assert (answer.status_code, answer.text) == (200, "success")
    ((appid, event),) = inbox.got
    assert (appid, event.msg_id, event.status) == (APPID, 3147483650, "send success")
    (line,) = lines
    assert (line["event"], line["account"], line["answer"], line["msg_id"]) == ("report", "demo", "success", 3147483650)
    assert EVENTS_TOKEN not in str(lines)


async def test_reports_need_no_token_of_wechats(inbox: Inbox) -> None:
    """Where WeChat pushes to the other system only. Nothing else is served then."""
    callback = {"events_token": EVENTS_TOKEN}
    account = {"appid": APPID, "secret": "s", "kind": "service", "callback": callback}
    transport = httpx.ASGITransport(create_app(Settings.model_validate({"accounts": {"demo": account}}), inbox))
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as http:
        assert (await http.post(WAY, content=FINISHED, headers=BEARER)).text == "success"
        assert (await post(http)).status_code == 404
        assert (await http.get("/wechat/demo", params=signed(echostr="1"))).status_code == 404
    assert len(inbox.got) == 1


TOKEN = EVENTS_TOKEN.encode()


@pytest.mark.parametrize(
    "given",
    [
        [], [b""], [b"Bearer"], [b"Bearer "], [b"Bearer " + TOKEN + b"x"], [b"Bearer " + TOKEN[:-1]],
        [b"Bearer " + TOKEN.upper()], [b"Basic " + TOKEN], [TOKEN], [b"Bearer " + TOKEN + b" " + TOKEN],
        [b"Bearer \xff\xe9\x80"], [b"Bearer " + TOKEN, b"Bearer x"],
    ],
)  # fmt: skip
async def test_nobody_reports_without_the_bearer_token(inbox: Inbox, given: list[bytes]) -> None:
    """One in another header or in the URL, which logs would show, is none; nor is WeChat's signature."""
    headers = [(b"x-authorization", b"Bearer " + TOKEN), *((b"authorization", one) for one in given)]
    async with receiver(inbox, events_token=EVENTS_TOKEN) as http:
        answer = await http.post(WAY, params=signed(access_token=EVENTS_TOKEN), content=FINISHED, headers=headers)
        assert (answer.status_code, answer.text) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert (await http.post("/wechat/demo", content=FINISHED, headers=BEARER)).status_code == 403
    assert inbox.got == []


async def test_the_bearer_token_is_rotated_without_a_gap(inbox: Inbox) -> None:
    """Both are taken meanwhile, and no third one. Once the old one is removed, it is worth nothing."""
    new = "handed-over-9876543210"
    for old, statuses in ((EVENTS_TOKEN, [200, 200, 401]), (None, [401, 200, 401])):
        async with receiver(inbox, events_token=new, events_token_old=old) as http:
            answers = [
                await http.post(WAY, content=FINISHED, headers={"Authorization": f"Bearer {token}"})
                for token in (EVENTS_TOKEN, new, new[:-1])
            ]
        assert [answer.status_code for answer in answers] == statuses


@pytest.mark.parametrize("name", ["demo", "silent", "nobody"])
async def test_without_a_token_nobody_reports(inbox: Inbox, name: str) -> None:
    """There is no such place then, whoever asks."""
    async with receiver(inbox) as http:
        for headers in (BEARER, {}, {"Authorization": "Bearer "}):
            answer = await http.post(f"/wechat/{name}/events", content=FINISHED, headers=headers)
            assert (answer.status_code, answer.text) == (404, "unknown_account")
    assert inbox.got == []


async def test_other_events_are_taken_and_reach_nobody(inbox: Inbox) -> None:
    """The other system may hand over everything; what is not a mass send's is taken, and nobody gets it."""
    answer = await _report(inbox, HELLO, forward_to="http://127.0.0.1:1/")
    assert (answer.status_code, answer.text) == (200, "success")
    assert inbox.got == []


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_report_that_cannot_be_read_is_refused(inbox: Inbox, content: bytes) -> None:
    """An event that is still encrypted included: an error of the other system's."""
    assert (await _report(inbox, content)).status_code == 400


async def test_a_report_that_cannot_be_delivered_is_asked_for_again(inbox: Inbox) -> None:
    """What is not durable is answered with 503: the other system must not answer `success` either."""
    inbox.failure = DeliveryError("Temporal is away")
    assert (await _report(inbox)).status_code == 503


def test_a_receiver_of_nothing_does_not_start() -> None:
    """No account has a callback; it says how to give it one."""
    settings = callback_settings()
    silent = settings.model_copy(update={"accounts": {"silent": settings.accounts["silent"]}})
    with pytest.raises(SettingsError, match=r"no account has a callback.*QUNFA_ACCOUNTS__NAME__CALLBACK__TOKEN"):
        create_app(silent, Inbox())


async def test_a_report_and_a_push_are_one_event(inbox: Inbox) -> None:
    """However often the other system repeats it, and though WeChat itself pushes it, too."""
    async with receiver(inbox, events_token=EVENTS_TOKEN) as http:
        for _ in range(3):
            assert (await http.post(WAY, content=FINISHED, headers=BEARER)).text == "success"
        assert (await post(http)).text == "success"
        metrics = (await http.get("/metrics")).text
    assert len(inbox.got) == 1
    assert 'qunfa_pushes_total{account="demo",answer="repeated",event="MASSSENDJOBFINISH"} 3.0' in metrics


@pytest.mark.parametrize(
    ("original_id", "content", "status"),
    [("gh_4d00ed8d6399", FINISHED, 200), ("gh_another", FINISHED, 403), ("gh_another", JSON, 200)],
    ids=["named", "another", "nobody"],
)
async def test_a_report_for_another_original_id_is_refused(
    inbox: Inbox, original_id: str, content: bytes, status: int
) -> None:
    """Where one is configured; an event that names nobody is taken."""
    assert (await _report(inbox, content, original_id=original_id)).status_code == status


@pytest.mark.parametrize("body", [FINISHED, FINISHED.decode(), TREE], ids=["bytes", "text", "mapping"])
async def test_report(temporal_server: Client, appid: str, body: Any) -> None:
    """An existing receiver hands the event over as it has it, and may do so twice."""
    for _ in range(2):
        event = await qunfa.report_job_finish(temporal_server, appid, body, task_queue=appid)
    assert event is not None
    assert event.msg_id == 3147483650
    assert [one.msg_id for one in await kept(temporal_server, appid)] == [3147483650]


async def test_a_report_may_come_by_the_callers_own_client(
    temporal_server: Client, appid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs no converter of ours. Where the process has Qunfa's configuration, the account's name does."""
    plain = Client(
        temporal_server.service_client, namespace=temporal_server.namespace, data_converter=DataConverter.default
    )
    monkeypatch.setenv("QUNFA_CONFIG", "")
    monkeypatch.setenv("QUNFA_TASK_QUEUE", appid)
    monkeypatch.setenv("QUNFA_ACCOUNTS__BRAND__APPID", appid)
    monkeypatch.setenv("QUNFA_ACCOUNTS__BRAND__KIND", "service")
    await qunfa.report_job_finish(plain, "brand", FINISHED)
    assert [one.msg_id for one in await kept(temporal_server, appid)] == [3147483650]


class Encrypting(PayloadCodec):
    """What it writes nobody reads."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata={"encoding": b"binary/encrypted"}, data=b"?") for _ in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


ENCRYPTED = replace(DataConverter.default, payload_codec=Encrypting())


@pytest.mark.parametrize(
    "more",
    [{"data_converter": ENCRYPTED}, {"plugins": [SimplePlugin("encrypts", data_converter=ENCRYPTED)]}],
    ids=["codec", "plugin"],
)
async def test_a_report_of_a_client_that_encrypts_is_read(temporal_server: Client, appid: str, more: Any) -> None:
    """The account could not read it, and the caller has answered `success`."""
    theirs = Client(temporal_server.service_client, namespace=temporal_server.namespace, **more)
    await qunfa.report_job_finish(theirs, appid, FINISHED, task_queue=appid)
    assert [one.msg_id for one in await kept(temporal_server, appid)] == [3147483650]


async def test_a_report_that_nobody_takes_is_an_error(
    temporal_server: Client, appid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not of another event: the caller may hand over everything, and that starts nothing."""
    monkeypatch.setenv("QUNFA_CONFIG", "")
    assert await qunfa.report_job_finish(temporal_server, "nobody", HELLO) is None
    with pytest.raises(UnknownAccountError, match="brand is neither an AppID"):
        await qunfa.report_job_finish(temporal_server, "brand", FINISHED)
    with pytest.raises(EventError):
        await qunfa.report_job_finish(temporal_server, appid, b"<xml>")
    elsewhere = Client(temporal_server.service_client, namespace="nowhere")
    with pytest.raises(DeliveryError):
        await qunfa.report_job_finish(elsewhere, appid, FINISHED, task_queue="queue")


async def test_a_client_that_connects_late_is_an_error_too(appid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporal may be away when the first event comes. The error names no address, and another one stays what it is."""
    lazy = await Client.connect("127.0.0.1:1", lazy=True)
    with pytest.raises(DeliveryError, match=r"^Temporal did not take the push: there is no connection to it$"):
        await qunfa.report_job_finish(lazy, appid, FINISHED, task_queue="queue")
    monkeypatch.setattr(Client, "start_workflow", AsyncMock(side_effect=RuntimeError("Failed to do something else")))
    with pytest.raises(RuntimeError, match="something else"):
        await qunfa.report_job_finish(lazy, appid, FINISHED, task_queue="queue")


def test_importing_the_package_is_cheap() -> None:
    """Who imports `qunfa` for its contract, as a workflow does, loads no client and no web server."""
    program = (
        "import sys, qunfa, qunfa.contract\n"
        "print(sorted({'temporalio', 'starlette', 'lxml', 'httpx'} & set(sys.modules)), hasattr(qunfa, 'other'))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] False"
