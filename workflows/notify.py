"""How webhooks are told: ``Notify`` tells one event to one webhook, however long its receiver is away.

``AccountNotices`` shows an account's webhooks, and whether they take a test notice. A worker that knows them tries it.
"""

import asyncio
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract import notice
    from qunfa.contract.ids import ACCOUNT_NOTICES, NOTIFY, notify_id
    from qunfa.rules.notices import webhook_id
    from workflows.calls import ONCE, Call, cause_of
    from workflows.pages import notify_page
    from workflows.refusal import account_facts, check_id, read_as

_ACCOUNT: Final = SearchAttributeKey.for_keyword("MassSendAccount")
_ATTEMPT: Final = timedelta(seconds=20)
"""Within which an attempt is told of, or was lost with its worker: twice as long as a receiver may take."""
_PATIENCE: Final = timedelta(days=3)
_EVER_RARER: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(hours=1))
"""A second, two, four … an hour. An attempt that fails says so itself; this is for those that a worker loses."""
_LAST: Final = Priority(priority_key=5)
"""Where workers are busy, what a send waits for comes first."""
_DELIVER: Final = Call(
    notice.DELIVER_NOTICE, notice.NoticeDelivered, within=_ATTEMPT, overall=_PATIENCE, retry=_EVER_RARER, priority=_LAST
)
_TEST: Final = Call(notice.DELIVER_NOTICE, notice.NoticeDelivered, within=_ATTEMPT, overall=2 * _ATTEMPT, retry=ONCE)


@workflow.defn(name=NOTIFY)
class Notify:
    """Try until the receiver takes it, for three days. Its sender does not wait for it, and may be long over."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> notice.NoticeDelivered:
        """When the receiver has taken the notice."""
        request = read_as(notice.NotifyRequest, raw, more)
        check_id(notify_id(request.account, request.name, request.webhook_id))
        workflow.upsert_search_attributes([_ACCOUNT.value_set(request.account)])
        workflow.set_current_details(notify_page(request))
        try:
            return await _DELIVER.begin(None, request.named(), f"tell {request.name} of {_what(request)}")
        except ActivityError as error:
            failure = _given_up(request, error)
            workflow.logger.error("%s", failure.message)
            raise failure from None


def _given_up(request: notice.NotifyRequest, error: ActivityError) -> ApplicationError:
    cause = cause_of(error)
    last = cause.message if cause else "no worker has tried it in time."
    kind = (cause.type if cause else None) or notice.NOTICE_UNDELIVERED
    again = "" if kind == notice.NOTICE_REFUSED else " To have it tried again, reset this workflow."
    sentence = (
        f'the notice {_what(request)} of {request.workflow_id} did not reach "{request.name}" and is not tried any '
        f"more: {last} Nothing of the send depends on it.{again}"
    )
    return ApplicationError(sentence, type=kind, non_retryable=True)


def _what(request: notice.NotifyRequest) -> str:
    """What the notice is called here; what is told is what the named workflow has recorded."""
    return request.notice.type if request.notice else "asked for"


@workflow.defn(name=ACCOUNT_NOTICES)
class AccountNotices:
    """Look at the account's configuration; where a test is asked for, tell each webhook once, all at the same time."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> notice.AccountNoticesResult:
        request = read_as(notice.AccountNoticesRequest, raw, more)
        facts = await account_facts(request.account)
        looks = (_look(facts.name, wanted, test=request.test) for wanted in facts.notices)
        return notice.AccountNoticesResult(account=facts.name, webhooks=tuple(await asyncio.gather(*looks)))


async def _look(account: str, wanted: notice.WantedNotice, *, test: bool) -> notice.Webhook:
    webhook = notice.Webhook(name=wanted.name, events=wanted.events)
    if not test:
        return webhook
    try:
        await _TEST.begin(None, _test_request(account, wanted.name), f"test {wanted.name}")
    except ActivityError as error:
        failure = cause_of(error)
        said = failure.message if failure else "no worker has told it in time"
        return webhook.model_copy(update={"took_test": False, "problem": said})
    return webhook.model_copy(update={"took_test": True})


def _test_request(account: str, name: str) -> notice.NotifyRequest:
    info = workflow.info()
    data = notice.NoticeData(
        account=account, workflow_id=info.workflow_id, run_id=info.run_id, may_have_been_delivered=False
    )
    told_as = webhook_id(info.workflow_id, info.first_execution_run_id, "test")
    return notice.Notice(type="test", timestamp=workflow.now(), data=data).told_to(name, told_as)
