import asyncio

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.api import Api, Start, account_config

DAY = 86400


async def test_a_repeated_clientmsgid_is_told_to_wait_and_then_who_it_was(start: Start) -> None:
    """45066 for 60 s after acceptance, then 45065 with the msg_id (and no msg_data_id) for 24 h, then a new job."""
    api = await start()
    first = await api.sendall(clientmsgid="job-1")
    assert (await api.sendall(clientmsgid="job-1"))["errcode"] == 45066
    await api.advance(61)
    duplicate = await api.sendall(clientmsgid="job-1")
    assert duplicate.keys() == {"errcode", "errmsg", "msg_id"}
    assert (duplicate["errcode"], duplicate["msg_id"]) == (45065, first["msg_id"])
    await api.advance(DAY - 62)
    assert (await api.sendall(clientmsgid="job-1"))["errcode"] == 45065
    await api.advance(2)
    again = await api.sendall(clientmsgid="job-1")
    assert again["errcode"] == 0
    assert again["msg_id"] != first["msg_id"]


async def test_a_clientmsgid_counts_whatever_is_sent_to_whom(start: Start) -> None:
    """The id alone decides: another text to another audience by the other endpoint is the same send."""
    api = await start()
    first = await api.sendall("a", clientmsgid="job-1")
    await api.advance(61)
    other = await api.send(api.openids(7, 8), "b", clientmsgid="job-1")
    assert (other["errcode"], other["msg_id"]) == (45065, first["msg_id"])


async def test_distinct_clientmsgids_are_distinct_sends(start: Start) -> None:
    """The same message to the same audience under two ids is sent twice."""
    api = await start()
    answers = [await api.sendall(clientmsgid=f"job-{n}") for n in range(2)]
    assert [answer["errcode"] for answer in answers] == [0, 0]


@pytest.mark.parametrize(("length", "errcode"), [(32, 0), (33, 45067), (64, 45067)])
async def test_a_clientmsgid_has_at_most_32_bytes(start: Start, length: int, errcode: int) -> None:
    """Longer ones are refused with 45067, in spite of the documented 64."""
    api = await start()
    assert (await api.sendall(clientmsgid="x" * length))["errcode"] == errcode


async def test_the_limit_of_64_can_be_set(start: Start) -> None:
    """The documented limit is an option; it counts bytes."""
    api = await start(limits={"clientmsgid": 64})
    assert (await api.sendall(clientmsgid="x" * 64))["errcode"] == 0
    assert (await api.sendall(clientmsgid="群" * 22))["errcode"] == 45067


async def test_an_id_is_blocked_while_its_call_is_open(start: Start) -> None:
    """45066 as long as the first call has not been answered, however long that takes; then 45065."""
    api = await start()
    await api.fault("timeout_after_accept")
    call = asyncio.create_task(api.sendall(clientmsgid="job-1"))
    await api.world.until(lambda: len(api.world.jobs) == 1)
    await api.advance(3600)
    assert (await api.sendall(clientmsgid="job-1"))["errcode"] == 45066
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await api.world.until(lambda: all(each.answered for each in api.world.calls))
    assert (await api.sendall(clientmsgid="job-1"))["errcode"] == 45065


async def test_a_call_that_was_not_accepted_leaves_its_id_free(start: Start) -> None:
    """A refusal, or a fault before acceptance, does not use the id up."""
    api = await start()
    assert (await api.sendall(tag=99, clientmsgid="job-1"))["errcode"] == 40152
    await api.fault("reset_before_accept")
    with pytest.raises(httpx.TransportError):
        await api.sendall(clientmsgid="job-1")
    assert (await api.sendall(clientmsgid="job-1"))["errcode"] == 0


async def test_without_an_id_the_same_message_is_a_duplicate(start: Start) -> None:
    """By default audience and content are compared; 45065 comes at once and names the earlier job."""
    api = await start()
    first = await api.sendall()
    again = await api.sendall()
    assert (again["errcode"], again["msg_id"]) == (45065, first["msg_id"])
    assert (await api.sendall(tag=3))["errcode"] == 0
    assert (await api.sendall("another"))["errcode"] == 0
    assert (await api.send(api.openids(0, 1)))["errcode"] == 0
    assert (await api.send(api.openids(1, 0)))["errcode"] == 45065
    assert (await api.send(api.openids(1, 2)))["errcode"] == 0


async def test_without_an_id_the_content_alone_may_count(start: Start) -> None:
    """As users have seen it: the same message to another tag is refused with the first tag's msg_id; an id cures it."""
    api = await start(default_clientmsgid="content")
    first = await api.sendall(tag=2)
    collision = await api.sendall(tag=3)
    assert (collision["errcode"], collision["msg_id"]) == (45065, first["msg_id"])
    assert (await api.sendall(tag=3, clientmsgid="job-1"))["errcode"] == 0


async def test_a_failed_job_goes_on_blocking_its_id(start: Start) -> None:
    """The id of a job that was refused in review is blocked like any other; as an option it is free again."""
    for keep, errcode in ((True, 45065), (False, 0)):
        api = await start(failed_jobs_keep_clientmsgid=keep)
        await api.plan(status="err(30003)")
        await api.sent(clientmsgid="job-1")
        await api.advance(61)
        assert (await api.sendall(clientmsgid="job-1"))["errcode"] == errcode


async def test_ids_of_two_accounts_have_nothing_to_do_with_each_other(start: Start) -> None:
    """The window is an account's own."""
    api = await start(sim={"accounts": {"demo": account_config(), "other": account_config(appid="wx2")}})
    assert (await api.sendall(clientmsgid="job-1"))["errcode"] == 0
    api.token = api.world.accounts["other"].tokens.stable(api.world.clock.now()).value
    assert (await api.sendall(clientmsgid="job-1"))["errcode"] == 0


async def test_scale_shortens_both_spans(start: Start) -> None:
    """With scale 60 the 60 s last one and the 24 h last 24 minutes."""
    api = await start(sim={"scale": 60})
    await api.sendall(clientmsgid="job-1")
    await api.advance(1)
    assert (await api.sendall(clientmsgid="job-1"))["errcode"] == 45065
    await api.advance(24 * 60)
    assert (await api.sendall(clientmsgid="job-1"))["errcode"] == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 2 * DAY)), min_size=1, max_size=8))
async def test_no_id_is_accepted_twice_within_its_window(steps: list[tuple[str, int]], unlimited: Api) -> None:
    """Whatever the order and the pauses: 0 starts a window of 24 h, in which the id answers 45066, then 45065."""
    await unlimited.simulator.reset()
    now, accepted = 0, dict[str, int]()
    for clientmsgid, pause in steps:
        unlimited.token = (await unlimited.stable_token())["access_token"]
        answer = await unlimited.sendall(clientmsgid=clientmsgid)
        age = now - accepted.get(clientmsgid, -DAY)
        assert answer["errcode"] == (45066 if age < 60 else 45065 if age < DAY else 0)
        if age >= DAY:
            accepted[clientmsgid] = now
        unlimited.world.clock.advance(pause)
        now += pause


@pytest.fixture
async def unlimited(start: Start) -> Api:
    """An account whose world each example begins anew."""
    return await start()
