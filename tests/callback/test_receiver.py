import asyncio
import os
import signal
import socket
import sys
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from qunfa.callback import DeliveryError, ReceiverError, TemporalDelivery, run_receiver, server
from qunfa.callback.body import BODY_LIMIT
from qunfa.contract.ids import account_id
from qunfa.contract.ledger import LedgerView
from qunfa.contract.result import JobFinished
from qunfa.settings import MetricsSettings
from qunfa.temporal.payloads import data_converter
from tests.callback.pushing import APPID, FINISHED, HELLO, TOKEN, callback_settings, signed
from tests.callback.running import address_of, is_ready, renamed, running
from tests.looking import PATIENCE, look_again
from tests.temporal import binary
from workflows.account import Account

EVENT = JobFinished(msg_id=2**53 + 1, status="send success")


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Temporal configuration of whoever runs the tests, and quick reconnects."""
    for name in list(os.environ):
        if name.startswith("TEMPORAL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))
    monkeypatch.setattr(server, "RECONNECT_FIRST", timedelta(milliseconds=20))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


async def _kept(client: Client, appid: str) -> list[JobFinished]:
    handle = client.get_workflow_handle(account_id(appid))
    view = await handle.query("ledger", result_type=LedgerView)
    return [kept.event for kept in view.kept]


async def test_push_reaches_the_account(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signed push starts the account's workflow where it does not run, and is in its ledger once."""
    appid = f"wx{uuid4().hex}"
    monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
    async with running(renamed(appid)) as http, Worker(client, task_queue=appid, workflows=[Account]):
        while not await is_ready(http):
            await look_again()
        for _ in range(2):
            answer = await http.post("/wechat/demo", params=signed(), content=FINISHED)
            assert (answer.status_code, answer.text) == (200, "success")

        (event,) = await _kept(client, appid)
        assert (event.msg_id, event.status) == (3147483650, "send success")


async def test_delivery_needs_no_worker(client: Client) -> None:
    """A push is durable as soon as Temporal has it, also while every worker is down."""
    appid = f"wx{uuid4().hex}"

    await TemporalDelivery(client, appid)(appid, EVENT)

    async with Worker(client, task_queue=appid, workflows=[Account]):
        assert await _kept(client, appid) == [EVENT]


async def test_delivery_to_a_terminated_account(client: Client) -> None:
    """A push revives an account that somebody terminated."""
    appid = f"wx{uuid4().hex}"
    deliver = TemporalDelivery(client, appid)
    await deliver(appid, EVENT)
    handle = client.get_workflow_handle(account_id(appid))
    await handle.terminate()
    with pytest.raises(WorkflowFailureError):
        await handle.result()

    await deliver(appid, EVENT)

    async with Worker(client, task_queue=appid, workflows=[Account]):
        assert await _kept(client, appid) == [EVENT]


async def test_delivery_to_a_namespace_that_is_gone(client: Client) -> None:
    """What Temporal refuses is a failed delivery."""
    elsewhere = await Client.connect(address_of(client), namespace="nowhere", data_converter=data_converter)

    with pytest.raises(DeliveryError, match="NOT_FOUND"):
        await TemporalDelivery(elsewhere, "queue")("wx1", EVENT)


async def test_starts_without_temporal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Temporal the receiver runs, says that it is not ready, and refuses pushes for a second try."""
    port = _free_port()
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{port}")
    appid = f"wx{uuid4().hex}"
    async with running(renamed(appid)) as http:
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.post("/wechat/demo", params=signed(), content=FINISHED)).status_code == 503
        assert (await http.get("/wechat/demo", params=signed(echostr="1"))).text == "1"

        async with await WorkflowEnvironment.start_local(
            port=port, dev_server_existing_path=binary("temporal"), dev_server_log_level="error"
        ):
            while not await is_ready(http):
                await look_again()
            assert (await http.post("/wechat/demo", params=signed(), content=FINISHED)).text == "success"
        assert (await http.get("/readyz")).status_code == 503


async def test_leaves_signals_to_its_caller(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run beside other things in one process, the receiver takes no signal for itself."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    async with running(callback_settings()) as http:
        assert (await http.get("/healthz")).status_code == 200
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


async def test_port_in_use() -> None:
    """An occupied port is named with the setting to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ReceiverError, match=rf"cannot listen on 127\.0\.0\.1 port {port}: .*QUNFA_RECEIVER__PORT"):
            await run_receiver(callback_settings(), host="127.0.0.1", port=port)


