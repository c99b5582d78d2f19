"""An account with webhooks, all of which lead to one receiver."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.closed_runs import ClosedRuns
from activities.notices import Notices, RecordedNotices
from qunfa.contract.ids import NOTIFY, notify_id
from qunfa.contract.notice import NoticeDelivered, NoticeType, WantedNotice
from qunfa.contract.steps import AccountFacts
from tests.activities.conftest import settings_for
from tests.looking import PATIENCE
from tests.notices.webhook import SECRET, Post, Receiver
from tests.workflows.conftest import Desk, running

ALL: Final[tuple[NoticeType, ...]] = ("needs_operator", "awaiting_approval", "sent", "failed", "unknown", "recalled")


@asynccontextmanager
async def noticing(
    env: WorkflowEnvironment,
    facts: AccountFacts,
    receiver: Receiver,
    *names: str,
    events: tuple[NoticeType, ...] = ALL,
    **options: Any,
) -> AsyncIterator[Desk]:
    """A desk whose account has these webhooks, each of which wants these events."""
    wanted = tuple(WantedNotice(name=name, events=events) for name in names)
    notices = {name: {"url": receiver.url, "secret": SECRET} for name in names}
    settings = settings_for("https://wechat.example", notices=notices)
    record = RecordedNotices(env.client, ClosedRuns(settings, env.client)).asked
    activities = Notices(settings, record, patience=timedelta(seconds=PATIENCE))
    noticed = facts.model_copy(update={"notices": wanted})
    async with running(env, noticed, activities.deliver_notice, **options) as desk:
        yield desk


def delivery(desk: Desk, post: Post, name: str = "oncall") -> WorkflowHandle[Any, NoticeDelivered]:
    handle: WorkflowHandle[Any, NoticeDelivered] = desk.env.client.get_workflow_handle(
        notify_id("demo", name, post.webhook_id), result_type=NoticeDelivered
    )
    desk.others.append((NOTIFY, handle))
    return handle
