import asyncio
import time

import pytest

from tests.looking import PATIENCE
from tests.simulator.api import Api, Json, Start

FIELDS = ["MsgID", "Status", "TotalCount", "FilterCount", "SentCount", "ErrorCount"]
DOWN = {"url": "http://127.0.0.1:1/wechat/demo", "token": "t"}


async def outcomes(api: Api) -> list[tuple[str, int]]:
    """What came of each try of a push, and which try it was."""
    return [(each["outcome"], each["number"]) for each in (await api.sim("pushes"))["tries"]]


async def test_an_originality_check_is_told_by_article(api: Api) -> None:
    """CheckState, the items of ResultList and the URLs of articles come from the plan; texts are escaped."""
    url = "https://mp.weixin.qq.com/s?a=1&b=<2>]]>3"
    items = [{"ArticleIdx": 1, "CanReprint": 0, "OriginalArticleUrl": url}, {"ArticleIdx": 2, "AuditState": 11}]
    await api.plan(status="err(30003)", check_state=3, copyright=items, article_urls=[url])
    await api.sent()
    [push] = api.inbox.pushes
    block = "CopyrightCheckResult"
    paths = ["Status", "SentCount", f"{block}/Count", f"{block}/CheckState", f"{block}/ResultList/item[2]/AuditState"]
    assert [push.text(path) for path in paths] == ["err(30003)", "0", "2", "3", "11"]
    assert push.tags(f"{block}/ResultList/item[1]") == [
        "ArticleIdx", "UserDeclareState", "AuditState", "OriginalArticleUrl", "OriginalArticleType", "CanReprint",
        "NeedReplaceContent", "NeedShowReprintSource",
    ]  # fmt: skip
    for path in (f"{block}/ResultList/item[1]/OriginalArticleUrl", "ArticleUrlResult/ResultList/item/ArticleUrl"):
        assert push.text(path) == url


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((200, "success"), "answered"), ((200, ""), "answered"), ((200, "SUCCESS!"), "bad_answer"),
        ((200, "{}"), "bad_answer"), ((500, "success"), "bad_answer"), ((302, ""), "bad_answer"),
    ],
    ids=range(6),
)  # fmt: skip
async def test_only_success_or_nothing_answers_a_push(api: Api, answer: tuple[int, str], outcome: str) -> None:
    """HTTP 200 with `success` or an empty body; anything else is tried three times in all, the same each time."""
    api.inbox.answers.extend([answer] * 4)
    await api.sent()
    assert await outcomes(api) == [(outcome, number) for number in ((1,) if outcome == "answered" else (1, 2, 3))]
    assert len({push.body for push in api.inbox.pushes}) == 1


async def test_a_push_that_is_not_answered_in_time_is_tried_again(start: Start) -> None:
    """After the deadline the connection is dropped. One that is down is tried as often; without one, nothing is."""
    api = await start(sim={"push": {"deadline": 0.2, "tries": 10, "spacing": 0}})
    api.inbox.answers.append(None)
    await api.sent()
    tried = await outcomes(api)
    assert (tried[0][0], tried[-1][0]) == ("timeout", "answered")
    for callback, tries in ((DOWN, [("unreachable", number) for number in (1, 2, 3)]), (None, [])):
        api = await start(callback=callback)
        assert ((await api.sent()).msg_status, await outcomes(api)) == ("SEND_SUCCESS", tries)


async def test_tries_are_spaced(start: Start) -> None:
    """About five seconds lie between tries, shortened by scale."""
    api = await start(sim={"push": {"spacing": 5}, "scale": 50})
    api.inbox.answers.append((500, ""))
    await api.sent()
    first, second = api.world.courier.log
    assert second.time - first.time >= 5 / 50


async def test_a_push_may_come_before_the_answer(start: Start) -> None:
    """The event arrives while the HTTP call is still open."""
    api = await start(sim={"timing": {"delivery": 3600}})
    await api.plan(before_response=True)
    answered: list[bool] = []
    api.inbox.on_push = lambda _push: answered.extend(call.answered for call in api.world.calls)
    answer = await api.sendall()
    assert answered == [False]
    assert api.inbox.msg_ids == [answer["msg_id"]]


