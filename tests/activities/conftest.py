"""A simulated WeChat, a real Temporal server, and what activities are given to work with."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import pytest
import pytest_asyncio
from temporalio.activity import Info
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.accounts import Accounts
from activities.attempts import passing
from activities.submission import Previews, Submission
from qunfa.audience.jobs import PlanFound, PlanJob
from qunfa.audience.snapshots import planned
from qunfa.contract.facts import Try
from qunfa.contract.grants import Lease, Report
from qunfa.contract.request import Previewed
from qunfa.contract.result import Answer
from qunfa.contract.steps import LEDGER_UNAVAILABLE, Pinned, PreviewStep, SubmitStep
from qunfa.settings import Settings
from qunfa.simulator import Simulator, SimulatorConfig, openid
from qunfa.temporal.payloads import data_converter
from qunfa.wechat import open_http
from tests.media.sources.site import response, says
from tests.notices.webhook import Receiver
from tests.temporal import in_namespace

if TYPE_CHECKING:
    from tests.activities.shelf import Shelf

APPID = "wx0123456789abcdef"
SECRET = "0123456789abcdefSECRETsecret0000"
BOSS = {"openid": openid(APPID, 7)}
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)

StepT = TypeVar("StepT")
ResultT = TypeVar("ResultT")


def simulated(**more: Any) -> SimulatorConfig:
    """The simulator with one account `demo`; a repeated clientmsgid is 45065 at once."""
    account = {
        "appid": APPID,
        "secret": SECRET,
        "followers": 100,
        "tags": [{"id": 2, "name": "VIP", "count": 50}],
        "limits": {"to_all_per_month": 1000},
    }
    config = {"timing": {"too_fast": 0, "delivery": 0}, "accounts": {"demo": account}, **more}
    return SimulatorConfig.model_validate(config)


def settings_for(url: str, **account: Any) -> Settings:
    demo = {"appid": APPID, "secret": SECRET, "kind": "service", **account}
    return Settings.model_validate({"wechat": {"base_url": url}, "accounts": {"demo": demo}})


def lease(**more: Any) -> Lease:
    """A lease from noon on, held by the run of Temporal's default activity environment."""
    fields = {
        "key": "spring",
        "generation": 0,
        "number": 1,
        "wish": "w1",
        "clientmsgid": "c0",
        "holder": ActivityEnvironment.default_info().workflow_run_id,
        "not_before": NOON,
        "valid_until": NOON + timedelta(seconds=30),
        "expires_at": NOON + timedelta(seconds=60),
        "pace": timedelta(seconds=1),
    }
    return Lease.model_validate({**fields, **more})


def activity_info(**more: Any) -> Info:
    return replace(ActivityEnvironment.default_info(), **{"started_time": datetime.now(UTC), **more})


async def attempt(activity: Callable[[StepT], Coroutine[Any, Any, ResultT]], step: StepT, **info: Any) -> ResultT:
    """One attempt of an activity; `info` is what it differs in from Temporal's default one."""
    environment = ActivityEnvironment()
    environment.info = activity_info(**info)
    return await environment.run(activity, step)


async def as_read(activity: Callable[[StepT], object], step: object) -> StepT:
    """The step as a worker gives it to the activity, once Temporal has brought it."""
    [parameter] = signature(activity, eval_str=True).parameters.values()
    [read] = await data_converter.decode(await data_converter.encode([step]), [parameter.annotation])
    wanted: StepT = read
    return wanted


async def failed(
    doing: Awaitable[object], kind: str, said: str | None = None, *, lasting: bool = False
) -> ApplicationError:
    """What an activity has failed with: it has this type, and is benign and retried unless it is `lasting`."""
    with pytest.raises(ApplicationError, match=said) as caught:
        await doing
    benign = caught.value.category == ApplicationErrorCategory.BENIGN
    assert (caught.value.type, caught.value.non_retryable, benign) == (kind, lasting, not lasting)
    return caught.value


@dataclass
class ManualClock:
    """A clock that only its sleepers move; with `early` it wakes them too early once."""

    time: datetime = NOON
    early: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.time

    async def sleep(self, span: timedelta) -> None:
        self.time += span - self.early
        self.early = timedelta(0)


