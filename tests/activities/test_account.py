"""Which account a send works with: its facts, that it is still the same, and whether a worker can work with it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities import all_activities
from activities.accounts import Accounts, Configuration
from activities.checks import Checks
from activities.ledger import Ledger
from activities.pinned import PinnedBefore
from qunfa.contract import checks, limits, notice, prospect, recall, steps
from qunfa.contract.message import Article, Source
from qunfa.contract.steps import ACCOUNT_CHANGED, UNKNOWN_ACCOUNT, AccountFacts, Pinned, ResolveStep, Run
from qunfa.settings import Settings
from qunfa.simulator import Simulator
from tests.activities.conftest import (
    APPID,
    NOON,
    SECRET,
    Desk,
    ManualClock,
    attempt,
    desk_at,
    failed,
    settings_for,
    simulated,
)

URL = "https://wechat.example"
STARTED = Pinned(name="demo", appid="wxStarted", base_url=URL)
ARTICLE = Article.model_validate({"title": "t", "content": "x", "thumb": {"media_id": "T"}})
SOURCE = Source(place="message.media", uri="file:/a.mp3", use="voice", sha256="0" * 64, size=1)
ASKING: dict[str, Any] = {
    steps.CHECK_AUDIENCE: steps.AudienceStep(account=STARTED, tag_id=2),
    steps.INSPECT: steps.InspectStep.model_validate(
        {"account": STARTED, "message": {"msgtype": "voice", "media": {"uri": "file:/a.mp3"}}}
    ),
    steps.UPLOAD: steps.UploadStep(account=STARTED, source=SOURCE),
    steps.MAKE_DRAFT: steps.DraftStep(account=STARTED, articles=(ARTICLE,), covers=("T",)),
    steps.CHECK_DRAFT: steps.CheckDraftStep(account=STARTED, media_id="D", pictures=((),)),
    steps.CONVERT_VIDEO: steps.ConvertStep(account=STARTED, media_id="V", title="t"),
    steps.PREVIEW: steps.PreviewStep.model_validate(
        {"account": STARTED, "to": {"openid": "o1"}, "message": {"msgtype": "text", "content": "你好"}}
    ),
    steps.JOB_STATUS: steps.JobStatusStep(account=STARTED, msg_id=1),
    checks.CALLBACK_CHECK: steps.AccountStep(account=STARTED),
    checks.CHECK_TOKEN: steps.AccountStep(account=STARTED),
    checks.READ_CLOCKS: steps.AccountStep(account=STARTED),
    checks.CHECK_STORE: steps.AccountStep(account=STARTED),
    recall.LOOK_AT_JOB: recall.LookStep(account=STARTED, msg_id=7),
    recall.DELETE_JOB: recall.DeleteStep(account=STARTED, msg_id=7),
    limits.GET_SPEED: steps.AccountStep(account=STARTED),
    limits.SET_SPEED: limits.SetSpeedStep(account=STARTED, speed=1),
    limits.CALLS_LEFT: limits.CallsLeftStep(account=STARTED, cgi_path="/cgi-bin/draft/add"),
    prospect.COUNT_FOLLOWERS: steps.AccountStep(account=STARTED),
    checks.READ_PICTURES: checks.ReadPicturesStep(account=STARTED, uris=("file:/a.png",)),
}
"""What asks WeChat, or looks at what is meant for it."""
OTHERS = {
    "answer_batch",
    "follow_batch",
    "look_back",
    "plan_audience",
    "write_report",
    *(steps.RESOLVE_ACCOUNT, steps.WISH, steps.LOOK_UP, steps.TELL, steps.TAKE_PREVIEW, steps.SUBMIT),
    *(
        steps.AWAIT_VERDICT,
        recall.FIND_JOB,
        recall.SENT_FROM,
        limits.SENDS_COUNTED,
        notice.DELIVER_NOTICE,
        prospect.LOOK_AHEAD,
    ),
}


def registered(url: str, temporal: Client, http: httpx.AsyncClient) -> dict[str, Any]:
    """The activities of a worker by their names, each of which stands there once."""
    found = all_activities(settings_for(url), temporal, http, "registry")
    names = [activity._Definition.must_from_callable(one).name or "" for one in found]  # noqa: SLF001  no public way to the name
    assert len(set(names)) == len(names)
    return dict(zip(names, found, strict=True))


async def test_a_worker_has_every_activity_that_workflows_ask_for(temporal: Client, http: httpx.AsyncClient) -> None:
    """Each name of the contract is registered once, and a worker takes them all."""
    found = registered(URL, temporal, http)
    assert found.keys() == ASKING.keys() | OTHERS
    Worker(
        temporal, task_queue="registry", activities=[*found.values()], graceful_shutdown_timeout=timedelta(seconds=1)
    )


async def test_a_worker_has_one_turn_at_each_account(
    temporal: Client, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists ask it as well as sends: with two books a worker would make two updates at a time."""
    books = Mock(wraps=Ledger)
    monkeypatch.setattr("activities.Ledger", books)
    registered(URL, temporal, http)
    assert books.call_count == 1


