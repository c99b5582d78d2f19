"""What a run asks its account: the wish, with what the histories of earlier runs tell; and what a check of it tells.

Before each start the key is checked. Then the start is played with the account as it is, in a corner of its own: as far
as it comes without WeChat, people and time. Both must come to the same.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from qunfa.account import show
from qunfa.account.inbox import take
from qunfa.account.outbox import delivered, outgoing
from qunfa.account.people import looked_back
from qunfa.contract.facts import ELSEWHERE, Known
from qunfa.contract.grants import Ending, Granted, Report, Wish
from qunfa.contract.limits import Book
from qunfa.contract.prospect import Ahead, KeySeen, Past
from qunfa.contract.steps import JobStatus
from qunfa.rules.memory import is_under_way, union
from qunfa.send import events, ledger, prospect, steps
from qunfa.send.state import Case, SendState
from tests.send.engine import DIGEST, Engine, Run
from tests.simulation.books import BrokenPromiseError

if TYPE_CHECKING:
    from tests.simulation.accounts import Account
    from tests.simulation.sends import Send

_FAILED: Final = "SEND_FAIL"


def wish_of(send: "Send", run: Run, *, search: bool) -> tuple[events.WishSent, Wish]:
    """The open wish as it reaches the account, and what its run hears of that."""
    open_wish, is_same = run.state.wish, send.engine.digest == DIGEST
    assert open_wish is not None
    found = _searched(send, run.id) if search and is_same else Known()
    came_up_at = send.came_up_at if search else None
    wish = ledger.wish_of(Case(send.request, run.state, send.world.now), open_wish, send.workflow_id, run.id)
    by_the_way = {
        "started_at": min(filter(None, (wish.started_at, came_up_at)), default=None),
        "known": union(run.state.known, found),
        "searched": search or run.state.searched,
        "digests": (DIGEST,) if search and send.left != Known() else (),
        "ended": send.left_end if search and is_same else None,
    }
    sent = events.WishSent(open_wish.wish, found, searched=search, came_up_at=came_up_at)
    return sent, wish.model_copy(update=by_the_way)


def _searched(send: "Send", run_id: str = "") -> Known:
    """What the histories of earlier runs tell: a try that is under way there has no answer."""
    lost = (one for one in send.left.tries if is_under_way(one) and one.holder != run_id)
    gone = (one.model_copy(update={"lost_at": send.world.now}) for one in lost)
    return union(send.left, Known(tries=tuple(gone)))


def looked_up(send: "Send", run: Run) -> events.LookedUp:
    """What a run that ends at once finds of its key."""
    started_at = Case(send.request, run.state, send.world.now).started_at
    known, _ = remembered(send.account, send.key, started_at, send.came_up_at)
    return events.LookedUp(union(send.left, known))


def remembered(account: "Account", key: str, *starts: datetime | None) -> tuple[Known, bool]:
    """What the account knows of a key that was started then, or may have forgotten; and whether it knows the key."""
    record = account.state.records.get(key)
    started_at = min(filter(None, starts), default=None)
    known = looked_back(account.state, key, started_at, record.known if record else None)
    return known or Known(), record is not None


def in_its_history(run: Run) -> Known:
    """What its history tells: also of an answer that no task of its has taken."""
    lease, answers = run.state.trying, [one.answer for one in run.inbox if isinstance(one, events.Answered)]
    tries = (lease.tried(answer) for answer in answers) if lease else ()
    return union(run.state.known, Known(tries=tuple(tries)))


def checked(send: "Send") -> None:
    """What a check tells of the key comes true, as long as WeChat says again what it has said."""
    told, corner, now = _told(send), _Corner(send), send.world.now
    engine = Engine(send.request, send.facts, corner.begin, lambda _what: None, name="corner-")
    engine.digest, engine.material = send.engine.digest, send.engine.material
    run = Run(f"{send.key}-corner", SendState(namespace="default", life="a corner", started_at=now))
    step = engine.go(run, now) or engine.planned(run, now)
    done = _done(Case(send.request, run.state, now), step)
    detail = {"give_result": told.outcome, "ask": told.problem}.get(told.start)
    is_over = told.start == "be_refused" and done[0] == "give_result"  # of what has no time left nobody asks more
    # Whose such a job is, or that a ledger which was lost may have known it, a start alone is told.
    is_anothers = any(one.msg_id in send.taken_for or one.key == ELSEWHERE for one in run.state.known.owned)
    if not (corner.is_other or is_over or is_anothers) and (told.start, detail) != done:
        raise BrokenPromiseError(f"{send.key} is checked: {told.start}, {told.said}, {told.then}; it comes to {done}")


def _told(send: "Send") -> KeySeen:
    now, seen = send.world.now, show.view(send.account.state, {"key": send.key})
    earlier = Past(known=_searched(send), digests=(DIGEST,) if send.left != Known() else (), ended=send.left_end)
    past = show.past_of(seen, send.key, earlier, send.came_up_at or now)
    start = prospect.Start(send.request, send.facts, "default", send.engine.digest, now)
    return prospect.of_key(start, Ahead(book=Book(since=seen.since), past=past))


def _done(case: Case, step: steps.Step | steps.End) -> tuple[str, str | None]:
    problem = step.problem.name if step.problem else None
    if isinstance(step, steps.End):
        return ("be_refused", None) if step.refused else ("give_result", step.outcome)
    if step.phase == "needs_operator":
        return "ask", problem
    if step.phase == "awaiting_result":
        return "await_result", None
    return ("try_again" if case.in_doubt else "send"), None


class _Corner:
    """The account as it is; nobody else hears of what is played with it. ``is_other``: WeChat says something else."""

    def __init__(self, send: "Send") -> None:
        self._send, self._state, self.is_other = send, send.account.state, False

    def begin(self, run: Run, effect: steps.Effect) -> None:
        """What takes time is done at once, or not at all."""
        now, send = self._send.world.now, self._send
        match effect:
            case steps.SendWish(search=search):
                sent, wish = wish_of(send, run, search=search)
                if wish.job is None:  # the doubt that comes with its turn comes now
                    newest = Case(send.request, run.state, now).newest
                    ending = Ending(generation=newest.generation, clientmsgid=newest.clientmsgid)
                    wish = wish.model_copy(update={"ending": ending})
                run.inbox.append(sent)
                self._takes(run, wish, now)
            case steps.Report(ended):
                self._takes(run, send.report(run.state.known, ended), now)
                run.inbox.append(events.Reported(ended))
            case steps.AskWechat(msg_id):
                status = send.account.wechat.status(msg_id, now)
                self.is_other |= status != _FAILED
                run.inbox.append(events.WechatSaid(msg_id, JobStatus(status=_FAILED)))
            case steps.LookUp():
                run.inbox.append(looked_up(send, run))
            case _:
                pass

    def _takes(self, run: Run, message: Wish | Report, now: datetime) -> None:
        self._state = take(self._state, message, now)
        for one in outgoing(self._state, now):
            if one.run_id == run.id and isinstance(one.payload, Granted):
                run.inbox.append(one.payload)
                self._state = delivered(self._state, one)
