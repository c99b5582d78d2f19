"""One path of a send: what WeChat says to it, what happens to it one after the other, and how it ends."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from temporalio.client import WorkflowHandle

from qunfa.contract.result import Answer, MassSendResult
from qunfa.contract.steps import AudienceFinding
from tests.workflows.conftest import Desk, leap
from tests.workflows.failures import cancelled, failure_of, refusal_of
from tests.workflows.model import Scripted

THE_JOB: Final = object()
"""In an update: the msg_id that WeChat has given."""
COMPLETED: Final = {"sent", "sent_nobody"}


class Play:
    """A path on its way: the desk, and the newest run of the send."""

    def __init__(self, desk: Desk, request: Mapping[str, Any], began: datetime) -> None:
        self.desk, self.wechat, self.request, self.began = desk, desk.wechat, request, began
        self.handle: WorkflowHandle[Any, Any]

    async def start(self, **more: Any) -> None:
        """The send, or its key once more; times are so much later than its first start."""
        self.handle = await self.desk.start(**self.dated({**self.request, **more}))

    def dated(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields with moments instead of times from the first start."""
        return {
            name: (self.began + value).isoformat() if isinstance(value, timedelta) else value
            for name, value in fields.items()
        }

    async def msg_id(self, number: int = -1) -> int:
        """Of one of the send's jobs; the newest one as a rule."""
        found = (await self.desk.status(self.handle)).jobs[number].msg_id
        return found or list(self.wechat.accepted.values())[number]

    async def ends(self, outcome: str) -> MassSendResult | None:
        """It must end so; its result where it has one."""
        if outcome == "cancelled":
            await cancelled(self.handle)
        elif outcome == "refused":
            await refusal_of(self.handle)
        else:
            result = await (self.handle.result() if outcome in COMPLETED else failure_of(self.handle))
            assert isinstance(result, MassSendResult)
            assert result.outcome == outcome
            return result
        return None


Act = Callable[[Play], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Path:
    """A send that goes its way.

    Attributes:
        script: what WeChat says to its tries; then it accepts them.
        push: the push that each acceptance brings; none where it is None.
        request: more of its request; a timedelta is a moment so much later than its start.
        set_up: before it is started.
        acts: what happens, each as soon as the one before has.
        ends: its outcome; or `cancelled`, or `refused` as an invalid request.
        jobs: the states of its generations; `tries`: how often WeChat was called; `ids`: how many clientmsgids it saw.
        made: what was called for its material, in order.
        again: how its key ends when it is started once more.
        goes: its first try comes so much later than its start, and before another time.
    """

    script: tuple[Scripted, ...] = ()
    push: str | None = "send success"
    request: dict[str, Any] = field(default_factory=dict)
    set_up: tuple[Act, ...] = ()
    acts: tuple[Act, ...] = ()
    ends: str = "sent"
    jobs: str | None = None
    observed_by: Literal["push", "poll", "operator"] | None = None
    tries: int | None = None
    ids: int | None = None
    made: str | None = None
    again: str | None = None
    goes: tuple[timedelta, timedelta] | None = None

    async def play(self, desk: Desk) -> None:
        """To its end."""
        play = Play(desk, self.request, await desk.env.get_current_time())
        for act in self.set_up:
            await act(play)
        desk.wechat.script, desk.wechat.push_at_once, before = list(self.script), self.push, len(desk.wechat.tries)
        await play.start()
        for act in self.acts:
            await act(play)
        result = await play.ends(self.ends)
        tries = desk.wechat.tries[before:]
        if result is not None:
            self._has_come_to(result)
        assert self.tries in {None, len(tries)}
        assert self.ids in {None, len({step.lease.clientmsgid for step in tries})}
        assert self.made in {None, " ".join(call.split()[0] for call in desk.material.calls)}
        if self.goes is not None:
            assert self.goes[0] <= tries[0].lease.not_before - play.began < self.goes[1]
        if self.again is not None:
            await play.start(on_problem="fail")
            await play.ends(self.again)

    def _has_come_to(self, result: MassSendResult) -> None:
        assert self.jobs in {None, " ".join(job.state for job in result.jobs)}
        assert self.observed_by in {None, result.jobs[-1].observed_by if result.jobs else None}
        assert result.may_have_been_delivered is (self.ends in {"sent", "sent_nobody", "unknown"})


# What happens


def asks(problem: str, jobs: int = 0) -> Act:
    """It asks about this, and has so many jobs by then."""

    async def act(play: Play) -> None:
        await play.desk.until(play.handle, lambda status: len(status.jobs) >= jobs)
        await play.desk.asks(play.handle, problem)

    return act


def comes(phase: str) -> Act:
    return lambda play: play.desk.until(play.handle, lambda status: status.phase == phase)


def waits(reason: str) -> Act:
    return lambda play: play.desk.waits(play.handle, reason)


def story(what: str) -> Act:
    return lambda play: play.desk.seen(play.handle, what)


def update(name: str, **payload: Any) -> Act:

    async def act(play: Play) -> None:
        await play.desk.update(play.handle, name, **await _filled(play, payload))

    return act


def refused(name: str, why: str, **payload: Any) -> Act:

    async def act(play: Play) -> None:
        assert why in await play.desk.refused(play.handle, name, **await _filled(play, payload))

    return act


async def _filled(play: Play, payload: dict[str, Any]) -> dict[str, Any]:
    job = {name: await play.msg_id() for name, value in payload.items() if value is THE_JOB}
    return play.dated(payload) | job


def scripted(*script: Scripted, push: str | None = "send success") -> Act:
    """From now on WeChat says this to its tries, and pushes that."""

    async def act(play: Play) -> None:
        play.wechat.script, play.wechat.push_at_once = list(script), push

    return act


def wechat(**more: Any) -> Act:

    async def act(play: Play) -> None:
        for name, value in more.items():
            setattr(play.wechat, name, value)

    return act


def material(**more: Any) -> Act:
    """From now on the sources, and the media library, are so."""

    async def act(play: Play) -> None:
        for name, value in more.items():
            setattr(play.desk.material, name, value)

    return act


def tag(name: str, count: int) -> Act:
    return wechat(tags={2: AudienceFinding(found=True, name=name, count=count)})


def polled(status: str | None, job: int = -1) -> Act:
    """`mass/get` says this of a job from now on; with None it knows no such job."""

    async def act(play: Play) -> None:
        msg_id = await play.msg_id(job)
        if status is None:
            del play.wechat.statuses[msg_id]
        else:
            play.wechat.statuses[msg_id] = status

    return act


def pushed(status: str = "send success") -> Act:

    async def act(play: Play) -> None:
        await play.wechat.push(await play.msg_id(), status)

    return act


def told_late() -> Act:
    """The ledger hears that its first try was accepted; nobody else does."""

    async def act(play: Play) -> None:
        step = play.wechat.tries[0]
        msg_id = play.wechat.accept(step)
        await play.wechat.tell(step, Answer(kind="accepted", at=step.lease.not_before, msg_id=msg_id))

    return act


def passes(time: timedelta) -> Act:
    return lambda play: leap(play.desk.env, time)


def cancel() -> Act:
    return lambda play: play.handle.cancel()


def frozen() -> Act:

    async def act(play: Play) -> None:
        await (await play.desk.start("other")).result()
        await play.desk.freeze()

    return act
