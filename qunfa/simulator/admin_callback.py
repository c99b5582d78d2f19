"""The admin endpoint that enters a callback in the console: `POST /_sim/verify`."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qunfa.simulator.admin_request import account_of, body_of, world_of
from qunfa.simulator.config import CallbackUrl
from qunfa.simulator.plans import STRICT


class Verification(BaseModel):
    """Whose callback to verify, at another `url` than the configured one if there is one; not `signed`: a forgery."""

    model_config = STRICT

    account: str
    url: CallbackUrl | None = None
    signed: bool = True


async def _verify(request: Request) -> Response:
    wanted = await body_of(request, Verification)
    account = account_of(request, wanted.account)
    callback = account.config.callback
    if callback is None:
        raise HTTPException(400, f"account {account.name!r} has no callback")
    if wanted.url is not None:
        callback = callback.model_copy(update={"url": wanted.url})
    reply = await world_of(request).courier.verify(callback, signed=wanted.signed)
    return JSONResponse(
        {
            "verified": reply.outcome == "answered",
            "outcome": reply.outcome,
            "http_status": reply.http_status,
            "answer": reply.body,
        }
    )


ROUTES = (Route("/_sim/verify", _verify, methods=["POST"]),)
