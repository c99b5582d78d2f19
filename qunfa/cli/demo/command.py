"""`qunfa demo`: its messages, and what it says."""

import asyncio
import secrets
import shlex
import shutil
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import typer
from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.client import Client

from qunfa.cli.connection import run
from qunfa.cli.demo.folder import (
    ACCOUNT,
    ANY,
    CROWD,
    TASK_QUEUE,
    USUAL,
    Ports,
    choose_ports,
    demo_folder,
    list_file,
    media_folder,
    message,
    to_all,
)
from qunfa.cli.demo.leave import leave, render_standing
from qunfa.cli.demo.problems import chosen
from qunfa.cli.demo.stack import Stack
from qunfa.cli.errors import ExitCode
from qunfa.cli.message import bytes_words, contents, heading
from qunfa.cli.output import SHANGHAI, facts, show, stdout, table, unbroken
from qunfa.cli.request import Request
from qunfa.cli.send import start
from qunfa.cli.status import render_send
from qunfa.cli.typed import operations as typed
from qunfa.cli.watch import follow_on
from qunfa.contract import mass_send_id
from qunfa.contract.audience import describe
from qunfa.language import _
from qunfa.language.phrases import told, told_whole
from qunfa.temporal.ui import link

Answer = TypeVar("Answer")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(Exception):
    """A signal came."""


def demo(asked: typed.Demo) -> None:
    """Carry out `qunfa demo`."""
    problems = chosen(asked.problem or ())
    ports = choose_ports(ANY if asked.free_ports else USUAL)
    raise typer.Exit(run(_demo(ports, problems, once=asked.once, keep=asked.keep)))


async def _demo(ports: Ports, problems: Sequence[str], *, once: bool, keep: Path | None) -> ExitCode:
    stop = asyncio.Event()
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with demo_folder(keep) as folder:
        async with Stack(folder, ports, problems) as stack:
            try:
                return await _play(stack, problems, stop, once=once)
            except _Stopped:
                _say_stopping()
                return ExitCode.INTERRUPTED


async def _play(stack: Stack, problems: Sequence[str], stop: asyncio.Event, *, once: bool) -> ExitCode:
    """The demo, from the first process to the last word; raises `_Stopped` where a signal cuts it short."""
    starting = _("Starting Temporal, a simulated WeChat, the receiver and a worker in {folder}")
    show(starting.format(folder=stack.folder))
    client = await _watched(stack.start(), _alarm(stop))
    show(opening(stack))
    work = _leave_all(stack, client, problems) if problems else _send_all(stack, client)
    code = await _watched(work, _alarm(stop), stack.fail_with_a_process())
    if once:
        return code
    show(what_else() if problems else what_next(stack))
    show(Text("\n" + _("Everything runs until Ctrl-C."), style="bold"))
    try:
        await _watched(_for_ever(), _alarm(stop), stack.fail_with_a_process())
    except _Stopped:
        _say_stopping()
    return code


def _say_stopping() -> None:
    with suppress(OSError):  # the terminal itself may have gone
        show(_("Stopping everything."))


async def _leave_all(stack: Stack, client: Client, problems: Sequence[str]) -> ExitCode:
    show(Text("\n" + _("In another terminal, first:")), *exports(stack))
    show(Text("\n" + _("What waits for you:")))
    await leave(stack, client, problems, _command(), lambda standing: show(render_standing(standing)))
    return ExitCode.DONE


async def _send_all(stack: Stack, client: Client) -> ExitCode:
    requests = campaign(media_folder(stack.folder))
    for request in requests:
        if not await _sent(stack, client, request):
            return ExitCode.REFUSED
    seen = (await stack.asked("ledger", account=ACCOUNT))["accounts"][ACCOUNT]
    seen_by = [await stack.asked("content", msg_id=str(job["msg_id"])) for job in seen["jobs"]]
    show(received(seen, seen_by), followers(seen, len(requests)))
    return ExitCode.DONE if exactly_once(seen, len(requests)) else ExitCode.REFUSED


async def _sent(stack: Stack, client: Client, request: Request) -> bool:
    started = await start(client, request, TASK_QUEUE)
    show(sending(request, stack))
    view = await follow_on(stdout(), client, started.send)
    if not view.ended_well:
        show(render_send(view))
    return view.ended_well


async def _watched(work: Coroutine[Any, Any, Answer], *alarms: Coroutine[Any, Any, NoReturn]) -> Answer:
    """The answer of `work`, or the error of the first alarm that goes off meanwhile."""
    working = asyncio.create_task(work)
    watching = [asyncio.create_task(alarm) for alarm in alarms]
    tasks: set[asyncio.Task[Any]] = {working, *watching}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for alarm in watching:
            if alarm.done():
                alarm.result()
        return await working
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _alarm(stop: asyncio.Event) -> NoReturn:
    await stop.wait()
    raise _Stopped


async def _for_ever() -> None:
    await asyncio.Event().wait()


def campaign(media: Path) -> list[Request]:
    """A text, an article with pictures, and a video, to all followers; the files are in `media`."""
    began = f"demo-{datetime.now(SHANGHAI):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    return [to_all(ACCOUNT, f"{began}-{kind}", message(kind, media)) for kind in ("text", "article", "video")]


def opening(stack: Stack) -> RenderableType:
    """Where everything listens."""
    rows = {
        "Temporal": stack.operator_environment["TEMPORAL_ADDRESS"],
        _("its UI"): stack.ui,
        _("worker"): _("task queue {queue}").format(queue=TASK_QUEUE),
        _("receiver"): f"{stack.receiver}/wechat/{ACCOUNT}",
        _("simulated WeChat"): stack.simulator,
        _("logs"): str(stack.folder / "*.log"),
    }
    return facts(rows.items())


