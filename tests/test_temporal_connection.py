import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from typer.testing import CliRunner

import worker
from qunfa.cli import app
from qunfa.cli.services import Setup
from qunfa.cli.temporal_checks import look_at_attributes
from qunfa.contract.ids import SEARCH_ATTRIBUTES
from qunfa.contract.result import JobFinished
from qunfa.settings import Settings
from qunfa.temporal import connection, namespace
from qunfa.wechat import open_http
from tests.looking import PATIENCE
from tests.ports import free_address
from tests.temporal import binary, development_server


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Client]:
    """A client of a real Temporal server of this module's own."""
    async with development_server() as client:
        yield client


@pytest.fixture
async def time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """Temporal's time-skipping test server."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=binary("temporal-test-server")
    ) as environment:
        yield environment


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Temporal configuration of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("TEMPORAL_"):
            monkeypatch.delenv(name)
    (tmp_path / "temporal.toml").touch()
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))


@pytest.fixture
async def client(server: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Connected by the environment, to a namespace of the test's own."""
    namespace = f"test-{uuid4()}"
    request = RegisterNamespaceRequest(
        namespace=namespace, workflow_execution_retention_period=Duration(seconds=24 * 3600)
    )
    await server.workflow_service.register_namespace(request)
    monkeypatch.setenv("TEMPORAL_ADDRESS", _address(server))
    monkeypatch.setenv("TEMPORAL_NAMESPACE", namespace)
    return await connection.connect(identity="qunfa-test")


def _address(client: Client) -> str:
    return client.service_client.config.target_host


async def _refusal() -> connection.TemporalUnreachable:
    with pytest.raises(connection.TemporalUnreachable) as caught:
        await connection.connect()
    return caught.value


async def test_connects_as_the_environment_says(client: Client) -> None:
    """Address and namespace are Temporal's own variables; models travel as JSON."""
    payload = (await client.data_converter.encode([JobFinished(msg_id=2**62, status="send success")]))[0]

    assert client.identity == "qunfa-test"
    assert client.namespace == os.environ["TEMPORAL_NAMESPACE"]
    assert b'"msg_id":4611686018427387904' in payload.data


async def test_connects_as_a_profile_says(server: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Temporal's configuration file and profiles are honoured."""
    (tmp_path / "temporal.toml").write_text(f'[profile.prod]\naddress = "{_address(server)}"\n')
    monkeypatch.setenv("TEMPORAL_PROFILE", "prod")

    assert (await connection.connect()).namespace == "default"


async def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address without a server is named, with what to set."""
    address = free_address()
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)

    error = await _refusal()

    assert (error.address, error.namespace) == (address, "default")
    assert f"cannot reach Temporal at {address}, namespace default: nothing listens there" in str(error)
    assert "TEMPORAL_ADDRESS" in str(error)


async def test_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent server is given up after the connect timeout; without it, this test would not end."""
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT", timedelta(milliseconds=200))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{silent.getsockname()[1]}")
        error = await _refusal()

    assert "no answer within" in str(error)


async def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that does not resolve is told apart from a server that is down."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.invalid:7233")

    assert "the host name is not known" in str(await _refusal())


async def test_address_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that cannot be one is unreachable, too."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "not a host")

    assert (await _refusal()).address == "not a host"


async def test_unknown_namespace(server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace that does not exist is found at the connection, not at the first workflow."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", _address(server))
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "nowhere")

    said, todo = str(await _refusal()).split("\n")
    assert said == f"Temporal at {_address(server)} answers, but has no namespace nowhere"
    assert "Start it" not in todo
    assert todo.endswith("create it (temporal operator namespace create --namespace nowhere).")


@pytest.mark.parametrize(("code", "why"), [(7, "Request unauthorized."), (16, 'the "key" has expired')])
async def test_a_key_that_is_refused(monkeypatch: pytest.MonkeyPatch, code: int, why: str) -> None:
    """At the first call of all. It is named as what to set, and not quoted."""
    async with await asyncio.start_server(_answering(code, why), "127.0.0.1", 0) as refusing:
        host, port = refusing.sockets[0].getsockname()
        for name, value in (("ADDRESS", f"{host}:{port}"), ("API_KEY", "s3cret"), ("TLS", "false")):
            monkeypatch.setenv(f"TEMPORAL_{name}", value)
        said, todo = str(await _refusal()).split("\n")

    escaped = why.replace('"', '\\"')
    assert said == f"Temporal at {host}:{port} answers, but refuses this client for the namespace default: {escaped}"
    assert todo.startswith("Set TEMPORAL_API_KEY")
    assert "s3cret" not in said


