"""Plans of audiences: made once for a key, and found again batch by batch."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.accounts import Accounts
from activities.audiences import Audiences
from qunfa.account.people import caught_up, marked
from qunfa.account.state import AccountState
from qunfa.audience.plans import PLAN, PlanLostError, folder_of
from qunfa.audience.store import Store
from qunfa.contract.batches import (
    AUDIENCE_INVALID,
    PLAN_MISSING,
    PLAN_REUSED,
    AudiencePlan,
    BatchRow,
    PlanStep,
    doubted,
)
from qunfa.contract.message import Material, Source
from qunfa.contract.operators import Restore
from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Sources
from qunfa.rules.digest import content_digest
from tests.activities.conftest import ManualClock, attempt, failed, settings_for
from tests.activities.shelf import MANY, PINNED, WECHAT, Shelf, batch_of
from tests.batches.driving import row
from tests.looking import PATIENCE
from tests.media.sources.site import serve

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na\nb\n\r\n0\r\n\r\n"


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
    assert await shelf.plan(audience, scheduled_at=first.taken_at, attempt=2) == first
    assert await shelf.plan(audience, attempt=2) == again(first)
    assert await shelf.plan(audience, scheduled_at=first.taken_at) == again(first), "its clock may have been ahead"
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


def picture(name: str, signed: str) -> tuple[dict[str, Any], Material]:
    """A message whose URI is signed anew each time, and what stands there."""
    uri = f"https://cdn/{name}.jpg?signature={signed}"
    found = Source(place="message.images[0]", uri=uri, use="image", sha256=name * 64, size=10)
    return {"msgtype": "image", "images": [{"uri": uri}]}, Material(sources=(found,))


@pytest.mark.parametrize(("got", "winner"), [("a", "a"), ("b", "b"), ("c", None), (None, None)])
async def test_a_plan_tells_what_its_rest_got_before(shelf: Shelf, got: str | None, winner: str | None) -> None:
    """By its first batch. Nobody is asked again, since the key of that batch stands for one message.

    What stands at a URI counts, as it does for a key. Where neither message fits, a person is asked.
    """
    audience, split = shelf.put("all", MANY), {"a": 20, "b": 20}
    asked: dict[str, Any] = {"account": "demo", "key": "spring", "audience": audience}
    now = [picture(name, "new") for name in "ab"]
    digests = [content_digest(parse_request(asked | {"message": one}), found) for one, found in now]
    more: dict[str, Any] = {"split": split, "versions": digests}
    first = await shelf.plan(audience, **more)
    if got is not None:
        message, found = picture(got, "old")
        third = asked | {"key": "spring.3", "audience": batch_of(first, 3, material=found), "message": message}
        shelf.requests["mass-send:demo:spring.3"] = MassSendRequest.model_validate(third)
    assert (await shelf.plan(audience, **more)).winner == winner
    shelf.requests["mass-send:demo:spring.3"] = parse_request(asked | {"message": now[0][0]})
    assert (await shelf.plan(audience, **more)).winner is None


async def test_who_only_looks_sees_the_plan_that_stands(shelf: Shelf) -> None:
    """Before it stands, the same, and nothing is stored. The file was corrected since: another needs another key."""
    audience = shelf.put("list", ("good", "wrong"))
    looked = await shelf.plan(audience, keep=False)
    assert shelf.stored == []
    first = await shelf.plan(audience)
    assert first.digest == looked.digest
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


async def test_a_draft_goes_to_no_list_of_several_batches(shelf: Shelf) -> None:
    """Nothing of such a plan is kept, and nobody is sent to. A plan that stands is left as it is."""
    audience = shelf.put("all", MANY)
    for keep in (False, True):
        said = "a draft can be sent once, and there are 3 batches"
        await failed(shelf.plan(audience, is_sent_once=True, keep=keep), AUDIENCE_INVALID, said, lasting=True)
    assert shelf.stored == []
    first = await shelf.plan(audience)
    assert await shelf.plan(audience, is_sent_once=True) == again(first)
    assert (await shelf.plan(shelf.put("few", ("a", "b")), "few", is_sent_once=True)).batches == 1


async def test_a_plan_that_others_have_forgotten_is_not_sent(shelf: Shelf) -> None:
    """Temporal and the ledger keep what was sent of it for 35 days; one that has ended says so for ever."""
    audience = shelf.put("all", ("a", "b"))
    plan = await shelf.plan(audience)
    shelf.clock = ManualClock(time=plan.taken_at + timedelta(days=36))
    await failed(shelf.plan(audience), AUDIENCE_INVALID, "older than 35 days", lasting=True)
    await shelf.report(plan, row(1, "sent"))
    assert (await shelf.plan(audience)).is_sent_in_part


async def test_a_restored_list_whose_plan_is_lost_asks(shelf: Shelf) -> None:
    """Who follows by now makes other batches. So a person is asked."""
    began_at = datetime(2026, 12, 1, 4, tzinfo=UTC)
    restored = Restore(by="li", reason="disk lost", taken=began_at)
    shelf.ledger = marked(AccountState(appid="wx", since=began_at), restored, began_at + timedelta(hours=1))
    audience = shelf.put("all", ("a", "b"))
    await failed(shelf.plan(audience), PLAN_MISSING, "plan.json is missing", lasting=True)
    assert shelf.stored == []
    assert (await shelf.plan(audience, keep=False)).openids == 2, "whoever only looks sends nothing"

    shelf.ledger = caught_up(shelf.ledger, began_at + timedelta(hours=2))
    await failed(shelf.plan(audience, started_at=began_at), PLAN_MISSING, lasting=True)
    plan = await shelf.plan(audience, started_at=began_at, is_unbegun=True)
    shelf.put("all", ("a", "b", "c"))
    assert await shelf.plan(audience, started_at=began_at) == again(plan), "its files were put back"
    assert (await shelf.plan(audience, "new", started_at=began_at + timedelta(hours=3))).openids == 3


async def test_a_plan_is_none_for_another_send_or_wechat(shelf: Shelf) -> None:
    """Nor that of another appid under the name. One that does not say for which it was made is taken, as before."""
    audience, other = shelf.put("one", ("a", "b")), shelf.put("other", ("c", "d"))
    plan = await shelf.plan(audience)
    await failed(shelf.plan(other), PLAN_REUSED, "another key", lasting=True)
    await failed(shelf.plan(audience, content="d" * 64), PLAN_REUSED, "another key", lasting=True)
    shelf.wechat = "http://127.0.0.1:8089"
    await failed(shelf.plan(audience), PLAN_REUSED, "or WeChat. Use another key", lasting=True)
    file = shelf.path / "store/audiences/demo/spring/plan.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"account": None}))
    assert await shelf.plan(audience) == again(plan)


async def test_an_audience_in_another_order_has_the_same_plan(shelf: Shelf) -> None:
    """The key stands for the set: a query without an order gives it anew each time."""
    everybody, left_out = (shelf.put(name, ("a", "b", "c", "d")[:size]) for name, size in (("all", 4), ("out", 1)))

    async def without(*openids: str) -> AudiencePlan:
        listed = {"kind": "openids", "openids": openids}
        minus = [left_out, listed] if openids == tuple(sorted(openids)) else [listed, left_out, listed]
        return await shelf.plan({"kind": "several", "of": [everybody], "minus": minus})

    assert again(await without("a" * 28, "b" * 28)) == again(await without("b" * 28, "a" * 28))


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
    assert await late == again(plan)
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
    """Neither does another plan, or one that is gone. A batch after the end of a file is not waited for.

    The digest of a plan is reckoned anew: who moves a batch in it has made another one.
    """
    plan = await shelf.plan(shelf.put("all", MANY))
    [snapshot] = (shelf.path / "store").rglob("openids-*.txt")
    content = snapshot.read_bytes()
    for bad, number in ((content.replace(b"oMany000000", b"oMany999999"), 1), (content[:100], 1), (content[:100], 3)):
        snapshot.write_bytes(bad)
        with pytest.raises(PlanLostError, match=f"{snapshot.name} was changed"):
            await shelf.audiences.openids_of("demo", batch_of(plan, number))
    snapshot.unlink()
    with pytest.raises(PlanLostError, match="missing"):
        await shelf.batches(plan)
    with pytest.raises(PlanLostError, match="another plan"):
        await shelf.audiences.openids_of("demo", batch_of(plan, 1, plan="0" * 64))
    with pytest.raises(PlanLostError, match="missing"):
        await shelf.audiences.openids_of("other", batch_of(plan, 1))
    [path] = (shelf.path / "store").rglob("plan.json")
    told = json.loads(path.read_text())
    told["batches"][0], told["batches"][1] = told["batches"][1], told["batches"][0]
    path.write_text(json.dumps(told))
    with pytest.raises(PlanLostError, match="another plan"):
        await shelf.batches(plan)


async def test_a_sent_list_whose_files_are_gone_is_not_planned_anew(shelf: Shelf) -> None:
    """Temporal knows that it was sent, whatever a person says; whoever only looks hears it, too."""
    shelf.completed.add("mass-send:demo:spring")
    audience = shelf.put("all", ("a", "b"))
    for keep in (True, False):
        planning = shelf.plan(audience, keep=keep, is_unbegun=True)
        await failed(planning, AUDIENCE_INVALID, "its plan is not in the store", lasting=True)
    assert shelf.stored == []


@pytest.mark.parametrize("ended", [row(1, "sent"), row(1, "failed"), doubted(1)])
async def test_a_list_of_which_rows_alone_are_left_gets_no_plan(shelf: Shelf, ended: BatchRow) -> None:
    """A bucket's rule takes the plan first. Its rows would be told of those in the new one."""
    audience = shelf.put("all", ("a", "b"))
    await shelf.report(await shelf.plan(audience), ended)
    folder = shelf.path / "store" / folder_of("demo", "spring")
    for gone in (folder / PLAN, *folder.glob("openids-*.txt")):
        gone.unlink()
    left = shelf.stored
    for keep in (True, False):
        said = r"spring had a plan before.*spring/rows\.json tells how its batches ended"
        await failed(shelf.plan(audience, keep=keep, is_unbegun=True), AUDIENCE_INVALID, said, lasting=True)
    assert shelf.stored == left


