"""The beginning of a send: the request, the account, the key."""

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.audience import Tag
    from qunfa.contract.ids import mass_send_id
    from qunfa.contract.ledger import Ask, Claim, Record
    from qunfa.contract.refusal import InvalidRequestError
    from qunfa.contract.request import MassSendRequest, parse_request
    from qunfa.contract.result import INVALID_REQUEST
    from qunfa.contract.status import Approval
    from qunfa.contract.steps import UNKNOWN_ACCOUNT, AccountFacts
    from qunfa.rules import approval
    from qunfa.rules.course import Over, earlier_end, merge, over, taken_over
    from qunfa.rules.digest import content_digest
    from qunfa.rules.material import found, needs_material
    from qunfa.rules.outcome import from_ledger, used_before
    from qunfa.rules.problems import LOOK_FIRST, describe
    from qunfa.rules.submission import Ask as AskOperator
    from workflows import calls
    from workflows.making import MakingRefusedError, MakingStoppedError
    from workflows.material import look_at_material
    from workflows.send import Ending, Send, bad_end
    from workflows.send_state import SendState

_ABORT_TOO_LATE: Final = "an-abort-before-the-ledger-has-told-may-be-too-late"
_A_PUSH_TELLS_MORE: Final = "a-push-on-an-unknown-job-asks-the-ledger"
_REFUSED_IS_SHOWN: Final = "a-refused-request-is-shown"
_FOR_EVER: Final = timedelta(days=3650)
_USE_A_NEW_KEY: Final = "Use a new key to send again."
A_CRON: Final = "a cron schedule must not be set: a mass send is not repeated"


def refuse(problems: list[str]) -> ApplicationError:
    """The failure of a workflow whose request cannot be carried out."""
    return ApplicationError(str(InvalidRequestError(problems)), problems, type=INVALID_REQUEST, non_retryable=True)


def is_shown() -> bool:
    """Whether a refused request is shown, and its key asked about: a run of an older worker has just failed."""
    return workflow.patched(_REFUSED_IS_SHOWN)


def read_request(raw: Any) -> MassSendRequest:
    """The request, if it keeps the promises."""
    try:
        return parse_request(raw)
    except InvalidRequestError as error:
        raise refuse(error.problems) from None


def check_start(request: MassSendRequest) -> None:
    """Refuse a request whose workflow was started in a way that breaks a promise."""
    if problems := _start_problems(request):
        raise refuse(problems)


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


async def prepare(send: Send) -> Ending | None:
    """Pin the account and claim the key; the ending where the key has been settled before."""
    facts = await account_facts(send.asked.account)
    send.wants = facts.notices
    if problems := approval.problems(facts.approval, send.asked):
        raise refuse(problems)
    try:
        inspection = await look_at_material(send, facts)
    except MakingStoppedError:
        known = (await calls.known(facts, send.asked.key)).jobs
        send.before = from_ledger(known)
        return Ending(bad_end(known, "aborted" if send.stopping() else "expired"))
    except MakingRefusedError as refused:
        raise refuse([refused.problem.sentence, *await _said_of_the_key(send, facts)]) from None
    if inspection.problems:
        raise refuse([*inspection.problems, *await _said_of_the_key(send, facts)])
    material = found(inspection) if needs_material(send.asked.message) else None
    info = workflow.info()
    state = SendState(
        facts=facts,
        digest=content_digest(send.asked, material),
        material=material,
        namespace=info.namespace,
        workflow_id=info.workflow_id,
        send_at=send.asked.send_at,
        approval=Approval(required=approval.is_required(facts.approval, send.asked)),
        send_ignore_reprint=send.asked.send_ignore_reprint,
        cancelled=send.cancelled,
    )
    ending = await claim(send, state.with_generation(send.asked.key, 0))
    if ending is None:
        send.state = send.state.changed(jobs=taken_over(send.state.jobs))
    return ending


async def _said_of_the_key(send: Send, facts: AccountFacts) -> list[str]:
    """What a run of an older worker has asked here of the key; it is asked of every refusal now."""
    if is_shown():
        return []
    said = used_before(send.asked.key, (await calls.known(facts, send.asked.key)).jobs)
    return [said] if said else []


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


