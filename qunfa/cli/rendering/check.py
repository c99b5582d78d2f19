"""What a mass send would be, for people."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qunfa.cli.rendering.message import bytes_words, contents, heading, uri_words
from qunfa.cli.rendering.words import plain
from qunfa.contract.checks import CheckResult
from qunfa.contract.message import Source
from qunfa.contract.request import MassSendRequest

Row = tuple[str, str]
_FILES = ("use", "format", "size", "", "file", "place")


def render_check(request: MassSendRequest, found: CheckResult) -> RenderableType:
    """What would be sent to how many, each file, what was taken out of articles, and what stands against it."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for label, value in _facts(request, found):
        facts.add_row(label, plain(value))
    parts: list[RenderableType] = [_title(found), facts]
    if found.sources:
        parts += ["", _files(found.sources)]
    if found.problems:
        parts += ["", *(plain(f"- {problem}") for problem in found.problems)]
    verdict = "Nothing stands against it." if not found.problems else "It cannot be sent like this."
    return Group(*parts, plain(f"\n{verdict} This was a dry run: nothing was sent, and nothing was uploaded."))


def _title(found: CheckResult) -> Text:
    count = len(found.problems)
    word = ("ready", "bold green") if not count else (f"{count} problem" + ("" if count == 1 else "s"), "bold red")
    return Text.assemble((f"{found.account}/{found.key}", "bold"), "  ", word)


def _facts(request: MassSendRequest, found: CheckResult) -> Iterator[Row]:
    yield "message", heading(request.message)
    if not found.sources:
        for line in contents(request.message):
            yield "", line
    yield "audience", _audience(found)
    for number, removed in enumerate(found.removed):
        yield "" if number else "taken out", removed


def _audience(found: CheckResult) -> str:
    if found.followers is None:
        return found.audience
    if found.audience.endswith("openids"):
        return found.audience
    return f"{found.audience}: {found.followers:,} followers, by WeChat's count"


def _files(sources: tuple[Source, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in _FILES:
        table.add_column(column, overflow="fold", header_style="dim")
    for one in sources:
        fit = "is re-encoded to fit" if one.fit else ""
        cells = (one.use, one.kind, bytes_words(one.size), fit, uri_words(one.uri), one.place)
        table.add_row(*(plain(cell) for cell in cells))
    return table
