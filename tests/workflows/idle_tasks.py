"""Histories with tasks put into them that came to nothing, just before a timer fires.

A signal that changes nothing brought each but the last one. In that an update was refused, when the timer was due.
A replay takes the last two as one task, at the time of the later one.
"""

from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, WorkflowTaskScheduledEventAttributes
from temporalio.client import WorkflowHistory

_FIRED: Final = EventType.EVENT_TYPE_TIMER_FIRED
_SIGNALED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
_SCHEDULED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
_STARTED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
_COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
_UPDATED: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
}
_NO_LOSS: Final = b'{"at": "2020-01-01T00:00:00Z"}'
"""Input of a ``ledger_lost`` that comes too late to matter. An account knows no such signal."""


def with_idle_tasks(history: WorkflowHistory) -> tuple[WorkflowHistory, int]:
    """The history with such tasks before each timer that fires while nothing else is under way, and how many those are.

    The task before has commands, so a replay takes it for itself: of two signals, the second is taken late.
    """
    events: list[HistoryEvent] = []
    new_ids: dict[int, int] = {}
    timers = 0
    for event in history.events:
        if event.event_type == _FIRED and _is_at_rest(events):
            timers += 1
            for _ in range(2):
                events.append(_signal(len(events), events[-1].event_time))
                events += _task(events, events[-1].event_time)
            events += _task(events, event.event_time)
        new_ids[event.event_id] = len(events) + 1
        events.append(_renumbered(event, new_ids))
    return WorkflowHistory(history.workflow_id, events), timers


def _is_at_rest(events: list[HistoryEvent]) -> bool:
    """Whether nothing has come since the last task, but for what that one asked for."""
    for event in reversed(events):
        if event.event_type == _COMPLETED:
            return True
        fields = _attributes(event).DESCRIPTOR.fields_by_name
        if event.event_type not in _UPDATED and "workflow_task_completed_event_id" not in fields:
            return False
    return False


def _signal(last: int, at: Timestamp) -> HistoryEvent:
    event = HistoryEvent(event_id=last + 1, event_type=_SIGNALED, event_time=at)
    attributes = event.workflow_execution_signaled_event_attributes
    attributes.signal_name = "ledger_lost"
    attributes.input.payloads.add(metadata={"encoding": b"json/plain"}, data=_NO_LOSS)
    return event


def _task(before: list[HistoryEvent], at: Timestamp) -> list[HistoryEvent]:
    scheduled, started, completed = (
        HistoryEvent(event_id=len(before) + number, event_type=kind, event_time=at)
        for number, kind in enumerate((_SCHEDULED, _STARTED, _COMPLETED), start=1)
    )
    scheduled.workflow_task_scheduled_event_attributes.CopyFrom(_scheduling(before))
    started.workflow_task_started_event_attributes.scheduled_event_id = scheduled.event_id
    completed.workflow_task_completed_event_attributes.scheduled_event_id = scheduled.event_id
    completed.workflow_task_completed_event_attributes.started_event_id = started.event_id
    return [scheduled, started, completed]


def _scheduling(events: list[HistoryEvent]) -> WorkflowTaskScheduledEventAttributes:
    first = next(event for event in events if event.event_type == _SCHEDULED)
    return first.workflow_task_scheduled_event_attributes


def _renumbered(event: HistoryEvent, new_ids: dict[int, int]) -> HistoryEvent:
    copy = HistoryEvent()
    copy.CopyFrom(event)
    copy.event_id = new_ids[event.event_id]
    attributes = _attributes(copy)
    for field in attributes.DESCRIPTOR.fields:
        if field.name.endswith("_event_id") and (old := getattr(attributes, field.name)) in new_ids:
            setattr(attributes, field.name, new_ids[old])
    return copy


def _attributes(event: HistoryEvent) -> Any:
    return getattr(event, event.WhichOneof("attributes") or "")
