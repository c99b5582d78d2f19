"""What a person can type about a send: the answers that fit, and where to look."""

import json
import re
from collections.abc import Iterable
from typing import Final

from qunfa.cli.view import NEEDS_A_PERSON, SendView
from qunfa.contract.batches import batch_key
from qunfa.rules.problems import BATCH_FAILED, tells_of_one_batch

_COMMANDS: Final = frozenset(
    {"retry", "abort", "mark_sent", "approve", "reject", "pause", "resume", "reschedule", "choose"}
)
_WITHOUT_REASON: Final = frozenset({"approve", "pause", "resume", "reschedule", "choose"})
"""These need no reason, and `reschedule` takes none."""
_NAME: Final = re.compile(r"[a-z][a-z_]{0,63}")
_FLAGS: Final = {
    ("retry", "reprint_needs_decision"): " --send-ignore-reprint",
    ("retry", "unknown_outcome"): " --confirm-not-delivered",
    ("mark_sent", None): " --msg-id MSG_ID",
    ("reschedule", None): " --send-at TIME",
    ("choose", None): " --winner A_OR_B",
}


def next_command(view: SendView) -> str | None:
    """What to type next where nothing has to be answered; `None` where the answers or the sentences say it already."""
    send = f"{view.account}/{view.key}"
    if view.state == "running":
        waits = view.status is None or view.status.problem or view.phase in NEEDS_A_PERSON
        return None if waits else f"qunfa watch {send}"
    if view.ended_well or view.result is None:
        return None
    if not view.in_batches:
        return f"qunfa ledger {view.account} --key {view.key}"
    planned = view.result.jobs or (view.status is not None and view.status.progress.jobs)
    return f"qunfa report {send}" if planned else None


def look_command(view: SendView) -> str | None:
    """What shows the articles that somebody is to approve."""
    waits = view.state == "running" and view.status is not None and "approve" in view.status.answers
    return view.request.look_at if waits and view.request is not None else None


def batch_asking(view: SendView) -> tuple[int, str] | None:
    """The number and the key of the batch that a person is asked about."""
    if not view.in_batches or view.status is None or view.state != "running":
        return None
    number = view.status.batch
    return None if number is None else (number, batch_key(view.key, number))


def batch_command(view: SendView) -> str | None:
    """The first answer, given to the batch itself; `None` where none is under way."""
    asking = batch_asking(view)
    if asking is None or view.status is None or view.status.problem is None:
        return None
    answers = _named(view.status.answers)
    if not answers or view.status.problem.name == BATCH_FAILED:
        return None
    own = _command(view.model_copy(update={"key": asking[1]}), answers[0], view.status.problem.name)
    return None if own in answer_commands(view) else own


def answer_commands(view: SendView) -> list[str]:
    """One command for each answer that fits now; words in capitals stand for what only the person knows.

    What somebody has looked for in WeChat's console is one batch, so such an answer goes to that batch.
    """
    if view.status is None or view.state != "running":
        return []
    problem = view.status.problem.name if view.status.problem else None
    asking = batch_asking(view)
    batch = view if asking is None else view.model_copy(update={"key": asking[1]})
    return [
        _command(batch if tells_of_one_batch(answer, problem) else view, answer, problem)
        for answer in _named(view.status.answers)
    ]


def _named(answers: Iterable[str]) -> list[str]:
    """Those that are names. A worker says them, and somebody pastes the command into a shell."""
    return [answer for answer in answers if _NAME.fullmatch(answer)]


def _command(view: SendView, answer: str, problem: str | None) -> str:
    if answer not in _COMMANDS:
        payload = json.dumps({"by": "YOU", "reason": "WHY"})
        return f"temporal workflow update execute --workflow-id {view.workflow_id} --name {answer} --input '{payload}'"
    flag = _FLAGS.get((answer, problem), _FLAGS.get((answer, None), ""))
    reason = "" if answer in _WITHOUT_REASON else ' --reason "WHY"'
    return f"qunfa {answer.replace('_', '-')} {view.account}/{view.key}{flag}{reason}"
