"""The `qunfa` command: what operators and platform engineers type."""

from qunfa.cli.app import app, main

__all__ = ["app", "main"]
