"""How values become payloads and payloads values: as with Temporal's converter, and never an error for `Any`."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import WorkflowSerializationContext

from qunfa.contract.grants import Wish
from qunfa.contract.recall import DeleteStep
from qunfa.contract.refusal import Unreadable
from qunfa.contract.steps import Pinned
from qunfa.temporal.payloads import data_converter
from tests.workflows.unreadable import UNREADABLE

OURS, TEMPORALS = data_converter.payload_converter, pydantic_data_converter.payload_converter
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
UNKNOWN: Any = Any
KNOWN = [b"json/plain", b"binary/null", b"json/protobuf", b"binary/protobuf"]


@given(st.lists(JSON | st.binary(), min_size=1, max_size=3))
def test_what_can_be_read_is_read_and_written_as_before(values: list[Any]) -> None:
    """The same bytes, and the same values."""
    payloads = OURS.to_payloads(values)
    assert payloads == TEMPORALS.to_payloads(values)
    assert OURS.from_payloads(payloads) == TEMPORALS.from_payloads(payloads)
    assert OURS.from_payloads(payloads, [UNKNOWN] * len(values)) == TEMPORALS.from_payloads(payloads)


@pytest.mark.parametrize("more", [{}, {"article_idx": 2}])
def test_a_step_is_written_without_its_defaults(more: dict[str, Any]) -> None:
    """An older worker refuses a field that it does not know: one that says nothing new is no reason to."""
    step = DeleteStep.model_validate({"account": Pinned(name="demo", appid="wx1", base_url=""), "msg_id": 7, **more})
    [payload] = OURS.to_payloads([step])
    assert json.loads(payload.data).keys() == {"account", "msg_id", *more}
    assert OURS.from_payloads([payload], [DeleteStep]) == [step]


@given(
    st.binary(),
    st.none() | st.binary() | st.sampled_from([b"json/plain", b"binary/null", b"json/protobuf", b"binary/protobuf"]),
)
def test_nothing_is_an_error_where_nothing_is_expected(data: bytes, encoding: bytes | None) -> None:
    """Whatever the bytes and whatever the encoding."""
    payload = Payload(metadata={} if encoding is None else {"encoding": encoding}, data=data)
    for hints in (None, [UNKNOWN]):
        [value] = OURS.from_payloads([payload], hints)
        if isinstance(value, Unreadable):
            assert value.sentence.isprintable()


@pytest.mark.parametrize(("raw", "said"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_said_in_a_sentence(raw: RawValue, said: str) -> None:
    """Beside what can be read."""
    good = OURS.to_payload({"a": 1})
    unreadable, read = OURS.from_payloads([raw.payload, good])
    assert isinstance(unreadable, Unreadable)
    assert unreadable.sentence.startswith(f"the input cannot be read: {said}")
    assert read == {"a": 1}


@pytest.mark.parametrize("raw", [raw for raw, _ in UNREADABLE.values()], ids=UNREADABLE.keys())
def test_where_a_type_is_named_it_is_an_error_as_before(raw: RawValue) -> None:
    """What our own activities hand on is never passed over."""
    with pytest.raises((KeyError, ValueError, RuntimeError)) as before:
        TEMPORALS.from_payloads([raw.payload], [Wish])
    with pytest.raises(before.type):
        OURS.from_payloads([raw.payload], [Wish])


def test_the_converter_has_no_use_for_what_a_payload_is_of() -> None:
    """`WholeRun` therefore does not ask the sandbox for it."""
    context = WorkflowSerializationContext(namespace="default", workflow_id="mass-send:demo:spring")
    assert data_converter.with_context(context) is data_converter
    assert data_converter.external_storage is None
