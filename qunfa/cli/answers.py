"""The answers of a person to sends: to one, to several that are named, or to all that a query finds."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from pydantic import BaseModel
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from qunfa.cli.connection import carried_out, demand_worker, with_client
from qunfa.cli.errors import NOT_DONE, AnswerLost, ExitCode, Refused, WrongUse, explain
from qunfa.cli.options import changed, confirm, demand_ahead, demand_consent, login_name, payload, short_name
from qunfa.cli.output import in_a_line, note, short, show, show_json, show_result, to_the_end
from qunfa.cli.status import headline, render_send
from qunfa.cli.targets import Chosen, Shown, aborted_in, chosen, confirmed, demand_shown, what_it_asks
from qunfa.cli.typed import sends as typed
from qunfa.cli.view import SendView, batch_asking, describe_send, read_send, state_word
from qunfa.contract.fields import Stored
from qunfa.contract.ids import MassSendId
from qunfa.contract.operators import Reschedule
from qunfa.contract.result import ASK_AGAIN
from qunfa.contract.schema import SCHEMAS
from qunfa.language import N_, _
from qunfa.language.phrases import told
from qunfa.rules.problems import BATCH_FAILED, PLAN_MISSING
from qunfa.temporal.connection import is_gone

_ENDS: Final = frozenset({"abort", "reject"})
"""The answers after which a send ends."""


class Answered(Stored):
    """What became of one answer among several.

    `refusal` says why it was not carried out, and is `None` where it was. `perhaps`: it may have been all the same.
    `send` is the send afterwards, as far as it could be read.
    """

    account: str
    key: str
    answer: str
    refusal: str | None = None
    perhaps: bool = False
    send: SendView | None = None


class Answer(NamedTuple):
    """An update and what it holds."""

    update: str
    payload: BaseModel

    def said(self, to: MassSendId, /, **more: Any) -> Answered:
        """What became of it at a send."""
        return Answered(account=to.account, key=to.key, answer=self.update, **more)


def plain(asked: typed.Plain) -> ExitCode:
    """Carry out `qunfa approve`, `reject`, `pause` or `resume`."""
    whom = chosen(asked.sends, asked.given, asked.query)
    return _answer(type(asked).__name__.lower(), whom, asked.given, reason=asked.reason)


def reschedule(asked: typed.Reschedule) -> ExitCode:
    """Carry out `qunfa reschedule`."""
    if (asked.send_at is not None) == asked.now:
        raise WrongUse(_("Say when: by --send-at TIME, or by --now, and not by both."))
    if not asked.sends:
        raise WrongUse(_("Say which sends: by SEND…."))
    # A time that has passed means now. That of this machine may be ahead.
    past = datetime.now(UTC) - timedelta(days=1)
    by = asked.given.by or login_name()
    said = payload(Reschedule, by=by, send_at=past if asked.send_at is None else asked.send_at)
    if not asked.now:
        demand_ahead(said.send_at, _("say --now"))
    about = _("send at {time}").format(time=_("now") if asked.now else short(said.send_at))
    return _answer("reschedule", chosen(asked.sends, asked.given), asked.given, about=about, send_at=said.send_at)


def retry(asked: typed.Retry) -> ExitCode:
    """Carry out `qunfa retry`."""
    whom = chosen(asked.sends, asked.given, asked.query)
    if asked.confirm_not_delivered:
        _confirm_not_delivered(whom, _("its followers will get it twice"))
    elif whom.is_one:
        _confirm_aborted(whom.sends[0], yes=whom.yes)
    said = {one: getattr(asked, one) for one in ("reason", "send_ignore_reprint", "confirm_not_delivered")}
    return _answer("retry", whom, asked.given, **said)


def abort(asked: typed.Abort) -> ExitCode:
    """Carry out `qunfa abort`."""
    whom = chosen(asked.sends, asked.given, asked.query)
    if asked.confirm_not_delivered:
        _confirm_not_delivered(whom, _("its result will say that nobody got it, and somebody may send it once more"))
    return _answer("abort", whom, asked.given, reason=asked.reason, confirm_not_delivered=asked.confirm_not_delivered)


def mark_sent(asked: typed.MarkSent) -> ExitCode:
    """Carry out `qunfa mark-sent`."""
    given = typed.Given(asked.account, asked.by, as_json=asked.as_json)
    whom = chosen([asked.send], given)
    with_client(_looked_at, whom.sends[0])
    return _answer("mark_sent", whom, given, reason=asked.reason, msg_id=asked.msg_id)


def choose(asked: typed.Choose) -> ExitCode:
    """Carry out `qunfa choose`."""
    given = typed.Given(asked.account, asked.by, as_json=asked.as_json)
    return _answer("choose", chosen([asked.send], given), given, reason=asked.reason, winner=asked.winner)


def _confirm_not_delivered(whom: Chosen, otherwise: str) -> None:
    """Somebody has to have looked for this very send; ``otherwise`` is what a wrong word leads to."""
    if not whom.is_one:
        raise WrongUse(
            _(
                "--confirm-not-delivered goes with one SEND, and with no --query: each has to be looked for "
                "in WeChat's console by itself, since one that was delivered would reach its followers twice."
            )
        )
    demand_consent(yes=whom.yes)
    send = whom.sends[0]
    view = with_client(_looked_at, send)
    if whom.yes:
        return
    said = _("Is it certain, from WeChat's console, that {send} was not delivered? If it was, {otherwise}.")
    confirm(said.format(send=short_name(send), otherwise=otherwise), yes=False, about=_asked(view))
    if what_it_asks(with_client(_looked_at, send)) != what_it_asks(view):
        raise changed(send)


async def _looked_at(client: Client, send: MassSendId) -> SendView:
    """The send as it is now, of which somebody says what became of it in WeChat's console."""
    view = await read_send(client, send)
    if not view.in_batches or view.state != "running" or view.asks == PLAN_MISSING:
        return view
    asking = batch_asking(view)
    if asking is None or view.asks == BATCH_FAILED:
        said = _(
            "{send} runs in batches, so this goes with a batch's own key. `qunfa status {send}` names the batch that "
            "asks, if one does."
        )
        raise WrongUse(said.format(send=short_name(send)))
    batch = short_name(MassSendId(send.account, asking[1]))
    sentence = _(
        "{send} runs in batches, and another batch may ask by then. So this goes with the batch's own key: "
        "say {batch}, if that is the one you looked for."
    )
    raise WrongUse(sentence.format(send=short_name(send), batch=batch))


