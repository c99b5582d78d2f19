"""The commands with which a person answers a send that waits, ready to be typed."""

import json
from typing import Final

from qunfa.cli.view import SendView

_COMMANDS: Final = {
    "retry": "retry",
    "abort": "abort",
    "mark_sent": "mark-sent",
    "approve": "approve",
    "reject": "reject",
    "pause": "pause",
    "resume": "resume",
    "reschedule": "reschedule",
}
_WITHOUT_REASON: Final = frozenset({"approve", "pause", "resume", "reschedule"})
"""These need no reason, and `reschedule` takes none."""
_FLAGS: Final = {
    ("retry", "reprint_needs_decision"): " --send-ignore-reprint",
    ("retry", "unknown_outcome"): " --confirm-not-delivered",
    ("mark_sent", None): " --msg-id MSG_ID",
    ("reschedule", None): " --send-at TIME",
}


def answer_commands(view: SendView) -> list[str]:
    """One command for each answer that fits now; `WHY`, `MSG_ID` and `TIME` stand for what only the person knows."""
    if view.status is None or view.state != "running":
        return []
    problem = view.status.problem.name if view.status.problem else None
    return [_command(view, answer, problem) for answer in view.status.answers]


def _command(view: SendView, answer: str, problem: str | None) -> str:
    if answer not in _COMMANDS:
        payload = json.dumps({"by": "YOU", "reason": "WHY"})
        return f"temporal workflow update execute --workflow-id {view.workflow_id} --name {answer} --input '{payload}'"
    flag = _FLAGS.get((answer, problem), _FLAGS.get((answer, None), ""))
    reason = "" if answer in _WITHOUT_REASON else ' --reason "WHY"'
    return f"qunfa {_COMMANDS[answer]} {view.account}/{view.key}{flag}{reason}"
