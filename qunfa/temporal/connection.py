"""The connection to Temporal, and the pages of its web UI.

The address, the namespace, TLS and keys come from where Temporal's own tools take them: `TEMPORAL_ADDRESS`,
`TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS…`, `TEMPORAL_PROFILE` and its configuration file.
"""

import asyncio
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from qunfa.temporal.paused import TellsPaused
from qunfa.temporal.payloads import data_converter

DEFAULT_ADDRESS: Final = "localhost:7233"
DEFAULT_NAMESPACE: Final = "default"
CONNECT_TIMEOUT: Final = timedelta(seconds=5)
RPC_TIMEOUT: Final = timedelta(seconds=10)
_NOT_CONNECTED: Final = "Failed client connect: "
"""How the SDK begins what it says where there is no connection. It has no type of error for that."""
_REFUSAL: Final = re.compile(r'Status \{ code: (?:PermissionDenied|Unauthenticated), message: "((?:[^"\\]|\\.)*)"')
"""What it says there of a server that takes no call of this client."""
_START: Final = "Start it, or set TEMPORAL_ADDRESS to where it is, TEMPORAL_TLS as it needs it (or a TEMPORAL_PROFILE)."
_EMPTY_KEY: Final = "An empty TEMPORAL_API_KEY switches TLS on: unset it."
UI_VARIABLE: Final = "QUNFA_TEMPORAL_UI"
"""Environment variable of commands and workers with the address of Temporal's web UI, as http://localhost:8233."""
_CLOUD: Final = "https://cloud.temporal.io"
_CLOUD_HOSTS: Final = (".tmprl.cloud:7233", ".api.temporal.io:7233")


class TemporalError(Exception):
    """Temporal cannot be used as it stands. The message is for a person and says what to do."""


class TemporalConfigError(TemporalError):
    """Temporal's own configuration (profile, file, certificates) cannot be read."""


class TemporalUnreachable(TemporalError):
    """No answer from Temporal, no such namespace, or no right to use it. The second line says what to do."""

    def __init__(self, address: str, namespace: str, said: str, todo: str) -> None:
        self.address = address
        self.namespace = namespace
        super().__init__(f"{said}\n{todo}")


async def connect(*, runtime: Runtime | None = None, identity: str | None = None) -> Client:
    """A client whose server has answered and whose namespace exists, within `CONNECT_TIMEOUT`.

    Args:
        runtime: The process's one runtime, made before the first connection; Temporal's default when None.
        identity: How the client calls itself in histories; `pid@host` when None.

    Raises:
        TemporalUnreachable: The server does not answer, does not know the namespace, or refuses this client.
        TemporalConfigError: Temporal's own configuration cannot be read.
    """
    config = _client_config()
    address = config.setdefault("target_host", DEFAULT_ADDRESS)
    if not (namespace := config.setdefault("namespace", DEFAULT_NAMESPACE)):
        raise TemporalConfigError("TEMPORAL_NAMESPACE, or the profile's namespace, is empty: name one, or unset it")
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT.total_seconds()):
            client = await Client.connect(
                **config,
                data_converter=data_converter,
                runtime=runtime,
                identity=identity,
                interceptors=[TellsPaused()],
            )
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace), retry=False)
    except TimeoutError:
        raise _unreachable(address, namespace, f"no answer within {CONNECT_TIMEOUT.total_seconds():.0f} s") from None
    except (RuntimeError, ValueError) as error:
        if refusal := _REFUSAL.search(str(error)):
            raise _refused(address, namespace, refusal[1]) from None
        todo = f"{_START} {_EMPTY_KEY}" if config.get("api_key") == "" else _START
        raise _unreachable(address, namespace, _connection_reason(str(error)), todo) from None
    except RPCError as error:
        raise _said(address, namespace, error) from None
    return client


