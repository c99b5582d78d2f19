"""The answers of a person to sends: to one, to several that are named, or to all that a query finds."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, NamedTuple

import typer
from pydantic import BaseModel
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.connection import UPDATE_TIMEOUT, demand_worker, run, temporal_client
from qunfa.cli.errors import NOT_DONE, ExitCode, Refused, WrongUse, explain
from qunfa.cli.options import (
    Account,
    By,
    Json,
    Reason,
    SendId,
    Why,
    confirm,
    grouped,
    login_name,
    payload,
    short_name,
)
from qunfa.cli.output import note, show, show_json, show_result
from qunfa.cli.sends import Chosen, Given, Query, Sends, chosen, confirmed
from qunfa.cli.status import headline, render_send, state_word
from qunfa.cli.view import SendView, describe_send, read_send
from qunfa.contract import Abort, MarkSent, Retry
from qunfa.contract.fields import Stored
from qunfa.contract.ids import MassSendId
from qunfa.contract.operators import Approve, Choose, Pause, Reject, Reschedule, Resume
from qunfa.language import _

_ENDS: Final = frozenset({"abort", "reject"})
"""The answers after which a send ends."""

NotDelivered = Annotated[
    bool,
    typer.Option(
        "--confirm-not-delivered",
        help="You looked in WeChat's console: it was not delivered. For one SEND at a time.",
    ),
]


class Answer(NamedTuple):
    """An update and what it holds."""

    update: str
    payload: BaseModel

    @property
    def command(self) -> str:
        """As it is typed."""
        return self.update.replace("_", "-")


class Answered(Stored):
    """What became of one answer among several.

    `refusal` says why it was not carried out, and is `None` where it was. `send` is the send afterwards, as far as it
    could be read.
    """

    account: str
    key: str
    answer: str
    refusal: str | None = None
    send: SendView | None = None


@grouped
def approve(sends: Sends = None, *, query: Query = None, reason: Why = None, given: Given) -> None:
    """Let sends go out that wait for approval; whoever asked for one cannot approve it."""
    _answer("approve", Approve, chosen(sends, given, query), given, reason=reason)


@grouped
def reject(sends: Sends = None, *, query: Query = None, reason: Why = None, given: Given) -> None:
    """End sends that wait for approval, and are not to go out."""
    _answer("reject", Reject, chosen(sends, given, query), given, reason=reason)


@grouped
def pause(sends: Sends = None, *, query: Query = None, reason: Why = None, given: Given) -> None:
    """Submit nothing of these sends until they are resumed."""
    _answer("pause", Pause, chosen(sends, given, query), given, reason=reason)


@grouped
def resume(sends: Sends = None, *, query: Query = None, reason: Why = None, given: Given) -> None:
    """Let paused sends go on where they stood."""
    _answer("resume", Resume, chosen(sends, given, query), given, reason=reason)


@grouped
def reschedule(
    sends: Sends = None,
    *,
    send_at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Not before: a time with an offset, such as 2026-12-01T09:00:00+08:00."),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="As soon as everything else allows it.")] = False,
    given: Given,
) -> None:
    """Give sends another time, also while they are paused."""
    if (send_at is not None) == now:
        raise WrongUse(_("Say when: by --send-at TIME, or by --now, and not by both."))
    if not sends:
        raise WrongUse(_("Say which sends: by SEND…."))
    moment = datetime.now(UTC).isoformat() if send_at is None else send_at
    _answer("reschedule", Reschedule, chosen(sends, given), given, send_at=moment)


@grouped
def retry(
    sends: Sends = None,
    *,
    reason: Reason,
    query: Query = None,
    send_ignore_reprint: Annotated[
        bool, typer.Option("--send-ignore-reprint", help="Send it although WeChat judged it a reprint.")
    ] = False,
    confirm_not_delivered: NotDelivered = False,
    given: Given,
) -> None:
    """Let sends that wait for a person try again."""
    whom = chosen(sends, given, query)
    if confirm_not_delivered:
        _confirm_not_delivered(whom, _("its followers will get it twice"))
    said = {"send_ignore_reprint": send_ignore_reprint, "confirm_not_delivered": confirm_not_delivered}
    _answer("retry", Retry, whom, given, reason=reason, **said)


@grouped
def abort(
    sends: Sends = None,
    *,
    reason: Reason,
    query: Query = None,
    confirm_not_delivered: NotDelivered = False,
    given: Given,
) -> None:
    """End sends of which nothing may be on its way, or that wait for a person."""
    whom = chosen(sends, given, query)
    if confirm_not_delivered:
        _confirm_not_delivered(whom, _("its result will say that nobody got it, and somebody may send it once more"))
    _answer("abort", Abort, whom, given, reason=reason, confirm_not_delivered=confirm_not_delivered)


def mark_sent(
    send: SendId,
    *,
    msg_id: Annotated[int, typer.Option(help="The job's id, as WeChat's console shows it.")],
    reason: Reason,
    account: Account = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Say that a send was found in WeChat's console; its result is awaited then."""
    given = Given(account, by, as_json=as_json)
    _answer("mark_sent", MarkSent, chosen([send], given), given, reason=reason, msg_id=msg_id)


