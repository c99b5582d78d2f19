"""What the receiver counts."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_BOUNDS: Final = (*map(str, _SECONDS), "+Inf")


class ReceiverMetrics:
    """Pushes by account, event and answer, and how long they took.

    Labels are closed: an account that is not configured is "unknown", whatever the request calls it.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._tally = _Tally()
        self._registry.register(self._tally)
        ProcessCollector(registry=self._registry)

    def observe(self, account: str, event: str, answer: str, seconds: float) -> None:
        """Counts one answered request."""
        self._tally.pushes[account, event, answer] += 1
        spans = self._tally.spans[account]
        spans.counts[bisect_left(_SECONDS, seconds)] += 1
        spans.sum += seconds

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)


@dataclass(slots=True)
class _Spans:
    """How many requests took how long, by the bound that none of them exceeds; and all of them together."""

    counts: list[int] = field(default_factory=lambda: [0] * len(_BOUNDS))
    sum: float = 0.0


class _Tally(Collector):
    """Numbers of one thread, which makes them, and shows them when it is asked: no lock has to be taken for a push."""

    def __init__(self) -> None:
        self.pushes: Counter[tuple[str, str, str]] = Counter()
        self.spans: defaultdict[str, _Spans] = defaultdict(_Spans)

    def collect(self) -> Iterator[Metric]:
        """The numbers as Prometheus has them."""
        pushes = CounterMetricFamily(
            "qunfa_pushes", "Requests to the callback URL.", labels=("account", "event", "answer")
        )
        for labels, count in self.pushes.items():
            pushes.add_metric(labels, count)
        yield pushes
        seconds = HistogramMetricFamily("qunfa_push_seconds", "Time to the answer.", labels=("account",))
        for account, spans in self.spans.items():
            buckets = list(zip(_BOUNDS, accumulate(spans.counts), strict=True))
            seconds.add_metric((account,), buckets, spans.sum)
        yield seconds
