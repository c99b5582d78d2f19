"""For a caller's own tests: a :class:`FakeQunfa` in place of :class:`qunfa.client.Qunfa`, without Temporal.

qunfa = FakeQunfa()
qunfa.ends("failed", problem="content_refused", key="spring-sale-2026")
await code_under_test(qunfa)
assert [request.key for request in qunfa.requests] == ["spring-sale-2026"]
"""

from qunfa.testing.fake import FakeHandle, FakeQunfa

__all__ = ["FakeHandle", "FakeQunfa"]
