"""How each question to an operator comes about."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError

from qunfa.contract.steps import SOURCE_CHANGED, SOURCE_REFUSED, AudienceFinding
from tests.workflows.conftest import Desk
from tests.workflows.model import Scripted, accepts, loses, says
from tests.workflows.test_material import NEWS, VOICE

Handle = WorkflowHandle[Any, Any]
Begins = Callable[[Desk, str], Awaitable[Handle]]
ANOTHERS: Final = 3_999_999_999
"""The msg_id of a job of another key."""
SOON: Final = {"push_timeout": 60, "give_up_after": timedelta(hours=1).total_seconds()}


def duplicates(msg_id: int) -> Scripted:
    """45065 with this msg_id."""
    return lambda wechat, _step: wechat.answered("duplicate", errcode=45065, msg_id=msg_id)


def of_another_account(wechat: Any, _step: Any) -> Any:
    """The configuration has another appid under the account's name."""
    return wechat.answered("refused", token_endpoint=True, detail="the configuration has another appid")


def said(*script: Scripted, push: str | None = None) -> Begins:
    """What WeChat says to the tries, and the push that comes."""

    async def begin(desk: Desk, key: str) -> Handle:
        desk.wechat.script, desk.wechat.push_at_once = list(script), push
        return await desk.start(key, result=SOON)

    return begin


def unmade(kind: str) -> Begins:
    """The material's upload fails so."""

    async def begin(desk: Desk, key: str) -> Handle:
        desk.material.refuse("upload", ApplicationError("it cannot be had", type=kind, non_retryable=True))
        return await desk.start(key, message=VOICE)

    return begin


async def without_pictures(desk: Desk, key: str) -> Handle:
    """WeChat has dropped one from the draft."""
    desk.material.lost = [("article 1: https://mmbiz.qpic.cn/picture-2",)]
    return await desk.start(key, message=NEWS)


async def without_tag(desk: Desk, key: str) -> Handle:
    """The tag that the request names is gone."""
    desk.wechat.tags[2] = AudienceFinding(found=False)
    return await desk.start(key, audience={"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}})


KINDS: Final[dict[str, Begins]] = {
    "account_refused": said(says(48001)),
    "account_changed": said(of_another_account),
    "ip_not_whitelisted": said(says(40164)),
    "audience_refused": said(says(40152)),
    "audience_changed": without_tag,
    "request_refused": said(says(45067)),
    "media_refused": said(says(40007)),
    "source_changed": unmade(SOURCE_CHANGED),
    "source_refused": unmade(SOURCE_REFUSED),
    "material_failed": unmade("ABug"),
    "pictures_lost": without_pictures,
    "quota_exhausted": said(says(45028)),
    "clientmsgid_collision": said(duplicates(ANOTHERS)),
    "content_refused": said(push="err(20001)"),
    "originality_forbidden": said(push="err(30002)"),
    "originality_check_error": said(push="err(30001)"),
    "reprint_needs_decision": said(push="err(30003)"),
    "admin_refused": said(push="err(40001)"),
    "admin_timeout": said(push="err(40002)"),
    "send_failed": said(push="send fail"),
    "no_verdict": said(accepts),
    "unknown_outcome": said(loses, *[says(45028)] * 100),
}
"""Each problem that an operator is asked about. The account asks where a quota is used up, and another key is sent."""
NEVER_ASKED: Final = {
    "not_delivered": "the next run of the key carries out what the person has decided",
    "key_reused": "it ends the send, since no answer could make the key free",
}
"""Problems that no question is about, and why."""
OPEN: Final = {"no_verdict", "unknown_outcome"}
"""What may have been delivered all the same."""


async def asking(desk: Desk, problem: str) -> Handle:
    """A send that asks an operator about this problem, under the problem's name as its key."""
    handle = await KINDS[problem](desk, problem)
    await desk.asks(handle, problem)
    return handle
