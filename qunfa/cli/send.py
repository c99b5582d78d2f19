"""`qunfa send`."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Final, NamedTuple

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from qunfa.cli import typed
from qunfa.cli.connection import RPC_TIMEOUT, in_doubt, task_queue, warn_without_worker, with_client
from qunfa.cli.errors import ExitCode, Refused, WrongUse, done_if
from qunfa.cli.ledger import find_appid, views_of
from qunfa.cli.message import contents, heading, in_words, message_of, names_files
from qunfa.cli.options import confirm, demand_ahead, demand_consent, login_name, short_name
from qunfa.cli.output import note, show, show_json, stderr, stdout
from qunfa.cli.preview import check, plan_facts, show_check, size_words
from qunfa.cli.request import Request, assemble, details, messages, recipients, summary, times
from qunfa.cli.status import render_send
from qunfa.cli.view import SendView, read_send, request_of
from qunfa.cli.watch import follow_on
from qunfa.contract import MASS_SEND, MassSendRequest, account_id, mass_send_id
from qunfa.contract.audience import All, describe, is_long
from qunfa.contract.checks import CheckResult
from qunfa.contract.content import CONTENT, Differing, differing
from qunfa.contract.ids import MassSendId
from qunfa.language import _
from qunfa.language.phrases import told, told_whole
from qunfa.temporal.connection import workflow_link

EARLY: Final = timedelta(seconds=2)
"""How long a command that does not follow its send waits for an early end."""


class Started(NamedTuple):
    """A send that was started (`run_id`), or one that runs already under its key (no `run_id`)."""

    send: MassSendId
    run_id: str | None


def send(asked: typed.Send) -> ExitCode:
    """Carry out `qunfa send`."""
    yes, as_json = asked.yes, asked.as_json
    queue = task_queue(asked.queue)
    previewed = recipients(asked.preview_to)
    overrides = {
        "account": asked.account,
        "key": asked.key,
        "message": message_of(asked.message),
        "fit_images": asked.message.fit_images,
        "preview": None if previewed is None else {"to": previewed},
        **asked.conditions._asdict(),
    }
    request = assemble(asked.file, asked.audience, overrides, defaults=_requested_by_login())
    demand_ahead(request.parsed.send_at, _("leave it out"))
    if asked.dry_run:
        return show_check(request, with_client(check, request, queue), as_json=as_json)
    demand_consent(yes=yes, first=_("look at it with --dry-run"))
    found = None if yes or not is_long(request.parsed.audience) else _looked_at(request, queue)
    if found is not None and found.problems:
        return show_check(request, found, as_json=as_json)
    question = _("Send to {whom} of {account}?").format(whom=_whom(request, found), account=request.parsed.account)
    confirm(question, yes=yes, about=_what_goes_out(request, found))
    view = with_client(_send, request, queue, wait=asked.wait, as_json=as_json)
    _print(view, as_json=as_json)
    return done_if(view.state == "running" or view.ended_well)


def _requested_by_login() -> dict[str, str]:
    """A request need not say who asks for it: where the system does not know, nobody is named."""
    try:
        return {"requested_by": login_name()}
    except WrongUse:
        return {}


def _looked_at(request: Request, queue: str) -> CheckResult | None:
    """What the workers find of a send in batches: whoever confirms it is to know how many it goes to."""
    note(_("The workers look at the audience, which may take a minute. Nothing is sent meanwhile."))
    try:
        return with_client(check, request, queue)
    except Refused as error:
        note(_("How many it goes to is not known: {why}").format(why=error))
        return None


def _whom(request: Request, found: CheckResult | None) -> str:
    audience = request.parsed.audience
    if found is not None and found.plan is not None:
        return f"{told(describe(audience))} ({size_words(found.plan)})"
    return _("every follower") if isinstance(audience, All) else told(describe(audience))


def _what_goes_out(request: Request, found: CheckResult | None) -> list[str]:
    """Line by line; text that breaks its line cannot pass for a line of its own."""
    said: list[str] = []
    for label, message in messages(request.parsed):
        begins = f"{label}: " if request.parsed.split else ""
        said += [f"{begins}{told_whole(heading(message))}", *(f"  {line}" for line in contents(message))]
    said += [f"{label}: {words}" for label, words in times(request.parsed)]
    if found is not None and found.plan is not None:
        said += [
            f"{label}: {words}" if label else f"  {words}" for label, words in plan_facts(found.plan, found.ends_at)
        ]
    return [line.replace("\n", "\n    ") for line in said]


async def _send(client: Client, request: Request, queue: str, *, wait: bool, as_json: bool) -> SendView:
    started = await start(client, request, queue)
    if started.run_id is None:
        await _accept_running(client, request, started.send, wait=wait, as_json=as_json)
    try:
        if started.run_id is not None:
            await warn_without_worker(client, queue)
        if wait:
            return await follow_on(stderr() if as_json else stdout(), client, started.send)
        ended = await ends_early(client, started)
    except (asyncio.CancelledError, RPCError):
        note(_("{send} goes on without this command: qunfa status {send}").format(send=short_name(started.send)))
        raise
    return await _ended(client, started.send) if ended else _begun(client, request.parsed, started)


async def _ended(client: Client, send: MassSendId) -> SendView:
    try:
        return await read_send(client, send)
    except (asyncio.CancelledError, RPCError):
        note(_("{send} has ended, and how is not known here: qunfa status {send}").format(send=short_name(send)))
        raise


async def _accept_running(client: Client, request: Request, send: MassSendId, *, wait: bool, as_json: bool) -> None:
    """One runs under the key: with `--wait` it is followed, if it says the same; otherwise its status is shown."""
    running = await request_of(client, mass_send_id(*send))
    differs = differing(request.parsed, running) if running is not None else Differing(CONTENT, in_uris=True)
    has_files = any(names_files(one) for _label, one in messages(request.parsed))
    files = _(", its files as they were when it started") if has_files else ""
    if wait and not differs.fields:
        said = _("{send} runs already, with the same content{files}: following it.")
        note(said.format(send=short_name(send), files=files))
        return
    view = await read_send(client, send)
    _print(view, as_json=as_json)
    if not differs.fields:
        content = _("the same content{files}").format(files=files)
    elif running is None:
        content = _(
            "a request that this version cannot read: it may be the same, and another key would deliver it twice. "
            "Upgrade Qunfa here"
        )
    elif differs.in_uris:
        content = _("other URIs: what stands there may be the same, and another key would deliver it twice")
    elif await _may_have_gone_out(client, view):
        content = _(
            "OTHER content. Temporal's database was restored, so yours may have been sent under this key since the "
            "snapshot: look into WeChat's console, and use no new key before you know"
        )
    else:
        content = _("OTHER content: a key stands for one content for ever, so choose another")
    sentence = _("{send} runs already, with {content}. Nothing was started.")
    raise Refused(sentence.format(send=short_name(send), content=content))


async def _may_have_gone_out(client: Client, running: SendView) -> bool:
    """Whether what runs may be back from a snapshot: since then its key may have been forgotten, and used again."""
    with suppress(WrongUse, RPCError):
        account = account_id(await find_appid(client, running.account))
        view = (await views_of(client, [account], {"key": running.key}))[account]
        if view is not None and view.restored is not None and running.started_at is not None:
            return view.restored.ended_at is None or running.started_at <= view.restored.ended_at
    return False


def _begun(client: Client, request: MassSendRequest, started: Started) -> SendView:
    workflow_id = mass_send_id(*started.send)
    return SendView(
        workflow_id=workflow_id,
        run_id=started.run_id,
        account=request.account,
        key=request.key,
        request=in_words(request),
        state="running",
        link=workflow_link(client, workflow_id, started.run_id),
    )


def _print(view: SendView, *, as_json: bool) -> None:
    if as_json:
        show_json(view)
        return
    show(render_send(view))
    if view.state == "running" and view.status is None:
        show(_("Started. Follow it: qunfa status {account}/{key}").format(account=view.account, key=view.key))


async def start(client: Client, request: Request, queue: str) -> Started:
    """Start the send, unless one runs under its key.

    A closed one of the same key is no hindrance: the account's ledger knows what became of it, and nothing is
    delivered twice.
    """
    parsed = request.parsed
    send = MassSendId(parsed.account, parsed.key)
    doubt = _("{send} may have been started: qunfa status {send}. The same key never sends twice; another one would.")
    try:
        with in_doubt(doubt.format(send=short_name(send))):
            handle = await client.start_workflow(
                MASS_SEND,
                request.raw,
                id=mass_send_id(*send),
                task_queue=queue,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                static_summary=summary(parsed),
                static_details=details(parsed),
                rpc_timeout=RPC_TIMEOUT,
            )
    except WorkflowAlreadyStartedError:
        return Started(send, None)
    return Started(send, handle.result_run_id)


async def ends_early(client: Client, started: Started) -> bool:
    """Whether it ends within :data:`EARLY`, as a send does whose request is refused, or whose key was sent before."""
    run = client.get_workflow_handle(mass_send_id(*started.send), run_id=started.run_id)
    try:
        async with asyncio.timeout(EARLY.total_seconds()):
            await run.result()
    except WorkflowFailureError:
        return True
    except (TimeoutError, RPCError):
        return False
    return True
