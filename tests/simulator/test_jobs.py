import pytest

from qunfa.simulator import Counts
from tests.simulator.api import Json, Start

SLOW: Json = {"timing": {"delivery": 10}}


async def test_a_job_takes_its_time(start: Start) -> None:
    """mass/get says SENDING until delivery, then SEND_SUCCESS; its answer has no errcode and no counts."""
    api = await start(sim=SLOW)
    msg_id = (await api.sendall())["msg_id"]
    assert await api.status(msg_id) == {"msg_id": msg_id, "msg_status": "SENDING"}
    await api.advance(10)
    await api.world.settled()
    assert await api.status(msg_id) == {"msg_id": msg_id, "msg_status": "SEND_SUCCESS"}


async def test_scale_shortens_the_delivery(start: Start) -> None:
    """With scale 600 ten seconds last 17 ms; nobody needs to advance the clock."""
    api = await start(sim=SLOW | {"scale": 600})
    job = await api.sent()
    assert job.finished_at is not None
    assert job.finished_at - job.accepted_at >= 10 / 600


async def test_mass_get_takes_an_id_as_text_or_number(start: Start) -> None:
    """msg_id may be a text, as in the documentation's sample, or a number; an unknown one answers 40059."""
    api = await start()
    msg_id = (await api.sendall())["msg_id"]
    assert [(await api.status(given)).get("errcode") for given in (msg_id, str(msg_id))] == [None, None]
    assert [(await api.status(given))["errcode"] for given in (msg_id + 1, "x", None, True)] == [40059] * 4


async def test_a_job_may_be_unknown_right_after_its_submission(start: Start) -> None:
    """For a configured time after acceptance mass/get answers 40059."""
    api = await start(sim={"timing": {"delivery": 0, "unknown": 30}})
    msg_id = (await api.sent()).msg_id
    assert (await api.status(msg_id))["errcode"] == 40059
    await api.advance(30)
    assert (await api.status(msg_id))["msg_status"] == "SEND_SUCCESS"


@pytest.mark.parametrize(
    ("plan", "status", "msg_status", "received"),
    [
        ({}, "send success", "SEND_SUCCESS", 5),
        ({"status": "sendsuccess"}, "sendsuccess", "SEND_SUCCESS", 5),
        ({"status": "send fail"}, "send fail", "SEND_FAIL", 0),
        ({"status": "err(20001)"}, "err(20001)", "SEND_FAIL", 0),
        ({"status": "err(30001)"}, "err(30001)", "SEND_FAIL", 0),
        ({"job_status": "SEND_FAIL"}, "send fail", "SEND_FAIL", 0),
        ({"job_status": "DELETE"}, "send success", "DELETE", 5),
        ({"job_status": "DELETE", "status": "err(40002)"}, "err(40002)", "SEND_FAIL", 0),
        ({"job_status": "SENDING"}, "send success", "SENDING", 5),
        ({"reprint": "forbidden"}, "err(30002)", "SEND_FAIL", 0),
        ({"status": "send fail", "delivered": True}, "send fail", "SEND_FAIL", 5),
        ({"delivered": False}, "send success", "SEND_SUCCESS", 0),
    ],
)
async def test_a_plan_decides_how_a_job_ends(
    start: Start, plan: Json, status: str, msg_status: str, received: int
) -> None:
    """A planned status or mass/get status ends the job; only a success delivers, unless the plan says otherwise."""
    api = await start()
    await api.plan(**plan)
    job = await api.sent()
    assert (job.status, (await api.status(job.msg_id))["msg_status"]) == (status, msg_status)
    assert len(job.received or ()) == received
    assert sum(api.world.ledger.counts(job.account)) == received


@pytest.mark.parametrize(("ignore", "status"), [(0, "err(30003)"), (1, "send success")])
async def test_a_reprint_is_sent_only_if_the_caller_goes_on(start: Start, ignore: int, status: str) -> None:
    """A reprint that the original allows: err(30003) with send_ignore_reprint 0, sent with CheckState 2 with 1."""
    api = await start()
    await api.plan(reprint="allowed")
    job = await api.sent(send_ignore_reprint=ignore)
    assert (job.status, job.check_state) == (status, 2)


