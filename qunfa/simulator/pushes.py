"""Pushes: the event MASSSENDJOBFINISH, and the courier that brings it to the accounts' callbacks, time and again."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import httpx

from qunfa.simulator.accounts import Account, openid
from qunfa.simulator.clock import Changes, Clock
from qunfa.simulator.config import Callback, SimulatorConfig
from qunfa.simulator.envelopes import Envelope, Fields, Forgery, Value, seal, signed_query, unseal
from qunfa.simulator.jobs import Job, JobBook
from qunfa.simulator.plans import CopyrightItem, Counts, Strict

_HEADERS = {"User-Agent": "Mozilla/4.0", "Accept": "*/*", "Pragma": "no-cache"}
_NO_REUSE = httpx.Limits(max_keepalive_connections=0)
_KEPT_OF_ANSWER = 200
_UNKNOWN_MSG_ID = 9_999_999_999
_UNTRUE = "err(10001)"

Outcome = Literal["answered", "bad_answer", "timeout", "unreachable"]


class Verdict(Strict):
    """What an event says of a job."""

    msg_id: int
    status: str
    counts: Counts = Counts()
    check_state: int = 0
    copyright: tuple[CopyrightItem, ...] = ()
    article_urls: tuple[str, ...] = ()


class Event(Verdict):
    """An event as it is pushed; `sender` is its FromUserName, `create_time` in seconds."""

    original_id: str
    sender: str
    create_time: int


def event_fields(event: Event) -> Fields:
    """Everything in the body of a push, in WeChat's order."""
    articles: list[Value] = [
        {"ArticleIdx": index, "ArticleUrl": url} for index, url in enumerate(event.article_urls, 1)
    ]
    return {
        "ToUserName": event.original_id,
        "FromUserName": event.sender,
        "CreateTime": event.create_time,
        "MsgType": "event",
        "Event": "MASSSENDJOBFINISH",
        "MsgID": event.msg_id,
        "Status": event.status,
        "TotalCount": event.counts.total,
        "FilterCount": event.counts.filter,
        "SentCount": event.counts.sent,
        "ErrorCount": event.counts.error,
        "CopyrightCheckResult": {
            **_results([item.model_dump() for item in event.copyright]),
            "CheckState": event.check_state,
        },
        "ArticleUrlResult": _results(articles),
    }


def _results(items: Sequence[Value]) -> dict[str, Value]:
    return {"Count": len(items), "ResultList": items}


def event_of(job: Job, now: float) -> Event:
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


@dataclass(frozen=True)
class Reply:
    """What a callback made of a push: `answered` is HTTP 200 with `success` or an empty body; the others are failures.

    Attributes:
        http_status: None without a response.
        body: the beginning of the response's, or the kind of error.
        encrypted: the answer was, and `body` is what it says.
    """

    outcome: Outcome
    http_status: int | None = None
    body: str = ""
    encrypted: bool = False


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
        await self._forge(job, event)
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
        forged: Forgery | None = None,
        tries: int | None = None,
        first_try: asyncio.Event | None = None,
    ) -> list[PushTry]:
        """Push an event until it is answered or the tries are used up.

        Args:
            account: whose callback; without one nothing is pushed.
            event: what to push.
            forged: what is wrong with it.
            tries: how many in all, instead of the configured number.
            first_try: set after the first try, whatever came of it.

        Returns:
            The tries that were made.
        """
        made: list[PushTry] = []
        callback = account.config.callback
        if callback is None:
            return made
        envelope = self._seal(account, callback, event, forged)
        for number in range(1, (tries or self._rules.tries) + 1):
            if number > 1:
                await self._clock.wait_until(self._clock.now() + self._clock.span(self._rules.spacing))
            if number > 1 and self._rules.repeats == "signed_anew":
                envelope = self._seal(account, callback, event, forged)
            reply = await self._deliver(account, callback, envelope)
            signed = forged != "signature"
            attempt = PushTry(self._clock.now(), account.name, event.msg_id, event.status, number, signed, reply)
            made.append(attempt)
            self._log.append(attempt)
            self._note(first_try)
            if reply.outcome == "answered":
                break
        return made

    async def verify(self, callback: Callback, *, signed: bool = True) -> Reply:
        """Ask a callback whether it knows the token, as WeChat does when its URL is entered in the console.

        It is `answered` if the answer is the `echostr` and nothing else.
        """
        query = signed_query(callback, self._timestamp(), None if signed else "signature")
        query["echostr"] = str(secrets.randbelow(10**19))
        reply, body = await self._request("GET", callback.url, Envelope(query, b"", ""))
        if reply.outcome == "answered" and body != query["echostr"]:
            return Reply("bad_answer", reply.http_status, reply.body)
        return reply

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _forge(self, job: Job, event: Event) -> None:
        match job.plan.forged:
            case "signature":
                await self.push(job.account, event, forged="signature", tries=1)
            case "msg_id":
                await self.push(job.account, event.model_copy(update={"msg_id": _UNKNOWN_MSG_ID}), tries=1)
            case "verdict":
                await self.push(job.account, event.model_copy(update={"status": _UNTRUE}), forged="clear", tries=1)

    def _note(self, done: asyncio.Event | None) -> None:
        if done is not None:
            done.set()
        self._changes.notify()

    def _timestamp(self) -> int:
        return int(time.time() + self._rules.skew)

    def _seal(self, account: Account, callback: Callback, event: Event, forged: Forgery | None) -> Envelope:
        fields = event_fields(event)
        return seal(callback, account.config.appid, fields, timestamp=self._timestamp(), forged=forged)

    async def _deliver(self, account: Account, callback: Callback, envelope: Envelope) -> Reply:
        """Post a push; only `success` or nothing, encrypted or not, is an answer to it."""
        reply, body = await self._request("POST", callback.url, envelope)
        if reply.outcome != "answered":
            return reply
        said = unseal(callback, account.config.appid, body)
        text = body if said is None else said
        outcome: Outcome = "answered" if text.strip() in {"", "success"} else "bad_answer"
        return Reply(outcome, reply.http_status, text[:_KEPT_OF_ANSWER], encrypted=said is not None)

    async def _request(self, method: str, url: str, envelope: Envelope) -> tuple[Reply, str]:
        """One request; HTTP 200 is `answered`, with the whole body."""
        deadline = self._rules.deadline
        if self._client is None:
            self._client = httpx.AsyncClient(headers=_HEADERS, trust_env=False, timeout=deadline, limits=_NO_REUSE)
        target = httpx.URL(url).copy_merge_params(envelope.query)
        headers = {"Content-Type": envelope.content_type} if envelope.content_type else {}
        try:
            async with asyncio.timeout(deadline):
                response = await self._client.request(method, target, headers=headers, content=envelope.body or None)
        except (TimeoutError, httpx.TimeoutException):
            return Reply("timeout"), ""
        except httpx.HTTPError as error:
            return Reply("unreachable", body=type(error).__name__), ""
        outcome: Outcome = "answered" if response.status_code == httpx.codes.OK else "bad_answer"
        return Reply(outcome, response.status_code, response.text[:_KEPT_OF_ANSWER]), response.text
