"""Plans of audiences: made once for a key, found again batch by batch, and reported."""

import asyncio
import gzip
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.exceptions import ApplicationError

from activities.accounts import Accounts
from activities.audiences import Audiences
from qunfa.audience import PlanLostError, Store, StoreUnavailable
from qunfa.contract.audience import Batch
from qunfa.contract.batches import (
    AUDIENCE_INVALID,
    PLAN_LOST,
    PLAN_REUSED,
    STORE_UNAVAILABLE,
    AudiencePlan,
    BatchRow,
    PlanStep,
    ReportStep,
)
from qunfa.contract.steps import AUDIENCE_REFUSED, Pinned
from qunfa.media import SourcePolicy, Sources
from qunfa.simulator import Simulator, openid
from tests.activities.conftest import APPID, SECRET, attempt, failed, settings_for, simulated

WECHAT = "http://127.0.0.1:9"
"""Where nobody listens: files and reports need no WeChat."""
PINNED = Pinned(name="demo", appid=APPID, base_url=WECHAT)
MANY = tuple(f"oMany{number:06d}" for number in range(25_000))


@dataclass
class Shelf:
    """A folder with files, and a store beside it."""

    http: httpx.AsyncClient
    path: Path
    wechat: str = WECHAT

    def __post_init__(self) -> None:
        (self.path / "lists").mkdir()

    @property
    def audiences(self) -> Audiences:
        """As a worker has them: one of its own each time."""
        policy = SourcePolicy(roots=(self.path / "lists",), size_max=1 << 26)
        store = Store((self.path / "store").as_uri(), policy)
        return Audiences(Accounts(settings_for(self.wechat), self.http), Sources(policy), store)

    @property
    def pinned(self) -> Pinned:
        return Pinned(name="demo", appid=APPID, base_url=self.wechat)

    async def people(self, key: str) -> set[str]:
        """Everybody in the snapshot of a key."""
        [snapshot] = (self.path / "store" / "audiences" / "demo" / key).glob("openids-*.txt")
        return set(snapshot.read_text().split())

    def put(self, name: str, content: bytes | tuple[str, ...]) -> dict[str, Any]:
        """A file, and the audience that it is."""
        path = self.path / "lists" / name
        path.write_bytes(content if isinstance(content, bytes) else "".join(f"{one}\n" for one in content).encode())
        return {"kind": "openid_file", "uri": path.as_uri()}

    async def plan(self, audience: dict[str, Any], key: str = "spring", **more: Any) -> AudiencePlan:
        step = PlanStep.model_validate(
            {"account": self.pinned, "key": key, "audience": audience, "content": "c" * 64, **more}
        )
        return await attempt(self.audiences.plan_audience, step)

    async def batches(self, plan: AudiencePlan, key: str = "spring") -> list[tuple[str, ...]]:
        """All batches of a plan, as they are sent."""
        audiences = self.audiences
        return [
            await audiences.openids_of("demo", batch_of(plan, number, key)) for number in range(1, plan.batches + 1)
        ]

    async def report(self, plan: AudiencePlan, *rows: BatchRow, key: str = "spring") -> list[list[str]]:
        """The report's rows."""
        step = ReportStep(account=self.pinned, key=key, plan=plan.digest, rows=rows)
        reported = await attempt(self.audiences.write_report, step)
        content = at(reported.uri).read_bytes()
        assert sha256(content).hexdigest() == reported.sha256
        return [line.split(",") for line in gzip.decompress(content).decode().splitlines()]

    @property
    def stored(self) -> list[str]:
        """What stands in the store."""
        return sorted(
            str(path.relative_to(self.path / "store")) for path in (self.path / "store").rglob("*") if path.is_file()
        )


def at(uri: str) -> Path:
    """Where the file is that a URI names."""
    return Path(uri.removeprefix("file://"))


def batch_of(plan: AudiencePlan, number: int, key: str = "spring", /, **more: Any) -> Batch:
    """One batch of a plan, as its send names it."""
    fields = {"plan": plan.digest, "number": number, "of": plan.batches, "openids": plan.size(number), **more}
    return Batch.model_validate({"kind": "batch", "key": key, **fields})


@pytest.fixture
def shelf(http: httpx.AsyncClient, tmp_path: Path) -> Shelf:
    """Files and a store, both empty."""
    return Shelf(http, tmp_path)


