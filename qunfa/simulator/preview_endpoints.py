"""message/mass/preview: a message shown to one follower. It is no send: no job, no event, no delivery in the ledger."""

from __future__ import annotations

from qunfa.simulator.accounts import Account
from qunfa.simulator.calls import Call
from qunfa.simulator.content import parse_message, resolve
from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.followers import follower_number
from qunfa.simulator.ledger import Preview
from qunfa.simulator.world import World

SHOWN = "preview success"
_FIRST_MSG_ID = 34182


async def _preview(world: World, call: Call) -> Answer:
    body, account, now = call.json(), call.owner, world.clock.now()
    if not account.config.verified or account.config.kind == "test":
        raise Refusal(48001)
    message = parse_message(body, account.config, 40008, plural=False)
    follower = _recipient(account, body)
    content = resolve(message, account.library, now)
    world.ledger.show(Preview(account, follower, content, now))
    answer: Answer = {"errcode": 0, "errmsg": SHOWN}
    if account.config.preview_msg_id:
        answer["msg_id"] = _FIRST_MSG_ID + len(world.ledger.previews(account))
    return answer


def _recipient(account: Account, body: dict[str, object]) -> int:
    """The follower a preview is for; `towxname` wins over `touser`.

    Raises:
        Refusal: 40132 a WeChat id of nobody, 40003 no openid of this account, 43004 not a follower any more.
    """
    name = body.get("towxname")
    if name:
        number = account.config.wxnames.get(name) if isinstance(name, str) else None
        if number is None:
            raise Refusal(40132)
        return number
    openid = body.get("touser")
    number = follower_number(account.config.appid, openid) if isinstance(openid, str) else None
    if number is None:
        raise Refusal(40003)
    if number >= account.config.followers:
        raise Refusal(43004)
    return number


ENDPOINTS = (Endpoint("/cgi-bin/message/mass/preview", "POST", _preview, "mass/preview", media_type="text/plain"),)
