"""What people type: each command with its arguments, its options and its help.

Nothing here loads what a command works with: `--help`, completion and a wrong option are there at once so. This file
has what several commands have: how an option is said, what a shell completes, and shared options. It has what is sent
to whom, too: a send, a preview, the page of an article.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, get_args

import typer

from qunfa.cli.commands import command
from qunfa.config_file import SettingsError
from qunfa.states import ReportState

if TYPE_CHECKING:
    from qunfa.contract.ids import MassSendId

Text = str | None
Texts = list[str] | None
Number = int | None
"""What was given; `None` where nothing was."""
Complete = Callable[..., list[str]] | None


def option(about: str, *names: str, complete: Complete = None, **more: Any) -> Any:
    """An option with its help. Without `names` it is called as its field is; what only says yes has a name."""
    return typer.Option(*names, help=about, autocompletion=complete, **more)


def argument(about: str, *, complete: Complete = None, show_default: bool | str = False, **more: Any) -> Any:
    return typer.Argument(help=about, autocompletion=complete, show_default=show_default, **more)


# What is not found within a moment is not completed: a shell that waits, or shows errors, is worse than one that does
# not help. What one kind of word needs is imported when such a word is completed: `temporalio` alone takes half a
# second.

_WITHIN: Final = 2.0
"""Seconds."""
_LOOKED_AT: Final = 200
"""So many sends, the newest: enough for a screen."""


def complete_account(incomplete: str) -> list[str]:
    """The accounts of the configuration, and those of the newest sends."""
    from qunfa.settings import load_settings  # noqa: PLC0415 - see above

    configured: Iterable[str] = ()
    with suppress(SettingsError):
        configured = load_settings("command").accounts
    return _distinct([*sorted(configured), *(send.account for send in _found(incomplete))], incomplete)


def complete_send(context: typer.Context, incomplete: str) -> list[str]:
    """The newest sends as account/key, or as keys where --account is given."""
    account = context.params.get("account")
    if isinstance(account, str):
        return complete_key(context, incomplete)
    before, slash, after = incomplete.partition("/")
    sends = _found(f"{before}:{after}" if slash else before)
    return _distinct((f"{send.account}/{send.key}" for send in sends), incomplete)


def complete_key(context: typer.Context, incomplete: str) -> list[str]:
    """The keys of an account's newest sends; of all where a shell does not know the account yet."""
    account = context.params.get("account")
    sends = _found(f"{account}:{incomplete}" if account else "")
    return _distinct((send.key for send in sends), incomplete)


def complete_problem(incomplete: str) -> list[str]:
    """The names of all problems, and of what else holds a send back."""
    from qunfa.contract.operators import Held  # noqa: PLC0415 - see above
    from qunfa.rules.problems import PROBLEMS  # noqa: PLC0415

    return _distinct((*PROBLEMS, *get_args(Held)), incomplete)


def complete_left(incomplete: str) -> list[str]:
    """What a demo can leave."""
    from qunfa.cli.demo_folder import ALL, LEFT  # noqa: PLC0415 - see above

    return _distinct((*LEFT, ALL), incomplete)


def complete_state(incomplete: str) -> list[str]:
    return _distinct(get_args(ReportState), incomplete)


def complete_schema(incomplete: str) -> list[str]:
    from qunfa.contract.schema import SCHEMAS  # noqa: PLC0415 - see above

    return _distinct(sorted(SCHEMAS), incomplete)


