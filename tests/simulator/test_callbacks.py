"""What WeChat does with a callback besides pushing: it verifies its URL, and looks at its host."""

from tests.simulator.api import Api, Json, Start
from tests.simulator.inbox import Inbox, Push

ALL = {"action": "all", "check_operator": "DEFAULT"}


def echoing(inbox: Inbox, *, changed: str = "") -> list[Push]:
    """The inbox answers each request with its `echostr`; returns what it gets."""
    seen: list[Push] = []

    def answer(push: Push) -> None:
        seen.append(push)
        inbox.answers.append((200, push.query["echostr"] + changed))

    inbox.on_push = answer
    return seen


async def verified(api: Api, **more: object) -> Json:
    return await api.sim("verify", {"account": "demo", **more})


async def test_a_url_that_echoes_something_else_is_refused(api: Api, inbox: Inbox) -> None:
    """Not even a line end may come with it."""
    echoing(inbox, changed="\n")
    assert (await verified(api))["verified"] is False
    inbox.on_push = None
    assert await verified(api) == {
        "verified": False, "outcome": "bad_answer", "http_status": 200, "answer": "success",
    }  # fmt: skip


async def test_wechat_tells_where_pushes_come_from(start: Start) -> None:
    """Getcallbackip: this machine's addresses. Without a URL nothing is checked."""
    api = await start(callback=None)
    assert await api.call("getcallbackip") == {"ip_list": ["127.0.0.1", "::1"]}
    assert await api.code("callback/check", ALL) == 40201
    for path, order in (("push", {"msg_id": 1}), ("verify", {})):
        assert "demo" in (await api.sim(path, {"account": "demo"} | order, expect=400))["error"]
