"""Reports that an audience names: only as the newest runs have left them, and nobody is reached under both keys."""

import asyncio
import json
import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.earlier_runs import NewestRun
from activities.named_reports import NamedReports
from qunfa.account.people import marked
from qunfa.account.state import AccountState
from qunfa.audience.plans import PLAN, REPORT, ROWS, PlanFile, PlanLostError, Plans, folder_of
from qunfa.audience.store import StoreUnavailable
from qunfa.contract.batches import AUDIENCE_INVALID, PLAN_LOST, STORE_UNAVAILABLE, doubted
from qunfa.contract.facts import Known
from qunfa.contract.fields import READS
from qunfa.contract.operators import Restore
from tests.account.driving import answer, attempt
from tests.activities.conftest import failed
from tests.activities.shelf import MANY, Shelf
from tests.batches.driving import row


def restored(now: datetime) -> AccountState:
    """An account that was told of a restore, and knows nothing else."""
    return marked(AccountState(appid="wx", since=now), Restore(by="li", reason="disk lost", taken=now), now)


async def test_a_report_is_no_audience_while_its_list_runs(shelf: Shelf) -> None:
    """A list that was reset has its old report, and sends to those whom that calls `not_submitted`."""
    await shelf.report(await shelf.plan(shelf.put("all", MANY)), row(1, "sent"))
    rest, other = {"kind": "report", "key": "spring"}, shelf.put("other", MANY)
    before, runs, now = shelf.stored, shelf.newest_runs, datetime.now(UTC)
    runs["mass-send:demo:spring"] = [NewestRun("reset", now - timedelta(hours=1), is_over=False)]
    for audience in (
        rest,
        {"kind": "several", "of": [other, rest]},
        {"kind": "several", "of": [other], "minus": [rest]},
    ):
        for keep in (True, False):
            planning = shelf.plan(audience, "rest", keep=keep)
            await failed(planning, AUDIENCE_INVALID, "the report of spring is out of date", lasting=True)
    assert shelf.stored == before
    runs["mass-send:demo:spring"] = [NewestRun("reset", now - timedelta(hours=1), is_over=True)]
    assert (await shelf.plan(rest, "rest")).openids == 25_000 - 8_333


FIRST = NewestRun("first", datetime(2026, 11, 1, tzinfo=UTC), is_over=True)
LATER = datetime(2100, 1, 1, tzinfo=UTC)


async def test_a_list_that_runs_while_its_report_is_read_is_seen(shelf: Shelf) -> None:
    """It was reset, and has ended by then: it may have sent to more people."""
    await shelf.report(await shelf.plan(shelf.put("all", MANY)), row(1, "sent"))
    shelf.newest_runs["mass-send:demo:spring"] = [FIRST, FIRST._replace(run_id="reset")]
    planning = shelf.plan({"kind": "report", "key": "spring"}, "rest")
    await failed(planning, AUDIENCE_INVALID, "the report of spring is out of date", lasting=True)


async def test_a_batch_that_was_reset_makes_its_report_old(shelf: Shelf) -> None:
    """Its list does not hear that it goes out. Where its people are not wanted, that is all the same."""
    await shelf.report(await shelf.plan(shelf.put("all", MANY)), row(1, "sent"), row(2, "failed"))
    shelf.reached["mass-send:demo:spring"] = {1, 2}
    failures = {"kind": "report", "key": "spring", "states": ["failed", "not_submitted"]}
    said = "the report of spring is out of date: its batch 2 has run again"
    await failed(shelf.plan(failures, "rest"), AUDIENCE_INVALID, said, lasting=True)
    rest = failures | {"states": ["not_submitted"]}
    assert (await shelf.plan(rest, "rest")).openids == 8_334
    shelf.reached["mass-send:demo:spring"] = {3}
    await failed(shelf.plan(rest, "other"), AUDIENCE_INVALID, "batch 3 has run again", lasting=True)


