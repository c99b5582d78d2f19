"""What a send costs: Qunfa's beside the two of `tests.bench.rivals`, by what the processes take of the processor."""

import statistics
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, get_args

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

from qunfa.contract.ids import account_id
from tests.bench.machinery import ACCOUNTS, SECRET, TAG, Machinery, few_at_once
from tests.bench.rivals import FINISHED, NOTHING, POST, QUEUE, SIMPLE, Wanted
from tests.media.samples import clip, picture

Contender = Literal["bare", "naive", "qunfa"]
Kind = Literal["text", "article", "video"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
AT_ONCE: Final = 20
"""Sends under way: each of the fifty accounts has one at a time."""
BUSY: Final = ACCOUNTS[:50]
"""The accounts that are measured: so many that none of them has to wait."""
WARM_UP: Final = len(BUSY)
"""Sends before those that are measured: one for each account, whose `Account` runs from then on."""
_PICTURES: Final = 3
_BILLED: Final = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_TIMER_STARTED,
        EventType.EVENT_TYPE_MARKER_RECORDED,
        EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    }
)
"""What Temporal Cloud counts as an action and writes down: https://docs.temporal.io/cloud/actions."""


@dataclass(frozen=True)
class Cost:
    """What one send has cost, in one round.

    `processor_ms`: by process. `events`: of the send's own history. `account_events`: of its account's, that one send
    adds. `actions`: that Temporal Cloud would bill for both.
    """

    processor_ms: dict[str, float]
    per_second: float
    events: float
    account_events: float
    actions: float

    @property
    def total_ms(self) -> float:
        """Of all processes."""
        return sum(self.processor_ms.values())


async def cost_of(machinery: Machinery, contender: Contender, sends: int, kind: Kind = "text") -> Cost:
    """So many sends after a warm-up."""
    await through(machinery, contender, kind, "warm", WARM_UP)
    before = [one.processor_seconds() for one in machinery.processes]
    led = await _account_events(machinery) if contender == "qunfa" else []
    began = time.monotonic()
    handles = await through(machinery, contender, kind, "send", sends)
    seconds = time.monotonic() - began
    took = [one.processor_seconds() - so_far for one, so_far in zip(machinery.processes, before, strict=True)]
    own = [[event async for event in handle.fetch_history_events()] for handle in handles[:WARM_UP]]
    added = (await _account_events(machinery))[len(led) :] if contender == "qunfa" else []
    billed = statistics.median(map(actions, own)) + actions(added) / sends
    names = [one.name for one in machinery.processes]
    processor = {name: 1000 * one / sends for name, one in zip(names, took, strict=True)}
    return Cost(processor, sends / seconds, statistics.median(map(len, own)), len(added) / sends, billed)


def actions(events: Iterable[HistoryEvent]) -> int:
    """How many actions Temporal Cloud would bill for them. Each further try of an activity is one more."""
    retries = sum(max(0, event.activity_task_started_event_attributes.attempt - 1) for event in events)
    return retries + sum(event.event_type in _BILLED for event in events)


async def _account_events(machinery: Machinery) -> list[HistoryEvent]:
    """Of all accounts, in no order; none of them is so busy here that it continues as new."""
    handles = [machinery.client.get_workflow_handle(account_id(machinery.appid(name))) for name in BUSY]
    return [event for handle in handles async for event in handle.fetch_history_events()]


async def through(
    machinery: Machinery, contender: Contender, kind: Kind, name: str, sends: int
) -> list[WorkflowHandle[Any, Any]]:
    """Have so many sends started and ended.

    Raises:
        AssertionError: one is not delivered.
        BenchError: a process has ended meanwhile.
    """
    send = partial(_SENDS[contender], machinery, kind)
    key = f"{contender}-{kind}-{name}"
    calls = (partial(send, f"{key}-{number}", BUSY[number % len(BUSY)]) for number in range(sends))
    return await machinery.unless_it_ends(few_at_once(AT_ONCE, calls))


async def _bare(machinery: Machinery, kind: Kind, key: str, account: str) -> WorkflowHandle[Any, Any]:
    handle = await _simple(machinery, NOTHING, key, account)
    await machinery.client.get_workflow_handle(key).signal(FINISHED, "send success")
    await handle.result()
    return handle


async def _naive(machinery: Machinery, kind: Kind, key: str, account: str) -> WorkflowHandle[Any, Any]:
    handle = await _simple(machinery, POST, key, account)
    await handle.result()
    return handle


async def _simple(machinery: Machinery, activity: str, key: str, account: str) -> WorkflowHandle[Any, Any]:
    wanted = Wanted(
        activity=activity,
        appid=machinery.appid(account),
        secret=SECRET,
        tag_id=int(str(TAG["id"])),
        content=f"{key}: 你好",
    )
    return await machinery.client.start_workflow(SIMPLE, wanted, id=key, task_queue=QUEUE)


async def _qunfa(machinery: Machinery, kind: Kind, key: str, account: str) -> WorkflowHandle[Any, Any]:
    tag = {"kind": "tag", "tag_id": TAG["id"]}
    handle = await machinery.send(account, key, audience=tag, message=_message(machinery, kind, key))
    result = await handle.result()
    if result["outcome"] != "sent":
        raise AssertionError(f"{key}: {result}")
    return handle


_SENDS: Final[dict[Contender, Callable[..., Awaitable[WorkflowHandle[Any, Any]]]]] = {
    "bare": _bare,
    "naive": _naive,
    "qunfa": _qunfa,
}


def _message(machinery: Machinery, kind: Kind, key: str) -> dict[str, Any]:
    if kind == "text":
        return {"msgtype": "text", "content": f"{key}: 你好"}
    if kind == "video":
        file = _file(machinery, "clip.mp4", clip())
        return {"msgtype": "mpvideo", "media": file, "title": key, "description": "春"}
    pictures = [_file(machinery, f"{number}.png", picture(size=(40 + number, 30))) for number in range(_PICTURES)]
    content = "".join(f'<p>{key}<img src="{one["uri"]}"></p>' for one in pictures)
    thumb = _file(machinery, "cover.jpg", picture("JPEG"))
    return {"msgtype": "mpnews", "articles": [{"title": key, "content": content, "thumb": thumb}]}


def _file(machinery: Machinery, name: str, content: bytes) -> dict[str, str]:
    path = machinery.folder / name
    if not path.exists():
        path.write_bytes(content)
    return {"uri": path.as_uri()}
