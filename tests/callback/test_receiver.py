"""The receiver as it runs, beside a real Temporal, or without any."""

import ast
import asyncio
import json
import os
import re
import signal
import socket
import sys
import tomllib
from asyncio.subprocess import PIPE
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client, WorkflowFailureError

from qunfa.callback import app
from qunfa.callback.answers import Answer
from qunfa.callback.app import run_receiver
from qunfa.callback.delivery import DeliveryError, TemporalDelivery
from qunfa.callback.gate import read_sources
from qunfa.callback.pushes import BODY_LIMIT
from qunfa.callback.server import ReceiverError
from qunfa.contract.ids import account_id
from qunfa.contract.result import JobFinished
from qunfa.settings import CallbackSettings, MetricsSettings, ReceiverSettings, Settings
from qunfa.simulator import Simulator, SimulatorConfig
from qunfa.temporal.payloads import data_converter
from tests.callback.pushing import (
    APPID,
    EVENTS_TOKEN,
    FINISHED,
    HELLO,
    TOKEN,
    callback_settings,
    finished,
    post,
    signed,
)
from tests.callback.running import ENVIRONMENT, kept, process_of, running, until_ready
from tests.looking import PATIENCE
from tests.ports import free_address, free_ports
from tests.temporal import development_server

TESTS = Path(__file__).parents[1]
GUIDE = (TESTS.parent / "docs" / "receiver.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(\w+/test_\w+\.py)::(test_\w+)`", GUIDE)))
EVENT = JobFinished(msg_id=2**53 + 1, status="send success")


@pytest.fixture(autouse=True)
def address(temporal_server: Client, monkeypatch: pytest.MonkeyPatch) -> str:
    """Temporal's, in the place of what whoever runs the tests has configured; and quick reconnects."""
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    found: str = temporal_server.service_client.config.target_host
    monkeypatch.setenv("TEMPORAL_ADDRESS", found)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(app, "RECONNECT_FIRST", timedelta(milliseconds=20))
    return found


def _settings(appid: str) -> Settings:
    settings = callback_settings()
    accounts = {"demo": settings.accounts["demo"].model_copy(update={"appid": appid})}
    return settings.model_copy(update={"accounts": accounts, "task_queue": appid})


def _shown(metrics: str) -> Settings:
    return callback_settings().model_copy(update={"metrics": MetricsSettings(receiver=metrics)})


async def test_push_reaches_the_account(temporal_server: Client, appid: str) -> None:
    """A signed push starts the account's workflow where it does not run, and is in its ledger once."""
    async with running(_settings(appid)) as http:
        await until_ready(http)
        for _ in range(2):
            answer = await post(http)
            assert (answer.status_code, answer.text) == (200, "success")
    (event,) = await kept(temporal_server, appid)
    assert (event.msg_id, event.status) == (3147483650, "send success")


async def test_a_push_revives_an_account_without_a_worker(temporal_server: Client, appid: str) -> None:
    """It is durable as soon as Temporal has it, also where somebody has terminated the account."""
    deliver = TemporalDelivery(temporal_server, appid)
    await deliver(appid, EVENT)
    handle = temporal_server.get_workflow_handle(account_id(appid))
    await handle.terminate()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    await deliver(appid, EVENT)
    assert await kept(temporal_server, appid) == [EVENT]


async def test_what_temporal_refuses_is_not_delivered(address: str) -> None:
    """A namespace that is not there."""
    elsewhere = await Client.connect(address, namespace="nowhere", data_converter=data_converter)
    with pytest.raises(DeliveryError, match="NOT_FOUND"):
        await TemporalDelivery(elsewhere, "queue")("wx1", EVENT)


async def test_a_receiver_runs_without_temporal_and_logs_all(tmp_path: Path) -> None:
    """It says that it is not ready, and refuses results for a second try. It ends with 0.

    Its log is a line of JSON each, on standard error. So is what Temporal's own core says once Temporal is gone.
    """
    temporal = free_address()
    receiver = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "qunfa.cli", "callback",
        env={**ENVIRONMENT, "TEMPORAL_ADDRESS": temporal}, cwd=tmp_path, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    assert receiver.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            while (said := json.loads(await receiver.stderr.readline()))["event"] != "listening":
                pass
            async with httpx.AsyncClient(base_url=said["url"], trust_env=False) as http:
                assert [(await http.get(path)).status_code for path in ("/healthz", "/readyz")] == [200, 503]
                assert [(await post(http, push)).status_code for push in (FINISHED, HELLO)] == [503, 200]
                assert (await http.get("/wechat/demo", params=signed(echostr="1"))).text == "1"
                async with development_server(address=temporal):
                    await until_ready(http)
                    assert (await post(http)).text == "success"
                assert (await http.get("/readyz")).status_code == 503
                assert (await post(http, finished(2))).status_code == 503
            receiver.terminate()
            printed, rest = await receiver.communicate()
    finally:
        if receiver.returncode is None:
            receiver.kill()
    assert (printed, receiver.returncode) == (b"", 0)
    assert "temporalio.core" in {json.loads(line)["logger"] for line in rest.splitlines()}


