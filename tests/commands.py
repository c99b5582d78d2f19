"""All commands of `qunfa`, loaded, as typer has them."""

from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from qunfa.cli import app

Command = TyperCommand | TyperGroup


def every_command() -> dict[str, Command]:
    """Each by the words that call it; none has `qunfa` itself."""
    group: Any = get_command(app)
    found: dict[str, Command] = {"": group}
    context = group.make_context("qunfa", [], resilient_parsing=True)
    for name in group.list_commands(context):
        _, command, _ = group.resolve_command(context, [name])
        found[name] = command
        if isinstance(command, TyperGroup):
            inner = {f"{name} {one}": sub for one, sub in command.commands.items()}
            found |= {words: sub for words, sub in inner.items() if isinstance(sub, TyperCommand)}
    return found
