"""A worker with one promise taken out of it, to see that its loss is noticed. It is started as the worker is.

`random-clientmsgid`: each try goes out under an id of its own, so that WeChat cannot recognise a repetition.
`forget-unknown`: a definite no that follows an unknown try is believed.
"""

import asyncio
import sys
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import temporalio.client
from temporalio.client import Client
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from qunfa.contract.job import Answer, Job
from qunfa.contract.steps import SubmitStep
from qunfa.rules import submission
from qunfa.rules.codes import return_code
from qunfa.settings import load_settings
from qunfa.telemetry import configure_logging, worker_runtime
from qunfa.temporal import connect
from qunfa.wechat import open_http

AfterTry = Callable[[Job, int, Answer, datetime], Job]


class RandomClientmsgid(temporalio.client.Interceptor, Interceptor):
    """Every try under another id."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Renaming(super().intercept_activity(next))


class _Renaming(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        input.args = [
            one.model_copy(update={"clientmsgid": uuid.uuid4().hex[:28]}) if isinstance(one, SubmitStep) else one
            for one in input.args
        ]
        return await super().execute_activity(input)


def forgetful(after_try: AfterTry) -> AfterTry:
    """`after_try` without the stickiness of what is unknown."""

    def forgetting(job: Job, attempt: int, answer: Answer, began_at: datetime) -> Job:
        job = after_try(job, attempt, answer, began_at)
        if answer.kind == "refused" and answer.errcode is not None and return_code(answer.errcode).definite_no:
            return job.model_copy(update={"ever_unknown": False, "window_started_at": None, "unknown_lease": None})
        return job

    return forgetting


async def main(control: str) -> None:
    """Serve the task queue until SIGTERM."""
    settings = load_settings()
    if control == "forget-unknown":
        submission.after_try = forgetful(submission.after_try)  # type: ignore[assignment]  # this is the control
    # Only now: workflows and activities take the rules as they find them when they are imported.
    from worker import serve  # noqa: PLC0415

    client = await connect(runtime=worker_runtime(settings.metrics.worker))
    if control == "random-clientmsgid":
        config = client.config()
        config["interceptors"] = [RandomClientmsgid()]
        client = Client(**config)
    async with open_http(settings.timing.http_timeout) as http:
        await serve(settings, client, http)
    # Temporal's threads may still hold the interpreter when it ends (temporalio/sdk-python issue 300).
    await asyncio.sleep(0.05)


if __name__ == "__main__":
    configure_logging()
    asyncio.run(main(sys.argv[1]))
