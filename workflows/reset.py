"""After a reset: the account's ledger may know more of the key than what is left of this run's history."""

from typing import Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows.preparing import caught_up
    from workflows.send import Send

_RESET_WHILE_ENDING: Final = "a-reset-while-ending-asks-the-ledger"


async def ask_after_reset(send: Send) -> None:
    """Where the run was reset, ask the ledger what is known."""
    if not send.was_reset:
        return
    send.was_reset, send.first_lease = False, None
    send.say("this run was reset: the account's ledger is asked what is known")
    await caught_up(send)


async def missed_while_ending(send: Send) -> bool:
    """Whether the run was reset while it ended, and the ledger knows more of the key than this run did."""
    if not send.was_reset or not send.claimed or not workflow.patched(_RESET_WHILE_ENDING):
        return False
    send.was_reset = False
    return await caught_up(send)
