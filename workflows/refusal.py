"""What is refused at the start of a workflow, and what of an update.

A request that cannot be read is refused, and so is a workflow that was started wrongly. The run says so wherever people
look, and fails. An update that does not fit is refused with a sentence, and its workflow goes on.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.audience import Batch
    from qunfa.contract.batches import batch_key
    from qunfa.contract.ids import ACCOUNT_NAME_PATTERN, MassSendId, mass_send_id, parse_mass_send_id, whole_of
    from qunfa.contract.operators import Progress, Status, WaitingFor
    from qunfa.contract.refusal import InvalidRequestError, sentences
    from qunfa.contract.refusal import parsed as request_of
    from qunfa.contract.request import MassSendRequest, parse_request
    from qunfa.contract.result import ASK_AGAIN, INVALID_REQUEST, REFUSED, UPDATE_REFUSED
    from qunfa.contract.steps import UNKNOWN_ACCOUNT, AccountFacts, Run
    from qunfa.rules import outcome
    from qunfa.rules.course import Jobs
    from qunfa.rules.problems import refused_request
    from qunfa.rules.terms import KEY_MAX, NOT_ASKED_FOR, terms
    from qunfa.send import doubt
    from qunfa.send.show import Searchable
    from workflows import calls
    from workflows.notices import Board
    from workflows.waiting import TOO_BIG, is_too_big

A_CRON: Final = "a cron schedule must not be set: a mass send is not repeated"

NO_ACCOUNT: Final = "this worker does not have the account"
UNREAD: Final = "the account's configuration could not be read"

ModelT = TypeVar("ModelT", bound=BaseModel)
InputT = TypeVar("InputT")

_HANDED_ON: Final = "refused"
"""Of what a run with a cron schedule hands on: why it was refused."""
_NAMES: Final = frozenset({"account", "key"})
"""The other fields, each where it is known."""

_FOR_EVER: Final = timedelta(days=3650)


def invalid_request(problems: list[str]) -> ApplicationError:
    """The failure of a workflow whose request cannot be carried out."""
    return ApplicationError(str(InvalidRequestError(problems)), problems, type=INVALID_REQUEST, non_retryable=True)


def read_input(read: Callable[[Any], InputT], raw: Any, more: tuple[Any, ...]) -> InputT:
    """The one input of a workflow, which fails where ``read`` cannot read it, or where there is ``more``.

    With a cron schedule it would be carried out again and again: that ends, as for a mass send.
    """
    if problems := handed_on(more):
        raise invalid_request(problems)
    if workflow.info().cron_schedule:
        _end_the_schedule([], {})
    if more:
        raise invalid_request(["the workflow takes one input, the request"])
    try:
        return read(raw)
    except InvalidRequestError as error:
        raise invalid_request(error.problems) from None


def read_as(model: type[ModelT], raw: Any, more: tuple[Any, ...]) -> ModelT:
    """As :func:`read_input`, of one that is checked by its model alone."""
    return read_input(lambda one: request_of(model, one), raw, more)


def check_id(wanted: str) -> None:
    """Refuse a workflow that has another id than its request wants."""
    if workflow.info().workflow_id != wanted:
        raise invalid_request([f'the workflow id must be "{wanted}", not "{workflow.info().workflow_id}"'])


async def account_facts(name: str, whole: Run | None = None) -> AccountFacts:
    """The account as the workers' configuration has it now; an unknown one is an invalid request."""
    try:
        return await calls.resolve_account(name, whole)
    except FailureError as error:
        # A local activity may fail with its own error, a regular one wraps it.
        cause = error.cause if isinstance(error, ActivityError) else error
        if isinstance(cause, ApplicationError) and cause.type == UNKNOWN_ACCOUNT:
            raise invalid_request([outcome.no_account(cause.message)]) from None
        raise


def update_refused(sentence: str) -> ApplicationError:
    """An update's refusal; the sentence says why, and what fits instead."""
    return ApplicationError(sentence, type=UPDATE_REFUSED, non_retryable=True)