async def test_the_ledger_knows_of_a_batch_whose_run_is_gone(shelf: Shelf) -> None:
    """It was reset by itself, and delivered. Temporal keeps its runs for a day, and a person can delete one."""
    plan = await shelf.plan(shelf.put("all", MANY))
    await shelf.report(plan, row(1, "sent"), row(2, "failed"))
    taken = attempt(answer("accepted", plan.taken_at))
    shelf.ledger = shelf.knowing("spring.2", Known(tries=(taken,)))
    failures = {"kind": "report", "key": "spring", "states": ["failed", "not_submitted"]}
    said = "the report of spring is out of date: its batch 2 has run again"
    await failed(shelf.plan(failures, "rest"), AUDIENCE_INVALID, said, lasting=True)
    assert (await shelf.plan(failures, "looked", keep=False)).openids > 0, "who only looks asks no account"
    assert (await shelf.plan(shelf.asked["spring"])).is_sent_in_part
    assert (await shelf.plan(failures | {"states": ["not_submitted"]}, "rest")).openids == plan.size(3)
    shelf.ledger = shelf.knowing("spring.2026", Known(tries=(taken,)))
    assert (await shelf.plan(failures | {"states": ["failed"]}, "others")).openids == plan.size(2), "no batch of it"


async def test_a_list_starts_no_batch_again_that_its_ledger_knows(shelf: Shelf) -> None:
    """Its report denies it, and its run is gone. The list then only writes its report anew."""
    audience = shelf.put("all", MANY)
    plan = await shelf.plan(audience)
    await shelf.report(plan, row(1, "failed"), row(2, "failed"))
    shelf.ledger = shelf.knowing("spring.2", Known(tries=(attempt(answer("accepted", plan.taken_at)),)))
    assert (await shelf.plan(audience)).is_sent_in_part


async def test_a_report_from_before_a_restore_is_no_audience(shelf: Shelf) -> None:
    """Whom its list, or a batch by itself, has reached since is forgotten. One that is written anew knows of that."""
    plan = await shelf.plan(shelf.put("all", MANY))
    await shelf.report(plan, row(1, "sent"), row(2, "failed"))
    shelf.ledger = restored(datetime.now(UTC))
    rest = {"kind": "report", "key": "spring"}
    less = {"kind": "several", "of": [shelf.put("more", ("a", "b"))], "minus": [rest]}
    for audience in (rest, less):
        said = "the report of spring is from before Temporal's database was restored"
        await failed(shelf.plan(audience, "rest", is_unbegun=True), AUDIENCE_INVALID, said, lasting=True)
    await shelf.reported(plan, row(1, "sent"), row(2, "failed"))
    said = "the audience is empty"
    await failed(shelf.plan(rest, "rest", is_unbegun=True), AUDIENCE_INVALID, said, lasting=True)
    assert (await shelf.plan(less, "rest", is_unbegun=True)).openids == 2
    all_but = {"kind": "several", "of": [shelf.put("all", MANY)], "minus": [rest | {"states": ["failed"]}]}
    kept_out = plan.size(2) + plan.size(3)
    told = await shelf.plan(all_but, "all-but", is_unbegun=True)
    assert told.openids == 25_000 - kept_out, "they are unknown now"
    assert told.parts[-1].what == "those of spring that are failed or unknown"


async def test_a_copy_of_the_store_makes_no_report_newer(shelf: Shelf) -> None:
    """Each file has the time of the copy. Nor does a clock of the store that is ahead, nor do rows that are newer.

    Those stand beside an old report where the store was full when the next one was to be put there.
    """
    plan = await shelf.plan(shelf.put("all", MANY))
    await shelf.report(plan, row(1, "sent"), row(2, "failed"))
    shelf.ledger, later = restored(datetime.now(UTC)), LATER.timestamp()
    report = shelf.path / "store" / folder_of("demo", "spring") / REPORT
    os.utime(report, (later, later))
    rest = shelf.plan({"kind": "report", "key": "spring"}, "rest", is_unbegun=True)
    await failed(rest, AUDIENCE_INVALID, "is from before Temporal's database was restored", lasting=True)
    shelf.ledger, began = None, datetime.now(UTC) + timedelta(seconds=1)
    before = FIRST.began_at.timestamp() - 60
    for run, written in ((FIRST._replace(began_at=began), later), (FIRST, before)):
        os.utime(report, (written, written))
        shelf.newest_runs["mass-send:demo:spring"] = [run]
        rest = shelf.plan({"kind": "report", "key": "spring"}, "rest")
        await failed(rest, AUDIENCE_INVALID, "the newest run of that send has not written it", lasting=True)


