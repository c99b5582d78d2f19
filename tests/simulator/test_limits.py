"""How many sends and calls there may be, and what a clientmsgid stands for and how long."""

import asyncio
from typing import Any

import pytest

from tests.simulator import samples
from tests.simulator.api import MIDNIGHT, Api, Json, Start, account_config, article, message, named

pytestmark = pytest.mark.usefixtures("still")

DAY = 86400
SENDALL = "/cgi-bin/message/mass/sendall"
LATE, NEXT_MONTH = "2026-12-15T23:59:00+08:00", "2027-01-01T00:00:01+08:00"
SUBSCRIPTION: Json = {"kind": "subscription"}
FAILS: Json = {"timing": {"delivery": 10}, "pushes": [{"status": "send fail"}]}
REFUSED: Json = {"pushes": [{"status": "err(30003)"}]}
LONG = {"limits": {"clientmsgid": 64}}
STORIES: dict[str, tuple[Json, list[Any]]] = {
    "the 61st call within a minute is too many, of sendall or send": (
        {}, [(" ".join(map(str, range(59))), [0] * 59), (">send", [0]), ("60 61", [45011] * 2), 61, ("62", [0])],
    ),
    "scale shortens the minute": (
        {"sim": {"scale": 60}, "limits": {"mass_per_minute": 1}}, [("a b", [0, 45011]), 1, ("b", [0])],
    ),
    "mass calls of a day run out until midnight in China, and a duplicate is still told as one": (
        {"limits": {"calls_per_day": {"mass": 3}, "user_per_month": 100}},
        [("a b c d", [0, 0, 0, 45009]), 61, ("c", [45065]), MIDNIGHT, ("e", [0])],
    ),
    "a subscription account sends once a day, to all or to a tag; duplicates come before the quota": (
        SUBSCRIPTION, [("a b ALL", [0, 45028, 45028]), LATE, ("a b", [45065, 45028]), MIDNIGHT, ("ALL", [0])],
    ),
    "only a successful send uses the day up, and one that is under way": (
        SUBSCRIPTION | {"sim": FAILS}, [("a b", [0, 45028]), 11, ("c d", [0, 45028])],
    ),
    "a service account sends to all four times a month, and to tags as often as it likes": (
        {}, [("A B C D E", [0, 0, 0, 0, 45028]), ("tag", [0]), NEXT_MONTH, ("E", [0])],
    ),
    "the id of a job that failed is blocked like any other": ({"sim": REFUSED}, [("a", [0]), 61, ("a", [45065])]),
    "the id of a job that failed is free again, as an option": (
        {"sim": REFUSED, "failed_jobs_keep_clientmsgid": False}, [("a", [0]), 61, ("a", [0])],
    ),
    "a clientmsgid has at most 32 bytes": ({}, [(f"{'x' * 32} {'x' * 33} {'x' * 64} b", [0, 45067, 45067, 0])]),
    "a clientmsgid may have the documented 64 bytes, as an option": (LONG, [(f"{'x' * 64} {'群' * 22}", [0, 45067])]),
}  # fmt: skip


@pytest.mark.parametrize(("account", "steps"), STORIES.values(), ids=STORIES)
async def test_each_send_counts_as_it_should(start: Start, account: Json, steps: list[Any]) -> None:
    """Sends by their clientmsgids (to all in capitals, `>` by openids) and their codes; between them time passes."""
    api = await start(**account)
    for step in steps:
        if isinstance(step, str):
            await api.until(step)
        elif isinstance(step, int):
            await api.finish(step)
        else:
            names, codes = step
            assert [await code(api, name) for name in names.split()] == codes


async def code(api: Api, name: str) -> object:
    if name.startswith(">"):
        return (await api.send(api.openids(0, 1), clientmsgid=name))["errcode"]
    return (await api.sendall(tag=None if name.isupper() else 2, clientmsgid=name))["errcode"]


async def test_each_endpoint_has_its_daily_quota(start: Start) -> None:
    """45009 leaves the others alone, and goes with midnight in China."""
    shown = message() | {"touser": "nobody"}
    bodies: dict[str, Json | None] = {"user/get": None, "mass/delete": {"msg_id": 1}, "mass/preview": shown}
    api = await start(limits={"calls_per_day": dict.fromkeys(bodies, 2)})
    for (name, body), code_ in zip(bodies.items(), (0, 40059, 40003), strict=True):
        path = name.replace("mass/", "message/mass/")
        assert await api.codes(path, *[body] * 3) == [code_, code_, 45009]
        assert (await api.code("tags/get"), await api.sendalls(name)) == (0, [0])
    await api.until(MIDNIGHT)
    assert await api.code("user/get") == 0


async def test_the_quota_endpoint_counts_calls(start: Start) -> None:
    """openapi/quota/get tells limit, used and remaining calls, and the rate of mass sends; test accounts have less."""
    api = await start()
    await api.sendalls("a", "b")
    assert await api.call("openapi/quota/get", {"cgi_path": SENDALL}) == {
        "errcode": 0, "errmsg": "ok", "quota": {"daily_limit": 100, "used": 2, "remain": 98},
        "rate_limit": {"call_count": 60, "refresh_second": 60},
    }  # fmt: skip
    published = {"media/upload": 100_000, "media/uploadnews": 10, "draft/add": 1_000, "draft/get": 500}
    published |= {"message/mass/delete": 10, "message/mass/preview": 100}
    for kind, limits in (("service", published | {"token": 2000}), ("test", {"token": 200, "user/get": 100})):
        api = await start(kind=kind)
        told = {path: await api.call("openapi/quota/get", {"cgi_path": f"/cgi-bin/{path}"}) for path in limits}
        assert {path: answer["quota"]["daily_limit"] for path, answer in told.items()} == limits


@pytest.mark.parametrize("scale", [1, 60])
async def test_a_repetition_is_told_to_wait_and_then_who_it_was(start: Start, scale: int) -> None:
    """45066 for 60 s after acceptance, then 45065 with the msg_id (and no msg_data_id) for 24 h, then a new job.

    The id alone decides, whatever is sent to whom. Scale shortens both spans.
    """
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


async def test_a_token_acts_for_its_account_only(start: Start) -> None:
    """Each account has its own tags, jobs, clientmsgids and material. Another one's are unknown (40059, 40007)."""
    other = account_config(appid="wx2", tags=[])
    api = await start(sim={"accounts": {"demo": account_config(), "other": other}})
    msg_id = (await api.sendall(clientmsgid="job-1"))["msg_id"]
    assert (await api.status(msg_id))["msg_id"] == msg_id
    image, url = await api.media_id("image", samples.PNG), await api.picture(samples.PNG)
    api.become("other")
    assert await api.sendalls("a", content=named("image", image)) == [40007]
    await api.draft(article(content=f'<img src="{url}">'))
    [theirs] = [each for each in api.world.accounts["other"].library if each.kind == "draft"]
    assert [picture.sha256 for picture in theirs.articles[0].pictures] == [""]
    assert (await api.status(msg_id))["errcode"] == 40059
    assert await api.call("tags/get") == {"tags": [{"id": 2, "name": "星标组", "count": 0}]}
    assert (await api.sendall(tag=None, clientmsgid="job-1"))["errcode"] == 0
