"""What is sent to whom, as it is typed: a send, a preview, the page of an article."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import typer

from qunfa.cli.commands import command
from qunfa.cli.completion import complete_key, complete_send
from qunfa.cli.typed.options import Json, TaskQueue, ToAccount, Yes

_TIME: Final = "a time with an offset, such as 2026-12-01T09:00:00+08:00"


def _option(panel: str, about: str, *names: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, metavar=metavar, help=about, rich_help_panel=panel, **more)


_of_the_message: Final = partial(_option, "The message (one kind)")
_of_the_audience: Final = partial(_option, "The audience (one kind)")


class MessageOptions(NamedTuple):
    """The options that say what is sent; `None` where one was not given."""

    text: Annotated[str | None, _of_the_message("A plain text.")] = None
    html: Annotated[
        str | None,
        _of_the_message(
            "An article: an HTML file of this machine, with pictures beside it or anywhere.", metavar="FILE"
        ),
    ] = None
    thumb: Annotated[str | None, _of_the_message("--html: its cover.", metavar="FILE")] = None
    title: Annotated[str | None, _of_the_message("--html, --video: the title.")] = None
    author: Annotated[str | None, _of_the_message("--html: the author.")] = None
    digest: Annotated[str | None, _of_the_message("--html: the abstract.")] = None
    source_url: Annotated[str | None, _of_the_message('--html: where "Read more" leads.', metavar="URL")] = None
    image: Annotated[list[str] | None, _of_the_message("Pictures: --image a.png b.png …", metavar="FILE…")] = None
    recommend: Annotated[str | None, _of_the_message("--image: the words above the pictures.")] = None
    video: Annotated[str | None, _of_the_message("A video (MP4).", metavar="FILE")] = None
    description: Annotated[str | None, _of_the_message("--video: its description.")] = None
    voice: Annotated[str | None, _of_the_message("A recording (MP3 or AMR).", metavar="FILE")] = None
    fit_images: Annotated[
        bool | None,
        _of_the_message(
            "Re-encode pictures that are too big for WeChat, or of a format that it refuses.", "--fit-images"
        ),
    ] = None


class AudienceOptions(NamedTuple):
    """The options that say to whom; one kind of them, and with `--but` whom it leaves out."""

    to_all: Annotated[bool, _of_the_audience("To every follower of the account.", "--to-all")] = False
    tag: Annotated[int | None, _of_the_audience("To the followers under this tag.", metavar="N", min=0)] = None
    expect_name: Annotated[str | None, _of_the_audience("--tag: it must have this name.")] = None
    expect_max: Annotated[
        int | None, _of_the_audience("--tag: it must have at most so many followers.", metavar="N", min=1)
    ] = None
    openids: Annotated[
        str | None, _of_the_audience("To these openids, 10,000 at most, one a line; - is stdin.", metavar="FILE")
    ] = None
    openid_file: Annotated[
        str | None,
        _of_the_audience(
            "To millions of openids, in batches: text, CSV or Parquet, which the workers read.",
            metavar="FILE|URI",
        ),
    ] = None
    column: Annotated[
        str | None, _of_the_audience("--openid-file: the column that has the openids.", metavar="NAME")
    ] = None
    sha256: Annotated[str | None, _of_the_audience("--openid-file: it must have this SHA-256.", metavar="DIGITS")] = (
        None
    )
    drop_bad_lines: Annotated[
        bool, _of_the_audience("--openid-file: leave lines out that are no openids.", "--drop-bad-lines")
    ] = False
    any_tags: Annotated[
        str | None, _of_the_audience("To the followers with one of these tags, in batches.", metavar="N,N")
    ] = None
    all_tags: Annotated[
        str | None, _of_the_audience("To the followers with all of these tags, in batches.", metavar="N,N")
    ] = None
    no_tags: Annotated[
        str | None, _of_the_audience("--any-tags, --all-tags: and with none of these.", metavar="N,N")
    ] = None
    from_report: Annotated[
        str | None,
        _of_the_audience(
            "To those whom this earlier send in batches did not reach.", metavar="KEY", autocompletion=complete_key
        ),
    ] = None
    state: Annotated[
        list[str] | None,
        _of_the_audience(
            "--from-report: those that are so; repeatable.",
            metavar="not_submitted|failed",
            show_default="not_submitted",
        ),
    ] = None
    but: Annotated[
        list[str] | None,
        _of_the_audience(
            "Without these: tag:N, or a file of openids as for --openid-file; repeatable.", metavar="WHOM"
        ),
    ] = None


class Conditions(NamedTuple):
    """The options that say when and how it is sent, as a request names them."""

    send_at: Annotated[str | None, typer.Option(metavar="TIME", help=f"Not before: {_TIME}.")] = None
    not_after: Annotated[str | None, typer.Option(metavar="TIME", help="Not submitted later than this.")] = None
    on_problem: Annotated[
        Literal["wait", "fail"] | None,
        typer.Option(metavar="wait|fail", help="Wait for a person where one must decide, or fail."),
    ] = None
    on_batch_problem: Annotated[
        Literal["stop", "continue"] | None,
        typer.Option(metavar="stop|continue", help="In batches: where one fails, stop and ask, or send the others."),
    ] = None
    send_ignore_reprint: Annotated[
        bool | None,
        typer.Option("--send-ignore-reprint", help="Send also what WeChat judges a reprint."),
    ] = None
    requested_by: Annotated[
        str | None, typer.Option("--requested-by", "--by", help="Who asks for it.", show_default="login name")
    ] = None


@command("Mass sends", "send:send", 'qunfa send --account demo --key sale --to-all --text "Hi" --dry-run')
class Send(NamedTuple):
    """Start a mass send, from a file, from options, or from both. An option wins over the file.

    Files of a message are read by the workers, by the same path as here, below a folder of media.roots in their
    configuration. A URI (https:, s3:) or media_id:ID, for what WeChat holds already, can stand in place of a file.
    """

    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="The request in JSON or YAML; - is stdin.", show_default=False)
    ] = None
    account: ToAccount = None
    key: Annotated[str | None, typer.Option(help="Names this send: the same key again never sends twice.")] = None
    audience: AudienceOptions = AudienceOptions()
    message: MessageOptions = MessageOptions()
    preview_to: Annotated[
        list[str] | None,
        typer.Option(metavar="WHO", help="First previewed to this openid, or wx:NAME for a WeChat id; repeatable."),
    ] = None
    conditions: Conditions = Conditions()
    queue: TaskQueue = None
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Follow it to its end, not for two seconds, and exit by how it ended."),
    ] = False
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only look at everything: what would be sent to how many, and what is wrong."),
    ] = False
    yes: Yes = False
    as_json: Json = False


@command("Mass sends", "preview:preview", "qunfa preview send.json --to oAbC1dEf2gH")
class Preview(NamedTuple):
    """Show a message to single people, and to nobody else. WeChat takes a hundred previews a day.

    Of a mass send's request in FILE, only account, message, fit_images and its own preview count.

    Files of a message are read by the workers, by the same path as here, below a folder of media.roots in their
    configuration. A URI (https:, s3:) or media_id:ID, for what WeChat holds already, can stand in place of a file.
    """

    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="The request of a preview, or of a mass send, in JSON or YAML; - is stdin.",
            show_default=False,
        ),
    ] = None
    account: ToAccount = None
    to: Annotated[list[str] | None, typer.Option("--to", metavar="OPENID", help="Who sees it; repeatable.")] = None
    to_wxname: Annotated[
        list[str] | None, typer.Option("--to-wxname", metavar="NAME", help="Who sees it, by WeChat id; repeatable.")
    ] = None
    message: MessageOptions = MessageOptions()
    key: Annotated[
        str | None, typer.Option(help="Names the preview.", show_default="made of the time and a random part")
    ] = None
    queue: TaskQueue = None
    as_json: Json = False


@command("Mass sends", "article.command:article", "qunfa article preview demo/spring-sale", usage="preview REQUEST")
class Article(NamedTuple):
    """Show articles as their readers will see them."""


@command("article", "article.command:preview", "qunfa article preview demo/spring-sale --png")
class ArticlePreview(NamedTuple):
    """Write a page with the articles of a send or a request, as a phone will show them. Nothing is sent or uploaded.

    The page is one file. It loads nothing, and no script runs in it. It says what was taken out.

    The workers read the pictures, from where their configuration allows it. A picture that is another one than the send
    has pinned is not shown; then the exit code is 1.
    """

    request: Annotated[
        str,
        typer.Argument(
            metavar="REQUEST",
            help="A send (account/key, a workflow id, or a key together with --account), or a request's file: "
            "JSON, YAML or - for stdin.",
            autocompletion=complete_send,
        ),
    ]
    account: Annotated[str | None, typer.Option(help="The account, where REQUEST is a key alone.")] = None
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page.", show_default="KEY-preview.html, here")
    ] = None
    png: Annotated[bool, typer.Option("--png", help="Also draw it, beside the page; needs Chromium.")] = False
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in your browser.")] = False
    group: Annotated[Literal["a", "b"], typer.Option(metavar="a|b", help="In a split test: whose articles.")] = "a"
    queue: TaskQueue = None
    as_json: Json = False