async def test_a_report_without_its_plan_is_no_audience(shelf: Shelf) -> None:
    """A rule for expiry takes the plan first, and the word of who has its people. A new report outlives both."""
    plan = await shelf.plan(shelf.put("all", MANY))
    await shelf.report(plan, row(1, "sent"), row(2, "failed"))
    rest = {"kind": "report", "key": "spring", "states": ["failed"]}
    await shelf.plan(rest, "rest")
    for file in (shelf.path / "store" / folder_of("demo", "spring")).iterdir():
        if file.name not in {REPORT, ROWS}:
            file.unlink()
    less = {"kind": "several", "of": [shelf.put("more", ("a", "b"))], "minus": [rest]}
    for audience in (rest, less):
        for keep in (True, False):
            said = "spring has a report, but no plan in the store any more: another key may have reached"
            await failed(shelf.plan(audience, "third", keep=keep), AUDIENCE_INVALID, said, lasting=True)


async def test_nothing_goes_out_under_a_key_once_another_has_its_rest(shelf: Shelf) -> None:
    """Neither a batch that is reset by itself nor a list that is started again, of which nothing was sent before."""
    audience, rest = shelf.put("all", MANY), {"kind": "report", "key": "spring", "states": ["failed", "not_submitted"]}
    plan = await shelf.plan(audience)
    await shelf.report(plan, row(1, "failed"))
    less = {"kind": "several", "of": [shelf.put("more", ("a", "b"))], "minus": [rest]}
    assert (await shelf.plan(less, "less")).openids == 2
    assert (await shelf.plan(rest, "looked", keep=False)).openids == 25_000
    assert (len(await shelf.batches(plan)), (await shelf.plan(audience)).digest) == (3, plan.digest)
    await shelf.report(plan, row(1, "failed"))
    assert (await shelf.plan(rest, "rest")).openids == 25_000
    said = "nothing more is sent under the key spring. The plan of rest was begun by its report"
    await failed(shelf.plan(audience, keep=False), AUDIENCE_INVALID, said, lasting=True)
    assert (await shelf.plan(audience)).is_sent_in_part, "it only writes its report anew"
    with pytest.raises(PlanLostError, match=said):
        await shelf.batches(plan)
    assert (await shelf.plan(rest, "rest")).openids == 25_000, "it has its plan"
    await shelf.report(plan, row(1, "sent"))
    assert (await shelf.plan(audience)).is_sent_in_part


async def test_those_who_are_left_are_planned_by_one_other_key(shelf: Shelf) -> None:
    """Else whoever types the same command again under one more key would reach them all twice."""
    await shelf.report(await shelf.plan(shelf.put("all", MANY)), row(1, "failed"))
    rest = {"kind": "report", "key": "spring"}
    assert (await shelf.plan(rest, "rest")).openids == 25_000 - 8_333
    said = "rest reaches the same people by the report of spring. Once it has ended, name its own report."
    failures = rest | {"states": ["failed"]}
    more = {"kind": "several", "of": [shelf.put("more", ("a", "b")), rest | {"states": ["failed", "not_submitted"]}]}
    for keep in (True, False):
        await failed(shelf.plan(rest, "third", keep=keep), AUDIENCE_INVALID, said, lasting=True)
        await failed(shelf.plan(more, "third", keep=keep), AUDIENCE_INVALID, said, lasting=True)
    assert (await shelf.plan(failures, "others")).openids == 8_333, "they are in no other plan"
    less = {"kind": "several", "of": [shelf.put("more", ("a", "b"))], "minus": [rest]}
    assert (await shelf.plan(less, "less")).openids == 2, "they are not to be reached"


