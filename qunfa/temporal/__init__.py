"""Temporal: the connection, the namespace, how values become payloads, and how a worker runs its workflows."""

from typing import Final

from temporalio.common import Priority

FIRST: Final = Priority(priority_key=1)
"""Of accounts, and of tries that have a lease: in a backlog they come first, since all others wait for them."""
