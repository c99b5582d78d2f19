"""What WeChat does with a callback besides pushing: it verifies its URL, and looks at its host."""

import pytest

from tests.simulator.api import AES_KEY, Api, Json, Start
from tests.simulator.inbox import CALLBACK_TOKEN, Inbox, Push

NOWHERE = {"url": "http://nowhere.invalid/wechat/demo", "token": CALLBACK_TOKEN}
DOWN = {"url": "http://127.0.0.1:1/wechat/demo", "token": CALLBACK_TOKEN}
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


@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
async def test_a_url_is_verified_by_its_echo(start: Start, inbox: Inbox, mode: str) -> None:
    """A GET that is signed like a plain push in every mode; the `echostr` must come back and nothing else.

    Another URL can be tried, and a wrong signature.
    """
    callback = {"token": CALLBACK_TOKEN, "mode": mode, "aes_key": AES_KEY}
    seen = echoing(inbox)
    api = await start(callback=callback | {"url": DOWN["url"]})
    assert (await verified(api))["outcome"] == "unreachable"
    assert (await verified(api, url=inbox.url))["verified"] is True
    api = await start(callback=callback | {"url": inbox.url})
    found = await verified(api)
    push = seen[-1]
    assert (found["verified"], found["outcome"], found["http_status"]) == (True, "answered", 200)
    assert found["answer"] == push.query["echostr"]
    assert push.query.keys() == {"signature", "timestamp", "nonce", "echostr"}
    assert (push.is_signed, push.body) == (True, b"")
    await verified(api, signed=False)
    assert not seen[-1].is_signed


async def test_a_url_that_echoes_something_else_is_refused(api: Api, inbox: Inbox) -> None:
    """Not even a line end may come with it."""
    echoing(inbox, changed="\n")
    assert (await verified(api))["verified"] is False
    inbox.on_push = None
    assert await verified(api) == {
        "verified": False, "outcome": "bad_answer", "http_status": 200, "answer": "success",
    }  # fmt: skip


async def test_wechat_looks_at_the_host(api: Api) -> None:
    """callback/check tells what was asked for from one network: addresses, and how they answer; no errcode."""
    answer = await api.call("callback/check", ALL)
    assert answer["dns"] == [{"ip": "127.0.0.1", "real_operator": "UNICOM"}]
    [ping] = answer["ping"]
    assert (ping["ip"], ping["from_operator"], ping["package_loss"]) == ("127.0.0.1", "UNICOM", "0%")
    assert ping["time"].endswith("ms")
    assert answer.keys() == {"dns", "ping"}
    for action in ("dns", "ping"):
        answer = await api.call("callback/check", {"action": action, "check_operator": "CHINANET"})
        assert answer.keys() == {action}
        assert "CHINANET" in str(answer)


@pytest.mark.parametrize(("callback", "expected"), [(DOWN, [("127.0.0.1", "100%")]), (NOWHERE, [])])
async def test_a_host_that_does_not_answer_is_told(
    start: Start, callback: Json, expected: list[tuple[str, str]]
) -> None:
    """Every packet is lost where nobody listens; a host that is unknown has no address."""
    api = await start(callback=callback)
    answer = await api.call("callback/check", ALL)
    assert [(ping["ip"], ping["package_loss"]) for ping in answer["ping"]] == expected
    assert [dns["ip"] for dns in answer["dns"]] == [ip for ip, _ in expected]


async def test_wechat_tells_where_pushes_come_from(start: Start) -> None:
    """Getcallbackip and get_api_domain_ip: this machine's addresses. Without a URL nothing is checked."""
    api = await start(callback=None)
    for path in ("getcallbackip", "get_api_domain_ip"):
        assert await api.call(path) == {"ip_list": ["127.0.0.1", "::1"]}
    assert await api.code("callback/check", ALL) == 40201
    for path, order in (("push", {"msg_id": 1}), ("verify", {})):
        assert "demo" in (await api.sim(path, {"account": "demo"} | order, expect=400))["error"]
