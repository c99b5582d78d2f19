"""``CheckWorker``: whether a worker answers, as ``qunfa doctor`` asks."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.ids import CHECK_WORKER
    from qunfa.contract.unreadable import Unreadable
    from workflows.preparing import refuse


@workflow.defn(name=CHECK_WORKER)
class CheckWorker:
    """Ends as soon as a worker has it: that it has ended is the answer. It takes no input."""

    @workflow.run
    async def run(self, given: Any = None) -> None:
        """Do nothing."""
        if isinstance(given, Unreadable):
            raise refuse([given.sentence])
