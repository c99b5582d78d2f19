"""The end of a send whose request is refused: it says so wherever people look, and what its key has done before."""

import re
from typing import Any, Final, NoReturn

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.ids import ACCOUNT_NAME_PATTERN, MassSendId, mass_send_id, parse_mass_send_id
    from qunfa.contract.result import INVALID_REQUEST
    from qunfa.rules.outcome import from_ledger, used_before
    from qunfa.rules.problems import refused_request
    from workflows import calls
    from workflows.preparing import A_CRON, account_facts, is_shown, refuse
    from workflows.send import Send

_REFUSED: Final = "refused"
"""Of what a run with a cron schedule hands on: why it was refused."""
_NAMES: Final = frozenset({"account", "key"})
"""The other fields, each where it is known."""


async def refused(send: Send, raw: Any, error: ApplicationError) -> ApplicationError:
    """The failure with which a run ends: as ``error``, and with what the key of a refused request has done before.

    A run with a cron schedule that fails is started again and again, and who waits for it waits for ever. It hands the
    reason on to a run without a schedule, which fails once.
    """
    if error.type != INVALID_REQUEST or not is_shown():
        return error
    problems: list[str] = list(error.details[0])
    named = _named(raw)
    account = named.account if named else _account(raw)
    if workflow.info().cron_schedule:
        _end_the_schedule(problems, named._asdict() if named else {"account": account} if account else {})
    send.refuse(refused_request(problems), account)
    if named and (said := await _said_of(send, named)):
        problems.append(said)
        send.refuse(refused_request(problems), account)
    return refuse(problems)


def handed_on(carried: tuple[Any, ...]) -> list[str]:
    """Why the run before, which had a cron schedule, was refused; nothing where there was none."""
    return reasons_in(carried[0]) if len(carried) == 1 and workflow.info().continued_run_id else []


def reasons_in(carried: Any) -> list[str]:
    """The reasons, where a refused run has handed on ``{"refused": ["…"], "account": "demo", "key": "spring"}``.

    Nothing for anything else, so that it is refused as any other input that is none.
    """
    if not isinstance(carried, dict) or carried.keys() - _NAMES != {_REFUSED}:
        return []
    reasons = carried[_REFUSED]
    return reasons if isinstance(reasons, list) and all(isinstance(one, str) for one in reasons) else []


def _end_the_schedule(problems: list[str], names: dict[str, str]) -> NoReturn:
    # Without its request: a worker that does not know of this must not take it for one to carry out.
    workflow.continue_as_new(args=[None, {_REFUSED: list(dict.fromkeys([*problems, A_CRON])), **names}])


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


async def _said_of(send: Send, named: MassSendId) -> str | None:
    """What who reads of the refusal must know of the key."""
    unknown = f'key: whether an earlier run under "{named.key}" was delivered is not known'
    try:
        facts = await account_facts(named.account)
    except FailureError as error:
        if isinstance(error, ApplicationError) and error.type == INVALID_REQUEST:
            return None
        return f"{unknown}: the account's configuration could not be read"
    with send.waiting(f"what the key {named.key} has done before"):
        known = await calls.known_in_time(facts, named.key, mass_send_id(*named))
    if known is None:
        return f"{unknown}: its ledger does not answer"
    send.before = from_ledger(known.jobs)
    return used_before(named.key, known.jobs)
