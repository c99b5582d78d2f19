"""Whose the rest of a list is, where the store is not quite as it should be."""

import asyncio
from datetime import UTC, datetime

import pytest

from activities.earlier_runs import NewestRun
from qunfa.audience.plans import PlanLostError, Plans
from qunfa.audience.store import Found, Store
from qunfa.contract.batches import AUDIENCE_INVALID, STORE_UNAVAILABLE, AudiencePlan, ReportState
from tests.activities.conftest import failed
from tests.activities.shelf import MANY, Shelf, batch_of
from tests.batches.driving import row


class Behind(Store):
    """A store whose list does not show yet who has the rest: it shows an object some seconds after it was put."""

    async def found(self, folder: str) -> list[Found]:
        return [one for one in await super().found(folder) if "/next-" not in one.path]


class Busy(Store):
    """A store that does not write beside somebody else: S3 calls that a conflict, as where something is there."""

    async def create(self, path: str, content: bytes) -> bool:
        return False


async def test_a_list_that_is_behind_gives_nobody_to_two_keys(shelf: Shelf) -> None:
    """The file that says whose the rest is decides, and no list of the folder."""
    plan = await shelf.plan(audience := shelf.put("all", MANY))
    await shelf.report(plan, row(1, "failed"))
    behind = shelf.with_store(Behind((shelf.path / "store").as_uri(), shelf.policy))
    rest = {"kind": "report", "key": "spring", "states": ["failed", "not_submitted"]}
    assert (await shelf.plan(rest, "rest", by=behind)).openids == 25_000
    for keep in (True, False):
        said = "rest reaches the same people by the report of spring"
        await failed(shelf.plan(rest, "third", by=behind, keep=keep), AUDIENCE_INVALID, said, lasting=True)
    assert (await shelf.plan(audience, by=behind)).is_sent_in_part, "it only writes its report anew"
    with pytest.raises(PlanLostError, match="The plan of rest was begun by its report"):
        await behind.openids_of("demo", batch_of(plan, 1))


async def test_whoever_does_not_find_its_claim_plans_nobody(shelf: Shelf) -> None:
    """Without that file the next key would find the rest free. The next attempt writes it."""
    await shelf.report(await shelf.plan(shelf.put("all", MANY)), row(1, "sent"))
    busy = shelf.with_store(Busy((shelf.path / "store").as_uri(), shelf.policy))
    rest = {"kind": "report", "key": "spring"}
    said = "next-not_submitted was not written, or is not to be seen yet"
    await failed(shelf.plan(rest, "rest", by=busy), STORE_UNAVAILABLE, said)
    assert (await shelf.plan(rest, "rest")).openids == 25_000 - 8_333


async def test_a_plan_that_is_not_written_is_tried_again(shelf: Shelf) -> None:
    """A bucket writes nothing where it says that something is there, and nothing is."""
    audience, busy = shelf.put("all", MANY), Busy((shelf.path / "store").as_uri(), shelf.policy)
    said = "plan.json was not written, or is not to be seen yet"
    await failed(shelf.plan(audience, by=shelf.with_store(busy)), STORE_UNAVAILABLE, said)
    assert (await shelf.plan(audience)).openids == 25_000


async def test_a_key_that_is_refused_stops_no_list_that_runs(shelf: Shelf) -> None:
    """While its report was read, the list was started again, and sends: its people stay its own."""
    plan = await shelf.plan(shelf.put("all", MANY))
    await shelf.report(plan, row(1, "failed"))
    ended = NewestRun("first", datetime(2026, 11, 1, tzinfo=UTC), is_over=True)
    shelf.newest_runs["mass-send:demo:spring"] = [ended, NewestRun("second", datetime.now(UTC), is_over=False)]
    rest = shelf.plan({"kind": "report", "key": "spring"}, "rest")
    await failed(rest, AUDIENCE_INVALID, "the report of spring is out of date", lasting=True)
    assert sum(map(len, await shelf.batches(plan))) == 25_000


async def test_of_two_keys_that_cross_one_has_both_reports(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each names first what the other one names last. Else each would have one, and nobody could plan."""
    for key in ("one", "two"):
        people = tuple(f"o{key}{number:06d}" for number in range(100))
        await shelf.report(await shelf.plan(shelf.put(key, people), key), key=key)
    both, claim, begun = asyncio.Barrier(2), Plans.claim, set[str]()

    async def claimed(self: Plans, account: str, key: str, state: ReportState, by: str) -> str:
        if by in begun:
            return await claim(self, account, key, state, by)
        begun.add(by)
        await both.wait()
        told = await claim(self, account, key, state, by)
        await both.wait()
        return told

    monkeypatch.setattr(Plans, "claim", claimed)
    parts = [{"kind": "report", "key": key} for key in ("one", "two")]
    asked = {"ahead": {"kind": "several", "of": parts}, "back": {"kind": "several", "of": parts[::-1]}}
    told = await asyncio.gather(*(shelf.plan(asked[key], key) for key in asked), return_exceptions=True)
    assert sorted(type(one).__name__ for one in told) == ["ApplicationError", "AudiencePlan"]
    [has_them] = [key for key, one in zip(asked, told, strict=True) if isinstance(one, AudiencePlan)]
    assert len(await shelf.people(has_them)) == 200
