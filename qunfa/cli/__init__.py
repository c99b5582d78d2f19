"""The `qunfa` command: what operators and platform engineers type."""

import gc

gc.disable()  # a start makes many objects that stay: to look for garbage among them took a seventh of its time

from qunfa.cli.app import app, main  # noqa: E402 - see above

gc.enable()

__all__ = ["app", "main"]
