import asyncio
import json

import httpx
import pytest

from tests.simulator.api import Api, Json, Start

HASTY = 0.2


async def raw(api: Api, seconds: float = 5, **more: object) -> httpx.Response:
    """A send to a tag, with the response as it came within so many seconds."""
    body = {"msgtype": "text", "text": {"content": "hello"}, "filter": {"tag_id": 2}, "clientmsgid": "job-1"} | more
    return await api.http.post(
        "/cgi-bin/message/mass/sendall", params={"access_token": api.token}, json=body, timeout=seconds
    )


@pytest.mark.parametrize(("kind", "jobs"), [("timeout_after_accept", 1), ("timeout_before_accept", 0)])
async def test_a_call_may_never_be_answered(start: Start, kind: str, jobs: int) -> None:
    """The client runs into its timeout; the job was accepted or not."""
    api = await start()
    await api.fault(kind)
    with pytest.raises(httpx.ReadTimeout):
        await raw(api, HASTY)
    await api.world.until(lambda: [call.answered for call in api.world.calls] == [True])
    assert len(api.world.jobs) == jobs
    assert (await raw(api)).json()["errcode"] == (45066 if jobs else 0)


@pytest.mark.parametrize(
    ("fault", "jobs"),
    [
        ({"kind": "reset_after_accept"}, 1),
        ({"kind": "reset_before_accept"}, 0),
        ({"kind": "timeout_after_accept", "seconds": 0.01}, 1),
        ({"kind": "timeout_before_accept", "seconds": 0}, 0),
    ],
)
async def test_a_connection_may_break_without_an_answer(start: Start, fault: Json, jobs: int) -> None:
    """The TCP connection is reset, not closed, at once or after a while; the job was accepted or not."""
    api = await start()
    await api.fault(**fault)
    with pytest.raises(httpx.ReadError):
        await raw(api)
    assert len(api.world.jobs) == jobs


@pytest.mark.parametrize(("accept", "jobs"), [(True, 1), (False, 0)])
async def test_an_answer_may_be_a_bad_gateway_or_broken(start: Start, accept: bool, jobs: int) -> None:
    """HTTP 502 in HTML, or JSON that is cut off; the job was accepted or not."""
    api = await start()
    await api.fault("http_502", accept=accept)
    await api.fault("broken_json", accept=accept)
    await api.fault("http_502", accept=accept, status=504)
    bad, broken, late = [await raw(api, clientmsgid=f"{n}") for n in range(3)]
    assert (bad.status_code, bad.headers["content-type"][:9]) == (502, "text/html")
    assert (broken.status_code, late.status_code) == (200, 504)
    with pytest.raises(json.JSONDecodeError):
        broken.json()
    assert len(api.world.jobs) == 3 * jobs


@pytest.mark.parametrize(
    ("kind", "errcode", "jobs"), [("errcode", 45009, 0), ("errcode_after_accept", -1, 1), ("errcode", 42010, 0)]
)
async def test_a_code_may_be_answered_with_or_without_acceptance(
    start: Start, kind: str, errcode: int, jobs: int
) -> None:
    """Any errcode, with the usual text and a rid; the job was accepted or not."""
    api = await start()
    await api.fault(kind, errcode=errcode)
    answer = (await raw(api)).json()
    assert answer["errcode"] == errcode
    assert " rid: " in answer["errmsg"]
    assert len(api.world.jobs) == jobs


async def test_a_success_may_come_without_its_msg_id(start: Start) -> None:
    """Errcode 0 and nothing else, though the job was accepted."""
    api = await start()
    await api.fault("ok_without_msg_id")
    assert (await raw(api)).json() == {"errcode": 0, "errmsg": "send job submission success"}
    assert len(api.world.jobs) == 1


async def test_a_slow_answer_comes_after_the_acceptance(start: Start) -> None:
    """The job is there while the client still waits; the answer is right."""
    api = await start()
    await api.fault("slow", seconds=0.3)
    call = asyncio.create_task(raw(api))
    await api.world.until(lambda: len(api.world.jobs) == 1)
    assert not call.done()
    assert (await call).json()["errcode"] == 0


async def test_a_slow_call_is_accepted_although_its_client_has_gone(start: Start) -> None:
    """With accept false the call is carried out late: after the client has given up."""
    api = await start()
    await api.fault("slow", seconds=0.5, accept=False)
    call = asyncio.create_task(raw(api))
    await api.world.until(lambda: [each.fault for each in api.world.calls] == ["slow"])
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert len(api.world.jobs) == 0
    await api.world.until(lambda: len(api.world.jobs) == 1)


async def test_a_slow_call_is_not_accepted_after_a_reset(start: Start) -> None:
    """What waits when the world begins anew is dropped; it must not reach the followers of the old one."""
    api = await start()
    await api.fault("slow", seconds=60, accept=False)
    call = asyncio.create_task(raw(api))
    await api.world.until(lambda: [each.fault for each in api.world.calls] == ["slow"])
    old = api.world
    await api.sim("reset", {})
    with pytest.raises(httpx.ReadError):
        await call
    assert (len(old.jobs), len(api.world.jobs)) == (0, 0)


async def test_a_fault_strikes_as_often_as_ordered(start: Start) -> None:
    """`times` counts down; without it a fault stays until it is deleted."""
    api = await start()
    await api.fault("errcode", errcode=-1, times=2)
    assert [(await raw(api, clientmsgid=f"a{n}")).json()["errcode"] for n in range(3)] == [-1, -1, 0]
    number = await api.fault("errcode", errcode=-1, times=None)
    assert [(await raw(api, clientmsgid=f"b{n}")).json()["errcode"] for n in range(3)] == [-1, -1, -1]
    assert await api.sim(f"faults?id={number}", method="DELETE", expect=204) == {}
    assert (await raw(api, clientmsgid="c")).json()["errcode"] == 0


