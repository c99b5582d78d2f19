"""Followers, and who received what."""

import re
import time
import tracemalloc
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qunfa.simulator import openid
from qunfa.simulator.accounts import Followers, follower_number
from tests.simulator.api import Api, Json, Start, simulator_config

MILLION = 1_000_000
AUDIENCES = st.one_of(st.sampled_from([None, 2, 3]), st.lists(st.integers(0, 19), min_size=2, max_size=12, unique=True))
APPIDS = st.text("abcdef0123456789", min_size=1, max_size=18).map("wx".__add__)
NUMBERS = st.integers(0, 2**30 - 1)
SIZE = 12
COUNTS = st.lists(st.one_of(st.integers(0, 5), st.integers(250, 255)), min_size=SIZE, max_size=SIZE)


@given(appid=APPIDS, n=NUMBERS)
def test_an_openid_leads_back_to_its_follower(appid: str, n: int) -> None:
    """28 characters of the usual ones, first an "o", nobody else's, and the same each time and in every release."""
    text = openid(appid, n)
    assert re.fullmatch(r"o[A-Za-z0-9_-]{27}", text)
    assert openid(appid, n) == text
    assert follower_number(appid, text) == n
    assert follower_number(appid + "x", text) is None
    known = ["oenF00O0SJzvyepzSEqMhkCT9jf_", "oenF007Y5oo8J_UWh-Sxo3NN4hh_"]
    assert [openid("wx0123456789abcdef", number) for number in (0, 1)] == known


@given(text=st.text("abcABC0123_-\r é", max_size=30), n=NUMBERS, place=st.integers(0, 27))
def test_no_other_text_is_an_openid(text: str, n: int, place: int) -> None:
    """Any other text, and an openid in which one character is another, leads to nobody."""
    right = openid("wx1", n)
    assert follower_number("wx1", text) is None
    other = "A" if right[place] != "A" else "B"
    assert follower_number("wx1", right[:place] + other + right[place + 1 :]) is None


@given(numbers=st.sets(st.integers(0, SIZE - 1)), counts=COUNTS, limit=st.integers(0, 255))
def test_a_set_of_followers_counts_like_a_plain_one(numbers: set[int], counts: list[int], limit: int) -> None:
    """Members, adding one to each count (255 stays), and who is below a limit."""
    compact = Followers.of(numbers)
    assert (list(compact), len(compact)) == (sorted(numbers), len(numbers))
    assert {n for n in (*range(-1, SIZE + 1), "x") if n in compact} == numbers
    added = bytearray(counts)
    compact.add_to(added)
    assert list(added) == [min(255, count + (n in numbers)) for n, count in enumerate(counts)]
    assert list(compact.below(bytearray(counts), limit)) == [n for n in sorted(numbers) if counts[n] < limit]


async def ledger(api: Api, by: str = "content") -> Json:
    accounts: Json = (await api.sim(f"ledger?account=demo&by={by}"))["accounts"]
    part: Json = accounts["demo"]
    return part


@pytest.mark.usefixtures("still")
async def test_the_ledger_tells_who_received_what(start: Start) -> None:
    """Summary of an account with its jobs; a follower's own messages by openid. Nobody received what is under way."""
    api = await start(sim={"timing": {"delivery": 10}})
    job = api.job(await api.sendall(clientmsgid="job-1"))
    assert (await ledger(api))["reached"] == 0
    await api.finish(10)
    summary = await ledger(api)
    assert summary | {"followers": 20, "reached": 5, "max_per_follower": 1, "duplicates": []} == summary
    [told] = summary["jobs"]
    expected = {
        "account": "demo", "msg_id": job.msg_id, "clientmsgid": "job-1", "audience": "tag:2", "audience_size": 5,
        "received": 5, "state": "done", "msg_status": "SEND_SUCCESS", "status": "send success", "pushed": True,
        "counts": {"total": 5, "filter": 5, "sent": 5, "error": 0}, "accepted_at": told["accepted_at"],
    }  # fmt: skip
    assert told | expected == told
    assert told["accepted_at"].startswith("2026-12-15T12:00:")
    member, stranger = api.openids(4, 5)
    mine = await api.sim(f"ledger/followers?openid={member}")
    assert (mine["count"], [each["msg_id"] for each in mine["received"]]) == (1, [job.msg_id])
    assert (await api.sim(f"ledger/followers?openid={stranger}"))["received"] == []