@dataclass
class Notebook:
    """Keeps the reports for the ledger; `out_of_order` refuses them, `stuck` never takes them."""

    reports: list[tuple[str, Report]] = field(default_factory=list)
    out_of_order: bool = False
    stuck: bool = False

    async def tell(self, appid: str, report: Report) -> None:
        if self.out_of_order:
            raise passing(LEDGER_UNAVAILABLE, "the ledger is away")
        if self.stuck:
            await asyncio.Event().wait()
        self.reports.append((appid, report))

    @property
    def answer(self) -> Answer | None:
        """To the one try that the ledger was told of."""
        return self.tried.answer

    @property
    def tried(self) -> Try:
        [(_, report)] = self.reports
        [tried] = report.known.tries
        return tried


@dataclass
class Desk:
    """A submission and its surroundings."""

    base_url: str
    accounts: Accounts
    notebook: Notebook = field(default_factory=Notebook)
    openids: tuple[str, ...] | None = None
    """Of the request of the submitting run."""
    clock: ManualClock = field(default_factory=ManualClock)

    async def find_openids(self, _step: SubmitStep) -> tuple[str, ...] | None:
        return self.openids

    @property
    def submission(self) -> Submission:
        telling = timedelta(seconds=0.2)
        return Submission(self.accounts, self.notebook.tell, self.find_openids, self.clock, telling)

    def step(self, **more: Any) -> SubmitStep:
        """A try to send a text to everybody."""
        fields = {
            "account": self.pinned,
            "key": "spring",
            "digest": "d" * 64,
            "workflow_id": "mass-send:demo:spring",
            "lease": lease(),
            "audience": {"kind": "all"},
            "message": {"msgtype": "text", "content": "你好"},
            "write_before": NOON + timedelta(seconds=30),
        }
        return SubmitStep.model_validate({**fields, **more})

    async def submit(self, **more: Any) -> Answer:
        """A try that Temporal begins by the time of the clock."""
        doing = self.submission.submit
        return await attempt(doing, await as_read(doing, self.step(**more)), started_time=self.clock.time)

    async def preview(self, **more: Any) -> Previewed:
        step = {"account": self.pinned, "to": BOSS, "message": {"msgtype": "text", "content": "你好"}, **more}
        doing = Previews(self.accounts).preview
        return await attempt(doing, await as_read(doing, PreviewStep.model_validate(step)))

    @property
    def pinned(self) -> Pinned:
        return Pinned(name="demo", appid=APPID, base_url=self.base_url)


async def impatient(desk: Desk, http: httpx.AsyncClient) -> Desk:
    """It has its token, and waits no longer than a fifth of a second for the answer to a call."""
    await desk.accounts.token("demo")
    http.timeout = httpx.Timeout(5, read=0.2)
    return desk


def desk_at(url: str, http: httpx.AsyncClient, **account: Any) -> Desk:
    return Desk(url, Accounts(settings_for(url, **account), http))


TOKEN = "24_token-THAT-nobody-MAY-read"


class TokenServer(Receiver):
    """A WeChat that gives out one token, and answers every other call with HTTP status 500."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
async def token_server() -> AsyncIterator[TokenServer]:
    last = "Connection: close"
    server = TokenServer(rest=says(response(b"", last, status="500 Oops")))
    server.script = [says(response(json.dumps({"access_token": TOKEN, "expires_in": 7200}).encode(), last))]
    await server.start()
    yield server
    await server.stop()


async def planned_here(job: PlanJob) -> PlanFound:
    """What the planner does, without a process of its own, which would take ten times as long to start."""
    return await asyncio.to_thread(planned, job)


@pytest.fixture(autouse=True)
def planner() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("activities.audiences.plan", planned_here)
        yield


@pytest.fixture
def shelf(http: httpx.AsyncClient, tmp_path: Path) -> "Shelf":
    from tests.activities.shelf import Shelf  # noqa: PLC0415  it imports this module

    return Shelf(http, tmp_path)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with open_http(timedelta(seconds=5)) as client:
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_simulator() -> AsyncIterator[Simulator]:
    async with Simulator(simulated()) as sim:
        yield sim


@pytest.fixture
async def sim(one_simulator: Simulator) -> Simulator:
    await one_simulator.reset(simulated())
    return one_simulator


@pytest.fixture
def desk(sim: Simulator, http: httpx.AsyncClient) -> Desk:
    return desk_at(sim.url, http)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal(temporal_server: Client) -> Client:
    """A client of a real server, which can list workflows."""
    return await in_namespace(temporal_server, "activities")