async def test_a_batch_stays_with_the_key_that_has_it(shelf: Shelf) -> None:
    """Reset by itself, it meets that key, is refused, and nothing is sent. By that it is nobody else's."""
    plan = await shelf.plan(shelf.put("all", MANY))
    await shelf.report(plan, row(1, "sent"), row(2, "failed"))
    assert (await shelf.plan({"kind": "report", "key": "spring"}, "rest")).openids == plan.size(3)
    untried, refused = (row(n, "aborted").model_copy(update={"job": job}) for n, job in ((2, "new"), (3, "refused")))
    told = await shelf.reported(plan, row(1, "sent"), untried, refused)
    assert told.states == {"sent": plan.size(1), "failed": plan.size(2), "not_submitted": plan.size(3)}
    for number in (2, 3):
        told = await shelf.reported(plan, row(1, "sent"), doubted(number))
        assert told.states == {"sent": plan.size(1), "failed": plan.size(2), "not_submitted": plan.size(3)}
    in_doubt = row(1, "sent"), row(2, "unknown"), row(3, "unknown")
    shelf.ledger = restored(datetime.now(UTC))
    assert (await shelf.reported(plan, *in_doubt)).states == told.states, "a restore alone has put it in doubt"
    shelf.ledger = None
    (shelf.path / "store" / folder_of("demo", "spring") / "next-not_submitted").write_bytes(b"\xff")
    told = await shelf.reported(plan, row(1, "sent"), row(2, "sent"))
    assert told.states == {"sent": plan.size(1) + plan.size(2), "not_submitted": plan.size(3)}
    (shelf.path / "store" / folder_of("demo", "spring") / ROWS).unlink()
    lost = shelf.reported(plan, row(1, "sent"), row(2, "failed"))
    await failed(lost, STORE_UNAVAILABLE, "rows.json is not to be seen. Put it back")


async def test_a_key_without_a_plan_may_be_passed_over(shelf: Shelf) -> None:
    """It was aborted while it was planned, or its request was refused. A person sees that it does not run."""
    await shelf.report(await shelf.plan(shelf.put("all", MANY)))
    claim = shelf.path / "store" / folder_of("demo", "spring") / "next-not_submitted"
    claim.write_text("lost")
    rest = {"kind": "report", "key": "spring"}
    said = "lost was to reach the same people by the report of spring, and has no plan for them. It may have .* look"
    said = f"{said} into WeChat's console. If it has not, and does not run, remove {claim.as_uri()}"
    await failed(shelf.plan(rest, "rest"), AUDIENCE_INVALID, said, lasting=True)
    assert (await shelf.plan(shelf.put("others", ("a", "b")), "lost")).openids == 2
    shelf.completed.add("mass-send:demo:lost")
    await failed(shelf.plan(rest, "rest"), AUDIENCE_INVALID, said, lasting=True)
    claim.write_bytes(b"\xff")
    await failed(shelf.plan(rest, "rest"), PLAN_LOST, f"{claim.as_uri()} names no key. Write", lasting=True)
    claim.unlink()
    assert (await shelf.plan(rest, "rest")).openids == 25_000


async def test_a_key_that_was_sent_has_its_people_without_a_plan(shelf: Shelf) -> None:
    """Its files were cleaned up after its end. Whoever was told to remove its claim would send to them twice."""
    await shelf.report(await shelf.plan(shelf.put("all", MANY)))
    rest = {"kind": "report", "key": "spring"}
    await shelf.plan(rest, "rest")
    shutil.rmtree(shelf.path / "store" / folder_of("demo", "rest"))
    said = "rest was to reach the same people by the report of spring, and has no plan for them. It may have reached"
    await failed(shelf.plan(rest, "again"), AUDIENCE_INVALID, said, lasting=True)
    shelf.completed.add("mass-send:demo:rest")
    said = "rest reaches the same people by the report of spring"
    await failed(shelf.plan(rest, "again"), AUDIENCE_INVALID, said, lasting=True)


