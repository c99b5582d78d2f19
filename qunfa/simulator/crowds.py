"""The control interface's part for crowds: their openids as a file, and how often each of them was reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from qunfa.simulator.accounts import Account, openid
from qunfa.simulator.asked import account_of, accounts_of, world_of
from qunfa.simulator.ledger import tally
from qunfa.simulator.plans import Strict

_LINES = 10_000
_TEXT = "text/plain; charset=utf-8"


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
        details = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise HTTPException(400, details) from error
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
