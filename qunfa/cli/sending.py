"""`qunfa send`."""

import asyncio
from typing import Annotated, Final, Literal

import typer
from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.cli import message_options as options
from qunfa.cli.checking import check, show_check
from qunfa.cli.connection import temporal_client
from qunfa.cli.console import note, show, show_json, stderr, stdout
from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.following import follow_on
from qunfa.cli.group import run
from qunfa.cli.link import workflow_link
from qunfa.cli.message_options import MessageOptions, message_of
from qunfa.cli.naming import short_name
from qunfa.cli.options import Json, TaskQueue, Yes, confirm, demand_consent, login_name
from qunfa.cli.queue import task_queue, warn_without_worker
from qunfa.cli.reading import read_send
from qunfa.cli.recipients import recipients
from qunfa.cli.rendering.message import contents, heading
from qunfa.cli.rendering.send import render_send
from qunfa.cli.request_options import AudienceOptions, Request, assemble
from qunfa.cli.sources import WORKERS_READ, names_files, unread
from qunfa.cli.starting import ends_early, says_the_same, start
from qunfa.cli.view import SendView
from qunfa.contract import mass_send_id
from qunfa.contract.ids import MassSendId
from qunfa.contract.request import All, describe

_TIME: Final = "a time with an offset, such as 2026-12-01T09:00:00+08:00"


