"""`qunfa demo`: everything on this machine; what it sends, or leaves with a problem, and what it says."""

import asyncio
import secrets
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.client import Client

from qunfa.cli.connection import run
from qunfa.cli.demo_folder import (
    ACCOUNT,
    ANY,
    CROWD,
    FROZEN,
    LEFT,
    MONTHLY,
    SOURCE_CHANGED,
    TASK_QUEUE,
    UNKNOWN,
    USUAL,
    WINDOW_SECONDS,
    Ports,
    choose_ports,
    chosen,
    demo_folder,
    list_file,
    media_folder,
    picture_at,
    replace_picture,
)
from qunfa.cli.demo_stack import Stack, exactly_once, followers, received
from qunfa.cli.errors import ExitCode, Refused
from qunfa.cli.ledger import update_account
from qunfa.cli.message import contents, heading, message_of
from qunfa.cli.options import short_name
from qunfa.cli.output import SHANGHAI, facts, show, stdout, unbroken
from qunfa.cli.request import Request, assemble
from qunfa.cli.send import start
from qunfa.cli.status import headline, render_send
from qunfa.cli.typed import AudienceOptions, MessageOptions
from qunfa.cli.typed import operations as typed
from qunfa.cli.view import named_state, read_send
from qunfa.cli.watch import follow_on, stopped
from qunfa.contract import Freeze, mass_send_id
from qunfa.contract.audience import describe
from qunfa.contract.ids import MassSendId
from qunfa.language import _
from qunfa.language.phrases import told, told_whole
from qunfa.rules.problems import PROBLEMS
from qunfa.temporal.connection import link

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def demo(asked: typed.Demo) -> ExitCode:
    """Carry out `qunfa demo`."""
    problems = chosen(asked.problem or ())
    ports = choose_ports(ANY if asked.free_ports else USUAL)
    return run(_demo(ports, problems, once=asked.once, keep=asked.keep))


async def _demo(ports: Ports, problems: Sequence[str], *, once: bool, keep: Path | None) -> ExitCode:
    with demo_folder(keep) as folder:
        async with Stack(folder, ports, problems) as stack:
            playing = asyncio.create_task(_play(stack, problems, once=once))
            for number in _SIGNALS:
                asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
            try:
                return await playing
            except asyncio.CancelledError:
                _say_stopping()
                return ExitCode.INTERRUPTED


async def _play(stack: Stack, problems: Sequence[str], *, once: bool) -> ExitCode:
    """The demo, from the first process to the last word; a signal cancels it."""
    starting = _("Starting Temporal, a simulated WeChat, the receiver and a worker in {folder}")
    show(starting.format(folder=stack.folder))
    client = await stack.start()
    show(opening(stack))
    work = _leave_all(stack, client, problems) if problems else _send_all(stack, client)
    code = await _watched(stack, work)
    if once:
        return code
    show(what_else() if problems else what_next(stack))
    show(Text("\n" + _("Everything runs until Ctrl-C."), style="bold"))
    with suppress(asyncio.CancelledError):
        await stack.fail_with_a_process()
    _say_stopping()
    return code


def _say_stopping() -> None:
    with suppress(OSError):  # the terminal itself may have gone
        show(_("Stopping everything."))


async def _leave_all(stack: Stack, client: Client, problems: Sequence[str]) -> ExitCode:
    show(Text("\n" + _("In another terminal, first:")), *exports(stack))
    show(Text("\n" + _("What waits for you:")))
    tasks = [asyncio.create_task(_left(stack, client, problem)) for problem in problems]
    try:
        for task in tasks:
            show(render_standing(await task))
    finally:
        await stopped(tasks)
    return ExitCode.DONE


async def _send_all(stack: Stack, client: Client) -> ExitCode:
    """A text, an article with pictures, and a video, to all followers."""
    began, media = f"demo-{datetime.now(SHANGHAI):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", media_folder(stack.folder)
    requests = [to_all(ACCOUNT, f"{began}-{kind}", message(kind, media)) for kind in ("text", "article", "video")]
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


