"""What becomes of a job: its time, its end, the administrator, and its deletion."""

import pytest

from qunfa.simulator import Counts, Job
from tests.simulator.api import Api, Json, Start, article, named

pytestmark = pytest.mark.usefixtures("still")

SLOW: Json = {"timing": {"delivery": 10}}
DELETE = "message/mass/delete"


async def msg_status(api: Api, msg_id: object) -> object:
    answer = await api.status(msg_id)
    return answer.get("errcode") or answer["msg_status"]


async def test_mass_get_takes_an_id_as_text_or_number(start: Start) -> None:
    """An unknown one answers 40059, and for a configured time each new one does."""
    api = await start(sim={"timing": {"delivery": 0, "unknown": 30}})
    msg_id = (await api.sent()).msg_id
    assert await msg_status(api, msg_id) == 40059
    await api.advance(30)
    assert [await msg_status(api, given) for given in (msg_id, str(msg_id))] == ["SEND_SUCCESS"] * 2
    assert [await msg_status(api, given) for given in (msg_id + 1, "x", None, True)] == [40059] * 4


@pytest.mark.parametrize(
    ("plan", "ignore", "ended"),
    [
        ({}, 0, ("send success", 0, "SEND_SUCCESS", 5)),
        ({"status": "sendsuccess"}, 0, ("sendsuccess", 0, "SEND_SUCCESS", 5)),
        *[({"status": each}, 0, (each, 0, "SEND_FAIL", 0)) for each in ("send fail", "err(20001)", "err(30001)")],
        ({"job_status": "SEND_FAIL"}, 0, ("send fail", 0, "SEND_FAIL", 0)),
        ({"job_status": "DELETE"}, 0, ("send success", 0, "DELETE", 5)),
        ({"job_status": "DELETE", "status": "err(40002)"}, 0, ("err(40002)", 0, "SEND_FAIL", 0)),
        ({"job_status": "SENDING"}, 0, ("send success", 0, "SENDING", 5)),
        ({"status": "send fail", "delivered": True}, 0, ("send fail", 0, "SEND_FAIL", 5)),
        ({"delivered": False}, 0, ("send success", 0, "SEND_SUCCESS", 0)),
        ({"reprint": "forbidden"}, 0, ("err(30002)", 3, "SEND_FAIL", 0)),
        ({"reprint": "allowed"}, 0, ("err(30003)", 2, "SEND_FAIL", 0)),
        ({"reprint": "allowed"}, 1, ("send success", 2, "SEND_SUCCESS", 5)),
    ],
    ids=range(14),
)
async def test_a_plan_decides_how_a_job_ends(
    api: Api, plan: Json, ignore: int, ended: tuple[str, int, str, int]
) -> None:
    """Status and CheckState of the event, mass/get's status, followers. Only a success delivers, but for the plan.

    A reprint that the original allows is sent if the caller goes on, by send_ignore_reprint.
    """
    await api.plan(**plan)
    job = await api.sent(send_ignore_reprint=ignore)
    status = (await api.status(job.msg_id))["msg_status"]
    assert (job.status, job.check_state, status, len(job.received or ())) == ended
    assert sum(api.world.ledger.counts(job.account)) == ended[3]


async def test_plans_are_used_in_order_by_the_jobs_they_fit(api: Api) -> None:
    """A plan is for so many jobs, of an account or of clientmsgids that match its pattern.

    FilterCount is what is left after filtering; with err(…) all counts are 0; a plan may tell others.
    """
    told = {"total": 9, "filter": 8, "sent": 6, "error": 2}
    await api.plan(status="err(20001)", clientmsgid="b*")
    await api.plan(status="err(20002)", times=2)
    await api.plan(counts=told)
    ended = [await api.sent(clientmsgid=name) for name in ("a1", "b1", "a2", "b2", "c")]
    assert [job.status for job in ended] == ["err(20002)", "err(20001)", "err(20002)", "send success", "send success"]
    assert [job.counts for job in ended[2:]] == [Counts(), Counts(**told), Counts(total=5, filter=5, sent=5)]


async def test_a_send_to_all_waits_for_the_administrator(start: Start) -> None:
    """Nobody receives a send to all before it is confirmed, and its delivery begins then; tags are not concerned."""
    api = await start(admin_confirmation=True, sim=SLOW)
    tagged = api.job(await api.sendall())
    await api.finish(10)
    assert (tagged.confirmation, tagged.status) == ("not_needed", "send success")
    msg_id = (await api.sendall(tag=None))["msg_id"]
    await api.advance(1700)
    assert await msg_status(api, msg_id) == "SENDING"
    assert (await api.sim("accounts"))["accounts"][0]["awaiting_confirmation"] == [msg_id]
    assert await api.sim("accounts/demo/confirm", {"msg_id": msg_id}) == {"confirmed": [msg_id]}
    await api.advance(5)
    assert await msg_status(api, msg_id) == "SENDING"
    await api.finish(5)
    assert await msg_status(api, msg_id) == "SEND_SUCCESS"
    assert (await api.sim("accounts"))["accounts"][0]["awaiting_confirmation"] == []


