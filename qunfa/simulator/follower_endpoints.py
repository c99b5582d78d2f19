"""tags/get, user/tag/get and user/get."""

from __future__ import annotations

from itertools import islice

from qunfa.simulator.accounts import Account
from qunfa.simulator.calls import Call
from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.followers import Span
from qunfa.simulator.world import World

PAGE = 10_000


async def _tags(_world: World, call: Call) -> Answer:
    tags = call.owner.config.tags
    return {"tags": [{"id": tag.id, "name": tag.name, "count": tag.count} for tag in tags]}


async def _tagged(_world: World, call: Call) -> Answer:
    body = call.json()
    tag_id = body.get("tagid")
    members = call.owner.tagged(tag_id) if isinstance(tag_id, int) and not isinstance(tag_id, bool) else None
    if members is None:
        raise Refusal(45159)
    return _page(call.owner, members, body.get("next_openid"))


async def _users(_world: World, call: Call) -> Answer:
    everybody = call.owner.everybody()
    return {"total": len(everybody), **_page(call.owner, everybody, call.query.get("next_openid"))}


def _page(account: Account, members: Span, after: object) -> Answer:
    start = members.start
    if after:
        number = account.number_of(after) if isinstance(after, str) else None
        if number is None:
            raise Refusal(40003)
        start = max(start, number + 1)
    openids = account.openids(islice(range(start, members.stop), PAGE))
    if not openids:
        return {"count": 0, "next_openid": ""}
    return {"count": len(openids), "data": {"openid": openids}, "next_openid": openids[-1]}


ENDPOINTS = (
    Endpoint("/cgi-bin/tags/get", "GET", _tags, "tags/get"),
    Endpoint("/cgi-bin/user/tag/get", "POST", _tagged, "user/tag/get"),
    Endpoint("/cgi-bin/user/get", "GET", _users, "user/get"),
)