async def test_counts_of_a_success_and_of_a_failure(start: Start) -> None:
    """FilterCount is what is left after filtering; with err(…) all counts are 0; a plan may tell others."""
    api = await start()
    await api.plan(status="err(10001)")
    await api.plan(counts={"total": 9, "filter": 8, "sent": 6, "error": 2})
    counts = [(await api.sent(clientmsgid=f"{n}")).counts for n in range(3)]
    assert counts == [Counts(), Counts(total=9, filter=8, sent=6, error=2), Counts(total=5, filter=5, sent=5)]


async def test_plans_are_used_in_order_by_the_jobs_they_fit(start: Start) -> None:
    """A plan is for so many jobs, of an account or of clientmsgids that match its pattern."""
    api = await start()
    await api.plan(status="err(20001)", clientmsgid="b*")
    await api.plan(status="err(20002)", times=2)
    ended = [(await api.sent(clientmsgid=name)).status for name in ("a1", "b1", "a2", "b2")]
    assert ended == ["err(20002)", "err(20001)", "err(20002)", "send success"]


async def test_a_send_to_all_waits_for_the_administrator(start: Start) -> None:
    """With protection on nobody receives a send to all before it is confirmed; tags are not concerned."""
    api = await start(admin_confirmation=True)
    assert (await api.sent()).confirmation == "not_needed"
    msg_id = (await api.sendall(tag=None))["msg_id"]
    await api.advance(1700)
    assert (await api.status(msg_id))["msg_status"] == "SENDING"
    assert (await api.sim("accounts"))["accounts"][0]["awaiting_confirmation"] == [msg_id]
    assert await api.sim("accounts/demo/confirm", {"msg_id": msg_id}) == {"confirmed": [msg_id]}
    await api.world.settled()
    assert (await api.status(msg_id))["msg_status"] == "SEND_SUCCESS"
    assert (await api.sim("accounts"))["accounts"][0]["awaiting_confirmation"] == []


async def test_the_delivery_begins_with_the_confirmation(start: Start) -> None:
    """The time that the administrator took does not shorten it."""
    api = await start(admin_confirmation=True, sim=SLOW)
    msg_id = (await api.sendall(tag=None))["msg_id"]
    await api.advance(100)
    await api.sim("accounts/demo/confirm", {})
    await api.advance(5)
    assert (await api.status(msg_id))["msg_status"] == "SENDING"
    await api.advance(5)
    await api.world.settled()
    assert (await api.status(msg_id))["msg_status"] == "SEND_SUCCESS"


async def test_the_administrator_may_refuse(start: Start) -> None:
    """A refused send ends with err(40001) and reaches nobody."""
    api = await start(admin_confirmation=True)
    msg_id = (await api.sendall(tag=None))["msg_id"]
    await api.sim("accounts/demo/refuse", {})
    await api.world.settled()
    job = api.world.jobs.get(msg_id)
    assert job is not None
    assert (job.status, job.msg_status, job.received) == ("err(40001)", "SEND_FAIL", None)


async def test_the_administrator_has_thirty_minutes(start: Start) -> None:
    """Without an answer the send ends with err(40002); scale shortens the time."""
    for scale, seconds in ((1, 1800), (60, 30)):
        api = await start(admin_confirmation=True, sim={"scale": scale})
        msg_id = (await api.sendall(tag=None))["msg_id"]
        await api.advance(seconds - 10)
        assert (await api.status(msg_id))["msg_status"] == "SENDING"
        await api.advance(10)
        await api.world.settled()
        job = api.world.jobs.get(msg_id)
        assert job is not None
        assert (job.status, job.confirmation) == ("err(40002)", "timed_out")
        await api.sim("accounts/demo/confirm", {}, expect=404)


@pytest.mark.parametrize("code", [89504, 89505])
async def test_mass_get_may_tell_of_the_administrator(start: Start, code: int) -> None:
    """While a send waits for its confirmation mass/get may answer 89504 or 89505."""
    api = await start(admin_confirmation=True, confirmation_answer=code)
    msg_id = (await api.sendall(tag=None))["msg_id"]
    assert (await api.status(msg_id))["errcode"] == code
    await api.sim("accounts/demo/confirm", {})
    await api.world.settled()
    assert (await api.status(msg_id))["msg_status"] == "SEND_SUCCESS"
