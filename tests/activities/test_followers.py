"""Followers whom WeChat lists for a plan: asked on where it broke off, and kept for nobody else."""

import asyncio
import resource
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from qunfa.audience.store import Store, StoreUnavailable
from qunfa.contract.batches import AUDIENCE_INVALID, STORE_UNAVAILABLE
from qunfa.contract.steps import AUDIENCE_REFUSED, SOURCE_UNAVAILABLE, WECHAT_UNAVAILABLE
from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Sources
from qunfa.media.spool import SourceUnavailable
from qunfa.simulator import Fault, Simulator, openid
from qunfa.wechat import OfficialAccount, OpenidPage, Token
from tests.activities.conftest import APPID, SECRET, ManualClock, failed, simulated
from tests.activities.shelf import Shelf
from tests.looking import until

EVERYBODY = {"kind": "several", "of": [{"kind": "all"}]}
FOLLOWED = {"appid": APPID, "secret": SECRET, "followers": 25_000, "tags": [{"id": 2, "name": "VIP", "count": 500}]}


@pytest.fixture
async def wechat() -> AsyncIterator[Simulator]:
    """With an account of three pages of followers."""
    async with Simulator(simulated(accounts={"demo": FOLLOWED})) as sim:
        yield sim


@pytest.fixture
def shelf(http: httpx.AsyncClient, tmp_path: Path, wechat: Simulator) -> Shelf:
    return Shelf(http, tmp_path, wechat.url)


