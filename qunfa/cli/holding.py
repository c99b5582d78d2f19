"""What holds a send back, and lets it go: `approve`, `reject`, `pause`, `resume`, `reschedule`."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from qunfa.cli.answering import Answer, carry_out
from qunfa.cli.choosing import Query, Sends, chosen
from qunfa.cli.errors import WrongUse
from qunfa.cli.options import Account, By, Json, Yes, login_name
from qunfa.cli.payload import payload
from qunfa.contract.operators import Approve, Pause, Reject, Reschedule, Resume

Why = Annotated[str | None, typer.Option("--reason", help="Why; it stays in the history.")]


def approve(
    sends: Sends = None,
    *,
    query: Query = None,
    reason: Why = None,
    account: Account = None,
    by: By = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let sends go out that wait for approval; whoever asked for one cannot approve it."""
    whom = chosen(sends, account, query, yes=yes)
    answer = Answer("approve", payload(Approve, by=by or login_name(), reason=reason))
    carry_out(whom, answer, as_json=as_json)


def reject(
    sends: Sends = None,
    *,
    query: Query = None,
    reason: Why = None,
    account: Account = None,
    by: By = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """End sends that wait for approval, and are not to go out."""
    whom = chosen(sends, account, query, yes=yes)
    answer = Answer("reject", payload(Reject, by=by or login_name(), reason=reason))
    carry_out(whom, answer, as_json=as_json)


def pause(
    sends: Sends = None,
    *,
    query: Query = None,
    reason: Why = None,
    account: Account = None,
    by: By = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Submit nothing of these sends until they are resumed."""
    whom = chosen(sends, account, query, yes=yes)
    answer = Answer("pause", payload(Pause, by=by or login_name(), reason=reason))
    carry_out(whom, answer, as_json=as_json)


def resume(
    sends: Sends = None,
    *,
    query: Query = None,
    reason: Why = None,
    account: Account = None,
    by: By = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let paused sends go on where they stood."""
    whom = chosen(sends, account, query, yes=yes)
    answer = Answer("resume", payload(Resume, by=by or login_name(), reason=reason))
    carry_out(whom, answer, as_json=as_json)


def reschedule(
    sends: Sends = None,
    *,
    send_at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Not before: a time with an offset, such as 2026-12-01T09:00:00+08:00."),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="As soon as everything else allows it.")] = False,
    account: Account = None,
    by: By = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Give sends another time, also while they are paused."""
    if (send_at is not None) == now:
        raise WrongUse("Say when: by --send-at TIME, or by --now, and not by both.")
    if not sends:
        raise WrongUse("Say which sends: by SEND….")
    moment = datetime.now(UTC).isoformat() if send_at is None else send_at
    answer = Answer("reschedule", payload(Reschedule, by=by or login_name(), send_at=moment))
    carry_out(chosen(sends, account, yes=yes), answer, as_json=as_json)
