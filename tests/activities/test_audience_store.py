"""What audiences have in the store: their reports; and a store that fails, or is full."""

import asyncio
import gzip
import os
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from activities.accounts import Accounts
from activities.attempts import passing
from activities.audiences import Audiences
from qunfa.account.people import caught_up, marked
from qunfa.account.state import AccountState
from qunfa.audience.planner import plan
from qunfa.audience.plans import REPORT, ROWS
from qunfa.audience.reports import elapsed
from qunfa.audience.store import Store
from qunfa.contract.batches import AUDIENCE_INVALID, PLAN_LOST, STORE_UNAVAILABLE, BatchRow, doubted
from qunfa.contract.facts import Known
from qunfa.contract.operators import Restore
from qunfa.contract.steps import LEDGER_UNAVAILABLE, SOURCE_UNAVAILABLE, LookUpStep, Remembered
from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Sources
from tests.account.driving import answer, attempt
from tests.activities.conftest import ManualClock, failed, settings_for
from tests.activities.shelf import MANY, WECHAT, Shelf
from tests.batches.driving import row
from tests.looking import PATIENCE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_read_only_store_is_tried_again(shelf: Shelf) -> None:
    """Somebody mends it, and the send goes on."""
    (shelf.path / "store").mkdir(mode=0o500)
    await failed(shelf.plan(shelf.put("all", ("a", "b"))), STORE_UNAVAILABLE, "may not use it")