def breaks_off(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """WeChat fails once for each page of followers but the first."""
    ask, failed_at = OfficialAccount.openids, set[str]()

    async def openids(self: OfficialAccount, token: Token, after: str = "") -> OpenidPage:
        if after and after not in failed_at:
            failed_at.add(after)
            sim.world.faults.add(Fault(endpoint="user/get", kind="http_502", accept=False))
        return await ask(self, token, after)

    monkeypatch.setattr(OfficialAccount, "openids", openids)


async def test_followers_are_asked_on_where_wechat_broke_off(
    wechat: Simulator, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each failure is Temporal's to repeat. The next attempt has what was read, and asks for no page again."""
    failures, details = 0, tuple[Any, ...]()
    breaks_off(wechat, monkeypatch)
    audience = {"kind": "several", "of": [{"kind": "tags", "any": [2]}, {"kind": "all"}]}
    while True:
        beats: list[tuple[Any, ...]] = []
        planning = shelf.plan(audience, beats=beats, heartbeat_details=details)
        if failures == 3:
            plan = await planning
            break
        await failed(planning, WECHAT_UNAVAILABLE)
        failures, details = failures + 1, beats[-1]
        assert openid(APPID, 0)[:8] not in str(details)
        assert len(shelf.stored) == 2
    calls = Counter(call.path.rpartition("/cgi-bin/")[2] for call in wechat.world.calls)
    assert (plan.openids, plan.duplicates) == (25_000, 500)
    assert (calls["user/get"], calls["user/tag/get"]) == (4 + failures, 2)
    assert len(shelf.stored) == 2
    assert not [name for name in shelf.stored if "followers" in name]


async def test_what_was_listed_outlasts_a_worker_that_is_lost(
    wechat: Simulator, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt after that goes on where the one before had stopped."""
    beats = list[tuple[Any, ...]]()
    breaks_off(wechat, monkeypatch)
    await failed(shelf.plan(EVERYBODY, beats=beats), WECHAT_UNAVAILABLE)
    kept = beats.pop()

    async def heartbeat() -> bool:
        return bool(beats)

    async def lost(self: OfficialAccount, token: Token, after: str = "") -> OpenidPage:
        await until(heartbeat)
        raise asyncio.CancelledError

    monkeypatch.setattr(OfficialAccount, "openids", lost)
    often = timedelta(seconds=0.1)
    with pytest.raises(asyncio.CancelledError):
        await shelf.plan(EVERYBODY, beats=beats, heartbeat_details=kept, heartbeat_timeout=often)
    monkeypatch.undo()
    plan = await shelf.plan(EVERYBODY, heartbeat_details=beats[-1])
    assert (plan.openids, asked(wechat), len(shelf.stored)) == (25_000, 4 + 1, 2)


class Silent(Store):
    """A store that is silent until a heartbeat has come, and then fails."""

    def __init__(self, uri: str, policy: SourcePolicy, beats: list[tuple[Any, ...]]) -> None:
        super().__init__(uri, policy)
        self.beats = beats

    async def get(self, path: str) -> bytes | None:
        async def heartbeat() -> bool:
            return bool(self.beats)

        await until(heartbeat)
        raise StoreUnavailable(f"{path}: nobody answers")


async def test_what_was_listed_outlasts_a_silent_store(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """A heartbeat without it would have the next attempt begin with the first follower."""
    shelf, beats, kept = Shelf(http, tmp_path), list[tuple[Any, ...]](), ("all",)
    store = Silent((tmp_path / "store").as_uri(), shelf.policy, beats)
    planning = shelf.plan(
        EVERYBODY,
        by=shelf.with_store(store),
        beats=beats,
        heartbeat_details=kept,
        heartbeat_timeout=timedelta(seconds=0.1),
    )
    await failed(planning, STORE_UNAVAILABLE)
    assert set(beats) == {kept}


async def test_half_a_page_of_followers_is_not_kept(wechat: Simulator, shelf: Shelf) -> None:
    """The worker's disk is full in the midst of an openid. Behind that, the next one would be a false one."""
    beats, before = list[tuple[Any, ...]](), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400 << 10, before[1]))
    try:
        await failed(shelf.plan(EVERYBODY, beats=beats), SOURCE_UNAVAILABLE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    await shelf.plan(EVERYBODY, heartbeat_details=beats[-1])
    assert asked(wechat) == 5
    assert await shelf.people("spring") == {openid(APPID, number) for number in range(25_000)}


def asked(wechat: Simulator) -> int:
    """How often followers were asked for."""
    return len([call for call in wechat.world.calls if call.path.endswith("user/get")])


class Full(Store):
    """A store without room for one plan."""

    has_room = False

    async def create(self, path: str, content: bytes) -> bool:
        if not self.has_room:
            self.has_room = True
            raise StoreUnavailable("no room")
        return await super().create(path, content)


async def test_what_was_listed_outlasts_a_plan_without_room(wechat: Simulator, shelf: Shelf, tmp_path: Path) -> None:
    """A day of WeChat's calls may stand in it: it is removed once the plan stands."""
    beats = list[tuple[Any, ...]]()
    store = Full((tmp_path / "store").as_uri(), shelf.policy)
    await failed(shelf.plan(EVERYBODY, by=shelf.with_store(store), beats=beats), STORE_UNAVAILABLE)
    before = asked(wechat)
    plan = await shelf.plan(EVERYBODY, by=shelf.with_store(store), heartbeat_details=beats[-1])
    assert (plan.openids, asked(wechat)) == (25_000, before)
    assert [name for name in shelf.stored if "followers" in name] == []
    assert len(shelf.stored) == 2


@pytest.mark.parametrize("bytes_left", [0, 5, 100_000], ids=["nothing", "half a title", "half of it"])
async def test_a_kept_list_that_was_shortened_is_begun_anew(wechat: Simulator, shelf: Shelf, bytes_left: int) -> None:
    """Those who are missing are to be left out, and would get the message."""
    beats, everybody = list[tuple[Any, ...]](), shelf.put("all", tuple(openid(APPID, number) for number in range(600)))
    audience = {"kind": "several", "of": [shelf.put("one", ("a", "b")), everybody], "minus": [{"kind": "all"}]}
    store = Full((shelf.path / "store").as_uri(), shelf.policy)
    await failed(shelf.plan(audience, by=shelf.with_store(store), beats=beats), STORE_UNAVAILABLE)
    [kept] = (shelf.path / "store").rglob("followers-all.list")
    kept.write_bytes(kept.read_bytes()[:bytes_left])
    before = asked(wechat)
    plan = await shelf.plan(audience, by=shelf.with_store(store), heartbeat_details=beats[-1])
    assert (plan.openids, asked(wechat)) == (2, 2 * before)


async def test_what_was_listed_outlasts_a_file_out_of_reach(
    wechat: Simulator, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file comes after the followers, and is read again by the next attempt. One that is wrong leaves no list."""

    def silent(_sources: Sources, uri: str, **_how: Any) -> NoReturn:
        raise SourceUnavailable(uri, "nobody answers.")

    beats = list[tuple[Any, ...]]()
    audience = {"kind": "several", "of": [{"kind": "all"}], "minus": [shelf.put("some", b"bad line\n")]}
    monkeypatch.setattr(Sources, "fetch", silent)
    await failed(shelf.plan(audience, beats=beats), SOURCE_UNAVAILABLE)
    monkeypatch.undo()
    before = asked(wechat)
    assert len(shelf.stored) == 1
    await failed(shelf.plan(audience, heartbeat_details=beats[-1]), AUDIENCE_INVALID, "Line 1", lasting=True)
    assert (asked(wechat), shelf.stored) == (before, [])


async def test_who_only_looks_leaves_no_followers_behind(
    wechat: Simulator, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever WeChat breaks off: nobody would ever remove them."""
    breaks_off(wechat, monkeypatch)
    await failed(shelf.plan(EVERYBODY, keep=False), WECHAT_UNAVAILABLE)
    assert shelf.stored == []


async def test_a_list_longer_than_a_day_of_calls_goes_on_at_midnight(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """WeChat lists five million followers a day. If a person were asked, a retry would begin with the first again."""
    account = {"appid": APPID, "secret": SECRET, "followers": 25_000, "limits": {"calls_per_day": {"user/get": 2}}}
    beats: list[tuple[Any, ...]] = []
    async with Simulator(simulated(accounts={"demo": account})) as wechat:
        shelf = Shelf(http, tmp_path, wechat.url, ManualClock())
        used_up = await failed(shelf.plan(EVERYBODY, beats=beats), WECHAT_UNAVAILABLE)
        assert used_up.next_retry_delay == timedelta(hours=4, minutes=1)
        assert used_up.message.startswith(
            "WeChat lists no more followers today. The plan goes on at 2026-12-02 00:01:00"
        )
        await failed(shelf.plan(EVERYBODY, keep=False), AUDIENCE_REFUSED, lasting=True)
        wechat.world.clock.advance(timedelta(days=1).total_seconds())
        plan = await shelf.plan(EVERYBODY, heartbeat_details=beats[-1])
    assert (plan.openids, len(await shelf.people("spring"))) == (25_000, 25_000)


async def test_tags_are_read_page_by_page_and_combined(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """Of more followers than one page has; those of another tag are taken away, and so is a list."""
    account = {
        "appid": APPID,
        "secret": SECRET,
        "followers": 25_000,
        "tags": [{"id": 2, "name": "VIP", "count": 21_000}, {"id": 3, "name": "New", "count": 500}],
    }
    async with Simulator(simulated(accounts={"demo": account})) as wechat:
        shelf = Shelf(http, tmp_path, wechat.url)
        everybody = await shelf.plan(EVERYBODY, key="all")
        tagged = await shelf.plan({"kind": "tags", "any": [2, 3]}, key="any")
        both = await shelf.plan({"kind": "tags", "all": [2], "none": [3]}, key="less")
        some = {"kind": "openids", "openids": [openid(APPID, number) for number in (1, 2, 3)]}
        less = await shelf.plan({"kind": "several", "of": [{"kind": "all"}], "minus": [some]}, key="minus")
        unknown = await failed(shelf.plan({"kind": "tags", "any": [99]}, key="none"), AUDIENCE_REFUSED, lasting=True)
    vip, new = await shelf.people("any"), await shelf.people("less")
    assert (everybody.openids, less.openids, everybody.batches) == (25_000, 24_997, 3)
    assert (tagged.openids, both.openids) == (len(vip), len(new))
    assert new < vip < await shelf.people("all")
    assert "45159" in unknown.message
