"""The whole configuration, table by table."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    Field,
    IPvAnyNetwork,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from qunfa.config_file import Language
from qunfa.contract.fields import AccountName
from qunfa.contract.ids import TASK_QUEUE, WECHAT, is_wechats_own
from qunfa.settings.account import AccountSettings
from qunfa.settings.values import BindAddress, Duration, Host, RootUrl, Section, StorePrefix, StoreUri, UpToAnHour

CLIENTMSGID_LIFETIME = timedelta(hours=24)
"""How long WeChat remembers a clientmsgid: a repeat after that is a second send."""
_LATE = timedelta(minutes=1)
"""How far behind a worker's clock may be, beside its calls."""
CONFIRMATION_MIN = timedelta(minutes=30)
"""So long WeChat lets the administrator confirm a send."""
REPEAT_MIN = timedelta(minutes=1)
"""WeChat takes no repeat sooner. And for two of them, a 40059 on a new job counts for nothing."""
PACE_MIN = timedelta(seconds=1)
"""WeChat takes 60 requests a minute."""

REPLAY_WINDOW_MIN = timedelta(minutes=1)
REPLAY_WINDOW_MAX = timedelta(days=1)
_TASK_QUEUE_MAX = 1000
VersionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


def _check_root(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError("must be an absolute path")
    return value


def _check_task_queue(value: str) -> str:
    if not value or not value.isprintable() or " " in value or len(value) > _TASK_QUEUE_MAX:
        raise ValueError("must be a name without blanks")
    return value


def _check_appids(accounts: dict[str, AccountSettings]) -> dict[str, AccountSettings]:
    names: dict[str, str] = {}
    for name, account in accounts.items():
        other = names.setdefault(account.appid, name)
        if other != name:
            raise ValueError(
                f"{other} and {name} have the same appid {account.appid}: one appid may stand under one name only, or "
                "the same key could be sent twice; remove one of the two"
            )
    return accounts


def _check_token_urls(accounts: dict[str, AccountSettings]) -> dict[str, AccountSettings]:
    names: dict[str, str] = {}
    for name, account in accounts.items():
        if account.token_url and (other := names.setdefault(account.token_url, name)) != name:
            raise ValueError(
                f"{other} and {name} have the same URL as token_source: WeChat knows an account by its token alone, so "
                "a send of one would go to the followers of the other; give each account the URL of its own token"
            )
    return accounts


def _check_replay_window(value: timedelta) -> timedelta:
    if not REPLAY_WINDOW_MIN <= value <= REPLAY_WINDOW_MAX:
        raise ValueError(
            "must be between a minute, in which WeChat repeats a push that was not answered, and a day, for which a "
            "push that somebody has overheard could be repeated"
        )
    return value


TaskQueue = Annotated[str, AfterValidator(_check_task_queue)]
Accounts = Annotated[
    dict[AccountName, AccountSettings], AfterValidator(_check_appids), AfterValidator(_check_token_urls)
]


class WeChatSettings(Section):
    """Where the Official Account API is; without a trailing slash."""

    base_url: RootUrl = WECHAT

    @property
    def is_real(self) -> bool:
        """Whether it is one of WeChat's own hosts, and no simulator or proxy."""
        return is_wechats_own(self.base_url)


class ReceiverSettings(Section):
    """Where the callback receiver listens, and what it takes; port 0 takes a free one.

    `replay_window`: how far a signed timestamp may be from this machine's clock, either way. `results_per_second`: how
    many results of mass sends an account may get, and those of a minute at once. `proxies`: the networks of those whose
    `X-Forwarded-For` is believed.
    """

    host: Annotated[str, StringConstraints(min_length=1)] = "0.0.0.0"  # noqa: S104 - WeChat calls from outside
    port: Annotated[int, Field(ge=0, le=65535)] = 8088
    replay_window: Annotated[Duration, AfterValidator(_check_replay_window)] = timedelta(minutes=10)
    results_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0
    proxies: tuple[IPvAnyNetwork, ...] = ()


class MetricsSettings(Section):
    """Prometheus endpoints of worker and receiver; the empty text switches one off."""

    worker: BindAddress = "127.0.0.1:9464"
    receiver: BindAddress = "127.0.0.1:9465"


class WorkerSettings(Section):
    """The worker's version in Temporal's Worker Versioning, both or none; and the file that shows that it is alive.

    A versioned worker gets no task before its version is made the current one of its deployment.
    """

    deployment: VersionName | None = None
    build_id: VersionName | None = None
    alive: Path | None = None

    @model_validator(mode="after")
    def _check_pair(self) -> Self:
        if (self.deployment is None) != (self.build_id is None):
            raise ValueError("deployment and build_id belong together: set both, or none")
        return self


class MediaSettings(Section):
    """Where media may be read from: nowhere, unless listed.

    `roots` are folders for `file:`. `hosts` are for `http(s):`; a private address must be listed itself, or by its
    network. `stores` are buckets or folders in them. `s3_endpoint` and `s3_region` are for stores other than Amazon's.
    """

    roots: tuple[Annotated[Path, AfterValidator(_check_root)], ...] = ()
    hosts: tuple[Host, ...] = ()
    stores: tuple[StorePrefix, ...] = ()
    s3_endpoint: RootUrl | None = None
    s3_region: str | None = None


class StoreSettings(Section):
    """Where the plans and reports of sends in batches stand; all workers use the same place.

    A bucket is reached as `[media]` says by `s3_endpoint` and `s3_region`. Without a `uri`, such sends are refused.
    """

    uri: StoreUri | None = None


class TimingSettings(Section):
    """The clockwork of a send, read once when it starts."""

    window: Duration = timedelta(hours=23)
    repeat: Duration = timedelta(seconds=60)
    repeat_max: Duration = timedelta(minutes=30)
    pace: UpToAnHour = timedelta(seconds=1)
    ask: Duration = timedelta(seconds=10)
    http_timeout: UpToAnHour = timedelta(seconds=30)
    heartbeat: Duration = timedelta(seconds=30)
    push_grace: Duration = timedelta(minutes=10)
    confirmation: Duration = timedelta(minutes=35)

    @property
    def lateness(self) -> timedelta:
        """How much later than on a worker's clock a call may reach WeChat."""
        return 2 * self.http_timeout + _LATE

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.window + self.lateness > CLIENTMSGID_LIFETIME:
            raise ValueError(
                "window, twice http_timeout and a minute must be at most 24 hours together: WeChat forgets a "
                "clientmsgid then, and would send again"
            )
        if self.repeat > self.repeat_max:
            raise ValueError("repeat must not be longer than repeat_max")
        return self


class DisplaySettings(Section):
    """How commands and workers' pages speak to people; without a `language`, as the environment of each says.

    `articles` is where `qunfa article serve` is reached: pages of approvals link there.
    """

    language: Language | None = None
    articles: RootUrl | None = None


class Settings(Section):
    """Everything that can be configured; `accounts` by the name callers use."""

    task_queue: TaskQueue = TASK_QUEUE
    wechat: WeChatSettings = WeChatSettings()
    receiver: ReceiverSettings = ReceiverSettings()
    metrics: MetricsSettings = MetricsSettings()
    worker: WorkerSettings = WorkerSettings()
    media: MediaSettings = MediaSettings()
    store: StoreSettings = StoreSettings()
    timing: TimingSettings = TimingSettings()
    display: DisplaySettings = DisplaySettings()
    accounts: Accounts = Field(default_factory=dict)

    @field_validator("timing")
    @classmethod
    def _check_against_wechat(cls, timing: TimingSettings, info: ValidationInfo) -> TimingSettings:
        """A simulator may be quicker."""
        wechat = info.data.get("wechat")
        if wechat is None or not wechat.is_real:
            return timing
        if timing.confirmation < CONFIRMATION_MIN + timing.lateness:
            raise ValueError(
                "confirmation must be at least 30 minutes, twice http_timeout and a minute: so long WeChat lets the "
                "administrator confirm, and what was confirmed after that would be sent twice"
            )
        if timing.repeat < REPEAT_MIN:
            raise ValueError("repeat must be at least a minute: WeChat may not know sooner that it has accepted a job")
        if timing.pace < PACE_MIN:
            raise ValueError("pace must be at least a second: WeChat takes 60 requests a minute, and refuses more")
        return timing