async def test_a_push_may_be_late(start: Start) -> None:
    """A planned delay lies between the end of the job and the push, shortened by scale."""
    api = await start(sim={"scale": 10})
    await api.plan(delay=3600)
    msg_id = await unpushed(api)
    await api.finish(361)
    assert api.inbox.msg_ids == [msg_id]


async def unpushed(api: Api) -> int:
    """The msg_id of a job that has ended, and of which no push came."""
    msg_id: int = (await api.sendall())["msg_id"]
    await api.world.until(lambda: [job.msg_status for job in api.world.jobs] == ["SEND_SUCCESS"])
    assert api.inbox.msg_ids == []
    return msg_id


@pytest.mark.parametrize(
    ("plan", "jobs", "come"),
    [
        ({"drop": True}, "A", ""), ({"duplicate": 2}, "A", "AAA"), ({"out_of_order": True}, "AB", "BA"),
        ({"forged": "signature"}, "A", "aA"), ({"forged": "msg_id"}, "A", "?A"),
    ],
    ids=["never", "three times", "out of order", "a wrong signature first", "an unknown MsgID first"],
)  # fmt: skip
async def test_pushes_come_as_they_are_planned(api: Api, plan: Json, jobs: str, come: str) -> None:
    """A small letter is a wrong signature, `?` the MsgID of no job. Pushes of earlier jobs let none that is held go.

    mass/get knows the end of a job that the callback is told nothing of. What is told again is the same.
    """
    await api.sent(clientmsgid="earlier")
    await api.plan(**plan)
    names = {(await api.sendall(clientmsgid=name))["msg_id"]: name for name in jobs}
    await api.world.settled()
    pushes = api.inbox.pushes[1:]
    told = [names.get(push.msg_id, "?") for push in pushes]
    assert "".join(a if push.is_signed else a.lower() for a, push in zip(told, pushes, strict=True)) == come
    assert [(await api.status(msg_id))["msg_status"] for msg_id in names] == ["SEND_SUCCESS"] * len(jobs)
    assert len({push.body for push in pushes}) == len(set(told))


async def test_any_event_can_be_pushed_now(api: Api) -> None:
    """`/_sim/push` sends any MsgID with any status and tells what came of it."""
    counts = {"total": 4, "filter": 3, "sent": 2, "error": 1}
    order = {"account": "demo", "msg_id": 2**53 + 1, "status": "err(20431)", "counts": counts, "check_state": 2}
    answer = await api.sim("push", order)
    [push] = api.inbox.pushes
    assert [push.text(name) for name in FIELDS] == [str(2**53 + 1), "err(20431)", "4", "3", "2", "1"]
    assert [each["outcome"] for each in answer["tries"]] == ["answered"]
    await api.sim("push", order | {"signed": False})
    assert [each.is_signed for each in api.inbox.pushes] == [True, False]


async def test_a_reset_stops_what_was_under_way(api: Api) -> None:
    """Jobs, held pushes and plans of the old world are gone."""
    await api.plan(out_of_order=True)
    await unpushed(api)
    old = api.world
    await api.sim("reset", {})
    await asyncio.wait_for(old.settled(), PATIENCE)
    assert (len(api.world.jobs), api.inbox.pushes) == (0, [])


@pytest.mark.parametrize("skew", [0, -3600, 900])
async def test_pushes_are_signed_with_the_real_time(start: Start, skew: float) -> None:
    """Receivers compare it with their own clock, so simulated time must not show in it; a wrong clock can be had."""
    api = await start(sim={"push": {"skew": skew}})
    await api.advance(10**6)
    before = int(time.time())
    await api.sent()
    [push] = api.inbox.pushes
    assert before <= int(push.query["timestamp"]) - skew <= time.time()
