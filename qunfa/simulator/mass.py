"""message/mass/…: sendall and send, get, preview, delete and speed; and the life of a job after its acceptance.

A send is checked in this order: rights of the account, rate, message, recipients, clientmsgid, material, quota. So the
send that used the last of the day's quota is a duplicate when it comes again (45065). It is not one too many (45028).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from hashlib import sha256

from qunfa.simulator.accounts import Account
from qunfa.simulator.clock import shanghai_day, shanghai_month
from qunfa.simulator.config import AccountConfig
from qunfa.simulator.content import Message, flag, parse_message, resolve
from qunfa.simulator.errors import Refusal
from qunfa.simulator.jobs import Audience, Job, MsgStatus, by_filter, by_list, shown_to, whole_number
from qunfa.simulator.ledger import Preview
from qunfa.simulator.plans import Counts, JobPlan
from qunfa.simulator.world import Answer, Call, World

SUCCESS = "send success"
FAILURE = "send fail"
ADMIN_REFUSED = "err(40001)"
ADMIN_TIMED_OUT = "err(40002)"
REPRINT = "err(30003)"
ORIGINALITY_FORBIDS = "err(30002)"
_URL_BYTES = 16


def launch(world: World, job: Job) -> None:
    """Let an accepted job run."""
    world.jobs.add(job)
    world.spawn(_run(world, job))


async def _run(world: World, job: Job) -> None:
    refusal = await _ask_administrator(world, job) if job.confirmation != "not_needed" else None
    if refusal is not None:
        finish(world, job, refusal, 0)
    else:
        started = world.clock.now() if job.confirmation == "confirmed" else job.accepted_at
        if not job.plan.before_response:
            await world.clock.wait_until(started + world.clock.span(world.config.timing.delivery))
        finish(world, job, *verdict(job.plan, ignore_reprint=job.ignore_reprint, news=job.content.msgtype == "mpnews"))
    await world.courier.announce(job)


def verdict(plan: JobPlan, *, ignore_reprint: bool, news: bool = False) -> tuple[str, int]:
    """How a job ends: the event's Status and CheckState.

    | plan | Status | CheckState |
    |---|---|---|
    | `status` given | that | 0 |
    | reprint allowed, send_ignore_reprint 1 | send success | 2 |
    | reprint allowed, send_ignore_reprint 0 | err(30003) | 2 |
    | reprint forbidden | err(30002) | 3 |
    | `job_status` SEND_FAIL | send fail | 0 |
    | nothing | send success | 0; of mpnews 1, which means not a reprint |

    A planned `check_state` replaces the table's.
    """
    if plan.status is not None:
        status, check_state = plan.status, 0
    elif plan.reprint == "allowed":
        status, check_state = (SUCCESS if ignore_reprint else REPRINT), 2
    elif plan.reprint == "forbidden":
        status, check_state = ORIGINALITY_FORBIDS, 3
    else:
        failed = plan.job_status == "SEND_FAIL"
        status, check_state = (FAILURE if failed else SUCCESS), int(news and not failed)
    return status, check_state if plan.check_state is None else plan.check_state


def is_success(status: str) -> bool:
    """Whether a Status says that the message was sent; "sendsuccess" is a spelling of it."""
    return status.replace(" ", "").lower() == "sendsuccess"


def finish(world: World, job: Job, status: str, check_state: int) -> None:
    """End a job: deliver it if it succeeded, and set what mass/get and the event say."""
    plan, success = job.plan, is_success(status)
    if success if plan.delivered is None else plan.delivered:
        job.received = world.ledger.deliver(job, world.clock.month())
    job.status, job.check_state = status, check_state
    job.state = "done" if success or job.received is not None else "failed"
    ended: MsgStatus = "SEND_SUCCESS" if success else "SEND_FAIL"
    never_sent = plan.job_status == "DELETE" and job.state == "failed"  # so there is nothing to delete
    job.msg_status = ended if never_sent else plan.job_status or ended
    job.counts = plan.counts or _counts(job, success=success)
    job.finished_at = world.clock.now()
    if job.state == "done":
        job.article_urls = _article_urls(job)
        source = job.content.source
        if source is not None and source.kind == "draft":
            source.ended = source.ended or "sent"
    elif plan.article_urls:
        job.article_urls = plan.article_urls
    world.changes.notify()


def _article_urls(job: Job) -> tuple[str, ...]:
    if job.plan.article_urls is not None:
        return job.plan.article_urls
    return tuple(f"http://mp.weixin.qq.com/s/{secrets.token_urlsafe(_URL_BYTES)}" for _ in job.content.articles)


def _counts(job: Job, *, success: bool) -> Counts:
    if not success:
        return Counts()
    sent = len(job.received) if job.received is not None else 0
    return Counts(total=len(job.audience.members), filter=sent, sent=sent, error=0)


async def _ask_administrator(world: World, job: Job) -> str | None:
    deadline = job.accepted_at + world.clock.span(world.config.timing.confirmation)
    waiting = [asyncio.ensure_future(job.decided.wait()), asyncio.ensure_future(world.clock.wait_until(deadline))]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    if job.confirmation == "waiting":
        job.confirmation = "timed_out"
    return {"refused": ADMIN_REFUSED, "timed_out": ADMIN_TIMED_OUT}.get(job.confirmation)


_FIRST_PREVIEW = 34182
_WITH_PAGES = {"mpnews", "mpvideo"}
# Ten thousands of followers a minute, by speed.
_REAL_SPEEDS = (80, 60, 45, 30, 10)


async def sendall(world: World, call: Call) -> Answer:
    """mass/sendall."""
    body = call.json()
    _verified(call).mass_rate.take(world.clock.now())
    message = parse_message(body, call.owner.config, 40008)
    return await _submit(world, call, body, message, by_filter(call.owner, body))


async def send(world: World, call: Call) -> Answer:
    """mass/send."""
    body = call.json()
    if call.owner.config.kind == "subscription":
        raise Refusal(48001)
    _verified(call).mass_rate.take(world.clock.now())
    message = parse_message(body, call.owner.config, 45162)
    return await _submit(world, call, body, message, by_list(call.owner, body))


def _verified(call: Call) -> Account:
    """The account, if it has the right to these calls.

    Raises:
        Refusal: 48001.
    """
    if not call.owner.config.verified:
        raise Refusal(48001)
    return call.owner


async def _submit(world: World, call: Call, body: Answer, message: Message, audience: Audience) -> Answer:
    account, now = call.owner, world.clock.now()
    clientmsgid = _clientmsgid(account, body)
    key = f"id:{clientmsgid}" if clientmsgid else _digest(account, message, audience)
    world.clientmsgids.check(account, key, now)
    content = resolve(message, account.library, now)
    account.calls.check("mass", world.clock.day())
    _check_right(account.config, world.jobs.of(account.name), now, to_all=audience.to_all)
    job = Job(
        msg_id=world.msg_ids.msg_id(to_all=audience.to_all),
        msg_data_id=world.msg_ids.msg_data_id(),
        account=account,
        clientmsgid=clientmsgid,
        content=content,
        audience=audience,
        ignore_reprint=flag(body, "send_ignore_reprint") == 1,
        accepted_at=now,
        plan=world.take_job_plan(account, clientmsgid),
        confirmation="waiting" if audience.to_all and account.config.admin_confirmation else "not_needed",
    )
    call.job = job
    world.clientmsgids.remember(key, job)
    launch(world, job)
    if job.plan.before_response:
        await world.until(lambda: job.pushed.is_set() or world.closing.is_set(), within=None)
    return {"errcode": 0, "errmsg": "send job submission success", "msg_id": job.msg_id, "msg_data_id": job.msg_data_id}


def _clientmsgid(account: Account, body: dict[str, object]) -> str | None:
    given = body.get("clientmsgid")
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given.encode()) > account.config.limits.clientmsgid:
        raise Refusal(45067)
    return given


def _digest(account: Account, message: Message, audience: Audience) -> str:
    if account.config.default_clientmsgid == "content":
        return f"digest:{message.digest}"
    members = ",".join(map(str, audience.members)) if audience.label == "openids" else audience.label
    return f"digest:{message.digest}:{sha256(members.encode()).hexdigest()}"


def _check_right(config: AccountConfig, jobs: Iterable[Job], now: float, *, to_all: bool) -> None:
    """Let a send pass if the account's kind has some left.

    | kind | rule |
    |---|---|
    | test | none |
    | subscription | `sends_per_day` a calendar day, to all or to a tag |
    | service | `to_all_per_month` sends to all a calendar month; others as often as it likes |

    Jobs that are under way count, those that failed do not.

    Raises:
        Refusal: 45028.
    """
    if config.kind == "test":
        raise Refusal(45028)
    counted = [job for job in jobs if job.state != "failed"]
    if config.kind == "subscription":
        today = shanghai_day(now)
        if sum(shanghai_day(job.accepted_at) == today for job in counted) >= config.limits.sends_per_day:
            raise Refusal(45028)
    elif to_all:
        month = shanghai_month(now)
        sent = sum(job.audience.to_all and shanghai_month(job.accepted_at) == month for job in counted)
        if sent >= config.limits.to_all_per_month:
            raise Refusal(45028)


async def get(world: World, call: Call) -> Answer:
    """mass/get."""
    body = call.json()
    job = _job(world, _verified(call), body.get("msg_id"))
    if world.clock.now() < job.accepted_at + world.clock.span(world.config.timing.unknown):
        raise Refusal(40059)
    answer = call.owner.config.confirmation_answer
    if job.confirmation == "waiting" and answer != "SENDING":
        raise Refusal(answer)
    return {"msg_id": job.msg_id, "msg_status": job.msg_status}


def _job(world: World, account: Account, given: object) -> Job:
    """The job of an account's own that has this msg_id.

    Raises:
        Refusal: 40059, there is none.
    """
    job = world.jobs.get(whole_number(given))
    if job is None or job.account is not account:
        raise Refusal(40059)
    return job


async def preview(world: World, call: Call) -> Answer:
    """mass/preview: a message is shown to one follower. It is no send: no job, no event, no delivery."""
    body, account, now = call.json(), _verified(call), world.clock.now()
    if account.config.kind == "test":
        raise Refusal(48001)
    message = parse_message(body, account.config, 40008, plural=False)
    follower = shown_to(account, body)
    world.ledger.show(Preview(account, follower, resolve(message, account.library, now), now))
    answer: Answer = {"errcode": 0, "errmsg": "preview success"}
    if account.config.preview_msg_id:
        answer["msg_id"] = _FIRST_PREVIEW + len(world.ledger.previews(account))
    return answer


async def delete(world: World, call: Call) -> Answer:
    """mass/delete: takes the pages of a message away. Who has received it keeps its card."""
    body, account = call.json(), _verified(call)
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
        job = _job(world, account, body["msg_id"])
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
    alike = [each for each in world.jobs.of(job.account.name) if source is not None and each.content.source is source]
    return [each for each in alike if each.msg_status == "SEND_SUCCESS"] or [job]


async def get_speed(_world: World, call: Call) -> Answer:
    """mass/speed/get: how fast mass sends go out. It is only told, and does not change deliveries here."""
    speed = _verified(call).speed
    return {"speed": speed, "realspeed": _REAL_SPEEDS[speed]}


async def set_speed(_world: World, call: Call) -> Answer:
    """mass/speed/set."""
    body, account = call.json(), _verified(call)
    if "speed" not in body:
        raise Refusal(45084)
    speed = body["speed"]
    if type(speed) is not int or speed not in range(len(_REAL_SPEEDS)):
        raise Refusal(45083)
    account.speed = speed
    return {"errcode": 0, "errmsg": "ok"}
