"""What platform engineers run: `qunfa worker`, `callback` and `simulator`; and `schema`."""

import typer

from qunfa.cli.connection import run
from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.output import note, show, show_json
from qunfa.cli.typed import services as typed
from qunfa.contract.schema import SCHEMAS, json_schema
from qunfa.language import _
from qunfa.settings import load_settings

# What a service needs is imported when it is run: no other command has to wait for workflows or web servers.


def worker(_asked: typed.Worker) -> None:
    """Carry out `qunfa worker`."""
    from worker import main as run_worker  # noqa: PLC0415 - see above

    raise typer.Exit(run_worker())


def callback(asked: typed.Callback) -> None:
    """Carry out `qunfa callback`."""
    context, host, port = asked
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


def simulator(asked: typed.Simulator) -> None:
    """Carry out `qunfa simulator`."""
    config, host, port = asked
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


def schema(asked: typed.Schema) -> None:
    """Carry out `qunfa schema`."""
    name, everything, for_types, as_json = asked
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
