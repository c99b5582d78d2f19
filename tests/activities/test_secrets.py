import logging
import re
from collections.abc import Awaitable, Callable

import httpx
import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.checks import Checks
from activities.jobs import Recalls, Results
from qunfa.contract.recall import DeleteStep
from qunfa.contract.steps import AudienceStep, JobStatusStep
from qunfa.temporal.payloads import data_converter
from tests.activities.conftest import SECRET, TOKEN, Desk, TokenServer, attempt, desk_at
from tests.wechat.conftest import everything_about


def results(desk: Desk) -> Results:
    return Results(desk.accounts, desk.clock)


CALLS: dict[str, Callable[[Desk, Client], Awaitable[object]]] = {
    "submit": lambda desk, _: desk.submit(),
    "preview": lambda desk, _: desk.preview(),
    "job_status": lambda desk, _: attempt(results(desk).job_status, JobStatusStep(account=desk.pinned, msg_id=1)),
    "await_verdict": lambda desk, _: attempt(results(desk).await_verdict, JobStatusStep(account=desk.pinned, msg_id=1)),
    "check_audience": lambda desk, _: attempt(
        Checks(desk.accounts, httpx.AsyncClient()).check_audience, AudienceStep(account=desk.pinned, tag_id=2)
    ),
    "delete_job": lambda desk, temporal: attempt(
        Recalls(desk.accounts, temporal).delete_job, DeleteStep(account=desk.pinned, msg_id=7).model_dump(mode="json")
    ),
}


@pytest.mark.parametrize("running", [True, False], ids=["answers with status 500", "is gone"])
@pytest.mark.parametrize("name", CALLS)
async def test_no_secret_escapes(
    *,
    token_server: TokenServer,
    http: httpx.AsyncClient,
    temporal: Client,
    caplog: pytest.LogCaptureFixture,
    name: str,
    running: bool,
) -> None:
    """Neither token nor app secret is in an answer, a log line, an error with all its frames, or Temporal's failure."""
    caplog.set_level(logging.DEBUG)
    for library in ("httpx", "httpcore"):
        caplog.set_level(logging.WARNING, library)
    desk = desk_at(token_server.url, http)
    desk.notebook.out_of_order = True
    assert (await desk.accounts.token("demo")).get_secret_value() == TOKEN
    if not running:
        await token_server.stop()
    failure = Failure()
    try:
        shown = repr(await CALLS[name](desk, temporal))
    except ApplicationError as error:
        shown = everything_about(error)
        await data_converter.encode_failure(error, failure)
        assert failure.message
    everything = shown + str(failure) + caplog.text
    assert re.search("account demo|HTTP status 500|ConnectError", everything)
    assert TOKEN not in everything
    assert SECRET not in everything
