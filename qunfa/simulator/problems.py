"""What makes the simulator leave a send with a problem: the orders for each, as `docs/simulator.md` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from qunfa.simulator.faults import Fault
from qunfa.simulator.plans import JobPlan

Orders = tuple[Fault | JobPlan, ...]


def _refused(errcode: int) -> Orders:
    return (Fault(endpoint="sendall", kind="errcode", errcode=errcode),)


ORDERS: Final[Mapping[str, Orders]] = MappingProxyType(
    {
        "reprint_needs_decision": (JobPlan(reprint="allowed"),),
        "originality_forbidden": (JobPlan(reprint="forbidden"),),
        "originality_check_error": (JobPlan(status="err(30001)"),),
        "content_refused": (JobPlan(status="err(20001)"),),
        "admin_refused": (JobPlan(status="err(40001)"),),
        "admin_timeout": (JobPlan(status="err(40002)"),),
        "send_failed": (JobPlan(status="send fail"),),
        "account_refused": _refused(48001),
        "ip_not_whitelisted": _refused(40164),
        "audience_refused": _refused(40152),
        "media_refused": _refused(40007),
        "request_refused": _refused(47001),
        "quota_exhausted": _refused(45028),
        "unknown_outcome": (
            Fault(endpoint="sendall", kind="timeout_after_accept", seconds=2),
            Fault(endpoint="sendall", kind="reset_before_accept", times=None),
        ),
    }
)
"""The orders by the name of the problem, for the next send to all. Each is given once the one before it has struck.

`quota_exhausted` needs an account with `quota = "ask"`. `unknown_outcome` comes when the workers' `window` is over.
"""


def kind_of(order: Fault | JobPlan) -> Literal["faults", "pushes"]:
    """Below which path of the control interface it is ordered."""
    return "faults" if isinstance(order, Fault) else "pushes"


def body(order: Fault | JobPlan, account: str | None = None) -> dict[str, object]:
    """An order as its JSON, for one account if one is named."""
    named = {} if account is None else {"account": account}
    return {**order.model_dump(mode="json", exclude_unset=True), **named}
