import json
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from qunfa.callback import DeliveryError, ReceiverError, create_app
from qunfa.callback.body import BODY_LIMIT
from qunfa.settings import Settings
from tests.callback.pushing import (
    APPID,
    EVENTS_TOKEN,
    FINISHED,
    HELLO,
    Inbox,
    callback_settings,
    receiver,
    sealed,
    signed,
)

BEARER = {"Authorization": f"Bearer {EVENTS_TOKEN}"}


async def _report(
    inbox: Inbox, content: Any = FINISHED, headers: dict[str, str] | None = None, **callback: Any
) -> httpx.Response:
    async with receiver(inbox, **{"events_token": EVENTS_TOKEN, **callback}) as http:
        return await http.post("/wechat/demo/events", content=content, headers=BEARER if headers is None else headers)


JSON = json.dumps({"MsgType": "event", "Event": "MASSSENDJOBFINISH", "MsgID": 3147483650, "Status": "send success"})


@pytest.mark.parametrize("content", [FINISHED, JSON.encode()])
async def test_event_is_handed_over(inbox: Inbox, content: bytes) -> None:
    """A system that owns the callback URL hands the decrypted event over, in XML or JSON."""
    answer = await _report(inbox, content)

    assert (answer.status_code, answer.text) == (200, "success")
    ((appid, event),) = inbox.got
    assert (appid, event.msg_id, event.status) == (APPID, 3147483650, "send success")


async def test_without_wechats_token(inbox: Inbox) -> None:
    """Where WeChat pushes to the other system only, its Token is not needed, and nothing else is served."""
    settings = Settings.model_validate(
        {
            "accounts": {
                "demo": {"appid": APPID, "secret": "s", "kind": "service", "callback": {"events_token": EVENTS_TOKEN}}
            }
        }
    )
    transport = httpx.ASGITransport(create_app(settings, inbox))
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as http:
        assert (await http.post("/wechat/demo/events", content=FINISHED, headers=BEARER)).text == "success"
        assert (await http.post("/wechat/demo", params=signed(), content=FINISHED)).status_code == 404
        assert (await http.get("/wechat/demo", params=signed(echostr="1"))).status_code == 404
    assert len(inbox.got) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {EVENTS_TOKEN}x"},
        {"Authorization": f"Bearer {EVENTS_TOKEN[:-1]}"},
        {"Authorization": f"Bearer {EVENTS_TOKEN.upper()}"},
        {"Authorization": f"Basic {EVENTS_TOKEN}"},
        {"Authorization": EVENTS_TOKEN},
        {"Authorization": f"Bearer {EVENTS_TOKEN} {EVENTS_TOKEN}"},
        {"X-Authorization": f"Bearer {EVENTS_TOKEN}"},
    ],
)
async def test_without_the_bearer_token(inbox: Inbox, headers: dict[str, str]) -> None:
    """Nobody else may report, and the body is not even looked at."""
    answer = await _report(inbox, headers=headers)

    assert (answer.status_code, answer.text) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert inbox.got == []


async def test_token_with_other_bytes(inbox: Inbox) -> None:
    """A token of any bytes is compared, and is wrong."""
    async with receiver(inbox, events_token=EVENTS_TOKEN) as http:
        headers = [(b"authorization", b"Bearer \xff\xe9\x80")]
        assert (await http.post("/wechat/demo/events", content=FINISHED, headers=headers)).status_code == 401


async def test_two_tokens(inbox: Inbox) -> None:
    """Two headers are ambiguous."""
    async with receiver(inbox, events_token=EVENTS_TOKEN) as http:
        headers = [*BEARER.items(), ("Authorization", "Bearer x")]
        assert (await http.post("/wechat/demo/events", content=FINISHED, headers=headers)).status_code == 401


async def test_token_in_the_url(inbox: Inbox) -> None:
    """A token in a URL would end up in logs; it is none."""
    async with receiver(inbox, events_token=EVENTS_TOKEN) as http:
        answer = await http.post("/wechat/demo/events", params={"access_token": EVENTS_TOKEN}, content=FINISHED)
    assert answer.status_code == 401


