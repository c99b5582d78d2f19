"""The control interface below `/_sim`: time, plans, the administrator, pushes by order, logs, material and the ledger.

Unlike the API it answers with HTTP status codes: 400 for a request that is wrong, 404 for what is not there, each with
`{"error": "…"}`. `docs/simulator.md` shows it by examples.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, ValidationError, model_validator
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qunfa.simulator import reports
from qunfa.simulator.accounts import Account, openid
from qunfa.simulator.config import Callback, CallbackUrl
from qunfa.simulator.content import Kind, Material
from qunfa.simulator.gateway import check_fault
from qunfa.simulator.mass import SUCCESS
from qunfa.simulator.plans import Fault, JobPlan, Order, Plan, Strict
from qunfa.simulator.pushes import Event, Verdict
from qunfa.simulator.reports import account_of, accounts_of, unfit, world_of

M = TypeVar("M", bound=BaseModel)
O = TypeVar("O", bound=Order)  # noqa: E741 - one letter, as type variables have
Handler = Callable[[Request], Awaitable[Response]]


async def _body(request: Request, model: type[M]) -> M:
    """The JSON body; an empty one is `{}`.

    Raises:
        HTTPException: 400, it does not fit the model.
    """
    raw = await request.body()
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise unfit(error) from error


def _callback(account: Account) -> Callback:
    """Where an account's events go.

    Raises:
        HTTPException: 400, nowhere.
    """
    if account.config.callback is None:
        raise HTTPException(400, f"account {account.name!r} has no callback")
    return account.config.callback


async def refuse(_request: Request, error: Exception) -> Response:
    """Answer an HTTPException with `{"error": …}`."""
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, str(error))
    return JSONResponse({"error": detail}, status)


def _telling(tell: Callable[[Request], object]) -> Handler:
    async def handle(request: Request) -> Response:
        return JSONResponse(tell(request))

    return handle


async def _reset(request: Request) -> Response:
    await request.app.state.simulator.reset()
    return JSONResponse(reports.clock(world_of(request)))


class ClockChange(Strict):
    """`{"advance": seconds}` or `{"set": "2026-12-01T09:00:00+08:00"}`."""

    advance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    set: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> ClockChange:
        if (self.advance is None) == (self.set is None):
            raise ValueError("give either advance or set")
        return self


async def _clock(request: Request) -> Response:
    clock = world_of(request).clock
    if request.method == "POST":
        change = await _body(request, ClockChange)
        if change.set is not None:
            clock.set(change.set)
        clock.advance(change.advance or 0)
    return JSONResponse(reports.clock(world_of(request)))


def _list_accounts(request: Request) -> object:
    world = world_of(request)
    return {"accounts": [reports.account(world, each) for each in world.accounts.values()]}


class Decision(Strict):
    """Which job the administrator decides on; all that wait if None."""

    msg_id: int | None = None


def _decide(decision: Literal["confirmed", "refused"]) -> Handler:
    async def handle(request: Request) -> Response:
        account = account_of(request, request.path_params["name"])
        wanted = await _body(request, Decision)
        decided = world_of(request).decide(account, decision, wanted.msg_id)
        if not decided:
            raise HTTPException(404, f"no send of account {account.name!r} waits for the administrator")
        return JSONResponse({decision: [job.msg_id for job in decided]})

    return handle


async def _add_fault(request: Request) -> Response:
    fault = await _body(request, Fault)
    try:
        check_fault(fault)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    return _added(request, world_of(request).faults, fault)


async def _add_job_plan(request: Request) -> Response:
    return _added(request, world_of(request).job_plans, await _body(request, JobPlan))


def _added(request: Request, plan: Plan[O], order: O) -> Response:
    if order.account is not None:
        account_of(request, order.account)
    return JSONResponse({"id": plan.add(order)}, 201)


def _list_pushes(request: Request) -> object:
    world = world_of(request)
    return {"plans": world.job_plans.listing(), "tries": [reports.push_try(each) for each in world.courier.log]}


async def _clear(request: Request) -> Response:
    world, number = world_of(request), request.query_params.get("id")
    plan = world.faults if request.url.path.endswith("/faults") else world.job_plans
    if number is None:
        plan.clear()
    elif not (number.isdecimal() and plan.remove(int(number))):
        raise HTTPException(404, f"there is no plan with id {number}")
    return Response(status_code=204)


class ForAccount(Strict):
    """An order about one account."""

    account: str


class PushNow(Verdict, ForAccount):
    """An event to push at once, whatever jobs there are."""

    status: str = SUCCESS
    signed: bool = True
    tries: Annotated[int, Field(ge=1, le=10)] = 1


async def _push(request: Request) -> Response:
    wanted, world = await _body(request, PushNow), world_of(request)
    account = account_of(request, wanted.account)
    _callback(account)
    event = Event(
        original_id=account.config.original_id,
        sender=openid(account.config.appid, 0),
        create_time=int(world.clock.now()),
        **wanted.model_dump(exclude={"account", "signed", "tries"}),
    )
    forged: Literal["signature"] | None = None if wanted.signed else "signature"
    made = await world.courier.push(account, event, forged=forged, tries=wanted.tries)
    return JSONResponse({"tries": list(map(reports.push_try, made))})


class Verification(ForAccount):
    """Whose callback to verify, at another `url` than the configured one if there is one; not `signed`: a forgery."""

    url: CallbackUrl | None = None
    signed: bool = True


async def _verify(request: Request) -> Response:
    """Enter a callback in the console."""
    wanted = await _body(request, Verification)
    callback = _callback(account_of(request, wanted.account))
    if wanted.url is not None:
        callback = callback.model_copy(update={"url": wanted.url})
    reply = await world_of(request).courier.verify(callback, signed=wanted.signed)
    told = {"outcome": reply.outcome, "http_status": reply.http_status, "answer": reply.body}
    return JSONResponse({"verified": reply.outcome == "answered"} | told)


def _list_jobs(request: Request) -> object:
    """The jobs that the query's account, clientmsgid and msg_id leave."""
    wanted = request.query_params
    jobs = [
        reports.job(job)
        for job in world_of(request).jobs
        if wanted.get("account", job.account.name) == job.account.name
        and wanted.get("clientmsgid", job.clientmsgid) == job.clientmsgid
        and wanted.get("msg_id", str(job.msg_id)) == str(job.msg_id)
    ]
    return {"jobs": jobs}


