"""`CheckAccount`: what a worker sees of an account, each look once."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.checks import CALLS, CheckAccountResult, Clocks, TokenSeen
from qunfa.contract.ids import CHECK_ACCOUNT, account_check_id
from qunfa.contract.steps import LEDGER_UNAVAILABLE, WECHAT_UNAVAILABLE
from tests.workflows.answering import Bureau, bureau_in

BUSY = ApplicationError("WeChat is busy", type=WECHAT_UNAVAILABLE)
AWAY = ApplicationError("the ledger is away", type=LEDGER_UNAVAILABLE)


@pytest_asyncio.fixture(loop_scope="session")
async def bureau(env: WorkflowEnvironment) -> AsyncIterator[Bureau]:
    """A service account."""
    async with bureau_in(env) as found:
        yield found


async def check(bureau: Bureau, **raw: Any) -> Any:
    """The handle of a check."""
    given = {"account": "demo", **raw}
    return await bureau.start(CHECK_ACCOUNT, given, account_check_id("demo", "x"), CheckAccountResult)


async def test_everything_is_looked_at(bureau: Bureau) -> None:
    """Token, clocks, the count of two calls, and what is left of the account's limits."""
    result = await (await check(bureau)).result()
    assert (result.account, result.appid, result.kind) == ("demo", bureau.account.facts.appid, "service")
    assert (result.token, result.clocks.ahead_of_wechat) == (TokenSeen(source="stable"), 0.5)
    assert [one.cgi_path for one in result.calls] == list(CALLS)
    assert {row.name: row.left for row in result.allowances}["mass_calls"] == 99
    assert result.uncounted is None


async def test_nothing_is_asked_without_a_token(bureau: Bureau) -> None:
    """Why there is none is the result; the rest is there all the same."""
    bureau.account.token = TokenSeen(source="stable", detail="40164, not on the whitelist", errcode=40164)
    bureau.account.failures = {path: [BUSY] for path in CALLS}
    result = await (await check(bureau)).result()
    assert (result.token.errcode, result.calls) == (40164, ())
    assert (result.clocks.ahead_of_temporal, len(result.allowances)) == (0.5, 3)


async def test_one_look_that_fails_takes_nothing_from_the_others(bureau: Bureau) -> None:
    """Each says why; none is repeated, since somebody waits."""
    bureau.account.failures = {"clocks": [BUSY, AWAY], "book": [AWAY, BUSY], CALLS[0]: [BUSY, AWAY]}
    result = await (await check(bureau)).result()
    assert result.clocks == Clocks(detail="WeChat is busy")
    assert (result.uncounted, result.allowances) == ("the ledger is away", ())
    first, second = result.calls
    assert (first.errmsg, first.used, second.used) == ("WeChat is busy", None, 1)


async def test_a_token_that_no_worker_could_ask_for(bureau: Bureau) -> None:
    """It is a result as well."""
    bureau.account.failures["token"] = [BUSY]
    result = await (await check(bureau)).result()
    assert (result.token, result.calls) == (TokenSeen(detail="WeChat is busy"), ())


@pytest.mark.parametrize(
    ("raw", "problem"), [({"account": "other"}, "no such account"), ({"since": 1}, "since: is not a field")]
)
async def test_a_bad_request_is_refused(bureau: Bureau, raw: dict[str, Any], problem: str) -> None:
    """Like any other."""
    failure = await bureau.failure(await check(bureau, **raw))
    assert (failure.type, problem in failure.message) == ("InvalidRequest", True)