def ask_again() -> ApplicationError:
    """The error of an update for which the run has no time."""
    return ApplicationError("the send goes on as another run: ask that one", type=ASK_AGAIN, non_retryable=True)


def parsed(model: type[ModelT], raw: Any) -> ModelT:
    """``raw`` as ``model``; what does not fit is refused with a sentence."""
    if is_too_big(raw):
        raise update_refused(TOO_BIG)
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise update_refused("; ".join(sentences(error))) from None


class Refusal:
    """A request that cannot be carried out, for what is wrong with it or with how its workflow was started."""

    def __init__(self, raw: Any, request: MassSendRequest | None, problems: list[str]) -> None:
        self._request = request
        self._problems = problems
        self._is_handed_on = bool(reasons_in(raw))
        self._named = _named(raw)
        self._account = self._named.account if self._named else _account(raw)
        self._jobs: Jobs = ()
        self._waits = False

    async def ended(self, board: Board) -> ApplicationError:
        """The failure with which the run ends, with what the key of the request has done before.

        A run with a cron schedule that fails is started again and again, and who waits for it waits for ever. It hands
        the reason on to a run without a schedule, which fails once.

        Raises:
            RuntimeError: no caller has started the run. The workflow task fails until a newer worker takes it.
        """
        if _is_of_a_worker() and not self._is_handed_on:
            raise RuntimeError("; ".join(["this worker cannot carry out what another one has begun", *self._problems]))
        named = self._named
        if workflow.info().cron_schedule:
            names = named._asdict() if named else {"account": self._account} if self._account else {}
            _end_the_schedule(self._problems, names)
        self._show(board)
        if named and (said := await self._said_of(named, board)):
            self._problems.append(said)
        self._waits = False
        self._show(board)
        return invalid_request(self._problems)

    def status(self) -> Status:
        """Where the send stands: nowhere."""
        named = self._named
        return Status(
            phase="done",
            problem=refused_request(self._problems),
            jobs=tuple(outcome.job_result(job, self._jobs) for job in self._jobs),
            progress=Progress(accepted=int(bool(self._jobs) and self._jobs[-1].msg_id is not None)),
            waiting_for=WaitingFor(reason=f"what the key {named.key} has done before")
            if named and self._waits
            else None,
            updated_at=workflow.now(),
        )

    def _show(self, board: Board) -> None:
        msgtype = self._request.message.msgtype if self._request else None
        found_by = Searchable(self._account, "done", msgtype, refused_request(self._problems).name, (), REFUSED)
        board.show(self._request, self.status(), found_by, None)

    async def _said_of(self, named: MassSendId, board: Board) -> str | None:
        """What who reads of the refusal must know of the key."""
        try:
            facts = await account_facts(named.account)
        except FailureError as error:
            is_unknown = isinstance(error, ApplicationError) and error.type == INVALID_REQUEST
            return outcome.not_known(named.key, NO_ACCOUNT if is_unknown else UNREAD)
        self._waits = True
        self._show(board)
        self._jobs, said = await used_before(facts, named.key)
        return said


async def used_before(facts: AccountFacts, key: str) -> tuple[Jobs, str | None]:
    """What earlier runs under a key have submitted; and a sentence, where that or the first batch of it matters."""
    found: list[Jobs] = []
    started_at = workflow.info().workflow_start_time
    for one in (key, batch_key(key, 1))[: 1 + (len(key) <= KEY_MAX)]:
        known = await calls.look_up_in_time(facts, one, mass_send_id(facts.name, one), started_at)
        if known is None:
            return (), outcome.not_known(key, "its ledger does not answer")
        found.append(outcome.from_ledger(doubt.jobs_of(known, one)))
        if said := doubt.used_before(known, one, found[-1]):
            return found[-1], said
    return found[0], None


def handed_on(carried: tuple[Any, ...]) -> list[str]:
    """Why the run before, which had a cron schedule, was refused; nothing where there was none."""
    return reasons_in(carried[0]) if len(carried) == 1 and workflow.info().continued_run_id else []


