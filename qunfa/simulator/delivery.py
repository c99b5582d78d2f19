"""The life of a job after its acceptance: confirmation, delivery, verdict, push."""

from __future__ import annotations

import asyncio
import secrets

from qunfa.simulator.jobs import Job, MsgStatus
from qunfa.simulator.plans import Counts, JobPlan
from qunfa.simulator.world import World

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
    waiting = [
        asyncio.ensure_future(job.decided.wait()),
        asyncio.ensure_future(world.clock.wait_until(deadline)),
    ]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    if job.confirmation == "waiting":
        job.confirmation = "timed_out"
    return {"refused": ADMIN_REFUSED, "timed_out": ADMIN_TIMED_OUT}.get(job.confirmation)
