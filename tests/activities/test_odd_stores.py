"""What does not belong in a store, or has lost a part: it holds up no plan of another key."""

import os
from collections.abc import AsyncIterator

import pytest

from qunfa.audience.plans import REPORT
from qunfa.audience.store import Store, StoreUnavailable
from qunfa.contract.batches import STORE_UNAVAILABLE
from tests.activities.conftest import failed
from tests.activities.shelf import MANY, Shelf
from tests.batches.driving import row


@pytest.mark.parametrize("odd", [b"\xb2\xe2.csv", b"spring/plan.json"], ids=["a name", "a plan"])
async def test_an_odd_file_holds_up_no_new_list(shelf: Shelf, caplog: pytest.LogCaptureFixture, odd: bytes) -> None:
    """Somebody has put it there. Then it is not told whom earlier sends have reached, and the log says why."""
    plan = await shelf.plan(shelf.put("all", ("a", "b")))
    await shelf.report(plan, row(1, "sent"))
    folder = shelf.path / "store" / "audiences" / "demo"
    (folder / os.fsdecode(odd)).write_bytes(b"odd")
    again = await shelf.plan(shelf.put("again", ("a", "b")), "again")
    assert (again.openids, again.reached_before) == (2, ())
    [said] = [line for line in caplog.messages if "counts nobody as reached before" in line]
    assert folder.as_uri() in said


class Locked(Store):
    """A store with reports that its worker's user may not read, as one had them who copied them back."""

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        if path.endswith(REPORT):
            raise StoreUnavailable(f"{path} is locked")
        async for piece in super().stream(path):
            yield piece


async def test_a_report_of_others_that_is_locked_is_not_counted(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    """It holds up no plan of another key. One that is to go on by it waits until it can be read."""
    plan = await shelf.plan(shelf.put("all", MANY))
    await shelf.report(plan, row(1, "sent"))
    await shelf.report(await shelf.plan(shelf.put("two", ("a", "b")), "two"), key="two")
    locked = shelf.with_store(Locked((shelf.path / "store").as_uri(), shelf.policy))
    again = await shelf.plan(shelf.put("again", ("a", "b")), "again", by=locked)
    assert (again.openids, again.reached_before) == (2, ())
    assert "of 2 reports one cannot be read" in caplog.text
    rest = shelf.plan({"kind": "report", "key": "spring"}, "rest", by=locked)
    await failed(rest, STORE_UNAVAILABLE, "is locked")
