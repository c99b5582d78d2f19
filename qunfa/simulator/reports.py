"""What the control interface tells about the world, as JSON objects; and of crowds their openids, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from qunfa.simulator.accounts import Account, openid
from qunfa.simulator.clock import rfc3339
from qunfa.simulator.content import Article, Content, Material
from qunfa.simulator.jobs import Job
from qunfa.simulator.ledger import Duplicate, Preview, most, tally
from qunfa.simulator.plans import Strict
from qunfa.simulator.pushes import PushTry
from qunfa.simulator.uploads import Upload
from qunfa.simulator.world import Call, World

Report = dict[str, object]
_LINES = 10_000
_TEXT = "text/plain; charset=utf-8"


def _same(of: object, *names: str) -> Report:
    """What the JSON object says in the same words as the simulator."""
    return {name: getattr(of, name) for name in names}


def clock(world: World) -> Report:
    """The time and what spans are divided by."""
    return {"now": rfc3339(world.clock.now()), "scale": world.clock.scale}


def account(world: World, of: Account) -> Report:
    """An account, without its secrets."""
    config = of.config
    return {
        "name": of.name,
        **_same(config, "appid", "kind", "verified", "original_id", "followers"),
        "tags": [tag.model_dump() for tag in config.tags],
        "callback": config.callback.url if config.callback else None,
        "callback_mode": config.callback.mode if config.callback else None,
        "admin_confirmation": config.admin_confirmation,
        "speed": of.speed,
        "mass_calls_today": of.calls.used("mass", world.clock.day()),
        "awaiting_confirmation": [job.msg_id for job in world.jobs.of(of.name) if job.confirmation == "waiting"],
    }


def job(of: Job) -> Report:
    titles = [article.title for article in of.content.articles] or [of.content.title]
    return {
        "account": of.account.name,
        **_same(of, "msg_id", "msg_data_id", "clientmsgid"),
        "audience": of.audience.label,
        "audience_size": len(of.audience.members),
        "content": _same(of.content, "msgtype", "digest", "text") | {"titles": [title for title in titles if title]},
        "send_ignore_reprint": of.ignore_reprint,
        "accepted_at": rfc3339(of.accepted_at),
        **_same(of, "confirmation", "state", "msg_status", "status"),
        "counts": of.counts.model_dump(),
        "received": len(of.received) if of.received is not None else 0,
        "article_urls": list(of.article_urls),
        "deleted": sorted(of.deleted),
        "finished_at": rfc3339(of.finished_at) if of.finished_at is not None else None,
        "pushed": of.pushed.is_set(),
    }


def call(of: Call) -> Report:
    """A call: never its token or body."""
    return {
        "time": rfc3339(of.time),
        **_same(of, "path", "method"),
        "account": of.account.name if of.account else None,
        **_same(of, "clientmsgid", "errcode"),
        "msg_id": of.job.msg_id if of.job else None,
        **_same(of, "fault", "received", "answered"),
    }


def push_try(of: PushTry) -> Report:
    return {
        "time": rfc3339(of.time),
        **_same(of, "account", "msg_id", "status", "number", "signed"),
        **_same(of.reply, "outcome", "http_status"),
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


def _duplicate(of: Account, found: Duplicate) -> Report:
    return {
        "group": found.group,
        "msg_ids": [each.msg_id for each in found.jobs],
        "followers": found.followers,
        "max": found.most,
        "sample": of.openids(found.sample),
    }


def follower(world: World, of: Account, number: int, openid: str) -> Report:
    return {
        "account": of.name,
        "openid": openid,
        "count": world.ledger.counts(of)[number],
        "this_month": world.ledger.this_month(of, number, world.clock.month()),
        "received": [job(each) for each in world.ledger.received(of, number)],
    }


def material(of: Material, account: Account, now: float) -> Report:
    return {
        "account": account.name,
        **_same(of, "media_id", "kind", "permanent"),
        "alive": of.alive(now),
        "ended": of.ended,
        "created_at": rfc3339(of.created_at),
        "expires_at": rfc3339(of.expires_at) if of.expires_at is not None else None,
        "file": _file(of.upload),
        **_same(of, "title", "description"),
        "articles": [_article(each) for each in of.articles],
    }


def _file(of: Upload | None) -> Report | None:
    return None if of is None else _same(of, "filename", "content_type", "format", "size", "sha256", "seconds")


def _article(of: Article) -> Report:
    return {
        **_same(of, "title", "author", "digest", "content", "content_source_url"),
        "thumb": {"media_id": of.thumb.media_id, "file": _file(of.thumb.upload)},
        **_same(of, "show_cover_pic", "need_open_comment", "only_fans_can_comment"),
        "pictures": [{"url": picture.url, "file": _file(picture.upload)} for picture in of.pictures],
        "dropped": list(of.dropped),
    }


def content(of: Content) -> Report:
    """A message as followers get it."""
    return {
        **_same(of, "msgtype", "digest", "text"),
        "articles": [_article(each) for each in of.articles],
        "media": [{"media_id": each.media_id, "kind": each.kind, "file": _file(each.upload)} for each in of.media],
        **_same(of, "title", "description", "recommend", "need_open_comment", "only_fans_can_comment"),
        **_same(of, "card_id", "card_ext"),
    }


def pictures(of: Account) -> list[Report]:
    return [{"account": of.name, "url": url, "file": _file(upload)} for url, upload in of.library.pictures.items()]


def preview(of: Preview) -> Report:
    [openid] = of.account.openids([of.follower])
    told: Report = {"account": of.account.name, "time": rfc3339(of.time), "openid": openid}
    return told | {"content": content(of.content)}


def world_of(request: Request) -> World:
    world: World = request.app.state.simulator.world
    return world


def account_of(request: Request, name: str) -> Account:
    """The account of that name.

    Raises:
        HTTPException: 404, there is none.
    """
    accounts = world_of(request).accounts
    if name not in accounts:
        raise HTTPException(404, f"there is no account {name!r}; there are {', '.join(accounts)}")
    return accounts[name]


def accounts_of(request: Request) -> list[Account]:
    """The account that the query names, or all."""
    name = request.query_params.get("account")
    return [account_of(request, name)] if name is not None else list(world_of(request).accounts.values())


def unfit(error: ValidationError) -> HTTPException:
    """400, with what does not fit."""
    details = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return HTTPException(400, details)


class Crowd(Strict):
    """Whom a file has: all, or those with a tag; of these every `every`-th from `first` on, `count` at most."""

    tag: int | None = None
    first: Annotated[int, Field(ge=0)] = 0
    every: Annotated[int, Field(ge=1)] = 1
    count: Annotated[int, Field(ge=0)] | None = None

    def of(self, account: Account) -> Sequence[int]:
        """Their numbers.

        Raises:
            HTTPException: 404, there is no such tag.
        """
        followers = account.everybody() if self.tag is None else account.tagged(self.tag)
        if followers is None:
            raise HTTPException(404, f"account {account.name!r} has no tag {self.tag}")
        return followers[self.first :: self.every][: self.count]


async def _followers(request: Request) -> Response:
    """The openids as text, one a line."""
    account = account_of(request, request.path_params["name"])
    try:
        crowd = Crowd.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise unfit(error) from error
    numbers, appid = crowd.of(account), account.config.appid
    return StreamingResponse(_text([openid(appid, n) for n in part] for part in _parts(numbers)), media_type=_TEXT)


async def _reached(request: Request) -> Response:
    """How many followers of each account were reached 0, 1, 2, … times."""
    ledger, pattern = world_of(request).ledger, request.query_params.get("clientmsgid")
    told = {each.name: tally(ledger.times(each, pattern)) for each in accounts_of(request)}
    return JSONResponse(
        {"accounts": {name: {"followers": sum(times.values()), "times": times} for name, times in told.items()}}
    )


async def _reached_each(request: Request) -> Response:
    """Every follower of an account who was reached, as text: openid, a blank, how often."""
    account = account_of(request, request.path_params["name"])
    counts = bytes(world_of(request).ledger.times(account, request.query_params.get("clientmsgid")))
    appid = account.config.appid
    parts = ([f"{openid(appid, n)} {counts[n]}" for n in part if counts[n]] for part in _parts(range(len(counts))))
    return StreamingResponse(_text(parts), media_type=_TEXT)


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[start : start + _LINES] for start in range(0, len(numbers), _LINES))


def _text(parts: Iterator[list[str]]) -> Iterator[str]:
    return ("".join(f"{line}\n" for line in lines) for lines in parts)


ROUTES = (
    Route("/_sim/accounts/{name}/followers", _followers, methods=["GET"]),
    Route("/_sim/accounts/{name}/reached", _reached_each, methods=["GET"]),
    Route("/_sim/ledger/reached", _reached, methods=["GET"]),
)
