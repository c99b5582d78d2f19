import asyncio
from hashlib import sha1

import pytest

from tests.looking import PATIENCE
from tests.simulator.api import CALLBACK_TOKEN, Api, Json, Start
from tests.simulator.inbox import Push

TAGS = [
    "ToUserName", "FromUserName", "CreateTime", "MsgType", "Event", "MsgID", "Status", "TotalCount", "FilterCount",
    "SentCount", "ErrorCount", "CopyrightCheckResult", "ArticleUrlResult",
]  # fmt: skip


def is_signed(push: Push) -> bool:
    """Whether the query's signature is the account's."""
    parts = sorted([CALLBACK_TOKEN, push.query["timestamp"], push.query["nonce"]])
    return push.query["signature"] == sha1("".join(parts).encode()).hexdigest()  # noqa: S324 - WeChat's algorithm


async def outcomes(api: Api) -> list[str]:
    """What came of each try of a push."""
    return [each["outcome"] for each in (await api.sim("pushes"))["tries"]]


async def test_the_event_tells_how_the_job_ended(start: Start) -> None:
    """MASSSENDJOBFINISH in the current form: all tags in their order, MsgID that of the answer, the four counts."""
    api = await start()
    job = await api.sent()
    [push] = api.inbox.pushes
    assert push.tags() == TAGS
    assert push.msg_id == job.msg_id
    assert [push.text(name) for name in TAGS[:1] + TAGS[3:5] + TAGS[6:11]] == [
        "gh_0123456789ab", "event", "MASSSENDJOBFINISH", "send success", "5", "5", "5", "0",
    ]  # fmt: skip
    assert push.text("CreateTime") == str(int(job.finished_at or 0))
    assert push.tags("CopyrightCheckResult") == ["Count", "ResultList", "CheckState"]
    assert [push.text(f"CopyrightCheckResult/{name}") for name in ("Count", "CheckState")] == ["0", "0"]
    assert push.text("ArticleUrlResult/Count") == "0"


async def test_a_push_has_wechats_headers_and_signature(start: Start) -> None:
    """Query signature, timestamp, nonce and openid; the headers of a recorded push."""
    api = await start()
    await api.sent()
    [push] = api.inbox.pushes
    assert push.query.keys() == {"signature", "timestamp", "nonce", "openid"}
    assert is_signed(push)
    assert push.query["openid"] == push.text("FromUserName")
    expected = {"user-agent": "Mozilla/4.0", "accept": "*/*", "content-type": "text/xml", "pragma": "no-cache"}
    assert {name: push.headers[name] for name in expected} == expected


async def test_an_originality_check_is_told_by_article(start: Start) -> None:
    """CheckState, the items of ResultList and the URLs of articles come from the plan; texts are escaped."""
    api = await start()
    url = "https://mp.weixin.qq.com/s?a=1&b=<2>]]>3"
    items = [{"ArticleIdx": 1, "CanReprint": 0, "OriginalArticleUrl": url}, {"ArticleIdx": 2, "AuditState": 11}]
    await api.plan(status="err(30003)", check_state=3, copyright=items, article_urls=[url])
    await api.sent()
    [push] = api.inbox.pushes
    assert [push.text("Status"), push.text("SentCount")] == ["err(30003)", "0"]
    block = "CopyrightCheckResult"
    assert [push.text(f"{block}/Count"), push.text(f"{block}/CheckState")] == ["2", "3"]
    names = [
        "ArticleIdx", "UserDeclareState", "AuditState", "OriginalArticleUrl", "OriginalArticleType", "CanReprint",
        "NeedReplaceContent", "NeedShowReprintSource",
    ]  # fmt: skip
    assert push.tags(f"{block}/ResultList/item[1]") == names
    assert push.text(f"{block}/ResultList/item[1]/OriginalArticleUrl") == url
    assert push.text(f"{block}/ResultList/item[2]/AuditState") == "11"
    assert push.text("ArticleUrlResult/ResultList/item/ArticleUrl") == url


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((200, "success"), "answered"),
        ((200, ""), "answered"),
        ((200, "SUCCESS!"), "bad_answer"),
        ((200, "{}"), "bad_answer"),
        ((500, "success"), "bad_answer"),
        ((302, ""), "bad_answer"),
    ],
)
async def test_only_success_or_nothing_answers_a_push(start: Start, answer: tuple[int, str], outcome: str) -> None:
    """HTTP 200 with `success` or an empty body; anything else is tried again."""
    api = await start()
    api.inbox.answers.append(answer)
    await api.sent()
    assert await outcomes(api) == ([outcome] if outcome == "answered" else [outcome, "answered"])


async def test_a_push_is_tried_three_times(start: Start) -> None:
    """Three tries in all, then WeChat gives up; the event is the same each time."""
    api = await start()
    api.inbox.answers.extend([(500, "")] * 3)
    await api.sent()
    assert await outcomes(api) == ["bad_answer"] * 3
    assert len({push.body for push in api.inbox.pushes}) == 1
    assert [each["number"] for each in (await api.sim("pushes"))["tries"]] == [1, 2, 3]


async def test_a_push_that_is_not_answered_in_time_is_tried_again(start: Start) -> None:
    """After the deadline the connection is dropped."""
    api = await start(sim={"push": {"deadline": 0.2, "tries": 10, "spacing": 0}})
    api.inbox.answers.append(None)
    await api.sent()
    tried = await outcomes(api)
    assert (tried[0], tried[-1]) == ("timeout", "answered")


