"""What an installation may lack: ``pip install qunfa`` brings the client alone, and an extra each other part."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

OWN: Final = frozenset({"qunfa", "workflows", "activities", "worker"})
_OF_COMMAND: Final = {
    "worker": "worker",
    "report": "worker",
    "callback": "receiver",
    "simulator": "simulator",
    "demo": "demo",
}
"""Which extra a command needs; any other needs ``cli``."""
_WRONG_USE: Final = 2
_INTERRUPTED: Final = 130


class MissingExtra(ImportError):
    """A part of Qunfa was asked for without the packages that it needs; the message says what to type."""


@contextmanager
def needing(extra: str, what: str, *, exits: bool = False) -> Iterator[None]:
    """Import ``what``, which ``extra`` brings.

    Raises:
        MissingExtra: a package of it is not installed. Where the import is a program's, it ``exits`` with the sentence.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in OWN:
            raise
        said = f'{what} needs {package}, which is not installed. Type: pip install "qunfa[{extra}]"'
        if exits:
            _exit(said)
        raise MissingExtra(said, name=error.name) from None


def _exit(said: str) -> NoReturn:
    sys.stderr.write(f"{said}\n")
    sys.exit(_WRONG_USE)


def main() -> None:
    """Entry point of the ``qunfa`` command."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        with needing(_OF_COMMAND.get(command, "cli"), f"qunfa {command}".rstrip()):
            from qunfa.cli import main as run  # noqa: PLC0415 - it may not be installed

            run()
    except MissingExtra as error:
        _exit(str(error))
    except KeyboardInterrupt:  # while it was loaded
        sys.exit(_INTERRUPTED)
