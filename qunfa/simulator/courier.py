"""The courier: pushes events to the accounts' callbacks, tries again, and keeps a log."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import httpx

from qunfa.simulator.accounts import Account
from qunfa.simulator.changes import Changes
from qunfa.simulator.clock import Clock
from qunfa.simulator.config import Callback, SimulatorConfig
from qunfa.simulator.envelopes import Envelope, seal
from qunfa.simulator.events import Event, event_xml
from qunfa.simulator.followers import openid
from qunfa.simulator.jobs import Job, JobBook

_HEADERS = {"User-Agent": "Mozilla/4.0", "Accept": "*/*", "Content-Type": "text/xml", "Pragma": "no-cache"}
_NO_REUSE = httpx.Limits(max_keepalive_connections=0)
_KEPT_OF_ANSWER = 200
_UNKNOWN_MSG_ID = 9_999_999_999

Outcome = Literal["answered", "bad_answer", "timeout", "unreachable"]


@dataclass(frozen=True)
class Reply:
    """What a callback made of a push: `answered` is HTTP 200 with `success` or an empty body; the others are failures.

    Attributes:
        http_status: None without a response.
        body: the beginning of the response's, or the kind of error.
    """

    outcome: Outcome
    http_status: int | None = None
    body: str = ""


@dataclass(frozen=True)
class PushTry:
    """One try of a push; `number` counts those of the same push from 1, `signed` with the account's token."""

    time: float
    account: str
    msg_id: int
    status: str
    number: int
    signed: bool
    reply: Reply


class Courier:
    """Pushes of all accounts."""

    def __init__(self, config: SimulatorConfig, clock: Clock, jobs: JobBook, changes: Changes) -> None:
        self._rules = config.push
        self._clock = clock
        self._jobs = jobs
        self._changes = changes
        self._log: deque[PushTry] = deque(maxlen=config.call_log)
        self._client: httpx.AsyncClient | None = None

    @property
    def log(self) -> Iterator[PushTry]:
        """The latest tries, oldest first."""
        return iter(self._log)

    async def announce(self, job: Job) -> None:
        """Push the event of a finished job, the way its plan says."""
        plan = job.plan
        event = event_of(job, self._clock.now())
        if plan.delay:
            await self._clock.wait_until(self._clock.now() + self._clock.span(plan.delay))
        if plan.out_of_order:
            await self._changes.until(lambda: any(later.pushed.is_set() for later in self._jobs.after(job)))
        if plan.forged == "signature":
            await self.push(job.account, event, signed=False, tries=1)
        elif plan.forged == "msg_id":
            await self.push(job.account, event.model_copy(update={"msg_id": _UNKNOWN_MSG_ID}), tries=1)
        if not plan.drop:
            await self.push(job.account, event, first_try=job.pushed)
        self._note(job.pushed)
        if not plan.drop:
            for _ in range(plan.duplicate):
                await self.push(job.account, event)

    async def push(
        self,
        account: Account,
        event: Event,
        *,
        signed: bool = True,
        tries: int | None = None,
        first_try: asyncio.Event | None = None,
    ) -> list[PushTry]:
        """Push an event until it is answered or the tries are used up.

        Args:
            account: whose callback; without one nothing is pushed.
            event: what to push.
            signed: with the right signature.
            tries: how many in all, instead of the configured number.
            first_try: set after the first try, whatever came of it.

        Returns:
            The tries that were made.
        """
        made: list[PushTry] = []
        callback = account.config.callback
        if callback is None:
            return made
        for number in range(1, (tries or self._rules.tries) + 1):
            if number > 1:
                await self._clock.wait_until(self._clock.now() + self._clock.span(self._rules.spacing))
            envelope = self._seal(callback, event, signed=signed)
            reply = await self._post(callback.url, envelope)
            attempt = PushTry(self._clock.now(), account.name, event.msg_id, event.status, number, signed, reply)
            made.append(attempt)
            self._log.append(attempt)
            self._note(first_try)
            if reply.outcome == "answered":
                break
        return made

    async def close(self) -> None:
        """Close the connections to the callbacks."""
        if self._client is not None:
            await self._client.aclose()

    def _note(self, done: asyncio.Event | None) -> None:
        if done is not None:
            done.set()
        self._changes.notify()

    def _seal(self, callback: Callback, event: Event, *, signed: bool) -> Envelope:
        return seal(callback, event_xml(event), sender=event.sender, timestamp=int(self._clock.now()), signed=signed)

    async def _post(self, url: str, envelope: Envelope) -> Reply:
        deadline = self._rules.deadline
        if self._client is None:
            self._client = httpx.AsyncClient(headers=_HEADERS, trust_env=False, timeout=deadline, limits=_NO_REUSE)
        try:
            async with asyncio.timeout(deadline):
                response = await self._client.post(url, params=envelope.query, content=envelope.body)
        except (TimeoutError, httpx.TimeoutException):
            return Reply("timeout")
        except httpx.HTTPError as error:
            return Reply("unreachable", body=type(error).__name__)
        good = response.status_code == httpx.codes.OK and response.text.strip() in {"", "success"}
        return Reply("answered" if good else "bad_answer", response.status_code, response.text[:_KEPT_OF_ANSWER])


def event_of(job: Job, now: float) -> Event:
    """The event that tells how a job ended."""
    return Event(
        original_id=job.account.config.original_id,
        sender=openid(job.account.config.appid, 0),
        create_time=int(now),
        msg_id=job.msg_id,
        status=job.status or "send fail",
        counts=job.counts,
        check_state=job.check_state,
        copyright=job.plan.copyright,
        article_urls=job.article_urls,
    )
