"""What a request is answered, and how that is logged and counted."""

import asyncio
import time
from collections.abc import Awaitable, Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from http import HTTPStatus
from itertools import product
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from starlette.responses import PlainTextResponse, Response
from structlog.typing import FilteringBoundLogger

from qunfa.callback.limits import Rate

_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.callback")
_STRANGERS_A_SECOND: Final = 10
_EVERY: Final = 60.0
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Answer(Enum):
    """What is answered, as a word and a status. WeChat tries again unless it reads `success`."""

    SUCCESS = ("success", HTTPStatus.OK)
    REPEATED = ("repeated", HTTPStatus.OK)
    FORWARDED = ("forwarded", HTTPStatus.OK)
    MALFORMED = ("malformed", HTTPStatus.BAD_REQUEST)
    UNAUTHORIZED = ("unauthorized", HTTPStatus.UNAUTHORIZED)
    FORGED = ("forged", HTTPStatus.FORBIDDEN)
    STALE = ("stale", HTTPStatus.FORBIDDEN)
    STRANGER = ("stranger", HTTPStatus.FORBIDDEN)
    UNKNOWN_ACCOUNT = ("unknown_account", HTTPStatus.NOT_FOUND)
    TOO_LARGE = ("too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    TOO_MANY = ("too_many", HTTPStatus.TOO_MANY_REQUESTS)
    FAILED = ("failed", HTTPStatus.INTERNAL_SERVER_ERROR)
    UNAVAILABLE = ("unavailable", HTTPStatus.SERVICE_UNAVAILABLE)

    def __init__(self, word: str, status: HTTPStatus) -> None:
        self.word, self.status = word, status

    def response(self) -> Response:
        """A refusal ends the connection, so that nobody reads the rest of its body as another request."""
        is_good = self.status is HTTPStatus.OK
        headers = {} if is_good else {"Connection": "close"}
        if self.status is HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return PlainTextResponse("success" if is_good else self.word, self.status, headers)


_GOOD: Final = (Answer.SUCCESS, Answer.REPEATED, Answer.FORWARDED)
_WATCHED: Final = (
    *(Answer.STALE, Answer.TOO_MANY, Answer.FAILED, Answer.FORGED, Answer.UNAVAILABLE, Answer.MALFORMED),
    *(Answer.STRANGER, Answer.UNAUTHORIZED, *_GOOD),
)
"""What docs/receiver.md advises alarms on, and what two of these are compared with."""
_NEVER_LEFT_OUT: Final = (*_GOOD, Answer.FAILED)


class Refusal(Exception):
    """A request that is not answered with success, and why."""

    def __init__(self, answer: Answer, reason: str) -> None:
        self.answer = answer
        super().__init__(reason)


@dataclass(slots=True)
class Exchange:
    """One request on its way to an answer: what the log line and the metrics say about it.

    `way` is `push` for WeChat's requests and `report` for events that another system hands over. `is_known` once its
    signature or its token has shown whose it is.
    """

    way: str
    account: str
    event: str
    address: str | None = None
    msg_id: int | None = None
    status: str | None = None
    answer: Answer = Answer.SUCCESS
    reason: str | None = None
    forwarded_status: int | None = None
    is_known: bool = False


class ReceiverMetrics:
    """Pushes by account, event and answer, and how long they took.

    Labels are closed: an account that is not configured is "unknown", whatever the request calls it.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._pushes = Counter(
            "qunfa_pushes", "Requests to the callback URL.", ("account", "event", "answer"), registry=self._registry
        )
        self._seconds = Histogram(
            "qunfa_push_seconds", "Time to the answer.", ("account",), registry=self._registry, buckets=_SECONDS
        )
        ProcessCollector(registry=self._registry)

    def begin(self, accounts: Collection[str], events: Collection[str]) -> None:
        """Shows at 0 what alarms watch. Prometheus sees no increase in a series that begins with its first count."""
        for account, event, answer in product(accounts, events, _WATCHED):
            self._pushes.labels(account, event, answer.word)

    def observe(self, account: str, event: str, answer: str, seconds: float) -> None:
        """Counts one answered request."""
        self._pushes.labels(account, event, answer).inc()
        self._seconds.labels(account).observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)


class _Strangers:
    """Bounds the lines about refused requests of unknown senders: anybody may send any number of them."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._rate = Rate(_STRANGERS_A_SECOND, _STRANGERS_A_SECOND)
        self._left_out = 0
        self._telling: asyncio.TimerHandle | None = None

    def may_write(self) -> bool:
        """Whether this one has a line. Those without are told of within a minute, by their number."""
        if self._rate.take():
            return True
        self._left_out += 1
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_EVERY, self.tell)
        return False

    def tell(self) -> None:
        """How many had no line since this was told last."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
            reason = f"more than {_STRANGERS_A_SECOND} a second, of unknown senders: the metrics count each of them"
            self._log.warning("refusals left out", number=self._left_out, reason=reason)
            self._left_out = 0


class Desk:
    """Gives every request one answer within the deadline, and counts it once. It logs it, unless strangers flood it."""

    def __init__(self, deadline: timedelta, metrics: ReceiverMetrics) -> None:
        self._deadline = deadline.total_seconds()
        self._metrics = metrics
        self._log: FilteringBoundLogger = _LOG.bind()  # once, and not for each line
        self._strangers = _Strangers(self._log)

    def close(self) -> None:
        """Says what has not been said yet."""
        self._strangers.tell()

    async def answer(self, exchange: Exchange, work: Awaitable[Response | None]) -> Response:
        """The response of `work`, or `success` where it has none. A Refusal and the deadline have answers of their own.

        Any other error goes on to the server, which answers 500 and writes its traceback. It is logged here as well.
        """
        started = time.perf_counter()
        response = None
        try:
            async with asyncio.timeout(self._deadline):
                response = await work
        except Refusal as refusal:
            exchange.answer, exchange.reason = refusal.answer, str(refusal)
        except TimeoutError:
            exchange.answer, exchange.reason = Answer.UNAVAILABLE, f"not done within {self._deadline:g} s"
        except BaseException as error:
            exchange.answer, exchange.reason = Answer.FAILED, _failure(exchange.way, error)
            raise
        finally:
            self._report(exchange, time.perf_counter() - started)
        return exchange.answer.response() if response is None else response

    def _report(self, exchange: Exchange, seconds: float) -> None:
        """One line without the URL, which could be replayed, and without the content."""
        word = exchange.answer.word
        self._metrics.observe(exchange.account, exchange.event, word, seconds)
        is_bounded = not exchange.is_known and exchange.answer not in _NEVER_LEFT_OUT
        if is_bounded and not self._strangers.may_write():
            return
        write = self._log.info if exchange.answer in _GOOD else self._log.warning
        write = self._log.error if exchange.answer is Answer.FAILED else write
        write(
            exchange.way,
            account=exchange.account,
            wechat_event=exchange.event,
            msg_id=exchange.msg_id,
            status=exchange.status,
            answer=word,
            reason=exchange.reason,
            forwarded_status=exchange.forwarded_status,
            address=exchange.address,
            milliseconds=round(seconds * 1000, 1),
        )


def _failure(way: str, error: BaseException) -> str:
    sender = "WeChat" if way == "push" else "the system that hands it over"
    return (
        f"{type(error).__name__} in the receiver: not known to be taken, {sender} has to send it again; if that does "
        "not help, the result is asked for (mass/get). Report this line with the traceback that follows it"
    )
