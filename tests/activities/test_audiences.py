"""Plans of audiences: made once for a key, and found again batch by batch."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.exceptions import ApplicationError

from activities.accounts import Accounts
from activities.audiences import Audiences
from qunfa.audience import PlanLostError, Store, StoreUnavailable
from qunfa.contract.batches import (
    AUDIENCE_INVALID,
    PLAN_REUSED,
    AudiencePlan,
    PlanStep,
)
from qunfa.contract.steps import AUDIENCE_REFUSED, WECHAT_UNAVAILABLE
from qunfa.media import SourcePolicy, Sources
from qunfa.simulator import Fault, Simulator, openid
from qunfa.wechat import OfficialAccount, OpenidPage, Token
from tests.activities.conftest import APPID, SECRET, ManualClock, attempt, failed, settings_for, simulated
from tests.activities.shelf import MANY, PINNED, WECHAT, Shelf, batch_of
from tests.batches.driving import row
from tests.looking import PATIENCE, until


@pytest.fixture
def shelf(http: httpx.AsyncClient, tmp_path: Path) -> Shelf:
    return Shelf(http, tmp_path)


def again(plan: AudiencePlan) -> AudiencePlan:
    """As a later run gets it."""
    return plan.model_copy(update={"is_from_before": True})


async def test_batches_of_a_file_hold_each_openid_once(shelf: Shelf) -> None:
    """However often and in whatever order they stand there."""
    plan = await shelf.plan(shelf.put("all", (*reversed(MANY), *MANY[:10])))
    assert (plan.openids, plan.batches, plan.duplicates) == (25_000, 3, 10)
    batches = await shelf.batches(plan)
    assert [openid for batch in batches for openid in batch] == list(MANY)
    assert {len(batch) for batch in batches} == {8333, 8334}


async def test_a_key_keeps_its_first_plan_when_the_file_changes(shelf: Shelf) -> None:
    """A repeated attempt finds the plan, not the file. Only that of an earlier run is from before."""
    audience = shelf.put("all", ("a", "b"))
    first = await shelf.plan(audience)
    shelf.put("all", ("c", "d", "e"))
    assert await shelf.plan(audience) == again(first)
    assert await shelf.plan(audience, scheduled_at=first.taken_at) == first
    assert await shelf.batches(first) == [("a", "b")]


async def test_a_plan_tells_whether_its_send_was_sent_in_part(shelf: Shelf) -> None:
    """Once it has ended, and some of its batches were sent; an end before that leaves no mark."""
    audience = shelf.put("all", MANY)
    await shelf.report(await shelf.plan(audience, "other"), row(1, "sent"), key="other")
    assert (await shelf.plan(audience, "other")).is_sent_in_part
    first = await shelf.plan(audience)
    await shelf.report(first, row(1, "failed"))
    assert not (await shelf.plan(audience)).is_sent_in_part
    await shelf.report(first, row(1, "failed"), row(2, "sent"))
    assert (await shelf.plan(audience)).is_sent_in_part


async def test_a_plan_asks_temporal_what_the_store_missed(shelf: Shelf) -> None:
    """The store was silent when the send ended, so it has no word of what was sent. Who only looks hears it, too."""
    audience = shelf.put("all", ("a", "b"))
    await shelf.plan(audience)
    assert not (await shelf.plan(audience)).is_sent_in_part
    shelf.completed.add("mass-send:demo:spring")
    assert (await shelf.plan(audience)).is_sent_in_part
    assert (await shelf.plan(audience, keep=False)).is_sent_in_part


async def test_who_only_looks_sees_the_plan_that_stands(shelf: Shelf) -> None:
    """The file was corrected since; what is sent is what was planned, and another audience needs another key."""
    audience = shelf.put("list", ("good", "wrong"))
    first = await shelf.plan(audience)
    shelf.put("list", ("good",))
    assert await shelf.plan(audience, content="", keep=False) == again(first)
    await failed(shelf.plan(shelf.put("other", ("good",)), content="", keep=False), PLAN_REUSED, lasting=True)
    await shelf.report(first, row(1, "sent"))
    assert (await shelf.plan(audience, content="", keep=False)).is_sent_in_part


async def test_a_report_is_withdrawn_while_its_send_goes_on(shelf: Shelf) -> None:
    """Whoever went on by it would reach the same people; what it has told of a batch is kept for the next one."""
    audience = shelf.put("all", MANY)
    plan = await shelf.plan(audience)
    await shelf.report(plan, row(1, "unknown"))
    await shelf.plan(audience, keep=False)
    assert any("report" in name for name in shelf.stored)
    assert await shelf.plan(audience) == again(plan)
    assert not any("report" in name for name in shelf.stored)
    lines = await shelf.report(plan)
    assert [line[3] for line in lines[1:]].count("unknown") == plan.size(1)


async def test_a_plan_that_others_have_forgotten_is_not_sent(shelf: Shelf) -> None:
    """Temporal and the ledger keep what was sent of it for 35 days; one that has ended says so for ever."""
    audience = shelf.put("all", ("a", "b"))
    plan = await shelf.plan(audience)
    shelf.clock = ManualClock(time=plan.taken_at + timedelta(days=36))
    await failed(shelf.plan(audience), AUDIENCE_INVALID, "older than 35 days", lasting=True)
    await shelf.report(plan, row(1, "sent"))
    assert (await shelf.plan(audience)).is_sent_in_part


async def test_a_key_with_another_audience_or_message_is_refused(shelf: Shelf) -> None:
    """The plan that stands there is not changed."""
    one, other = shelf.put("one", ("a", "b")), shelf.put("other", ("c", "d"))
    await shelf.plan(one)
    await failed(shelf.plan(other), PLAN_REUSED, "another key", lasting=True)
    await failed(shelf.plan(one, content="d" * 64), PLAN_REUSED, "another key", lasting=True)


async def test_who_only_looks_leaves_nothing_in_the_store(shelf: Shelf) -> None:
    """The plan that is kept later is the same."""
    audience = shelf.put("all", ("a", "b"))
    looked = await shelf.plan(audience, keep=False)
    assert shelf.stored == []
    assert (await shelf.plan(audience)).digest == looked.digest


async def test_two_workers_at_once_get_the_same_plan(shelf: Shelf) -> None:
    """The file changes between them: one of both plans stands, and its batches with it."""
    audience = shelf.put("all", ("a", "b"))
    first = asyncio.create_task(shelf.plan(audience))
    second = asyncio.create_task(shelf.plan(audience))
    shelf.put("all", ("c", "d"))
    plans = await asyncio.gather(first, second)
    assert plans[0] == plans[1]
    assert await shelf.batches(plans[0]) in ([("a", "b")], [("c", "d")])
    assert len(shelf.stored) == 2


class Late(Store):
    """A store of a worker that is held up before it writes a plan."""

    def __init__(self, uri: str, policy: SourcePolicy) -> None:
        super().__init__(uri, policy)
        self.has_come, self.goes_on = asyncio.Event(), asyncio.Event()

    async def create(self, path: str, content: bytes) -> bool:
        self.has_come.set()
        await self.goes_on.wait()
        return await super().create(path, content)


async def test_an_attempt_that_comes_too_late_takes_the_other_plan(shelf: Shelf) -> None:
    """It had timed out and went on. Its own snapshot is taken away, the plan of the other one stays as it is."""
    store = Late((shelf.path / "store").as_uri(), shelf.policy)
    late = asyncio.create_task(shelf.plan(shelf.put("all", ("a", "b")), by=shelf.with_store(store)))
    await asyncio.wait_for(store.has_come.wait(), PATIENCE)
    audience = shelf.put("all", ("c", "d"))
    plan = await shelf.plan(audience)
    assert len(shelf.stored) == 3
    [written] = (shelf.path / "store").rglob("plan.json")
    before = written.read_bytes()
    store.goes_on.set()
    assert await late == plan
    assert (written.read_bytes(), len(shelf.stored)) == (before, 2)
    assert await shelf.batches(plan) == [("c", "d")]
    store.goes_on.clear()
    other = asyncio.create_task(shelf.plan(shelf.put("all", ("e", "f")), "other", by=shelf.with_store(store)))
    await shelf.plan(shelf.put("else", ("g", "h")), "other")
    store.goes_on.set()
    await failed(other, PLAN_REUSED, "another key", lasting=True)


@pytest.mark.parametrize("key", [".", ".."])
async def test_any_key_has_a_folder_of_its_own(shelf: Shelf, key: str) -> None:
    """Keys that are no names of folders do not lead out of the store."""
    plan = await shelf.plan(shelf.put("all", ("a", "b")), key=key)
    assert await shelf.batches(plan, key) == [("a", "b")]
    assert all(name.count("/") == 3 and name.startswith("audiences/demo/") for name in shelf.stored)


async def test_a_changed_or_missing_snapshot_sends_nothing(shelf: Shelf) -> None:
    """Neither does another plan, or one that is gone."""
    plan = await shelf.plan(shelf.put("all", MANY))
    [snapshot] = (shelf.path / "store").rglob("openids-*.txt")
    content = snapshot.read_bytes()
    for bad in (content.replace(b"oMany000000", b"oMany999999"), content[:100], b""):
        snapshot.write_bytes(bad)
        with pytest.raises((PlanLostError, StoreUnavailable)):
            await shelf.batches(plan)
    snapshot.unlink()
    with pytest.raises(PlanLostError, match="missing"):
        await shelf.batches(plan)
    with pytest.raises(PlanLostError, match="another plan"):
        await shelf.audiences.openids_of("demo", batch_of(plan, 1, plan="0" * 64))
    with pytest.raises(PlanLostError, match="missing"):
        await shelf.audiences.openids_of("other", batch_of(plan, 1))


async def test_a_forged_plan_file_is_another_plan(shelf: Shelf) -> None:
    """Its digest is reckoned anew: who moves a batch in it sends nothing."""
    plan = await shelf.plan(shelf.put("all", MANY))
    [path] = (shelf.path / "store").rglob("plan.json")
    told = json.loads(path.read_text())
    told["batches"][0], told["batches"][1] = told["batches"][1], told["batches"][0]
    path.write_text(json.dumps(told))
    with pytest.raises(PlanLostError, match="another plan"):
        await shelf.batches(plan)


async def unasked(_workflow_id: str, _run_id: str) -> bool:
    raise AssertionError("without a store nobody asks for earlier runs")


async def test_without_a_store_it_is_said_what_to_set(shelf: Shelf) -> None:
    """Nobody can guess it."""
    policy = SourcePolicy(roots=(shelf.path,))
    bare = Audiences(Accounts(settings_for(WECHAT), shelf.http), Sources(policy), None, unasked)
    audience = shelf.put("all", ("a", "b"))
    step = PlanStep.model_validate({"account": PINNED, "key": "k", "audience": audience, "content": ""})
    await failed(attempt(bare.plan_audience, step), AUDIENCE_INVALID, r"\[store\]", lasting=True)


Spoil = Callable[[Shelf], dict[str, Any]]


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda shelf: shelf.put("a", b"a\n\nb\n"), "Line 2 is empty"),
        (lambda shelf: shelf.put("a", ("a", "b")) | {"sha256": "0" * 64}, "another one than"),
        (
            lambda shelf: {"kind": "several", "of": [shelf.put("a", MANY)], "minus": [shelf.put("b", MANY)]},
            "nobody",
        ),
        (
            lambda shelf: {"kind": "several", "of": [shelf.put("a", MANY)], "minus": [shelf.put("b", b"a b\n")]},
            "Line 1",
        ),
        (lambda shelf: {"kind": "openid_file", "uri": "file:///nowhere/list"}, "not below a folder"),
    ],
)
async def test_an_audience_that_cannot_be_used_says_why(shelf: Shelf, spoilt: Spoil, said: str) -> None:
    """By the list at fault and its line; nothing is stored."""
    error = await failed(shelf.plan(spoilt(shelf)), AUDIENCE_INVALID, said, lasting=True)
    [problems] = error.details
    assert problems
    assert shelf.stored == []


async def test_a_cancelled_plan_leaves_none(shelf: Shelf) -> None:
    """The next attempt makes it whole."""
    audience = shelf.put("all", MANY)
    planning = asyncio.create_task(shelf.plan(audience))
    await asyncio.sleep(0)
    planning.cancel()
    with pytest.raises((asyncio.CancelledError, ApplicationError)):
        await planning
    assert shelf.stored == []
    assert await shelf.batches(await shelf.plan(audience))


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
    http: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each failure is Temporal's to repeat. The next attempt has what was read, and asks for no page again."""
    account = {"appid": APPID, "secret": SECRET, "followers": 25_000, "tags": [{"id": 2, "name": "VIP", "count": 500}]}
    async with Simulator(simulated(accounts={"demo": account})) as wechat:
        shelf, failures, details = Shelf(http, tmp_path, wechat.url), 0, tuple[Any, ...]()
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
    http: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt after that goes on where the one before had stopped."""
    account = {"appid": APPID, "secret": SECRET, "followers": 25_000}
    audience = {"kind": "several", "of": [{"kind": "all"}]}
    async with Simulator(simulated(accounts={"demo": account})) as wechat:
        shelf, beats = Shelf(http, tmp_path, wechat.url), list[tuple[Any, ...]]()
        breaks_off(wechat, monkeypatch)
        await failed(shelf.plan(audience, beats=beats), WECHAT_UNAVAILABLE)
        kept = beats.pop()

        async def heartbeat() -> bool:
            return bool(beats)

        async def lost(self: OfficialAccount, token: Token, after: str = "") -> OpenidPage:
            await until(heartbeat)
            raise asyncio.CancelledError

        monkeypatch.setattr(OfficialAccount, "openids", lost)
        often = timedelta(seconds=0.1)
        with pytest.raises(asyncio.CancelledError):
            await shelf.plan(audience, beats=beats, heartbeat_details=kept, heartbeat_timeout=often)
        monkeypatch.undo()
        plan = await shelf.plan(audience, heartbeat_details=beats[-1])
        asked = len([call for call in wechat.world.calls if call.path.endswith("user/get")])
    assert (plan.openids, asked, len(shelf.stored)) == (25_000, 4 + 1, 2)


async def test_a_list_longer_than_a_day_of_calls_goes_on_at_midnight(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """WeChat lists five million followers a day. If a person were asked, a retry would begin with the first again."""
    account = {"appid": APPID, "secret": SECRET, "followers": 25_000, "limits": {"calls_per_day": {"user/get": 2}}}
    audience = {"kind": "several", "of": [{"kind": "all"}]}
    beats: list[tuple[Any, ...]] = []
    async with Simulator(simulated(accounts={"demo": account})) as wechat:
        shelf = Shelf(http, tmp_path, wechat.url, ManualClock())
        used_up = await failed(shelf.plan(audience, beats=beats), WECHAT_UNAVAILABLE)
        assert used_up.next_retry_delay == timedelta(hours=4, minutes=1)
        assert used_up.message.startswith(
            "WeChat lists no more followers today. The plan goes on at 2026-12-02 00:01:00"
        )
        await failed(shelf.plan(audience, keep=False), AUDIENCE_REFUSED, lasting=True)
        wechat.world.clock.advance(timedelta(days=1).total_seconds())
        plan = await shelf.plan(audience, heartbeat_details=beats[-1])
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
        everybody = await shelf.plan({"kind": "several", "of": [{"kind": "all"}]}, key="all")
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
