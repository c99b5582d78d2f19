"""A store that once does not show what is there, as a server does that is being mended: nothing is told by that."""

import pytest
from temporalio.exceptions import ApplicationError

from qunfa.audience.plans import PLAN, ROWS
from qunfa.audience.store import Store
from qunfa.contract.batches import PLAN_LOST, STORE_UNAVAILABLE
from tests.activities.conftest import failed
from tests.activities.shelf import MANY, Shelf
from tests.batches.driving import row, sent

READS = 3
"""How often the rows are read for one report: before, for other keys, and once the report is about to stand."""


class Unseeing(Store):
    """A store that answers one read of a file by this name as if nothing were there, or only half of it."""

    def __init__(self, shelf: Shelf, name: str, number: int = 1, *, is_half_seen: bool = False) -> None:
        super().__init__((shelf.path / "store").as_uri(), shelf.policy)
        self.name, self.number, self.reads, self.is_half_seen = name, number, 0, is_half_seen

    async def get(self, path: str) -> bytes | None:
        return self._seen(path, await super().get(path))

    async def get_range(self, path: str, offset: int, length: int) -> bytes | None:
        return self._seen(path, await super().get_range(path, offset, length))

    def _seen(self, path: str, content: bytes | None) -> bytes | None:
        self.reads += self.name in path
        if self.name not in path or self.reads != self.number or content is None:
            return content
        return content[: len(content) // 2] if self.is_half_seen else None


@pytest.mark.parametrize("number", range(1, READS + 1))
async def test_rows_unseen_once_give_nobody_to_a_third_key(shelf: Shelf, number: int) -> None:
    """Else those who are with another key would be told as never submitted, and be planned once more."""
    plan = await shelf.plan(shelf.put("all", MANY))
    rows = sent(1), sent(2), row(3, "failed")
    before = (await shelf.reported(plan, *rows)).states
    await shelf.plan({"kind": "report", "key": "spring", "states": ["failed"]}, "rest")
    store = Unseeing(shelf, ROWS, number)
    with pytest.raises(ApplicationError, match=r"rows.json is not to be seen|rows.json is missing|was not replaced"):
        await shelf.reported(plan, *rows, by=shelf.with_store(store))
    assert (store.reads, (await shelf.reported(plan, *rows)).states) == (number, before)


async def test_rows_unseen_beside_a_report_take_nothing_back(shelf: Shelf) -> None:
    """The run knows none of its batches. Its report would call all of them not submitted."""
    plan = await shelf.plan(shelf.put("all", MANY))
    before = await shelf.report(plan, sent(1), sent(2), row(3, "failed"))
    again = shelf.reported(plan, fresh=None, by=shelf.with_store(Unseeing(shelf, ROWS)))
    await failed(again, STORE_UNAVAILABLE, "rows.json is not to be seen. Put it back")
    assert await shelf.report(plan) == before


async def test_rows_unseen_once_begin_no_list_anew(shelf: Shelf) -> None:
    """The store alone knows that a batch was accepted: its key started again would submit that once more."""
    audience = shelf.put("all", MANY)
    plan = await shelf.plan(audience)
    accepted = row(2, "unknown").model_copy(update={"job": "accepted", "msg_id": 1002})
    before = await shelf.report(plan, row(1, "failed"), accepted)
    again = shelf.plan(audience, by=shelf.with_store(Unseeing(shelf, ROWS, 2)))
    await failed(again, STORE_UNAVAILABLE, "rows.json is not to be seen")
    assert (await shelf.plan(audience)).is_sent_in_part
    assert await shelf.report(plan) == before


async def test_rows_unseen_once_make_no_unknown_batch_unsent(shelf: Shelf) -> None:
    """A report was withdrawn, and its run forgot that batch: another key would take its people."""
    audience = shelf.put("all", MANY)
    plan = await shelf.plan(audience)
    await shelf.reported(plan, row(1, "unknown"))
    again = await shelf.plan(audience)
    unseeing = shelf.with_store(Unseeing(shelf, ROWS))
    await failed(shelf.reported(again, row(2, "failed"), fresh=3, by=unseeing), STORE_UNAVAILABLE)
    told = (await shelf.reported(again, row(2, "failed"), fresh=3, by=unseeing, number=2)).states
    assert told["unknown"] == plan.size(1)


@pytest.mark.parametrize("is_half_seen", [False, True], ids=["not seen", "half seen"])
@pytest.mark.parametrize("name", [PLAN, ROWS, "openids-"])
async def test_one_wrong_read_costs_no_report(shelf: Shelf, name: str, *, is_half_seen: bool) -> None:
    """The next attempt reads it whole."""
    plan = await shelf.plan(shelf.put("all", MANY))
    await shelf.reported(plan)
    rows = sent(1), sent(2), row(3, "failed")
    unseeing = shelf.with_store(Unseeing(shelf, name, is_half_seen=is_half_seen))
    is_listed = name == ROWS and not is_half_seen
    await failed(shelf.reported(plan, *rows, by=unseeing), STORE_UNAVAILABLE if is_listed else PLAN_LOST)
    told = await shelf.reported(plan, *rows, by=unseeing, number=2)
    assert told.states == {"sent": plan.size(1) + plan.size(2), "failed": plan.size(3)}
