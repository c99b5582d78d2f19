import asyncio
import time

import pytest

from qunfa.simulator.envelopes import signature
from tests.looking import PATIENCE
from tests.simulator.api import CALLBACK_TOKEN, Api, Json, Start
from tests.simulator.inbox import Push

TAGS = [
    "ToUserName", "FromUserName", "CreateTime", "MsgType", "Event", "MsgID", "Status", "TotalCount", "FilterCount",
    "SentCount", "ErrorCount", "CopyrightCheckResult", "ArticleUrlResult",
]  # fmt: skip
DOWN = {"url": "http://127.0.0.1:1/wechat/demo", "token": "t"}


def is_signed(push: Push) -> bool:
    """Whether the query's signature is the account's."""
    return push.query["signature"] == signature(CALLBACK_TOKEN, push.query["timestamp"], push.query["nonce"])


async def outcomes(api: Api) -> list[str]:
    """What came of each try of a push."""
    return [each["outcome"] for each in (await api.sim("pushes"))["tries"]]


async def test_the_event_tells_how_the_job_ended(api: Api) -> None:
    """MASSSENDJOBFINISH in the current form, with a recorded push's headers: all tags in their order, four counts."""
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
    assert push.query.keys() == {"signature", "timestamp", "nonce", "openid"}
    assert is_signed(push)
    assert push.query["openid"] == push.text("FromUserName")
    expected = {"user-agent": "Mozilla/4.0", "accept": "*/*", "content-type": "text/xml", "pragma": "no-cache"}
    assert {name: push.headers[name] for name in expected} == expected


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
    assert push.text(f"{block}/ResultList/item[1]/OriginalArticleUrl") == url
    assert push.text("ArticleUrlResult/ResultList/item/ArticleUrl") == url


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
    tried = (await api.sim("pushes"))["tries"]
    assert [(each["outcome"], each["number"]) for each in tried] == (
        [(outcome, 1)] if outcome == "answered" else [(outcome, number) for number in (1, 2, 3)]
    )
    assert len({push.body for push in api.inbox.pushes}) == 1


async def test_a_push_that_is_not_answered_in_time_is_tried_again(start: Start) -> None:
    """After the deadline the connection is dropped. One that is down is tried as often; without one, nothing is."""
    api = await start(sim={"push": {"deadline": 0.2, "tries": 10, "spacing": 0}})
    api.inbox.answers.append(None)
    await api.sent()
    tried = await outcomes(api)
    assert (tried[0], tried[-1]) == ("timeout", "answered")
    for callback, tries in ((DOWN, ["unreachable"] * 3), (None, [])):
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
    msg_id = (await api.sendall())["msg_id"]
    await api.world.until(lambda: [job.msg_status for job in api.world.jobs] == ["SEND_SUCCESS"])
    assert api.inbox.msg_ids == []
    await api.finish(361)
    assert api.inbox.msg_ids == [msg_id]


async def test_a_push_may_never_come_or_several_times(api: Api) -> None:
    """mass/get knows the end of a job that the callback is told nothing of; another is told again though answered."""
    await api.plan(drop=True)
    assert (await api.status((await api.sent()).msg_id))["msg_status"] == "SEND_SUCCESS"
    assert api.inbox.pushes == []
    await api.plan(duplicate=2)
    await api.sent(clientmsgid="b")
    assert len(api.inbox.pushes) == 3
    assert len({push.body for push in api.inbox.pushes}) == 1


async def test_pushes_may_come_out_of_order(api: Api) -> None:
    """A held push goes out after that of a later job; those of earlier ones do not count."""
    earlier = (await api.sent()).msg_id
    await api.plan(out_of_order=True)
    first, second = [(await api.sendall(clientmsgid=f"{n}"))["msg_id"] for n in range(2)]
    await api.world.settled()
    assert api.inbox.msg_ids == [earlier, second, first]


@pytest.mark.parametrize(("forged", "signed", "own_msg_id"), [("signature", False, True), ("msg_id", True, False)])
async def test_a_forged_push_may_come_first(api: Api, forged: str, signed: bool, own_msg_id: bool) -> None:
    """An extra push with a wrong signature, or with a MsgID that no job has; the right one follows."""
    await api.plan(forged=forged)
    job = await api.sent()
    extra, real = api.inbox.pushes
    assert (is_signed(extra), extra.msg_id == job.msg_id) == (signed, own_msg_id)
    assert (is_signed(real), real.msg_id == job.msg_id) == (True, True)


async def test_any_event_can_be_pushed_now(api: Api) -> None:
    """`/_sim/push` sends any MsgID with any status and tells what came of it."""
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
    ("path", "order", "status"),
    [
        ("push", {"msg_id": 1}, 400),
        ("push", {"account": "nobody", "msg_id": 1}, 404),
        ("push", {"account": "demo", "msg_id": "x"}, 400),
        ("verify", {}, 400),
        ("verify", {"account": "nobody"}, 404),
        ("verify", {"account": "demo", "url": "ftp://x"}, 400),
    ],
)
async def test_an_order_that_cannot_be_carried_out_is_refused(
    start: Start, path: str, order: Json, status: int
) -> None:
    """400 for a wrong one or an account without callback, 404 for an account that is not there."""
    api = await start()
    assert (await api.sim(path, order, expect=status))["error"]
    api = await start(callback=None)
    good = {"account": "demo", "msg_id": 1} if path == "push" else {"account": "demo"}
    assert "demo" in (await api.sim(path, good, expect=400))["error"]


async def test_job_plans_are_listed_and_deleted(start: Start) -> None:
    """GET shows the plans that are left, DELETE forgets them."""
    api = await start(sim={"pushes": [{"drop": True, "times": 2}]})
    number = await api.plan(delay=3, account="demo")
    assert (await api.sim("pushes"))["plans"] == [
        {"id": 1, "left": 2, "drop": True, "times": 2},
        {"id": number, "left": 1, "delay": 3.0, "account": "demo"},
    ]
    await api.sim("pushes", method="DELETE", expect=204)
    assert (await api.sim("pushes"))["plans"] == []


async def test_a_reset_stops_what_was_under_way(api: Api) -> None:
    """Jobs, held pushes and plans of the old world are gone."""
    await api.plan(out_of_order=True)
    await api.sendall()
    await api.world.until(lambda: [job.msg_status for job in api.world.jobs] == ["SEND_SUCCESS"])
    old = api.world
    await api.sim("reset", {})
    await asyncio.wait_for(old.settled(), PATIENCE)
    assert len(api.world.jobs) == 0
    assert api.inbox.pushes == []


@pytest.mark.parametrize("skew", [0, -3600, 900])
async def test_pushes_are_signed_with_the_real_time(start: Start, skew: float) -> None:
    """Receivers compare it with their own clock, so simulated time must not show in it; a wrong clock can be had."""
    api = await start(sim={"push": {"skew": skew}})
    await api.advance(10**6)
    before = int(time.time())
    await api.sent()
    [push] = api.inbox.pushes
    assert before <= int(push.query["timestamp"]) - skew <= time.time()
