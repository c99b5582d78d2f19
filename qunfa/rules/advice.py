"""What to do about a send that has ended, for all who tell of it: result, status, page, notice, the fake.

| the send | what to do |
|---|---|
| is a batch | look at its list, and in doubt into WeChat's console |
| is in doubt | look into the console, and use no new key before |
| was sent in part, or stopped by a batch | send to the rest, by the report |
| WeChat has said no to what it had accepted | use a new key |
| may have been delivered by a try that nobody saw | look into the console, then use a new key |
| was refused for what its key stands for | correct that, and use a new key |
| ended for anything else | put that right, and start the same key again |
"""

from typing import Final, Literal

from qunfa.contract.audience import Batch, Openids, is_long
from qunfa.contract.message import MpnewsMessage
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Outcome, Problem
from qunfa.rules import problems

No = Literal["wechat", "person"]
_REUSED: Final = "key_reused"


def in_doubt(request: MassSendRequest | None, *, otherwise: str = "") -> str:
    """What to do where something may have been delivered. ``request``: none where nobody can read it any more.

    ``otherwise``: where the key, started again, would end the same way; it asks nobody then.
    """
    if request is not None and isinstance(request.audience, Batch):
        return problems.LOOK_AT_ITS_LIST
    return otherwise or problems.NO_NEW_KEY + _asks_nobody(request)


def once_over(request: MassSendRequest, problem: Problem, outcome: Outcome, no: No | None = None, *, died: bool) -> str:
    """What to do where nothing is in doubt, or a report tells what is.

    ``no``: who has said that something it submitted was not delivered; WeChat's stands for the key. ``died``: its
    material may have died with a delivery. Files stay as they are under a key, too: with others it is refused.
    """
    name, audience = problem.name, request.audience
    if isinstance(audience, Batch):
        return problems.ITS_LIST_GOES_ON
    if name == problems.BATCH_FAILED or outcome == "partly_sent" or (no is not None and is_long(audience)):
        return problems.SEND_TO_THE_REST
    if name == _REUSED:
        return problem.todo
    fixed = problems.RETRY not in problems.PROBLEMS[name].answers or name == "media_refused"
    if no == "wechat":
        todo = problems.USE_A_NEW_KEY
    elif name == "clientmsgid_collision" or died:
        todo = problems.LOOK_FIRST
    elif fixed or (name == "audience_refused" and isinstance(audience, Openids)):
        todo = problems.CORRECT_IT
    else:
        todo = problems.USE_THE_SAME_KEY + (_asks_nobody(request) if no == "person" else "")
    return todo + (problems.LATER if outcome == "expired" else "")


def has_died(request: MassSendRequest, problem: Problem, *, again: bool = False, drafted: bool = True) -> bool:
    """Whether the material may have died with a delivery: by an earlier submission, or a draft by hand.

    ``again``: it was submitted a second time. ``drafted``: its articles may lie in WeChat's console.
    """
    is_dead = problem.name == "media_refused" and problem.errcode == problems.DEAD
    return is_dead and (again or (drafted and any(isinstance(one.message, MpnewsMessage) for one in request.versions)))


def _asks_nobody(request: MassSendRequest | None) -> str:
    """The key, started again as it was, would not ask about a doubt, or about what a person has not found."""
    if request is None:
        return ""
    goes_on = is_long(request.audience) and request.on_batch_problem == "continue"
    return problems.ASKS_NOBODY if request.on_problem == "fail" or goes_on else ""