async def claim(send: Send, state: SendState, *, asking: bool = True) -> Ending | None:
    """Claim the key, and merge what the ledger knows of it; when ``asking``, with the first lease in the same call."""
    request = send.asked
    while True:
        asked = Claim(
            key=request.key,
            digest=state.digest,
            workflow_id=state.workflow_id,
            found=tuple(job for job in state.jobs if job.attempts),
            ask=_first_ask(send, state) if asking else None,
            holder=workflow.info().run_id,
        )
        answer = await calls.claim(state.facts, asked)
        if answer.kind == "reused" and not send.claimed:
            raise refuse([f'key: "{request.key}" stands for other content already; use a new key for this one'])
        if answer.kind == "reused":
            return Ending(bad_end(send.state.jobs, "failed"), describe("key_reused", send.state.current))
        if answer.record is not None:
            break
        send.was_reset = False
        until = workflow.now() + timedelta(minutes=5)
        await send.wait("room in the account's ledger, which is full of unsettled sends", until, lambda: False)
        if send.stopping():
            break
    if not send.claimed:
        send.state = state
    if answer.record is None:
        return None
    if asking:
        send.first_lease = answer.lease
    return merge_record(send, answer.record)


async def caught_up(send: Send) -> bool:
    """Whether the ledger knew more than this run, which now knows it too: so it is after a reset."""
    before = send.state.jobs
    await claim(send, send.state, asking=False)
    return send.state.jobs != before


async def keep_hearing(send: Send) -> None:
    """For as long as the send runs: ask the ledger when it sends on a push on a job that this run does not know.

    It is a task of its own, since an older run waits for its operator all the same; and no signal handler, since what
    one does comes before the updates of its workflow task in a replay, and may have come after them.
    """
    while True:
        await workflow.wait_condition(lambda: send.heard_more)
        send.heard_more = False
        if send.phase == "needs_operator" and workflow.patched(_A_PUSH_TELLS_MORE):
            await caught_up(send)


def _first_ask(send: Send, state: SendState) -> Ask | None:
    """The first lease is asked for along with the key where nothing has to come before it."""
    request, now = send.asked, workflow.now()
    expects = isinstance(request.audience, Tag) and request.audience.expect is not None
    later = request.send_at is not None and request.send_at > now
    over = request.not_after is not None and request.not_after <= now
    hours = state.facts.send_hours not in {None, ("00:00", "24:00")}
    first = state.material is not None or request.preview is not None or state.approval.required
    if expects or later or over or hours or first or state.current.attempts or send.stopping():
        return None
    return ask_for(state)


def ask_for(state: SendState) -> Ask:
    """The next try, as the ledger is asked for it."""
    job = state.current
    timing = state.facts.timing
    return Ask(
        index=job.index,
        generation=job.generation,
        attempt=job.attempts + 1,
        clientmsgid=job.clientmsgid,
        ever_unknown=job.ever_unknown,
        pace=timing.pace,
        http_timeout=timing.http_timeout,
        holder=workflow.info().run_id,
    )


def _stop_if_not_too_late(send: Send) -> None:
    """Forget an abort that was given before the ledger has told of a try, which is settled first like any other."""
    settled = isinstance(send.course(), AskOperator | Over)
    if send.stop and not settled and send.may_have_been_delivered() and workflow.patched(_ABORT_TOO_LATE):
        send.say("the abort came too late: the ledger knows of a try that may have been delivered")
        send.stop = None


def merge_record(send: Send, record: Record) -> Ending | None:
    """Take over what the ledger knows; the ending where it knows the end."""
    before = send.state.jobs
    jobs = merge(before, tuple(job.model_copy(update={"gave_up": False}) for job in record.jobs))
    send.state = send.state.changed(jobs=jobs)
    if jobs == before:
        return None
    end = earlier_end(record)
    if end is None:
        send.say(f"the account's ledger knows this key: {len(record.jobs)} earlier submission(s) taken over")
        _stop_if_not_too_late(send)
        return None
    send.state = send.state.changed(jobs=from_ledger(jobs))
    if end.delivered:
        send.say("the account's ledger knows this key: it was sent before, so nothing is submitted")
        return Ending(over(end).outcome)
    problem = describe(end.name, send.state.current)
    sentence = f"This key has failed as {end.name} before, and nothing was submitted now: {problem.sentence}"
    send.say(f"the account's ledger knows this key: it failed as {end.name}")
    ended = bad_end(jobs, "failed")
    todo = _USE_A_NEW_KEY if ended == "failed" else LOOK_FIRST
    return Ending(ended, problem.model_copy(update={"sentence": sentence, "todo": todo}))