async def _watched(stack: Stack, work: Coroutine[Any, Any, ExitCode]) -> ExitCode:
    """What comes of `work`, unless a process ends meanwhile."""
    tasks = working, failing = asyncio.create_task(work), asyncio.create_task(stack.fail_with_a_process())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if failing.done():
            failing.result()
        return await working
    finally:
        await stopped(tasks)


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
    "qunfa list",
    f"qunfa send --account {ACCOUNT} --key look --tag 100 --image {{media}}/*.png --dry-run",
    f'qunfa freeze {ACCOUNT} --reason "a closer look"',
    f'qunfa send --account {ACCOUNT} --key second --to-all --text "The second one"',
    f"qunfa status {ACCOUNT}/second",
    f"qunfa unfreeze {ACCOUNT}",
    f"qunfa status {ACCOUNT}/second",
    f"qunfa ledger {ACCOUNT}",
    f'qunfa send --account {CROWD} --key many --openid-file {{list}} --text "To a list, in batches" --wait',
    f"qunfa report {CROWD}/many",
    "curl $SIM/_sim/ledger",
)
"""What can be tried once all was sent."""


def what_next(stack: Stack) -> RenderableType:
    """What can be tried now, ready to be pasted."""
    known = {"media": shlex.quote(str(media_folder(stack.folder))), "list": shlex.quote(str(list_file(stack.folder)))}
    commands = (unbroken(f"  {line.format(**known)}") for line in _NEXT)
    taken = _("This WeChat takes {most} sends a month, so that you can play. Quota and dry runs go by the real 4.")
    head = Text("\n" + _("Try next, in another terminal:"))
    return Group(head, *exports(stack), *commands, Text("\n" + taken.format(most=MONTHLY)))


def exports(stack: Stack) -> list[RenderableType]:
    """What leads the commands of another terminal to this demo, ready to be pasted."""
    own = {"QUNFA_CONFIG": str(stack.folder / "qunfa.toml"), "SIM": stack.simulator}
    given = {name: shlex.quote(value) for name, value in {**stack.operator_environment, **own}.items()}
    beside = shlex.quote(str(Path(sys.executable).parent))
    return [unbroken(f"  export {name}={value}") for name, value in {**given, "PATH": f"{beside}:$PATH"}.items()]


def what_else() -> RenderableType:
    """What can be done beside answering what was left."""
    said = _("All of them: {command}. docs/simulator.md shows what else the simulated WeChat can be told to do.")
    return Text("\n" + said.format(command="qunfa list"))


def message(kind: str, media: Path) -> MessageOptions:
    """A text, an article with pictures or a video; the files are in `media`."""
    article = MessageOptions(
        html=str(media / "article.html"), thumb=str(media / "cover.jpg"), title="春天到了", author="Qunfa"
    )
    video = MessageOptions(video=str(media / "clip.mp4"), title="郁金香", description="Tulips in the wind")
    known = {"article": article, "video": video}
    return known.get(kind, MessageOptions(text="Hello from Qunfa: one message, and nobody gets it twice."))


def to_all(account: str, key: str, given: MessageOptions, more: Mapping[str, Any] | None = None) -> Request:
    """A request that sends this to every follower of an account; `more` are further fields of it."""
    overrides = {"account": account, "key": key, "message": message_of(given), **(more or {})}
    return assemble(None, AudienceOptions(to_all=True), overrides, defaults={"requested_by": "qunfa demo"})


STANDS_WITHIN: Final = timedelta(seconds=90)
_ASK_AGAIN_SECONDS: Final = 0.2
_BUSY: Final = {"endpoint": "media/upload", "kind": "errcode", "errcode": -1, "times": None}


