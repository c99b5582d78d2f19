"""`qunfa schema`: the JSON Schemas of everything that callers write and read."""

from typing import Annotated

import typer

from qunfa.cli.console import show, show_json
from qunfa.cli.errors import WrongUse
from qunfa.cli.options import Json
from qunfa.contract.schema import SCHEMAS, json_schema


def schema(
    name: Annotated[
        str | None,
        typer.Argument(help="The message, such as MassSend or MassSend.retry.", autocompletion=lambda: sorted(SCHEMAS)),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of them, as one object by name.")] = False,
    as_json: Json = False,
) -> None:
    """Print a JSON Schema (draft 2020-12), or the names of all there are."""
    if name is not None and everything:
        raise WrongUse("Give a name or --all, not both.")
    if everything:
        show_json({one: json_schema(one) for one in SCHEMAS})
    elif name is None:
        show_json({"names": list(SCHEMAS)}) if as_json else show(*SCHEMAS)
    elif name in SCHEMAS:
        show_json(json_schema(name))
    else:
        raise WrongUse(f"There is no message {name!r}. There are: {', '.join(SCHEMAS)}.")
