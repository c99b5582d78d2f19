"""The end of a send whose request is refused: it says so wherever people look, and what its key has done before."""

import re
from typing import Any, Final, NoReturn

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.ids import ACCOUNT_NAME_PATTERN, MassSendId, mass_send_id, parse_mass_send_id
    from qunfa.contract.result import INVALID_REQUEST
    from qunfa.rules.outcome import from_ledger, used_before
    from qunfa.rules.problems import refused_request
    from workflows import calls
    from workflows.preparing import A_CRON, account_facts, is_shown, refuse
    from workflows.send import Send

_REFUSED: Final = "refused"
"""The one field of what a run with a cron schedule hands on: why it was refused."""


async def refused(send: Send, raw: Any, error: ApplicationError) -> ApplicationError:
    """The failure with which a run ends: as ``error``, and with what the key of a refused request has done before.

    A run with a cron schedule that fails is started again and again, and who waits for it waits for ever. It hands the
    reason on to a run without a schedule, which fails once.
    """
    if error.type != INVALID_REQUEST or not is_shown():
        return error
    problems: list[str] = list(error.details[0])
    if workflow.info().cron_schedule:
        _end_the_schedule(problems)
    named = _named(raw)
    account = named.account if named else _account(raw)
    send.refuse(refused_request(problems), account)
    if named and (said := await _said_of(send, named)):
        problems.append(said)
        send.refuse(refused_request(problems), account)
    return refuse(problems)


def handed_on(carried: tuple[Any, ...]) -> list[str]:
    """Why the run before, which had a cron schedule, was refused; nothing where there was none."""
    one = carried[0] if len(carried) == 1 and workflow.info().continued_run_id else None
    return one[_REFUSED] if isinstance(one, dict) and _REFUSED in one else []


def _end_the_schedule(problems: list[str]) -> NoReturn:
    # Without its request: a worker that does not know of this must not take it for one to carry out.
    workflow.continue_as_new(args=[None, {_REFUSED: list(dict.fromkeys([*problems, A_CRON]))}])


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
    try:
        facts = await account_facts(named.account)
    except ApplicationError as error:
        if error.type == INVALID_REQUEST:
            return None
        raise
    with send.waiting(f"what the key {named.key} has done before"):
        known = await calls.known_in_time(facts, named.key, mass_send_id(*named))
    if known is None:
        return f'key: whether an earlier run under "{named.key}" was delivered is not known: its ledger does not answer'
    send.before = from_ledger(known.jobs)
    return used_before(named.key, known.jobs)