async def test_without_a_store_it_is_said_what_to_set(shelf: Shelf) -> None:
    """Nobody can guess it."""
    policy = SourcePolicy(roots=(shelf.path,))
    bare = Audiences(Accounts(settings_for(WECHAT), shelf.http), Sources(policy), None, shelf, shelf.known)
    audience = shelf.put("all", ("a", "b"))
    step = PlanStep.model_validate({"account": PINNED, "key": "k", "audience": audience, "content": ""})
    await failed(attempt(bare.plan_audience, step), AUDIENCE_INVALID, r"\[store\]", lasting=True)


def less(shelf: Shelf, out: dict[str, Any]) -> dict[str, Any]:
    """All but those of another list."""
    return {"kind": "several", "of": [shelf.put("all", MANY)], "minus": [out]}


Spoil = Callable[[Shelf], dict[str, Any]]


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda shelf: shelf.put("a", b"a\n\nb\n"), "Line 2 is empty"),
        (lambda shelf: shelf.put("a", ("a", "b")) | {"sha256": "0" * 64}, "another one than"),
        (lambda shelf: less(shelf, shelf.put("b", MANY)), "nobody"),
        (lambda shelf: less(shelf, shelf.put("b", b"a b\n")), "Line 1"),
        (lambda shelf: less(shelf, shelf.put("none", b"\xef\xbb\xbf")), "/none: it holds no openid"),
        (lambda shelf: {"kind": "openid_file", "uri": "file:///nowhere/list"}, "not below a folder"),
    ],
)
async def test_an_audience_that_cannot_be_used_says_why(shelf: Shelf, spoilt: Spoil, said: str) -> None:
    """By the list at fault and its line; nothing is stored."""
    error = await failed(shelf.plan(spoilt(shelf)), AUDIENCE_INVALID, said, lasting=True)
    [problems] = error.details
    assert problems
    assert shelf.stored == []


@pytest.mark.parametrize("head", ["HTTP/1.1 200 OK", "HTTP/1.0 200 OK\r\nContent-Type: text/plain"])
async def test_a_list_whose_end_nobody_tells_is_refused(shelf: Shelf, head: str) -> None:
    """The server may have died in its midst: then those on the rest of `minus` would get the message."""
    content = b"a\nb\nc\n"
    async with serve() as site:
        shelf.hosts = (site.authority,)
        site.pages["/out.txt"] = f"{head}\r\n\r\n".encode() + content
        out = {"kind": "openid_file", "uri": site.url("/out.txt")}
        await failed(
            shelf.plan(less(shelf, out)), AUDIENCE_INVALID, "/out.txt: the server does not say how long", lasting=True
        )
        known = out | {"sha256": sha256(content).hexdigest()}
        assert (await shelf.plan(less(shelf, known))).openids == len(MANY)
        site.pages["/out.txt"] = CHUNKED
        assert (await shelf.plan(less(shelf, out), "chunks")).openids == len(MANY)


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
