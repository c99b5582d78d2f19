"""Sends as Temporal's list holds them: from search attributes, without asking a worker."""

from typing import Final

from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.errors import WrongUse
from qunfa.cli.reading import PHASE, RPC_TIMEOUT, state_of
from qunfa.cli.view import SendRow
from qunfa.contract.ids import parse_mass_send_id
from qunfa.temporal.namespace import missing_search_attributes

_OUTCOME: Final = SearchAttributeKey.for_keyword("MassSendOutcome")
_PROBLEM: Final = SearchAttributeKey.for_keyword("MassSendProblem")
_MSGTYPE: Final = SearchAttributeKey.for_keyword("MassSendMsgType")
_MSG_ID: Final = SearchAttributeKey.for_keyword_list("MassSendMsgId")


async def find_rows(client: Client, query: str, limit: int) -> list[SendRow]:
    """At most `limit` runs that a query finds, the newest first.

    Raises:
        WrongUse: Temporal does not take the query, or lacks the search attributes.
        RPCError: Temporal did not answer.
    """
    try:
        return [_row(one) async for one in client.list_workflows(query, limit=limit, rpc_timeout=RPC_TIMEOUT)]
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise await _bad_query(client, error) from None
        raise


async def _bad_query(client: Client, error: RPCError) -> WrongUse:
    missing = await missing_search_attributes(client)
    if missing:
        return WrongUse(
            f"The namespace {client.namespace} lacks the search attributes {', '.join(missing)}: run `qunfa setup`."
        )
    return WrongUse(f"Temporal does not take this query: {error.message}")


def _row(found: WorkflowExecution) -> SendRow:
    attributes = found.typed_search_attributes
    named = parse_mass_send_id(found.id)
    state = state_of(found.status)
    return SendRow(
        workflow_id=found.id,
        run_id=found.run_id,
        account=named and named.account,
        key=named and named.key,
        state=state,
        phase=attributes.get(PHASE),
        outcome=None if state == "running" else attributes.get(_OUTCOME),  # it is told a moment before the end
        problem=attributes.get(_PROBLEM),
        msgtype=attributes.get(_MSGTYPE),
        msg_ids=tuple(attributes.get(_MSG_ID) or ()),
        started_at=found.start_time,
        closed_at=found.close_time,
    )