def choose(
    send: SendId,
    *,
    winner: Annotated[Literal["a", "b"], typer.Option(metavar="a|b", help="The group whose message the rest gets.")],
    reason: Why = None,
    account: Account = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Let the rest of a split test get the message of a group."""
    given = Given(account, by, as_json=as_json)
    _answer("choose", Choose, chosen([send], given), given, reason=reason, winner=winner)


def _confirm_not_delivered(whom: Chosen, otherwise: str) -> None:
    """Somebody has to have looked for this very send; ``otherwise`` is what a wrong word leads to."""
    if not whom.is_one:
        raise WrongUse(
            _(
                "--confirm-not-delivered goes with one SEND, and with no --query: each has to be looked for "
                "in WeChat's console by itself, since one that was delivered would reach its followers twice."
            )
        )
    confirm(
        _("Is it certain, from WeChat's console, that {send} was not delivered? If it was, {otherwise}.").format(
            send=short_name(whom.sends[0]), otherwise=otherwise
        ),
        yes=whom.yes,
    )


def _answer(update: str, model: type[BaseModel], whom: Chosen, given: Given, **fields: object) -> None:
    """Give the answer, and print what became of it.

    One send by its name: the send afterwards. Several: a line each as it comes, or a list of `Answered` as JSON.

    Raises:
        Refused: The one send does not take it, or a query finds nothing, or a person said no.
        Exit: With 1 where one of several was refused, with 3 where Temporal did not answer for one.
    """
    answer = Answer(update, payload(model, by=given.by or login_name(), **fields))
    if whom.is_one:
        _show_one(answer, run(_answer_one(whom.sends[0], answer)), as_json=given.as_json)
        return
    answers, code = run(_answer_all(confirmed(whom, answer.command), answer, note if given.as_json else show))
    if given.as_json:
        show_json(answers)
    if code is not ExitCode.DONE:
        raise typer.Exit(code)


async def _answer_one(send: MassSendId, answer: Answer) -> SendView | None:
    client = await temporal_client()
    await _give(client, send, answer)
    return await _seen(client, send)


def _show_one(answer: Answer, view: SendView | None, *, as_json: bool) -> None:
    if view is None:
        note(_("This was carried out. Temporal does not answer any more, so what follows from it is not known here."))
        raise typer.Exit(ExitCode.UNREACHABLE)
    show_result(view, render_send, as_json=as_json)
    if answer.update in _ENDS and view.state == "running":
        note(_("This was carried out: the send ends, unless something may have been delivered. qunfa status tells."))


async def _answer_all(
    sends: list[MassSendId], answer: Answer, say: Callable[[str], None]
) -> tuple[list[Answered], ExitCode]:
    client = await temporal_client()
    answers: list[Answered] = []
    code = ExitCode.DONE
    for send in sends:
        if code is ExitCode.UNREACHABLE:
            one = _answered(send, answer, _("Not asked, since Temporal did not answer before."))
        else:
            one, failed = await _attempt(client, send, answer)
            code = max(code, failed)
        say(_line(one))
        answers.append(one)
    return answers, code


async def _attempt(client: Client, send: MassSendId, answer: Answer) -> tuple[Answered, ExitCode]:
    try:
        await _give(client, send, answer)
    except NOT_DONE as error:
        said = explain(error)
        return _answered(send, answer, said.line), said.code
    return _answered(send, answer, None, await _seen(client, send)), ExitCode.DONE


async def _give(client: Client, send: MassSendId, answer: Answer) -> None:
    """The update, only where somebody takes it now: one that is left behind would be carried out some day."""
    description = await describe_send(client, send)
    if description.close_time is not None:
        raise await _ended(client, send)
    await demand_worker(client, description.task_queue, _("Nothing was changed."))
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
    return Refused(
        _("{send} has ended, so there is nothing to answer. {headline}").format(
            send=short_name(send), headline=headline(view)
        )
    )


def _answered(send: MassSendId, answer: Answer, refusal: str | None, view: SendView | None = None) -> Answered:
    return Answered(account=send.account, key=send.key, answer=answer.update, refusal=refusal, send=view)


def _line(one: Answered) -> str:
    name = f"{one.account}/{one.key}"
    if one.refusal is not None:
        return _("{name}  NOT done: {refusal}").format(name=name, refusal=one.refusal)
    return _("{name}  done").format(name=name) + (
        _(", now {state_after}").format(state_after=_state_after(one.answer, one.send)) if one.send else ""
    )


def _state_after(answer: str, view: SendView) -> str:
    """In a word or two; a send that is to end shows the phase it was in until it has, which looks like no effect."""
    if answer in _ENDS and view.state == "running":
        return _("ending")
    return _(state_word(view)).replace("_", " ")
