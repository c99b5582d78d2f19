"""``CheckWorker``: whether a worker answers, as ``qunfa doctor`` asks."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.ids import CHECK_WORKER


@workflow.defn(name=CHECK_WORKER)
class CheckWorker:
    """Ends as soon as a worker has it, whatever its input is: that it has ended is the answer."""

    @workflow.run
    async def run(self, *_given: Any) -> None:
        """Do nothing."""
