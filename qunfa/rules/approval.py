"""Who has to approve a send, and who may.

| the account's ``approval`` | a send to all | any other send |
|---|---|---|
| ``never`` | where the request asks for it | where the request asks for it |
| ``all`` | always | where the request asks for it |
| ``always`` | always | always |

A send in batches is one to all where everybody is a part of it. So is one to those whom an earlier one did not reach:
that may have been to all, and rejected. A batch is approved with the whole that it is of.

A request may tighten the account's policy, never loosen it. Whoever approves is named otherwise than ``requested_by``,
so that a request that needs approval must say who asks.
"""

from typing import Literal

from qunfa.contract.audience import All, Batch, Several, Unreached
from qunfa.contract.request import MassSendRequest

Policy = Literal["never", "all", "always"]


def is_demanded(policy: Policy, request: MassSendRequest) -> bool:
    return policy == "always" or (policy == "all" and _is_to_all(request))


def is_required(policy: Policy, request: MassSendRequest) -> bool:
    """Whether a person has to approve. A batch is approved with the whole that it is of."""
    if isinstance(request.audience, Batch):
        return False
    return is_demanded(policy, request) or bool(request.approval and request.approval.required)


def _is_to_all(request: MassSendRequest) -> bool:
    audience = request.audience
    parts = audience.of if isinstance(audience, Several) else (audience,)
    return any(isinstance(one, All | Unreached) for one in parts)


def problems(policy: Policy, request: MassSendRequest) -> list[str]:
    """What keeps a request from being approved at all, one sentence each."""
    found: list[str] = []
    if isinstance(request.audience, Batch):
        return []
    if is_demanded(policy, request) and request.approval is not None and not request.approval.required:
        found.append(f"approval.required: must not be false: the account demands approval ({policy})")
    if is_required(policy, request) and not request.requested_by:
        found.append("requested_by: must be set where approval is needed: the approver has to be somebody else")
    return found


def is_same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: case and blanks around them make no difference."""
    return one.strip().casefold() == other.strip().casefold()