async def is_reachable(client: Client, timeout: timedelta) -> bool:  # noqa: ASYNC109 - handed on to the RPC
    """Whether the server answers for the namespace right now."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        await client.workflow_service.describe_namespace(request, retry=False, timeout=timeout)
    except RPCError:
        return False
    return True


def _client_config() -> ClientConnectConfig:
    """What Temporal's own tools would take; but what counts for nothing there is an error here.

    Another namespace in silence is another memory of what was sent.
    """
    try:
        if named := os.environ.get("TEMPORAL_CONFIG_FILE"):
            Path(named).stat()
        return ClientConfig.load_client_connect_config(config_file_strict=True)
    except (RuntimeError, ValueError) as error:
        # Only the first line: the others quote the file, which may hold a key.
        reason = (str(error).splitlines() or ["unknown"])[0]
        raise TemporalConfigError(f"cannot read Temporal's client configuration: {reason}") from None
    except OSError as error:
        raise TemporalConfigError(
            f"cannot read {error.filename}, which Temporal's client configuration names: {error.strerror}"
        ) from None


def _connection_reason(text: str) -> str:
    if "ConnectionRefused" in text:
        return "nothing listens there (connection refused)"
    if "dns error" in text:
        return "the host name is not known"
    return text.removeprefix(_NOT_CONNECTED).removeprefix("Server connection error: ")


def _unreachable(address: str, namespace: str, reason: str, todo: str = _START) -> TemporalUnreachable:
    return TemporalUnreachable(
        address, namespace, f"cannot reach Temporal at {address}, namespace {namespace}: {reason}", todo
    )


def is_unconnected(error: RuntimeError) -> bool:
    """Whether a client that connects with its first call could not do so."""
    return str(error).startswith(_NOT_CONNECTED)


def is_gone(error: RPCError) -> bool:
    """Whether Temporal says that it has no such workflow, or that it is over.

    A server that has just started may have no namespace yet: then it says nothing of any workflow.
    """
    details = error.grpc_status.details if error.status is RPCStatusCode.NOT_FOUND else None
    return details is not None and not any(one.Is(NamespaceNotFoundFailure.DESCRIPTOR) for one in details)


class UnlessGone:
    """A block that asks about a workflow: it ends early where Temporal has none."""

    def __enter__(self) -> None:
        """Nothing is asked yet."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        """Only that there is none, or that it is over, is left out."""
        return isinstance(error, RPCError) and is_gone(error)


def _said(address: str, namespace: str, error: RPCError) -> TemporalUnreachable:
    if error.status == RPCStatusCode.NOT_FOUND:
        said = f"Temporal at {address} answers, but has no namespace {namespace}"
        todo = f"Set TEMPORAL_NAMESPACE, or create it (temporal operator namespace create --namespace {namespace})."
        return TemporalUnreachable(address, namespace, said, todo)
    if error.status in {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED}:
        return _refused(address, namespace, error.message)
    return _unreachable(address, namespace, error.message)


def _refused(address: str, namespace: str, message: str) -> TemporalUnreachable:
    said = f"Temporal at {address} answers, but refuses this client for the namespace {namespace}: {message}"
    todo = "Set TEMPORAL_API_KEY, or TEMPORAL_TLS and its certificates (or a TEMPORAL_PROFILE), to what it takes."
    return TemporalUnreachable(address, namespace, said, todo)


def workflow_link(client: Client, workflow_id: str, run_id: str | None = None) -> str | None:
    """The page of a workflow (its newest run without `run_id`), or `None` where the UI's address is not known."""
    ui = _ui(client)
    return link(ui, client.namespace, workflow_id, run_id) if ui else None


def list_link(client: Client, query: str) -> str | None:
    """The list of the workflows that a visibility query finds, or `None` where the UI's address is not known."""
    ui = _ui(client)
    return f"{_workflows(ui, client.namespace)}?query={quote(query, safe='')}" if ui else None


def link(ui: str, namespace: str, workflow_id: str, run_id: str | None = None) -> str:
    page = f"{_workflows(ui, namespace)}/{quote(workflow_id, safe=':')}"
    return f"{page}/{run_id}/history" if run_id else page


def _workflows(ui: str, namespace: str) -> str:
    return f"{ui.rstrip('/')}/namespaces/{quote(namespace, safe='')}/workflows"


def _ui(client: Client) -> str | None:
    in_the_cloud = client.service_client.config.target_host.endswith(_CLOUD_HOSTS)
    return os.environ.get(UI_VARIABLE) or (_CLOUD if in_the_cloud else None)
