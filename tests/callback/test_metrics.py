"""What Prometheus is shown."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from qunfa.callback.metrics import ReceiverMetrics

ACCOUNTS = st.sampled_from(["demo", "春", 'with"quote'])
ANSWERS = st.sampled_from(["success", "forged"])
SPANS = st.sampled_from([0.0, 0.005, 0.0051, 0.3, 5.0, 60.0])


def samples(metrics: ReceiverMetrics, name: str) -> list[Sample]:
    """The samples of this name."""
    families = text_string_to_metric_families(metrics.text().decode())
    return [sample for family in families for sample in family.samples if sample.name == name]


@given(st.lists(st.tuples(ACCOUNTS, ANSWERS, SPANS)))
def test_every_request_is_counted_once(requests: list[tuple[str, str, float]]) -> None:
    """By its labels; and in each bucket whose bound its time does not exceed."""
    metrics = ReceiverMetrics()
    for account, answer, seconds in requests:
        metrics.observe(account, "other", answer, seconds)
    shown = {(one.labels["account"], one.labels["answer"]): one.value for one in samples(metrics, "qunfa_pushes_total")}
    assert shown == Counter((account, answer) for account, answer, _ in requests)
    for bucket in samples(metrics, "qunfa_push_seconds_bucket"):
        of_account = [seconds for account, _, seconds in requests if account == bucket.labels["account"]]
        assert bucket.value == sum(seconds <= float(bucket.labels["le"]) for seconds in of_account)
    for total in samples(metrics, "qunfa_push_seconds_sum"):
        of_account = [seconds for account, _, seconds in requests if account == total.labels["account"]]
        assert abs(total.value - sum(of_account)) < 1e-6
