"""`qunfa setup`: what Qunfa needs of Temporal's namespace."""

from datetime import timedelta

from temporalio.client import Client

from qunfa.cli.connection import run, temporal_client
from qunfa.cli.errors import WrongUse
from qunfa.cli.output import note, show, show_json
from qunfa.cli.times import span
from qunfa.cli.typed import services as typed
from qunfa.contract import SEARCH_ATTRIBUTES
from qunfa.contract.fields import Stored
from qunfa.language import _
from qunfa.rules.doctor import RETENTION_WANTED
from qunfa.temporal.namespace import namespace_retention, register_search_attributes, set_namespace_retention


class Setup(Stored):
    """What `setup` found and did. Retentions in seconds; `warning` is `None` where nothing is wanting."""

    namespace: str
    added: tuple[str, ...]
    present: tuple[str, ...]
    retention_seconds: float
    retention_before_seconds: float
    warning: str | None = None


def setup(asked: typed.Setup) -> None:
    """Carry out `qunfa setup`."""
    retention, as_json = asked
    wanted = None if retention is None else span(retention)
    if retention is not None and not wanted:
        raise WrongUse(
            _("--retention {retention!r} is no span of time: 35d, 840h or P35D, for example.").format(
                retention=retention
            )
        )
    found = run(_setup(wanted))
    if found.warning:
        note(found.warning)
    if as_json:
        show_json(found)
    else:
        show(*_lines(found))


async def _setup(wanted: timedelta | None) -> Setup:
    client = await temporal_client()
    added = await register_search_attributes(client)
    before = await namespace_retention(client)
    if wanted and wanted > before:
        await set_namespace_retention(client, wanted)
    elif wanted and wanted < before:
        note(
            _("The namespace keeps closed workflows for {days} already; that is longer, and stays.").format(
                days=_days(before)
            )
        )
    now = await namespace_retention(client)
    return Setup(
        namespace=client.namespace,
        added=tuple(added),
        present=tuple(name for name in SEARCH_ATTRIBUTES if name not in added),
        retention_seconds=now.total_seconds(),
        retention_before_seconds=before.total_seconds(),
        warning=_warning(client, now),
    )


def _warning(client: Client, retention: timedelta) -> str | None:
    if retention >= RETENTION_WANTED:
        return None
    days = _days(retention)
    return _(
        "WARNING: the namespace {namespace} keeps closed workflows for {days}, less than 35 days. As "
        "long as an account's own workflow lives, its ledger knows every key. But where that one is "
        "terminated, a key that is used again more than {days} after its send closed is not "
        "recognised from closed runs, and its message would be delivered again. Raise it: qunfa "
        "setup --retention 35d"
    ).format(namespace=client.namespace, days=days)


def _lines(found: Setup) -> list[str]:
    before, now = timedelta(seconds=found.retention_before_seconds), timedelta(seconds=found.retention_seconds)
    raised = _(" (was {days})").format(days=_days(before)) if now != before else ""
    return [
        _("namespace            {namespace}").format(namespace=found.namespace),
        _("search attributes    registered now: {said}").format(said=", ".join(found.added) or _("none")),
        _("                     there already: {said}").format(said=", ".join(found.present) or _("none")),
        _("closed workflows     kept for {days}{raised}").format(days=_days(now), raised=raised),
    ]


def _days(span_: timedelta) -> str:
    days = span_ / timedelta(days=1)
    return _("1 day") if days == 1 else _("{days:g} days").format(days=days)
