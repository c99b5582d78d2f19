"""A store that once does not show what is there, as a server does that is being mended: nothing is told by that."""

import pytest
from temporalio.exceptions import ApplicationError

from qunfa.audience.plans import ROWS
from qunfa.audience.store import Store
from qunfa.media.policy import SourcePolicy
from tests.activities.conftest import failed
from tests.activities.shelf import MANY, Shelf
from tests.batches.driving import row, sent

READS = 3
"""How often the rows are read for one report: before, for other keys, and once the report is about to stand."""


class Unseeing(Store):
    """A store that answers one read of a file by this name as if nothing were there."""

    def __init__(self, uri: str, policy: SourcePolicy, name: str, number: int) -> None:
        super().__init__(uri, policy)
        self.name, self.number, self.reads = name, number, 0

    async def get(self, path: str) -> bytes | None:
        self.reads += path.endswith(self.name)
        is_unseen = path.endswith(self.name) and self.reads == self.number
        return None if is_unseen else await super().get(path)


def unseeing(shelf: Shelf, name: str, number: int) -> Unseeing:
    return Unseeing((shelf.path / "store").as_uri(), shelf.policy, name, number)


@pytest.mark.parametrize("number", range(1, READS + 1))
async def test_rows_unseen_once_give_nobody_to_a_third_key(shelf: Shelf, number: int) -> None:
    """Else those who are with another key would be told as never submitted, and be planned once more."""
    plan = await shelf.plan(shelf.put("all", MANY))
    rows = sent(1), sent(2), row(3, "failed")
    before = (await shelf.reported(plan, *rows)).states
    await shelf.plan({"kind": "report", "key": "spring", "states": ["failed"]}, "rest")
    store = unseeing(shelf, ROWS, number)
    with pytest.raises(ApplicationError, match=r"rows.json is missing. Put it back|was not replaced"):
        await shelf.reported(plan, *rows, by=shelf.with_store(store))
    assert (store.reads, (await shelf.reported(plan, *rows)).states) == (number, before)


async def test_rows_unseen_beside_a_report_take_nothing_back(shelf: Shelf) -> None:
    """The run knows none of its batches. Its report would call all of them not submitted."""
    plan = await shelf.plan(shelf.put("all", MANY))
    before = await shelf.report(plan, sent(1), sent(2), row(3, "failed"))
    again = shelf.reported(plan, fresh=None, by=shelf.with_store(unseeing(shelf, ROWS, 1)))
    await failed(again, "PlanLost", "rows.json is missing. Put it back", lasting=True)
    assert await shelf.report(plan) == before
