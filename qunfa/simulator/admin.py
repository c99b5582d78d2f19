"""The admin endpoints below `/_sim`: time, plans, the administrator, logs and the ledger.

Unlike the API they answer with HTTP status codes: 400 for a request that is wrong, 404 for what does not exist, each
with `{"error": "…"}`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, model_validator
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qunfa.simulator import reports
from qunfa.simulator.admin_request import account_of, accounts_of, body_of, world_of
from qunfa.simulator.delivery import SUCCESS
from qunfa.simulator.events import Event
from qunfa.simulator.followers import openid
from qunfa.simulator.jobs import Job
from qunfa.simulator.plans import STRICT, CopyrightItem, Counts, Fault, JobPlan, Order, Plan
from qunfa.simulator.routes import check_fault
from qunfa.simulator.world import World

O = TypeVar("O", bound=Order)  # noqa: E741 - one letter, as type variables have
Handler = Callable[[Request], Awaitable[Response]]


class ClockChange(BaseModel):
    """`{"advance": seconds}` or `{"set": "2026-12-01T09:00:00+08:00"}`."""

    model_config = STRICT

    advance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    set: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> ClockChange:
        if (self.advance is None) == (self.set is None):
            raise ValueError("give either advance or set")
        return self


class Decision(BaseModel):
    """Which job the administrator decides on; all that wait if None."""

    model_config = STRICT

    msg_id: int | None = None


class PushNow(BaseModel):
    """An event to push at once, whatever jobs there are."""

    model_config = STRICT

    account: str
    msg_id: int
    status: str = SUCCESS
    counts: Counts = Counts()
    check_state: int = 0
    copyright: tuple[CopyrightItem, ...] = ()
    article_urls: tuple[str, ...] = ()
    signed: bool = True
    tries: Annotated[int, Field(ge=1, le=10)] = 1


def _jobs(request: Request) -> list[Job]:
    """The jobs that the query's account, clientmsgid and msg_id leave."""
    wanted = request.query_params
    return [
        job
        for job in world_of(request).jobs
        if wanted.get("account", job.account.name) == job.account.name
        and wanted.get("clientmsgid", job.clientmsgid) == job.clientmsgid
        and wanted.get("msg_id", str(job.msg_id)) == str(job.msg_id)
    ]


async def _health(_request: Request) -> Response:
    return JSONResponse({"ok": True})


async def _reset(request: Request) -> Response:
    await request.app.state.simulator.reset()
    return JSONResponse(reports.clock(world_of(request)))


async def _clock(request: Request) -> Response:
    clock = world_of(request).clock
    if request.method == "POST":
        change = await body_of(request, ClockChange)
        if change.set is not None:
            clock.set(change.set)
        clock.advance(change.advance or 0)
    return JSONResponse(reports.clock(world_of(request)))


async def _accounts(request: Request) -> Response:
    world = world_of(request)
    return JSONResponse({"accounts": [reports.account(world, account) for account in world.accounts.values()]})


def _decide(decision: Literal["confirmed", "refused"]) -> Handler:
    async def handle(request: Request) -> Response:
        account = account_of(request, request.path_params["name"])
        wanted = await body_of(request, Decision)
        decided = world_of(request).decide(account, decision, wanted.msg_id)
        if not decided:
            raise HTTPException(404, f"no send of account {account.name!r} waits for the administrator")
        return JSONResponse({decision: [job.msg_id for job in decided]})

    return handle


async def _add_fault(request: Request) -> Response:
    fault = await body_of(request, Fault)
    try:
        check_fault(fault)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    return _added(request, world_of(request).faults, fault)


async def _add_job_plan(request: Request) -> Response:
    return _added(request, world_of(request).job_plans, await body_of(request, JobPlan))


def _added(request: Request, plan: Plan[O], order: O) -> Response:
    if order.account is not None:
        account_of(request, order.account)
    return JSONResponse({"id": plan.add(order)}, 201)


def _listing(plan: Callable[[World], Plan[O]], name: str) -> Handler:
    async def handle(request: Request) -> Response:
        return JSONResponse({name: plan(world_of(request)).listing()})

    return handle