async def test_a_file_for_a_folder_of_the_store_is_told(shelf: Shelf) -> None:
    """It is tried again. Root cannot write there either."""
    (shelf.path / "store").mkdir()
    (shelf.path / "store" / "audiences").write_text("no folder")
    await failed(
        shelf.plan(shelf.put("all", ("a", "b"))), STORE_UNAVAILABLE, r"\[store\] .* a part of its path is no folder"
    )


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte, where this machine lets us have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True, check=False, text=True
    )
    if mounting.returncode:
        pytest.skip(f"no disk of its own: {mounting.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, room: int) -> Path:
    """A file that leaves so many bytes of the disk."""
    free = os.statvfs(disk)
    path = disk / "filler"
    path.write_bytes(b"\0" * (free.f_bavail * free.f_frsize - room))
    return path


async def test_a_store_that_is_full_is_tried_again(shelf: Shelf, disk: Path) -> None:
    """It says so and leaves no half file; once there is room, plan and report are written. An older report stays."""
    (shelf.path / "store").symlink_to(disk)
    audience, filler = shelf.put("all", MANY), fill(disk, 64 << 10)
    await failed(shelf.plan(audience), STORE_UNAVAILABLE, r"\[store\] .* no room left")
    assert files(disk) == {"filler"}
    filler.unlink()
    plan = await shelf.plan(audience)
    before = await shelf.report(plan)
    filler = fill(disk, 8 << 10)
    await failed(shelf.report(plan), STORE_UNAVAILABLE, "no room left")
    assert files(disk) == {"filler", *(name.rpartition("/")[2] for name in shelf.stored)}
    filler.unlink()
    assert await shelf.report(plan) == before


async def test_a_worker_whose_disk_is_full_tries_the_plan_again(
    shelf: Shelf, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where lists are sorted; it leaves nothing there, nor in the store."""
    monkeypatch.setattr("activities.audiences.plan", plan)
    monkeypatch.setattr("tempfile.tempdir", str(disk))
    audience, filler = shelf.put("all", MANY), fill(disk, 512 << 10)
    await failed(shelf.plan(audience), SOURCE_UNAVAILABLE)
    assert (files(disk), shelf.stored) == ({"filler"}, [])
    filler.unlink()


def files(folder: Path) -> set[str]:
    """The names of all files in a folder, and below it."""
    return {path.name for path in folder.rglob("*") if path.is_file()}


async def test_a_report_says_of_each_openid_how_its_batch_ended(shelf: Shelf) -> None:
    """Batches without a row were not submitted; the next send takes those up, and nobody else."""
    plan = await shelf.plan(shelf.put("all", MANY))
    sent = BatchRow(number=1, outcome="sent", may_have_been_delivered=True, msg_id=7)
    lost = BatchRow(number=2, outcome="failed", may_have_been_delivered=False)
    title, *rows = await shelf.report(plan, sent, lost)
    assert ",".join(title) == "openid,batch,msg_id,state,received,batch_size,group"
    assert [row[0] for row in rows] == list(MANY)
    assert {(row[1], row[2], row[3]) for row in rows} == {
        ("1", "7", "sent"),
        ("2", "", "failed"),
        ("3", "", "not_submitted"),
    }
    rest = await shelf.plan({"kind": "report", "key": "spring"}, key="again", keep=False)
    assert rest.openids == plan.size(3)
    both = await shelf.plan({"kind": "report", "key": "spring", "states": ["failed", "not_submitted"]}, key="both")
    assert both.openids == plan.size(2) + plan.size(3)
    assert both.reached_before == (both.openids, 0, 0, 0, 0)
    again = await shelf.plan(shelf.put("half", MANY[:100]), key="half")
    assert again.reached_before == (0, 100, 0, 0, 0)


async def test_a_report_tells_its_run_what_only_it_knows(shelf: Shelf) -> None:
    """Of a batch that Temporal and the ledger have forgotten; nothing of what the run has told itself."""
    plan = await shelf.plan(shelf.put("all", MANY))
    first = (row(1, "sent"), row(2, "deleted"), row(3, "failed"))
    assert (await shelf.reported(plan, *first)).rows == ()
    again = await shelf.reported(plan, row(1, "sent"), row(2, "unknown"))
    assert (again.rows, again.was_sent) == (first[1:], "part")


async def test_a_long_report_compares_each_batch_once(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with all others took seconds, in which no activity of the worker could heartbeat."""
    plan = await shelf.plan(shelf.put("all", MANY))
    compared = create_autospec(BatchRow.__eq__, side_effect=BatchRow.__eq__)
    monkeypatch.setattr(BatchRow, "__eq__", compared)
    await shelf.reported(plan, *(row(number, "sent") for number in range(1, 201)))
    assert compared.call_count < 1_000


async def test_hundreds_of_reports_are_counted(shelf: Shelf) -> None:
    """Each of the month says whom it has reached, and four or more are one number. One may be a part as well."""
    await shelf.plan(shelf.put("first", ("a", "e")), "k0")
    for number in range(150):
        reached = [openid for openid, times in (("a", 150), ("b", 3), ("d", 1)) if number < times]
        rows = "".join(f"{openid},1,7,sent,2,2\n" for openid in reached) + "e,1,7,failed,2,2\n"
        report = shelf.path / "store" / "audiences" / "demo" / f"k{number}" / "report.csv.gz"
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_bytes(gzip.compress(f"openid,batch,msg_id,state,received,batch_size\n{rows}".encode()))
    failed_once = {"kind": "report", "key": "k0", "states": ["failed"]}
    audience = {"kind": "several", "of": [shelf.put("all", ("a", "b", "c", "d")), failed_once]}
    plan = await shelf.plan(audience)
    assert await shelf.batches(plan) == [("a", "b", "c", "d", "e")]
    assert plan.reached_before == (2, 1, 0, 1, 1)


async def test_a_damaged_report_holds_up_no_plan(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    """The log says why it is not told whom earlier sends have reached."""
    plan = await shelf.plan(shelf.put("all", ("a", "b")))
    await shelf.report(plan)
    [report] = (shelf.path / "store").rglob(REPORT)
    report.write_bytes(report.read_bytes()[:-9])
    again = await shelf.plan(shelf.put("again", ("a", "b")), key="again")
    assert (again.openids, again.reached_before) == (2, ())
    assert "of 1 reports one cannot be read" in caplog.text


async def test_a_report_of_another_plan_is_not_written(shelf: Shelf) -> None:
    """It would tell of the wrong people. There is time to put the plan back."""
    plan = await shelf.plan(shelf.put("all", ("a", "b")))
    other = plan.model_copy(update={"digest": "0" * 64})
    await failed(shelf.report(other), PLAN_LOST, "its plan is missing, or another one")


async def test_a_report_that_is_not_there_is_a_problem(shelf: Shelf) -> None:
    """The send may run still."""
    await failed(shelf.plan({"kind": "report", "key": "never"}), AUDIENCE_INVALID, "not in the store", lasting=True)


async def test_an_early_end_reports_by_the_plan_that_stands(shelf: Shelf) -> None:
    """Its run does not know the plan. What an earlier run has told of a batch stays, where this one tells nothing."""
    plan = await shelf.plan(shelf.put("all", MANY))
    first = await shelf.report(None, row(1, "sent"))
    assert {line[3] for line in first[1:]} == {"sent", "not_submitted"}
    assert (await shelf.plan(shelf.put("all", MANY))).is_sent_in_part
    second = await shelf.report(plan, row(1, "sent"), row(2, "sent"))
    assert await shelf.report(None, row(1, "sent")) == await shelf.report(plan) == second


class Asleep(Store):
    """A store of a worker that falls asleep before it puts the file of this name there for the first time."""

    def __init__(self, uri: str, policy: SourcePolicy, name: str) -> None:
        super().__init__(uri, policy)
        self.name, self.sleeps, self.wakes = name, asyncio.Event(), asyncio.Event()

    async def put(self, path: str, content: Path | AsyncIterator[bytes]) -> None:
        if path.endswith(self.name):
            self.sleeps.set()
            await self.wakes.wait()
        await super().put(path, content)


@pytest.mark.parametrize("name", [REPORT, ROWS])
async def test_a_worker_that_slept_takes_no_report_back(shelf: Shelf, name: str) -> None:
    """Its attempt was over long ago, and the run after it has told more. That writes again where it finds its rows."""
    plan = await shelf.plan(shelf.put("all", MANY))
    late, newer = (Asleep((shelf.path / "store").as_uri(), shelf.policy, one) for one in (name, REPORT))
    first = asyncio.create_task(shelf.reported(plan, row(1, "failed"), by=shelf.with_store(late)))
    await asyncio.wait_for(late.sleeps.wait(), PATIENCE)
    sent = (row(1, "unknown"), row(2, "sent"))
    second = asyncio.create_task(shelf.reported(plan, *sent, by=shelf.with_store(newer)))
    await asyncio.wait_for(newer.sleeps.wait(), PATIENCE)
    said = "report.csv.gz was not replaced: another worker has told otherwise meanwhile"
    if name == REPORT:
        newer.wakes.set()
        await second
        late.wakes.set()
        await failed(first, STORE_UNAVAILABLE, said)
    else:
        late.wakes.set()
        await first
        newer.wakes.set()
        await failed(second, STORE_UNAVAILABLE, said)
        await shelf.reported(plan, *sent, number=2)
    states = {"unknown": plan.size(1), "sent": plan.size(2), "not_submitted": plan.size(3)}
    [report] = (shelf.path / "store").rglob(REPORT)
    assert Counter(line.split(",")[3] for line in gzip.decompress(report.read_bytes()).decode().split()[1:]) == states
    assert (await shelf.reported(plan)).states == states


async def test_a_worker_that_slept_writes_over_no_end(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has read rows and was frozen; its task was given to another worker, and newer runs have come to their end."""
    plan = await shelf.plan(shelf.put("all", MANY))
    late = Asleep((shelf.path / "store").as_uri(), shelf.policy, ROWS)
    first = asyncio.create_task(shelf.reported(plan, row(1, "failed"), by=shelf.with_store(late)))
    await asyncio.wait_for(late.sleeps.wait(), PATIENCE)
    sent = await shelf.report(plan, *(row(number, "sent") for number in (1, 2, 3)))
    slept(monkeypatch)
    late.wakes.set()
    await failed(first, STORE_UNAVAILABLE, "was read too long ago")
    monkeypatch.undo()
    assert await shelf.report(plan) == sent
    assert (await shelf.plan(shelf.put("all", MANY))).is_sent_in_part


LAST_READ = 2
"""The rows are read again once the ledger was asked about them."""


async def test_a_worker_that_slept_withdraws_no_report(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was to plan; the run has gone on with another worker, and has ended. Its report is its result."""
    audience = shelf.put("all", MANY)
    plan = await shelf.plan(audience)
    await shelf.report(plan, row(1, "failed"))
    await shelf.plan(audience)

    class Frozen(Store):
        reads = 0

        async def get(self, path: str) -> bytes | None:
            content = await super().get(path)
            self.reads += path.endswith(ROWS)
            if path.endswith(ROWS) and self.reads == LAST_READ:
                await shelf.report(plan, row(1, "sent"))
                slept(monkeypatch)
            return content

    store = Frozen((shelf.path / "store").as_uri(), shelf.policy)
    await failed(shelf.plan(audience, by=shelf.with_store(store)), STORE_UNAVAILABLE, "was read too long ago")
    assert any(name.endswith(REPORT) for name in shelf.stored)


def slept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever began before was frozen for a minute."""
    monkeypatch.setattr("qunfa.audience.reports.elapsed", lambda: elapsed() + 60)


async def test_an_early_end_does_not_know_what_is_forgotten(shelf: Shelf) -> None:
    """A run that was terminated may have sent any of it. One that has come to its end has told what it sent."""
    plan = await shelf.plan(shelf.put("all", MANY))
    shelf.clock = ManualClock(time=plan.taken_at + timedelta(days=34))
    assert (await shelf.reported(None)).states == {"not_submitted": 25_000}
    shelf.clock = ManualClock(time=plan.taken_at + timedelta(days=36))
    assert (await shelf.reported(None)).states == {"not_submitted": 25_000}
    [report] = (shelf.path / "store").rglob("report.csv.gz")
    report.unlink()
    forgotten = await shelf.reported(None, row(2, "failed"))
    assert forgotten.states == {"unknown": 16_667, "failed": 8_333}
    assert forgotten.was_sent == "perhaps"
    assert (await shelf.reported(None)).states == forgotten.states, "nor does the next one know"


async def test_an_early_end_in_doubt_calls_nobody_not_submitted(shelf: Shelf) -> None:
    """The store was not restored with Temporal, and has the plan. A run that knows better ends the doubt."""
    plan = await shelf.plan(shelf.put("all", MANY))
    await shelf.report(plan, row(1, "failed"), row(2, "failed"))
    reported = await shelf.reported(None, row(1, "sent"), doubted(2), fresh=None)
    assert (reported.states, reported.rows) == ({"sent": 8_333, "unknown": 16_667}, (doubted(3),))
    assert (await shelf.reported(plan, row(1, "sent"))).states == {"sent": 8_333, "not_submitted": 16_667}


async def test_a_report_is_written_under_a_silent_ledger(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for some minutes. What it may hide is in doubt then, until the report is written anew."""
    plan = await shelf.plan(shelf.put("all", MANY))

    async def silent(_self: Shelf, _step: LookUpStep) -> Remembered:
        raise passing(LEDGER_UNAVAILABLE, "the account does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "known", silent)
        await failed(shelf.reported(plan, row(1, "failed"), number=5), LEDGER_UNAVAILABLE, "does not answer")
        assert (await shelf.reported(plan, row(1, "failed"), number=6)).states == {"unknown": plan.openids}
        assert (await shelf.reported(plan, *(row(n, "sent") for n in (1, 2, 3)))).was_sent == "all"
    assert (await shelf.plan(shelf.put("all", MANY))).is_sent_in_part


async def test_a_job_that_the_store_alone_knows_is_not_repeated(shelf: Shelf) -> None:
    """Its batch was accepted, and its run and its account are gone. One that is known is asked about instead."""
    audience = shelf.put("all", MANY)
    plan = await shelf.plan(audience)
    accepted = row(2, "unknown").model_copy(update={"job": "accepted", "msg_id": 1002})
    await shelf.report(plan, row(1, "failed"), accepted)
    shelf.ledger = shelf.knowing("spring.2", Known(tries=(attempt(answer("accepted", plan.taken_at)),)))
    assert not (await shelf.plan(audience)).is_sent_in_part
    shelf.ledger = None
    assert (await shelf.plan(audience)).is_sent_in_part


async def test_after_a_restore_no_report_denies_a_batch(shelf: Shelf) -> None:
    """It may have been sent since the snapshot, as the store may know. Another key goes to whom a report denies."""
    plan = await shelf.plan(shelf.put("all", MANY))
    accepted = row(2, "unknown").model_copy(update={"job": "accepted", "msg_id": 1002})
    await shelf.report(plan, row(1, "failed"), accepted)
    began_at = plan.taken_at - timedelta(hours=1)
    shelf.ledger = marked(
        AccountState(appid="wx", since=began_at), Restore(by="li", reason="disk lost", taken=began_at), plan.taken_at
    )
    rows = row(1, "failed"), row(2, "failed"), row(3, "aborted")
    told = await shelf.reported(plan, *rows, started_at=began_at)
    assert told.states == {"unknown": plan.size(1) + plan.size(3), "accepted": plan.size(2)}
    assert told.rows == (rows[0].in_doubt, accepted, rows[2].in_doubt), "its run ends with what the report tells"
    assert told.was_sent == "perhaps"
    less = await shelf.reported(plan, rows[0], started_at=began_at)
    assert (less.states, less.rows[-1]) == (told.states, doubted(3)), "one that has no row may have been sent, too"
    [plan_file] = (shelf.path / "store").rglob("plan.json")
    plan_file.rename(plan_file.with_suffix(".lost"))
    lost = await shelf.reported(plan, *rows, started_at=began_at)
    assert (lost.uri, lost.rows) == ("", tuple(one.in_doubt for one in rows)), "without a report its run says so"
    plan_file.with_suffix(".lost").rename(plan_file)

    shelf.ledger = caught_up(shelf.ledger, plan.taken_at)
    assert (await shelf.reported(plan, *rows, started_at=began_at)).states == told.states
    new = await shelf.plan(shelf.put("all", MANY), "new")
    later = await shelf.reported(new, *rows, key="new", started_at=plan.taken_at + timedelta(seconds=1))
    assert (later.states["failed"], later.rows) == (plan.size(1) + plan.size(2), ()), "a key that began after it"


async def test_an_early_end_knows_what_was_sent_without_a_report(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its plan and rows are small, and are read first: to write the report may take too long, or may fail."""
    plan = await shelf.plan(shelf.put("all", MANY))
    await shelf.report(plan, row(1, "sent"))
    slow = Asleep((shelf.path / "store").as_uri(), shelf.policy, REPORT)
    monkeypatch.setattr("qunfa.audience.reports._EARLY_SECONDS", 0.01)
    reported = await shelf.reported(None, by=shelf.with_store(slow))
    assert (reported.uri, reported.was_sent, reported.states["sent"]) == ("", "part", plan.size(1))
    assert reported.rows == (row(1, "sent"),)
    monkeypatch.undo()
    [snapshot] = (shelf.path / "store").rglob("openids-*.txt")
    snapshot.unlink()
    assert (await shelf.reported(None)).was_sent == "part"
    await failed(shelf.report(plan), PLAN_LOST, "is missing")
    bare = Audiences(Accounts(settings_for(WECHAT), shelf.http), Sources(shelf.policy), None, shelf, shelf.known)
    assert (await shelf.reported(None, by=bare)).was_sent is None, "without a store, nothing was sent in batches"


async def test_an_early_end_takes_over_no_report_of_another(shelf: Shelf) -> None:
    """Of another message, or to others, under the same key. What the message says may not be known yet."""
    plan = await shelf.plan(shelf.put("all", ("a", "b")))
    assert (await shelf.reported(plan, row(1, "sent"))).was_sent == "all"
    before = shelf.stored
    for other in ({"content": "d" * 64}, {"audience": shelf.put("other", ("a", "b"))}, {"split": {"a": 50, "b": 50}}):
        reported = await shelf.reported(None, **other)
        assert (reported.uri, reported.was_sent) == ("", None)
    assert (await shelf.reported(None, content="")).was_sent == "all"
    assert shelf.stored == before