def _asked(view: SendView) -> Iterator[str]:
    """What the send asks, and what happened to it last: a look into the console has to be newer."""
    yield in_a_line(headline(view))
    for line in view.status.history[-1:] if view.status else ():
        yield in_a_line(f"  {short(line.at)}  {told(line.what)}")


def _confirm_aborted(send: MassSendId, *, yes: bool) -> None:
    """Ask whoever retries a list whether its batch is to be sent that somebody has aborted."""
    if yes or (line := with_client(aborted_in, send)) is None:
        return
    confirm(_("Send it all the same?"), yes=False, about=[line])
    if with_client(aborted_in, send) != line:
        raise changed(send)


def _answer(update: str, whom: Chosen, given: typed.Given, *, about: str = "", **fields: object) -> ExitCode:
    """Give the answer, and print what became of it. `about`: what it says, to whoever is asked whether it is right.

    One send by its name: the send afterwards. Several: a line each as it comes, or a list of `Answered` as JSON.
    """
    answer = Answer(update, payload(SCHEMAS[f"MassSend.{update}"], by=given.by or login_name(), **fields))
    if whom.is_one:
        return _show_one(answer, with_client(_answer_one, whom.sends[0], answer), as_json=given.as_json)
    sends = confirmed(whom, update.replace("_", "-"), about)
    with to_the_end(note if given.as_json else show, note) as say:
        answers, code = with_client(_answer_all, sends, answer, say)
    if given.as_json:
        show_json(answers)
    _warn_of_another_start(answer, [one.send for one in answers])
    return code


async def _answer_one(client: Client, send: MassSendId, answer: Answer) -> SendView | None:
    await _give(client, send, answer)
    try:
        return await _seen(client, send)
    except asyncio.CancelledError:
        note(_("This was carried out."))
        raise


def _show_one(answer: Answer, view: SendView | None, *, as_json: bool) -> ExitCode:
    if view is None:
        note(_("This was carried out. Temporal does not answer any more, so what follows from it is not known here."))
        return ExitCode.UNREACHABLE
    show_result(view, render_send, as_json=as_json)
    if answer.update in _ENDS and view.state == "running":
        note(_("This was carried out: the send ends, unless something may have been delivered. qunfa status tells."))
    _warn_of_another_start(answer, [view])
    return ExitCode.DONE