def _answering(code: int, why: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A gRPC server, on the wire: it answers the first call of each connection with this status."""
    settings, headers, stream = 4, 1, (1).to_bytes(4)

    def frame(kind: int, flags: int, which: bytes, content: bytes = b"") -> bytes:
        return len(content).to_bytes(3) + bytes([kind, flags]) + which + content

    def field(name: str, value: str) -> bytes:
        return b"\0" + b"".join(bytes([len(one)]) + one.encode() for one in (name, value))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(settings, 0, bytes(4)))
        await reader.readexactly(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        while (head := await reader.readexactly(9))[3] != headers:
            await reader.readexactly(int.from_bytes(head[:3]))
        said = (("content-type", "application/grpc"), ("grpc-status", str(code)), ("grpc-message", why))
        is_ok, ends = b"\x88", 5
        writer.write(frame(headers, ends, stream, is_ok + b"".join(field(*one) for one in said)))
        await reader.read()
        writer.close()

    return answer


async def test_a_namespace_that_is_empty(server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a variable that was to fill it in: the default one would be another memory of what was sent."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", _address(server))
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "")
    with pytest.raises(connection.TemporalConfigError, match=r"TEMPORAL_NAMESPACE.* is empty"):
        await connection.connect()


async def test_an_api_key_that_is_empty(server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """To Temporal's clients it is one, which goes by TLS alone: that is said where there is no connection."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", _address(server))
    monkeypatch.setenv("TEMPORAL_API_KEY", "")
    assert str(await _refusal()).endswith(" An empty TEMPORAL_API_KEY switches TLS on: unset it.")


@pytest.mark.parametrize("line", ['api_key = "s3cret', 'api_key = ["s3cret"]', 'apikey = "s3cret"', "s3cret = 1"])
async def test_broken_configuration_is_not_quoted(line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Temporal's own file may hold a key: the error names the line, not its content. An unknown word is an error."""
    (tmp_path / "temporal.toml").write_text(f"[profile.default]\n{line}\n")

    with pytest.raises(connection.TemporalError, match="line 2") as caught:
        await connection.connect()
    assert "s3cret" not in str(caught.value)


async def test_a_configuration_file_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It may have named another namespace: the default one is not taken in its place."""
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))
    with pytest.raises(connection.TemporalError, match=r"cannot read .*none\.toml, which.* names: No such file"):
        await connection.connect()


async def test_missing_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is not there is named by its path."""
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", "/nowhere/client.pem")

    with pytest.raises(connection.TemporalError, match=r"/nowhere/client\.pem"):
        await connection.connect()


async def test_registers_what_is_missing(client: Client) -> None:
    """A fresh namespace lacks all, afterwards none; a second time adds nothing."""
    assert await namespace.missing_search_attributes(client) == list(SEARCH_ATTRIBUTES)
    assert await namespace.register_search_attributes(client) == list(SEARCH_ATTRIBUTES)
    assert await namespace.missing_search_attributes(client) == []
    assert await namespace.register_search_attributes(client) == []


async def test_keeps_what_is_there(client: Client) -> None:
    """An attribute that somebody registered by hand is kept, the others are added."""
    await _register(client, "MassSendPhase", IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD)

    assert "MassSendPhase" not in await namespace.register_search_attributes(client)
    assert await namespace.missing_search_attributes(client) == []


async def test_another_type_is_a_conflict(client: Client) -> None:
    """An attribute of the wrong type is refused by both, and nothing is added."""
    await _register(client, "MassSendPhase", IndexedValueType.INDEXED_VALUE_TYPE_INT)

    with pytest.raises(namespace.SearchAttributeConflict, match="MassSendPhase is registered as INT"):
        await namespace.missing_search_attributes(client)
    with pytest.raises(namespace.SearchAttributeConflict):
        await namespace.register_search_attributes(client)


async def test_a_server_that_is_too_slow_is_unreachable(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer in time says nothing about what the server allows: it is worth another try."""
    monkeypatch.setattr(namespace, "RPC_TIMEOUT", timedelta(microseconds=1))
    with pytest.raises(connection.TemporalUnreachable, match="in time\nTry again"):
        await namespace.missing_search_attributes(client)


@pytest.mark.parametrize("status", [RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED])
async def test_attributes_that_may_not_be_seen_stop_no_worker(
    client: Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], status: RPCStatusCode
) -> None:
    """They may be registered all the same, by whoever manages the namespace: it is a warning for all.

    A gateway may let nobody come to the service that lists them.
    """

    async def denied(*_: object, **__: object) -> None:
        raise RPCError("Request unauthorized.", status, b"")

    for call in ("list_search_attributes", "add_search_attributes"):
        monkeypatch.setattr(f"temporalio.service.OperatorService.{call}", denied)
    settings = Settings.model_validate({"accounts": {"demo": {"appid": "wx0", "secret": "s" * 32, "kind": "service"}}})
    async with open_http(settings.timing.http_timeout) as http:
        await worker.serve(settings, client, http, on_started=lambda: signal.raise_signal(signal.SIGTERM))
    said = capfd.readouterr().err
    assert "does not list search attributes" in said
    started = next(line for line in said.splitlines() if "started" in line)
    # A rehearsal against the real WeChat is seen, or with the memory of another namespace.
    where = ("https://api.weixin.qq.com", os.environ["TEMPORAL_ADDRESS"], client.namespace)
    assert [one for one in where if one not in started] == []
    assert (await look_at_attributes(client)).state == "warning"
    setup = await asyncio.to_thread(CliRunner().invoke, app, ["setup", "--json"])
    found = Setup.model_validate_json(setup.stdout)
    assert (setup.exit_code, found.added, found.present) == (0, (), None)
    assert all(name in setup.stderr for name in SEARCH_ATTRIBUTES)
    assert "there already: not known" in (await asyncio.to_thread(CliRunner().invoke, app, ["setup"])).stdout


async def test_setup_fails_where_it_sees_what_it_may_not_add(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow would hang that upserts one of them. What is lacking is named, and nothing else."""
    await _register(client, "MassSendPhase", IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD)

    async def denied(*_: object, **__: object) -> None:
        raise RPCError("Request unauthorized.", RPCStatusCode.PERMISSION_DENIED, b"")

    monkeypatch.setattr("temporalio.service.OperatorService.add_search_attributes", denied)
    setup = await asyncio.to_thread(CliRunner().invoke, app, ["setup", "--json"])
    assert (setup.exit_code, setup.stdout) == (1, "")
    assert [name for name in SEARCH_ATTRIBUTES if name not in setup.stderr] == ["MassSendPhase"]


async def test_time_skipping_server(time_skipping: WorkflowEnvironment) -> None:
    """The test server cannot list attributes, and so nobody says that they are there. Registering works, twice too."""
    client = time_skipping.client
    key = SearchAttributeKey.for_keyword("MassSendAccount")

    assert await namespace.register_search_attributes(client) == list(SEARCH_ATTRIBUTES)
    assert await namespace.register_search_attributes(client) == []
    assert await namespace.missing_search_attributes(client) is None
    assert (await look_at_attributes(client)).state == "warning"
    await client.start_workflow(
        "Any",
        id=str(uuid4()),
        task_queue="none",
        search_attributes=TypedSearchAttributes([SearchAttributePair(key, "demo")]),
    )


async def test_retention(client: Client) -> None:
    """The retention can be read and raised, and the search attributes survive that."""
    await namespace.register_search_attributes(client)

    assert await namespace.namespace_retention(client) == timedelta(days=1)
    await namespace.set_namespace_retention(client, timedelta(days=35))
    assert await namespace.namespace_retention(client) == timedelta(days=35)
    assert await namespace.missing_search_attributes(client) == []


async def test_retention_that_temporal_refuses(client: Client) -> None:
    """A retention below Temporal's minimum is an error with the server's reason."""
    with pytest.raises(connection.TemporalError, match="cannot set the retention"):
        await namespace.set_namespace_retention(client, timedelta(minutes=5))


async def test_reachable(client: Client) -> None:
    """A server that answers for the namespace is reachable; one that does not know it is not."""
    elsewhere = await Client.connect(client.service_client.config.target_host, namespace="nowhere")

    assert await connection.is_reachable(client, timedelta(seconds=PATIENCE))
    assert not await connection.is_reachable(elsewhere, timedelta(seconds=PATIENCE))


async def test_a_server_without_its_namespace_tells_of_no_workflow(client: Client) -> None:
    """As one that has just started: what it does not know may be there. One with the namespace is taken at its word."""
    elsewhere = await Client.connect(client.service_client.config.target_host, namespace="nowhere")
    gone = []
    for asked in (client, elsewhere):
        with pytest.raises(RPCError) as caught:
            await asked.get_workflow_handle("nobody").describe()
        assert caught.value.status is RPCStatusCode.NOT_FOUND
        gone.append(connection.is_gone(caught.value))
    assert gone == [True, False]
    assert not connection.is_gone(RPCError("", RPCStatusCode.UNAVAILABLE, b""))


async def _register(client: Client, name: str, kind: IndexedValueType.ValueType) -> None:
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes={name: kind})
    await client.operator_service.add_search_attributes(request)
