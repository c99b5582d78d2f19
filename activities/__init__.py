"""The side effects of a mass send, one noun a file: classes whose methods are the activities.

An activity fails with an `ApplicationError` of these types. `qunfa.contract` says what they mean, and their details.

| failure type | retried | of |
|---|---|---|
| `AccountChanged` | no | all that ask WeChat for a pinned account but `submit`, `await_verdict`; `inspect` |
| `UnknownAccount` | no | `resolve_account` |
| `WechatUnavailable` | yes | all that ask by `Accounts.answer`; `job_status` |
| `AudienceRefused` | no | `check_audience`, `count_followers`, `plan_audience` |
| `CallbackCheckRefused` | no | `callback_check` |
| `SpeedRefused` | no | `get_speed`, `set_speed` |
| `LookRefused` | no | `look_at_job` |
| `MaterialRefused` | no | `upload`, `make_draft`, `check_draft`, `convert_video` |
| `SourceChanged` | no | `upload`, `make_draft` |
| `SourceRefused` | no | `upload` |
| `SourceUnavailable` | yes | `inspect`, `upload`, `plan_audience` |
| `AudienceInvalid`, `PlanMissing`, `PlanReused` | no | `plan_audience` |
| `PlanLost` | no; yes of `write_report`, where a `[store]` is configured | `plan_audience`, `write_report` |
| `StoreUnavailable` | yes | `plan_audience`, `write_report` |
| `LedgerUnavailable` | yes | all that ask the ledger or Temporal's histories, such as `wish`, `resolve_account` |
| `TriedBefore` | no | `submit`, whose workflow takes it for a lost try; `preview`, `delete_job` |
| `NotDecidedYet` | yes, after its own delay | `await_verdict`; its text is the last thing heard |
| `UpdateRefused` | no | `answer_batch` |
| `BatchNotEnded` | yes | `answer_batch`, `follow_batch`, `look_back` |
| `NoticeUnwanted`, `NoticeRefused` | no | `deliver_notice` |
| `NoticeUndelivered` | yes | `deliver_notice` |
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import httpx
from temporalio.client import Client

from activities.accounts import Accounts, Configuration
from activities.audiences import LIST_MAX, LIST_WITHIN, Audiences
from activities.batches import Batches
from activities.checks import Checks, Limits, Outlook
from activities.closed_runs import ClosedRuns
from activities.earlier_runs import PlannedRuns, VisibleRuns
from activities.jobs import Recalls, Results
from activities.ledger import Ledger, LedgerNotes
from activities.material import Material, Pictures
from activities.notices import Notices, RecordedNotices
from activities.onlooker import LostQueues, Onlooker
from activities.pinned import PinnedBefore
from activities.pulse import Look, Pulse
from activities.sources import MaterialInspection, Reader
from activities.submission import OwnRequest, Previews, Submission
from qunfa.audience.plans import Plans
from qunfa.audience.store import Store
from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Sources
from qunfa.settings import Settings

__all__ = ["Look", "LostQueues", "Onlooker", "Pulse", "all_activities"]

SOURCE_MAX: Final = 50 * 1024 * 1024
"""Bytes of a source that is fetched at all: more than WeChat takes, for `fit_images` to make smaller."""


def all_activities(
    settings: Settings, client: Client, http: httpx.AsyncClient, task_queue: str
) -> list[Callable[..., Any]]:
    """What a worker registers; `task_queue` is where an `Account` is started that does not run yet."""
    accounts, store = Accounts(settings, http), store_of(settings)
    earlier = PlannedRuns(client, Plans(store) if store else None)
    ledger = Ledger(client, task_queue, earlier)
    lists = Sources(replace(source_policy(settings), size_max=LIST_MAX, time_max=LIST_WITHIN))
    audiences = Audiences(accounts, lists, store, VisibleRuns(client), ledger.known)
    own_request = OwnRequest(client, audiences.openids_of)
    reader = Reader(Sources(source_policy(settings)))
    owners: tuple[object, ...] = (
        Configuration(settings, PinnedBefore(client)),
        Checks(accounts, http),
        Outlook(client, earlier),
        MaterialInspection(accounts, reader),
        Pictures(accounts, reader),
        Material(accounts, reader),
        Previews(accounts),
        ledger,
        Submission(accounts, LedgerNotes(client, task_queue).tell, own_request.openids),
        Batches(client),
        Results(accounts),
        Recalls(accounts, client),
        Limits(accounts, client),
        Notices(settings, RecordedNotices(client, ClosedRuns(settings, client)).asked),
        audiences,
    )
    return [getattr(one, name) for one in owners for name, method in vars(type(one)).items() if _is_activity(method)]


def _is_activity(method: object) -> bool:
    """Whether `activity.defn` has marked it so: Temporal's worker looks for the same."""
    return hasattr(method, "__temporal_activity_definition")


def store_of(settings: Settings) -> Store | None:
    """Where plans and reports stand."""
    return None if settings.store.uri is None else Store(settings.store.uri, source_policy(settings))


def source_policy(settings: Settings) -> SourcePolicy:
    """Where sources may be read from, as it is configured."""
    media = settings.media
    return SourcePolicy(
        roots=media.roots,
        hosts=media.hosts,
        stores=media.stores,
        s3_endpoint=media.s3_endpoint,
        s3_region=media.s3_region,
        size_max=SOURCE_MAX,
    )
