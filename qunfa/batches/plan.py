"""What comes next for a send in batches, as one table that is read from above.

| where | next |
|---|---|
| the request is refused | the end |
| the account is not pinned | :class:`Pin` |
| a batch is under way | the answers that it is to be given; else its end is awaited |
| a person, or its time, ends the send | the end |
| the content is not known | :class:`Inspect` |
| the ledger does not know the key | :class:`Join` |
| the key of a batch stands for other content | the end |
| WeChat does not tell the audience, or the preview cannot be made | a person is asked, or the end |
| the audience is not resolved | :class:`PlanAudience` |
| an earlier run has ended, and somebody was sent to | the end, in part again: the rest needs another key |
| a batch has ended badly, and nobody has decided since | a person is asked, or the end |
| a person has paused it | ``resume`` is awaited |
| a batch is left, and nobody remembers whether an earlier run has begun it, or will once it is its time | the end |
| previews, and an approval, are wanted | these; but the material of a preview waits for its quota |
| the next batch is of the rest of a split test, and nobody has chosen | a person is asked |
| it is not its time | that is awaited |
| a batch is left | :class:`Begin`: one at a time, each once |
| else | the end |

Before an end, it is found out which of the batches left an earlier run had begun; then the report is written. It is
total: every state has a next step.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from qunfa.batches import steps
from qunfa.batches.outlook import is_shown
from qunfa.batches.state import KEY_REUSED, MATERIAL, WINNER, BatchesState, Case, of_sent, outcome_of, totals
from qunfa.batches.steps import End, Step
from qunfa.contract.batches import BatchRow, PlannedGroup, batch_key
from qunfa.contract.ledger import LIFE
from qunfa.contract.operators import Phase
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import COMPLETES, Outcome, Problem
from qunfa.rules import advice, problems
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.submission import OF_HOURS
from qunfa.send.state import QUOTA_OF_CALLS


def batch_failed(request: MassSendRequest, row: BatchRow, total: int) -> Problem:
    """``total``: how many batches there are; ``0`` where nobody has planned that."""
    how = row.outcome + (f" ({row.problem})" if row.problem else "")
    perhaps = "It may have been delivered."
    if not row.may_have_been_delivered:
        perhaps = (
            "A person says that nothing of it was delivered." if row.is_vouched else "Nothing of it was delivered."
        )
    which = f"Batch {row.number:,} of {total:,}" if total else f"Batch {row.number:,}"
    sentence = f"{which}, {batch_key(request.key, row.number)}, ended as {how}. {perhaps}"
    todo = problems.NO_RETRY if row.for_good else problems.PROBLEMS[problems.BATCH_FAILED].todo
    return Problem(name=problems.BATCH_FAILED, sentence=sentence, todo=todo)


def key_reused(request: MassSendRequest, row: BatchRow) -> Problem:
    """The key of a batch stands for other content."""
    key = batch_key(request.key, row.number)
    sentence = f"The key {key} stands for other content already; nothing more is submitted."
    return Problem(name=KEY_REUSED, sentence=sentence, todo=problems.PROBLEMS[KEY_REUSED].todo)


def sent_before(request: MassSendRequest, *, perhaps: bool = False) -> Problem:
    """An earlier run has sent batches that nobody remembers one by one any more; or only ``perhaps``."""
    sentence = f"The key {request.key} was sent before, at least in part, as its report tells; nothing is submitted."
    if perhaps:
        sentence = (
            f"The key {request.key} may have been sent before, which nobody knows for certain; nothing is submitted."
        )
    return Problem(name=KEY_REUSED, sentence=sentence, todo=problems.SEND_TO_THE_REST)


def is_left(request: MassSendRequest) -> Problem:
    """Another key may have the rest, or a batch has run again by itself: this run only looked what became of whom."""
    sentence = f"Nothing more is sent under the key {request.key}. Its report was written anew."
    return Problem(name=KEY_REUSED, sentence=sentence, todo=problems.SEND_TO_THE_REST)


def forgotten(request: MassSendRequest, send_at: datetime | None = None) -> Problem:
    """The plan is so old that nobody remembers which batches of it an earlier run has sent.

    ``send_at``: it is only then.
    """
    sentence = (
        f"The plan of {request.key} is older than {LIFE.days} days: which batches of it were sent is forgotten, and "
        "nothing more is submitted."
    )
    if send_at is not None:
        sentence = (
            f"The plan of {request.key} is older than {LIFE.days} days at its time, {shanghai_clock(send_at)}: which "
            "batches of it were sent is forgotten by then, and nothing more is submitted."
        )
    return Problem(name=KEY_REUSED, sentence=sentence, todo=problems.SEND_TO_THE_REST)


def winner_not_chosen(case: Case) -> Problem:
    """Both groups of a split test have had their turn, and the rest waits for a person."""
    choice, groups = problems.PROBLEMS[problems.WINNER_NOT_CHOSEN], case.state.plan.groups if case.state.plan else ()
    rest = next((group.openids for group in groups if group.name == "rest"), 0)
    reached = [_reached(case, group) for group in groups if group.name != "rest"]
    sentence = f"{choice.sentence} {' '.join(reached)} The rest has {rest:,} openids."
    return Problem(name=problems.WINNER_NOT_CHOSEN, sentence=sentence, todo=choice.todo)


def _reached(case: Case, group: PlannedGroup) -> str:
    """How many of a group WeChat says to have reached."""
    rows = [row for row in case.state.rows if case.group_of(row.number) == group.name]
    counted = totals(row.counts for row in rows)
    if rows and not any(row.may_have_been_delivered for row in rows):
        why = rows[-1].problem or rows[-1].outcome
        return f"Group {group.name} has {group.openids:,} openids, and nobody of it received the message ({why})."
    if counted is None:
        return f"Group {group.name} has {group.openids:,} openids. How many received it is not known."
    if any(row.counts is None and row.may_have_been_delivered for row in rows):
        return f"Group {group.name} has {group.openids:,} openids, of which at least {counted.sent:,} received it."
    return f"Group {group.name} has {group.openids:,} openids, of which {counted.sent:,} received it."


Rule = Callable[[Case], "Step | End | None"]


def plan(request: MassSendRequest, state: BatchesState, now: datetime) -> Step | End:
    case = Case(request, state, now)
    found = (step for rule in _RULES if (step := rule(case)) is not None)
    return next(found, None) or end(case, "failed")


def _refused(case: Case) -> End | None:
    reasons = case.state.refused
    return End("failed", problems.refused_request(list(reasons)), reasons) if reasons else None


def _pin(case: Case) -> Step | None:
    return Step("preparing", steps.Pin(), "the account's configuration") if case.state.pinned is None else None


def _under_way(case: Case) -> Step | None:
    running = case.state.running
    if running is None:
        return None
    held = running.held_at(case.now)
    is_timed = running.problem is None and (held is None or (held == "quota_exhausted" and running.opens is not None))
    times = [one for one in (running.send_at, running.opens) if is_timed and one is not None and one > case.now]
    until = max(times, default=None)
    phase: Phase = "needs_operator" if running.problem else "scheduled" if held or until else "submitting"
    why = _named(case, running.number)
    if running.problem:
        why = f"an operator's answer to {running.problem.name} of {why}"
    elif until is not None and until == running.opens:
        why = QUOTA_OF_CALLS if held else OF_HOURS
    effect = steps.PassOn(case.state.passing[0]) if case.state.passing else None
    return Step(phase, effect, why, until, problem=running.problem, held=held)


def _named(case: Case, number: int) -> str:
    """With its key: what the batch itself waits for, its own status says best."""
    return f"batch {number:,} of {case.total:,}, {batch_key(case.request.key, number)}"


def _stopped(case: Case) -> Step | End | None:
    return end(case, case.wanted) if case.stops else None


def _expired(case: Case) -> Step | End | None:
    """Where something was left to be sent, also of the last batch."""
    left = case.is_left or (case.bad is not None and case.bad.outcome == "expired")
    return end(case, "expired") if case.too_late and left else None


def _content(case: Case) -> Step | None:
    if case.state.digest is not None:
        return None
    return Step("preparing", steps.Inspect(), "a look at the material", case.open_until)


def _join(case: Case) -> Step | None:
    if case.state.joined:
        return None
    return Step("preparing", steps.Join(), "the account's ledger", case.open_until)


def _reused(case: Case) -> Step | End | None:
    row = case.reused
    return end(case, "failed", key_reused(case.request, row)) if row is not None else None


def _planned(case: Case) -> Step | None:
    if case.state.plan is not None:
        return None
    return Step("preparing", steps.PlanAudience(), "the plan of the audience", case.open_until)


def _ended_before(case: Case) -> Step | End | None:
    """What an earlier run has ended in part, a person or the time has ended. So it is sent to nobody any more."""
    state = case.state
    if state.plan is None or not state.plan.is_sent_in_part or state.rows:
        return None
    if (number := case.unseen) is not None:
        return _look_back(case, number, "preparing")
    return end(case, "failed")


def _look_back(case: Case, number: int, phase: Phase) -> Step:
    """The send awaits the end of a batch that was begun before. Where that asks a person, nobody else says so."""
    looked = case.state.looked
    if looked is None or looked.number != number or looked.problem is None:
        return Step(phase, steps.LookBack(number), f"whether batch {number:,} was begun before")
    batch = f"{case.request.account}/{batch_key(case.request.key, number)}"
    why = f"an operator's answer to {looked.problem.name} of batch {number:,}: see qunfa status {batch}"
    return Step("needs_operator", steps.LookBack(number), why, problem=looked.problem)


def _asked(case: Case) -> Step | End | None:
    """A batch that has ended badly stops those after it, unless they are to go on."""
    bad, request = case.bad, case.request
    if bad is None or request.on_batch_problem == "continue":
        return None
    problem = batch_failed(request, bad, case.total)
    return end(case, "failed", problem) if request.on_problem == "fail" else _ask(case, bad.number, problem)


def _obstructed(case: Case) -> Step | End | None:
    problem = case.state.obstacle
    if problem is None:
        return None
    return end(case, "failed", problem) if case.request.on_problem == "fail" else _ask(case, MATERIAL, problem)


def _ask(case: Case, about: int, problem: Problem) -> Step | End:
    question = case.state.question
    if question is None or question.about != about:
        return Step("needs_operator", steps.Put(about), problem=problem)
    # Who chooses has until after the time of the rest, as whoever moves that may not come to choose before.
    asked = [question.since, *([case.send_at] if about == WINNER and case.send_at else [])]
    until = max(asked) + case.request.decision_timeout
    if case.now >= until:
        return end(case, "failed", problem)
    if case.open_until is not None and case.is_left:
        until = min(until, case.open_until)
    return Step("needs_operator", why=f"an operator's answer to {problem.name}", until=until, problem=problem)


def _paused(case: Case) -> Step | None:
    paused = case.state.paused
    if paused is None or case.next is None:
        return None
    return Step("paused", why=f"resume: paused by {paused.by}", until=case.open_until)


def _forgotten(case: Case) -> Step | End | None:
    """It is told before somebody approves what never goes out."""
    if case.next is None:
        return None
    if case.is_forgotten:
        return end(case, "failed", forgotten(case.request))
    is_later = case.send_at is not None and case.is_forgotten_at(case.send_at)
    return end(case, "failed", forgotten(case.request, case.send_at)) if is_later else None


def _previewed(case: Case) -> Step | None:
    preview = case.request.preview
    if preview is None or case.state.rows:
        return None
    version, number = divmod(len(case.state.previews), len(preview.to))
    if version >= len(case.state.contents):
        return None
    if (opens := case.quota_opens) is not None:
        until = min(filter(None, (opens, case.open_until)))
        return Step("scheduled", why=QUOTA_OF_CALLS, until=until, held="quota_exhausted")
    why = f"the preview to {preview.to[number].name}"
    return Step("previewing", steps.Preview(number, version), why, case.open_until)


def _approved(case: Case) -> Step | End | None:
    if case.next is None or not case.needs_approval:
        return None
    if case.approvable_until is None or not is_shown(case):
        return Step("awaiting_approval", steps.Show(), "what is to be approved", case.open_until)
    if case.now >= case.approvable_until:
        return end(case, "expired")
    until = min(filter(None, (case.approvable_until, case.open_until)))
    return Step("awaiting_approval", why="approval", until=until)


def _next_batch(case: Case) -> Step | End | None:
    number, send_at = case.next, case.send_at
    if number is None:
        return None
    if case.undecided:
        return _ask(case, WINNER, winner_not_chosen(case))
    if send_at is not None and send_at > case.now:
        return Step("scheduled", why="send_at", until=min(filter(None, (send_at, case.open_until))))
    return Step("submitting", steps.Begin(number), _named(case, number))


_RULES: Final[tuple[Rule, ...]] = (
    _refused,
    _pin,
    _under_way,
    _stopped,
    _expired,
    _content,
    _join,
    _reused,
    _obstructed,
    _planned,
    _ended_before,
    _asked,
    _paused,
    _forgotten,
    _previewed,
    _approved,
    _next_batch,
)


def end(case: Case, otherwise: Outcome, problem: Problem | None = None) -> Step | End:
    """The end, after what comes before it. ``otherwise`` is how it is called where no batch says so."""
    return _before_the_end(case) or _ended(case, otherwise, problem)


def _before_the_end(case: Case) -> Step | None:
    """A look back at what an earlier run may have begun, then the report; ``None`` once both are there.

    A run that was started again, or reset, may end before it comes to a batch that the run before had begun; also
    before it has a plan. The store may know of batches that all others have forgotten; where it does not, they are
    unknown.
    """
    rows = case.state.all_rows
    phase: Phase = "submitting" if rows else "preparing"
    if (number := case.unseen) is not None:
        return _look_back(case, number, phase)
    if case.is_told and case.state.reported != len(rows):
        return Step(phase, steps.WriteReport(len(rows)), "the report")
    return None


def _ended(case: Case, otherwise: Outcome, problem: Problem | None) -> End:
    """How it has ended: by the rows of this run, by those that the report alone has, and by what it calls sent."""
    state, rows = case.state, case.state.told_rows
    if state.was_sent == "all":
        return End(of_sent(rows))
    outcome = outcome_of(rows, case.total, otherwise)
    of_this_run = outcome_of(state.all_rows, case.total, otherwise)
    if state.was_sent == "part" and of_this_run not in COMPLETES:
        outcome, problem = "partly_sent", problem or sent_before(case.request)
    elif state.was_sent == "perhaps" and of_this_run not in {*COMPLETES, "unknown"}:
        outcome, problem = "unknown", problem or sent_before(case.request, perhaps=True)
    elif problem is None and outcome not in {"sent", "sent_nobody", "deleted"}:
        problem = _why_not_all(case, rows)
    if problem is not None and problem.name == problems.BATCH_FAILED:
        problem = _why_not_all(case, rows) or problem  # the report may tell of doubts about what this run has denied
    return End(outcome, problem and _over(case, problem, outcome))


def _why_not_all(case: Case, rows: Sequence[BatchRow]) -> Problem | None:
    """The problem of the newest batch that has one, or is in doubt; else that nothing more is sent under the key."""
    bad = [row for row in rows if row.problem or (row.may_have_been_delivered and row.outcome not in COMPLETES)]
    if bad:
        return batch_failed(case.request, bad[-1], case.total)
    return is_left(case.request) if case.state.plan and case.state.plan.is_sent_in_part else None


def _over(case: Case, problem: Problem, outcome: Outcome) -> Problem:
    """What the table advises are answers, and nobody answers a send that is over.

    A new key for all would reach people twice. Where no report tells who is left, nobody uses one.
    """
    if outcome == "unknown" or (outcome == "partly_sent" and not case.is_told):
        is_over = case.state.plan is not None and case.state.plan.is_sent_in_part
        ends_again = case.is_forgotten or not case.is_told or is_over
        todo = advice.in_doubt(case.request, otherwise=problems.ASK_WECHAT if ends_again else "")
    else:
        died = advice.has_died(case.request, problem)
        todo = advice.once_over(case.request, problem, outcome, died=died)
    return problem.model_copy(update={"todo": todo})