async def test_a_double_delivery_is_found(api: Api) -> None:
    """The same content, or the same clientmsgid after its window: how many followers had it twice, and which."""
    first, second = [(await api.sent(tag=tag, clientmsgid=f"{tag}")).msg_id for tag in (2, 3)]
    await api.sent("something else", tag=None)
    [duplicate] = (await ledger(api))["duplicates"]
    assert duplicate["msg_ids"] == [first, second]
    assert (duplicate["followers"], duplicate["max"]) == (2, 2)
    assert duplicate["sample"] == api.openids(3, 4)
    assert (await ledger(api, by="clientmsgid"))["duplicates"] == []
    await api.advance(86400)
    await api.sent("two", clientmsgid="2")
    assert len((await ledger(api))["duplicates"]) == 1
    [duplicate] = (await ledger(api, by="clientmsgid"))["duplicates"]
    assert (duplicate["group"], duplicate["followers"]) == ("2", 5)


@pytest.mark.usefixtures("still")
async def test_a_follower_receives_four_messages_a_month(start: Start) -> None:
    """The fifth in a calendar month is filtered: it lowers FilterCount; the next month begins anew."""
    api = await start()
    for n in range(4):
        await api.sent(clientmsgid=f"{n}")
    overlapping = await api.sent(tag=3)
    assert overlapping.counts.model_dump() == {"total": 6, "filter": 4, "sent": 4, "error": 0}
    nobody = await api.sent(clientmsgid="5")
    assert (nobody.status, nobody.counts.total, nobody.counts.filter) == ("send success", 5, 0)
    full = await api.sim(f"ledger/followers?openid={api.openids(0)[0]}")
    assert (full["count"], full["this_month"]) == (4, 4)
    for moment, reached in (("2026-12-31T23:59:59+08:00", 0), ("2027-01-01T00:00:00+08:00", 5)):
        await api.until(moment)
        assert (await api.sent(clientmsgid=moment[:19])).counts.filter == reached
    api = await start(kind="subscription", limits={"sends_per_day": 9})  # the rule is of service accounts
    assert [(await api.sent(clientmsgid=f"{n}")).counts.filter for n in range(6)] == [5] * 6


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sends=st.lists(st.tuples(AUDIENCES, st.sampled_from("ab")), max_size=9), monthly=st.integers(1, 3))
async def test_the_ledger_agrees_with_counting_by_hand(
    sends: list[tuple[int | list[int] | None, str]], monthly: int, api: Api
) -> None:
    """Any sends to all, tags and openids: each follower's count, the counts of the events and the duplicates."""
    await api.simulator.reset(simulator_config(limits={"user_per_month": monthly, "to_all_per_month": 100}))
    api.become("demo")
    members = {None: range(20), 2: range(5), 3: range(3, 9)}
    received: Counter[int] = Counter()
    by_text: dict[str, Counter[int]] = {"a": Counter(), "b": Counter()}
    for n, (audience, text) in enumerate(sends):
        if isinstance(audience, list):
            chosen, answer = audience, await api.send(api.openids(*audience), text, clientmsgid=f"{n}")
        else:
            chosen, answer = [*members[audience]], await api.sendall(text, audience, clientmsgid=f"{n}")
        await api.world.settled()
        got = [follower for follower in chosen if received[follower] < monthly]
        received.update(got)
        by_text[text].update(got)
        counts = api.job(answer).counts
        assert (counts.total, counts.filter, counts.sent) == (len(chosen), len(got), len(got))
    summary = await ledger(api)
    assert list(api.world.ledger.counts(api.demo)) == [received[n] for n in range(20)]
    assert (summary["reached"], summary["max_per_follower"]) == (len(received), max(received.values(), default=0))
    found = sorted((each["followers"], each["max"]) for each in summary["duplicates"])
    repeated = [[count for count in counts.values() if count > 1] for counts in by_text.values()]
    assert found == sorted((len(counts), max(counts)) for counts in repeated if counts)


