"""`qunfa status`, and the answers to a send that waits for a person: `retry`, `abort`, `mark-sent`."""

from datetime import timedelta
from typing import Annotated, Final

import typer
from pydantic import BaseModel
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.connection import temporal_client
from qunfa.cli.console import note, show, show_json
from qunfa.cli.errors import ExitCode, Refused
from qunfa.cli.group import run
from qunfa.cli.naming import send_id, short_name
from qunfa.cli.options import Account, By, Json, Reason, SendId, Yes, confirm, login_name
from qunfa.cli.payload import payload
from qunfa.cli.queue import has_worker, no_worker
from qunfa.cli.reading import describe_send, read_send
from qunfa.cli.rendering.send import headline, render_send
from qunfa.cli.view import SendView
from qunfa.contract import Abort, MarkSent, Retry
from qunfa.contract.ids import MassSendId

UPDATE_TIMEOUT: Final = timedelta(seconds=30)


def status(
    sends: Annotated[
        list[str], typer.Argument(metavar="SEND…", help="account/key, a workflow id, or a key together with --account.")
    ],
    *,
    account: Account = None,
    as_json: Json = False,
) -> None:
    """Show where sends stand, what they wait for, and what a person can answer.

    With --json: one object for one SEND, a list for several.
    """
    views, refused = run(_read_all([send_id(text, account) for text in sends]))
    for sentence in refused:
        note(sentence)
    if as_json:
        if len(sends) > 1 or not views:
            show_json(views)
        else:
            show_json(views[0])
    else:
        for view in views:
            show(render_send(view))
    if refused or any(view.note for view in views):
        raise typer.Exit(ExitCode.REFUSED)


def retry(
    send: SendId,
    *,
    reason: Reason,
    send_ignore_reprint: Annotated[
        bool, typer.Option("--send-ignore-reprint", help="Send it although WeChat judged it a reprint.")
    ] = False,
    confirm_not_delivered: Annotated[
        bool, typer.Option("--confirm-not-delivered", help="You looked in WeChat's console: it was not delivered.")
    ] = False,
    account: Account = None,
    by: By = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let a send that waits for a person try again."""
    named = send_id(send, account)
    if confirm_not_delivered:
        confirm(
            f"Is it certain, from WeChat's console, that {short_name(named)} was not delivered? If it was, its "
            "followers will get it twice.",
            yes=yes,
        )
    answer = payload(
        Retry,
        by=by or login_name(),
        reason=reason,
        send_ignore_reprint=send_ignore_reprint,
        confirm_not_delivered=confirm_not_delivered,
    )
    _show(run(_answer(named, "retry", answer)), as_json=as_json)


def abort(send: SendId, *, reason: Reason, account: Account = None, by: By = None, as_json: Json = False) -> None:
    """End a send of which nothing may be on its way, or one that waits for a person."""
    answer = payload(Abort, by=by or login_name(), reason=reason)
    _show(run(_answer(send_id(send, account), "abort", answer)), as_json=as_json)


def mark_sent(
    send: SendId,
    *,
    msg_id: Annotated[int, typer.Option(help="The job's id, as WeChat's console shows it.")],
    reason: Reason,
    account: Account = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Say that a send was found in WeChat's console; its result is awaited then."""
    answer = payload(MarkSent, by=by or login_name(), reason=reason, msg_id=msg_id)
    _show(run(_answer(send_id(send, account), "mark_sent", answer)), as_json=as_json)


async def _read_all(sends: list[MassSendId]) -> tuple[list[SendView], list[str]]:
    client = await temporal_client()
    views, refused = [], []
    for send in sends:
        try:
            views.append(await read_send(client, send))
        except Refused as error:
            refused.append(str(error))
    return views, refused


async def _answer(send: MassSendId, update: str, answer: BaseModel) -> SendView:
    client = await temporal_client()
    description = await describe_send(client, send)
    if description.close_time is not None:
        raise await _ended(client, send)
    if not await has_worker(client, description.task_queue):
        raise Refused(f"{no_worker(description.task_queue)} Nothing was changed.")
    try:
        await client.get_workflow_handle(description.id).execute_update(update, answer, rpc_timeout=UPDATE_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # it has ended in the meantime
            raise await _ended(client, send) from None
        raise
    return await read_send(client, send)


async def _ended(client: Client, send: MassSendId) -> Refused:
    view = await read_send(client, send)
    return Refused(f"{short_name(send)} has ended, so there is nothing to answer. {headline(view)}")


def _show(view: SendView, *, as_json: bool) -> None:
    if as_json:
        show_json(view)
    else:
        show(render_send(view))
