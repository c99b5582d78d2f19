"""What WeChat does with a callback besides pushing: it verifies its URL, and looks at its host."""

import pytest
from pydantic import ValidationError

from qunfa.simulator import SimulatorConfig
from qunfa.simulator.envelopes import signature
from tests.simulator.api import CALLBACK_TOKEN, Api, Json, Start, account_config
from tests.simulator.inbox import Inbox, Push
from tests.simulator.test_encryption import AES_KEY

LOCAL = {"ip": "127.0.0.1"}
NOWHERE = {"url": "http://nowhere.invalid/wechat/demo", "token": CALLBACK_TOKEN}
DOWN = {"url": "http://127.0.0.1:1/wechat/demo", "token": CALLBACK_TOKEN}


def echoing(inbox: Inbox, *, changed: str = "") -> list[Push]:
    """The inbox answers each request with its `echostr`; returns what it gets."""
    seen: list[Push] = []

    def answer(push: Push) -> None:
        seen.append(push)
        inbox.answers.append((200, push.query["echostr"] + changed))

    inbox.on_push = answer
    return seen


async def verified(api: Api, **more: object) -> Json:
    """What came of a verification."""
    return await api.sim("verify", {"account": "demo", **more})


@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
async def test_a_url_is_verified_by_its_echo(start: Start, inbox: Inbox, mode: str) -> None:
    """A GET that is signed like a plain push in every mode; the `echostr` must come back and nothing else."""
    api = await start(callback={"url": inbox.url, "token": CALLBACK_TOKEN, "mode": mode, "aes_key": AES_KEY})
    [] = inbox.pushes
    seen = echoing(inbox)
    found = await verified(api)
    [push] = seen
    assert (found["verified"], found["outcome"], found["http_status"]) == (True, "answered", 200)
    assert found["answer"] == push.query["echostr"]
    assert push.query.keys() == {"signature", "timestamp", "nonce", "echostr"}
    assert push.query["signature"] == signature(CALLBACK_TOKEN, push.query["timestamp"], push.query["nonce"])
    assert push.body == b""


async def test_a_url_that_echoes_something_else_is_refused(start: Start, inbox: Inbox) -> None:
    """Not even a line end may come with it."""
    api = await start()
    echoing(inbox, changed="\n")
    assert (await verified(api))["verified"] is False
    inbox.on_push = None
    assert await verified(api) == {
        "verified": False, "outcome": "bad_answer", "http_status": 200, "answer": "success",
    }  # fmt: skip


async def test_a_receiver_can_be_tried_with_a_wrong_signature(start: Start, inbox: Inbox) -> None:
    """Unsigned, the query's signature is another token's."""
    api = await start()
    seen = echoing(inbox)
    await verified(api, signed=False)
    query = seen[0].query
    assert query["signature"] != signature(CALLBACK_TOKEN, query["timestamp"], query["nonce"])


async def test_another_url_can_be_verified(start: Start, inbox: Inbox) -> None:
    """As when a new one is entered in the console."""
    api = await start(callback=DOWN)
    assert (await verified(api))["outcome"] == "unreachable"
    echoing(inbox)
    assert (await verified(api, url=inbox.url))["verified"] is True


@pytest.mark.parametrize(
    ("order", "status"), [({}, 400), ({"account": "nobody"}, 404), ({"account": "demo", "url": "ftp://x"}, 400)]
)
async def test_a_verification_that_is_not_to_be_had_is_refused(start: Start, order: Json, status: int) -> None:
    """400 for a wrong order or an account without callback, 404 for an account that is not there."""
    api = await start()
    assert (await api.sim("verify", order, expect=status))["error"]
    api = await start(callback=None)
    assert "demo" in (await api.sim("verify", {"account": "demo"}, expect=400))["error"]


