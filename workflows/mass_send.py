"""``MassSend``: one logical mass send, from the request to WeChat's verdict."""

import asyncio
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.event import JobFinished
    from qunfa.contract.ids import MASS_SEND
    from qunfa.contract.result import COMPLETES, MASS_SEND_FAILED, MassSendResult
    from qunfa.contract.sentences import full_stop, sentences
    from qunfa.contract.status import Status
    from qunfa.contract.updates import Abort, Approve, MarkSent, Pause, Reject, Reschedule, Resume, Retry
    from qunfa.rules.course import Over, Renew
    from qunfa.rules.submission import Ask, Await, Expire, Submit
    from workflows import calls, deciding, holding
    from workflows.awaiting import await_verdict
    from workflows.deciding import ask_operator
    from workflows.ending import confirmed, key_failed_again
    from workflows.material import rebuilt
    from workflows.preparing import check_start, keep_hearing, prepare, read_request, refuse
    from workflows.refusal import refusal
    from workflows.refusing import handed_on, refused
    from workflows.reset import ask_after_reset, missed_while_ending
    from workflows.send import Ending, Send, bad_end
    from workflows.send_notices import tell_end
    from workflows.send_state import SendState
    from workflows.submitting import submit

HISTORY_MAX: Final = 4_000
"""Events after which a send continues as new: Temporal ends a workflow at 51,200."""

ModelT = TypeVar("ModelT", bound=BaseModel)


