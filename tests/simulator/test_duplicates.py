"""The clientmsgid: what it stands for, and for how long."""

import asyncio

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.api import Api, Json, Start, account_config

DAY = 86400


async def test_a_repetition_is_told_to_wait_and_then_who_it_was(start: Start) -> None:
    """45066 for 60 s after acceptance, then 45065 with the msg_id (and no msg_data_id) for 24 h, then a new job.

    The id alone decides, whatever is sent to whom. Scale shortens both spans.
    """
    for scale in (1, 60):
        api = await start(sim={"scale": scale})
        first = await api.sendall("a", clientmsgid="job-1")
        assert scale > 1 or await api.sendalls("job-1") == [45066]
        await api.advance(61 / scale)
        duplicate = await api.send(api.openids(7, 8), "b", clientmsgid="job-1")
        assert duplicate.keys() == {"errcode", "errmsg", "msg_id"}
        assert (duplicate["errcode"], duplicate["msg_id"]) == (45065, first["msg_id"])
        await api.advance((DAY - 62) / scale - 1)
        assert await api.sendalls("job-1") == [45065]
        await api.advance(3)
        again = await api.sendall("a", clientmsgid="job-1")
        assert (again["errcode"], again["msg_id"] != first["msg_id"]) == (0, True)


@pytest.mark.parametrize(
    ("limits", "clientmsgid", "errcode"),
    [
        ({}, "x" * 32, 0), ({}, "x" * 33, 45067), ({}, "x" * 64, 45067), ({"clientmsgid": 64}, "x" * 64, 0),
        ({"clientmsgid": 64}, "群" * 22, 45067),
    ],
)  # fmt: skip
async def test_a_clientmsgid_has_at_most_32_bytes(start: Start, limits: Json, clientmsgid: str, errcode: int) -> None:
    """In spite of the documented 64, which are an option; it counts bytes. Two ids are two sends."""
    api = await start(limits=limits)
    assert await api.sendalls(clientmsgid, "another") == [errcode, 0]


async def test_an_id_is_blocked_while_its_call_is_open(api: Api) -> None:
    """45066 as long as the first call has not been answered, however long that takes; then 45065."""
    await api.fault("timeout_after_accept")
    call = asyncio.create_task(api.sendall(clientmsgid="job-1"))
    await api.world.until(lambda: len(api.world.jobs) == 1)
    await api.advance(3600)
    assert await api.sendalls("job-1") == [45066]
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await api.world.until(lambda: all(each.answered for each in api.world.calls))
    assert await api.sendalls("job-1") == [45065]


async def test_a_call_that_was_not_accepted_leaves_its_id_free(api: Api) -> None:
    """A refusal, or a fault before acceptance, does not use the id up."""
    assert (await api.sendall(tag=99, clientmsgid="job-1"))["errcode"] == 40152
    await api.fault("reset_before_accept")
    with pytest.raises(httpx.TransportError):
        await api.sendall(clientmsgid="job-1")
    assert await api.sendalls("job-1") == [0]


async def test_without_an_id_the_same_message_is_a_duplicate(start: Start) -> None:
    """By default audience and content are compared; 45065 comes at once and names the earlier job.

    The content alone may count, as users have seen it; an id cures that.
    """
    api = await start()
    first = await api.sendall()
    again = await api.sendall()
    assert (again["errcode"], again["msg_id"]) == (45065, first["msg_id"])
    assert [(await api.sendall(text, tag))["errcode"] for text, tag in (("hello", 3), ("another", 2))] == [0, 0]
    pairs = [api.openids(*pair) for pair in ((0, 1), (1, 0), (1, 2))]
    assert [(await api.send(pair))["errcode"] for pair in pairs] == [0, 45065, 0]
    api = await start(default_clientmsgid="content")
    first = await api.sendall(tag=2)
    collision = await api.sendall(tag=3)
    assert (collision["errcode"], collision["msg_id"]) == (45065, first["msg_id"])
    assert (await api.sendall(tag=3, clientmsgid="job-1"))["errcode"] == 0


@pytest.mark.parametrize(("keep", "errcode"), [(True, 45065), (False, 0)])
async def test_a_failed_job_goes_on_blocking_its_id(start: Start, keep: bool, errcode: int) -> None:
    """The id of a job that was refused in review is blocked like any other; as an option it is free again."""
    api = await start(failed_jobs_keep_clientmsgid=keep)
    await api.plan(status="err(30003)")
    await api.sent(clientmsgid="job-1")
    await api.advance(61)
    assert await api.sendalls("job-1") == [errcode]


async def test_ids_of_two_accounts_have_nothing_to_do_with_each_other(start: Start) -> None:
    """The window is an account's own."""
    api = await start(sim={"accounts": {"demo": account_config(), "other": account_config(appid="wx2")}})
    assert await api.sendalls("job-1") == [0]
    api.become("other")
    assert await api.sendalls("job-1") == [0]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 2 * DAY)), min_size=1, max_size=8))
async def test_no_id_is_accepted_twice_within_its_window(steps: list[tuple[str, int]], api: Api) -> None:
    """Whatever the order and the pauses: 0 starts a window of 24 h, in which the id answers 45066, then 45065."""
    await api.simulator.reset()
    now, accepted = 0, dict[str, int]()
    for clientmsgid, pause in steps:
        api.become("demo")
        age = now - accepted.get(clientmsgid, -DAY)
        assert await api.sendalls(clientmsgid) == [45066 if age < 60 else 45065 if age < DAY else 0]
        if age >= DAY:
            accepted[clientmsgid] = now
        api.world.clock.advance(pause)
        now += pause
