"""The speed of an account for people."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qunfa.cli.rendering.words import plain
from qunfa.contract.limits import A_REALSPEED, REALSPEEDS, SpeedResult

STAYS_SET = "It holds for every mass send of the account, whoever makes it, until somebody sets it again."


def render_speed(result: SpeedResult) -> RenderableType:
    """The speed among all there are, and what WeChat says of it where that is something else."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "speed", "followers a minute"):
        table.add_column(heading, overflow="fold", header_style="dim")
    for level, realspeed in enumerate(REALSPEEDS):
        table.add_row("→" if level == result.now.speed else "", str(level), followers(realspeed))
    title = Text.assemble((result.account, "bold"), "  ", (_state(result), "bold green"))
    return Group(title, *(plain(line) for line in _lines(result)), table)


def followers(realspeed: int) -> str:
    """How many a minute."""
    return f"{realspeed * A_REALSPEED:,}"


def _state(result: SpeedResult) -> str:
    if result.before is None:
        return f"speed {result.now.speed}"
    return f"speed {result.now.speed}, was {result.before.speed}"


def _lines(result: SpeedResult) -> Iterator[str]:
    now = result.now
    if result.before is not None:
        yield STAYS_SET
    told = f"WeChat tells {followers(now.realspeed)} followers a minute for it"
    if now.published is None:
        yield f"{told}; its table, below, has no such speed."
    elif now.published != now.realspeed:
        yield f"{told}, but {followers(now.published)} in its table, below: rely on neither."