@workflow.defn(name=MASS_SEND)
class MassSend:
    """``preparing → scheduled → submitting → awaiting_result → done``, and ``needs_operator`` in between."""

    @workflow.init
    def __init__(self, request: Any = None, *carried: Any) -> None:  # noqa: ARG002  the same as `run`
        self._send = Send()
        self._cancelled = False
        self._loop = asyncio.get_running_loop()

    @workflow.run
    async def run(self, request: Any = None, *carried: Any) -> MassSendResult:
        """Carry the send to its end; a cancellation ends it only while nothing can have been delivered."""
        # A new seed is how a run learns that it was reset: the ledger may know more than is left of its history. It
        # listens from here and not from `__init__`, which comes before the seed of a reset to the first task where an
        # update was refused in that task, and after it in a replay. The ledger is asked soon enough there, anyway.
        workflow.register_random_seed_callback(self._note_reset)
        life = asyncio.ensure_future(self._live(request, carried))
        while True:
            try:
                return await asyncio.shield(life)
            except asyncio.CancelledError:
                if life.done():
                    raise
                self._cancel(workflow.cancellation_reason())

    async def _live(self, request: Any, carried: tuple[Any, ...]) -> MassSendResult:
        send = self._send
        try:
            ending = await self._begin(request, carried)
        except ApplicationError as error:
            failure = await refused(send, carried[0] if handed_on(carried) else request, error)
            if failure is error:
                raise
            raise failure from None
        hearing = asyncio.ensure_future(keep_hearing(send))
        if ending:
            ending = await key_failed_again(send, ending)
        while True:
            while ending is None:
                send.closing = False
                if ending := await self._step():
                    ending = await confirmed(send, ending)
            result = await self._finish(ending)
            if not await missed_while_ending(send):
                hearing.cancel()
                return self._returned(ending, result)
            ending, send.ended = None, None

    async def _begin(self, request: Any, carried: tuple[Any, ...]) -> Ending | None:
        if problems := handed_on(carried):
            raise refuse(problems)
        send = self._send
        send.request = read_request(request)
        check_start(send.request)
        if not carried:
            return await prepare(send)
        if not workflow.info().continued_run_id or len(carried) > 1:
            raise refuse(["the workflow takes one input, the request"])
        self._resume(SendState.model_validate(carried[0]))
        return None

    async def _step(self) -> Ending | None:
        """One step of the send, by what is known of its job."""
        send = self._send
        await ask_after_reset(send)
        await self._continue_if_long()
        course = send.course()
        if send.stopping() and not isinstance(course, Over):
            return Ending(bad_end(send.state.jobs, send.stop.outcome if send.stop else "aborted"), send.problem)
        if rebuilt(send):
            return None
        match course:
            case Over(outcome):
                return Ending(outcome)
            case Expire():
                return Ending(bad_end(send.state.jobs, "expired"))
            case Submit() as step:
                return await submit(send, step)
            case Await(msg_id):
                await await_verdict(send, msg_id)
                return None
            case Ask(problem):
                return await ask_operator(send, problem)
            case Renew():
                deciding.renew(send)
                return None

    async def _finish(self, ending: Ending) -> MassSendResult:
        send = self._send
        result = send.ended = send.result(ending)
        send.enter("done", ending.problem)
        send.say(f"ended as {ending.outcome}")
        tell_end(send, ending)
        problem = ending.problem.name if ending.problem else None
        if send.claimed:
            await calls.tell(send.state.facts, send.state.note(send.asked, ended_as=ending.outcome, problem=problem))
        await send.notices.started()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return result

    def _returned(self, ending: Ending, result: MassSendResult) -> MassSendResult:
        if self._cancelled and self._send.stop is None and ending.outcome == "aborted":
            raise asyncio.CancelledError
        if ending.outcome in COMPLETES:
            return result
        raise ApplicationError(_why(result), result, type=MASS_SEND_FAILED, non_retryable=True)

    async def _continue_if_long(self) -> None:
        info, send = workflow.info(), self._send
        if send.first_lease or not (
            info.get_current_history_length() > HISTORY_MAX or info.is_continue_as_new_suggested()
        ):
            return
        await send.notices.started()
        await workflow.wait_condition(workflow.all_handlers_finished)
        state = send.state.changed(cancelled=send.cancelled)
        if send.stop is None:
            workflow.continue_as_new(args=[send.asked.model_dump(mode="json", exclude_unset=True), state])

    def _note_reset(self, _seed: int) -> None:
        self._send.was_reset = True
        # A wait looks at its condition only after something has run. It has to look now: later, an update that is
        # refused would decide whether it looks before or after what else has come, and no replay would know of that.
        self._loop.call_soon(_nothing)

    def _resume(self, state: SendState) -> None:
        self._send.state = state
        self._send.wants = state.facts.notices
        self._send.cancelled = state.cancelled

    def _cancel(self, reason: str | None) -> None:
        send = self._send
        self._cancelled = True
        send.cancelled = reason or "no reason given"
        if send.may_have_been_delivered():
            send.say(
                "cancellation noted; the send goes on to its verdict, since it may have been accepted", None, reason
            )

    @workflow.query(description="status: where the send stands")
    def status(self) -> Status:
        """Where the send stands."""
        return self._send.status()

    @workflow.signal(description="job_finished: WeChat's push, as the account forwards it")
    def job_finished(self, raw: Any = None, *more: Any) -> None:
        """Take WeChat's word on one of our jobs; kept where it is on none (yet)."""
        if more:
            workflow.logger.warning("job_finished with %s inputs dropped: it takes one", 1 + len(more))
            return
        try:
            event = JobFinished.model_validate(raw)
        except ValidationError as error:
            workflow.logger.warning("malformed job_finished dropped: %s", "; ".join(sentences(error)))
            return
        if self._send.phase != "done":
            self._send.take_push(event)

    @workflow.update(
        description='retry: {"by": "li", "reason": "…"}, with "send_ignore_reprint" or "confirm_not_delivered"'
    )
    async def retry(self, raw: Any = None) -> Status:
        """Try again, as the problem allows."""
        await deciding.retry(self._send, _parsed(Retry, raw))
        return self._send.status()

    @retry.validator
    def _retry_fits(self, raw: Any = None) -> None:
        self._not_answering()
        deciding.check_retry(self._send, _parsed(Retry, raw))

    @workflow.update(description='mark_sent: {"by": "li", "reason": "…", "msg_id": 3147483650}')
    async def mark_sent(self, raw: Any = None) -> Status:
        """Take a msg_id that was found in WeChat's console."""
        await deciding.mark_sent(self._send, _parsed(MarkSent, raw))
        return self._send.status()

    @mark_sent.validator
    def _mark_sent_fits(self, raw: Any = None) -> None:
        self._not_answering()
        deciding.check_mark_sent(self._send, _parsed(MarkSent, raw))

    @workflow.update(description='abort: {"by": "li", "reason": "…"}')
    async def abort(self, raw: Any = None) -> Status:
        """End the send."""
        deciding.abort(self._send, _parsed(Abort, raw))
        return self._send.status()

    @abort.validator
    def _abort_fits(self, raw: Any = None) -> None:
        _parsed(Abort, raw)
        deciding.check_first_abort(self._send)

    @workflow.update(description='approve: {"by": "li"}; not who has asked for the send')
    async def approve(self, raw: Any = None) -> Status:
        """Let the send go out."""
        holding.approve(self._send, _parsed(Approve, raw))
        return self._send.status()

    @approve.validator
    def _approve_fits(self, raw: Any = None) -> None:
        holding.check_decision(self._send, _parsed(Approve, raw))

    @workflow.update(description='reject: {"by": "li", "reason": "…"}')
    async def reject(self, raw: Any = None) -> Status:
        """End the send, since it is not to go out."""
        holding.reject(self._send, _parsed(Reject, raw))
        return self._send.status()

    @reject.validator
    def _reject_fits(self, raw: Any = None) -> None:
        holding.check_decision(self._send, _parsed(Reject, raw))

    @workflow.update(description='pause: {"by": "li", "reason": "…"}')
    async def pause(self, raw: Any = None) -> Status:
        """Submit nothing for now."""
        holding.pause(self._send, _parsed(Pause, raw))
        return self._send.status()

    @pause.validator
    def _pause_fits(self, raw: Any = None) -> None:
        _parsed(Pause, raw)
        holding.check_pause(self._send)

    @workflow.update(description='resume: {"by": "li"}')
    async def resume(self, raw: Any = None) -> Status:
        """Go on where the send stood."""
        holding.resume(self._send, _parsed(Resume, raw))
        return self._send.status()

    @resume.validator
    def _resume_fits(self, raw: Any = None) -> None:
        _parsed(Resume, raw)
        holding.check_resume(self._send)

    @workflow.update(description='reschedule: {"by": "li", "send_at": "2026-12-01T09:00:00+08:00"}')
    async def reschedule(self, raw: Any = None) -> Status:
        """Another time; one in the past is now."""
        holding.reschedule(self._send, _parsed(Reschedule, raw))
        return self._send.status()

    @reschedule.validator
    def _reschedule_fits(self, raw: Any = None) -> None:
        holding.check_reschedule(self._send, _parsed(Reschedule, raw))

    def _not_answering(self) -> None:
        if self._send.answering.locked():
            raise refusal("another answer is being carried out; look at the status, then decide")


def _parsed(model: type[ModelT], raw: Any) -> ModelT:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise refusal("; ".join(sentences(error))) from None


def _why(result: MassSendResult) -> str:
    said = f": {result.problem.sentence}" if result.problem else ""
    perhaps = "It may have been delivered." if result.may_have_been_delivered else "Nothing was delivered."
    ended = full_stop(f'mass send "{result.key}" of account {result.account} ended as {result.outcome}{said}')
    return f"{ended} {perhaps}"


def _nothing() -> None:
    pass
