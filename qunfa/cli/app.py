"""The `qunfa` application: all its commands."""

from importlib.metadata import version
from typing import Annotated

import typer

from qunfa.cli import (
    accounts,
    callback_check,
    forgetting,
    holding,
    listing,
    operators,
    previewing,
    schemas,
    sending,
    services,
    setup,
    switching,
    watching,
)
from qunfa.cli.demo.command import demo
from qunfa.cli.doctor.command import doctor
from qunfa.cli.group import Commands
from qunfa.cli.notices import notices
from qunfa.cli.quota import quota
from qunfa.cli.recall import recall
from qunfa.cli.several import TakesSeveral
from qunfa.cli.speed import speed

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="WeChat Official Account mass sends on Temporal: at most one delivery, visible, repairable.",
    epilog="Exit codes: 0 done, 1 refused or ended badly, 2 wrong use, 3 Temporal unreachable.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qunfa {version('qunfa')}")
        raise typer.Exit


@app.callback()
def _all(
    version_: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


_SENDS = "Mass sends"
_ACCOUNTS = "Accounts"
_SERVICES = "Services"

app.command(cls=TakesSeveral, rich_help_panel=_SENDS)(sending.send)
app.command(cls=TakesSeveral, rich_help_panel=_SENDS)(previewing.preview)
app.command(rich_help_panel=_SENDS)(operators.status)
app.command("list", rich_help_panel=_SENDS)(listing.list_sends)
app.command(rich_help_panel=_SENDS)(watching.watch)
app.command(rich_help_panel=_SENDS)(holding.approve)
app.command(rich_help_panel=_SENDS)(holding.reject)
app.command(rich_help_panel=_SENDS)(holding.pause)
app.command(rich_help_panel=_SENDS)(holding.resume)
app.command(rich_help_panel=_SENDS)(holding.reschedule)
app.command(rich_help_panel=_SENDS)(operators.retry)
app.command(rich_help_panel=_SENDS)(operators.abort)
app.command("mark-sent", rich_help_panel=_SENDS)(operators.mark_sent)
app.command(rich_help_panel=_SENDS)(recall)
app.command(rich_help_panel=_ACCOUNTS)(switching.freeze)
app.command(rich_help_panel=_ACCOUNTS)(switching.unfreeze)
app.command(rich_help_panel=_ACCOUNTS)(accounts.ledger)
app.command(rich_help_panel=_ACCOUNTS)(forgetting.forget)
app.command(rich_help_panel=_ACCOUNTS)(quota)
app.command(rich_help_panel=_ACCOUNTS)(speed)
app.command(rich_help_panel=_ACCOUNTS)(notices)
app.command(rich_help_panel=_SERVICES)(demo)
app.command(rich_help_panel=_SERVICES)(setup.setup)
app.command(rich_help_panel=_SERVICES)(doctor)
app.command(rich_help_panel=_SERVICES)(services.worker)
_callback = typer.Typer(
    invoke_without_command=True, subcommand_metavar="[check ACCOUNT]", callback=services.callback, no_args_is_help=False
)
_callback.command("check")(callback_check.callback_check)
app.add_typer(_callback, name="callback", rich_help_panel=_SERVICES)
app.command(rich_help_panel=_SERVICES)(services.simulator)
app.command(rich_help_panel=_SERVICES)(schemas.schema)


def main() -> None:
    """Entry point of the `qunfa` command."""
    app()
