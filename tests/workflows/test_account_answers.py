"""`AccountSpeed` and `AccountQuota`: what WeChat and the ledger say of an account, and the one thing that is set."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.ids import ACCOUNT_QUOTA, ACCOUNT_SPEED, quota_id, speed_id
from qunfa.contract.ledger import Day
from qunfa.contract.quota import PATHS, UPLOADNEWS, Book, QuotaResult
from qunfa.contract.speed import SPEED_REFUSED, Speed, SpeedResult
from qunfa.contract.steps import LEDGER_UNAVAILABLE, WECHAT_UNAVAILABLE
from qunfa.rules.calendar import shanghai_day
from tests.workflows.answering import Bureau, bureau_in

pytestmark = pytest.mark.long


@pytest_asyncio.fixture(loop_scope="session")
async def bureau(env: WorkflowEnvironment) -> AsyncIterator[Bureau]:
    """A service account."""
    async with bureau_in(env) as found:
        yield found


async def speed(bureau: Bureau, **raw: Any) -> Any:
    """The handle of a look at the speed, or of a change."""
    return await bureau.start(ACCOUNT_SPEED, {"account": "demo", **raw}, speed_id("demo", "x"), SpeedResult)


async def quota(bureau: Bureau, **raw: Any) -> Any:
    """The handle of a look at the quota."""
    return await bureau.start(ACCOUNT_QUOTA, {"account": "demo", **raw}, quota_id("demo", "x"), QuotaResult)


def busy() -> ApplicationError:
    """WeChat cannot be asked."""
    return ApplicationError("WeChat is busy", type=WECHAT_UNAVAILABLE)


def refused(failure_type: str = SPEED_REFUSED) -> ApplicationError:
    """WeChat refuses for good."""
    return ApplicationError("answered 48001", type=failure_type, non_retryable=True)


async def test_the_speed_is_read(bureau: Bureau) -> None:
    """Nothing is set."""
    bureau.account.speed = 2
    result = await (await speed(bureau)).result()
    assert (result.now, result.before, result.by) == (Speed(speed=2, realspeed=45), None, None)


async def test_the_speed_is_set_and_read_again(bureau: Bureau) -> None:
    """The result has it before and after."""
    result = await (await speed(bureau, speed=4, by="li", reason="load")).result()
    assert (result.before.speed, result.now, result.by, result.reason) == (
        0,
        Speed(speed=4, realspeed=10),
        "li",
        "load",
    )
    assert bureau.account.speed == 4


async def test_a_speed_that_wechat_does_not_take_is_a_failure(bureau: Bureau) -> None:
    """It said ok, and tells another one."""
    bureau.account.deaf = True
    failure = await bureau.failure(await speed(bureau, speed=4, by="li"))
    assert (failure.type, "took the speed 4, but tells 0" in failure.message) == ("SpeedFailed", True)


@pytest.mark.parametrize(
    ("what", "error", "sentence"),
    [
        ("get", refused(), "The speed could not be read: answered 48001"),
        ("set", refused(), "The speed may not have been set, so look at it again: answered 48001"),
        ("get", busy(), "The speed could not be read: WeChat is busy"),
    ],
)
async def test_a_speed_that_wechat_does_not_tell(
    bureau: Bureau, what: str, error: ApplicationError, sentence: str
) -> None:
    """At once where a person has to act, after two minutes otherwise: whoever waits is told why."""
    bureau.account.failures[what] = [error]
    failure = await bureau.failure(await speed(bureau, speed=1, by="li"))
    assert (failure.type, failure.message) == ("SpeedFailed", sentence)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"speed": 5, "by": "li"}, "speed: should be less than or equal to 4"),
        ({"speed": "3", "by": "li"}, "speed: must be a whole number"),
        ({"speed": True, "by": "li"}, "speed: must be a whole number"),
        ({"speed": 3}, "who sets it must be named"),
        ({"account": "other"}, "no such account"),
        ({"colour": "red"}, "colour: is not a field of this object"),
    ],
)
async def test_a_bad_speed_is_refused(bureau: Bureau, raw: dict[str, Any], problem: str) -> None:
    """Before WeChat is asked."""
    failure = await bureau.failure(await speed(bureau, **raw))
    assert (failure.type, problem in failure.message) == ("InvalidRequest", True)


async def test_calls_and_sends_are_counted(bureau: Bureau) -> None:
    """Each call that sends are made of; the book's day and month; what remains of a service account's limits."""
    now = await bureau.env.get_current_time()
    since = now - timedelta(days=60)
    bureau.account.book = Book(since=since, days={shanghai_day(now): Day(total=3, to_all=1, others=2, previews=5)})
    result = await (await quota(bureau)).result()
    assert [one.cgi_path for one in result.calls] == list(PATHS)
    assert (result.kind, result.since, result.today) == ("service", since, result.month)
    assert (result.today.total, result.today.to_all, result.today.others, result.today.previews) == (3, 1, 2, 5)
    assert {row.name: row.left for row in result.allowances} == {"sends_to_all": 3, "mass_calls": 97, "previews": 95}


async def test_a_subscription_account_has_other_limits(env: WorkflowEnvironment) -> None:
    """And one that still uploads news is told of that call's quota."""
    async with bureau_in(env, kind="subscription", news_via="uploadnews") as bureau:
        result = await (await quota(bureau)).result()
    assert {row.name: row.left for row in result.allowances} == {"sends": 1, "previews": 99}
    assert result.calls[-1].cgi_path == UPLOADNEWS


async def test_a_call_that_wechat_does_not_tell_of_takes_nothing_from_the_rest(bureau: Bureau) -> None:
    """Its row says why."""
    bureau.account.failures[PATHS[0]] = [busy()]
    first, *rest = (await (await quota(bureau)).result()).calls
    assert (first.used, first.errmsg) == (None, "WeChat is busy")
    assert all(one.used == 1 for one in rest)


async def test_a_ledger_that_does_not_answer_is_no_empty_one(bureau: Bureau) -> None:
    """Nobody is told that nothing was sent."""
    bureau.account.failures["book"] = [ApplicationError("the ledger is away", type=LEDGER_UNAVAILABLE)]
    failure = await bureau.failure(await quota(bureau))
    assert (failure.type, "could not be counted: the ledger is away" in failure.message) == ("QuotaFailed", True)


async def test_a_bad_request_for_quotas_is_refused(bureau: Bureau) -> None:
    """Like any other."""
    failure = await bureau.failure(await quota(bureau, since=str(datetime.now(UTC))))
    assert (failure.type, "since: is not a field" in failure.message) == ("InvalidRequest", True)
