"""What workflows begin with: the account as it is pinned, and the refusal of a request."""

from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.refusal import InvalidRequestError
    from qunfa.contract.result import INVALID_REQUEST
    from qunfa.contract.steps import UNKNOWN_ACCOUNT, AccountFacts
    from workflows import calls

A_CRON: Final = "a cron schedule must not be set: a mass send is not repeated"


def refuse(problems: list[str]) -> ApplicationError:
    """The failure of a workflow whose request cannot be carried out."""
    return ApplicationError(str(InvalidRequestError(problems)), problems, type=INVALID_REQUEST, non_retryable=True)


async def account_facts(name: str) -> AccountFacts:
    """The account as the workers' configuration has it now; an unknown one is an invalid request."""
    try:
        return await calls.resolve_account(name)
    except FailureError as error:
        # A local activity may fail with its own error, a regular one wraps it.
        cause = error.cause if isinstance(error, ActivityError) else error
        if isinstance(cause, ApplicationError) and cause.type == UNKNOWN_ACCOUNT:
            raise refuse([f"account: {cause.message}"]) from None
        raise
