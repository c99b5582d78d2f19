from datetime import timedelta
from typing import Any

import pytest

from qunfa.contract.request import MassSendRequest
from qunfa.rules.approval import AHEAD_MAX, Policy, is_demanded, is_required, is_same_person, problems, too_far_ahead
from tests.rules.arbitrary import NOON

ALL = {"kind": "all"}
TAG = {"kind": "tag", "tag_id": 2}
WHO = "requested_by: must be set where approval is needed: the approver has to be somebody else"


def asked(audience: dict[str, Any] = ALL, **more: Any) -> MassSendRequest:
    """A request to this audience."""
    message = {"msgtype": "text", "content": "hello"}
    usual = {"account": "demo", "key": "k", "audience": audience, "message": message}
    return MassSendRequest.model_validate({**usual, **more})


@pytest.mark.parametrize(
    ("policy", "audience", "demanded"),
    [
        ("never", ALL, False),
        ("never", TAG, False),
        ("all", ALL, True),
        ("all", TAG, False),
        ("always", ALL, True),
        ("always", TAG, True),
    ],
)
def test_a_request_tightens_the_policy_and_never_loosens_it(
    policy: Policy, audience: dict[str, Any], demanded: bool
) -> None:
    """Row by row of the table; where nothing is demanded, the request decides."""
    plain, tighter, looser = (asked(audience, **more) for more in ({}, required(True), required(False)))
    assert {is_demanded(policy, one) for one in (plain, tighter, looser)} == {demanded}
    assert (is_required(policy, plain), is_required(policy, tighter)) == (demanded, True)
    assert is_required(policy, looser) is demanded
    loosened = f"approval.required: must not be false: the account demands approval ({policy})"
    assert problems(policy, looser) == ([loosened, WHO] if demanded else [])
    assert problems(policy, plain) == ([WHO] if demanded else [])
    assert problems(policy, tighter) == [WHO]
    assert problems(policy, asked(audience, requested_by="wang", **required(True))) == []


def required(demand: bool) -> dict[str, Any]:
    """What a request says of it."""
    return {"approval": {"required": demand}}


def test_a_send_is_scheduled_for_a_year_at_most() -> None:
    """To the second."""
    assert not too_far_ahead(None, NOON)
    assert not too_far_ahead(NOON + AHEAD_MAX, NOON)
    assert too_far_ahead(NOON + AHEAD_MAX + timedelta(seconds=1), NOON)


@pytest.mark.parametrize(
    ("one", "other", "same"), [("li", " Li ", True), ("Straße", "STRASSE", True), ("li", "wang", False)]
)
def test_a_name_in_other_letters_is_the_same_person(one: str, other: str, same: bool) -> None:
    """Nobody approves their own send by writing their name otherwise."""
    assert is_same_person(one, other) is same
