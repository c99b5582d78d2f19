"""The short checks: of an account, of its callback, and of a worker. They change nothing.

| workflow | says |
|---|---|
| ``CheckAccount`` | whether the workers can work with an account, as ``qunfa doctor`` asks |
| ``CheckCallback`` | what WeChat sees of an account's callback |
| ``CheckWorker`` | whether a worker answers, as ``qunfa doctor`` asks |
| ``ShowPictures`` | what pictures of articles look like, as ``qunfa article preview`` asks |
"""

import asyncio
from datetime import timedelta
from typing import Any, Final, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract import checks
    from qunfa.contract.ids import CHECK_ACCOUNT, CHECK_CALLBACK, CHECK_WORKER, SHOW_PICTURES
    from qunfa.contract.limits import CALLS_LEFT, SENDS_COUNTED, Book, CallsLeft, CallsLeftStep, SendsCountedStep
    from qunfa.contract.refusal import Unreadable
    from qunfa.contract.steps import AccountFacts
    from qunfa.rules.quota_view import allowances
    from workflows.calls import ONCE, Call, cause_of, why_unseen
    from workflows.making import problem_of_failure
    from workflows.refusal import account_facts, read_as, refuse

ACCOUNT_WITHIN: Final = timedelta(seconds=10)
"""Each step has so long, and is tried once: somebody waits in front of a terminal."""

Found = TypeVar("Found")

NOT_SHOWN: Final = "NotShown"
"""Failure type of ``ShowPictures``: no worker could read anything. Its text says why."""
PICTURES_WITHIN: Final = timedelta(minutes=3)
CALLBACK_WITHIN: Final = timedelta(seconds=45)
"""Somebody is waiting in front of a terminal."""
_RETRIES: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))
_CALLBACK_CHECK: Final = Call(
    checks.CALLBACK_CHECK, checks.CallbackView, within=timedelta(seconds=30), overall=CALLBACK_WITHIN, retry=_RETRIES
)
_READ_PICTURES: Final = Call(
    checks.READ_PICTURES, checks.ShowPicturesResult, within=PICTURES_WITHIN, overall=2 * PICTURES_WITHIN, retry=_RETRIES
)


@workflow.defn(name=CHECK_ACCOUNT)
class CheckAccount:
    """Look at an account's token, clocks and quotas, and at the store, each once; what was not seen says why."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> checks.CheckAccountResult:
        """What a worker sees; that WeChat or the ledger does not answer is a result as well."""
        facts = await account_facts(read_as(checks.CheckAccountRequest, raw, more).account)
        (token, calls), clocks, (book, uncounted), store = await asyncio.gather(
            _wechat(facts), _clocks(facts), _book(facts), _store(facts)
        )
        return checks.CheckAccountResult(
            account=facts.name,
            appid=facts.appid,
            base_url=facts.base_url,
            kind=facts.kind,
            token=token,
            clocks=clocks,
            calls=calls,
            allowances=() if book is None else allowances(facts.kind, book, calls, workflow.now()),
            uncounted=uncounted,
            frozen=None if book is None else book.frozen,
            store=store,
        )


async def _wechat(facts: AccountFacts) -> tuple[checks.TokenSeen, tuple[CallsLeft, ...]]:
    """Nothing can be asked without a token."""
    try:
        token = await _once(checks.CHECK_TOKEN, checks.TokenSeen).begin(facts, checks.AccountStep(account=facts.pinned))
    except ActivityError as error:
        return checks.TokenSeen(detail=why_unseen(error, ACCOUNT_WITHIN)), ()
    if token.detail is not None:
        return token, ()
    return token, tuple(await asyncio.gather(*(_calls_left(facts, path) for path in checks.CALLS)))


async def _calls_left(facts: AccountFacts, path: str) -> CallsLeft:
    try:
        return await _once(CALLS_LEFT, CallsLeft).begin(facts, CallsLeftStep(account=facts.pinned, cgi_path=path))
    except ActivityError as error:
        return CallsLeft(cgi_path=path, errmsg=why_unseen(error, ACCOUNT_WITHIN))


async def _clocks(facts: AccountFacts) -> checks.Clocks:
    try:
        return await _once(checks.READ_CLOCKS, checks.Clocks).begin(facts, checks.AccountStep(account=facts.pinned))
    except ActivityError as error:
        return checks.Clocks(detail=why_unseen(error, ACCOUNT_WITHIN))


async def _store(facts: AccountFacts) -> checks.StoreSeen:
    try:
        return await _once(checks.CHECK_STORE, checks.StoreSeen).begin(facts, checks.AccountStep(account=facts.pinned))
    except ActivityError as error:
        return checks.StoreSeen(uri="", detail=why_unseen(error, ACCOUNT_WITHIN))


async def _book(facts: AccountFacts) -> tuple[Book | None, str | None]:
    try:
        return await _once(SENDS_COUNTED, Book).begin(facts, SendsCountedStep(appid=facts.appid)), None
    except ActivityError as error:
        return None, why_unseen(error, ACCOUNT_WITHIN)


def _once(name: str, gives: type[Found]) -> Call[Found]:
    return Call(name, gives, overall=ACCOUNT_WITHIN, retry=ONCE)


@workflow.defn(name=CHECK_CALLBACK)
class CheckCallback:
    """One question to WeChat, repeated for a short while where it cannot be asked; it changes nothing."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> checks.CallbackCheckResult:
        """What WeChat sees; that it refuses or cannot be asked is a result as well."""
        facts = await account_facts(read_as(checks.CallbackCheckRequest, raw, more).account)
        found = checks.CallbackCheckResult(account=facts.name, appid=facts.appid)
        step = checks.CallbackCheckStep(account=facts.pinned)
        try:
            return found.model_copy(update={"view": await _CALLBACK_CHECK.begin(facts, step, "callback/check")})
        except ActivityError as error:
            return found.model_copy(update=_why_no_view(error))


def _why_no_view(error: ActivityError) -> dict[str, Any]:
    """WeChat's refusal, or what kept it from being asked."""
    cause = cause_of(error)
    if cause is None:
        return {"problem": f"no worker had an answer of WeChat's within {CALLBACK_WITHIN.total_seconds():.0f} s"}
    evidence = cause.details[0] if cause.details and isinstance(cause.details[0], dict) else {}
    return {"problem": cause.message, **{name: evidence.get(name) for name in ("errcode", "errmsg", "rid")}}


@workflow.defn(name=SHOW_PICTURES)
class ShowPictures:
    """Read the pictures once; somebody waits for them."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> checks.ShowPicturesResult:
        """The first of them, as many as fit; what cannot be read is a result as well."""
        request = read_as(checks.ShowPicturesRequest, raw, more)
        facts = await account_facts(request.account)
        step = checks.ReadPicturesStep(account=facts.pinned, uris=tuple(one.uri for one in request.pictures))
        try:
            shown = await _READ_PICTURES.begin(facts, step)
        except ActivityError as error:
            raise ApplicationError(problem_of_failure(error).sentence, type=NOT_SHOWN, non_retryable=True) from None
        return shown.model_copy(update={"news_via": facts.news_via})


@workflow.defn(name=CHECK_WORKER)
class CheckWorker:
    """Ends as soon as a worker has it: that it has ended is the answer. It takes no input."""

    @workflow.run
    async def run(self, given: Any = None) -> None:
        """Do nothing."""
        if isinstance(given, Unreadable):
            raise refuse([given.sentence])
