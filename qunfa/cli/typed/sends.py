"""What is looked at of sends, and taken back, as it is typed."""

from typing import Annotated, Final, NamedTuple, get_args

import typer

from qunfa.cli.completion import complete_account, complete_problem, complete_send, complete_state
from qunfa.cli.typed.options import Account, By, Json, Reason, SendId, TaskQueue, Yes
from qunfa.states import Phase, ReportState, ShownOutcome

STATES: Final[tuple[ReportState, ...]] = get_args(ReportState)


class Status(NamedTuple):
    """Show where sends stand, what they wait for, and what a person can answer.

    With --json: one object for one SEND, a list for several.
    """

    sends: Annotated[
        list[str],
        typer.Argument(
            metavar="SEND…",
            help="account/key, a workflow id, or a key together with --account.",
            autocompletion=complete_send,
        ),
    ]
    account: Account = None
    as_json: Json = False


_FIRST_ONES: Final = "At most so many: first those that run, then those that ended last."


class Filters(NamedTuple):
    """The options that say which sends; `None` where one was not given."""

    account: Annotated[str | None, typer.Option(help="Of this account.", autocompletion=complete_account)] = None
    phase: Annotated[
        Phase | None, typer.Option(metavar="PHASE", help=f"In this phase: {', '.join(get_args(Phase))}.")
    ] = None
    outcome: Annotated[
        ShownOutcome | None, typer.Option(metavar="OUTCOME", help=f"Ended so: {', '.join(get_args(ShownOutcome))}.")
    ] = None
    problem: Annotated[
        str | None,
        typer.Option(help="With this problem, such as reprint_needs_decision.", autocompletion=complete_problem),
    ] = None
    msgtype: Annotated[str | None, typer.Option(help="Of this type: text, mpnews, image …")] = None
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Started since: a span back from now (12h, 7d, PT90M) or an RFC 3339 time."),
    ] = None
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Started until then: a span or a time.")] = None
    batches: Annotated[
        bool, typer.Option("--batches", help="The batches of sends in batches, too, each in a line of its own.")
    ] = False
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help=_FIRST_ONES)] = 50
    query: Annotated[
        str | None, typer.Option(help="And by a visibility query, such as ExecutionStatus = 'Running'.")
    ] = None


class List(NamedTuple):
    """List sends: first those that run, then those that ended last. It needs no worker.

    A send in batches has one line. A batch has one of its own where its whole send does not run any more.
    """

    filters: Filters = Filters()
    as_json: Json = False


class Watch(NamedTuple):
    """Watch sends: how far they are and what to do, live on a terminal, otherwise a line for each change.

    Sends that are named are watched until all have ended, and it exits by how they did; without names, those that
    run and those that start, until Ctrl-C.
    """

    sends: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SEND…",
            help="account/key, a workflow id, or a key together with --account; without any, all that run.",
            show_default=False,
            autocompletion=complete_send,
        ),
    ] = None
    account: Annotated[
        str | None,
        typer.Option(
            help="The account, where SEND is a key alone; without SEND, only its sends.",
            autocompletion=complete_account,
        ),
    ] = None
    query: Annotated[str | None, typer.Option(help="Without SEND: only those that a visibility query finds.")] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each change.")] = False


class Report(NamedTuple):
    """Show what became of the openids of a send in batches, or write one line for each to a file.

    It is read from the store of this machine's configuration, which has to be the workers'. It is there once the send
    has ended.
    """

    send: SendId
    account: Account = None
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write openid, batch, msg_id, state and WeChat's count there: CSV, or .csv.gz; - is stdout.",
        ),
    ] = None
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help=f"Only openids that are so; repeatable: {', '.join(STATES)}.",
            autocompletion=complete_state,
        ),
    ] = None
    as_json: Json = False


class Recall(NamedTuple):
    """Delete the pages of articles or of a video that were sent. Cards that were delivered stay visible.

    Every other send of the same material loses its pages, too. WeChat takes ten calls a day.

    With --json: one object, or a list where a send was made in several jobs.
    """

    what: Annotated[
        str,
        typer.Argument(
            metavar="SEND|MSG_ID|URL",
            help="account/key or a workflow id; the msg_id of a job; or an article's address. Digits are a msg_id.",
            autocompletion=complete_send,
        ),
    ]
    reason: Reason
    article: Annotated[
        int | None, typer.Option(min=1, max=8, help="Only this article, counted from 1.", show_default="all")
    ] = None
    account: Annotated[
        str | None,
        typer.Option("--account", help="The account, where nothing else tells it.", autocompletion=complete_account),
    ] = None
    by: By = None
    yes: Yes = False
    queue: TaskQueue = None
    as_json: Json = False


class Views(NamedTuple):
    """Print links to lists of sends in Temporal's UI: what needs somebody, what waits, what may have been delivered."""

    account: Annotated[
        str | None, typer.Option(help="Only what belongs to this account's sends.", autocompletion=complete_account)
    ] = None
    as_json: Json = False
