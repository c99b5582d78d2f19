"""How many activities are under way."""

from typing import Any

from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor


class InFlight(Interceptor):
    """Counts them: the time-skipping server stands still for ever where one is left behind by its workflow."""

    def __init__(self) -> None:
        self.count = 0

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002  its name
        """A counting link."""
        return _Counting(next, self)


class _Counting(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, of: InFlight) -> None:
        super().__init__(following)
        self._of = of

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002  its name
        """Count one more while it is under way."""
        self._of.count += 1
        try:
            return await super().execute_activity(input)
        finally:
            self._of.count -= 1
