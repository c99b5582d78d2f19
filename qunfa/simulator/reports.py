"""What the control interface tells about the world, as JSON objects."""

from __future__ import annotations

from typing import Literal

from qunfa.simulator.accounts import Account
from qunfa.simulator.calls import Call
from qunfa.simulator.clock import rfc3339
from qunfa.simulator.content import Content
from qunfa.simulator.jobs import Job
from qunfa.simulator.ledger import Duplicate, Preview, most
from qunfa.simulator.materials import Article, Material
from qunfa.simulator.pushes import PushTry
from qunfa.simulator.uploads import Upload
from qunfa.simulator.world import World

Report = dict[str, object]


def clock(world: World) -> Report:
    """The time and what spans are divided by."""
    return {"now": rfc3339(world.clock.now()), "scale": world.clock.scale}


def account(world: World, of: Account) -> Report:
    """An account, without its secrets."""
    config = of.config
    return {
        "name": of.name,
        "appid": config.appid,
        "kind": config.kind,
        "verified": config.verified,
        "original_id": config.original_id,
        "followers": config.followers,
        "tags": [tag.model_dump() for tag in config.tags],
        "callback": config.callback.url if config.callback else None,
        "callback_mode": config.callback.mode if config.callback else None,
        "admin_confirmation": config.admin_confirmation,
        "speed": of.speed,
        "mass_calls_today": of.calls.used("mass", world.clock.day()),
        "awaiting_confirmation": [job.msg_id for job in world.jobs.of(of.name) if job.confirmation == "waiting"],
    }


def job(of: Job) -> Report:
    """A job: what was sent to whom, what became of it."""
    return {
        "account": of.account.name,
        "msg_id": of.msg_id,
        "msg_data_id": of.msg_data_id,
        "clientmsgid": of.clientmsgid,
        "audience": of.audience.label,
        "audience_size": len(of.audience.members),
        "content": _summary(of.content),
        "send_ignore_reprint": of.ignore_reprint,
        "accepted_at": rfc3339(of.accepted_at),
        "confirmation": of.confirmation,
        "state": of.state,
        "msg_status": of.msg_status,
        "status": of.status,
        "counts": of.counts.model_dump(),
        "received": len(of.received) if of.received is not None else 0,
        "article_urls": list(of.article_urls),
        "deleted": sorted(of.deleted),
        "finished_at": rfc3339(of.finished_at) if of.finished_at is not None else None,
        "pushed": of.pushed.is_set(),
    }


def _summary(of: Content) -> Report:
    titles = [article.title for article in of.articles] or [of.title]
    return {"msgtype": of.msgtype, "digest": of.digest, "text": of.text, "titles": [title for title in titles if title]}


def call(of: Call) -> Report:
    """A call: never its token or body."""
    return {
        "time": rfc3339(of.time),
        "path": of.path,
        "method": of.method,
        "account": of.account.name if of.account else None,
        "clientmsgid": of.clientmsgid,
        "errcode": of.errcode,
        "msg_id": of.job.msg_id if of.job else None,
        "fault": of.fault,
        "received": of.received,
        "answered": of.answered,
    }


def push_try(of: PushTry) -> Report:
    """One try of a push."""
    return {
        "time": rfc3339(of.time),
        "account": of.account,
        "msg_id": of.msg_id,
        "status": of.status,
        "number": of.number,
        "signed": of.signed,
        "outcome": of.reply.outcome,
        "http_status": of.reply.http_status,
        "answer": of.reply.body,
        "encrypted": of.reply.encrypted,
    }


def ledger(world: World, of: Account, by: Literal["content", "clientmsgid"]) -> Report:
    """What an account's followers received."""
    counts = world.ledger.counts(of)
    return {
        "followers": of.config.followers,
        "reached": of.config.followers - counts.count(0),
        "max_per_follower": most(counts),
        "duplicates": [_duplicate(of, found) for found in world.ledger.duplicates(of, by)],
        "jobs": [job(each) for each in world.jobs.of(of.name)],
    }


def follower(world: World, of: Account, number: int, openid: str) -> Report:
    """What one follower received."""
    return {
        "account": of.name,
        "openid": openid,
        "count": world.ledger.counts(of)[number],
        "this_month": world.ledger.this_month(of, number, world.clock.month()),
        "received": [job(each) for each in world.ledger.received(of, number)],
    }


def _duplicate(of: Account, found: Duplicate) -> Report:
    return {
        "group": found.group,
        "msg_ids": [each.msg_id for each in found.jobs],
        "followers": found.followers,
        "max": found.most,
        "sample": of.openids(found.sample),
    }


def material(of: Material, account: Account, now: float) -> Report:
    """A material, dead or alive."""
    return {
        "account": account.name,
        "media_id": of.media_id,
        "kind": of.kind,
        "permanent": of.permanent,
        "alive": of.alive(now),
        "ended": of.ended,
        "created_at": rfc3339(of.created_at),
        "expires_at": rfc3339(of.expires_at) if of.expires_at is not None else None,
        "file": file(of.upload),
        "title": of.title,
        "description": of.description,
        "articles": [article(each) for each in of.articles],
    }


def file(of: Upload | None) -> Report | None:
    """An uploaded file; `path` is null unless the simulator keeps uploads."""
    if of is None:
        return None
    return {
        "filename": of.filename,
        "content_type": of.content_type,
        "format": of.format,
        "size": of.size,
        "sha256": of.sha256,
        "seconds": of.seconds,
        "path": str(of.path) if of.path is not None else None,
    }


def article(of: Article) -> Report:
    """An article as followers get it."""
    return {
        "title": of.title,
        "author": of.author,
        "digest": of.digest,
        "content": of.content,
        "content_source_url": of.content_source_url,
        "thumb": {"media_id": of.thumb.media_id, "file": file(of.thumb.upload)},
        "show_cover_pic": of.show_cover_pic,
        "need_open_comment": of.need_open_comment,
        "only_fans_can_comment": of.only_fans_can_comment,
        "pictures": [{"url": picture.url, "file": file(picture.upload)} for picture in of.pictures],
        "dropped": list(of.dropped),
    }


def content(of: Content) -> Report:
    """A message as followers get it."""
    return {
        "msgtype": of.msgtype,
        "digest": of.digest,
        "text": of.text,
        "articles": [article(each) for each in of.articles],
        "media": [{"media_id": each.media_id, "kind": each.kind, "file": file(each.upload)} for each in of.media],
        "title": of.title,
        "description": of.description,
        "recommend": of.recommend,
        "need_open_comment": of.need_open_comment,
        "only_fans_can_comment": of.only_fans_can_comment,
        "card_id": of.card_id,
        "card_ext": of.card_ext,
    }


def pictures(account: Account) -> list[Report]:
    """The pictures an account has stored for articles."""
    library = account.library
    return [{"account": account.name, "url": url, "file": file(upload)} for url, upload in library.pictures.items()]


def preview(of: Preview) -> Report:
    """A preview and who was shown it."""
    [openid] = of.account.openids([of.follower])
    return {
        "account": of.account.name, "time": rfc3339(of.time), "openid": openid, "content": content(of.content),
    }  # fmt: skip