async def test_a_million_followers_are_no_burden(start: Start) -> None:
    """Sends to all of a million and the ledger take well under five seconds of the processor, whoever else uses it."""
    began = time.process_time()
    tags = [{"id": 2, "name": "half", "count": MILLION // 2}]
    api = await start(followers=MILLION, tags=tags)
    for n in range(4):
        await api.sent("same", tag=2, clientmsgid=f"{n}")
    job = await api.sent("same", tag=None)
    assert job.counts.model_dump() == {"total": MILLION, "filter": MILLION // 2, "sent": MILLION // 2, "error": 0}
    summary = await ledger(api)
    assert (summary["reached"], summary["max_per_follower"]) == (MILLION, 4)
    assert [(each["followers"], each["max"]) for each in summary["duplicates"]] == [(MILLION // 2, 4)]
    assert time.process_time() - began < 5


async def test_a_tag_has_followers_by_a_rule_and_by_number(start: Start) -> None:
    """Every third from number 5, and two more; pages go on behind any openid; a send to the tag reaches the same."""
    tag = {"id": 7, "name": "thirds", "count": 4, "first": 5, "every": 3, "also": [0, 8, 19]}
    api = await start(tags=[tag])
    members = [0, 5, 8, 11, 14, 19]
    assert {"id": 7, "name": "thirds", "count": 6} in (await api.call("tags/get"))["tags"]
    page = await api.call("user/tag/get", {"tagid": 7, "next_openid": api.openids(6)[0]})
    assert page == {"count": 4, "data": {"openid": api.openids(*members[2:])}, "next_openid": api.openids(19)[0]}
    assert await api.code("user/tag/get", {"tag_id": 7}) == 45159
    assert list((await api.sent(tag=7)).audience.members) == members


async def test_a_file_of_any_followers_is_written(start: Start) -> None:
    """All of them, or those of a tag, and of these some: text with one openid a line."""
    api = await start(followers=10_003, tags=[{"id": 7, "name": "fifths", "count": 9, "every": 5}])

    async def told(query: str) -> tuple[int, str]:
        response = await api.http.get(f"/_sim/accounts/demo/followers?{query}")
        return response.status_code, response.text

    for query, numbers in {
        "": range(10_003),
        "tag=7&first=1&every=2&count=3": (5, 15, 25),
        "first=10001&count=9": (10_001, 10_002),
        "count=0": (),
    }.items():
        assert await told(query) == (200, "".join(f"{each}\n" for each in api.openids(*numbers))), query
    for query, status in {"tag=9": 404, "every=0": 400, "count=x": 400, "frist=1": 400}.items():
        assert (await told(query))[0] == status, query


async def test_the_ledger_counts_who_was_reached_how_often(start: Start) -> None:
    """By everything, or by the jobs whose clientmsgid fits: in sum, and for each follower that was reached."""
    api = await start(followers=MILLION)
    for name, numbers in {"list.1": (3, 999_999), "list.2": (3, 70_000), "other": (3, 4)}.items():
        await api.send(api.openids(*numbers), name, clientmsgid=name)
    await api.world.settled()
    for query, times in {
        "": {"0": MILLION - 4, "1": 3, "2": 0, "3": 1},
        "clientmsgid=list.*": {"0": MILLION - 3, "1": 2, "2": 1},
        "clientmsgid=nothing": {"0": MILLION},
    }.items():
        summary = (await api.sim(f"ledger/reached?account=demo&{query}"))["accounts"]["demo"]
        assert summary == {"followers": MILLION, "times": times}, query
    each = await api.http.get("/_sim/accounts/demo/reached?clientmsgid=list.*")
    reached = zip(api.openids(3, 70_000, 999_999), (2, 1, 1), strict=True)
    assert each.text == "".join(f"{openid} {times}\n" for openid, times in reached)


async def test_sends_to_ten_million_need_little_memory(start: Start) -> None:
    """Long lists that are scattered over ten million take no room of that size for each of them."""
    api = await start(followers=10 * MILLION)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(6):
        await api.send(api.openids(*range(n, 10 * MILLION, 10_007)), f"{n}", clientmsgid=f"{n}")
    await api.world.settled()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 3 * 10 * MILLION
    assert (await api.sim("ledger/reached"))["accounts"]["demo"]["times"]["1"] == 6 * 1000
