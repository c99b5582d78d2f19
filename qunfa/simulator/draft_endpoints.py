"""draft/add, get, delete and count, and the older media/uploadnews: messages made of articles."""

from __future__ import annotations

import secrets
from dataclasses import replace

from qunfa.simulator.articles import Article, ArticleRules, parse_articles
from qunfa.simulator.calls import Call
from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.materials import Material
from qunfa.simulator.plans import Stage
from qunfa.simulator.richtext import with_data_src
from qunfa.simulator.world import World

_DIGEST_OF_DRAFT = 54
_DIGEST_OF_NEWS = 64
_ARTICLES: tuple[Stage, ...] = ("articles", "lifetime")


async def _add(world: World, call: Call) -> Answer:
    articles = _articles(world, call, permanent=True, default_digest=_DIGEST_OF_DRAFT)
    draft = call.owner.library.permanent("draft", world.clock.now(), articles=articles)
    world.maybe_dies_early(call, draft)
    return {"media_id": draft.media_id}


async def _uploadnews(world: World, call: Call) -> Answer:
    articles = _articles(world, call, permanent=False, default_digest=_DIGEST_OF_NEWS)
    news = call.owner.library.temporary("news", world.clock.now(), articles=articles)
    world.maybe_dies_early(call, news)
    return {"type": "news", "media_id": news.media_id, "created_at": int(news.created_at)}


async def _get(world: World, call: Call) -> Answer:
    draft = _draft(world, call)
    made = int(draft.created_at)
    data_src = call.owner.config.draft_pictures == "data-src"
    items = [_item(article, data_src=data_src) for article in draft.articles]
    return {"news_item": items, "create_time": made, "update_time": made}


async def _delete(world: World, call: Call) -> Answer:
    _draft(world, call).ended = "deleted"
    return {"errcode": 0, "errmsg": "ok"}


async def _count(world: World, call: Call) -> Answer:
    return {"total_count": len(call.owner.library.alive(world.clock.now(), "draft"))}


def _draft(world: World, call: Call) -> Material:
    return call.owner.library.find(call.json().get("media_id"), world.clock.now(), "draft")


def _articles(world: World, call: Call, *, permanent: bool, default_digest: int) -> tuple[Article, ...]:
    body, account, now = call.json(), call.owner, world.clock.now()

    def thumb(media_id: object) -> Material:
        found = account.library.find(media_id, now, "thumb", "image")
        if found.permanent is not permanent:
            raise Refusal(40007)
        return found

    rules = ArticleRules(account.config, account.library, thumb, default_digest)
    articles = parse_articles(body, rules)
    if any(article.pictures for article in articles) and world.take_fault(call, "articles") is not None:
        return parse_articles(body, replace(rules, lose=1))
    return articles


def _item(article: Article, *, data_src: bool) -> Answer:
    return {
        "article_type": "news",
        "title": article.title,
        "author": article.author,
        "digest": article.digest,
        "content": with_data_src(article.content) if data_src else article.content,
        "content_source_url": article.content_source_url,
        "thumb_media_id": article.thumb.media_id,
        "thumb_url": article.thumb.url or f"http://mmbiz.qpic.cn/sz_mmbiz_jpg/{article.thumb.media_id}/0?wx_fmt=jpeg",
        "show_cover_pic": article.show_cover_pic,
        "need_open_comment": article.need_open_comment,
        "only_fans_can_comment": article.only_fans_can_comment,
        "url": f"http://mp.weixin.qq.com/s?__biz=MzA&tempkey={secrets.token_urlsafe(16)}#rd",
    }


ENDPOINTS = (
    Endpoint("/cgi-bin/draft/add", "POST", _add, "draft/add", stages=_ARTICLES),
    Endpoint("/cgi-bin/draft/get", "POST", _get, "draft/get"),
    Endpoint("/cgi-bin/draft/delete", "POST", _delete, "draft/delete"),
    Endpoint("/cgi-bin/draft/count", "GET", _count, "draft/count"),
    Endpoint("/cgi-bin/media/uploadnews", "POST", _uploadnews, "media/uploadnews", stages=_ARTICLES),
)
