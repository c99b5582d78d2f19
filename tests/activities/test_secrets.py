import logging
import traceback
from collections.abc import Awaitable, Callable

import httpx
import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import AudienceCheck, Results
from qunfa.contract.steps import AudienceStep, JobStatusStep
from qunfa.temporal.payloads import data_converter
from tests.activities.conftest import SECRET, TOKEN, Desk, TokenServer, desk_at

Call = Callable[[Desk], Awaitable[object]]


async def submit(desk: Desk) -> object:
    """Try to submit."""
    return await ActivityEnvironment().run(desk.submission.submit, desk.step())


async def job_status(desk: Desk) -> object:
    """Ask for a status."""
    results = Results(desk.settings, desk.accounts, desk.clock)
    return await ActivityEnvironment().run(results.job_status, JobStatusStep(account=desk.pinned, msg_id=1))


async def await_verdict(desk: Desk) -> object:
    """Ask for a verdict."""
    results = Results(desk.settings, desk.accounts, desk.clock)
    return await ActivityEnvironment().run(results.await_verdict, JobStatusStep(account=desk.pinned, msg_id=1))


async def check_audience(desk: Desk) -> object:
    """Look at a tag."""
    check = AudienceCheck(desk.settings, desk.accounts)
    return await ActivityEnvironment().run(check.check_audience, AudienceStep(account=desk.pinned, tag_id=2))


def everything_about(error: BaseException) -> str:
    """All that a careless reporter could print of an error and of those before it, locals included."""
    told: list[str] = []
    one: BaseException | None = error
    while one is not None:
        report = traceback.TracebackException.from_exception(one, capture_locals=True)
        told += [*report.format(), repr(one), repr(vars(one)), repr(one.args)]
        one = one.__cause__ or one.__context__
    return "".join(told)


@pytest.mark.parametrize("running", [True, False], ids=["answers with status 500", "is gone"])
@pytest.mark.parametrize("call", [submit, job_status, await_verdict, check_audience])
async def test_no_secret_escapes(
    token_server: TokenServer, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, call: Call, running: bool
) -> None:
    """Neither token nor app secret is in an answer, a log line, an error with all its frames, or Temporal's failure."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        caplog.set_level(logging.WARNING, name)
    desk = desk_at(token_server.url, http)
    desk.notebook.out_of_order = True
    assert (await desk.accounts.token("demo")).get_secret_value() == TOKEN
    if not running:
        await token_server.stop()
    failure = Failure()
    try:
        shown = repr(await call(desk))
    except ApplicationError as error:
        shown = everything_about(error)
        await data_converter.encode_failure(error, failure)
        assert failure.message
    everything = shown + str(failure) + caplog.text
    assert "demo" in everything
    assert TOKEN not in everything
    assert SECRET not in everything
