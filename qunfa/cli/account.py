"""What is asked about an account: `qunfa quota`, `speed` and `notices`."""

from collections.abc import Iterator

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from qunfa.cli.connection import run, task_queue
from qunfa.cli.errors import ExitCode, WrongUse
from qunfa.cli.options import confirm, login_name, payload
from qunfa.cli.output import plain, show_result, table
from qunfa.cli.times import moment
from qunfa.cli.typed import operations as typed
from qunfa.cli.workers import account_question, answer_of_a_worker, unique
from qunfa.contract.ids import ACCOUNT_NOTICES, ACCOUNT_QUOTA, ACCOUNT_SPEED, notices_id, quota_id, speed_id
from qunfa.contract.limits import (
    A_REALSPEED,
    REALSPEEDS,
    Allowance,
    AllowanceName,
    CallsLeft,
    QuotaRequest,
    QuotaResult,
    SpeedRequest,
    SpeedResult,
)
from qunfa.contract.notice import AccountNoticesRequest, AccountNoticesResult, Webhook
from qunfa.language import N_, _
from qunfa.language.phrases import told
from qunfa.markdown import plain as escaped
from qunfa.rules.evidence import evidence_words


def quota(asked: typed.Quota) -> None:
    """Carry out `qunfa quota`."""
    account = asked.account
    request = payload(QuotaRequest, account=account)
    summary = f"Quota of **{escaped(account)}**"
    question = account_question(ACCOUNT_QUOTA, quota_id(account, unique()), request, summary)
    result = run(answer_of_a_worker(question, QuotaResult, task_queue(asked.queue)))
    show_result(result, render_quota, as_json=asked.as_json)


_NAMES: dict[AllowanceName, str] = {
    "sends": N_("mass sends, to all or to a tag"),
    "sends_to_all": N_("mass sends to all"),
    "mass_calls": N_("calls of sendall and send"),
    "previews": N_("previews"),
}
_PREFIX = "/cgi-bin/"


