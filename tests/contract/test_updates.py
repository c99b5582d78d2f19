from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from qunfa.contract.grants import Report, Wish
from qunfa.contract.operators import Abort, Forget, Freeze, MarkSent, Retry, Unfreeze

WHO: dict[str, Any] = {"by": "li", "reason": "looked it up"}
NINE = "2026-12-01T09:00:00+08:00"
TURN: dict[str, Any] = {"generation": 0, "clientmsgid": "c", "due": NINE, "pace": 1, "http_timeout": 30}
SEND: dict[str, Any] = {"key": "k", "digest": "d", "workflow_id": "w"}
WISH: dict[str, Any] = {**SEND, "wish": "w1", "run_id": "r"}
TRY: dict[str, Any] = {
    "generation": 0, "number": 1, "wish": "w1", "clientmsgid": "c", "not_before": NINE, "holder": "r",
}  # fmt: skip
ANSWER: dict[str, Any] = {"kind": "refused", "at": NINE}


@pytest.mark.parametrize(
    ("model", "good"),
    [
        (Retry, WHO), (Retry, {**WHO, "confirm_not_delivered": True}), (MarkSent, {**WHO, "msg_id": 3147483650}),
        (Abort, WHO), (Abort, {**WHO, "confirm_not_delivered": True}), (Freeze, WHO), (Unfreeze, {"by": "li"}),
        (Forget, {**WHO, "key": "k"}), (Wish, WISH), (Wish, {**WISH, "turn": TURN}),
        (Report, {**SEND, "known": {"tries": [{**TRY, "answer": ANSWER}]}}),
    ],
)  # fmt: skip
def test_good_messages_fit(model: type[BaseModel], good: dict[str, Any]) -> None:
    """And survive JSON."""
    parsed = model.model_validate(good)
    assert model.model_validate_json(parsed.model_dump_json()) == parsed


@pytest.mark.parametrize(
    ("model", "bad"),
    [
        (Abort, {"by": "li"}), (Abort, {"reason": "x"}), (Abort, {**WHO, "by": " "}), (Abort, {**WHO, "reason": ""}),
        (Abort, {**WHO, "force": True}), (Abort, None), (Retry, {**WHO, "confirm_not_delivered": 1}),
        (Retry, {**WHO, "send_ignore_reprint": "true"}), (MarkSent, WHO), (MarkSent, {**WHO, "msg_id": 0}),
        (MarkSent, {**WHO, "msg_id": "7"}), (MarkSent, {**WHO, "msg_id": True}), (MarkSent, {**WHO, "msg_id": 2**63}),
        (Unfreeze, {}), (Forget, WHO), (Forget, {"by": "li", "key": "k"}), (Forget, {**WHO, "key": "no key"}),
    ],
)  # fmt: skip
def test_a_person_is_taken_at_their_word_only(model: type[BaseModel], bad: dict[str, Any] | None) -> None:
    """Who and why are asked for, flags are flags, and unknown fields are refused."""
    with pytest.raises(ValidationError):
        model.model_validate(bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"answer": {**ANSWER, "at": "2026-12-01T09:00:00"}},
        {"answer": {**ANSWER, "at": "9999-12-31T23:59:59Z"}},
        {"answer": {**ANSWER, "at": "0001-01-01T00:00:00Z"}},
        {"answer": {**ANSWER, "kind": "lost"}},
        {"not_before": "2026-12-01T09:00:00"},
        {"lost_at": "9999-12-31T23:59:59Z"},
    ],
)
def test_the_ledger_is_told_no_time_it_cannot_reckon_with(bad: dict[str, Any]) -> None:
    """A time without an offset, or at the edge of the calendar, would stop the account for good."""
    with pytest.raises(ValidationError):
        Report.model_validate({**SEND, "known": {"tries": [{**TRY, **bad}]}})


@pytest.mark.parametrize(
    "bad", [{"pace": -1}, {"pace": "P1000Y"}, {"http_timeout": -1}, {"generation": -1}, {"clientmsgid": ""}]
)
def test_a_lease_has_sane_times(bad: dict[str, Any]) -> None:
    """Likewise."""
    with pytest.raises(ValidationError):
        Wish.model_validate({**WISH, "turn": {**TURN, **bad}})