async def test_a_fault_waits_for_the_calls_it_is_for(start: Start) -> None:
    """Endpoint, account and a pattern of the clientmsgid choose the calls."""
    api = await start()
    await api.fault("errcode", endpoint="mass/get", errcode=1)
    await api.fault("errcode", endpoint="/cgi-bin/message/mass/sendall", clientmsgid="b-*", errcode=2)
    await api.fault("errcode", endpoint="send", errcode=3)
    await api.fault("errcode", endpoint="stable_token", account="demo", errcode=4)
    assert (await api.sendall(clientmsgid="a-1"))["errcode"] == 0
    assert (await api.sendall(clientmsgid="b-1"))["errcode"] == 2
    assert (await api.send(api.openids(0, 1), clientmsgid="b-2"))["errcode"] == 3
    assert (await api.status(1))["errcode"] == 1
    assert (await api.stable_token())["errcode"] == 4
    assert await api.sim("faults") == {"faults": []}


async def test_a_fault_for_every_endpoint(start: Start) -> None:
    """The endpoint * is every one."""
    api = await start()
    await api.fault("errcode", endpoint="*", times=2, errcode=-1)
    assert [await api.code("tags/get"), (await api.stable_token())["errcode"]] == [-1, -1]


async def test_a_fault_after_acceptance_waits_for_an_acceptance(start: Start) -> None:
    """A call that is refused does not use it up."""
    api = await start()
    await api.fault("errcode_after_accept", errcode=-1)
    assert (await api.sendall(tag=99))["errcode"] == 40152
    assert (await api.sendall())["errcode"] == -1
    assert len(api.world.jobs) == 1


async def test_a_fault_may_have_a_chance(start: Start) -> None:
    """With a probability some calls are hit, the same ones in each run of the same seed; others do not count."""
    api = await start(sim={"seed": 7}, limits={"mass_per_minute": 1000})
    hits = []
    for _ in range(2):
        await api.sim("reset", {})
        api.token = (await api.stable_token())["access_token"]
        await api.fault("errcode", times=5, probability=0.5, errcode=-1)
        hits.append([(await raw(api, clientmsgid=f"{n}")).json()["errcode"] == -1 for n in range(30)])
    assert hits[0] == hits[1]
    assert sum(hits[0]) == 5
    assert not all(hits[0][:5])


async def test_faults_are_listed_and_deleted(start: Start) -> None:
    """GET tells what is left of each; DELETE clears one or all."""
    api = await start(sim={"faults": [{"kind": "slow", "seconds": 1, "endpoint": "token"}]})
    await api.fault("errcode", errcode=45011, times=None, account="demo")
    listed = (await api.sim("faults"))["faults"]
    assert listed == [
        {"id": 1, "left": 1, "kind": "slow", "seconds": 1.0, "endpoint": "token"},
        {"id": 2, "left": None, "kind": "errcode", "endpoint": "sendall", "errcode": 45011, "times": None}
        | {"account": "demo"},
    ]
    await api.sim("faults?id=9", method="DELETE", expect=404)
    await api.sim("faults", method="DELETE", expect=204)
    assert await api.sim("faults") == {"faults": []}


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"kind": "earthquake"}, 400),
        ({"kind": "slow"}, 400),
        ({"kind": "errcode", "endpoint": "nowhere"}, 400),
        ({"kind": "errcode", "endpoint": "all"}, 400),
        ({"kind": "errcode", "unknown": 1}, 400),
        ({"kind": "errcode", "account": "nobody"}, 404),
    ],
)
async def test_a_fault_that_cannot_strike_is_refused(start: Start, fault: Json, status: int) -> None:
    """A wrong fault answers 400 or 404 with the reason and is not added."""
    api = await start()
    answer = await api.sim("faults", fault, expect=status)
    assert answer["error"]
    assert await api.sim("faults") == {"faults": []}


async def test_the_call_log_tells_what_struck(start: Start) -> None:
    """Time, path, account, clientmsgid, errcode, msg_id and fault of each call; never a token."""
    api = await start()
    await api.fault("timeout_after_accept")
    with pytest.raises(httpx.ReadTimeout):
        await raw(api, HASTY)
    await api.sendall(tag=99)
    await api.world.until(lambda: all(call.answered for call in api.world.calls))
    response = await api.http.get("/_sim/calls")
    assert api.token not in response.text
    assert not any(call.query or call.raw for call in api.world.calls)
    first, second = response.json()["calls"]
    [job] = api.world.jobs
    path = "/cgi-bin/message/mass/sendall"
    assert first | {"time": None} == {
        "time": None, "path": path, "method": "POST", "account": "demo", "clientmsgid": "job-1", "errcode": None,
        "msg_id": job.msg_id, "fault": "timeout_after_accept", "received": 0, "answered": True,
    }  # fmt: skip
    assert (second["errcode"], second["msg_id"], second["fault"]) == (40152, None, None)


async def test_the_call_log_is_bounded(start: Start) -> None:
    """Only the latest calls are kept."""
    api = await start(sim={"call_log": 3})
    for _ in range(5):
        await api.call("tags/get")
    assert len((await api.sim("calls"))["calls"]) == 3
