"""Conditions of visibility queries that several commands have: which workflows are sends, and which of them count."""

from typing import Final

from qunfa.contract.ids import MASS_SEND, MASS_SEND_IN_BATCHES

SENDS: Final = f"WorkflowType IN ('{MASS_SEND}', '{MASS_SEND_IN_BATCHES}')"
"""All sends, in batches or not."""
NO_CLOSED_BATCH: Final = (
    "(ExecutionStatus = 'Running' OR ParentWorkflowId IS NULL OR ParentWorkflowId NOT STARTS_WITH 'mass-send:')"
)
"""Of sends: a batch that runs is found, since nobody else may tell of it where its whole send is gone."""


def quoted(value: str) -> str:
    """A value in a query: nothing in it is taken for a condition."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
