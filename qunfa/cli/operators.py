"""`qunfa status`, and the answers to a send that waits for a person: `retry`, `abort`, `mark-sent`."""

from typing import Annotated

import typer

from qunfa.cli.answering import Answer, carry_out
from qunfa.cli.choosing import Chosen, Query, Sends, chosen
from qunfa.cli.connection import temporal_client
from qunfa.cli.console import note, show, show_json
from qunfa.cli.errors import ExitCode, Refused, WrongUse
from qunfa.cli.group import run
from qunfa.cli.naming import send_id, short_name
from qunfa.cli.options import Account, By, Json, Reason, SendId, Yes, confirm, login_name
from qunfa.cli.payload import payload
from qunfa.cli.reading import read_send
from qunfa.cli.rendering.send import render_send
from qunfa.cli.view import SendView
from qunfa.contract import Abort, MarkSent, Retry
from qunfa.contract.ids import MassSendId

NotDelivered = Annotated[
    bool,
    typer.Option(
        "--confirm-not-delivered",
        help="You looked in WeChat's console: it was not delivered. For one SEND at a time.",
    ),
]


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
    sends: Sends = None,
    *,
    reason: Reason,
    query: Query = None,
    send_ignore_reprint: Annotated[
        bool, typer.Option("--send-ignore-reprint", help="Send it although WeChat judged it a reprint.")
    ] = False,
    confirm_not_delivered: NotDelivered = False,
    account: Account = None,
    by: By = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let sends that wait for a person try again."""
    whom = chosen(sends, account, query, yes=yes)
    if confirm_not_delivered:
        _confirm_not_delivered(whom, "its followers will get it twice")
    answer = payload(
        Retry,
        by=by or login_name(),
        reason=reason,
        send_ignore_reprint=send_ignore_reprint,
        confirm_not_delivered=confirm_not_delivered,
    )
    carry_out(whom, Answer("retry", answer), as_json=as_json)


def abort(
    sends: Sends = None,
    *,
    reason: Reason,
    query: Query = None,
    confirm_not_delivered: NotDelivered = False,
    account: Account = None,
    by: By = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """End sends of which nothing may be on its way, or that wait for a person."""
    whom = chosen(sends, account, query, yes=yes)
    if confirm_not_delivered:
        _confirm_not_delivered(whom, "its result will say that nobody got it, and somebody may send it once more")
    answer = payload(Abort, by=by or login_name(), reason=reason, confirm_not_delivered=confirm_not_delivered)
    carry_out(whom, Answer("abort", answer), as_json=as_json)


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
    answer = Answer("mark_sent", payload(MarkSent, by=by or login_name(), reason=reason, msg_id=msg_id))
    carry_out(chosen([send], account), answer, as_json=as_json)


def _confirm_not_delivered(whom: Chosen, otherwise: str) -> None:
    """Somebody has to have looked for this very send; ``otherwise`` is what a wrong word leads to."""
    if not whom.is_one:
        raise WrongUse(
            "--confirm-not-delivered goes with one SEND, and with no --query: each has to be looked for in WeChat's "
            "console by itself, since one that was delivered would reach its followers twice."
        )
    confirm(
        f"Is it certain, from WeChat's console, that {short_name(whom.sends[0])} was not delivered? If it was, "
        f"{otherwise}.",
        yes=whom.yes,
    )


async def _read_all(sends: list[MassSendId]) -> tuple[list[SendView], list[str]]:
    client = await temporal_client()
    views, refused = [], []
    for send in sends:
        try:
            views.append(await read_send(client, send))
        except Refused as error:
            refused.append(str(error))
    return views, refused
