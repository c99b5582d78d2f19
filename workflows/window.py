"""The window of a send: its status, its page and search attributes, and the notices of what happens to it.

All of it follows from the request, the state and the step. Nothing here decides what comes next.
"""

from collections.abc import Callable
from dataclasses import replace

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.batches import show as show_batches
    from qunfa.batches import steps as batch_steps
    from qunfa.batches.plan import plan as plan_batches
    from qunfa.batches.state import BatchesState
    from qunfa.contract.audience import Batch
    from qunfa.contract.operators import Status
    from qunfa.contract.refusal import full_stop
    from qunfa.contract.request import MassSendRequest
    from qunfa.contract.result import MASS_SEND_FAILED, MassSendResult
    from qunfa.send import events, show, steps
    from qunfa.send.asking import deadline
    from qunfa.send.plan import plan
    from qunfa.send.state import Case, SendState
    from workflows.effects import UnderWay
    from workflows.notices import Board, Notices


class Window:
    """Through which people see a send. ``say`` is told what did not reach a webhook."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.board = Board(Notices(say))
        self.shown_at = workflow.now()
        """When the page was brought up to date last."""

    def status(
        self, asked: MassSendRequest, state: SendState, step: steps.Step | steps.End, under_way: UnderWay | None
    ) -> Status:
        """Where the send stands; of the effect under way, what is just being done for it."""
        if isinstance(step, steps.Step) and under_way and under_way.what and under_way.effect == step.effect:
            step = replace(step, why=under_way.what)
        return show.status(asked, state, step, workflow.now())

    def show(
        self, asked: MassSendRequest, state: SendState, step: steps.Step | steps.End, under_way: UnderWay | None
    ) -> None:
        """Bring the page and the search attributes up to date; each change of these costs an event."""
        now = self.shown_at = workflow.now()
        ended = isinstance(step, steps.End) and not step.refused
        result = show.result(asked, state, step, now) if ended and isinstance(step, steps.End) else None
        found_by = show.searchable(asked, state, step, now)
        self.board.show(asked, self.status(asked, state, step, under_way), found_by, result)

    def tell(
        self,
        asked: MassSendRequest,
        state: SendState,
        event: events.WasPut | events.Shown,
        under_way: UnderWay | None,
    ) -> None:
        """Have told that a person is asked: for an approval, or about a problem."""
        now = workflow.now()
        wants = state.pinned.notices if state.pinned else ()
        step = plan(asked, state, now)
        case = Case(asked, state, now)
        if isinstance(step, steps.End) or not wants:
            return
        status = self.status(asked, state, step, under_way)
        if isinstance(event, events.Shown):
            self.board.tell(
                wants, asked, status, what="awaiting_approval", event="awaiting_approval",
                in_doubt=case.in_doubt, answer_by=step.until,
            )  # fmt: skip
        elif state.asking is not None:
            asking = state.asking
            self.board.tell(
                wants, asked, status, what="needs_operator",
                event=f"needs_operator {asking.number} {asking.problem} {asking.generation}",
                in_doubt=case.in_doubt, answer_by=deadline(case, asking)[0],
            )  # fmt: skip

    def tell_end(
        self,
        asked: MassSendRequest,
        state: SendState,
        end: steps.End,
        result: MassSendResult,
        under_way: UnderWay | None,
    ) -> None:
        """Have told how the send has ended; of a batch, the send in batches tells."""
        wants = state.pinned.notices if state.pinned and not isinstance(asked.audience, Batch) else ()
        self.board.tell_end(wants, asked, self.status(asked, state, end, under_way), result)

    async def told(self) -> None:
        """Until Temporal has started what is to be told; it is not awaited that it reaches anybody."""
        await self.board.notices.started()


class BatchesWindow:
    """Through which people see a send in batches. ``say`` is told what did not reach a webhook."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.board = Board(Notices(say))
        self.shown_at = workflow.now()

    def show(self, asked: MassSendRequest, state: BatchesState, step: batch_steps.Step | batch_steps.End) -> None:
        """Bring the page and the search attributes up to date."""
        now = self.shown_at = workflow.now()
        ended = isinstance(step, batch_steps.End) and not step.refused
        result = show_batches.result(asked, state, step, now) if ended and isinstance(step, batch_steps.End) else None
        found_by = show_batches.searchable(asked, state, step, now)
        self.board.show(asked, show_batches.status(asked, state, step, now), found_by, result)

    def tell(self, asked: MassSendRequest, state: BatchesState, event: batch_steps.WasPut | batch_steps.Shown) -> None:
        """Have told that a person is asked: for an approval, or about a batch. What a batch asks, it tells itself."""
        step = plan_batches(asked, state, workflow.now())
        if state.pinned is None or isinstance(step, batch_steps.End):
            return
        status = show_batches.status(asked, state, step, workflow.now())
        in_doubt = any(row.may_have_been_delivered for row in state.rows)
        if isinstance(event, batch_steps.Shown):
            self.board.tell(
                state.pinned.notices, asked, status, what="awaiting_approval", event="awaiting_approval",
                in_doubt=in_doubt, answer_by=step.until,
            )  # fmt: skip
        elif state.question is not None:
            self.board.tell(
                state.pinned.notices, asked, status, what="needs_operator",
                event=f"needs_operator {state.question.count} batch {state.question.about}",
                in_doubt=in_doubt, answer_by=step.until,
            )  # fmt: skip

    def tell_end(
        self, asked: MassSendRequest, state: BatchesState, end: batch_steps.End, result: MassSendResult
    ) -> None:
        """Have told how the send has ended."""
        wants = state.pinned.notices if state.pinned else ()
        self.board.tell_end(wants, asked, show_batches.status(asked, state, end, workflow.now()), result)

    async def told(self) -> None:
        """Until Temporal has started what is to be told."""
        await self.board.notices.started()


def failure(result: MassSendResult) -> ApplicationError:
    """How a send fails that has ended otherwise than its caller wanted: with a sentence, and with the result."""
    said = f": {result.problem.sentence}" if result.problem else ""
    perhaps = "It may have been delivered." if result.may_have_been_delivered else "Nothing was delivered."
    ended = full_stop(f'mass send "{result.key}" of account {result.account} ended as {result.outcome}{said}')
    return ApplicationError(f"{ended} {perhaps}", result, type=MASS_SEND_FAILED, non_retryable=True)