async def test_metrics_on_an_address_of_their_own(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they are there, and not where WeChat and everybody else can reach them."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
    port = _free_port()
    settings = callback_settings()
    settings = settings.model_copy(update={"metrics": MetricsSettings(receiver=f"127.0.0.1:{port}")})
    async with running(settings) as http:
        await http.get("/wechat/demo", params=signed(echostr="1"))
        shown = await http.get(f"http://127.0.0.1:{port}/metrics")
        assert 'qunfa_pushes_total{account="demo",answer="success",event="verification"} 1.0' in shown.text
        assert (await http.get("/metrics")).status_code == 404
        assert (await http.get(f"http://127.0.0.1:{port}/wechat/demo")).status_code == 404

    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.get(f"http://127.0.0.1:{port}/metrics")


async def test_no_metrics(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The empty text switches them off."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
    settings = callback_settings().model_copy(update={"metrics": MetricsSettings(receiver="")})
    async with running(settings) as http:
        assert (await http.get("/metrics")).status_code == 404
        assert (await http.get("/healthz")).status_code == 200


async def test_metrics_port_in_use() -> None:
    """An occupied port is named with the setting to change, and the receiver's own is free again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, own = taken.getsockname()[1], _free_port()
        settings = callback_settings().model_copy(update={"metrics": MetricsSettings(receiver=f"127.0.0.1:{port}")})
        with pytest.raises(
            ReceiverError, match=rf"cannot listen on 127\.0\.0\.1 port {port}: .*QUNFA_METRICS__RECEIVER"
        ):
            await run_receiver(settings, host="127.0.0.1", port=own)
    with socket.create_server(("127.0.0.1", own)):
        pass


async def test_forwards_and_stops(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A running receiver passes other messages on, while nobody hears Temporal."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{_free_port()}")

    async def existing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"</xml>")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(existing, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with running(callback_settings(forward_to=url)) as http:
            assert (await http.post("/wechat/demo", params=signed(), content=HELLO)).text == "hello"


RAW = [
    b"POST /wechat/demo\xff?\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /wechat/%ff%00?signature=%ff&timestamp=%00&nonce=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://other/wechat/demo HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /wechat/demo HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /wechat/demo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"POST /wechat/demo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    b"POST /wechat/demo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /wechat/demo HTTP/1.1\r\n\r\n",
    b"POST /wechat/demo HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /wechat/demo\r\n\r\n",
    b"GET /wechat/demo?" + b"a=1&" * 30_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /wechat/demo HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 30_000 + b"\r\n",
    b"GET /wechat/demo HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: \xff\r\nAuthorization: Bearer \xff\r\n\r\n",
    b"POST /wechat/demo/events HTTP/1.1\r\nHost: x\r\nAuthorization: \xff\r\nContent-Length: 0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("request_", RAW, ids=range(len(RAW)))
async def test_bytes_that_are_hardly_http(client: Client, monkeypatch: pytest.MonkeyPatch, request_: bytes) -> None:
    """Whatever a stranger sends to the port, the answer is a refusal or a closed connection."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
    async with running(callback_settings()) as http:
        url = http.base_url
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(request_)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            try:
                answer = await reader.read()
            except ConnectionError:
                answer = b""
        writer.close()
        assert (await http.get("/healthz")).status_code == 200

    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:100]


async def test_flood_is_cut_off(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body over the limit gets its answer, and the connection is closed, long before the body ends."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
    async with running(callback_settings()) as http:
        url = httpx.URL(http.base_url.join("/wechat/demo"), params=signed())
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = f"POST {url.raw_path.decode()} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
        writer.write(head.encode() + b"x" * (BODY_LIMIT + 1))
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_stops_cleanly(tmp_path: Path, stop: signal.Signals) -> None:
    """On SIGTERM and SIGINT the process ends with 0, and no line of its log holds a URL's query."""
    program = (
        "import asyncio, sys\n"
        "from qunfa.callback import run_receiver\n"
        "from qunfa.settings import load_settings\n"
        "from qunfa.telemetry import configure_logging\n"
        "configure_logging()\n"
        "asyncio.run(run_receiver(load_settings(), on_started=lambda url: print(url, flush=True)))\n"
    )
    environment = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TEMPORAL_ADDRESS": f"127.0.0.1:{_free_port()}",
        "TEMPORAL_CONFIG_FILE": str(tmp_path / "none.toml"),
        "QUNFA_RECEIVER__HOST": "127.0.0.1",
        "QUNFA_RECEIVER__PORT": "0",
        "QUNFA_METRICS__RECEIVER": "",
        "QUNFA_ACCOUNTS__DEMO__APPID": APPID,
        "QUNFA_ACCOUNTS__DEMO__KIND": "service",
        "QUNFA_ACCOUNTS__DEMO__SECRET": "s3cret",
        "QUNFA_ACCOUNTS__DEMO__CALLBACK__TOKEN": TOKEN,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout is not None
    url = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode().strip()
    query = signed()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        assert (await http.post("/wechat/demo", params=query, content=FINISHED)).status_code == 503
        process.send_signal(stop)
        _, log = await asyncio.wait_for(process.communicate(), PATIENCE)

    assert process.returncode == 0, log.decode()
    assert b'"answer":"unavailable"' in log
    assert query["signature"].encode() not in log
    assert TOKEN.encode() not in log
