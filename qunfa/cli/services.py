"""What platform engineers run: `qunfa worker`, `callback` and `simulator`; `schema`; and `setup`."""

from datetime import timedelta
from functools import partial

from temporalio.client import Client

from qunfa.cli.connection import run, with_client
from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.options import span
from qunfa.cli.output import note, show, show_json
from qunfa.cli.typed import operations as typed
from qunfa.contract import SEARCH_ATTRIBUTES
from qunfa.contract.fields import Stored
from qunfa.contract.schema import SCHEMAS, json_schema
from qunfa.language import _
from qunfa.process import end_when_told, tell_nobody
from qunfa.rules.doctor import RETENTION_WANTED
from qunfa.settings import load_settings
from qunfa.temporal import namespace
from qunfa.temporal.connection import connect

# What a service needs is imported when it is run: no other command has to wait for workflows or web servers.
# That takes seconds, in which a service is to be ended as well.


def worker(_asked: typed.Worker) -> int:
    """Carry out `qunfa worker`."""
    tell_nobody()
    end_when_told()
    from worker import main as run_worker  # noqa: PLC0415 - see above

    return run_worker()


def callback(asked: typed.Callback) -> None:
    """Carry out `qunfa callback`."""
    context, host, port = asked
    if context.invoked_subcommand is not None:
        if host is not None or port is not None:
            said = _("--host and --port are the receiver's own: leave them out of `{command} check`.")
            raise WrongUse(said.format(command=context.command_path))
        return
    tell_nobody()
    end_when_told()
    from qunfa.callback.app import run_receiver  # noqa: PLC0415 - see above
    from qunfa.callback.server import ReceiverError  # noqa: PLC0415 - see above
    from qunfa.telemetry import worker_runtime  # noqa: PLC0415 - see above

    settings = load_settings("receiver")
    _configure_logging()
    try:
        run(run_receiver(settings, host=host, port=port, connect=partial(connect, runtime=worker_runtime(""))))
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


class Setup(Stored):
    """What `setup` found and did. Retentions in seconds; `warning` is `None` where nothing is wanting.

    `present` is `None` where that may not be seen from here.
    """

    namespace: str
    added: tuple[str, ...]
    present: tuple[str, ...] | None
    retention_seconds: float
    retention_before_seconds: float
    warning: str | None = None


def setup(asked: typed.Setup) -> None:
    """Carry out `qunfa setup`."""
    retention, as_json = asked
    wanted = None if retention is None else span(retention)
    if retention is not None and not wanted:
        said = _("--retention {retention!r} is no span of time: 35d, 840h or P35D, for example.")
        raise WrongUse(said.format(retention=retention))
    found = with_client(_setup, wanted)
    if found.warning:
        note(found.warning)
    if as_json:
        show_json(found)
    else:
        show(*_lines(found))


async def _setup(client: Client, wanted: timedelta | None) -> Setup:
    try:
        added = await namespace.register_search_attributes(client)
    except namespace.SearchAttributesClosed:
        added = None
    before = await namespace.namespace_retention(client)
    if wanted and wanted > before:
        await namespace.set_namespace_retention(client, wanted)
    elif wanted and wanted < before:
        said = _("The namespace keeps closed workflows for {days} already; that is longer, and stays.")
        note(said.format(days=_days(before)))
    now = await namespace.namespace_retention(client)
    return Setup(
        namespace=client.namespace,
        added=tuple(added or ()),
        present=None if added is None else tuple(name for name in SEARCH_ATTRIBUTES if name not in added),
        retention_seconds=now.total_seconds(),
        retention_before_seconds=before.total_seconds(),
        warning="\n".join(filter(None, (_closed(client, added), _warning(client, now)))) or None,
    )


def _closed(client: Client, added: list[str] | None) -> str | None:
    if added is not None:
        return None
    return _(
        "WARNING: from here nobody may see the search attributes of the namespace {namespace}. See that these are "
        "registered where it is managed: {wanted}."
    ).format(
        namespace=client.namespace, wanted=", ".join(f"{name} ({kind})" for name, kind in SEARCH_ATTRIBUTES.items())
    )


def _warning(client: Client, retention: timedelta) -> str | None:
    if retention >= RETENTION_WANTED:
        return None
    days = _days(retention)
    return _(
        "WARNING: the namespace {namespace} keeps closed workflows for {days}, less than 35 days. An "
        "account's ledger keeps some 200 settled keys. All others are known by their closed runs alone: one that is "
        "used again more than {days} after its send closed would be delivered again. Raise it: qunfa "
        "setup --retention 35d"
    ).format(namespace=client.namespace, days=days)


def _lines(found: Setup) -> list[str]:
    before, now = timedelta(seconds=found.retention_before_seconds), timedelta(seconds=found.retention_seconds)
    present = _("not known") if found.present is None else ", ".join(found.present) or _("none")
    raised = _(" (was {days})").format(days=_days(before)) if now != before else ""
    return [
        _("namespace            {namespace}").format(namespace=found.namespace),
        _("search attributes    registered now: {said}").format(said=", ".join(found.added) or _("none")),
        _("                     there already: {said}").format(said=present),
        _("closed workflows     kept for {days}{raised}").format(days=_days(now), raised=raised),
    ]


def _days(span_: timedelta) -> str:
    days = span_ / timedelta(days=1)
    return _("1 day") if days == 1 else _("{days:g} days").format(days=days)
