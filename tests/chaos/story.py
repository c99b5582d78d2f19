"""The whole story of one send, for whoever has to find out what went wrong."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.service import RPCError

from qunfa.contract import Status
from tests.chaos import evidence
from tests.chaos.evidence import Listed
from tests.chaos.plan import SendPlan
from tests.chaos.stage import RPC, Stage
from tests.chaos.upstream import Upstream

Moment = tuple[float, str]
_NEAR_SECONDS = 3.0
_SHORT = 160


async def of(stage: Stage, upstream: Upstream, operator: Iterable[Moment], runs: Iterable[Listed]) -> list[str]:
    """What was planned, and then everything that happened, in the order of time."""
    send = upstream.send
    moments: list[Moment] = [(at, f"upstream   {what}") for at, what in upstream.did]
    moments += [(at, f"operator   {what}") for at, what in operator]
    for part in stage.rolls.parts(send):
        moments += _at_wechat(stage, part)
    for run in runs:
        moments += await _of_run(stage, run)
    if moments:
        first, last = min(moments)[0] - _NEAR_SECONDS, max(moments)[0] + _NEAR_SECONDS
        moments += [(at, f"strike     {what}") for at, what in stage.strikes if first <= at <= last]
    planned = {name: value for name, value in asdict(send).items() if name != "audience"}
    head = [f"--- {upstream.id}: seed {stage.plan.seed}, {send.text}", f"planned    {_short(str(planned), 1200)}"]
    return [*head, *(f"{_clock(at)} {what}" for at, what in sorted(moments))]


def _at_wechat(stage: Stage, send: SendPlan) -> list[Moment]:
    world = stage.sim.world
    jobs = stage.rolls.jobs_of(world, send)
    moments: list[Moment] = [
        (
            call.time,
            (
                f"call       {call.path} {call.clientmsgid or ''} errcode {call.errcode}, fault {call.fault}, "
                f"msg_id {call.job.msg_id if call.job else None}, answered {call.answered}"
            ),
        )
        for call in stage.director.calls[send.said]
    ]
    for job in jobs:
        moments.append((job.accepted_at, f"accepted   msg_id {job.msg_id} as {job.clientmsgid}, plan {job.plan!r}"))
        if job.finished_at is not None:
            got = len(job.received) if job.received is not None else 0
            moments.append((job.finished_at, f"finished   msg_id {job.msg_id}: {job.status}, {got} received it"))
    own = {job.msg_id for job in jobs}
    moments += [
        (one.time, f"push       msg_id {one.msg_id} {one.status}: {one.reply.outcome} {one.reply.http_status}")
        for one in world.courier.log
        if one.msg_id in own
    ]
    return moments


async def _of_run(stage: Stage, run: Listed) -> list[Moment]:
    short = run.run_id[-4:]
    events = await evidence.history_of(stage.client, run)
    names: dict[int, str] = {}
    moments = [(_at(event), f"run {short}   {event.event_id:3} {_brief(event, names)}") for event in events]
    handle = stage.client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    try:
        status: Status = await handle.query("status", result_type=Status, rpc_timeout=RPC)
    except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        return [*moments, (run.started_at, f"run {short}   its status cannot be had: {error}")]
    return moments + [
        (line.at.timestamp(), f"status {short} {line.what} {line.by or ''} {line.reason or ''}".rstrip())
        for line in status.history
    ]


def _brief(event: HistoryEvent, names: dict[int, str]) -> str:
    """The kind of event, and what it is about."""
    kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
    name = event.WhichOneof("attributes")
    about: Any = getattr(event, name) if name else None
    match name:
        case "activity_task_scheduled_event_attributes":
            names[event.event_id] = about.activity_type.name
            return f"{kind} {about.activity_type.name}"
        case "activity_task_completed_event_attributes":
            said = about.result.payloads[0].data if about.result.payloads else b""
            return f"{kind} {names.get(about.scheduled_event_id)} {_short(said.decode(errors='replace'))}"
        case "activity_task_failed_event_attributes" | "activity_task_timed_out_event_attributes":
            return f"{kind} {names.get(about.scheduled_event_id)} {_short(about.failure.message)}"
        case "workflow_execution_signaled_event_attributes":
            said = about.input.payloads[0].data if about.input.payloads else b""
            return f"{kind} {about.signal_name} {_short(said.decode(errors='replace'))}"
        case "workflow_execution_update_accepted_event_attributes":
            return f"{kind} {about.accepted_request.input.name}"
        case "workflow_execution_failed_event_attributes":
            return f"{kind} {_short(about.failure.message, 400)}"
        case _:
            return kind


def _at(event: HistoryEvent) -> float:
    return event.event_time.ToDatetime(tzinfo=UTC).timestamp()


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]


def _short(text: str, length: int = _SHORT) -> str:
    return text if len(text) <= length else f"{text[:length]}…"
