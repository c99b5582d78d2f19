"""What the admin endpoints tell about materials, articles and what followers got to see, as JSON objects."""

from __future__ import annotations

from qunfa.simulator.accounts import Account
from qunfa.simulator.articles import Article
from qunfa.simulator.clock import rfc3339
from qunfa.simulator.content import Content
from qunfa.simulator.ledger import Preview
from qunfa.simulator.materials import Material
from qunfa.simulator.reports import Report
from qunfa.simulator.uploads import Upload


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
