"""Temporal: the connection, the namespace, how values become payloads, and how a worker runs its workflows."""
