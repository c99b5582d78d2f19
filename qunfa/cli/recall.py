"""`qunfa recall`: the pages behind a delivered message go. It is of the jobs of a send, one job, or an article."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, NamedTuple

import typer
from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowQueryFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, FailureError, WorkflowAlreadyStartedError
from temporalio.service import RPCError

from qunfa.cli.connection import RPC_TIMEOUT, demand_worker, run, task_queue, temporal_client
from qunfa.cli.errors import ExitCode, Refused, WrongUse
from qunfa.cli.ledger import ledgers
from qunfa.cli.options import confirm, demand_accounts, demand_consent, login_name, payload, send_id, short_name
from qunfa.cli.output import facts, note, plain, show, show_json
from qunfa.cli.times import moment
from qunfa.cli.typed import sends as typed
from qunfa.cli.view import SendView, read_send
from qunfa.cli.workers import InvalidError, problems_of, result_with_looks
from qunfa.contract import INVALID_REQUEST, MASS_SEND
from qunfa.contract.ids import RECALL_MASS_SEND, MassSendId, parse_mass_send_id, recall_id
from qunfa.contract.recall import RECALL_FAILED, RecallCall, RecallRequest, RecallResult, RecallStatus, article_at
from qunfa.contract.refusal import full_stop
from qunfa.contract.result import JobResult
from qunfa.language import N_, _, sentences
from qunfa.language.phrases import told
from qunfa.markdown import plain as escaped
from qunfa.markdown import summary_line
from qunfa.rules.evidence import evidence_words
from qunfa.temporal.ui import workflow_link


class Aim(NamedTuple):
    """One recall: of a job, of one of its articles, or of the article at a URL. `what` says so to people."""

    account: str
    what: str
    msg_id: int | None = None
    article_idx: int | None = None
    url: str | None = None

    @property
    def workflow_id(self) -> str:
        """The workflow id of the recall."""
        return recall_id(self.account, self.msg_id if self.msg_id is not None else self.url or "")

    def request(self, by: str, reason: str) -> dict[str, object]:
        """The input of `RecallMassSend`."""
        aim = {"msg_id": self.msg_id, "article_idx": self.article_idx, "url": self.url}
        given = {name: value for name, value in aim.items() if value is not None}
        return {"account": self.account, **given, "by": by, "reason": reason}


_RECALLABLE: Final = frozenset({"accepted", "sent", "sent_nobody"})
_SEARCHED: Final = 100


def meant(named: str, account: str | None, article: int | None) -> MassSendId | int | str:
    """What was typed: a send, a msg_id, or the address of an article.

    Raises:
        WrongUse: It is none of them.
    """
    if named.startswith(("http://", "https://")):
        if article is not None:
            raise WrongUse(_("--article goes with a send or a msg_id: an address is one article's already."))
        return named
    return int(named) if named.isascii() and named.isdigit() else send_id(named, account)


async def aims(client: Client, target: MassSendId | int | str, account: str | None, article: int | None) -> list[Aim]:
    """Every job that is meant; several where a send was made in several.

    Raises:
        WrongUse: Nothing says of which account it is.
        Refused: Nothing of it can be recalled.
    """
    if isinstance(target, str):
        return [await _by_url(client, target, account)]
    if isinstance(target, int):
        return [await _by_msg_id(client, target, account, article)]
    return await _of_send(client, target, article)


async def _of_send(client: Client, send: MassSendId, article: int | None) -> list[Aim]:
    view = await read_send(client, send)
    jobs = [job for job in _jobs(view) if job.msg_id is not None and job.state in _RECALLABLE]
    if not jobs:
        said = _("{send} has nothing to recall: {why_nothing}")
        raise Refused(said.format(send=short_name(send), why_nothing=_why_nothing(view)))
    return [_aim_of(send, job, article) for job in jobs]


def _jobs(view: SendView) -> tuple[JobResult, ...]:
    if view.result is not None:
        return view.result.jobs
    return view.status.jobs if view.status else ()


def _why_nothing(view: SendView) -> str:
    jobs = _jobs(view)
    if jobs:
        return _("; ").join(
            _("job {index} is {state}").format(index=job.index, state=_(job.state)) for job in jobs
        ) + _(".")
    return told(view.note or "") or _("WeChat has accepted none of its jobs.")


def _aim_of(send: MassSendId, job: JobResult, article: int | None) -> Aim:
    reached = f", {job.counts.sent:,} received it" if job.counts else ""
    part = f"article {article} of " if article else ""
    what = f"{part}{short_name(send)}: msg_id {job.msg_id}, {job.state.replace('_', ' ')}{reached}"
    return Aim(send.account, what, msg_id=job.msg_id, article_idx=article)


async def _by_msg_id(client: Client, msg_id: int, account: str | None, article: int | None) -> Aim:
    sends = [send async for send in _sends_with(client, msg_id) if account in {None, send.account}]
    accounts = {send.account for send in sends}
    if len(accounts) > 1:
        said = _("msg_id {msg_id} is known of the accounts {accounts}: say --account NAME.")
        raise WrongUse(said.format(msg_id=msg_id, accounts=", ".join(sorted(accounts))))
    named = next(iter(accounts), account)
    if named is None:
        sentence = _("No send here has the msg_id {msg_id}: say of which account it is with --account NAME.")
        raise WrongUse(sentence.format(msg_id=msg_id))
    part = f"article {article} of " if article else ""
    whose = f"a job of {short_name(sends[0])}" if sends else f"a job of {named}, by no send that is known here"
    return Aim(named, f"{part}msg_id {msg_id}, {whose}", msg_id=msg_id, article_idx=article)


async def _sends_with(client: Client, msg_id: int) -> AsyncIterator[MassSendId]:
    query = f"WorkflowType = '{MASS_SEND}' AND MassSendMsgId = '{msg_id}'"
    async for found in client.list_workflows(query, limit=_SEARCHED, rpc_timeout=RPC_TIMEOUT):
        if (send := parse_mass_send_id(found.id)) is not None:
            yield send


async def _by_url(client: Client, url: str, account: str | None) -> Aim:
    known = await ledgers(client)
    for view in known.values():
        found = view and article_at(view, url)
        send = found and found.record and parse_mass_send_id(found.record.workflow_id)
        if found and send and account in {None, send.account}:
            what = f"article {found.article_idx} of {short_name(send)}: msg_id {found.msg_id}"
            return Aim(send.account, what, msg_id=found.msg_id, article_idx=found.article_idx)
    if account is None:
        silent = [workflow_id for workflow_id, view in known.items() if view is None]
        but = _(" ({silent} did not answer: is there a worker?)").format(silent=", ".join(silent)) if silent else ""
        said = _("No account's ledger knows this address{but}: say whose article it is with --account NAME.")
        raise WrongUse(said.format(but=but))
    return Aim(account, f"the article of {account} at {url}, by no send that is known here", url=url)


def recall(asked: typed.Recall) -> None:
    """Carry out `qunfa recall`."""
    reason, account = asked.reason, asked.account
    demand_consent(yes=asked.yes)
    who = asked.by or login_name()
    demand_accounts(account)
    target = meant(asked.what, account, asked.article)
    msg_id = target if isinstance(target, int) else 1
    payload(RecallRequest, account=account or "any", msg_id=msg_id, by=who, reason=reason)
    found = run(_found(target, account, asked.article, task_queue(asked.queue)))
    for aim in found:
        payload(RecallRequest, **aim.request(who, reason))
    _confirm(found, yes=asked.yes)
    results = run(_recalled(found, who, reason, task_queue(asked.queue)))
    if asked.as_json:
        show_json(results[0] if len(results) == 1 else results)
    else:
        show(*(render_recall(one) for one in results))
    if not all(one.outcome == "recalled" for one in results):
        raise typer.Exit(ExitCode.REFUSED)


async def _found(target: MassSendId | int | str, account: str | None, article: int | None, queue: str) -> list[Aim]:
    client = await temporal_client()
    await demand_worker(client, queue)
    return await aims(client, target, account, article)


def _confirm(found: list[Aim], *, yes: bool) -> None:
    about = [*(told(aim.what) for aim in found), *map(_, (STAYS, SHARED, FOR_GOOD))]
    confirm(
        _("Recall it?") if len(found) == 1 else _("Recall these {number} jobs?").format(number=len(found)),
        yes=yes,
        about=about,
    )


async def _recalled(found: list[Aim], by: str, reason: str, queue: str) -> list[RecallResult]:
    client = await temporal_client()
    return [await recall_one(client, aim, by, reason, queue) for aim in found]


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


def waiting_line(status: RecallStatus) -> str | None:
    """What a recall waits for, in a line; `None` where it does not wait."""
    waiting = status.waiting_for
    if waiting is None:
        return None
    calls = _(" after {number} call(s)").format(number=len(status.calls)) if status.calls else ""
    return _("waiting{calls}: {reason}").format(calls=calls, reason=told(waiting.reason)) + (
        _("; next at {until}").format(until=moment(waiting.until)) if waiting.until else ""
    )


def _aim(result: RecallResult) -> str:
    article = _(", article {article_idx}").format(article_idx=result.article_idx) if result.article_idx else ""
    job = (
        _("msg_id {msg_id}{article}").format(msg_id=result.msg_id, article=article)
        if result.msg_id is not None
        else result.url or ""
    )
    return f"{result.account}/{result.key}, {job}" if result.key else f"{result.account}, {job}"


def _facts(result: RecallResult) -> Iterator[tuple[str, str]]:
    if result.msgtype:
        yield _("message"), result.msgtype
    for number, call in enumerate(result.calls):
        yield "" if number else "mass/delete", f"{moment(call.at)}  {_answer(call)}"
    if result.status:
        yield "mass/get", result.status
    yield _("by"), f"{result.by}: {result.reason}"
    if result.outcome == "recalled":
        yield _("note"), sentences(_(STAYS), _(SHARED))


_CALLED: Final = {
    "ok": "ok",
    "refused": N_("refused"),
    "lost": N_("no answer came"),
    "not_written": N_("not called"),
}


def _answer(call: RecallCall) -> str:
    said = evidence_words(call.errcode, call.errmsg, call.rid)
    what = _(_CALLED[call.answer])
    return ", ".join(part for part in (what, said or call.detail or "") if part)


Handle = WorkflowHandle[Any, RecallResult]
_LOOK_EVERY: Final = 1.0


async def recall_one(client: Client, aim: Aim, by: str, reason: str, queue: str) -> RecallResult:
    """The recall's result, good or bad; stderr shows what it waits for.

    Raises:
        Refused: Another one of the same job is under way, or it was ended from outside.
        RPCError: Temporal does not answer any more.
    """
    try:
        handle: Handle = await client.start_workflow(
            RECALL_MASS_SEND,
            aim.request(by, reason),
            id=aim.workflow_id,
            task_queue=queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            result_type=RecallResult,
            static_summary=summary_line(f"Recall of {escaped(aim.what)}"),
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        raise await _under_way(client, aim) from None
    try:
        return await _followed(handle)
    except WorkflowFailureError as error:
        return _ended_badly(error)
    except (asyncio.CancelledError, RPCError):
        said = _("the workflow {workflow_id}")
        where = workflow_link(client, aim.workflow_id) or said.format(workflow_id=aim.workflow_id)
        note(_("The recall goes on without this command: {where}").format(where=where))
        raise


async def _followed(handle: Handle) -> RecallResult:
    said: str | None = None

    async def look() -> None:
        nonlocal said
        status = await _status(handle)
        line = waiting_line(status) if status else None
        if line and line != said:
            note(line)
            said = line

    result: RecallResult = await result_with_looks(handle, look, _LOOK_EVERY)
    return result


async def _status(handle: Handle) -> RecallStatus | None:
    try:
        status: RecallStatus = await handle.query("status", result_type=RecallStatus, rpc_timeout=RPC_TIMEOUT)
    except (WorkflowQueryFailedError, RPCError):  # no worker just now: the result comes when there is one
        return None
    return status


async def _under_way(client: Client, aim: Aim) -> Refused:
    handle: Handle = client.get_workflow_handle(aim.workflow_id)
    status = await _status(handle)
    by = _(", by {by}: {reason}").format(by=status.by, reason=status.reason) if status and status.by else ""
    line = (status and waiting_line(status)) or _("See the workflow {workflow_id}.").format(workflow_id=aim.workflow_id)
    return Refused(_("{what}: a recall is under way already{by}. {line}").format(what=told(aim.what), by=by, line=line))


def _ended_badly(error: WorkflowFailureError) -> RecallResult:
    match error.cause:
        case ApplicationError(type=kind, details=details) if kind == RECALL_FAILED and details:
            return RecallResult.model_validate(details[0])
        case ApplicationError(type=kind, message=message) as cause if kind == INVALID_REQUEST:
            sentence = _("Nothing was recalled: {said}")
            raise Refused(sentence.format(said=told(InvalidError(message, problems_of(cause)).said)))
        case FailureError(message=message):
            said = _("The recall was ended: {message} What it had done stands in its history.")
            raise Refused(said.format(message=told(full_stop(message))))
        case cause:
            raise Refused(str(cause))