async def test_a_receiver_that_is_down_gets_nothing(start: Start) -> None:
    """A refused connection is a failed try like any other."""
    api = await start(callback={"url": "http://127.0.0.1:1/wechat/demo", "token": "t"})
    await api.sent()
    assert await outcomes(api) == ["unreachable"] * 3


async def test_tries_are_spaced(start: Start) -> None:
    """About five seconds lie between tries, shortened by scale."""
    api = await start(sim={"push": {"spacing": 5}, "scale": 50})
    api.inbox.answers.append((500, ""))
    await api.sent()
    first, second = api.world.courier.log
    assert second.time - first.time >= 5 / 50


async def test_an_account_without_callback_gets_no_push(start: Start) -> None:
    """The job ends all the same."""
    api = await start(callback=None)
    job = await api.sent()
    assert (job.msg_status, await outcomes(api)) == ("SEND_SUCCESS", [])


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
    msg_id = (await api.sendall())["msg_id"]
    await api.world.until(lambda: [job.msg_status for job in api.world.jobs] == ["SEND_SUCCESS"])
    assert api.inbox.msg_ids == []
    await api.advance(361)
    await api.world.settled()
    assert api.inbox.msg_ids == [msg_id]


async def test_a_push_may_never_come(start: Start) -> None:
    """The job ends, mass/get knows it, the callback is told nothing."""
    api = await start()
    await api.plan(drop=True)
    job = await api.sent()
    assert (await api.status(job.msg_id))["msg_status"] == "SEND_SUCCESS"
    assert api.inbox.pushes == []


async def test_a_push_may_come_several_times(start: Start) -> None:
    """The same event again, although it was answered."""
    api = await start()
    await api.plan(duplicate=2)
    await api.sent()
    assert len(api.inbox.pushes) == 3
    assert len({push.body for push in api.inbox.pushes}) == 1


async def test_pushes_may_come_out_of_order(start: Start) -> None:
    """A held push goes out after that of a later job; those of earlier ones do not count."""
    api = await start()
    earlier = (await api.sent()).msg_id
    await api.plan(out_of_order=True)
    first, second = [(await api.sendall(clientmsgid=f"{n}"))["msg_id"] for n in range(2)]
    await api.world.settled()
    assert api.inbox.msg_ids == [earlier, second, first]


@pytest.mark.parametrize(("forged", "signed", "own_msg_id"), [("signature", False, True), ("msg_id", True, False)])
async def test_a_forged_push_may_come_first(start: Start, forged: str, signed: bool, own_msg_id: bool) -> None:
    """An extra push with a wrong signature, or with a MsgID that no job has; the right one follows."""
    api = await start()
    await api.plan(forged=forged)
    job = await api.sent()
    extra, real = api.inbox.pushes
    assert (is_signed(extra), extra.msg_id == job.msg_id) == (signed, own_msg_id)
    assert (is_signed(real), real.msg_id == job.msg_id) == (True, True)


async def test_any_event_can_be_pushed_now(start: Start) -> None:
    """`/_sim/push` sends any MsgID with any status and tells what came of it."""
    api = await start()
    counts = {"total": 4, "filter": 3, "sent": 2, "error": 1}
    order = {"account": "demo", "msg_id": 2**53 + 1, "status": "err(20431)", "counts": counts, "check_state": 2}
    answer = await api.sim("push", order)
    [push] = api.inbox.pushes
    assert push.msg_id == 2**53 + 1
    assert [push.text(name) for name in TAGS[6:11]] == ["err(20431)", "4", "3", "2", "1"]
    assert [each["outcome"] for each in answer["tries"]] == ["answered"]
    assert is_signed(push)
    await api.sim("push", order | {"signed": False})
    assert not is_signed(api.inbox.pushes[-1])


@pytest.mark.parametrize(
    ("order", "status"),
    [({"msg_id": 1}, 400), ({"account": "nobody", "msg_id": 1}, 404), ({"account": "demo", "msg_id": "x"}, 400)],
)
async def test_a_push_that_is_not_to_be_had_is_refused(start: Start, order: Json, status: int) -> None:
    """400 for a wrong order, 404 for an account that is not there."""
    api = await start()
    assert (await api.sim("push", order, expect=status))["error"]


async def test_an_account_without_callback_cannot_be_pushed_to(start: Start) -> None:
    """400 names the account."""
    api = await start(callback=None)
    assert "demo" in (await api.sim("push", {"account": "demo", "msg_id": 1}, expect=400))["error"]


async def test_job_plans_are_listed_and_deleted(start: Start) -> None:
    """GET shows the plans that are left, DELETE forgets them."""
    api = await start(sim={"pushes": [{"drop": True, "times": 2}]})
    number = await api.plan(delay=3, account="demo")
    plans = (await api.sim("pushes"))["plans"]
    assert plans == [
        {"id": 1, "left": 2, "drop": True, "times": 2},
        {"id": number, "left": 1, "delay": 3.0, "account": "demo"},
    ]
    await api.sim("pushes", method="DELETE", expect=204)
    assert (await api.sim("pushes"))["plans"] == []


async def test_a_reset_stops_what_was_under_way(start: Start) -> None:
    """Jobs, held pushes and plans of the old world are gone."""
    api = await start()
    await api.plan(out_of_order=True)
    await api.sendall()
    await api.world.until(lambda: [job.msg_status for job in api.world.jobs] == ["SEND_SUCCESS"])
    old = api.world
    await api.sim("reset", {})
    await asyncio.wait_for(old.settled(), PATIENCE)
    assert len(api.world.jobs) == 0
    assert api.inbox.pushes == []
