"""Answers of a person to sends: to one, to several that are named, or to all that a query finds."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple

import typer
from pydantic import BaseModel
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.choosing import Chosen, confirmed
from qunfa.cli.connection import temporal_client
from qunfa.cli.console import note, show, show_json
from qunfa.cli.errors import ExitCode, Explained, Refused, explain
from qunfa.cli.group import run
from qunfa.cli.naming import short_name
from qunfa.cli.queue import has_worker, no_worker
from qunfa.cli.reading import describe_send, read_send
from qunfa.cli.rendering.send import headline, render_send, state_word
from qunfa.cli.view import Answered, SendView
from qunfa.contract.ids import MassSendId

UPDATE_TIMEOUT: Final = timedelta(seconds=30)
_ENDS: Final = frozenset({"abort", "reject"})
"""The answers after which a send ends."""


class Answer(NamedTuple):
    """An update and what it holds."""

    update: str
    payload: BaseModel

    @property
    def command(self) -> str:
        """As it is typed."""
        return self.update.replace("_", "-")


def carry_out(whom: Chosen, answer: Answer, *, as_json: bool) -> None:
    """Give the answer, and print what became of it.

    One send by its name: the send afterwards. Several: a line each as it comes, or a list of `Answered` as JSON.

    Raises:
        Refused: The one send does not take it, or a query finds nothing, or a person said no.
        Exit: With 1 where one of several was refused, with 3 where Temporal did not answer for one.
    """
    if whom.is_one:
        _show_one(answer, run(_answer_one(whom.sends[0], answer)), as_json=as_json)
        return
    sends = confirmed(whom, answer.command, with_approval=answer.update == "approve")
    answers, code = run(_answer_all(sends, answer, note if as_json else show))
    if as_json:
        show_json(answers)
    if code is not ExitCode.DONE:
        raise typer.Exit(code)


async def _answer_one(send: MassSendId, answer: Answer) -> SendView | None:
    client = await temporal_client()
    await _give(client, send, answer)
    return await _seen(client, send)


def _show_one(answer: Answer, view: SendView | None, *, as_json: bool) -> None:
    if view is None:
        note("This was carried out. Temporal does not answer any more, so what follows from it is not known here.")
        raise typer.Exit(ExitCode.UNREACHABLE)
    if as_json:
        show_json(view)
    else:
        show(render_send(view))
    if answer.update in _ENDS and view.state == "running":
        note("This was carried out: the send ends, unless something may have been delivered. qunfa status tells.")


async def _answer_all(
    sends: list[MassSendId], answer: Answer, say: Callable[[str], None]
) -> tuple[list[Answered], ExitCode]:
    client = await temporal_client()
    answers: list[Answered] = []
    code = ExitCode.DONE
    for send in sends:
        if code is ExitCode.UNREACHABLE:
            one = _answered(send, answer, "Not asked, since Temporal did not answer before.")
        else:
            one, failed = await _attempt(client, send, answer)
            code = max(code, failed)
        say(_line(one))
        answers.append(one)
    return answers, code


async def _attempt(client: Client, send: MassSendId, answer: Answer) -> tuple[Answered, ExitCode]:
    try:
        await _give(client, send, answer)
    except (Refused, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError, RPCError) as error:
        said: Explained = explain(error)
        return _answered(send, answer, " ".join(said.lines)), said.code
    return _answered(send, answer, None, await _seen(client, send)), ExitCode.DONE


async def _give(client: Client, send: MassSendId, answer: Answer) -> None:
    """The update, only where somebody takes it now: one that is left behind would be carried out some day."""
    description = await describe_send(client, send)
    if description.close_time is not None:
        raise await _ended(client, send)
    if not await has_worker(client, description.task_queue):
        raise Refused(f"{no_worker(description.task_queue)} Nothing was changed.")
    handle = client.get_workflow_handle(description.id)
    try:
        await handle.execute_update(answer.update, answer.payload, rpc_timeout=UPDATE_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # it has ended in the meantime
            raise await _ended(client, send) from None
        raise


async def _seen(client: Client, send: MassSendId) -> SendView | None:
    """The send after its answer: that it cannot be read does not undo the answer."""
    try:
        return await read_send(client, send)
    except RPCError:
        return None


async def _ended(client: Client, send: MassSendId) -> Refused:
    view = await read_send(client, send)
    return Refused(f"{short_name(send)} has ended, so there is nothing to answer. {headline(view)}")


def _answered(send: MassSendId, answer: Answer, refusal: str | None, view: SendView | None = None) -> Answered:
    return Answered(account=send.account, key=send.key, answer=answer.update, refusal=refusal, send=view)


def _line(one: Answered) -> str:
    name = f"{one.account}/{one.key}"
    if one.refusal is not None:
        return f"{name}  NOT done: {one.refusal}"
    return f"{name}  done" + (f", now {_state_after(one.answer, one.send)}" if one.send else "")


def _state_after(answer: str, view: SendView) -> str:
    """In a word or two; a send that is to end shows the phase it was in until it has, which looks like no effect."""
    if answer in _ENDS and view.state == "running":
        return "ending"
    return state_word(view).replace("_", " ")
