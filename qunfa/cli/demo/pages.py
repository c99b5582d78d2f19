"""What the demo says to people."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qunfa.cli.console import unbroken
from qunfa.cli.demo.folder import ACCOUNT, TASK_QUEUE, media_folder
from qunfa.cli.demo.followers import ArticleView, ContentView, FollowersView, MediaView
from qunfa.cli.demo.stack import Stack
from qunfa.cli.link import link
from qunfa.cli.rendering.message import bytes_words, contents, heading
from qunfa.cli.request_options import Request
from qunfa.contract import mass_send_id
from qunfa.contract.request import describe


def opening(stack: Stack) -> RenderableType:
    """Where everything listens."""
    rows = {
        "Temporal": stack.operator_environment["TEMPORAL_ADDRESS"],
        "its UI": stack.ui,
        "worker": f"task queue {TASK_QUEUE}",
        "receiver": f"{stack.receiver}/wechat/{ACCOUNT}",
        "simulated WeChat": stack.simulator,
        "logs": str(stack.folder / "*.log"),
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table


def sending(request: Request, stack: Stack) -> RenderableType:
    """What is being sent, and where Temporal shows it."""
    sent = request.parsed
    page = link(stack.ui, "default", mass_send_id(sent.account, sent.key))
    made_of = "".join(f"\n  {line}" for line in contents(sent.message))
    said = Text(f"\n{heading(sent.message)} to {describe(sent.audience)} of {sent.account}:{made_of}")
    return Group(said, unbroken(page, f"link {page}"))


def received(seen: FollowersView, messages: Sequence[ContentView]) -> Table:
    """What the simulated followers see of each send."""
    table = Table(title="\nWhat the followers received", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("msg_id", "type", "what they see", "followers"):
        table.add_column(column, overflow="fold", header_style="dim")
    for job, content in zip(seen.jobs, messages, strict=True):
        table.add_row(str(job.msg_id), content.msgtype, Text(_seen(content)), f"{job.received:,}")
    return table


def followers(seen: FollowersView, messages: int) -> Text:
    """Whether every follower received each message once."""
    if seen.exactly_once(messages):
        said = f"\n{seen.followers:,} followers, each received each of the {messages} messages exactly once."
        return Text(said, style="bold green")
    return Text(
        f"\nOf {seen.followers:,} followers {seen.reached:,} received something, at most {seen.max_per_follower} "
        f"messages each, {len(seen.duplicates)} sends arrived more than once.",
        style="bold red",
    )


def _seen(content: ContentView) -> str:
    if content.text is not None:
        return content.text
    if not content.articles:
        return ", ".join([content.title, *(_file(media) for media in content.media)])
    return "; ".join(_article(article) for article in content.articles)


def _article(article: ArticleView) -> str:
    """Each picture once, and in how many places they stand."""
    distinct = {picture.url: _file(picture) for picture in article.pictures}
    lost = f", {len(article.dropped)} LOST" if article.dropped else ""
    return (
        f"{article.title}, cover {_file(article.thumb)}, {len(distinct)} pictures in {len(article.pictures)} places "
        f"({', '.join(distinct.values())}){lost}"
    )


def _file(media: MediaView) -> str:
    return f"{media.file.format} {bytes_words(media.file.size)}"


def what_next(stack: Stack) -> RenderableType:
    """What can be tried now, ready to be pasted."""
    qunfa, media = _command(), shlex.quote(str(media_folder(stack.folder)))
    exports = [f"export {name}={shlex.quote(value)}" for name, value in stack.operator_environment.items()]
    commands = [
        f"{qunfa} list",
        f"{qunfa} send --account {ACCOUNT} --key look --to-all --image {media}/*.png --dry-run",
        f'{qunfa} freeze {ACCOUNT} --reason "a closer look"',
        f'{qunfa} send --account {ACCOUNT} --key second --to-all --text "The second one"',
        f"{qunfa} status {ACCOUNT}/second",
        f"{qunfa} unfreeze {ACCOUNT}",
        f"{qunfa} status {ACCOUNT}/second",
        f"{qunfa} ledger {ACCOUNT}",
        f"curl {stack.simulator}/_sim/ledger",
    ]
    return Group(
        Text("\nTry next, in another terminal:"),
        *(unbroken(f"  {line}") for line in (*exports, *commands)),
        Text("\nEverything runs until Ctrl-C.", style="bold"),
    )


def _command() -> str:
    """How the `qunfa` command is typed in a new terminal."""
    beside = Path(sys.executable).with_name("qunfa")
    found = shutil.which("qunfa")
    return "qunfa" if found is not None or not beside.is_file() else shlex.quote(str(beside))
