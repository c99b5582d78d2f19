"""What platform engineers type, and whoever tries Qunfa out."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from qunfa.cli.completion import complete_account, complete_left, complete_schema
from qunfa.cli.typed.options import Json, TaskQueue


class Demo(NamedTuple):
    """Run everything on this machine, with a simulated WeChat: a text, an article and a video go to all its followers.

    With --problem it leaves a send that waits for you instead, and says what to type.

    Temporal with a durable file, worker, receiver and simulator are real processes; all of them end with the demo.
    """

    problem: Annotated[
        list[str] | None,
        typer.Option(
            "--problem",
            metavar="NAME",
            help="Leave a send with this problem to play with; repeatable. all: one of each.",
            autocompletion=complete_left,
        ),
    ] = None
    once: Annotated[bool, typer.Option("--once", help="End by itself, and exit by how the send ended.")] = False
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep database, configuration and logs in this folder, and go on from there."),
    ] = None
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Take free ports, not the usual ones.")] = False


class Setup(NamedTuple):
    """Register Qunfa's search attributes in the namespace, and look at how long it keeps closed workflows.

    It can be repeated: what is there stays.
    """

    retention: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Keep closed workflows at least so long (35d); never shortens it."),
    ] = None
    as_json: Json = False


class Doctor(NamedTuple):
    """Check Temporal, workers, store, and each account's token, IP whitelist, quota, clock, callback; say what to do.

    Nothing is left changed, and nothing is sent to followers. For each account a worker calls WeChat five times: for an
    access token, openapi/quota/get twice, callback/check, and a HEAD of the root, for the clock. It puts a small file
    into the store, and removes it. The receiver gets what `qunfa callback check` sends it, where nobody else would
    see it. Exit code 1 if a check failed.
    """

    accounts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ACCOUNT…",
            help="The accounts' names.",
            autocompletion=complete_account,
            show_default="all that the configuration has",
        ),
    ] = None
    callback_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The callback's URL as it was entered at WeChat; {account} stands for the account's name.",
            show_default="the receiver on this machine, if one listens",
        ),
    ] = None
    queue: TaskQueue = None
    as_json: Json = False


class Worker(NamedTuple):
    """Run a worker: it carries out mass sends, and needs the accounts' credentials."""


class Callback(NamedTuple):
    """Run the receiver of WeChat's pushes; it needs the accounts' callback tokens. `check` tries it out."""

    context: typer.Context
    host: Annotated[
        str | None, typer.Option(help="Listen on this address.", show_default="receiver.host of the configuration")
    ] = None
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port; 0 takes a free one.", show_default="receiver.port"),
    ] = None


class CallbackCheck(NamedTuple):
    """Check an account's callback: its URL, token, mode and key, the way to Temporal, and what WeChat sees of it.

    The receiver gets a test push, signed and encrypted as WeChat's are, about a mass send that does not exist: it is
    followed to the account's workflow, which forgets it. Only a system behind forward_to that gets results as well
    will see it. WeChat is asked by a worker. The account's AppSecret is not needed here, its callback token is.
    """

    account: Annotated[
        str,
        typer.Argument(
            metavar="ACCOUNT", help="The account's name in the configuration.", autocompletion=complete_account
        ),
    ]
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The callback's URL as it was entered at WeChat, so that proxies on the way are checked too.",
            show_default="the receiver on this machine, by receiver.host and receiver.port",
        ),
    ] = None
    queue: TaskQueue = None
    as_json: Json = False


class Simulator(NamedTuple):
    """Run a local WeChat for rehearsals: it sends nothing to anybody, and forgets everything when it stops.

    docs/simulator.md shows what you can have it do: refuse a call, lose an answer, push late, find a reprint.
    """

    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The simulator's TOML file; without one it has no accounts.")
    ] = None
    host: Annotated[str, typer.Option(help="Listen on this address.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8089


class Schema(NamedTuple):
    """Print a JSON Schema (draft 2020-12), or the names of all there are.

    A validator names one wrong field once by it. Generators of types do not know that form: they need --types.
    """

    name: Annotated[
        str | None,
        typer.Argument(help="The message, such as MassSend or MassSend.retry.", autocompletion=complete_schema),
    ] = None
    everything: Annotated[bool, typer.Option("--all", help="All of them, as one object by name.")] = False
    for_types: Annotated[bool, typer.Option("--types", help="In the form of which generators make types.")] = False
    as_json: Json = False
