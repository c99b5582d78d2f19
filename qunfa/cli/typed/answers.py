"""The answers of a person to sends, as they are typed."""

from typing import Annotated, Literal, NamedTuple

import typer

from qunfa.cli.completion import complete_send
from qunfa.cli.typed.options import Account, By, Json, Reason, SendId, Why, Yes

Sends = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SEND…",
        help="account/key, a workflow id, or a key together with --account; several are answered one after another.",
        show_default=False,
        autocompletion=complete_send,
    ),
]
Query = Annotated[
    str | None,
    typer.Option(
        "--query",
        help="Instead of SEND: every running send that a visibility query finds, such as MassSendAccount = 'demo'.",
    ),
]
NotDelivered = Annotated[
    bool,
    typer.Option(
        "--confirm-not-delivered",
        help="You looked in WeChat's console: it was not delivered. For one SEND at a time, which may be a batch.",
    ),
]


class Given(NamedTuple):
    """The options that all answers have."""

    account: Account = None
    by: By = None
    yes: Yes = False
    as_json: Json = False


class Plain(NamedTuple):
    """An answer that says nothing but why."""

    sends: Sends = None
    query: Query = None
    reason: Why = None
    given: Given = Given()


class Approve(Plain):
    """Let sends go out that wait for approval; whoever asked for one cannot approve it."""


class Reject(Plain):
    """End sends that wait for approval, and are not to go out."""


class Pause(Plain):
    """Submit nothing of these sends until they are resumed."""


class Resume(Plain):
    """Let paused sends go on where they stood."""


class Reschedule(NamedTuple):
    """Give sends another time, also while they are paused."""

    sends: Sends = None
    send_at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Not before: a time with an offset, such as 2026-12-01T09:00:00+08:00."),
    ] = None
    now: Annotated[bool, typer.Option("--now", help="As soon as everything else allows it.")] = False
    given: Given = Given()


class Retry(NamedTuple):
    """Let sends that wait for a person try again."""

    reason: Reason
    sends: Sends = None
    query: Query = None
    send_ignore_reprint: Annotated[
        bool, typer.Option("--send-ignore-reprint", help="Send it although WeChat judged it a reprint.")
    ] = False
    confirm_not_delivered: NotDelivered = False
    given: Given = Given()


class Abort(NamedTuple):
    """End sends of which nothing may be on its way, or that wait for a person."""

    reason: Reason
    sends: Sends = None
    query: Query = None
    confirm_not_delivered: NotDelivered = False
    given: Given = Given()


class MarkSent(NamedTuple):
    """Say that a send was found in WeChat's console; its result is awaited then."""

    send: SendId
    msg_id: Annotated[int, typer.Option(help="The job's id, as WeChat's console shows it.")]
    reason: Reason
    account: Account = None
    by: By = None
    as_json: Json = False


class Choose(NamedTuple):
    """Let the rest of a split test get the message of a group."""

    send: SendId
    winner: Annotated[Literal["a", "b"], typer.Option(metavar="a|b", help="The group whose message the rest gets.")]
    reason: Why = None
    account: Account = None
    by: By = None
    as_json: Json = False
