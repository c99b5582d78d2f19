"""A rehearsal has the account's name and its store, and another WeChat: neither takes the other's reports.

WeChat itself has several hosts, and is one WeChat at each of them.
"""

import pytest

from qunfa.contract.batches import AUDIENCE_INVALID
from tests.activities.conftest import failed
from tests.activities.shelf import MANY, WECHAT, Shelf
from tests.batches.driving import row

SIMULATOR = "http://127.0.0.1:8089"
API, API2 = "https://api.weixin.qq.com", "https://api2.weixin.qq.com"


@pytest.mark.parametrize(("first", "then"), [(WECHAT, SIMULATOR), (SIMULATOR, API), (API, SIMULATOR)])
async def test_no_list_goes_by_the_report_of_a_rehearsal(shelf: Shelf, first: str, then: str) -> None:
    """Nor a rehearsal by that of a list: it would take the rest from the key that is to have it."""
    shelf.wechat = first
    plan = await shelf.plan(shelf.put("all", MANY))
    await shelf.report(plan, row(1, "sent"), row(2, "failed"))
    before, shelf.wechat = shelf.stored, then
    rest = {"kind": "report", "key": "spring", "states": ["failed", "not_submitted"]}
    less = {"kind": "several", "of": [shelf.put("more", ("a", "b"))], "minus": [rest]}
    for audience in (rest, less):
        for keep in (True, False):
            said = "the report of spring tells of another WeChat, such as that of a rehearsal"
            await failed(shelf.plan(audience, "rest", keep=keep), AUDIENCE_INVALID, said, lasting=True)
    assert shelf.stored == before
    shelf.wechat = first
    assert (await shelf.plan(rest, "rest")).openids == plan.size(2) + plan.size(3), "the rest is free still"


async def test_whom_a_rehearsal_has_reached_is_not_counted(shelf: Shelf) -> None:
    """Who approves would take its people for people who had the message."""
    for key, wechat in (("spring", WECHAT), ("rehearsed", SIMULATOR)):
        shelf.wechat = wechat
        plan = await shelf.plan(shelf.put("two", ("a", "b")), key)
        await shelf.report(plan, row(1, "sent"), key=key)
        assert (await shelf.plan(shelf.put("more", ("a", "b", "c")), f"after-{key}")).reached_before == (1, 2, 0, 0, 0)


async def test_a_list_goes_on_at_another_host_of_wechats(shelf: Shelf) -> None:
    """Its reports tell of the same people there, so that nobody gets a message twice: they count for each new list."""
    shelf.wechat = API
    audience = shelf.put("all", MANY)
    first = await shelf.plan(audience)
    await shelf.report(first, row(1, "sent"), row(2, "failed"))
    shelf.wechat = API2
    assert (await shelf.plan(audience, "again", keep=False)).reached_before[1] == first.size(1)
    assert (await shelf.plan(audience, keep=False)).digest == first.digest
    rest = {"kind": "report", "key": "spring", "states": ["failed", "not_submitted"]}
    less = {"kind": "several", "of": [audience], "minus": [rest]}
    assert (await shelf.plan(less, "less")).openids == first.size(1)
    assert (await shelf.plan(rest, "rest")).openids == first.size(2) + first.size(3)
