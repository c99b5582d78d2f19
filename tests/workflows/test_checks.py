"""`CheckAccount` and `CheckCallback`: what a worker sees of an account, and what WeChat sees of its callback."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.checks import (
    CALLBACK_CHECK_REFUSED,
    CALLS,
    AccountTerms,
    CallbackAddress,
    CallbackCheckResult,
    CallbackView,
    CheckAccountResult,
    Clocks,
    StoreSeen,
    TokenSeen,
)
from qunfa.contract.ids import CHECK_ACCOUNT, CHECK_CALLBACK, account_check_id, callback_check_id
from qunfa.contract.steps import LEDGER_UNAVAILABLE, WECHAT_UNAVAILABLE
from tests.workflows.conftest import Desk
from tests.workflows.failures import refusal_of
from tests.workflows.model_recall import ModelAccount, recalling

BUSY = ApplicationError("WeChat is busy", type=WECHAT_UNAVAILABLE)
AWAY = ApplicationError("the ledger is away", type=LEDGER_UNAVAILABLE)
VIEW = CallbackView(dns=(CallbackAddress(ip="203.0.113.7", operator="UNICOM"),))
EVIDENCE = {"errcode": 40201, "errmsg": "invalid url", "rid": "1-2-3", "token_endpoint": False, "about": "a"}
REFUSED = ApplicationError("WeChat answered 40201", EVIDENCE, type=CALLBACK_CHECK_REFUSED, non_retryable=True)


@dataclass
class Bureau:
    """A service account, and where it is asked about."""

    desk: Desk
    account: ModelAccount

    async def seen(self) -> Any:
        raw, workflow_id = {"account": "demo"}, account_check_id("demo", "x")
        return await (await self.desk.begin(CHECK_ACCOUNT, raw, workflow_id, CheckAccountResult)).result()


@pytest_asyncio.fixture(loop_scope="session")
async def bureau(env: WorkflowEnvironment) -> AsyncIterator[Bureau]:
    async with recalling(env) as (desk, account):
        yield Bureau(desk, account)


async def test_one_look_that_fails_takes_nothing_from_the_others(bureau: Bureau) -> None:
    """Each says why; none is repeated, since somebody waits."""
    bureau.account.failures = {"clocks": [BUSY, AWAY], "book": [AWAY, BUSY], CALLS[0]: [BUSY, AWAY], "store": [BUSY]}
    result = await bureau.seen()
    assert result.clocks == Clocks(detail="WeChat is busy")
    assert result.store == StoreSeen(uri="", detail="WeChat is busy")
    assert (result.uncounted, result.allowances) == ("the ledger is away", ())
    first, second = result.calls
    assert (first.errmsg, first.used, second.used) == ("WeChat is busy", None, 1)
    bureau.account.failures["token"] = [BUSY]
    result = await bureau.seen()
    assert (result.token, result.calls) == (TokenSeen(detail="WeChat is busy"), ())
    assert result.base_url == bureau.account.facts.base_url
    assert result.terms == AccountTerms.model_validate(bureau.account.facts.model_dump())


@pytest.mark.parametrize(
    ("views", "found", "asked"),
    [
        ([VIEW], {"view": VIEW}, 1),
        ([BUSY, VIEW], {"view": VIEW}, 2),
        ([REFUSED], {"problem": "WeChat answered 40201", "errcode": 40201, "errmsg": "invalid url", "rid": "1-2-3"}, 1),
        ([BUSY], {"problem": "WeChat is busy"}, None),
    ],
    ids=["seen", "at last", "refused", "never"],
)
async def test_what_wechat_sees_is_the_result(
    bureau: Bureau, views: list[CallbackView | ApplicationError], found: dict[str, Any], asked: int | None
) -> None:
    """A passing trouble is waited for, though not for ever. A refusal is a result, too: it is not asked again."""
    bureau.account.views = list(views)
    handle = await bureau.desk.begin(
        CHECK_CALLBACK, {"account": "demo"}, callback_check_id("demo", "x"), CallbackCheckResult
    )
    expected = {"account": "demo", "appid": bureau.account.facts.appid, **found}
    assert await handle.result() == CallbackCheckResult.model_validate(expected)
    assert asked is None or bureau.account.viewed == asked


@pytest.mark.parametrize("kind", [CHECK_ACCOUNT, CHECK_CALLBACK])
@pytest.mark.parametrize(
    ("raw", "problem"),
    [([], "the input must be"), ({}, "account: is missing"), ({"account": "other"}, "no such account")],
    ids=["no object", "no account", "nobody's account"],
)
async def test_a_check_of_nothing_is_refused(bureau: Bureau, kind: str, raw: Any, problem: str) -> None:
    """At once, with a sentence; WeChat is not asked."""
    named = {CHECK_ACCOUNT: account_check_id, CHECK_CALLBACK: callback_check_id}[kind]("demo", "x")
    assert problem in await refusal_of(await bureau.desk.begin(kind, raw, named, CallbackCheckResult))
    assert bureau.account.viewed == 0
