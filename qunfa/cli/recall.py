"""`qunfa recall`: the pages behind a delivered message go. It is of the jobs of a send, one job, or an article."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.client import Client, WorkflowFailureError, WorkflowQueryFailedError
from temporalio.exceptions import ApplicationError, FailureError, WorkflowAlreadyStartedError
from temporalio.service import RPCError

from qunfa.cli.connection import RPC_TIMEOUT, demand_worker, in_doubt, may_have_arrived, task_queue, with_client
from qunfa.cli.errors import NOT_DONE, ExitCode, PerhapsDone, Refused, done_if, explain, told_ended
from qunfa.cli.options import confirm, demand_accounts, demand_consent, login_name, payload
from qunfa.cli.output import facts, moment, note, plain, show, show_json, show_result, to_the_end
from qunfa.cli.targets import Aim, Aims, aims, meant
from qunfa.cli.typed import sends as typed
from qunfa.cli.workers import Handle, InvalidError, Question, begin, result_with_looks
from qunfa.contract import INVALID_REQUEST
from qunfa.contract.fields import Stored
from qunfa.contract.ids import RECALL_MASS_SEND, MassSendId
from qunfa.contract.recall import RECALL_FAILED, RecallCall, RecallRequest, RecallResult, RecallStatus
from qunfa.language import N_, _, sentences
from qunfa.language.phrases import told
from qunfa.markdown import plain as escaped
from qunfa.rules.evidence import evidence_words
from qunfa.rules.recall import new_calls_from
from qunfa.temporal.connection import workflow_link


class OneRecall(Stored):
    """What became of one recall among several: its `result`, or in `refusal` why there is none.

    `perhaps`: it may have been begun all the same.
    """

    account: str
    msg_id: int | None
    refusal: str | None = None
    perhaps: bool = False
    result: RecallResult | None = None


class How(NamedTuple):
    """By whom and why, and on which task queue."""

    by: str
    reason: str
    queue: str


def recall(asked: typed.Recall) -> ExitCode:
    """Carry out `qunfa recall`.

    One job: its result. Several, or a send in batches: each as it comes, or a list of `OneRecall` as JSON.
    """
    reason, account = asked.reason, asked.account
    demand_consent(yes=asked.yes)
    who = asked.by or login_name()
    demand_accounts(account)
    target = meant(asked.what, account, asked.article)
    msg_id = target if isinstance(target, int) else 1
    payload(RecallRequest, account=account or "any", msg_id=msg_id, by=who, reason=reason)
    how = How(who, reason, task_queue(asked.queue))
    found, as_list = with_client(_found, target, account, asked.article, how.queue)
    for aim in found:
        if aim.refusal is None:
            payload(RecallRequest, **aim.request(who, reason))
    _confirm(found, yes=asked.yes)
    if not as_list:
        result = with_client(recall_one, found[0], how)
        show_result(result, render_recall, as_json=asked.as_json)
        code = done_if(result.outcome == "recalled")
    else:
        with to_the_end(_note_one if asked.as_json else _show_one, _note_one) as say:
            recalls, code = with_client(_recalled_all, found, how, say)
        if asked.as_json:
            show_json(recalls)
    return code


async def _found(
    client: Client, target: MassSendId | int | str, account: str | None, article: int | None, queue: str
) -> Aims:
    await demand_worker(client, queue)
    return await aims(client, target, account, article)


def _confirm(found: list[Aim], *, yes: bool) -> None:
    """Ask whether these are to be recalled, where any of them can be."""
    number = sum(aim.refusal is None for aim in found)
    if not number:
        return
    about = [*(told(aim.what) for aim in found), *map(_, (STAYS, SHARED, FOR_GOOD))]
    question = _("Recall it?") if number == 1 else _("Recall these {number} jobs?").format(number=number)
    confirm(question, yes=yes, about=about)


async def _recalled_all(
    client: Client, found: list[Aim], how: How, say: Callable[[Aim, OneRecall], None]
) -> tuple[list[OneRecall], ExitCode]:
    """One after the other; one that does not work stops none of the others, unless none of them can work either."""
    recalls: list[OneRecall] = []
    code, why_not = ExitCode.DONE, None
    for number, aim in enumerate(found, 1):
        refusal = aim.refusal or why_not
        if refusal is not None:
            one, failed = _refused(aim, refusal), ExitCode.REFUSED
        else:
            behind = sum(other.refusal is None for other in found[number:])
            one, failed = await _attempt(client, aim._replace(behind=behind), how)
            why_not = _none_after(one, failed)
        code = max(code, failed)
        say(aim, one)
        recalls.append(one)
    return recalls, code


_NOT_BEGUN: Final = {
    ExitCode.UNREACHABLE: N_("Not begun, since Temporal did not answer before."),
    ExitCode.INTERRUPTED: N_("Not begun, since this was interrupted before."),
}


def _none_after(one: OneRecall, code: ExitCode) -> str | None:
    """Why no other recall of the account is begun after this one; nothing where others may work."""
    if (again := new_calls_from(one.result.calls) if one.result else None) is not None:
        said = _("Not begun, since WeChat takes ten recalls a day. There are new ones from {at}.")
        return said.format(at=moment(again))
    return _(_NOT_BEGUN[code]) if code in _NOT_BEGUN else None


async def _attempt(client: Client, aim: Aim, how: How) -> tuple[OneRecall, ExitCode]:
    try:
        result = await recall_one(client, aim, how)
    except (*NOT_DONE, asyncio.CancelledError) as error:
        said = explain(error)
        perhaps = said.perhaps or (isinstance(error, RPCError) and may_have_arrived(error))
        return _refused(aim, said.line, perhaps=perhaps), said.code
    return OneRecall(account=aim.account, msg_id=aim.msg_id, result=result), done_if(result.outcome == "recalled")


def _refused(aim: Aim, refusal: str, *, perhaps: bool = False) -> OneRecall:
    return OneRecall(account=aim.account, msg_id=aim.msg_id, refusal=refusal, perhaps=perhaps)


def _show_one(aim: Aim, one: OneRecall) -> None:
    show(_line(aim, one) if one.result is None else render_recall(one.result))


def _note_one(aim: Aim, one: OneRecall) -> None:
    note(_line(aim, one))


def _line(aim: Aim, one: OneRecall) -> str:
    if one.result is None:
        said = _("{name}  NOT KNOWN: {refusal}") if one.perhaps else _("{name}  NOT done: {refusal}")
        return said.format(name=told(aim.what), refusal=one.refusal)
    return f"{told(aim.what)}  {_(_WORDS[one.result.outcome][0])}"


STAYS = N_("The cards that were delivered stay visible in every chat; only the pages behind them go.")
SHARED = N_("Every other send of the same material loses its pages with it.")
FOR_GOOD = N_("A recall cannot be undone, and WeChat takes ten calls a day.")
_WORDS = {
    "recalled": (N_("recalled"), "bold green"),
    "not_recalled": (N_("NOT recalled"), "bold red"),
    "unknown": (N_("unknown"), "bold red"),
}


def render_recall(result: RecallResult) -> RenderableType:
    """What came of it, each call with WeChat's answer, and what a recall does not do."""
    word, style = _WORDS[result.outcome]
    title = Text.assemble((_aim(result), "bold"), "  ", (_(word), style))
    return Group(title, plain(told(result.sentence)), facts(_facts(result)))