@pytest.mark.parametrize("name", ["demo", "silent", "nobody"])
async def test_not_configured(inbox: Inbox, name: str) -> None:
    """Without a token there is no such place, whoever asks."""
    async with receiver(inbox) as http:
        for headers in (BEARER, {}, {"Authorization": "Bearer "}):
            answer = await http.post(f"/wechat/{name}/events", content=FINISHED, headers=headers)
            assert (answer.status_code, answer.text) == (404, "unknown_account")
    assert inbox.got == []


async def test_wechats_signature_is_no_token(inbox: Inbox) -> None:
    """A push that WeChat has signed is not taken here: each way in has its own key."""
    async with receiver(inbox, events_token=EVENTS_TOKEN) as http:
        assert (await http.post("/wechat/demo/events", params=signed(), content=FINISHED)).status_code == 401
        assert (await http.post("/wechat/demo", content=FINISHED, headers=BEARER)).status_code == 403


async def test_other_events_are_taken_and_reach_nobody(inbox: Inbox) -> None:
    """The other system may hand over everything; what is not a mass send's is taken, and nobody gets it."""
    answer = await _report(inbox, HELLO, forward_to="http://127.0.0.1:1/")

    assert (answer.status_code, answer.text) == (200, "success")
    assert inbox.got == []


@pytest.mark.parametrize(
    "content", [b"", b"<xml>", b"{", b"<!DOCTYPE a><xml/>", pytest.param(sealed()["content"], id="sealed")]
)
async def test_unreadable_event(inbox: Inbox, content: bytes) -> None:
    """What cannot be read, an event that is still encrypted included, is an error of the other system's."""
    assert (await _report(inbox, content)).status_code == 400


async def test_a_report_that_cannot_be_delivered_is_asked_for_again(inbox: Inbox) -> None:
    """What is not durable is answered with 503: the other system must not answer `success` either."""
    inbox.failure = DeliveryError("Temporal is away")

    assert (await _report(inbox)).status_code == 503


async def test_a_report_is_no_longer_than_a_push_may_be(inbox: Inbox) -> None:
    """No longer than a push may be."""
    assert (await _report(inbox, FINISHED + b" " * BODY_LIMIT)).status_code == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_report_by_another_method_is_refused(inbox: Inbox, method: str) -> None:
    """Events are posted."""
    async with receiver(inbox, events_token=EVENTS_TOKEN) as http:
        assert (await http.request(method, "/wechat/demo/events", headers=BEARER)).status_code == 405


async def test_a_report_is_logged_without_content_or_token(inbox: Inbox) -> None:
    """One line, told from WeChat's pushes, without content or token."""
    with capture_logs() as lines:
        await _report(inbox)

    (line,) = lines
    assert (line["event"], line["account"], line["answer"], line["msg_id"]) == ("report", "demo", "success", 3147483650)
    assert EVENTS_TOKEN not in str(lines)


def test_receiver_of_nothing() -> None:
    """A receiver that could serve nobody does not start."""
    settings = callback_settings()
    silent = settings.model_copy(update={"accounts": {"silent": settings.accounts["silent"]}})

    with pytest.raises(ReceiverError, match="no account has a callback"):
        create_app(silent, Inbox())


async def test_event_is_handed_over_once(inbox: Inbox) -> None:
    """However often the other system repeats it, and though WeChat itself pushes it, too."""
    async with receiver(inbox, events_token=EVENTS_TOKEN) as http:
        for _ in range(3):
            assert (await http.post("/wechat/demo/events", content=FINISHED, headers=BEARER)).text == "success"
        assert (await http.post("/wechat/demo", params=signed(), content=FINISHED)).text == "success"
        metrics = (await http.get("/metrics")).text

    assert len(inbox.got) == 1
    assert 'qunfa_pushes_total{account="demo",answer="repeated",event="MASSSENDJOBFINISH"} 3.0' in metrics


@pytest.mark.parametrize(("original_id", "status"), [("gh_4d00ed8d6399", 200), ("gh_another", 403)])
@pytest.mark.parametrize("content", [FINISHED, JSON.encode()])
async def test_event_of_another_account(inbox: Inbox, original_id: str, status: int, content: bytes) -> None:
    """Where the original id is configured, an event that names another one is refused."""
    answer = await _report(inbox, content, original_id=original_id)

    assert answer.status_code == (status if content is FINISHED else 200)
