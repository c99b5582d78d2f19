"""The start of a send: whether its request can be read, and its workflow was started as it must be."""

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.ids import mass_send_id
    from qunfa.contract.refusal import InvalidRequestError
    from qunfa.contract.request import MassSendRequest, parse_request
    from qunfa.rules import approval
    from workflows.preparing import A_CRON
    from workflows.refusing import handed_on

_FOR_EVER: Final = timedelta(days=3650)


def read(raw: Any, carried: tuple[Any, ...]) -> tuple[MassSendRequest | None, list[str]]:
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
        f"send_at: must be at most {approval.AHEAD_MAX.days} days ahead": (
            approval.too_far_ahead(request.send_at, workflow.now())
        ),
        A_CRON: bool(info.cron_schedule),
        "a workflow retry policy must not be set: it would carry out the send again": info.retry_policy is not None,
        "a workflow execution timeout must not be set: it would cut a send off from its result": (
            _cuts_off(info.execution_timeout)
        ),
        "a workflow run timeout must not be set: it would cut a send off from its result": _cuts_off(info.run_timeout),
    }
    return [sentence for sentence, applies in found.items() if applies]


def _cuts_off(timeout: timedelta | None) -> bool:
    """Whether the timeout can end a send; where the caller has set none, it may show as zero or as ten years."""
    return timeout is not None and timedelta(0) < timeout < _FOR_EVER