@pytest.mark.parametrize("answer", ["SENDING", 89504, 89505])
async def test_the_administrator_decides_only_on_what_waits(start: Start, answer: object) -> None:
    """A refused send ends with err(40001) and reaches nobody; the others go on waiting. Nothing that waits is 404.

    While one waits mass/get says so: SENDING, or 89504 or 89505 as a setting.
    """
    api = await start(admin_confirmation=True, confirmation_answer=answer)
    first, second = [(await api.sendall(tag=None, clientmsgid=name))["msg_id"] for name in ("a", "b")]
    assert await api.sim("accounts/demo/refuse", {"msg_id": second}) == {"refused": [second]}
    assert await msg_status(api, first) == answer
    assert await api.sim("accounts/demo/confirm", {}) == {"confirmed": [first]}
    await api.world.settled()
    assert [await msg_status(api, each) for each in (first, second)] == ["SEND_SUCCESS", "SEND_FAIL"]
    assert [(job.status, bool(job.received)) for job in api.world.jobs] == [
        ("send success", True), ("err(40001)", False),
    ]  # fmt: skip
    for path in ("demo/confirm", "demo/refuse", "nobody/confirm", "nobody/refuse"):
        await api.sim(f"accounts/{path}", {}, expect=404)


@pytest.mark.parametrize(("scale", "seconds"), [(1, 1800), (60, 30)])
async def test_the_administrator_has_thirty_minutes(start: Start, scale: int, seconds: int) -> None:
    """Without an answer the send ends with err(40002); scale shortens the time."""
    api = await start(admin_confirmation=True, sim={"scale": scale})
    job = api.job(await api.sendall(tag=None))
    await api.advance(seconds - 10)
    assert await msg_status(api, job.msg_id) == "SENDING"
    await api.finish(10)
    assert (job.status, job.confirmation) == ("err(40002)", "timed_out")
    await api.sim("accounts/demo/confirm", {}, expect=404)


async def news(api: Api, clientmsgid: str = "news") -> Job:
    return await api.sent(named("mpnews", await api.draft(article(), article())), clientmsgid=clientmsgid)


async def test_articles_can_be_deleted_one_by_one(api: Api) -> None:
    """By their number from 1, or by the event's URL; with the last of them the message is deleted. msg_id wins."""
    job = await news(api)
    for index, code in ((3, 40060), (2, 0), (2, 40065)):
        assert await api.code(DELETE, {"msg_id": str(job.msg_id), "article_idx": index}) == code
        assert await msg_status(api, job.msg_id) == "SEND_SUCCESS"
    assert await api.codes(DELETE, {"msg_id": 1, "url": job.article_urls[0]}, {"url": job.article_urls[0]}) == [
        40059,
        0,
    ]
    assert await msg_status(api, job.msg_id) == "DELETE"
    assert [told["deleted"] for told in (await api.sim("jobs"))["jobs"]] == [[1, 2]]


async def test_a_deletion_names_something_that_can_be_deleted(start: Start) -> None:
    """41011 for nothing, 40059 and 40066 for what is not there, 40008 for another type, 40065 for what was not sent."""
    api = await start(sim=SLOW, limits={"calls_per_day": {"mass/delete": 99}})
    await api.plan(status="send fail")
    contents = (named("mpnews", await api.draft()), "hi", named("mpvideo", await api.film()))
    failed, text, film = [(await api.sendall(content))["msg_id"] for content in contents]
    assert await api.code(DELETE, {"msg_id": film}) == 40065
    await api.finish(10)
    expected: list[tuple[Json, int]] = [
        ({}, 41011), ({"msg_id": 1}, 40059), ({"msg_id": "x"}, 40059), ({"msg_id": [1]}, 40059),
        ({"url": ["x"]}, 40066), ({"url": "http://mp.weixin.qq.com/s/nothing"}, 40066), ({"msg_id": failed}, 40065),
        ({"msg_id": text}, 40008), ({"msg_id": film, "article_idx": 2}, 40060), ({"msg_id": film}, 0),
    ]  # fmt: skip
    assert await api.codes(DELETE, *(body for body, _ in expected)) == [code for _, code in expected]


async def test_messages_of_one_material_go_together(api: Api) -> None:
    """Deleting one of two jobs that were sent from the same news deletes both."""
    media_id = (await api.news())["media_id"]
    one, two = [await api.sent(named("mpnews", media_id), clientmsgid=each) for each in "ab"]
    other = await news(api, clientmsgid="c")
    assert await api.code(DELETE, {"msg_id": one.msg_id}) == 0
    assert [job.msg_status for job in (one, two, other)] == ["DELETE", "DELETE", "SEND_SUCCESS"]