async def test_a_receiver_tells_a_wrong_configuration_of_temporal(tmp_path: Path) -> None:
    """Its exit code is that of a worker then: no repeat helps."""
    receiver = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "qunfa.cli", "callback",
        env={**ENVIRONMENT, "TEMPORAL_CONFIG_FILE": "/nowhere/temporal.toml"}, cwd=tmp_path, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    try:
        _, said = await asyncio.wait_for(receiver.communicate(), PATIENCE)
    finally:
        if receiver.returncode is None:
            receiver.kill()
    assert (receiver.returncode, b"cannot read /nowhere/temporal.toml" in said) == (2, True), said


async def test_the_receiver_leaves_signals_to_its_caller() -> None:
    """Run beside other things in one process, it takes no signal for itself."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    async with running(callback_settings()) as http:
        assert (await http.get("/healthz")).status_code == 200
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize("which", ["RECEIVER__PORT", "METRICS__RECEIVER"])
async def test_a_port_in_use_is_named_with_its_setting(which: str) -> None:
    """Of pushes or of metrics; the receiver's own is free again afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, [own] = taken.getsockname()[1], free_ports(1)
        settings, at = (_shown(f"127.0.0.1:{port}"), own) if which == "METRICS__RECEIVER" else (_shown(""), port)
        with pytest.raises(ReceiverError, match=rf"cannot listen on 127\.0\.0\.1 port {port}: .*QUNFA_{which}"):
            await run_receiver(settings, host="127.0.0.1", port=at)
    with socket.create_server(("127.0.0.1", own)):
        pass


async def test_metrics_have_an_address_of_their_own() -> None:
    """They are not where WeChat and everybody else can reach them. The empty text switches them off."""
    own = free_address()
    url = f"http://{own}"
    async with running(_shown(own)) as http:
        await http.get("/wechat/demo", params=signed(echostr="1"))
        shown = await http.get(f"{url}/metrics")
        assert 'qunfa_pushes_total{account="demo",answer="success",event="verification"} 1.0' in shown.text
        assert [(await http.get(path)).status_code for path in ("/metrics", f"{url}/wechat/demo")] == [404, 404]
    async with running(_shown("")) as http:
        assert (await http.get("/metrics")).status_code == 404
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{url}/metrics")


PUSH = b"POST /wechat/demo HTTP/1.1\r\n"
RAW = [
    b"POST /wechat/demo\xff?\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /wechat/%ff%00?signature=%ff&timestamp=%00&nonce=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://other/wechat/demo HTTP/1.1\r\nHost: x\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", PUSH + b"Host: x\r\nContent-Length: -5\r\n\r\n",
    PUSH + b"Host: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    PUSH + b"Host: x\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    PUSH + b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", PUSH + b"\r\n",
    b"POST /wechat/demo HTTP/9.9\r\nHost: x\r\n\r\n", b"GET /wechat/demo\r\n\r\n",
    b"GET /wechat/demo?" + b"a=1&" * 30_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /wechat/demo HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 30_000 + b"\r\n",
    b"GET /wechat/demo HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: \xff\r\nAuthorization: Bearer \xff\r\n\r\n",
    b"POST /wechat/demo/events HTTP/1.1\r\nHost: x\r\nAuthorization: \xff\r\nContent-Length: 0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]  # fmt: skip


async def test_bytes_that_are_hardly_http_are_refused() -> None:
    """Whatever a stranger sends to the port, the answer is a refusal or a closed connection."""
    async with running(callback_settings()) as http:
        for said in RAW:
            reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
            writer.write(said)
            writer.write_eof()
            try:
                answer = await reader.read()
            except ConnectionError:
                answer = b""
            writer.close()
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), (said[:100], answer[:100])
            assert (await http.get("/healthz")).status_code == 200


async def test_a_flood_of_one_body_is_cut_off() -> None:
    """A body over the limit gets its answer, and the connection is closed, long before the body ends."""
    async with running(callback_settings()) as http:
        url = httpx.URL(http.base_url.join("/wechat/demo"), params=signed())
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = f"POST {url.raw_path.decode()} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
        writer.write(head.encode() + b"x" * (BODY_LIMIT + 1))
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
        writer.close()