def _ledger(request: Request) -> object:
    world, by = world_of(request), request.query_params.get("by", "content")
    if by not in {"content", "clientmsgid"}:
        raise HTTPException(400, "by: content or clientmsgid")
    group: Literal["content", "clientmsgid"] = "content" if by == "content" else "clientmsgid"
    return {"accounts": {each.name: reports.ledger(world, each, group) for each in accounts_of(request)}}


def _follower(request: Request) -> object:
    world, wanted = world_of(request), request.query_params.get("openid", "")
    for account in world.accounts.values():
        number = account.number_of(wanted)
        if number is not None:
            return reports.follower(world, account, number, wanted)
    raise HTTPException(404, f"no account has a follower {wanted!r}")


def _list_media(request: Request) -> object:
    now, kind = world_of(request).clock.now(), request.query_params.get("kind")
    held = [(material, account) for account in accounts_of(request) for material in account.library]
    return {"media": [reports.material(*each, now) for each in held if kind in {None, each[0].kind}]}


class Expiry(Strict):
    """Which ids die now: one, or all of an account (and of a kind)."""

    media_id: str | None = None
    account: str | None = None
    kind: Kind | None = None

    @model_validator(mode="after")
    def _one_or_many(self) -> Expiry:
        if (self.media_id is None) == (self.account is None):
            raise ValueError("give either media_id or account")
        return self

    def means(self, material: Material, account: Account) -> bool:
        if self.media_id is not None:
            return material.media_id == self.media_id
        return account.name == self.account and self.kind in {None, material.kind}


async def _expire(request: Request) -> Response:
    wanted, world = await _body(request, Expiry), world_of(request)
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


def _list_pictures(request: Request) -> object:
    return {"pictures": [picture for account in accounts_of(request) for picture in reports.pictures(account)]}


def _content(request: Request) -> object:
    given = request.query_params.get("msg_id", "")
    job = world_of(request).jobs.get(int(given)) if given.isdecimal() else None
    if job is None:
        raise HTTPException(404, f"there is no job {given!r}")
    return reports.content(job.content)


def _list_previews(request: Request) -> object:
    ledger = world_of(request).ledger
    shown = [preview for account in accounts_of(request) for preview in ledger.previews(account)]
    return {"previews": [reports.preview(preview) for preview in shown]}


_TOLD: dict[str, Callable[[Request], object]] = {
    "health": lambda _request: {"ok": True},
    "accounts": _list_accounts,
    "faults": lambda request: {"faults": world_of(request).faults.listing()},
    "pushes": _list_pushes,
    "jobs": _list_jobs,
    "calls": lambda request: {"calls": [reports.call(call) for call in world_of(request).calls]},
    "ledger": _ledger,
    "ledger/followers": _follower,
    "media": _list_media,
    "pictures": _list_pictures,
    "content": _content,
    "previews": _list_previews,
}
_DONE: dict[str, Handler] = {
    "reset": _reset,
    "accounts/{name}/confirm": _decide("confirmed"),
    "accounts/{name}/refuse": _decide("refused"),
    "faults": _add_fault,
    "pushes": _add_job_plan,
    "push": _push,
    "verify": _verify,
    "media/expire": _expire,
}
ROUTES = (
    *(Route(f"/_sim/{path}", _telling(tell), methods=["GET"]) for path, tell in _TOLD.items()),
    *(Route(f"/_sim/{path}", handle, methods=["POST"]) for path, handle in _DONE.items()),
    *(Route(f"/_sim/{path}", _clear, methods=["DELETE"]) for path in ("faults", "pushes")),
    Route("/_sim/clock", _clock, methods=["GET", "POST"]),
)