class Standing(NamedTuple):
    """A send that was left with a problem, and the commands to type next."""

    problem: str
    send: MassSendId
    commands: tuple[str, ...]


async def _left(stack: Stack, client: Client, problem: str) -> Standing:
    left, send = LEFT[problem], MassSendId(LEFT[problem].account, f"left-{secrets.token_hex(3)}")
    media = media_folder(stack.folder)
    file = media / f"{send.key}.png"
    if problem == FROZEN:
        told = Freeze(by="qunfa demo", reason="to be looked at")
        await update_account(client, stack.appid(left.account), "freeze", told, TASK_QUEUE)
    given = MessageOptions(image=[str(picture_at(file))]) if problem == SOURCE_CHANGED else message(left.message, media)
    orders = _orders(problem, left.account)
    fault = await stack.order(*orders[0]) if orders else None
    await start(client, to_all(send.account, send.key, given, left.request), TASK_QUEUE)
    for order in orders[1:]:
        await _until(partial(stack.has_struck, fault), problem)
        fault = await stack.order(*order)
    if problem == SOURCE_CHANGED:
        await _until(partial(stack.has_been_called, left.account, "media/upload"), problem)
        await asyncio.to_thread(replace_picture, file)
        await stack.take_back(fault)
    await _until(partial(_stands, client, send, problem), problem)
    await stack.take_back(fault)
    return Standing(problem, send, await _commands(stack, problem, send))


def _orders(problem: str, account: str) -> list[tuple[str, dict[str, object]]]:
    """What the simulator is told, each once the order before it has struck."""
    if problem == SOURCE_CHANGED:
        return [("faults", {**_BUSY, "account": account})]
    from qunfa.simulator.plans import ORDERS, body, kind_of  # noqa: PLC0415 - no other command needs it

    return [(kind_of(order), body(order, account)) for order in ORDERS.get(problem, ())]


async def _stands(client: Client, send: MassSendId, problem: str) -> bool:
    """Whether the send has its problem by now."""
    view = await read_send(client, send)
    if view.state != "running":
        said = _("{send} ended as {outcome}, and not with {problem}: {said}")
        ended = named_state(view)
        raise Refused(said.format(send=short_name(send), outcome=ended, problem=problem, said=headline(view)))
    status = view.status
    if status is None:
        return False
    if problem == FROZEN:
        return status.waiting_for is not None and FROZEN in status.waiting_for.reason
    return problem in {status.phase, status.problem.name if status.problem else None}


async def _until(look: Callable[[], Awaitable[bool]], problem: str) -> None:
    try:
        async with asyncio.timeout(STANDS_WITHIN.total_seconds()):
            while True:
                if await look():
                    return
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
    except TimeoutError:
        said = _("{problem} did not come within {seconds:.0f} s.")
        raise Refused(said.format(problem=problem, seconds=STANDS_WITHIN.total_seconds())) from None


async def _commands(stack: Stack, problem: str, send: MassSendId) -> tuple[str, ...]:
    left = LEFT[problem]
    [msg_id, *_] = [*await stack.msg_ids(left.account), ""] if problem == UNKNOWN else [""]
    known = {
        "send": short_name(send),
        "account": send.account,
        "msg_id": msg_id,
        "file": str(media_folder(stack.folder) / f"{send.key}.png"),
    }
    return tuple(one.format(**known) for one in ("qunfa status {send}", *left.after))


def render_standing(standing: Standing) -> RenderableType:
    """The problem and the send, what is wrong in a sentence, and the commands."""
    problem, send, commands = standing
    choice, about = PROBLEMS.get(problem), _(LEFT[problem].about).format(seconds=WINDOW_SECONDS)
    return Group(
        Text.assemble("\n", (problem, "bold"), "  ", (short_name(send), "bold yellow")),
        *(Text(f"  {line}") for line in (told(choice.sentence) if choice else "", about) if line),
        *(unbroken(f"    {command}") for command in commands),
    )