def _clearing(plan: Callable[[World], Plan[O]]) -> Handler:
    async def handle(request: Request) -> Response:
        number = request.query_params.get("id")
        if number is None:
            plan(world_of(request)).clear()
        elif not (number.isdecimal() and plan(world_of(request)).remove(int(number))):
            raise HTTPException(404, f"there is no plan with id {number}")
        return Response(status_code=204)

    return handle


async def _list_pushes(request: Request) -> Response:
    world = world_of(request)
    return JSONResponse(
        {"plans": world.job_plans.listing(), "tries": [reports.push_try(each) for each in world.courier.log]}
    )


async def _push(request: Request) -> Response:
    wanted, world = await body_of(request, PushNow), world_of(request)
    account = account_of(request, wanted.account)
    if account.config.callback is None:
        raise HTTPException(400, f"account {account.name!r} has no callback")
    event = Event(
        original_id=account.config.original_id,
        sender=openid(account.config.appid, 0),
        create_time=int(world.clock.now()),
        **wanted.model_dump(exclude={"account", "signed", "tries"}),
    )
    forged: Literal["signature"] | None = None if wanted.signed else "signature"
    tries = await world.courier.push(account, event, forged=forged, tries=wanted.tries)
    return JSONResponse({"tries": [reports.push_try(each) for each in tries]})


async def _list_jobs(request: Request) -> Response:
    return JSONResponse({"jobs": [reports.job(job) for job in _jobs(request)]})


async def _list_calls(request: Request) -> Response:
    return JSONResponse({"calls": [reports.call(call) for call in world_of(request).calls]})


async def _ledger(request: Request) -> Response:
    world, query = world_of(request), request.query_params
    by = query.get("by", "content")
    if by not in {"content", "clientmsgid"}:
        raise HTTPException(400, "by: content or clientmsgid")
    accounts = accounts_of(request)
    group: Literal["content", "clientmsgid"] = "content" if by == "content" else "clientmsgid"
    return JSONResponse({"accounts": {each.name: reports.ledger(world, each, group) for each in accounts}})


async def _follower(request: Request) -> Response:
    world, wanted = world_of(request), request.query_params.get("openid", "")
    for account in world.accounts.values():
        number = account.number_of(wanted)
        if number is not None:
            return JSONResponse(reports.follower(world, account, number, wanted))
    raise HTTPException(404, f"no account has a follower {wanted!r}")


def _faults(world: World) -> Plan[Fault]:
    return world.faults


def _job_plans(world: World) -> Plan[JobPlan]:
    return world.job_plans


async def refuse(_request: Request, error: Exception) -> Response:
    """Answer an HTTPException with `{"error": …}`."""
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, str(error))
    return JSONResponse({"error": detail}, status)


ROUTES = (
    Route("/_sim/health", _health),
    Route("/_sim/reset", _reset, methods=["POST"]),
    Route("/_sim/clock", _clock, methods=["GET", "POST"]),
    Route("/_sim/accounts", _accounts),
    Route("/_sim/accounts/{name}/confirm", _decide("confirmed"), methods=["POST"]),
    Route("/_sim/accounts/{name}/refuse", _decide("refused"), methods=["POST"]),
    Route("/_sim/faults", _add_fault, methods=["POST"]),
    Route("/_sim/faults", _listing(_faults, "faults"), methods=["GET"]),
    Route("/_sim/faults", _clearing(_faults), methods=["DELETE"]),
    Route("/_sim/pushes", _add_job_plan, methods=["POST"]),
    Route("/_sim/pushes", _list_pushes, methods=["GET"]),
    Route("/_sim/pushes", _clearing(_job_plans), methods=["DELETE"]),
    Route("/_sim/push", _push, methods=["POST"]),
    Route("/_sim/jobs", _list_jobs),
    Route("/_sim/calls", _list_calls),
    Route("/_sim/ledger", _ledger),
    Route("/_sim/ledger/followers", _follower),
)
