"""What platform engineers run: `qunfa worker`, `callback` and `simulator`; and `schema`."""

from pathlib import Path
from typing import Annotated

import typer

from qunfa.cli.connection import run
from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.options import Json
from qunfa.cli.output import note, show, show_json
from qunfa.contract.schema import SCHEMAS, json_schema
from qunfa.language import _
from qunfa.settings import load_settings

# What a service needs is imported when it is run: no other command has to wait for workflows or web servers.


def worker() -> None:
    """Run a worker: it carries out mass sends, and needs the accounts' credentials."""
    from worker import main as run_worker  # noqa: PLC0415 - see above

    raise typer.Exit(run_worker())


def callback(
    context: typer.Context,
    *,
    host: Annotated[
        str | None, typer.Option(help="Listen on this address.", show_default="receiver.host of the configuration")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port; 0 takes a free one.", show_default="receiver.port"),
    ] = None,
) -> None:
    """Run the receiver of WeChat's pushes; it needs the accounts' callback tokens. `check` tries it out."""
    if context.invoked_subcommand is not None:
        if host is not None or port is not None:
            said = _("--host and --port are the receiver's own: leave them out of `{command} check`.")
            raise WrongUse(said.format(command=context.command_path))
        return
    from qunfa.callback import ReceiverError, run_receiver  # noqa: PLC0415 - see above

    settings = load_settings(credentials=False)
    _configure_logging()
    try:
        run(run_receiver(settings, host=host, port=port))
    except ReceiverError as error:
        raise Refused(str(error)) from None


def simulator(
    *,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The simulator's TOML file; without one it has no accounts.")
    ] = None,
    host: Annotated[str, typer.Option(help="Listen on this address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8089,
) -> None:
    """Run a local WeChat for rehearsals: it sends nothing to anybody, and forgets everything when it stops.

    docs/simulator.md shows what you can have it do: refuse a call, lose an answer, push late, find a reprint.
    """
    from qunfa.simulator import SimulatorConfig, load_config, serve  # noqa: PLC0415 - see above

    try:
        configuration = SimulatorConfig() if config is None else load_config(config)
    except OSError as error:
        raise WrongUse(_("Cannot read {file}: {error}.").format(file=config, error=error.strerror)) from None
    except ValueError as error:
        said = _("The simulator's configuration {file} is wrong: {error}").format(file=config, error=error)
        raise WrongUse(said) from None
    _configure_logging()
    try:
        serve(
            configuration, host, port, on_started=lambda url: note(_("The simulator listens at {url}").format(url=url))
        )
    except OSError as error:
        said = _("The simulator cannot listen on {host} port {port}: {error}.")
        raise Refused(said.format(host=host, port=port, error=error.strerror)) from None


def _configure_logging() -> None:
    from qunfa.telemetry import TelemetryError, configure_logging  # noqa: PLC0415 - see above

    try:
        configure_logging()
    except TelemetryError as error:
        raise WrongUse(str(error)) from None


def schema(
    name: Annotated[
        str | None,
        typer.Argument(help="The message, such as MassSend or MassSend.retry.", autocompletion=lambda: sorted(SCHEMAS)),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of them, as one object by name.")] = False,
    for_types: Annotated[bool, typer.Option("--types", help="In the form of which generators make types.")] = False,
    as_json: Json = False,
) -> None:
    """Print a JSON Schema (draft 2020-12), or the names of all there are.

    A validator names one wrong field once by it. Generators of types do not know that form: they need --types.
    """
    if name is not None and everything:
        raise WrongUse(_("Give a name or --all, not both."))
    if everything:
        show_json({one: json_schema(one, for_types=for_types) for one in SCHEMAS})
    elif name is None:
        show_json({"names": list(SCHEMAS)}) if as_json else show(*SCHEMAS)
    elif name in SCHEMAS:
        show_json(json_schema(name, for_types=for_types))
    else:
        said = _("There is no message {name!r}. There are: {names}.")
        raise WrongUse(said.format(name=name, names=", ".join(SCHEMAS)))