def waiting_line(status: RecallStatus, behind: int = 0) -> str | None:
    """What it waits for, and how many recalls wait behind it."""
    waiting = status.waiting_for
    if waiting is None:
        return None
    calls = _(" after {number} call(s)").format(number=len(status.calls)) if status.calls else ""
    line = _("waiting{calls}: {reason}").format(calls=calls, reason=told(waiting.reason))
    line += _("; next at {until}").format(until=moment(waiting.until)) if waiting.until else ""
    return line + (_("; {number} more wait behind it").format(number=behind) if behind else "")


def _aim(result: RecallResult) -> str:
    article = _(", article {article_idx}").format(article_idx=result.article_idx) if result.article_idx else ""
    job = _("msg_id {msg_id}{article}").format(msg_id=result.msg_id, article=article)
    job = job if result.msg_id is not None else result.url or ""
    return f"{result.account}/{result.key}, {job}" if result.key else f"{result.account}, {job}"


def _facts(result: RecallResult) -> Iterator[tuple[str, str]]:
    if result.msgtype:
        yield _("message"), _(result.msgtype)
    for number, call in enumerate(result.calls):
        yield "" if number else "mass/delete", f"{moment(call.at)}  {_answer(call)}"
    if result.status:
        yield "mass/get", result.status
    yield _("by"), _("{by}: {reason}").format(by=result.by, reason=result.reason)
    if result.outcome == "recalled":
        yield _("note"), sentences(_(STAYS), _(SHARED))


