"""Before "nothing was delivered" is said: the ledger and WeChat are asked, since a no may be forged or premature."""

from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.result import COMPLETES
    from qunfa.contract.steps import AWAIT_VERDICT
    from qunfa.rules.problems import LOOK_FIRST, NO_NEW_KEY
    from qunfa.rules.second_submission import is_under_way
    from workflows import calls
    from workflows.awaiting import take_yes
    from workflows.preparing import caught_up
    from workflows.send import Ending, Send
    from workflows.submitting import return_lease

_ASKS_BEFORE_A_NO: Final = "asks-mass-get-before-a-no"
_SENDING_IS_NO_NO: Final = "a-sending-of-mass-get-is-no-no"
_ASKS_BEFORE_AN_UNKNOWN: Final = "an-unknown-end-asks-the-ledger"


async def confirmed(send: Send, ending: Ending) -> Ending | None:
    """The ending as it may be told; ``None`` where it is premature: something was delivered that this run missed."""
    if ending.outcome in COMPLETES:
        return ending
    if send.first_lease and send.first_lease.lease:
        lease, send.first_lease = send.first_lease.lease, None
        await return_lease(send, lease)
    if send.may_have_been_delivered():
        knew_less = workflow.patched(_ASKS_BEFORE_AN_UNKNOWN) and await caught_up(send)
        return None if knew_less else _warned(ending)
    if await caught_up(send) and send.may_have_been_delivered():
        why = "the ledger knows of a try that may have been delivered"
    else:
        undecided = await _undecided(send)
        if not send.may_have_been_delivered():
            return _in_doubt(send, ending, undecided) if undecided else _warned(ending)
        why = "WeChat says that it was delivered"
    if send.stop:
        send.say(f"the abort came too late: {why}")
        send.stop = None
    return None


def _warned(ending: Ending) -> Ending:
    """An ending as unknown: what the table advises to do about its problem may be to use a new key."""
    problem = ending.problem
    if problem is None or ending.outcome != "unknown" or problem.name == "key_reused" or problem.todo == LOOK_FIRST:
        return ending
    return Ending(ending.outcome, problem.model_copy(update={"todo": NO_NEW_KEY}))


async def key_failed_again(send: Send, ending: Ending) -> Ending | None:
    """What the ledger said of a key that had failed before, as :func:`confirmed` lets it be told."""
    if ending.outcome in COMPLETES or not send.claimed or not workflow.patched(_SENDING_IS_NO_NO):
        return ending
    return await confirmed(send, ending)


async def _undecided(send: Send) -> list[int]:
    """Ask WeChat of each job that was said to have failed; those which are still under way."""
    msg_ids = [job.msg_id for job in send.state.jobs if job.msg_id is not None]
    if not msg_ids or not workflow.patched(_ASKS_BEFORE_A_NO):
        return []
    undecided: list[int] = []
    for msg_id in msg_ids:
        try:
            said = await calls.job_status(send.state.facts, msg_id)
        except ActivityError:
            send.say(f"WeChat could not be asked about msg_id {msg_id}: what it said before stands")
            continue
        status = said.status
        if is_under_way(said) and workflow.patched(_SENDING_IS_NO_NO):
            status = await _last_word(send, msg_id)
            if status is None:
                undecided.append(msg_id)
        await take_yes(send, msg_id, status)
    return undecided


async def _last_word(send: Send, msg_id: int) -> str | None:
    """What ``mass/get`` says in the end; ``None`` where the job is under way for the whole grace."""
    facts, interval = send.state.facts, send.asked.result.poll_interval
    asking = calls.await_verdict(facts, msg_id, interval, workflow.now() + facts.timing.push_grace)
    with send.waiting(f"WeChat's last word on msg_id {msg_id}: it was said to have failed, and is still under way"):
        await workflow.wait_condition(lambda: asking.done() or send.may_have_been_delivered())
    if not asking.done():
        asking.cancel()
        return None
    try:
        return (await asking).status
    except ActivityError as error:
        if not calls.ending_counts_for_nothing(AWAIT_VERDICT, error):
            raise
        send.say(f"the asking about msg_id {msg_id} was ended by hand: WeChat's last word on it is not known")
        return None


def _in_doubt(send: Send, ending: Ending, msg_ids: list[int]) -> Ending:
    """An ending that nobody can be sure of."""
    jobs = ", ".join(f"msg_id {msg_id}" for msg_id in msg_ids)
    doubt = f"mass/get does not yet say that {jobs} has failed, as it was said before: it may be delivered all the same"
    send.say(doubt)
    problem = ending.problem and ending.problem.model_copy(
        update={"sentence": f"{ending.problem.sentence} But {doubt}.", "todo": NO_NEW_KEY}
    )
    return Ending("unknown", problem)
