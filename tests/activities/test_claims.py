"""Whose the rest of a list is, where the store is not quite as it should be."""

from pathlib import Path

import httpx
import pytest

from qunfa.audience import PlanLostError, Store
from qunfa.audience.store import Found
from qunfa.contract.batches import AUDIENCE_INVALID, PLAN_LOST
from tests.activities.conftest import failed
from tests.activities.shelf import MANY, Shelf, batch_of
from tests.batches.driving import row


class Behind(Store):
    """A store whose list does not show yet who has the rest: it shows an object some seconds after it was put."""

    async def found(self, folder: str) -> list[Found]:
        return [one for one in await super().found(folder) if "/next-" not in one.path]


class Forgetful(Store):
    """A store that somebody else clears: what is created in it is gone."""

    async def create(self, path: str, content: bytes) -> bool:
        return "/next-" in path or await super().create(path, content)


@pytest.fixture
def shelf(http: httpx.AsyncClient, tmp_path: Path) -> Shelf:
    return Shelf(http, tmp_path)


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
    """Without that file the next key would find the rest free."""
    await shelf.report(await shelf.plan(shelf.put("all", MANY)), row(1, "sent"))
    forgetful = shelf.with_store(Forgetful((shelf.path / "store").as_uri(), shelf.policy))
    planning = shelf.plan({"kind": "report", "key": "spring"}, "rest", by=forgetful)
    await failed(planning, PLAN_LOST, "next-not_submitted was removed while it was written", lasting=True)
