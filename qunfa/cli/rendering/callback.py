"""The check of a callback, step by step, for people."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qunfa.cli.callback_report import CallbackReport, Step
from qunfa.cli.rendering.words import plain
from qunfa.contract.checks import CallbackView

_STYLES: Final = {"ok": "bold green", "failed": "bold red", "skipped": "dim"}


def render_report(report: CallbackReport) -> RenderableType:
    """Each step with what was seen, and below it what to do."""
    steps = Table.grid(padding=(0, 2))
    steps.add_column(no_wrap=True)
    steps.add_column(style="dim", no_wrap=True)
    steps.add_column(overflow="fold")
    for step in report.steps:
        for state, name, text in _rows(step):
            steps.add_row(state, plain(name), plain(text))
    view = report.wechat.view if report.wechat else None
    title = Text.assemble((report.account, "bold"), f"  {report.mode} mode  {report.url}")
    return Group(title, steps, *_seen(view), *_verdict(report))


def _rows(step: Step) -> Iterator[tuple[Text, str, str]]:
    yield Text(step.state, style=_STYLES[step.state]), step.name, step.said
    if step.todo is not None:
        yield Text(), "", f"→ {step.todo}"


def _seen(view: CallbackView | None) -> Iterator[Text]:
    """What WeChat sees, address by address."""
    for address in view.dns if view else ():
        yield plain(f"dns   {address.ip}  {address.operator}")
    for ping in view.ping if view else ():
        yield plain(f"ping  {ping.ip}  {ping.loss} lost  {ping.time}  from {ping.operator}")


def _verdict(report: CallbackReport) -> Iterator[Text]:
    yield plain("")
    if report.ok:
        yield plain("WeChat's pushes get through to Temporal.")
    else:
        failed = ", ".join(step.name for step in report.steps if step.state == "failed")
        yield plain(f"Failed: {failed}.")
