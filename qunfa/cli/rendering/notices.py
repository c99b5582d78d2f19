"""An account's webhooks for people."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qunfa.cli.rendering.words import plain
from qunfa.contract.notice import AccountNoticesResult, Webhook

_NONE = "No webhook is told of its sends: [accounts.NAME.notices.…] at the workers names them."


def render_notices(result: AccountNoticesResult) -> RenderableType:
    """Each with what it is told, and how it took its test."""
    title = Text.assemble((result.account, "bold"), f"  {len(result.webhooks)} webhook(s)")
    if not result.webhooks:
        return Group(title, plain(_NONE))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("webhook", "is told", "test"):
        table.add_column(heading, overflow="fold", header_style="dim")
    for webhook in result.webhooks:
        table.add_row(plain(webhook.name), plain(", ".join(webhook.events)), _test(webhook))
    return Group(title, table)


def _test(webhook: Webhook) -> Text:
    if webhook.took_test is None:
        return plain("–")
    if webhook.took_test:
        return Text("taken", "green")
    return plain(webhook.problem or "not taken")
