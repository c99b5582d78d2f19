"""What the demo says to people."""

import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qunfa.cli.console import unbroken
from qunfa.cli.demo.folder import ACCOUNT, TASK_QUEUE
from qunfa.cli.demo.followers import FollowersView
from qunfa.cli.demo.stack import Stack
from qunfa.cli.link import link
from qunfa.cli.request_options import Request
from qunfa.contract import mass_send_id
from qunfa.contract.audience import describe


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
    said = Text(f"\nSending a text to {describe(sent.audience)} of {sent.account}. In Temporal's UI:")
    return Group(said, unbroken(page, f"link {page}"))


def followers(seen: FollowersView) -> Text:
    """What the followers received."""
    if seen.exactly_once:
        return Text(f"\n{seen.followers:,} followers, each received exactly 1 message.", style="bold green")
    return Text(
        f"\nOf {seen.followers:,} followers {seen.reached:,} received something, at most {seen.max_per_follower} "
        f"messages each, {len(seen.duplicates)} sends arrived more than once.",
        style="bold red",
    )


def what_next(stack: Stack) -> RenderableType:
    """What can be tried now, ready to be pasted."""
    qunfa = _command()
    exports = [f"export {name}={shlex.quote(value)}" for name, value in stack.operator_environment.items()]
    commands = [
        f"{qunfa} list",
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
