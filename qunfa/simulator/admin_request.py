"""What the admin endpoints take out of a request."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from qunfa.simulator.accounts import Account
from qunfa.simulator.world import World

M = TypeVar("M", bound=BaseModel)


def world_of(request: Request) -> World:
    """The world as it is now."""
    world: World = request.app.state.simulator.world
    return world


async def body_of(request: Request, model: type[M]) -> M:
    """The JSON body; an empty one is `{}`.

    Raises:
        HTTPException: 400, it does not fit the model.
    """
    raw = await request.body()
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise HTTPException(400, details) from error


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
    """The account that the query names, or all.

    Raises:
        HTTPException: 404, there is none of that name.
    """
    name = request.query_params.get("account")
    return [account_of(request, name)] if name is not None else list(world_of(request).accounts.values())