def _warn_of_another_start(answer: Answer, views: Iterable[SendView | None]) -> None:
    """An abort lasts until an upstream service starts the key again. A batch stays aborted, and what was sent does."""
    if answer.update != "abort":
        return
    ended = [view for view in views if view is not None and view.batch_of is None]
    if any(view.result is None or not view.result.may_have_been_delivered for view in ended):
        note(_("Where nothing was delivered, whoever starts the key again sends it."))


async def _answer_all(
    client: Client, sends: Mapping[MassSendId, Shown | None], answer: Answer, say: Callable[[str], None]
) -> tuple[list[Answered], ExitCode]:
    answers: list[Answered] = []
    code = ExitCode.DONE
    for send, before in sends.items():
        if code in _NOT_ASKED:
            one = answer.said(send, refusal=_(_NOT_ASKED[code]))
        else:
            one, failed = await _attempt(client, send, answer, before)
            code = max(code, failed)
        say(_line(one))
        answers.append(one)
    return answers, code


_NOT_ASKED: Final = {
    ExitCode.UNREACHABLE: N_("Not asked, since Temporal did not answer before."),
    ExitCode.INTERRUPTED: N_("Not asked, since this was interrupted before."),
}


async def _attempt(client: Client, send: MassSendId, answer: Answer, before: Shown | None) -> tuple[Answered, ExitCode]:
    try:
        await _give(client, send, answer, before)
    except (*NOT_DONE, asyncio.CancelledError) as error:
        said = explain(error)
        return answer.said(send, refusal=said.line, perhaps=said.perhaps), said.code
    try:
        return answer.said(send, send=await _seen(client, send)), ExitCode.DONE
    except asyncio.CancelledError:
        return answer.said(send), ExitCode.INTERRUPTED


async def _give(client: Client, send: MassSendId, answer: Answer, before: Shown | None = None) -> None:
    """The update, only where somebody takes it now: one that is left behind would be carried out some day.

    What was shown `before` somebody said yes has to be so still.
    """
    description = await describe_send(client, send)
    if description.close_time is not None:
        raise await _ended(client, send)
    await demand_worker(client, description.task_queue, _("Nothing was changed."))
    if before is not None:
        await demand_shown(client, send, before, answer.update)
    handle = client.get_workflow_handle(description.id)
    while True:
        try:
            accepted = WorkflowUpdateStage.ACCEPTED
            update = handle.start_update(answer.update, answer.payload, wait_for_stage=accepted)
            await carried_out(update, description.id)
        except WorkflowUpdateFailedError as error:
            if not (isinstance(error.cause, ApplicationError) and error.cause.type == ASK_AGAIN):
                raise
            continue  # a list goes on as another run, and this one has taken nothing in
        except RPCError as error:
            if is_gone(error) and not isinstance(error, AnswerLost):  # it has ended in the meantime
                raise await _ended(client, send) from None
            raise
        return


async def _seen(client: Client, send: MassSendId) -> SendView | None:
    """The send after its answer: that it cannot be read does not undo the answer."""
    try:
        return await read_send(client, send)
    except RPCError:
        return None


async def _ended(client: Client, send: MassSendId) -> Refused:
    view = await read_send(client, send)
    said = _("{send} has ended, so there is nothing to answer. {headline}")
    return Refused(said.format(send=short_name(send), headline=headline(view)))


def _line(one: Answered) -> str:
    name = f"{one.account}/{one.key}"
    if one.refusal is not None:
        said = _("{name}  NOT KNOWN: {refusal}") if one.perhaps else _("{name}  NOT done: {refusal}")
        return said.format(name=name, refusal=one.refusal)
    return _("{name}  done").format(name=name) + (
        _(", now {state_after}").format(state_after=_state_after(one.answer, one.send)) if one.send else ""
    )


def _state_after(answer: str, view: SendView) -> str:
    """In a word or two; a send that is to end shows the phase it was in until it has, which looks like no effect."""
    if answer in _ENDS and view.state == "running":
        return _("ending")
    return _(state_word(view)).replace("_", " ")