def _distinct(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def _found(beginning: str) -> list["MassSendId"]:
    """The newest sends whose workflow ids go on like this behind their prefix."""
    import asyncio  # noqa: PLC0415 - see above

    from temporalio.service import RPCError  # noqa: PLC0415

    from qunfa.cli.connection import NO_CLOSED_BATCH, RPC_TIMEOUT, SENDS, run, temporal_client  # noqa: PLC0415
    from qunfa.contract.ids import parse_mass_send_id  # noqa: PLC0415
    from qunfa.temporal.connection import TemporalError  # noqa: PLC0415

    like = "mass-send:" + beginning.replace("\\", "").replace("'", "")
    query = f"{SENDS} AND {NO_CLOSED_BATCH} AND WorkflowId STARTS_WITH '{like}'"

    async def look() -> list["MassSendId"]:
        async with asyncio.timeout(_WITHIN):
            client = await temporal_client()
            found = client.list_workflows(query, limit=_LOOKED_AT, rpc_timeout=RPC_TIMEOUT)
            return [send async for one in found if (send := parse_mass_send_id(one.id)) is not None]

    with suppress(TemporalError, SettingsError, RPCError, TimeoutError):
        return run(look())
    return []


sends_arg = partial(argument, metavar="SEND…", complete=complete_send)
account_arg = partial(argument, metavar="ACCOUNT", complete=complete_account)
accounts_arg = partial(argument, metavar="ACCOUNT…", complete=complete_account)
account_option = partial(option, complete=complete_account)
By = Annotated[Text, option("Who does this.", show_default="login name")]
Reason = Annotated[str, option("Why; it stays in the history.")]
Why = Annotated[Text, option("Why; it stays in the history.")]
Account = Annotated[Text, account_option("The account, where SEND is a key alone.")]
SendId = Annotated[
    str,
    argument("account/key, a workflow id, or a key together with --account.", metavar="SEND", complete=complete_send),
]
Json = Annotated[bool, option("Print JSON on stdout and nothing else there.", "--json")]
Yes = Annotated[bool, option("Do not ask; needed where there is no terminal.", "--yes", "-y")]
Name = Annotated[str, account_arg("The account's name at the workers.")]
ToAccount = Annotated[Text, account_option("The account's name at the workers.")]
TaskQueue = Annotated[
    Text, option("Temporal's task queue.", "--task-queue", show_default="QUNFA_TASK_QUEUE, qunfa.toml or qunfa")
]

_message: Final = partial(option, rich_help_panel="The message (one kind)")
_audience: Final = partial(option, rich_help_panel="The audience (one kind)")


class MessageOptions(NamedTuple):
    """The options that say what is sent; `None` where one was not given."""

    text: Annotated[Text, _message("A plain text.")] = None
    html: Annotated[
        Text, _message("An article: an HTML file of this machine, with pictures beside it or anywhere.", metavar="FILE")
    ] = None
    thumb: Annotated[Text, _message("--html: its cover.", metavar="FILE")] = None
    title: Annotated[Text, _message("--html, --video: the title.")] = None
    author: Annotated[Text, _message("--html: the author.")] = None
    digest: Annotated[Text, _message("--html: the abstract.")] = None
    source_url: Annotated[Text, _message('--html: where "Read more" leads.', metavar="URL")] = None
    image: Annotated[Texts, _message("Pictures: --image a.png b.png …", metavar="FILE…")] = None
    recommend: Annotated[Text, _message("--image: the words above the pictures.")] = None
    video: Annotated[Text, _message("A video (MP4).", metavar="FILE")] = None
    description: Annotated[Text, _message("--video: its description.")] = None
    voice: Annotated[Text, _message("A recording (MP3 or AMR).", metavar="FILE")] = None
    fit_images: Annotated[
        bool | None,
        _message("Re-encode pictures that are too big for WeChat, or of a format that it refuses.", "--fit-images"),
    ] = None


class AudienceOptions(NamedTuple):
    """The options that say to whom; one kind of them, and with `--but` whom it leaves out."""

    to_all: Annotated[bool, _audience("To every follower of the account.", "--to-all")] = False
    tag: Annotated[int | None, _audience("To the followers under this tag.", metavar="N", min=0)] = None
    expect_name: Annotated[Text, _audience("--tag: it must have this name.")] = None
    expect_max: Annotated[
        int | None, _audience("--tag: it must have at most so many followers.", metavar="N", min=1)
    ] = None
    openids: Annotated[Text, _audience("To these openids, 10,000 at most, one a line; - is stdin.", metavar="FILE")] = (
        None
    )
    openid_file: Annotated[
        Text,
        _audience(
            "To millions of openids, in batches: text, CSV or Parquet, which the workers read.", metavar="FILE|URI"
        ),
    ] = None
    column: Annotated[Text, _audience("--openid-file: the column that has the openids.", metavar="NAME")] = None
    sha256: Annotated[Text, _audience("--openid-file: it must have this SHA-256.", metavar="DIGITS")] = None
    drop_bad_lines: Annotated[
        bool, _audience("--openid-file: leave lines out that are no openids.", "--drop-bad-lines")
    ] = False
    any_tags: Annotated[Text, _audience("To the followers with one of these tags, in batches.", metavar="N,N")] = None
    all_tags: Annotated[Text, _audience("To the followers with all of these tags, in batches.", metavar="N,N")] = None
    no_tags: Annotated[Text, _audience("--any-tags, --all-tags: and with none of these.", metavar="N,N")] = None
    from_report: Annotated[
        Text,
        _audience("To those whom this earlier send in batches did not reach.", metavar="KEY", complete=complete_key),
    ] = None
    state: Annotated[
        Texts,
        _audience(
            "--from-report: those that are so; repeatable.",
            metavar="not_submitted|failed",
            show_default="not_submitted",
        ),
    ] = None
    but: Annotated[
        Texts, _audience("Without these: tag:N, or a file of openids as for --openid-file; repeatable.", metavar="WHOM")
    ] = None


class Conditions(NamedTuple):
    """The options that say when and how it is sent, as a request names them."""

    send_at: Annotated[
        Text, option("Not before: a time with an offset, such as 2026-12-01T09:00:00+08:00.", metavar="TIME")
    ] = None
    not_after: Annotated[Text, option("Not submitted later than this.", metavar="TIME")] = None
    on_problem: Annotated[
        Literal["wait", "fail"] | None, option("Wait for a person where one must decide, or fail.", metavar="wait|fail")
    ] = None
    on_batch_problem: Annotated[
        Literal["stop", "continue"] | None,
        option("In batches: where one fails, stop and ask, or send the others.", metavar="stop|continue"),
    ] = None
    send_ignore_reprint: Annotated[
        bool | None, option("Send also what WeChat judges a reprint.", "--send-ignore-reprint")
    ] = None
    requested_by: Annotated[Text, option("Who asks for it.", "--requested-by", "--by", show_default="login name")] = (
        None
    )


@command("Mass sends", "send:send", 'qunfa send --account demo --key sale --to-all --text "Hi" --dry-run')
class Send(NamedTuple):
    """Start a mass send, from a file, from options, or from both. An option wins over the file.

    Files of a message are read by the workers, by the same path as here, below a folder of media.roots in their
    configuration. A URI (https:, s3:) or media_id:ID, for what WeChat holds already, can stand in place of a file.
    """

    file: Annotated[Text, argument("The request in JSON or YAML; - is stdin.", metavar="FILE")] = None
    account: ToAccount = None
    key: Annotated[Text, option("Names this send: the same key again never sends twice.")] = None
    audience: AudienceOptions = AudienceOptions()
    message: MessageOptions = MessageOptions()
    preview_to: Annotated[
        Texts, option("First previewed to this openid, or wx:NAME for a WeChat id; repeatable.", metavar="WHO")
    ] = None
    conditions: Conditions = Conditions()
    queue: TaskQueue = None
    wait: Annotated[bool, option("Follow it to its end, not for two seconds, and exit by how it ended.", "--wait")] = (
        False
    )
    dry_run: Annotated[
        bool, option("Only look at everything: what would be sent to how many, and what is wrong.", "--dry-run")
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
        Text, argument("The request of a preview, or of a mass send, in JSON or YAML; - is stdin.", metavar="FILE")
    ] = None
    account: ToAccount = None
    to: Annotated[Texts, option("Who sees it; repeatable.", metavar="OPENID")] = None
    to_wxname: Annotated[Texts, option("Who sees it, by WeChat id; repeatable.", metavar="NAME")] = None
    message: MessageOptions = MessageOptions()
    group: Annotated[Literal["a", "b"], option("In a split test: whose message.", metavar="a|b")] = "a"
    key: Annotated[Text, option("Names the preview.", show_default="made of the time and a random part")] = None
    queue: TaskQueue = None
    as_json: Json = False


@command("Mass sends", "article:article", "qunfa article preview demo/spring-sale", usage="preview REQUEST")
class Article(NamedTuple):
    """Show articles as their readers will see them."""


@command("article", "article:preview", "qunfa article preview demo/spring-sale --png")
class ArticlePreview(NamedTuple):
    """Write a page with the articles of a send or a request, as a phone will show them. Nothing is sent or uploaded.

    The page is one file. It loads nothing, and no script runs in it. It says what was taken out.

    The workers read the pictures, from where their configuration allows it. A picture that is another one than the send
    has pinned is not shown; then the exit code is 1.
    """

    request: Annotated[
        str,
        argument(
            "A send (account/key, a workflow id, or a key together with --account), or a request's file: "
            "JSON, YAML or - for stdin.",
            metavar="REQUEST",
            complete=complete_send,
        ),
    ]
    account: Annotated[Text, option("The account, where REQUEST is a key alone.")] = None
    output: Annotated[Path | None, option("The page.", metavar="FILE", show_default="KEY-preview.html, here")] = None
    png: Annotated[bool, option("Also draw it, beside the page; needs Chromium.", "--png")] = False
    open_it: Annotated[bool, option("Open the page in your browser.", "--open")] = False
    group: Annotated[Literal["a", "b"], option("In a split test: whose articles.", metavar="a|b")] = "a"
    queue: TaskQueue = None
    as_json: Json = False


@command("article", "article_server:serve", "qunfa article serve --port 8086")
class ArticleServe(NamedTuple):
    """Serve those pages by HTTP, at /ACCOUNT/KEY, until Ctrl-C. Approvals link there: set display.articles.

    It knows no password: whoever reaches it sees articles that were not sent yet. Put it behind the login of Temporal's
    UI. It answers where it listens, on this machine, and under display.articles alone.
    """

    host: Annotated[str, option("Listen on this address.")] = "127.0.0.1"
    port: Annotated[int, option("Port; 0 takes a free one.", min=0, max=65535)] = 8086
    queue: TaskQueue = None
