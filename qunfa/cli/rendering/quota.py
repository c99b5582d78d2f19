"""An account's quotas for people."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qunfa.cli.rendering.words import moment, plain
from qunfa.contract.limits import Allowance, AllowanceName, CallsLeft, QuotaResult

_NAMES: dict[AllowanceName, str] = {
    "sends": "mass sends, to all or to a tag",
    "sends_to_all": "mass sends to all",
    "mass_calls": "calls of sendall and send",
    "previews": "previews",
}
_PREFIX = "/cgi-bin/"


def render_quota(result: QuotaResult) -> RenderableType:
    """What is left first, then the sends that were counted and from when on, then each call."""
    title = Text.assemble((result.account, "bold"), f"  {result.kind} account {result.appid}")
    return Group(
        title,
        plain(f"{moment(result.at)}; WeChat's days and months are Shanghai's"),
        "",
        _left(result.allowances),
        *(plain(line) for line in _doubts(result)),
        "",
        _sends(result),
        plain(_since(result)),
        "",
        _calls(result.calls),
    )


def _left(rows: Sequence[Allowance]) -> Table:
    table = _table("what is left", "left", "used", "of", "until")
    for row in rows:
        most = "at most " if row.others or not row.whole else ""
        least = "at least " if most else ""
        limit = f"{row.limit:,} a {row.period}"
        cells = (_NAMES[row.name], f"{most}{row.left:,}", f"{least}{row.used:,}", limit, moment(row.renewed_at))
        table.add_row(*(plain(cell) for cell in cells))
    return table


def _doubts(result: QuotaResult) -> Iterator[str]:
    for row in result.allowances:
        if row.others:
            elsewhere = f"{row.others} of this {row.period} were made elsewhere, and it is not known to whom"
            yield f"{_NAMES[row.name]}: {elsewhere}, so they may have used it, too."
        if not row.whole:
            yield f"{_NAMES[row.name]}: this {row.period} is not counted as a whole."


def _sends(result: QuotaResult) -> Table:
    table = _table("mass sends", "today", "this month")
    rows = (
        ("accepted by WeChat", result.today.total, result.month.total),
        ("  of them to all", result.today.to_all, result.month.to_all),
        ("made elsewhere", result.today.others, result.month.others),
        ("previews", result.today.previews, result.month.previews),
    )
    for name, today, month in rows:
        table.add_row(name, f"{today:,}", f"{month:,}")
    return table


def _since(result: QuotaResult) -> str:
    if result.since is None:
        return "Nothing of this account has been sent here yet, so nothing was counted."
    return f"Counted here since {moment(result.since)}; WeChat itself does not tell how many sends are left."


def _calls(calls: Sequence[CallsLeft]) -> Table:
    table = _table("API calls, by WeChat's count", "left", "used", "a day", "at most")
    for one in calls:
        name = one.cgi_path.removeprefix(_PREFIX)
        table.add_row(*(plain(cell) for cell in (name, *_counts(one))))
    return table


def _counts(one: CallsLeft) -> tuple[str, ...]:
    if one.daily_limit is None:
        said = {"errcode": one.errcode, "errmsg": one.errmsg}
        return "–", "–", "–", ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)
    rate = f"{one.call_count:,} in {one.refresh_second:,} s" if one.call_count and one.refresh_second else ""
    return f"{one.remain:,}", f"{one.used:,}", f"{one.daily_limit:,}", rate


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold", header_style="dim")
    return table
