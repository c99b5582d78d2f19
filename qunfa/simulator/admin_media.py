"""The admin endpoints about materials, and about what jobs and previews showed to followers."""

from __future__ import annotations

from pydantic import BaseModel, model_validator
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qunfa.simulator import media_reports
from qunfa.simulator.accounts import Account
from qunfa.simulator.admin_request import account_of, accounts_of, body_of, world_of
from qunfa.simulator.materials import Kind, Material
from qunfa.simulator.plans import STRICT


class Expiry(BaseModel):
    """Which ids die now: one, or all of an account (and of a kind)."""

    model_config = STRICT

    media_id: str | None = None
    account: str | None = None
    kind: Kind | None = None

    @model_validator(mode="after")
    def _one_or_many(self) -> Expiry:
        if (self.media_id is None) == (self.account is None):
            raise ValueError("give either media_id or account")
        return self

    def means(self, material: Material, account: Account) -> bool:
        """Whether it is for that material."""
        if self.media_id is not None:
            return material.media_id == self.media_id
        return account.name == self.account and self.kind in {None, material.kind}


async def _media(request: Request) -> Response:
    now, kind = world_of(request).clock.now(), request.query_params.get("kind")
    listed = [
        media_reports.material(material, account, now)
        for account in accounts_of(request)
        for material in account.library
        if kind in {None, material.kind}
    ]
    return JSONResponse({"media": listed})


async def _expire(request: Request) -> Response:
    wanted, world = await body_of(request, Expiry), world_of(request)
    if wanted.account is not None:
        account_of(request, wanted.account)
    expired = [
        material
        for account in world.accounts.values()
        for material in account.library
        if wanted.means(material, account) and material.alive(world.clock.now())
    ]
    if not expired:
        raise HTTPException(404, "there is no such media_id that is alive")
    for material in expired:
        material.ended = "expired"
    return JSONResponse({"expired": [material.media_id for material in expired]})


async def _pictures(request: Request) -> Response:
    listed = [picture for account in accounts_of(request) for picture in media_reports.pictures(account)]
    return JSONResponse({"pictures": listed})


async def _content(request: Request) -> Response:
    given = request.query_params.get("msg_id", "")
    job = world_of(request).jobs.get(int(given)) if given.isdecimal() else None
    if job is None:
        raise HTTPException(404, f"there is no job {given!r}")
    return JSONResponse(media_reports.content(job.content))


async def _previews(request: Request) -> Response:
    ledger = world_of(request).ledger
    shown = [preview for account in accounts_of(request) for preview in ledger.previews(account)]
    return JSONResponse({"previews": [media_reports.preview(preview) for preview in shown]})


ROUTES = (
    Route("/_sim/media", _media),
    Route("/_sim/media/expire", _expire, methods=["POST"]),
    Route("/_sim/pictures", _pictures),
    Route("/_sim/content", _content),
    Route("/_sim/previews", _previews),
)
