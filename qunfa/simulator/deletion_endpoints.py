"""message/mass/delete: takes the pages of a message away. Who has received it keeps its card."""

from __future__ import annotations

from qunfa.simulator.accounts import Account
from qunfa.simulator.calls import Call
from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.jobs import Job, whole_number
from qunfa.simulator.world import World

_WITH_PAGES = {"mpnews", "mpvideo"}


async def _delete(world: World, call: Call) -> Answer:
    body, account = call.json(), call.owner
    if not account.config.verified:
        raise Refusal(48001)
    job, wanted = _meant(world, account, body)
    if job.content.msgtype not in _WITH_PAGES:
        raise Refusal(40008)
    if job.msg_status != "SEND_SUCCESS" or wanted & job.deleted == wanted:
        raise Refusal(40065)
    for each in _sharing(world, job):
        each.deleted |= wanted
        if each.deleted >= each.pages:
            each.msg_status = "DELETE"
    world.changes.notify()
    return {"errcode": 0, "errmsg": "ok"}


def _meant(world: World, account: Account, body: dict[str, object]) -> tuple[Job, frozenset[int]]:
    """The job and the articles of it, from 1, that a call is about; msg_id wins over url.

    Raises:
        Refusal: 41011 neither is given, 40059 no such job, 40060 no such article, 40066 no such URL.
    """
    url = body.get("url")
    if body.get("msg_id") is not None:
        msg_id = whole_number(body["msg_id"])
        job = world.jobs.get(msg_id) if msg_id is not None else None
        if job is None or job.account is not account:
            raise Refusal(40059)
        index = whole_number(body.get("article_idx") or 0)
        if index is None or index not in job.pages | {0}:
            raise Refusal(40060)
        return job, frozenset({index}) if index else job.pages
    if not url:
        raise Refusal(41011)
    for job in world.jobs.of(account.name):
        if url in job.article_urls:
            return job, frozenset({job.article_urls.index(str(url)) + 1})
    raise Refusal(40066)


def _sharing(world: World, job: Job) -> list[Job]:
    """The jobs that were sent from the same material: their pages are the same, and go together."""
    source = job.content.source
    others = [each for each in world.jobs.of(job.account.name) if source is not None and each.content.source is source]
    return [each for each in others if each.msg_status == "SEND_SUCCESS"] or [job]


ENDPOINTS = (Endpoint("/cgi-bin/message/mass/delete", "POST", _delete, "mass/delete", media_type="text/plain"),)