def render_quota(result: QuotaResult) -> RenderableType:
    """What is left first, then the sends that were counted and from when on, then each call."""
    said = _("  {kind} account {appid}")
    title = Text.assemble((result.account, "bold"), said.format(kind=_(result.kind), appid=result.appid))
    return Group(
        title,
        plain(_("{at}; WeChat's days and months are Shanghai's").format(at=moment(result.at))),
        "",
        table((_("what is left"), _("left"), _("used"), _("of"), _("until")), map(_left, result.allowances)),
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


def _left(row: Allowance) -> tuple[str, ...]:
    most, least = (_("at most "), _("at least ")) if row.others or not row.whole else ("", "")
    limit = _("{limit:,} a {period}").format(limit=row.limit, period=_(row.period))
    return _(_NAMES[row.name]), f"{most}{row.left:,}", f"{least}{row.used:,}", limit, moment(row.renewed_at)


def _doubts(result: QuotaResult) -> Iterator[str]:
    for row in result.allowances:
        if row.others:
            said = _("{others} of this {period} were made elsewhere, and it is not known to whom")
            elsewhere = said.format(others=row.others, period=_(row.period))
            sentence = _("{names}: {elsewhere}, so they may have used it, too.")
            yield sentence.format(names=_(_NAMES[row.name]), elsewhere=elsewhere)
        if not row.whole:
            words = _("{names}: this {period} is not counted as a whole.")
            yield words.format(names=_(_NAMES[row.name]), period=_(row.period))


def _sends(result: QuotaResult) -> Iterator[tuple[str, ...]]:
    fields = {
        _("accepted by WeChat"): "total",
        _("  of them to all"): "to_all",
        _("made elsewhere"): "others",
        _("previews"): "previews",
    }
    for name, field in fields.items():
        yield name, f"{getattr(result.today, field):,}", f"{getattr(result.month, field):,}"


def _since(result: QuotaResult) -> str:
    if result.since is None:
        return _("Nothing of this account has been sent here yet, so nothing was counted.")
    said = _("Counted here since {since}; WeChat itself does not tell how many sends are left.")
    return said.format(since=moment(result.since))


def _calls(one: CallsLeft) -> tuple[str | None, ...]:
    name = one.cgi_path.removeprefix(_PREFIX)
    if one.daily_limit is None:
        return name, None, None, None, evidence_words(one.errcode, one.errmsg, None)
    rate = (
        _("{call_count:,} in {refresh_second:,} s").format(call_count=one.call_count, refresh_second=one.refresh_second)
        if one.call_count and one.refresh_second
        else ""
    )
    return name, f"{one.remain:,}", f"{one.used:,}", f"{one.daily_limit:,}", rate


def speed(asked: typed.Speed) -> None:
    """Carry out `qunfa speed`."""
    account, level = asked.account, asked.level
    if (asked.action == "set") != (level is not None):
        raise WrongUse(_("Say `qunfa speed ACCOUNT get`, or `qunfa speed ACCOUNT set 0..4`."))
    who = {} if level is None else {"speed": level, "by": asked.by or login_name(), "reason": asked.reason}
    request = payload(SpeedRequest, account=account, **who)
    if level is not None:
        said = _("Set the speed of {account} to {level}, {followers} a minute?")
        confirm(
            said.format(account=account, level=level, followers=followers(REALSPEEDS[level])),
            yes=asked.yes,
            about=[_(STAYS_SET)],
        )
    summary = f"Speed of **{escaped(account)}**" + ("" if level is None else f" set to {level}")
    question = account_question(ACCOUNT_SPEED, speed_id(account, unique()), request, summary)
    doubt = None if level is None else _("The speed may have been set: qunfa speed {account} get")
    doubt = doubt and doubt.format(account=account)
    result = run(answer_of_a_worker(question, SpeedResult, task_queue(asked.queue), doubt))
    show_result(result, render_speed, as_json=asked.as_json)


STAYS_SET = N_("It holds for every mass send of the account, whoever makes it, until somebody sets it again.")


def render_speed(result: SpeedResult) -> RenderableType:
    """The speed among all there are, and what WeChat says of it where that is something else."""
    rows = (("→" if level == result.now.speed else "", level, followers(one)) for level, one in enumerate(REALSPEEDS))
    was = "" if result.before is None else _(", was {speed}").format(speed=result.before.speed)
    said = _("speed {speed}{was}")
    title = Text.assemble((result.account, "bold"), "  ", (said.format(speed=result.now.speed, was=was), "bold green"))
    return Group(title, *map(plain, _said(result)), table(("", _("speed"), _("followers a minute")), rows))


def followers(realspeed: int) -> str:
    """How many a minute."""
    return f"{realspeed * A_REALSPEED:,}"


def _said(result: SpeedResult) -> Iterator[str]:
    now = result.now
    if result.before is not None:
        yield _(STAYS_SET)
    tells = _("WeChat tells {followers} followers a minute for it").format(followers=followers(now.realspeed))
    if now.published is None:
        yield _("{told}; its table, below, has no such speed.").format(told=tells)
    elif now.published != now.realspeed:
        said = _("{told}, but {followers} in its table, below: rely on neither.")
        yield said.format(told=tells, followers=followers(now.published))


def notices(asked: typed.Notices) -> None:
    """Carry out `qunfa notices`."""
    account, test = asked.account, asked.test
    request = payload(AccountNoticesRequest, account=account, test=test)
    summary = f"Webhooks of **{escaped(account)}**" + (", tested" if test else "")
    question = account_question(ACCOUNT_NOTICES, notices_id(account, unique()), request, summary)
    result = run(answer_of_a_worker(question, AccountNoticesResult, task_queue(asked.queue)))
    show_result(result, render_notices, as_json=asked.as_json)
    if any(webhook.took_test is False for webhook in result.webhooks):
        raise typer.Exit(ExitCode.REFUSED)


_NONE = N_("No webhook is told of its sends: [accounts.NAME.notices.…] at the workers names them.")


def render_notices(result: AccountNoticesResult) -> RenderableType:
    """Each with what it is told, and how it took its test."""
    title = Text.assemble((result.account, "bold"), _("  {number} webhook(s)").format(number=len(result.webhooks)))
    if not result.webhooks:
        return Group(title, plain(_(_NONE)))
    rows = ((one.name, ", ".join(one.events), _test(one)) for one in result.webhooks)
    return Group(title, table((_("webhook"), _("is told"), _("test")), rows, wrapped=(_("is told"), _("test"))))


def _test(webhook: Webhook) -> Text | str | None:
    if webhook.took_test is None:
        return None
    return Text(_("taken"), "green") if webhook.took_test else told(webhook.problem or "") or _("not taken")
