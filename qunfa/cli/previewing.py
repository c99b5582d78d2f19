"""`qunfa preview`: the message as a few people see it. It reaches nobody else."""

import secrets
from datetime import datetime
from typing import Annotated, Any

import typer
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from qunfa.cli import message_options as options
from qunfa.cli.awaiting import AT_MOST, Handle, InvalidError, demand_worker, result_of
from qunfa.cli.connection import temporal_client
from qunfa.cli.console import note, show, show_json
from qunfa.cli.errors import ExitCode, Refused, WrongUse
from qunfa.cli.group import run
from qunfa.cli.message_options import MessageOptions, message_of
from qunfa.cli.options import Json, TaskQueue
from qunfa.cli.queue import task_queue
from qunfa.cli.reading import RPC_TIMEOUT
from qunfa.cli.recipients import recipients
from qunfa.cli.rendering.message import heading
from qunfa.cli.rendering.previews import render_previews
from qunfa.cli.rendering.words import SHANGHAI
from qunfa.cli.request_file import read_request
from qunfa.cli.sources import WORKERS_READ, unread
from qunfa.contract import InvalidRequestError
from qunfa.contract.ids import PREVIEW_MASS_SEND, preview_id
from qunfa.contract.request import PreviewRequest, PreviewResult, parse_preview
from qunfa.markdown import plain, summary_line

_ADVICE = {
    "account: is missing": "say --account NAME",
    "message: is missing": "say --text, --html, --image, --video or --voice, or give a file that holds the message",
    "to: is missing": "say --to OPENID or --to-wxname NAME",
}


def preview(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="The request of a preview, or of a mass send, in JSON or YAML; - is stdin.",
            show_default=False,
        ),
    ] = None,
    *,
    account: Annotated[str | None, typer.Option(help="The account's name at the workers.")] = None,
    to: Annotated[list[str] | None, typer.Option("--to", metavar="OPENID", help="Who sees it; repeatable.")] = None,
    to_wxname: Annotated[
        list[str] | None, typer.Option("--to-wxname", metavar="NAME", help="Who sees it, by WeChat id; repeatable.")
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
    key: Annotated[
        str | None, typer.Option(help="Names the preview.", show_default="made of the time and a random part")
    ] = None,
    queue: TaskQueue = None,
    as_json: Json = False,
) -> None:
    """Show a message to single people, and to nobody else: WeChat takes a hundred previews a day.

    Of a mass send's request in FILE, only account, message, fit_images and its own preview count.

    Files of a message are read by the workers, by the same path as here, below a folder of media.roots in their
    configuration. A URI (https:, s3:) or media_id:ID, for what WeChat holds already, can stand in place of a file.
    """
    given = MessageOptions(
        text, html, thumb, title, author, digest, source_url, image, recommend, video, description, voice
    )
    overrides = {
        "account": account,
        "key": key,
        "message": message_of(given),
        "to": recipients(to, to_wxname),
        "fit_images": fit_images,
    }
    raw = _raw(file, {name: value for name, value in overrides.items() if value is not None})
    result = run(_preview(raw, _parsed(raw), task_queue(queue)))
    if as_json:
        show_json(result)
    else:
        show(render_previews(result.previews))
    if not all(one.sent for one in result.previews):
        raise typer.Exit(ExitCode.REFUSED)


def _raw(file: str | None, given: dict[str, Any]) -> Any:
    read = {} if file is None else read_request(file)
    if not isinstance(read, dict):
        return read
    if "audience" in read:
        read = _of_a_mass_send(read)
    key = f"preview-{datetime.now(SHANGHAI):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
    return {"key": key, **read, **given}


def _of_a_mass_send(read: dict[str, Any]) -> dict[str, Any]:
    """What a preview takes of a mass send's request. The key stays the send's own."""
    if "to" in read:
        raise WrongUse("The file has both audience and to: it is neither a mass send's request nor a preview's.")
    wanted = read.get("preview")
    to = {"to": wanted["to"]} if isinstance(wanted, dict) and "to" in wanted else {}
    return {name: read[name] for name in ("account", "message", "fit_images") if name in read} | to


def _parsed(raw: Any) -> PreviewRequest:
    try:
        return parse_preview(raw)
    except InvalidRequestError as error:
        advised = [f"{one}: {_ADVICE[one]}" if one in _ADVICE else one for one in error.problems]
        raise InvalidRequestError(advised) from None


async def _preview(raw: dict[str, Any], request: PreviewRequest, queue: str) -> PreviewResult:
    client = await temporal_client()
    await demand_worker(client, queue)
    try:
        return await _previewed(client, raw, request, queue)
    except InvalidError as error:
        said = "; ".join(problem.removesuffix(".") for problem in error.problems)
        raise Refused("\n".join(_hinted(f"Nothing was previewed: {said}."))) from None
    except Refused as error:
        raise Refused("\n".join(_hinted(str(error)))) from None


async def _previewed(client: Client, raw: dict[str, Any], request: PreviewRequest, queue: str) -> PreviewResult:
    workflow_id = preview_id(request.account, request.key)
    starting = client.start_workflow(
        PREVIEW_MASS_SEND,
        raw,
        id=workflow_id,
        task_queue=queue,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        execution_timeout=AT_MOST,
        result_type=PreviewResult,
        static_summary=summary_line(f"Preview of **{plain(request.account)}**: {plain(heading(request.message))}"),
        rpc_timeout=RPC_TIMEOUT,
    )
    try:
        result: PreviewResult = await result_of(client, starting, _cancelled)
    except WorkflowAlreadyStartedError:
        raise Refused(f"{workflow_id} runs already: wait for it, or choose another --key.") from None
    return result


async def _cancelled(handle: Handle) -> None:
    await handle.cancel(rpc_timeout=RPC_TIMEOUT)
    note("Cancelled. Those previews that had been made by then have been shown.")


def _hinted(sentence: str) -> list[str]:
    return [sentence, WORKERS_READ] if unread(sentence) else [sentence]
