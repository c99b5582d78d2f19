"""``Account``: the entity of one appid. It says who may submit and when, and whose a push is.

It runs for ever, continues as new early, and never raises: a malformed message is logged and dropped, a forward to a
closed ``MassSend`` is caught. Every handler returns at once; what takes time is done by ``run``.
"""

import asyncio
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.event import JobFinished
    from qunfa.contract.ids import ACCOUNT, parse_account_id
    from qunfa.contract.ledger import (
        AccountState,
        Claim,
        ClaimAnswer,
        FreezeAnswer,
        Frozen,
        LeaseAnswer,
        LedgerView,
        Reserve,
        Told,
    )
    from qunfa.contract.sentences import sentences
    from qunfa.contract.unreadable import Unreadable
    from qunfa.contract.updates import Freeze, Unfreeze
    from qunfa.rules import leases, ledger
    from qunfa.rules.ledger_size import trim
    from workflows.account_page import account_page
    from workflows.preparing import refuse

MESSAGES_PER_RUN: Final = 400
"""Temporal takes 2,000 updates in a run; continuing long before that keeps histories short to read."""

ModelT = TypeVar("ModelT", bound=BaseModel)


@workflow.defn(name=ACCOUNT)
class Account:
    """The ledger, the pace, the routing and the switch of one appid; see :mod:`qunfa.rules.ledger`."""

    @workflow.init
    def __init__(self, carried: Any = None, *_more: Any) -> None:
        appid = parse_account_id(workflow.info().workflow_id) or workflow.info().workflow_id
        self._state = AccountState(appid=appid, since=workflow.now())
        if workflow.info().continued_run_id and carried is not None:
            self._state = AccountState.model_validate(carried)
        self._outbox: list[ledger.Forward] = []
        self._messages = 0
        # A new seed is how a run learns that it was reset: the runs of the sends may know more than is left of it.
        workflow.register_random_seed_callback(self._note_reset)
        self._show()

    @workflow.run
    async def run(self, carried: Any = None, *_more: Any) -> None:
        """Forward pushes until this run has seen enough messages; then continue as new."""
        if isinstance(carried, Unreadable):
            raise refuse([carried.sentence])
        while not self._worn_out():
            try:
                await workflow.wait_condition(lambda: bool(self._outbox) or self._worn_out())
                await self._forward_all()
            except asyncio.CancelledError:
                workflow.logger.warning("an account cannot be cancelled, since its ledger would be lost; freeze it")
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(trim(self._state, workflow.now()))

    @workflow.update(description='claim: {"key", "digest", "workflow_id", "searched", "found", "ask"}')
    def claim(self, raw: Any = None) -> ClaimAnswer:
        """Take a key for its content; with ``ask``, the first lease in the same call."""
        asked = _parsed(Claim, raw)
        state = leases.expire(self._state, workflow.now())
        state, answer = ledger.claim(state, asked, workflow.now())
        if answer.kind == "record" and asked.ask:
            reserve = Reserve(key=asked.key, digest=asked.digest, ask=asked.ask)
            state, lease = leases.reserve(state, reserve, workflow.now())
            answer = answer.model_copy(update={"lease": lease})
        self._become(state)
        return answer

    @claim.validator
    def _claim_fits(self, raw: Any = None) -> None:
        _parsed(Claim, raw)

    @workflow.update(description='reserve: {"key", "digest", "ask"}')
    def reserve(self, raw: Any = None) -> LeaseAnswer:
        """Leave to write one try, or what stands against it."""
        state, answer = leases.reserve(self._state, _parsed(Reserve, raw), workflow.now())
        self._become(state)
        return answer

    @reserve.validator
    def _reserve_fits(self, raw: Any = None) -> None:
        _parsed(Reserve, raw)

    @workflow.update(description='freeze: {"by": "li", "reason": "…"}')
    def freeze(self, raw: Any = None) -> FreezeAnswer:
        """Submit nothing more; the answer names what is in flight all the same."""
        asked = _parsed(Freeze, raw)
        frozen = Frozen(by=asked.by, reason=asked.reason, at=workflow.now())
        self._become(leases.expire(self._state, workflow.now()).model_copy(update={"frozen": frozen}))
        return self._switch()

    @freeze.validator
    def _freeze_fits(self, raw: Any = None) -> None:
        _parsed(Freeze, raw)

    @workflow.update(description='unfreeze: {"by": "li"}')
    def unfreeze(self, raw: Any = None) -> FreezeAnswer:
        """Go on submitting."""
        asked = _parsed(Unfreeze, raw)
        workflow.logger.info("unfrozen by %s", asked.by)
        self._become(self._state.model_copy(update={"frozen": None}))
        return self._switch()

    @unfreeze.validator
    def _unfreeze_fits(self, raw: Any = None) -> None:
        _parsed(Unfreeze, raw)

    @workflow.signal(description="told: what a submitting activity or a workflow reports")
    def told(self, raw: Any = None, *more: Any) -> None:
        """Note the answer of a try, a job as its workflow knows it, or the end of a send."""
        if (note := _well_formed(Told, raw, *more)) is not None:
            state, forwards = ledger.told(self._state, note, workflow.now())
            self._outbox.extend(forwards)
            self._become(state)

    @workflow.signal(description="push: WeChat's MASSSENDJOBFINISH, as the receiver parsed it")
    def push(self, raw: Any = None, *more: Any) -> None:
        """Note WeChat's word on a job and send it on, or keep it until its msg_id is told."""
        if (event := _well_formed(JobFinished, raw, *more)) is not None:
            state, forwards = ledger.push(self._state, event, workflow.now())
            self._outbox.extend(forwards)
            self._become(state)

    @workflow.query(description='ledger: everything, or {"key": "…"} or {"msg_id": 3147483650}')
    def ledger(self, wanted: Any = None) -> LedgerView:
        """What the account knows."""
        if isinstance(wanted, Unreadable):
            raise ApplicationError(wanted.sentence, type="InvalidQuery", non_retryable=True)
        state, chosen = self._state, wanted if isinstance(wanted, dict) else {}
        records = tuple(
            record
            for record in state.records.values()
            if record.key == chosen.get("key", record.key)
            and ("msg_id" not in chosen or any(job.msg_id == chosen["msg_id"] for job in record.jobs))
        )
        rest = state.model_dump(exclude={"records"})
        return LedgerView.model_validate({**rest, "records": records})

    async def _forward_all(self) -> None:
        while self._outbox:
            forward = self._outbox[0]
            handle = workflow.get_external_workflow_handle(forward.workflow_id)
            try:
                await handle.signal("job_finished", forward.event)
            except FailureError:
                workflow.logger.info(
                    "push of msg_id %s kept in the ledger: %s is closed", forward.event.msg_id, forward.workflow_id
                )
            self._outbox.pop(0)

    def _note_reset(self, _seed: int) -> None:
        self._state = ledger.unsearched(self._state)

    def _become(self, state: AccountState) -> None:
        self._state = state
        self._messages += 1
        self._show()

    def _show(self) -> None:
        workflow.set_current_details(account_page(self._state, workflow.now()))

    def _switch(self) -> FreezeAnswer:
        lease = self._state.lease
        return FreezeAnswer(frozen=self._state.frozen, in_flight=(lease,) if lease else ())

    def _worn_out(self) -> bool:
        enough = self._messages >= MESSAGES_PER_RUN or workflow.info().is_continue_as_new_suggested()
        return enough and not self._outbox


def _parsed(model: type[ModelT], raw: Any) -> ModelT:
    """``raw`` as ``model``; what does not fit is refused with a sentence."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise ApplicationError("; ".join(sentences(error)), type="InvalidUpdate", non_retryable=True) from None


def _well_formed(model: type[ModelT], raw: Any, *more: Any) -> ModelT | None:
    """``raw`` as ``model``; what does not fit is logged and dropped: a signal must never fail."""
    if more:
        workflow.logger.warning("%s with %s inputs dropped: it takes one", model.__name__, 1 + len(more))
        return None
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        workflow.logger.warning("malformed %s dropped: %s", model.__name__, "; ".join(sentences(error)))
        return None
