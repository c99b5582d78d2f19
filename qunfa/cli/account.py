"""What is asked about an account, and said to it: `qunfa freeze`, `unfreeze`, `quota`, `speed` and `notices`."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError

from qunfa.cli.connection import demand_worker, task_queue, with_client
from qunfa.cli.errors import NOT_DONE, ExitCode, WrongUse, done_if, explain
from qunfa.cli.ledger import (
    OneSwitched,
    describe_account,
    find_appid,
    frozen_by_words,
    frozen_word,
    has_sent_as,
    ledgers,
    render_switch,
    switch_line,
    update_account,
    views_of,
)
from qunfa.cli.options import confirm, demand_accounts, demand_consent, login_name, payload
from qunfa.cli.output import moment, note, plain, show, show_json, show_result, table, to_the_end
from qunfa.cli.typed import operations as typed
from qunfa.cli.workers import account_question, answer_of_a_worker, unique
from qunfa.contract import Freeze, Unfreeze, account_id, limits
from qunfa.contract.fields import Stored
from qunfa.contract.ids import ACCOUNT_NOTICES, ACCOUNT_QUOTA, ACCOUNT_SPEED, notices_id, quota_id, speed_id
from qunfa.contract.ledger import FreezeAnswer, LedgerView
from qunfa.contract.notice import AccountNoticesRequest, AccountNoticesResult, Webhook
from qunfa.language import N_, _, listed, several
from qunfa.language.phrases import told
from qunfa.markdown import plain as escaped
from qunfa.rules.evidence import evidence_words
from qunfa.settings import load_settings


class Switched(Stored):
    """What became of a freeze or unfreeze of one account among several; `refusal` says why it was not carried out.

    `perhaps`: it may have been carried out all the same.
    """

    account: str
    update: str
    appid: str | None = None
    refusal: str | None = None
    perhaps: bool = False
    answer: FreezeAnswer | None = None


_IDLE: Final = N_("Without one nothing is submitted, and nothing can be frozen or unfrozen.")
_NOT_BEGUN: Final = N_("This account does not run, and nothing was frozen or unfrozen.")
_UNDONE: Final = {"freeze": N_("NOT FROZEN"), "unfreeze": N_("NOT UNFROZEN")}


class _Switch(NamedTuple):
    """The update, by whom, what it holds, and how it is sent."""

    update: str
    by: str
    told: BaseModel
    queue: str
    appid: str | None


def switch(asked: typed.Freeze | typed.Unfreeze) -> ExitCode:
    """Carry out `qunfa freeze` or `unfreeze`.

    One account by its name: its answer. Several: a line each as it comes, or a list of `Switched` as JSON.
    """
    update, model = ("freeze", Freeze) if isinstance(asked, typed.Freeze) else ("unfreeze", Unfreeze)
    names, given = _chosen(asked), asked.given
    by = given.by or login_name()
    how = _Switch(update, by, payload(model, by=by, reason=asked.reason), task_queue(given.queue), given.appid)
    if not given.yes:
        _demand_leave(names, how, everything=asked.everything)
    if len(names) == 1 and not asked.everything:
        appid, answer = with_client(_switched, names[0], how)
        one = OneSwitched(account=names[0], appid=appid, **dict(answer))
        show_result(one, render_switch, as_json=given.as_json)
        _name_others({names[0]: appid}, how)
        return ExitCode.DONE
    with to_the_end(note if given.as_json else show, note) as say:
        switched, code = with_client(_switch_all, names, how, say)
    if given.as_json:
        show_json(switched)
    _name_others({one.account: one.appid for one in switched if one.appid is not None}, how)
    return code


def _name_others(frozen: Mapping[str, str], how: _Switch) -> None:
    """Say where a frozen name has sends at another appid: the configuration here may not be that of the workers."""
    names = {account: appid for account, appid in frozen.items() if account != appid}
    if how.update == "freeze" and how.appid is None and names:
        for account, appid, others in with_client(_others, names):
            said = _(
                "{account} stands for {appid} here. Under this name {others} has sent, too: freeze it by its appid."
            )
            note(said.format(account=account, appid=appid, others=listed(others)))


async def _others(client: Client, frozen: Mapping[str, str]) -> list[tuple[str, str, list[str]]]:
    """The names that other ledgers know; none where Temporal does not tell: the freeze holds all the same."""
    known: Mapping[str, LedgerView | None] = {}
    with suppress(RPCError):
        known = await ledgers(client)
    views = [view for view in known.values() if view is not None]
    found = [
        (account, appid, [view.appid for view in views if view.appid != appid and has_sent_as(view, account)])
        for account, appid in frozen.items()
    ]
    return [one for one in found if one[2]]


def _chosen(asked: typed.Freeze | typed.Unfreeze) -> list[str]:
    """The accounts of a command line, each once; or all of the configuration."""
    given, everything = asked.given, asked.everything
    names = list(dict.fromkeys(asked.accounts or ()))
    demand_accounts(*names)
    if bool(names) == everything:
        raise WrongUse(_("Say which accounts: by ACCOUNT…, or by --all, and not by both."))
    if given.appid is not None and len(names) != 1:
        raise WrongUse(_("--appid goes with one ACCOUNT."))
    if everything or len(names) > 1:
        demand_consent(yes=given.yes)
    names = sorted(load_settings("command").accounts) if everything else names
    if not names:
        raise WrongUse(_("The configuration has no account: see QUNFA_CONFIG or qunfa.toml, or name the accounts."))
    return names


def _demand_leave(names: Sequence[str], switch: _Switch, *, everything: bool) -> None:
    """Ask a person about all accounts, and before a freeze of somebody else is ended."""
    if switch.update == "freeze":
        if everything:
            question = several("Freeze this account?", "Freeze these {number}?", len(names))
            confirm(question.format(number=len(names)), yes=False, about=names)
        return
    standing = with_client(_standing, names, switch)
    if everything or any(asks for _line, asks in standing):
        for line, _asks in standing:
            note(line)
        one = _("Unfreeze {account}?").format(account=names[0])
        confirm(one if len(names) == 1 else _("Unfreeze these {number}?").format(number=len(names)), yes=False)


async def _standing(client: Client, names: Sequence[str], switch: _Switch) -> list[tuple[str, bool]]:
    if len(names) == 1:
        return [await _stands(client, names[0], switch)]
    return await asyncio.gather(*(_stands_perhaps(client, name, switch) for name in names))


async def _stands_perhaps(client: Client, account: str, switch: _Switch) -> tuple[str, bool]:
    """One of several, which a moment later may be reached."""
    try:
        return await _stands(client, account, switch)
    except NOT_DONE as error:
        return f"{account}  {explain(error).line}", True


async def _stands(client: Client, account: str, switch: _Switch) -> tuple[str, bool]:
    """How the account stands, in a line, and whether its freeze is, or may be, that of somebody else."""
    appid, known = await _reached(client, account, switch)
    [view] = (await views_of(client, [account_id(appid)])).values() if known else [None]
    if known and view is None:
        return f"{account}  {appid}  {_('it does not say whether it is frozen')}", True
    frozen = view.frozen if view else None
    word, _style = frozen_word(frozen)
    if frozen is None:
        return f"{account}  {appid}  {word}", False
    return f"{account}  {appid}  {word}  {frozen_by_words(frozen)}", frozen.by != switch.by


async def _switch_all(
    client: Client, names: Sequence[str], switch: _Switch, say: Callable[[str], None]
) -> tuple[list[Switched], ExitCode]:
    """All at once: a freeze is in haste, and one account that does not answer is not to hold up the others."""
    made = await asyncio.gather(*(_attempt(client, name, switch, say) for name in names))
    return [one for one, _code in made], max(code for _one, code in made)


async def _attempt(
    client: Client, account: str, switch: _Switch, say: Callable[[str], None]
) -> tuple[Switched, ExitCode]:
    try:
        appid, answer = await _switched(client, account, switch)
    except NOT_DONE as error:
        said = explain(error)
        word = _("NOT KNOWN") if said.perhaps else _(_UNDONE[switch.update])
        say(f"{account}  {word}: {said.line}")
        return Switched(account=account, update=switch.update, refusal=said.line, perhaps=said.perhaps), said.code
    say(switch_line(account, appid, answer))
    return Switched(account=account, update=switch.update, appid=appid, answer=answer), ExitCode.DONE


async def _switched(client: Client, account: str, switch: _Switch) -> tuple[str, FreezeAnswer]:
    appid, known = await _reached(client, account, switch)
    answer = await update_account(client, appid, switch.update, switch.told, switch.queue)
    if known is None:
        said = _("Nothing has been sent by {appid} through this namespace so far: see that this is the appid you mean.")
        note(said.format(appid=appid))
    if answer.frozen is not None and answer.frozen.by != switch.by:
        said = _("{account} was frozen already, and your freeze ends with that one: {whose}")
        note(said.format(account=account, whose=frozen_by_words(answer.frozen)))
    return appid, answer


async def _reached(client: Client, account: str, switch: _Switch) -> tuple[str, WorkflowExecutionDescription | None]:
    """The account's appid, and its workflow, which a worker carries out now: on its own queue, whatever is configured.

    Only one that does not run is started on the queue of this machine.
    """
    appid = await find_appid(client, account, switch.appid)
    known = await describe_account(client, appid)
    if known is not None and known.status is WorkflowExecutionStatus.RUNNING:
        await demand_worker(client, known.task_queue, _(_IDLE))
    else:
        await demand_worker(client, switch.queue, _(_NOT_BEGUN))
    return appid, known


def quota(asked: typed.Quota) -> None:
    """Carry out `qunfa quota`."""
    account = asked.account
    request = payload(limits.QuotaRequest, account=account)
    summary = f"Quota of **{escaped(account)}**"
    question = account_question(ACCOUNT_QUOTA, quota_id(account, unique()), request, summary)
    result = with_client(answer_of_a_worker, question, limits.QuotaResult, task_queue(asked.queue))
    show_result(result, render_quota, as_json=asked.as_json)


_NAMES: dict[limits.AllowanceName, str] = {
    "sends": N_("mass sends, to all or to a tag"),
    "sends_to_all": N_("mass sends to all"),
    "mass_calls": N_("calls of sendall and send"),
    "previews": N_("previews"),
}
_PREFIX = "/cgi-bin/"


def render_quota(result: limits.QuotaResult) -> RenderableType:
    """What is left first, then the sends that were counted and from when on, then each call."""
    said = _("  {kind} account {appid}")
    title = Text.assemble((result.account, "bold"), said.format(kind=_(result.kind), appid=result.appid))
    return Group(
        title,
        plain(_("{at}; WeChat's days and months are Shanghai's").format(at=moment(result.at))),
        "",
        table((_("what is left"), _("left"), _("used"), _("of"), _("renewed")), map(_left, result.allowances)),
        *map(plain, _doubts(result)),
        "",
        table((_("mass sends"), _("today"), _("this month")), _sends(result)),
        plain(_since(result)),
        "",
        table(
            (_("API calls, by WeChat's count"), _("left"), _("used"), _("a day"), _("at most")),
            map(_calls, result.calls),
            wrapped=(_("at most"),),
        ),
    )


def _left(row: limits.Allowance) -> tuple[str, ...]:
    most, least = (_("at most "), _("at least ")) if row.may_be_less else ("", "")
    limit = _("{limit:,} a {period}").format(limit=row.limit, period=_(row.period))
    return _(_NAMES[row.name]), f"{most}{row.left:,}", f"{least}{row.used:,}", limit, moment(row.renewed_at)


def _doubts(result: limits.QuotaResult) -> Iterator[str]:
    for row in result.allowances:
        if row.others:
            said = _("{others} of this {period} were made elsewhere, and it is not known to whom")
            elsewhere = said.format(others=row.others, period=_(row.period))
            sentence = _("{names}: {elsewhere}, so they may have used it, too.")
            yield sentence.format(names=_(_NAMES[row.name]), elsewhere=elsewhere)
        if row.failed:
            doubt = _("{names}: {failed} of this {period} failed once accepted, and may count all the same.")
            yield doubt.format(names=_(_NAMES[row.name]), failed=row.failed, period=_(row.period))
        if not row.whole:
            words = _("{names}: this {period} is not counted as a whole.")
            yield words.format(names=_(_NAMES[row.name]), period=_(row.period))


def _sends(result: limits.QuotaResult) -> Iterator[tuple[str, ...]]:
    fields = {
        _("accepted by WeChat"): "total",
        _("  of them to all"): "to_all",
        _("made elsewhere"): "others",
        _("previews"): "previews",
    }
    for name, field in fields.items():
        yield name, f"{getattr(result.today, field):,}", f"{getattr(result.month, field):,}"


def _since(result: limits.QuotaResult) -> str:
    if result.since is None:
        return _("Nothing of this account has been sent here yet, so nothing was counted.")
    said = _("Counted here since {since}; WeChat itself does not tell how many sends are left.")
    return said.format(since=moment(result.since))


def _calls(one: limits.CallsLeft) -> tuple[str | None, ...]:
    name = one.cgi_path.removeprefix(_PREFIX)
    if one.daily_limit is None:
        return name, None, None, None, evidence_words(one.errcode, one.errmsg, None)
    rate = _("{call_count:,} in {refresh_second:,} s") if one.call_count and one.refresh_second else ""
    rate = rate.format(call_count=one.call_count, refresh_second=one.refresh_second)
    return name, f"{one.remain:,}", f"{one.used:,}", f"{one.daily_limit:,}", rate


def speed(asked: typed.Speed) -> None:
    """Carry out `qunfa speed`."""
    account, level = asked.account, asked.level
    if (asked.action == "set") != (level is not None):
        raise WrongUse(_("Say `qunfa speed ACCOUNT get`, or `qunfa speed ACCOUNT set 0..4`."))
    who = {} if level is None else {"speed": level, "by": asked.by or login_name(), "reason": asked.reason}
    request = payload(limits.SpeedRequest, account=account, **who)
    if level is not None:
        said = _("Set the speed of {account} to {level}, {followers} a minute?")
        question = said.format(account=account, level=level, followers=followers(limits.REALSPEEDS[level]))
        confirm(question, yes=asked.yes, about=[_(STAYS_SET)])
    summary = f"Speed of **{escaped(account)}**" + ("" if level is None else f" set to {level}")
    asking = account_question(ACCOUNT_SPEED, speed_id(account, unique()), request, summary)
    doubt = None if level is None else _("The speed may have been set: qunfa speed {account} get")
    doubt = doubt and doubt.format(account=account)
    result = with_client(answer_of_a_worker, asking, limits.SpeedResult, task_queue(asked.queue), doubt)
    show_result(result, render_speed, as_json=asked.as_json)


STAYS_SET = N_("It holds for every mass send of the account, whoever makes it, until somebody sets it again.")


def render_speed(result: limits.SpeedResult) -> RenderableType:
    """The speed among all there are, and what WeChat says of it where that is something else."""
    now = result.now.speed
    rows = (("→" if level == now else "", level, followers(one)) for level, one in enumerate(limits.REALSPEEDS))
    was = "" if result.before is None else _(", was {speed}").format(speed=result.before.speed)
    said = _("speed {speed}{was}")
    title = Text.assemble((result.account, "bold"), "  ", (said.format(speed=now, was=was), "bold green"))
    return Group(title, *map(plain, _said(result)), table(("", _("speed"), _("followers a minute")), rows))


def followers(realspeed: int) -> str:
    """How many a minute."""
    return f"{realspeed * limits.A_REALSPEED:,}"


def _said(result: limits.SpeedResult) -> Iterator[str]:
    now = result.now
    if result.before is not None:
        yield _(STAYS_SET)
    tells = _("WeChat tells {followers} followers a minute for it").format(followers=followers(now.realspeed))
    if now.published is None:
        yield _("{told}; its table, below, has no such speed.").format(told=tells)
    elif now.published != now.realspeed:
        said = _("{told}, but {followers} in its table, below: rely on neither.")
        yield said.format(told=tells, followers=followers(now.published))


def notices(asked: typed.Notices) -> ExitCode:
    """Carry out `qunfa notices`."""
    account, test = asked.account, asked.test
    request = payload(AccountNoticesRequest, account=account, test=test)
    summary = f"Webhooks of **{escaped(account)}**" + (", tested" if test else "")
    question = account_question(ACCOUNT_NOTICES, notices_id(account, unique()), request, summary)
    result = with_client(answer_of_a_worker, question, AccountNoticesResult, task_queue(asked.queue))
    show_result(result, render_notices, as_json=asked.as_json)
    return done_if(all(webhook.took_test is not False for webhook in result.webhooks))


_NONE = N_("No webhook is told of its sends: [accounts.NAME.notices.…] at the workers names them.")


def render_notices(result: AccountNoticesResult) -> RenderableType:
    """Each with what it is told, and how it took its test."""
    title = Text.assemble((result.account, "bold"), _("  {number} webhook(s)").format(number=len(result.webhooks)))
    if not result.webhooks:
        return Group(title, plain(_(_NONE)))
    rows = ((one.name, listed(one.events), _test(one)) for one in result.webhooks)
    return Group(title, table((_("webhook"), _("is told"), _("test")), rows, wrapped=(_("is told"), _("test"))))


def _test(webhook: Webhook) -> Text | str | None:
    if webhook.took_test is None:
        return None
    return Text(_("taken"), "green") if webhook.took_test else told(webhook.problem or "") or _("not taken")