async def test_of_two_keys_at_once_one_has_those_who_are_left(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have seen that nobody has them, and both snapshots are on their way, for as long as a bucket is slow."""
    await shelf.report(await shelf.plan(shelf.put("all", MANY)))
    rest, put, both = {"kind": "report", "key": "spring"}, Plans.put, asyncio.Barrier(2)
    see = NamedReports.newest_runs

    async def seen(self: NamedReports) -> Any:
        runs = await see(self)
        with suppress(asyncio.BrokenBarrierError):
            await both.wait()
        return runs

    async def slow(self: Plans, *about: Any) -> PlanFile:
        with suppress(asyncio.BrokenBarrierError):
            await both.wait()
        return await put(self, *about)

    monkeypatch.setattr(NamedReports, "newest_runs", seen)
    monkeypatch.setattr(Plans, "put", slow)

    async def planned(key: str) -> Any:
        try:
            return await shelf.plan(rest, key)
        finally:
            await both.abort()

    told = await asyncio.gather(planned("one"), planned("two"), return_exceptions=True)
    assert sorted(type(one).__name__ for one in told) == ["ApplicationError", "AudiencePlan"]


async def test_a_key_is_marked_before_its_runs_are_looked_at_again(shelf: Shelf) -> None:
    """Else a run that begins in between would find no mark, and nobody would find that run."""
    plan = await shelf.plan(audience := shelf.put("all", MANY))
    await shelf.report(plan)
    shelf.newest_runs["mass-send:demo:spring"] = [FIRST, FIRST, FIRST._replace(is_over=False)]
    await failed(shelf.plan({"kind": "report", "key": "spring"}, "rest"), AUDIENCE_INVALID, "out of date", lasting=True)
    assert (await shelf.plan(audience)).is_sent_in_part


async def test_a_list_sends_nothing_once_a_batch_ran_by_itself(shelf: Shelf) -> None:
    """Its report is out of date, and says to start it again for a new one: others are to get the rest."""
    plan = await shelf.plan(audience := shelf.put("all", MANY))
    await shelf.report(plan, row(1, "failed"))
    for number in (1, 2):
        shelf.reached["mass-send:demo:spring"] = {number}
        said = f"its batch {number} ran again by itself"
        await failed(shelf.plan(audience, keep=False), AUDIENCE_INVALID, said, lasting=True)
        assert (await shelf.plan(audience)).is_sent_in_part
    shelf.reached["mass-send:demo:spring"] = set()
    assert not (await shelf.plan(audience)).is_sent_in_part
    shelf.reached["mass-send:demo:spring"] = {1}
    assert not (await shelf.plan(audience)).is_sent_in_part, "the report was withdrawn: the batch is its own"


async def test_an_older_worker_leaves_a_newer_report_alone(shelf: Shelf) -> None:
    """It would lose what that tells of the batches. What it once wrote without a number, it reads."""
    plan = await shelf.plan(shelf.put("all", MANY))
    await shelf.report(plan, row(1, "sent"), row(2, "failed"))
    rows = shelf.path / "store" / folder_of("demo", "spring") / ROWS
    stands = json.loads(rows.read_bytes())
    rows.write_text(json.dumps(stands | {"reads": READS + 1, "later": 1}))
    late = shelf.reported(plan, row(1, "sent"), row(2, "sent"))
    await failed(late, STORE_UNAVAILABLE, "rows.json was written by a newer version")
    assert json.loads(rows.read_bytes())["later"] == 1
    rows.write_text(json.dumps(stands["rows"]))
    assert (await shelf.reported(plan, row(1, "sent"))).states["failed"] == plan.size(2)


async def test_an_older_worker_sends_by_no_newer_plan(shelf: Shelf) -> None:
    """Its batches may leave somebody out. What it once wrote without a number, it reads."""
    first = await shelf.plan(audience := shelf.put("all", ("a", "b")))
    path = shelf.path / "store" / folder_of("demo", "spring") / PLAN
    stands = json.loads(path.read_bytes())
    path.write_text(json.dumps(stands | {"reads": READS + 1, "split": {"later": 1}}))
    await failed(shelf.plan(audience), STORE_UNAVAILABLE, "plan.json was written by a newer version")
    with pytest.raises(StoreUnavailable, match="by a newer version"):
        await shelf.batches(first)
    path.write_text(json.dumps({name: value for name, value in stands.items() if name != "reads"}))
    assert await shelf.batches(await shelf.plan(audience)) == [("a", "b")]