_CALLED: Final = {"ok": "ok", "refused": N_("refused"), "lost": N_("no answer came"), "not_written": N_("not called")}


def _answer(call: RecallCall) -> str:
    said = evidence_words(call.errcode, call.errmsg, call.rid)
    what = _(_CALLED[call.answer])
    return ", ".join(part for part in (what, said or call.detail or "") if part)


_LOOK_EVERY: Final = 1.0


async def recall_one(client: Client, aim: Aim, how: How) -> RecallResult:
    """The recall's result, good or bad; stderr shows what it waits for.

    Raises:
        Refused: Another one of the same job is under way, or it was ended from outside.
        RPCError: Temporal does not answer any more.
    """
    where = workflow_link(client, aim.workflow_id) or _("the workflow {workflow_id}").format(
        workflow_id=aim.workflow_id
    )
    summary = f"Recall of {escaped(aim.what)}"
    question = Question(RECALL_MASS_SEND, aim.workflow_id, aim.request(how.by, how.reason), summary, at_most=None)
    try:
        with in_doubt(_("The recall may have been started: {where}").format(where=where)):
            handle = await begin(client, question, RecallResult, how.queue)
    except WorkflowAlreadyStartedError:
        raise await _under_way(client, aim) from None
    try:
        return await _followed(handle, aim.behind)
    except WorkflowFailureError as error:
        return _ended_badly(error)
    except (asyncio.CancelledError, RPCError):
        note(_("The recall goes on without this command: {where}").format(where=where))
        raise


async def _followed(handle: Handle[RecallResult], behind: int) -> RecallResult:
    said: str | None = None

    async def look() -> None:
        nonlocal said
        status = await _status(handle)
        line = waiting_line(status, behind) if status else None
        if line and line != said:
            note(line)
            said = line

    return await result_with_looks(handle, look, _LOOK_EVERY)


async def _status(handle: Handle[RecallResult]) -> RecallStatus | None:
    try:
        status: RecallStatus = await handle.query("status", result_type=RecallStatus, rpc_timeout=RPC_TIMEOUT)
    except (WorkflowQueryFailedError, RPCError, ValidationError):  # no worker just now, or a newer one
        return None
    return status


async def _under_way(client: Client, aim: Aim) -> Refused:
    handle: Handle[RecallResult] = client.get_workflow_handle(aim.workflow_id)
    status = await _status(handle)
    by = _(", by {by}: {reason}").format(by=status.by, reason=status.reason) if status and status.by else ""
    line = (status and waiting_line(status)) or _("See the workflow {workflow_id}.").format(workflow_id=aim.workflow_id)
    return Refused(_("A recall is under way already{by}. {line}").format(by=by, line=line))


def _ended_badly(error: WorkflowFailureError) -> RecallResult:
    match error.cause:
        case ApplicationError(type=kind, details=details) if kind == RECALL_FAILED and details:
            return RecallResult.model_validate(details[0])
        case ApplicationError(type=kind) as cause if kind == INVALID_REQUEST:
            sentence = _("Nothing was recalled: {said}")
            raise Refused(sentence.format(said=told(InvalidError(cause).said)))
        case FailureError(message=message):
            said = _("The recall was ended: {message} What it had done stands in its history.")
            raise PerhapsDone(said.format(message=told_ended(message)))
        case cause:
            raise PerhapsDone(str(cause))
