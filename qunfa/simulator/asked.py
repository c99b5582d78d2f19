"""What a request of the control interface is about."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request

from qunfa.simulator.accounts import Account
from qunfa.simulator.world import World


def world_of(request: Request) -> World:
    """The world as it is now."""
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
