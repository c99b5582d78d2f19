"""`CheckCallback`: what WeChat sees of a callback, asked by a worker."""

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from qunfa.contract.checks import (
    CALLBACK_CHECK,
    CALLBACK_CHECK_REFUSED,
    CallbackAddress,
    CallbackCheckResult,
    CallbackCheckStep,
    CallbackView,
)
from qunfa.contract.ids import CHECK_CALLBACK, callback_check_id
from qunfa.contract.steps import RESOLVE_ACCOUNT, UNKNOWN_ACCOUNT, WECHAT_UNAVAILABLE, AccountFacts, Pinned, ResolveStep
from workflows.checks import CheckCallback

FACTS = AccountFacts(name="demo", appid="wx0123456789abcdef", base_url="https://api.weixin.qq.com")
VIEW = CallbackView(dns=(CallbackAddress(ip="203.0.113.7", operator="UNICOM"),))
EVIDENCE = {"errcode": 40201, "errmsg": "invalid url", "rid": "1-2-3", "token_endpoint": False, "about": "a"}
REFUSED = ApplicationError("WeChat answered 40201", EVIDENCE, type=CALLBACK_CHECK_REFUSED, non_retryable=True)
BUSY = ApplicationError("WeChat is busy", type=WECHAT_UNAVAILABLE)


@dataclass
class Model:
    """WeChat, and the workers' configuration."""

    client: Client
    queue: str
    answers: list[CallbackView | ApplicationError] = field(default_factory=list)
    asked: list[Pinned] = field(default_factory=list)

    @activity.defn(name=RESOLVE_ACCOUNT)
    async def resolve_account(self, step: ResolveStep) -> AccountFacts:
        if step.account != FACTS.name:
            raise ApplicationError("nobody knows it", type=UNKNOWN_ACCOUNT, non_retryable=True)
        return FACTS

    @activity.defn(name=CALLBACK_CHECK)
    async def callback_check(self, step: CallbackCheckStep) -> CallbackView:
        self.asked.append(step.account)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ApplicationError):
            raise answer
        return answer

    async def check(self, raw: Any, *more: Any) -> CallbackCheckResult:
        """The workflow's result."""
        result: CallbackCheckResult = await self.client.execute_workflow(
            CHECK_CALLBACK,
            args=[raw, *more],
            id=callback_check_id("demo", uuid.uuid4().hex),
            task_queue=self.queue,
            result_type=CallbackCheckResult,
        )
        return result


@pytest_asyncio.fixture(loop_scope="session")
async def model(env: WorkflowEnvironment) -> AsyncIterator[Model]:
    """A worker whose WeChat says what a test wants."""
    model = Model(env.client, uuid.uuid4().hex)
    activities: list[Callable[..., Any]] = [model.resolve_account, model.callback_check]
    async with Worker(env.client, task_queue=model.queue, workflows=[CheckCallback], activities=activities):
        yield model


async def test_what_wechat_sees_is_the_result(model: Model) -> None:
    """It is asked once, for the account as the workers have it."""
    model.answers = [VIEW]
    result = await model.check({"account": "demo"})
    assert result == CallbackCheckResult(account="demo", appid=FACTS.appid, view=VIEW)
    assert model.asked == [FACTS.pinned]


async def test_a_refusal_is_a_result(model: Model) -> None:
    """With WeChat's code and words; it is not asked again."""
    model.answers = [REFUSED]
    result = await model.check({"account": "demo"})
    assert (result.view, result.problem) == (None, "WeChat answered 40201")
    assert (result.errcode, result.errmsg, result.rid) == (40201, "invalid url", "1-2-3")
    assert len(model.asked) == 1


async def test_a_passing_trouble_is_waited_for(model: Model) -> None:
    """The next answer counts."""
    model.answers = [BUSY, VIEW]
    assert (await model.check({"account": "demo"})).view == VIEW
    assert len(model.asked) == 2


async def test_wechat_is_not_asked_for_ever(model: Model) -> None:
    """Somebody waits: the last trouble is the result."""
    model.answers = [BUSY]
    result = await model.check({"account": "demo"})
    assert (result.view, result.problem, result.errcode) == (None, "WeChat is busy", None)


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        (([],), "the input must be one JSON object"),
        (({},), "account: is missing"),
        (({"account": "demo", "action": "dns"},), "action: is not a field of this object"),
        (({"account": "Demo"},), "account:"),
        (({"account": "nobody"},), "account: nobody knows it"),
        (({"account": "demo"}, 1), "the workflow takes one input"),
    ],
)
async def test_a_request_that_is_none_is_refused(model: Model, inputs: tuple[Any, ...], problem: str) -> None:
    """At once, with a sentence for each wrong field."""
    with pytest.raises(WorkflowFailureError) as failure:
        await model.check(*inputs)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("InvalidRequest", True)
    assert problem in cause.message
    assert model.asked == []