async def test_wechat_looks_at_the_host(start: Start) -> None:
    """callback/check finds its addresses and how they answer; there is no errcode in the answer."""
    api = await start()
    answer = await api.call("callback/check", {"action": "all", "check_operator": "DEFAULT"})
    assert answer.keys() == {"dns", "ping"}
    assert answer["dns"] == [LOCAL | {"real_operator": "UNICOM"}]
    [ping] = answer["ping"]
    assert (ping["ip"], ping["from_operator"], ping["package_loss"]) == ("127.0.0.1", "UNICOM", "0%")
    assert ping["time"].endswith("ms")


@pytest.mark.parametrize(("action", "parts"), [("dns", {"dns"}), ("ping", {"ping"})])
async def test_wechat_looks_at_a_part(start: Start, action: str, parts: set[str]) -> None:
    """Only what was asked for, from the network that was asked for."""
    api = await start()
    answer = await api.call("callback/check", {"action": action, "check_operator": "CHINANET"})
    assert answer.keys() == parts
    assert "CHINANET" in str(answer)


@pytest.mark.parametrize(("callback", "expected"), [(DOWN, [("127.0.0.1", "100%")]), (NOWHERE, [])])
async def test_a_host_that_does_not_answer_is_told(
    start: Start, callback: Json, expected: list[tuple[str, str]]
) -> None:
    """Every packet is lost where nobody listens; a host that is unknown has no address."""
    api = await start(callback=callback)
    answer = await api.call("callback/check", {"action": "all", "check_operator": "DEFAULT"})
    assert [(ping["ip"], ping["package_loss"]) for ping in answer["ping"]] == expected
    assert [dns["ip"] for dns in answer["dns"]] == [ip for ip, _ in expected]


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"action": "all", "check_operator": "DEFAULT"}, 40201),
        ({"action": "look", "check_operator": "DEFAULT"}, 40202),
        ({"check_operator": "DEFAULT"}, 40202),
        ({"action": "all", "check_operator": "NETCOM"}, 40203),
        ({"action": "all"}, 40203),
    ],
)
async def test_a_wrong_check_is_refused(start: Start, body: Json, errcode: int) -> None:
    """The action, the operator, or a URL that is not there."""
    api = await start(callback=None)
    assert await api.code("callback/check", body) == errcode


async def test_wechat_tells_where_pushes_come_from(start: Start) -> None:
    """getcallbackip: this machine's addresses, or those that are configured."""
    api = await start()
    assert await api.call("getcallbackip") == {"ip_list": ["127.0.0.1", "::1"]}
    api = await start(sim={"push": {"addresses": ["192.0.2.0/26"]}})
    assert await api.call("getcallbackip") == {"ip_list": ["192.0.2.0/26"]}


@pytest.mark.parametrize(
    ("callback", "problem"),
    [
        ({"mode": "safe"}, "mode safe needs an aes_key"),
        ({"mode": "compat"}, "mode compat needs an aes_key"),
        ({"aes_key": AES_KEY[1:]}, "43 letters and digits"),
        ({"aes_key": AES_KEY[:-1] + "="}, "43 letters and digits"),
        ({"url": "http://127.0.0.1:99999/"}, "url"),
        ({"url": "http://127.0.0.1:0/"}, "url"),
    ],
)
def test_a_callback_that_cannot_work_is_refused(callback: Json, problem: str) -> None:
    """When the configuration is read; the key is not shown."""
    whole = {"url": "http://127.0.0.1:8088/wechat/demo", "token": CALLBACK_TOKEN, **callback}
    with pytest.raises(ValidationError, match=problem):
        SimulatorConfig.model_validate({"accounts": {"demo": account_config(callback=whole)}})


def test_no_key_is_shown() -> None:
    """Neither in the representation nor in a dump."""
    whole = {"url": "http://127.0.0.1:8088/wechat/demo", "token": CALLBACK_TOKEN, "mode": "safe", "aes_key": AES_KEY}
    config = SimulatorConfig.model_validate({"accounts": {"demo": account_config(callback=whole)}})
    assert AES_KEY not in repr(config) + str(config.model_dump()) + config.model_dump_json()