async def test_a_receiver_stops_cleanly(tmp_path: Path) -> None:
    """On SIGINT, as on SIGTERM, the process ends with 0, and no line of its log holds a URL's query."""
    query = signed()
    async with process_of(tmp_path / "log") as (process, url), httpx.AsyncClient(base_url=url, trust_env=False) as http:
        assert (await post(http, {"params": query, "content": FINISHED})).status_code == 503
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    log = (tmp_path / "log").read_bytes()
    assert b'"answer":"unavailable"' in log
    assert query["signature"].encode() not in log
    assert TOKEN.encode() not in log


def test_every_named_test_of_the_receiver_exists() -> None:
    """What the guide claims is tested where it says."""
    for file, name in NAMED:
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_claim_of_the_comparison_has_a_test() -> None:
    """In the comparison, what Qunfa does is proven; only what no test can see is not."""
    section = GUIDE.partition("\n## Compared with four libraries\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| ")]
    unproven = [row[1].strip() for row in rows[1:] if "::" not in row[7]]

    assert len(rows) > 20
    assert unproven == ["compared in constant time"]


def test_every_answer_and_setting_is_explained() -> None:
    """Whoever sees a word in the log, or a setting of the receiver, finds it in the guide."""
    for word, status in (answer.value for answer in Answer):
        assert f"`{word}`" in GUIDE or f"{status.value}:" in GUIDE
    names = {name for section in (ReceiverSettings, CallbackSettings, MetricsSettings) for name in section.model_fields}
    assert {name for name in names if not name.endswith("_file") and name not in GUIDE} <= {"worker"}


async def _typed(heading: str, folder: Path, place: tuple[str, str], **environment: str) -> bytes:
    """What the first line of code below a heading of the guide prints, once one place in it is exchanged."""
    line = GUIDE.partition(f"\n{heading}\n")[2].partition("```sh\n")[2].partition("```")[0]
    assert place[0] in line
    assert "_TOKEN" not in line.partition("|")[2], "the arguments of a command are seen by all on a machine"
    shell = await asyncio.create_subprocess_shell(
        line.replace(*place).replace("/etc/qunfa/sources", str(folder)),
        cwd=folder, env={"PATH": os.environ["PATH"], **environment}, stdout=PIPE,
    )  # fmt: skip
    printed, _ = await shell.communicate()
    return printed


async def test_a_list_of_addresses_that_wechat_refuses_replaces_none(tmp_path: Path) -> None:
    """It refuses with HTTP 200, as where the token is old. The receiver would not start again with such a file."""
    heading, place = "## Allow WeChat's addresses only: `sources`", "https://api.weixin.qq.com"
    account = {"appid": APPID, "secret": "s3cret", "kind": "service", "followers": 1}
    async with Simulator() as simulator, httpx.AsyncClient(base_url=simulator.url) as http:
        await simulator.reset(SimulatorConfig.model_validate({"accounts": {"demo": account}}))
        query = {"grant_type": "client_credential", "appid": APPID, "secret": "s3cret"}
        token = (await http.get("/cgi-bin/token", params=query)).json()["access_token"]
        for given in (token, "old"):
            await _typed(heading, tmp_path, (place, simulator.url), ACCESS_TOKEN=given)
            assert [str(one) for one in read_sources(tmp_path / "brand")] == ["127.0.0.1/32", "::1/128"]
    assert "errcode" in (tmp_path / "sources.new").read_text(encoding="utf-8")


async def test_another_system_hands_over_as_the_guide_says(tmp_path: Path) -> None:
    """With its token, and not with another one."""
    (tmp_path / "event.xml").write_bytes(HELLO)
    settings = callback_settings(events_token=EVENTS_TOKEN)
    async with running(settings) as http:
        place = ("http://receiver:8088/wechat/brand", f"{str(http.base_url).rstrip('/')}/wechat/demo")
        typed = await _typed("### Qunfa behind: handing over", tmp_path, place, EVENTS_TOKEN=EVENTS_TOKEN)
        assert typed == b"success"
        assert await _typed("### Qunfa behind: handing over", tmp_path, place, EVENTS_TOKEN="other") == b""


async def test_the_simulator_takes_the_orders_of_the_guide() -> None:
    """And its configuration; here it finds no receiver."""
    section = GUIDE.partition("\n### Rehearse it\n")[2].partition("\n## ")[0]
    toml = section.partition("```toml\n")[2].partition("```")[0]
    orders = re.findall(r"^curl -d '(\S+)' http://127.0.0.1:8089(\S+) ", section, re.MULTILINE)
    configuration = tomllib.loads(toml.replace(":8088/", ":1/")) | {"scale": 1000}
    async with Simulator() as simulator, httpx.AsyncClient(base_url=simulator.url) as http:
        await simulator.reset(SimulatorConfig.model_validate(configuration))
        answers = [await http.post(path, json=json.loads(body)) for body, path in orders]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].json()["verified"] is False
    assert len(answers[2].json()["tries"]) == 3
