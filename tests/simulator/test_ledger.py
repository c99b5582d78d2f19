import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.api import Api, Json, Start, simulator_config

MILLION = 1_000_000
AUDIENCES = st.one_of(
    st.sampled_from([None, 2, 3]),
    st.lists(st.integers(0, 19), min_size=2, max_size=12, unique=True),
)


async def ledger(api: Api, by: str = "content") -> Json:
    """The demo account's part of the ledger."""
    accounts: Json = (await api.sim(f"ledger?account=demo&by={by}"))["accounts"]
    part: Json = accounts["demo"]
    return part


async def test_the_ledger_tells_who_received_what(start: Start) -> None:
    """Summary of an account with its jobs; a follower's own messages by openid."""
    api = await start()
    job = await api.sent(clientmsgid="job-1")
    summary = await ledger(api)
    assert {name: summary[name] for name in ("followers", "reached", "max_per_follower", "duplicates")} == {
        "followers": 20, "reached": 5, "max_per_follower": 1, "duplicates": [],
    }  # fmt: skip
    [told] = summary["jobs"]
    expected = {
        "account": "demo", "msg_id": job.msg_id, "clientmsgid": "job-1", "audience": "tag:2", "audience_size": 5,
        "received": 5, "state": "done", "msg_status": "SEND_SUCCESS", "status": "send success", "pushed": True,
        "counts": {"total": 5, "filter": 5, "sent": 5, "error": 0}, "accepted_at": told["accepted_at"],
    }  # fmt: skip
    assert told | expected == told
    assert told["accepted_at"].startswith("2026-12-15T12:00:0")
    member, stranger = api.openids(4, 5)
    mine = await api.sim(f"ledger/followers?openid={member}")
    assert (mine["count"], [each["msg_id"] for each in mine["received"]]) == (1, [job.msg_id])
    assert (await api.sim(f"ledger/followers?openid={stranger}"))["received"] == []
    await api.sim("ledger/followers?openid=nonsense", expect=404)


async def test_nobody_has_received_a_job_that_is_not_finished(start: Start) -> None:
    """Delivery happens when a job ends, not when it is accepted."""
    api = await start(sim={"timing": {"delivery": 10}})
    await api.sendall()
    assert (await ledger(api))["reached"] == 0
    await api.advance(10)
    await api.world.settled()
    assert (await ledger(api))["reached"] == 5


async def test_a_double_delivery_is_found(start: Start) -> None:
    """The same content delivered by two jobs: how many followers had it twice, and which."""
    api = await start()
    first, second = [(await api.sent(tag=tag, clientmsgid=f"{tag}")).msg_id for tag in (2, 3)]
    await api.sent("something else", tag=None)
    [duplicate] = (await ledger(api))["duplicates"]
    assert duplicate["msg_ids"] == [first, second]
    assert (duplicate["followers"], duplicate["max"]) == (2, 2)
    assert duplicate["sample"] == api.openids(3, 4)
    assert (await ledger(api, by="clientmsgid"))["duplicates"] == []


async def test_a_double_delivery_by_clientmsgid_is_found(start: Start) -> None:
    """The same clientmsgid again after its window, with another text."""
    api = await start()
    await api.sent("one", clientmsgid="job-1")
    await api.advance(86400)
    await api.sent("two", clientmsgid="job-1")
    assert (await ledger(api))["duplicates"] == []
    [duplicate] = (await ledger(api, by="clientmsgid"))["duplicates"]
    assert (duplicate["group"], duplicate["followers"]) == ("job-1", 5)


async def test_a_follower_receives_four_messages_a_month(start: Start) -> None:
    """The fifth in a calendar month is filtered: it lowers FilterCount; the next month begins anew."""
    api = await start()
    for n in range(4):
        await api.sent(tag=2, clientmsgid=f"{n}")
    overlapping = await api.sent(tag=3)
    assert overlapping.counts.model_dump() == {"total": 6, "filter": 4, "sent": 4, "error": 0}
    nobody = await api.sent(tag=2, clientmsgid="5")
    assert (nobody.status, nobody.counts.total, nobody.counts.filter) == ("send success", 5, 0)
    full = await api.sim(f"ledger/followers?openid={api.openids(0)[0]}")
    assert (full["count"], full["this_month"]) == (4, 4)
    await api.sim("clock", {"set": "2026-12-31T23:59:59+08:00"})
    assert (await api.sent(tag=2, clientmsgid="6")).counts.filter == 0
    await api.sim("clock", {"set": "2027-01-01T00:00:00+08:00"})
    assert (await api.sent(tag=2, clientmsgid="7")).counts.filter == 5


async def test_followers_of_a_subscription_account_are_not_filtered(start: Start) -> None:
    """The four a month are a rule of service accounts."""
    api = await start(kind="subscription", limits={"sends_per_day": 9})
    counts = [(await api.sent(clientmsgid=f"{n}")).counts.filter for n in range(6)]
    assert counts == [5] * 6


@pytest.mark.parametrize("wrong", ["by=nothing", "account=nobody"])
async def test_a_wrong_question_is_refused(start: Start, wrong: str) -> None:
    """An unknown grouping or account is an error, not an empty ledger."""
    api = await start()
    await api.sim(f"ledger?{wrong}", expect=400 if "by" in wrong else 404)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sends=st.lists(st.tuples(AUDIENCES, st.sampled_from("ab")), max_size=9), monthly=st.integers(1, 3))
async def test_the_ledger_agrees_with_counting_by_hand(
    sends: list[tuple[int | list[int] | None, str]], monthly: int, begun: Api
) -> None:
    """Any sends to all, tags and openids: each follower's count, the counts of the events and the duplicates."""
    limits = {"user_per_month": monthly, "to_all_per_month": 100}
    await begun.simulator.reset(simulator_config(limits=limits))
    begun.token = (await begun.stable_token())["access_token"]
    members = {None: range(20), 2: range(5), 3: range(3, 9)}
    received: Counter[int] = Counter()
    by_text: dict[str, Counter[int]] = {"a": Counter(), "b": Counter()}
    for n, (audience, text) in enumerate(sends):
        chosen = audience if isinstance(audience, list) else members[audience]
        if isinstance(audience, list):
            answer = await begun.send(begun.openids(*audience), text, clientmsgid=f"{n}")
        else:
            answer = await begun.sendall(text, audience, clientmsgid=f"{n}")
        await begun.world.settled()
        got = [follower for follower in chosen if received[follower] < monthly]
        received.update(got)
        by_text[text].update(got)
        job = begun.world.jobs.get(answer["msg_id"])
        assert job is not None
        assert (job.counts.total, job.counts.filter, job.counts.sent) == (len(chosen), len(got), len(got))
    summary = await ledger(begun)
    assert list(begun.world.ledger.counts(begun.world.accounts["demo"])) == [received[n] for n in range(20)]
    assert (summary["reached"], summary["max_per_follower"]) == (len(received), max(received.values(), default=0))
    found = sorted((each["followers"], each["max"]) for each in summary["duplicates"])
    repeated = [[count for count in counts.values() if count > 1] for counts in by_text.values()]
    assert found == sorted((len(counts), max(counts)) for counts in repeated if counts)


@pytest.fixture
async def begun(start: Start) -> Api:
    """An account whose world each example begins anew."""
    return await start()


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