def send(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="The request in JSON or YAML; - is stdin.", show_default=False)
    ] = None,
    *,
    account: Annotated[str | None, typer.Option(help="The account's name at the workers.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Names this send for ever: the same key again never sends twice.")
    ] = None,
    to_all: Annotated[bool, typer.Option("--to-all", help="To every follower of the account.")] = False,
    tag: Annotated[int | None, typer.Option(min=0, help="To the followers under this tag.")] = None,
    expect_name: Annotated[str | None, typer.Option(help="The tag must have this name.")] = None,
    expect_max: Annotated[int | None, typer.Option(min=1, help="The tag must have at most so many followers.")] = None,
    openids: Annotated[
        str | None, typer.Option(metavar="FILE", help="To these openids, one a line; - is stdin.")
    ] = None,
    text: options.Text = None,
    html: options.Html = None,
    thumb: options.Thumb = None,
    title: options.Title = None,
    author: options.Author = None,
    digest: options.Digest = None,
    source_url: options.SourceUrl = None,
    image: options.Image = None,
    recommend: options.Recommend = None,
    video: options.Video = None,
    description: options.Description = None,
    voice: options.Voice = None,
    fit_images: options.FitImages = None,
    preview_to: Annotated[
        list[str] | None,
        typer.Option(metavar="WHO", help="First previewed to this openid, or wx:NAME for a WeChat id; repeatable."),
    ] = None,
    send_at: Annotated[str | None, typer.Option(metavar="TIME", help=f"Not before: {_TIME}.")] = None,
    not_after: Annotated[str | None, typer.Option(metavar="TIME", help="Not submitted later than this.")] = None,
    on_problem: Annotated[
        Literal["wait", "fail"] | None, typer.Option(help="Wait for a person where one must decide, or fail.")
    ] = None,
    send_ignore_reprint: Annotated[
        bool | None,
        typer.Option("--send-ignore-reprint", help="Send also what WeChat judges a reprint."),
    ] = None,
    requested_by: Annotated[
        str | None, typer.Option("--requested-by", "--by", help="Who asks for it.", show_default="login name")
    ] = None,
    queue: TaskQueue = None,
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="Follow it to its end, not for two seconds, and exit by how it ended."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only look at everything: what would be sent to how many, and what is wrong."),
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Start a mass send, from a file, from options, or from both: an option wins over the file.

    Files of a message are read by the workers, by the same path as here, below a folder of media.roots in their
    configuration. A URI (https:, s3:) or media_id:ID, for what WeChat holds already, can stand in place of a file.
    """
    given = MessageOptions(
        text, html, thumb, title, author, digest, source_url, image, recommend, video, description, voice
    )
    previewed = recipients(preview_to)
    overrides = {
        "account": account,
        "key": key,
        "message": message_of(given),
        "fit_images": fit_images,
        "preview": None if previewed is None else {"to": previewed},
        "send_at": send_at,
        "not_after": not_after,
        "on_problem": on_problem,
        "send_ignore_reprint": send_ignore_reprint,
        "requested_by": requested_by,
    }
    audience = AudienceOptions(to_all, tag, expect_name, expect_max, openids)
    request = assemble(file, audience, overrides, defaults=_requested_by_login())
    if dry_run:
        show_check(request, run(check(request, task_queue(queue))), as_json=as_json)
        return
    demand_consent(yes=yes, first="look at it with --dry-run")
    confirm(f"Send to {_whom(request)} of {request.parsed.account}?", yes=yes, about=_what_goes_out(request))
    view = run(_send(request, task_queue(queue), wait=wait, as_json=as_json))
    _print(view, as_json=as_json)
    if view.failure and view.result is None and unread(view.failure.message):
        note(WORKERS_READ)
    if view.state != "running" and not view.ended_well:
        raise typer.Exit(1)


def _requested_by_login() -> dict[str, str]:
    """A request need not say who asks for it: where the system does not know, nobody is named."""
    try:
        return {"requested_by": login_name()}
    except WrongUse:
        return {}


def _whom(request: Request) -> str:
    audience = request.parsed.audience
    return "every follower" if isinstance(audience, All) else describe(audience)


def _what_goes_out(request: Request) -> list[str]:
    message = request.parsed.message
    return [heading(message), *(f"  {line}" for line in contents(message))]


async def _send(request: Request, queue: str, *, wait: bool, as_json: bool) -> SendView:
    client = await temporal_client()
    started = await start(client, request, queue)
    if started.run_id is None:
        await _accept_running(client, request, started.send, wait=wait, as_json=as_json)
    else:
        await warn_without_worker(client, queue)
    try:
        if wait:
            return await follow_on(stderr() if as_json else stdout(), client, started.send)
        ended = await ends_early(client, started)
    except (asyncio.CancelledError, RPCError):
        note(f"{short_name(started.send)} goes on without this command: qunfa status {short_name(started.send)}")
        raise
    return await _ended(client, started.send) if ended else _begun(client, started.send, started.run_id)


async def _ended(client: Client, send: MassSendId) -> SendView:
    try:
        return await read_send(client, send)
    except (asyncio.CancelledError, RPCError):
        note(f"{short_name(send)} has ended, and how is not known here: qunfa status {short_name(send)}")
        raise


async def _accept_running(client: Client, request: Request, send: MassSendId, *, wait: bool, as_json: bool) -> None:
    """One runs under the key: with `--wait` it is followed, if it says the same; otherwise its status is shown.

    Raises:
        Refused: It has other content, or nobody asked to follow it.
    """
    same = await says_the_same(client, request)
    files = ", its files as they were when it started" if names_files(request.parsed.message) else ""
    if same and wait:
        note(f"{short_name(send)} runs already, with the same content{files}: following it.")
        return
    view = await read_send(client, send)
    _print(view, as_json=as_json)
    content = (
        f"the same content{files}"
        if same
        else "OTHER content: a key stands for one content for ever, so choose another"
    )
    raise Refused(f"{short_name(send)} runs already, with {content}. Nothing was started.")


def _begun(client: Client, send: MassSendId, run_id: str | None) -> SendView:
    workflow_id = mass_send_id(*send)
    return SendView(
        workflow_id=workflow_id,
        run_id=run_id,
        account=send.account,
        key=send.key,
        state="running",
        link=workflow_link(client, workflow_id, run_id),
    )


def _print(view: SendView, *, as_json: bool) -> None:
    if as_json:
        show_json(view)
        return
    show(render_send(view))
    if view.state == "running" and view.status is None:
        show(f"Started. Follow it: qunfa status {view.account}/{view.key}")
