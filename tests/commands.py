"""All commands of `qunfa`, loaded, as typer has them."""

from collections.abc import Iterator
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from qunfa.cli import app
from qunfa.cli.commands import EXAMPLE, TEXTS

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


def texts(command: Command) -> Iterator[str]:
    """What the help of this command is made of."""
    about = None if command.epilog and command.epilog.startswith(EXAMPLE) else command.epilog
    yield from filter(None, (command.help, command.short_help, command.rich_help_panel, about))
    for parameter in command.params:
        said = (getattr(parameter, name, None) for name in TEXTS)
        yield from (text for text in said if isinstance(text, str) and " " in text.strip())
