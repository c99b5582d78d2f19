"""The end of a run whose request cannot be read, or was started wrongly: it says so wherever people look."""

import re
from typing import Any, Final, NoReturn

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.ids import ACCOUNT_NAME_PATTERN, MassSendId, mass_send_id, parse_mass_send_id
    from qunfa.contract.request import MassSendRequest
    from qunfa.contract.result import INVALID_REQUEST, REFUSED
    from qunfa.contract.status import Progress, Status, WaitingFor
    from qunfa.rules import outcome
    from qunfa.rules.course import Jobs
    from qunfa.rules.problems import refused_request
    from qunfa.send.doubt import jobs_of
    from qunfa.send.show import Searchable
    from workflows import ledger_calls as calls
    from workflows.board import Board
    from workflows.preparing import A_CRON, account_facts, refuse

_HANDED_ON: Final = "refused"
"""Of what a run with a cron schedule hands on: why it was refused."""
_NAMES: Final = frozenset({"account", "key"})
"""The other fields, each where it is known."""


class Refusal:
    """A request that cannot be carried out, for what is wrong with it or with how its workflow was started."""

    def __init__(self, raw: Any, request: MassSendRequest | None, problems: list[str]) -> None:
        self._request = request
        self._problems = problems
        self._named = _named(raw)
        self._account = self._named.account if self._named else _account(raw)
        self._jobs: Jobs = ()
        self._waits = False

    async def ended(self, board: Board) -> ApplicationError:
        """The failure with which the run ends, with what the key of the request has done before.

        A run with a cron schedule that fails is started again and again, and who waits for it waits for ever. It hands
        the reason on to a run without a schedule, which fails once.
        """
        named = self._named
        if workflow.info().cron_schedule:
            names = named._asdict() if named else {"account": self._account} if self._account else {}
            _end_the_schedule(self._problems, names)
        self._show(board)
        if named and (said := await self._said_of(named, board)):
            self._problems.append(said)
        self._waits = False
        self._show(board)
        return refuse(self._problems)

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
        unknown = f'key: whether an earlier run under "{named.key}" was delivered is not known'
        try:
            facts = await account_facts(named.account)
        except FailureError as error:
            if isinstance(error, ApplicationError) and error.type == INVALID_REQUEST:
                return None
            return f"{unknown}: the account's configuration could not be read"
        self._waits = True
        self._show(board)
        known = await calls.look_up_in_time(facts, named.key, mass_send_id(*named))
        if known is None:
            return f"{unknown}: its ledger does not answer"
        self._jobs = outcome.from_ledger(jobs_of(known, named.key, ""))
        return outcome.used_before(named.key, self._jobs)


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