async def test_batches_of_a_file_hold_each_openid_once(shelf: Shelf) -> None:
    """However often and in whatever order they stand there."""
    plan = await shelf.plan(shelf.put("all", (*reversed(MANY), *MANY[:10])))
    assert (plan.openids, plan.batches, plan.duplicates) == (25_000, 3, 10)
    batches = await shelf.batches(plan)
    assert [openid for batch in batches for openid in batch] == list(MANY)
    assert {len(batch) for batch in batches} == {8333, 8334}


async def test_a_key_keeps_its_first_plan_when_the_file_changes(shelf: Shelf) -> None:
    """A repeated attempt finds the plan, not the file."""
    audience = shelf.put("all", ("a", "b"))
    first = await shelf.plan(audience)
    shelf.put("all", ("c", "d", "e"))
    assert await shelf.plan(audience) == first
    assert await shelf.batches(first) == [("a", "b")]


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


@pytest.mark.parametrize("key", [".", "..", "a.b-c_1"])
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


async def test_without_a_store_it_is_said_what_to_set(shelf: Shelf) -> None:
    """Nobody can guess it."""
    policy = SourcePolicy(roots=(shelf.path,))
    bare = Audiences(Accounts(settings_for(WECHAT), shelf.http), Sources(policy), None)
    audience = shelf.put("all", ("a", "b"))
    step = PlanStep.model_validate({"account": PINNED, "key": "k", "audience": audience, "content": ""})
    await failed(attempt(bare.plan_audience, step), AUDIENCE_INVALID, r"\[store\]", lasting=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_read_only_store_is_tried_again(shelf: Shelf) -> None:
    """Somebody mends it, and the send goes on."""
    (shelf.path / "store").mkdir(mode=0o500)
    await failed(shelf.plan(shelf.put("all", ("a", "b"))), STORE_UNAVAILABLE, "may not use it")


async def test_a_store_that_is_a_file_is_tried_again(shelf: Shelf) -> None:
    """Root cannot write there either."""
    (shelf.path / "store").write_text("no folder")
    await failed(shelf.plan(shelf.put("all", ("a", "b"))), STORE_UNAVAILABLE, r"\[store\]")


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
    rest = await shelf.plan({"kind": "report", "key": "spring"}, key="again")
    assert rest.openids == plan.size(3)
    both = await shelf.plan({"kind": "report", "key": "spring", "states": ["failed", "not_submitted"]}, key="both")
    assert both.openids == plan.size(2) + plan.size(3)
    assert both.reached_before == (both.openids, 0, 0, 0, 0)
    again = await shelf.plan(shelf.put("half", MANY[:100]), key="half")
    assert again.reached_before == (0, 100, 0, 0, 0)


async def test_a_report_of_another_plan_is_not_written(shelf: Shelf) -> None:
    """It would tell of the wrong people."""
    plan = await shelf.plan(shelf.put("all", ("a", "b")))
    other = plan.model_copy(update={"digest": "0" * 64})
    await failed(shelf.report(other), PLAN_LOST, lasting=True)


async def test_a_report_that_is_not_there_is_a_problem(shelf: Shelf) -> None:
    """The send may run still."""
    await failed(shelf.plan({"kind": "report", "key": "never"}), AUDIENCE_INVALID, "not in the store", lasting=True)


Spoil = Callable[[Shelf], dict[str, Any]]


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda shelf: shelf.put("a", b"a\n\nb\n"), "line 2 .empty."),
        (lambda shelf: shelf.put("a", ("a",)), "only one"),
        (lambda shelf: shelf.put("a", ("a", "a", "a")), "only one"),
        (lambda shelf: shelf.put("a", b"\n") | {"on_bad_line": "drop"}, "nobody"),
        (lambda shelf: shelf.put("a", ("a", "b")) | {"sha256": "0" * 64}, "another one than"),
        (lambda shelf: shelf.put("a", ("a", "b")) | {"column": "openid"}, "does not name the column"),
        (
            lambda shelf: {"kind": "several", "of": [shelf.put("a", MANY)], "minus": [shelf.put("b", MANY)]},
            "nobody",
        ),
        (
            lambda shelf: {"kind": "several", "of": [shelf.put("a", MANY)], "minus": [shelf.put("b", b"a b\n")]},
            "line 1",
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
