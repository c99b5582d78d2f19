"""An activity that does nothing. Between two of them a worker may do something else."""

from temporalio import activity

from qunfa.contract.ledger_steps import BREATHE


@activity.defn(name=BREATHE)
async def breathe() -> None:
    """Nothing."""