def reasons_in(carried: Any) -> list[str]:
    """The reasons, where a refused run has handed on ``{"refused": ["…"], "account": "demo", "key": "spring"}``.

    Nothing for anything else, so that it is refused as any other input that is none.
    """
    if not isinstance(carried, dict) or carried.keys() - _NAMES != {_HANDED_ON}:
        return []
    reasons = carried[_HANDED_ON]
    return reasons if isinstance(reasons, list) and all(isinstance(one, str) for one in reasons) else []


def _is_of_a_worker() -> bool:
    """Whether no caller has started this run: it continues another one, or its list has started it as a batch."""
    info = workflow.info()
    own = parse_mass_send_id(info.workflow_id)
    is_batch = own is not None and info.parent is not None and whole_of(own, info.parent.workflow_id) is not None
    return info.continued_run_id is not None or is_batch


def _end_the_schedule(problems: list[str], names: dict[str, str]) -> NoReturn:
    # Without its request: a worker that does not know of this must not take it for one to carry out.
    workflow.continue_as_new(args=[None, {_HANDED_ON: list(dict.fromkeys([*problems, A_CRON])), **names}])


def _named(raw: Any) -> MassSendId | None:
    """Account and key as the request has them; where it cannot be read, as the workflow id has them."""
    key = raw.get("key") if isinstance(raw, dict) else None
    if (
        (account := _account(raw))
        and isinstance(key, str)
        and (asked := parse_mass_send_id(f"mass-send:{account}:{key}"))
    ):
        return asked
    return parse_mass_send_id(workflow.info().workflow_id)


def _account(raw: Any) -> str | None:
    name = raw.get("account") if isinstance(raw, dict) else None
    return name if isinstance(name, str) and re.fullmatch(ACCOUNT_NAME_PATTERN, name) else None


def read_request(raw: Any, carried: tuple[Any, ...]) -> tuple[MassSendRequest | None, list[str]]:
    """The request where it can be read, and a sentence for each reason against carrying it out."""
    if problems := handed_on(carried):
        return None, problems
    try:
        request = parse_request(raw)
    except InvalidRequestError as error:
        return None, list(error.problems)
    if carried and (not workflow.info().continued_run_id or len(carried) > 1):
        return request, ["the workflow takes one input, the request"]
    return request, _start_problems(request)


def _start_problems(request: MassSendRequest) -> list[str]:
    info = workflow.info()
    wanted = mass_send_id(request.account, request.key)
    found = {
        f'the workflow id must be "{wanted}", not "{info.workflow_id}": it is what keeps one key to one send': (
            info.workflow_id != wanted
        ),
        A_CRON: bool(info.cron_schedule),
        f"audience.kind: {NOT_ASKED_FOR}": (
            isinstance(request.audience, Batch) and not _is_of_its_whole(request.audience, wanted)
        ),
        "a workflow retry policy must not be set: it would carry out the send again": info.retry_policy is not None,
        "a workflow execution timeout must not be set: it would cut a send off from its result": (
            _cuts_off(info.execution_timeout)
        ),
        "a workflow run timeout must not be set: it would cut a send off from its result": _cuts_off(info.run_timeout),
    }
    return [*(sentence for sentence, applies in found.items() if applies), *terms(request, workflow.now())]


def _is_of_its_whole(batch: Batch, workflow_id: str) -> bool:
    """Whether this run was started by the send in batches that the batch is of, as that batch."""
    parent, own = workflow.info().parent, parse_mass_send_id(workflow_id)
    whole = whole_of(own, parent.workflow_id) if own and parent else None
    return (
        whole is not None
        and own is not None
        and own.key == batch_key(batch.key, batch.number)
        and (whole.key == batch.key)
    )


def _cuts_off(timeout: timedelta | None) -> bool:
    """Whether the timeout can end a send; where the caller has set none, it may show as zero or as ten years."""
    return timeout is not None and timedelta(0) < timeout < _FOR_EVER
