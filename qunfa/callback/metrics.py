"""What the receiver counts."""

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ReceiverMetrics:
    """Pushes by account, event and answer, and how long they took.

    Labels are closed: an account that is not configured is "unknown", whatever the request calls it.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("account", "event", "answer")
        self._pushes = Counter("qunfa_pushes", "Requests to the callback URL.", labels, registry=self._registry)
        self._seconds = Histogram(
            "qunfa_push_seconds", "Time to the answer.", ("account",), buckets=_SECONDS, registry=self._registry
        )
        self._known: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=self._registry)

    def observe(self, account: str, event: str, answer: str, seconds: float) -> None:
        """Counts one answered request."""
        labels = account, event, answer
        known = self._known.get(labels)
        if known is None:
            known = self._known[labels] = self._pushes.labels(*labels), self._seconds.labels(account)
        counter, histogram = known
        counter.inc()
        histogram.observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)
