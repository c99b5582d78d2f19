"""What Qunfa needs of a namespace: its search attributes, and how long it keeps closed workflows."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from qunfa.contract.ids import SEARCH_ATTRIBUTES
from qunfa.temporal.connection import RPC_TIMEOUT, TemporalError, TemporalUnreachable

_VALUE_TYPES: Final = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}
_SILENT: Final = frozenset({RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.UNAVAILABLE})


class SearchAttributeConflict(TemporalError):
    """A search attribute of Qunfa's name is registered with another type."""


class SearchAttributesClosed(TemporalError):
    """Whoever asks may not list the search attributes: all may be registered all the same."""


async def missing_search_attributes(client: Client) -> list[str] | None:
    """Names of Qunfa's search attributes that the namespace lacks; one that is missing would stop every workflow.

    None where the server cannot list them, as Temporal's time-skipping test server.

    Raises:
        SearchAttributeConflict: One is registered with another type.
        SearchAttributesClosed: They may not be listed from here.
        TemporalUnreachable: The server does not answer in time.
        TemporalError: The server refuses to list them.
    """
    registered = await _registered_types(client)
    return None if registered is None else _missing(registered)


async def register_search_attributes(client: Client) -> list[str]:
    """Registers what is missing and answers with the names that were added; safe to repeat.

    Raises:
        SearchAttributeConflict: One is registered with another type; nothing is added then.
        SearchAttributesClosed: They may neither be listed nor registered from here.
        TemporalUnreachable: The server does not answer in time.
        TemporalError: The server refuses to register what is missing; what was added before that stays.
    """
    added: list[str] = []
    registered = await _registered_types(client)
    missing = _missing(registered or {})
    for number, name in enumerate(missing):
        request = AddSearchAttributesRequest(
            namespace=client.namespace, search_attributes={name: _VALUE_TYPES[SEARCH_ATTRIBUTES[name]]}
        )
        try:
            await client.operator_service.add_search_attributes(request, timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status != RPCStatusCode.ALREADY_EXISTS:
                raise _registration_refused(client, error, missing[number:], seen=registered is not None) from None
        else:
            added.append(name)
    return added


async def namespace_retention(client: Client) -> timedelta:
    """How long the namespace keeps closed workflows; zero where the server does not say.

    Raises:
        TemporalError: The server refuses to describe the namespace.
    """
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        answer = await client.workflow_service.describe_namespace(request, timeout=RPC_TIMEOUT)
    except RPCError as error:
        raise TemporalError(f"cannot describe the namespace {client.namespace}: {error.message}") from None
    return answer.config.workflow_execution_retention_ttl.ToTimedelta()


async def set_namespace_retention(client: Client, retention: timedelta) -> None:
    """Makes the namespace keep closed workflows for `retention`; its other properties stay.

    Raises:
        TemporalError: The server refuses: less than it allows, no right, or a server that is managed elsewhere.
    """
    config = NamespaceConfig()
    config.workflow_execution_retention_ttl.FromTimedelta(retention)
    request = UpdateNamespaceRequest(namespace=client.namespace, config=config)
    try:
        await client.workflow_service.update_namespace(request, timeout=RPC_TIMEOUT)
    except RPCError as error:
        raise TemporalError(
            f"cannot set the retention of the namespace {client.namespace} to {retention}: {error.message}\n"
            "Set it where the namespace is managed, and run this command without --retention."
        ) from None


async def _registered_types(client: Client) -> dict[str, int] | None:
    """Type by name, or None where the server cannot list them."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        answer = await client.operator_service.list_search_attributes(request, timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status == RPCStatusCode.UNIMPLEMENTED:
            return None
        raise _registration_refused(client, error, SEARCH_ATTRIBUTES, seen=False) from None
    return {**answer.custom_attributes, **answer.system_attributes}


def _missing(registered: dict[str, int]) -> list[str]:
    for name, kind in SEARCH_ATTRIBUTES.items():
        if registered.get(name, _VALUE_TYPES[kind]) != _VALUE_TYPES[kind]:
            other = IndexedValueType.Name(IndexedValueType.ValueType(registered[name]))
            raise SearchAttributeConflict(
                f"the search attribute {name} is registered as {other.removeprefix('INDEXED_VALUE_TYPE_')}, and Qunfa "
                f"needs {kind}. Remove it (`temporal operator search-attribute remove --name {name}`) or use another "
                "namespace, then run `qunfa setup`."
            )
    return [name for name in SEARCH_ATTRIBUTES if name not in registered]


def _registration_refused(client: Client, error: RPCError, names: Iterable[str], *, seen: bool) -> TemporalError:
    """Why these could not be listed or registered. Where they were ``seen``, they are missing for certain."""
    namespace = client.namespace
    if error.status in _SILENT:
        address = client.service_client.config.target_host
        said = f"Temporal at {address} has not told the search attributes of the namespace {namespace} in time"
        return TemporalUnreachable(address, namespace, said, "Try again; look at its load if that does not help.")
    wanted = ", ".join(f"{name} ({SEARCH_ATTRIBUTES[name]})" for name in names)
    denied = error.status in {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED}  # or a gateway lacks them
    refusal = SearchAttributesClosed if denied and not seen else TemporalError
    return refusal(
        f"the search attributes of the namespace {namespace} cannot be managed from here: {error.message}\n"
        f"Register them where the namespace is managed: {wanted}."
    )