@pytest.mark.parametrize("name", ASKING)
async def test_nobody_asks_for_another_account_than_was_pinned(
    sim: Simulator, temporal: Client, http: httpx.AsyncClient, name: str
) -> None:
    """Its configuration has changed since the send began: the activity fails for good, and no call is made."""
    await failed(attempt(registered(sim.url, temporal, http)[name], ASKING[name]), ACCOUNT_CHANGED, lasting=True)
    assert not list(sim.world.calls)


@pytest.mark.parametrize(
    ("account", "found"),
    [
        ({"name": "gone"}, "no longer has an account"),
        ({"appid": "wxOther"}, f"now has the appid {APPID}"),
        ({"base_url": "https://other.example"}, f"now has WeChat at {URL}"),
    ],
    ids=["name", "appid", "base_url"],
)
def test_a_changed_account_is_refused(http: httpx.AsyncClient, account: dict[str, str], found: str) -> None:
    """A change of the configuration never redirects a send: the failure is final and says what has changed."""
    same = Pinned(name="demo", appid=APPID, base_url=URL)
    accounts = Accounts(settings_for(URL), http)
    accounts.pinned(same)
    with pytest.raises(ApplicationError, match=found) as failure:
        accounts.pinned(same.model_copy(update=account))
    assert (failure.value.type, failure.value.non_retryable) == (ACCOUNT_CHANGED, True)
    assert "new key" not in str(failure.value), "a try may be out: its problem says what else there is to do"


async def resolve(settings: Settings, temporal: Client) -> AccountFacts:
    return await attempt(Configuration(settings, PinnedBefore(temporal)).resolve_account, ResolveStep(account="demo"))


async def test_an_account_is_resolved_to_its_facts(temporal: Client) -> None:
    """Everything that a send pins comes from the configuration, and no secret with it."""
    settings = settings_for(URL, approval="all", quota="ask", send_hours=["08:00", "22:00"])
    facts = await resolve(
        settings.model_copy(update={"timing": settings.timing.model_copy(update={"pace": timedelta(7)})}), temporal
    )
    assert (facts.name, facts.appid, facts.base_url, facts.kind) == ("demo", APPID, URL, "service")
    assert (facts.approval, facts.quota, facts.send_hours) == ("all", "ask", ("08:00", "22:00"))
    assert (facts.timing.pace, facts.timing.window) == (timedelta(7), settings.timing.window)
    assert SECRET not in facts.model_dump_json()
    assert (await resolve(settings_for(URL), temporal)).send_hours is None


@pytest.mark.parametrize("appid", [APPID, "wxBefore"])
async def test_a_reset_keeps_the_rules_of_its_own_account(temporal: Client, appid: str) -> None:
    """Another account has the name now, which asks for no approval: what waited for one waits all the same."""

    class Before(PinnedBefore):
        async def of_life(self, first_run_id: str | None) -> AccountFacts | None:
            assert first_run_id == "first"
            return facts.model_copy(update={"appid": appid})

    facts = await resolve(settings_for(URL, approval="always", send_hours=["09:00", "10:00"]), temporal)
    now = settings_for(URL, approval="never")
    step = ResolveStep(account="demo", first_run_id="first")
    found = await attempt(Configuration(now, Before(temporal)).resolve_account, step)
    assert (found.appid, found.approval) == (appid, "never" if appid == APPID else "always")
    assert (found.send_hours is None) == (appid == APPID)


@pytest.mark.parametrize("now", [{}, {"approval": "never"}, {"name": "renamed"}, {"appid": "wxOther"}])
@pytest.mark.parametrize("had", [True, False])
async def test_a_batch_takes_the_settings_of_its_list(temporal: Client, now: dict[str, str], *, had: bool) -> None:
    """Whatever its account has become since, and also once it was reset. Temporal may have forgotten the list."""
    whole = Run(workflow_id="mass-send:demo:spring", run_id="list")
    of_list = await resolve(settings_for(URL, quota="ask", send_hours=["09:00", "10:00"]), temporal)
    before = of_list.model_copy(update={"quota": "wait"})

    class Before(PinnedBefore):
        async def of_life(self, _first_run_id: str | None) -> AccountFacts | None:
            return before

        async def of_run(self, run: Run, life: str | None = None) -> AccountFacts | None:
            assert (run, life) == (whole, None)
            return of_list if had else None

    raw = settings_for(URL).model_dump()
    raw["accounts"] = {now.get("name", "demo"): raw["accounts"]["demo"] | {k: v for k, v in now.items() if k != "name"}}
    configuration = Configuration(Settings.model_validate(raw), Before(temporal))
    step = ResolveStep(account="demo", first_run_id="first", whole=whole)
    found = await attempt(configuration.resolve_account, step)
    assert found == of_list if had else found.pinned == before.pinned


