"""`qunfa demo --problem`: leaves the sends, says what is wrong with each, and what can be typed next."""

import asyncio
import secrets
import shutil
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.client import Client

from qunfa.cli.account import update_account
from qunfa.cli.demo.folder import TASK_QUEUE, media_folder, message, to_all
from qunfa.cli.demo.problems import FROZEN, LEFT, SOURCE_CHANGED, UNKNOWN, WINDOW_SECONDS
from qunfa.cli.demo.stack import Stack
from qunfa.cli.errors import Refused
from qunfa.cli.options import short_name
from qunfa.cli.output import unbroken
from qunfa.cli.send import start
from qunfa.cli.status import headline, named_state, state_word
from qunfa.cli.typed.request import MessageOptions
from qunfa.cli.view import SendView, read_send
from qunfa.contract import Freeze
from qunfa.contract.ids import MassSendId
from qunfa.language import _
from qunfa.language.phrases import told
from qunfa.rules.problems import PROBLEMS

STANDS_WITHIN: Final = timedelta(seconds=90)
_ASK_AGAIN_SECONDS: Final = 0.2
_BUSY: Final = {"endpoint": "media/upload", "kind": "errcode", "errcode": -1, "times": None}


class Standing(NamedTuple):
    """A send that was left with a problem, and the commands to type next."""

    problem: str
    send: MassSendId
    view: SendView
    commands: tuple[str, ...]


async def leave(
    stack: Stack, client: Client, problems: Sequence[str], command: str, tell: Callable[[Standing], None]
) -> None:
    """Bring all of them about at once, and `tell` of each in the order of `problems`."""
    tasks = [asyncio.create_task(_left(stack, client, problem, command)) for problem in problems]
    try:
        for task in tasks:
            tell(await task)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _left(stack: Stack, client: Client, problem: str, command: str) -> Standing:
    left, send = LEFT[problem], MassSendId(LEFT[problem].account, f"left-{secrets.token_hex(3)}")
    media = media_folder(stack.folder)
    file = media / f"{send.key}.png"
    if problem == FROZEN:
        told = Freeze(by="qunfa demo", reason="to be looked at")
        await update_account(client, stack.appid(left.account), "freeze", told, TASK_QUEUE)
    given = _picture(file) if problem == SOURCE_CHANGED else message(left.message, media)
    orders = _orders(problem, left.account)
    fault = await stack.order(*orders[0]) if orders else None
    await start(client, to_all(send.account, send.key, given, left.request), TASK_QUEUE)
    for order in orders[1:]:
        await _until(partial(stack.has_struck, fault), problem)
        fault = await stack.order(*order)
    if problem == SOURCE_CHANGED:
        await _until(partial(stack.has_been_called, left.account, "media/upload"), problem)
        await asyncio.to_thread(_change, file)
        await stack.take_back(fault)
    view = await _standing(client, send, problem)
    await stack.take_back(fault)
    return Standing(problem, send, view, await _commands(stack, problem, send, command))


def _orders(problem: str, account: str) -> list[tuple[str, dict[str, object]]]:
    """What the simulator is told, each once the order before it has struck."""
    if problem == SOURCE_CHANGED:
        return [("faults", {**_BUSY, "account": account})]
    from qunfa.simulator.plans import ORDERS, body, kind_of  # noqa: PLC0415 - no other command needs it

    return [(kind_of(order), body(order, account)) for order in ORDERS.get(problem, ())]


def _picture(file: Path) -> MessageOptions:
    shutil.copyfile(file.with_name("tulips.png"), file)
    return MessageOptions(image=[str(file)])


def _change(file: Path) -> None:
    """Another picture takes the file's place."""
    file.rename(file.with_name(f"{file.name}.before"))
    shutil.copyfile(file.with_name("border.png"), file)


async def _standing(client: Client, send: MassSendId, problem: str) -> SendView:
    """The send, once it has its problem."""
    view = await read_send(client, send)

    async def look() -> bool:
        nonlocal view
        view = await read_send(client, send, view)
        if view.state != "running":
            said = _("{send} ended as {outcome}, and not with {problem}: {said}")
            ended = named_state(state_word(view))
            raise Refused(said.format(send=short_name(send), outcome=ended, problem=problem, said=headline(view)))
        return _has(view, problem)

    await _until(look, problem)
    return view


def _has(view: SendView, problem: str) -> bool:
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


async def _commands(stack: Stack, problem: str, send: MassSendId, command: str) -> tuple[str, ...]:
    left = LEFT[problem]
    [msg_id, *_] = [*await stack.msg_ids(left.account), ""] if problem == UNKNOWN else [""]
    known = {
        "qunfa": command,
        "send": short_name(send),
        "account": send.account,
        "msg_id": msg_id,
        "file": str(media_folder(stack.folder) / f"{send.key}.png"),
    }
    return tuple(one.format(**known) for one in ("{qunfa} status {send}", *left.after))


def render_standing(standing: Standing) -> RenderableType:
    """The problem and the send, what is wrong in a sentence, and the commands."""
    problem, send, _view, commands = standing
    choice, about = PROBLEMS.get(problem), _(LEFT[problem].about).format(seconds=WINDOW_SECONDS)
    return Group(
        Text.assemble("\n", (problem, "bold"), "  ", (short_name(send), "bold yellow")),
        *(Text(f"  {line}") for line in (told(choice.sentence) if choice else "", about) if line),
        *(unbroken(f"    {command}") for command in commands),
    )
