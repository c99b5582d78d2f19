"""The workflows: deterministic, and readable as the business process they are."""
