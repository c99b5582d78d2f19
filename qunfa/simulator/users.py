"""Followers as calls name them: tags/get, user/tag/get and user/get, and whom a send or a preview is for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from qunfa.simulator.accounts import Account, follower_number
from qunfa.simulator.calls import Answer, Call
from qunfa.simulator.errors import Refusal
from qunfa.simulator.followers import Followers
from qunfa.simulator.jobs import Audience, whole_number
from qunfa.simulator.world import World

_PAGE = 10_000
_LEAST_OPENIDS = 2


async def tags(_world: World, call: Call) -> Answer:
    """tags/get."""
    return {
        "tags": [{"id": tag.id, "name": tag.name, "count": len(tag.members())} for tag in call.owner.config.all_tags]
    }


async def tagged(_world: World, call: Call) -> Answer:
    """user/tag/get."""
    body = call.json()
    tag_id = body.get("tagid")
    members = call.owner.tagged(tag_id) if type(tag_id) is int else None
    if members is None:
        raise Refusal(45159)
    return _page(call.owner, members, body.get("next_openid"))


async def everybody(_world: World, call: Call) -> Answer:
    """user/get."""
    followers = call.owner.everybody()
    return {"total": len(followers), **_page(call.owner, followers, call.query.get("next_openid"))}


def _page(account: Account, members: Sequence[int], after: object) -> Answer:
    start = 0
    if after:
        number = account.number_of(after) if isinstance(after, str) else None
        if number is None:
            raise Refusal(40003)
        start = bisect_right(members, number)
    openids = account.openids(members[start : start + _PAGE])
    if not openids:
        return {"count": 0, "next_openid": ""}
    return {"count": len(openids), "data": {"openid": openids}, "next_openid": openids[-1]}


def filtered(account: Account, body: Answer) -> Audience:
    """Whom the filter of mass/sendall means.

    Raises:
        Refusal: 41011 there is none, 40152 it names no tag.
    """
    given = body.get("filter")
    if not isinstance(given, dict):
        raise Refusal(41011)
    if given.get("is_to_all") is True:
        return Audience("all", Followers.of(account.everybody()), to_all=True)
    tag_id = whole_number(given.get("tag_id"))
    members = account.tagged(tag_id)
    if members is None:
        raise Refusal(40152)
    return Audience(f"tag:{tag_id}", Followers.of(members))


def listed(account: Account, body: Answer) -> Audience:
    """Whom the list of mass/send names.

    Raises:
        Refusal: 40031 it is none, 40032 too long, 40130 too short, 40003 somebody in it is no follower.
    """
    given = body.get("touser")
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise Refusal(40031)
    if len(given) > account.config.limits.openids:
        raise Refusal(40032)
    numbers = [account.number_of(item) for item in given]
    if None in numbers and account.config.invalid_openids == "reject":
        raise Refusal(40003)
    members = Followers.of({number for number in numbers if number is not None})
    if len(members) < _LEAST_OPENIDS:
        raise Refusal(40130)
    return Audience("openids", members)


def one(account: Account, body: Answer) -> int:
    """The follower that a preview is for; `towxname` wins over `touser`.

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