def sending(request: Request, stack: Stack) -> RenderableType:
    """What is being sent, and where Temporal shows it."""
    sent = request.parsed
    page = link(stack.ui, "default", mass_send_id(sent.account, sent.key))
    made_of = "".join(f"\n  {line}" for line in contents(sent.message))
    said = _("{message} to {audience} of {account}:").format(
        message=told_whole(heading(sent.message)), audience=told(describe(sent.audience)), account=sent.account
    )
    return Group(Text(f"\n{said}{made_of}"), unbroken(page, f"link {page}"))


_NEXT: Final = (
    "{qunfa} list",
    f"{{qunfa}} send --account {ACCOUNT} --key look --tag 100 --image {{media}}/*.png --dry-run",
    f'{{qunfa}} freeze {ACCOUNT} --reason "a closer look"',
    f'{{qunfa}} send --account {ACCOUNT} --key second --to-all --text "The second one"',
    f"{{qunfa}} status {ACCOUNT}/second",
    f"{{qunfa}} unfreeze {ACCOUNT}",
    f"{{qunfa}} status {ACCOUNT}/second",
    f"{{qunfa}} ledger {ACCOUNT}",
    f'{{qunfa}} send --account {CROWD} --key many --openid-file {{list}} --text "To a list, in batches" --wait',
    f"QUNFA_CONFIG={{configuration}} {{qunfa}} report {CROWD}/many",
    "curl $SIM/_sim/ledger",
)
"""What can be tried once all was sent."""


def what_next(stack: Stack) -> RenderableType:
    """What can be tried now, ready to be pasted."""
    known = {
        "qunfa": _command(),
        "media": shlex.quote(str(media_folder(stack.folder))),
        "list": shlex.quote(str(list_file(stack.folder))),
        "configuration": shlex.quote(str(stack.folder / "qunfa.toml")),
    }
    commands = (unbroken(f"  {line.format(**known)}") for line in _NEXT)
    return Group(Text("\n" + _("Try next, in another terminal:")), *exports(stack), *commands)


def exports(stack: Stack) -> list[RenderableType]:
    """What leads the commands of another terminal to this demo, ready to be pasted."""
    given = {**stack.operator_environment, "SIM": stack.simulator}
    return [unbroken(f"  export {name}={shlex.quote(value)}") for name, value in given.items()]


def what_else() -> RenderableType:
    """What can be done beside answering what was left."""
    said = _("All of them: {command}. docs/simulator.md shows what else the simulated WeChat can be told to do.")
    return Text("\n" + said.format(command=f"{_command()} list"))


def _command() -> str:
    """How the `qunfa` command is typed in a new terminal."""
    beside = Path(sys.executable).with_name("qunfa")
    found = shutil.which("qunfa")
    return "qunfa" if found is not None or not beside.is_file() else shlex.quote(str(beside))


Seen = dict[str, Any]
"""What the simulator tells: its ledger of an account, a message, an article, a file."""


def exactly_once(ledger: Seen, messages: int) -> bool:
    """Whether every follower received each of so many messages, and none of them twice."""
    everyone = {ledger["reached"], *(job["received"] for job in ledger["jobs"])} == {ledger["followers"]}
    return everyone and len(ledger["jobs"]) == ledger["max_per_follower"] == messages and not ledger["duplicates"]


def received(ledger: Seen, messages: Sequence[Seen]) -> RenderableType:
    """What the simulated followers see of each send."""
    sent = zip(ledger["jobs"], messages, strict=True)
    rows = ((job["msg_id"], content["msgtype"], _seen(content), f"{job['received']:,}") for job, content in sent)
    columns = ("msg_id", _("type"), _("what they see"), _("followers"))
    return table(columns, rows, "\n" + _("What the followers received"), wrapped=(_("what they see"),))


def followers(ledger: Seen, messages: int) -> Text:
    """Whether every follower received each message once."""
    if exactly_once(ledger, messages):
        said = _("{followers:,} followers, each received each of the {messages} messages exactly once.")
        return Text("\n" + said.format(followers=ledger["followers"], messages=messages), style="bold green")
    said = _(
        "Of {followers:,} followers {reached:,} received something, at most {most} messages each, {twice} sends arrived"
        " more than once."
    ).format(
        followers=ledger["followers"],
        reached=ledger["reached"],
        most=ledger["max_per_follower"],
        twice=len(ledger["duplicates"]),
    )
    return Text("\n" + said, style="bold red")


def _seen(content: Seen) -> str:
    if content["text"] is not None:
        return str(content["text"])
    if not content["articles"]:
        return ", ".join([content["title"], *(_file(media) for media in content["media"])])
    return "; ".join(_article(article) for article in content["articles"])


def _article(article: Seen) -> str:
    """Each picture once, and in how many places they stand."""
    distinct = {picture["url"]: _file(picture) for picture in article["pictures"]}
    lost = _(", {number} LOST").format(number=len(article["dropped"])) if article["dropped"] else ""
    said = _("{title}, cover {cover}, {number} pictures in {places} places ({files})").format(
        title=article["title"],
        cover=_file(article["thumb"]),
        number=len(distinct),
        places=len(article["pictures"]),
        files=", ".join(distinct.values()),
    )
    return said + lost


def _file(media: Seen) -> str:
    return f"{media['file']['format']} {bytes_words(media['file']['size'])}"