@pytest.mark.parametrize(("at", "pace"), [(URL, timedelta(1)), ("https://elsewhere.example", timedelta(7))])
async def test_a_batch_goes_at_the_pace_of_today(temporal: Client, at: str, pace: timedelta) -> None:
    """That of its list may be a mistake put right since. Where WeChat is elsewhere now, other times may be good."""
    settings = settings_for(at)
    paced = {days: settings.timing.model_copy(update={"pace": timedelta(days)}) for days in (1, 7)}
    of_list = await resolve(settings_for(URL, quota="ask").model_copy(update={"timing": paced[7]}), temporal)

    class Before(PinnedBefore):
        async def of_run(self, _run: Run, _life: str | None = None) -> AccountFacts | None:
            return of_list

    configuration = Configuration(settings.model_copy(update={"timing": paced[1]}), Before(temporal))
    step = ResolveStep(account="demo", whole=Run(workflow_id="mass-send:demo:spring", run_id="list"))
    found = await attempt(configuration.resolve_account, step)
    assert found == of_list.model_copy(update={"timing": of_list.timing.model_copy(update={"pace": pace})})


@pytest.mark.parametrize(
    ("accounts", "known"),
    [
        ({}, "none at all"),
        ({"shop": "wx2", "crm": "wx1"}, "crm, shop"),
        ({f"a{number}": f"wx{number}" for number in range(12)}, "a7 and 2 more"),
    ],
)
async def test_an_unknown_account_is_refused_with_the_names_that_are_known(
    temporal: Client, accounts: Any, known: str
) -> None:
    """The failure is final, and says what the name could have been. Of what was sent it cannot know."""
    configured = {name: {"appid": appid, "secret": SECRET, "kind": "service"} for name, appid in accounts.items()}
    await failed(
        resolve(Settings.model_validate({"accounts": configured}), temporal),
        UNKNOWN_ACCOUNT,
        rf"account demo: .*{known}\). Correct the name",
        lasting=True,
    )


async def token_of(desk: Desk, http: httpx.AsyncClient) -> checks.TokenSeen:
    return await attempt(Checks(desk.accounts, http).check_token, steps.AccountStep(account=desk.pinned))


async def clocks_of(desk: Desk, http: httpx.AsyncClient, now: datetime, started: datetime) -> checks.Clocks:
    """What is seen of the clocks where it is `now` here, and Temporal has started the activity at `started`."""
    check = Checks(desk.accounts, http, ManualClock(now))
    return await attempt(check.read_clocks, steps.AccountStep(account=desk.pinned), started_time=started)


@pytest.mark.parametrize(("source", "path", "calls"), [("stable", "stable_token", 2), ("classic", "token", 1)])
async def test_a_token_is_had_anew(sim: Simulator, http: httpx.AsyncClient, source: str, path: str, calls: int) -> None:
    """One call each time, unless another classic token would harm others. Nothing of it is a secret."""
    desk = desk_at(sim.url, http, token_source=source)
    for _ in range(2):
        assert await token_of(desk, http) == checks.TokenSeen(source=source)
    assert [call.path for call in sim.world.calls] == [f"/cgi-bin/{path}"] * calls


async def test_an_address_that_wechat_refuses(desk: Desk, sim: Simulator, http: httpx.AsyncClient) -> None:
    """With its code and text; a token in the cache does not hide it."""
    await token_of(desk, http)
    account = {"appid": APPID, "secret": SECRET, "ip_whitelist": ["203.0.113.7"]}
    await sim.reset(simulated(accounts={"demo": account}))
    seen = await token_of(desk, http)
    assert (seen.refused, seen.errcode) == ("ip_not_whitelisted", 40164)
    assert (seen.errmsg or "").startswith("invalid ip 127.0.0.1")


async def test_the_url_of_a_token_service_is_not_told(desk: Desk, http: httpx.AsyncClient) -> None:
    """It may hold a key."""
    seen = await token_of(desk_at(desk.base_url, http, token_source="http://127.0.0.1:1/demo?key=k1"), http)
    assert seen.source == "a token service"
    assert "k1" not in seen.model_dump_json()


async def test_the_clock_is_held_against_temporals_and_wechats(desk: Desk, http: httpx.AsyncClient) -> None:
    """One that is two days ahead is so against both."""
    ahead, now = timedelta(days=2), datetime.now(UTC)
    clocks = await clocks_of(desk, http, now + ahead, now)
    assert clocks.ahead_of_temporal == pytest.approx(ahead.total_seconds(), abs=5)
    assert clocks.ahead_of_wechat == pytest.approx(ahead.total_seconds(), abs=5)


async def test_a_wechat_that_is_not_there(http: httpx.AsyncClient) -> None:
    """Of the token there is a reason, but no code; and of the clocks, only Temporal's."""
    desk = desk_at("http://127.0.0.1:1", http)
    seen = await token_of(desk, http)
    assert (seen.refused, seen.errcode, "Connect" in (seen.detail or "")) == (None, None, True)
    clocks = await clocks_of(desk, http, NOON, NOON - timedelta(seconds=3))
    assert (clocks.ahead_of_temporal, clocks.ahead_of_wechat) == (3, None)
    assert clocks.detail == "WeChat could not be reached (ConnectError)"
