"""``AccountNotices``: an account's webhooks, and whether they take a test notice, tried by a worker that knows them."""

import asyncio
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.account_notices import AccountNoticesRequest, AccountNoticesResult, Webhook
    from qunfa.contract.ids import ACCOUNT_NOTICES
    from qunfa.contract.notice import DELIVER_NOTICE, Notice, NoticeData, NoticeDelivered, NotifyRequest, WantedNotice
    from qunfa.contract.parsing import parsed
    from qunfa.contract.refusal import InvalidRequestError
    from qunfa.printable import printable
    from qunfa.rules.notices import webhook_id
    from workflows.notify import last_failure
    from workflows.preparing import account_facts, refuse

_ATTEMPT: Final = timedelta(seconds=20)
_ONCE: Final = RetryPolicy(maximum_attempts=1)


@workflow.defn(name=ACCOUNT_NOTICES)
class AccountNotices:
    """Look at the account's configuration; where a test is asked for, tell each webhook once, all at the same time."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> AccountNoticesResult:
        """The webhooks by name."""
        request = _read(raw, more)
        facts = await account_facts(request.account)
        looks = (_look(facts.name, wanted, test=request.test) for wanted in facts.notices)
        return AccountNoticesResult(account=facts.name, webhooks=tuple(await asyncio.gather(*looks)))


def _read(raw: Any, more: tuple[Any, ...]) -> AccountNoticesRequest:
    if more:
        raise refuse(["the workflow takes one input, the request"])
    try:
        return parsed(AccountNoticesRequest, raw)
    except InvalidRequestError as error:
        raise refuse(error.problems) from None


async def _look(account: str, wanted: WantedNotice, *, test: bool) -> Webhook:
    webhook = Webhook(name=wanted.name, events=wanted.events)
    if not test:
        return webhook
    try:
        await workflow.execute_activity(
            DELIVER_NOTICE,
            _asked(account, wanted.name),
            result_type=NoticeDelivered,
            start_to_close_timeout=_ATTEMPT,
            schedule_to_close_timeout=2 * _ATTEMPT,
            retry_policy=_ONCE,
            summary=printable(f"test {wanted.name}"),
        )
    except ActivityError as error:
        failure = last_failure(error)
        said = failure.message if failure else "no worker has told it in time"
        return webhook.model_copy(update={"took_test": False, "problem": said})
    return webhook.model_copy(update={"took_test": True})


def _asked(account: str, name: str) -> NotifyRequest:
    info = workflow.info()
    return NotifyRequest(
        account=account,
        name=name,
        webhook_id=webhook_id(info.workflow_id, info.first_execution_run_id, "test"),
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        notice=_test(account),
    )


def _test(account: str) -> Notice:
    info = workflow.info()
    data = NoticeData(account=account, workflow_id=info.workflow_id, run_id=info.run_id, may_have_been_delivered=False)
    return Notice(type="test", timestamp=workflow.now(), data=data)
