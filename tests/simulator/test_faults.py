import asyncio

import httpx
import pytest

from tests.looking import PATIENCE
from tests.simulator.api import Api, Start, message

HASTY = httpx.Timeout(PATIENCE, read=0.2)
SENDALL = "/cgi-bin/message/mass/sendall"


async def raw(api: Api, within: httpx.Timeout | float = PATIENCE, **more: object) -> httpx.Response:
    """A send to a tag, with the response as it came."""
    body = message() | {"filter": {"tag_id": 2}, "clientmsgid": "job-1"} | more
    return await api.http.post(SENDALL, params={"access_token": api.token}, json=body, timeout=within)


async def test_a_slow_answer_comes_after_the_acceptance(api: Api) -> None:
    """The job is there while the client still waits; the answer is right. The end of the world lets it go."""
    await api.fault("slow", seconds=600)
    call = asyncio.create_task(raw(api))
    await api.world.until(lambda: len(api.world.jobs) == 1)
    assert not call.done()
    await api.sim("reset", {})
    assert (await call).json()["errcode"] == 0


async def test_a_slow_call_is_accepted_although_its_client_has_gone(api: Api) -> None:
    """With accept false the call is carried out late, after its client has given up; but not in a world that ended."""
    await api.fault("slow", seconds=0.5, accept=False)
    call = await held(api)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert call.cancelled()
    await api.world.until(lambda: len(api.world.jobs) == 1)


async def test_a_slow_call_is_not_accepted_after_a_reset(api: Api) -> None:
    """What waits when the world begins anew is dropped; it must not reach the followers of the old one."""
    await api.fault("slow", seconds=60, accept=False)
    call, old = await held(api), api.world
    await api.sim("reset", {})
    with pytest.raises(httpx.ReadError):
        await call
    assert (len(old.jobs), len(api.world.jobs)) == (0, 0)


async def held(api: Api) -> "asyncio.Task[httpx.Response]":
    call = asyncio.create_task(raw(api))
    await api.world.until(lambda: [each.fault for each in api.world.calls] == ["slow"])
    return call


async def test_a_fault_strikes_as_often_as_ordered(api: Api) -> None:
    """`times` counts down; without it a fault stays until it is deleted."""
    await api.fault("errcode", errcode=-1, times=2)
    assert await api.sendalls("a", "b", "c") == [-1, -1, 0]
    number = await api.fault("errcode", errcode=-1, times=None)
    assert await api.sendalls("d", "e", "f") == [-1, -1, -1]
    assert await api.sim(f"faults?id={number}", method="DELETE", expect=204) == {}
    assert await api.sendalls("g") == [0]


async def test_a_fault_waits_for_the_calls_it_is_for(api: Api) -> None:
    """Endpoint, account and a pattern of the clientmsgid choose the calls; the endpoint * is every one."""
    for code, order in enumerate(
        [
            {"endpoint": "mass/get"}, {"endpoint": SENDALL, "clientmsgid": "b-*"}, {"endpoint": "send"},
            {"endpoint": "stable_token", "account": "demo"},
        ], 1,
    ):  # fmt: skip
        await api.fault("errcode", errcode=code, **order)
    assert await api.sendalls("a-1", "b-1") == [0, 2]
    assert (await api.send(api.openids(0, 1), clientmsgid="b-2"))["errcode"] == 3
    assert (await api.status(1))["errcode"] == 1
    assert (await api.stable_token())["errcode"] == 4
    assert await api.sim("faults") == {"faults": []}
    await api.fault("errcode", endpoint="*", times=2, errcode=-1)
    assert [await api.code("tags/get"), (await api.stable_token())["errcode"]] == [-1, -1]


async def test_a_fault_may_have_a_chance(start: Start) -> None:
    """With a probability some calls are hit, the same ones in each run of the same seed; others do not count."""
    api = await start(sim={"seed": 7}, limits={"mass_per_minute": 1000})
    hits = []
    for _ in range(2):
        await api.sim("reset", {})
        api.become("demo")
        await api.fault("errcode", times=5, probability=0.5, errcode=-1)
        hits.append([code == -1 for code in await api.sendalls(*map(str, range(30)))])
    assert hits[0] == hits[1]
    assert sum(hits[0]) == 5
    assert not all(hits[0][:5])


async def test_faults_and_plans_are_listed_and_deleted(start: Start) -> None:
    """GET tells what is left of each; DELETE clears one or all."""
    faults = [{"kind": "slow", "seconds": 1, "endpoint": "token"}]
    api = await start(sim={"faults": faults, "pushes": [{"drop": True, "times": 2}]})
    await api.fault("errcode", errcode=45011, times=None, account="demo")
    await api.plan(delay=3, account="demo")
    assert (await api.sim("faults"))["faults"] == [
        {"id": 1, "left": 1, "kind": "slow", "seconds": 1.0, "endpoint": "token"},
        {"id": 2, "left": None, "kind": "errcode", "endpoint": "sendall", "errcode": 45011, "times": None}
        | {"account": "demo"},
    ]
    assert (await api.sim("pushes"))["plans"] == [
        {"id": 1, "left": 2, "drop": True, "times": 2},
        {"id": 2, "left": 1, "delay": 3.0, "account": "demo"},
    ]
    for path, name in (("faults", "faults"), ("pushes", "plans")):
        await api.sim(f"{path}?id=9", method="DELETE", expect=404)
        await api.sim(path, method="DELETE", expect=204)
        assert (await api.sim(path))[name] == []


async def test_the_call_log_tells_what_struck(start: Start) -> None:
    """Time, path, account, clientmsgid, errcode, msg_id and fault of the latest calls; never a token."""
    api = await start(sim={"call_log": 3})
    await api.call("tags/get")
    await api.fault("timeout_after_accept")
    with pytest.raises(httpx.ReadTimeout):
        await raw(api, HASTY)
    await api.sendall(tag=99)
    await api.code("message/mass/sendall", b'{"clientmsgid":"\\ud83d"}')
    await api.world.until(lambda: all(call.answered for call in api.world.calls))
    response = await api.http.get("/_sim/calls")
    assert api.token not in response.text
    assert not any(call.query or call.raw for call in api.world.calls)
    first, second, odd = response.json()["calls"]
    [job] = api.world.jobs
    assert first | {"time": None} == {
        "time": None, "path": SENDALL, "method": "POST", "account": "demo", "clientmsgid": "job-1", "errcode": None,
        "msg_id": job.msg_id, "fault": "timeout_after_accept", "received": 0, "answered": True,
    }  # fmt: skip
    assert (second["errcode"], second["msg_id"], second["fault"]) == (40152, None, None)
    assert (odd["errcode"], odd["clientmsgid"]) == (47002, "?")
