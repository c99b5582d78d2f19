"""What options say, looked at more closely; and the questions that commands ask."""

import getpass
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import typer
from pydantic import BaseModel, TypeAdapter, ValidationError

from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.output import SHANGHAI, in_a_line, note
from qunfa.contract.fields import Time
from qunfa.contract.ids import ACCOUNT_NAME_PATTERN, KEY_PATTERN, MassSendId, mass_send_id, parse_mass_send_id
from qunfa.contract.refusal import sentences
from qunfa.language import _
from qunfa.language.phrases import told
from qunfa.settings.account import APPID_PATTERN


def login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise WrongUse(_("The system does not know who is logged in: say it with --by.")) from None


def demand_accounts(*names: str | None) -> None:
    """See that each of them, where it is given, can be the name of an account or an appid."""
    for name in names:
        if name is not None and not re.fullmatch(f"{ACCOUNT_NAME_PATTERN}|{APPID_PATTERN}", name):
            said = _("{account!r} is no name of an account: small letters, digits, - and _.")
            raise WrongUse(said.format(account=name))


def demand_consent(*, yes: bool, first: str = "") -> None:
    """See that somebody can say yes, or has said it by `--yes`: `first` is what to look at before that is added."""
    if not yes and not on_a_terminal():
        look = _("{first}, then add").format(first=first) if first else _("add")
        said = _("There is no terminal to confirm this on, so nothing was done: {look} --yes.")
        raise WrongUse(said.format(look=look))


def on_a_terminal() -> bool:
    """Whether somebody is there to be asked; stdin may also be closed."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(question: str, *, yes: bool, about: Iterable[str] = ()) -> None:
    """Ask, after the lines of `about`; with `--yes`, go on."""
    demand_consent(yes=yes)
    if yes:
        return
    for line in about:
        note(line)
    try:
        agreed = typer.confirm(in_a_line(question), err=True)
    except typer.Abort:  # Ctrl-C, or the end of what is typed
        note("\n" + _("Nothing was done."))
        raise KeyboardInterrupt from None
    if not agreed:
        raise Refused(_("Nothing was done."))


def send_id(text: str, account: str | None = None) -> MassSendId:
    named = parse_mass_send_id(text) or parse_mass_send_id(_as_workflow_id(text, account))
    if named is None:
        said = _(
            "{text!r} names no mass send: give account/key (demo/spring-sale-2026), the workflow id "
            "({workflow_id}), or the key together with --account."
        )
        raise WrongUse(said.format(text=text, workflow_id=mass_send_id("demo", "spring-sale-2026")))
    if account is not None and named.account != account:
        sentence = _("{text!r} is a send of the account {account}, not of {given}: leave --account out.")
        raise WrongUse(sentence.format(text=text, account=named.account, given=account))
    return named


def short_name(send: MassSendId) -> str:
    """A send as people type it."""
    return f"{send.account}/{send.key}"


def changed(send: MassSendId) -> Refused:
    """What a person was shown before a yes is not so any more."""
    said = _("{send} has changed meanwhile, so nothing was done. Look again: qunfa status {send}")
    return Refused(said.format(send=short_name(send)))


def _as_workflow_id(text: str, account: str | None) -> str:
    before, slash, after = text.partition("/")
    if slash:
        return mass_send_id(before, after)
    if account is None or not re.fullmatch(KEY_PATTERN, text):
        return text
    demand_accounts(account)
    return mass_send_id(account, text)


Payload = TypeVar("Payload", bound=BaseModel)


def payload(model: type[Payload], **fields: object) -> Payload:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise WrongUse("; ".join(map(told, sentences(error))) + ".") from None


def demand_ahead(send_at: datetime | None, instead: str) -> None:
    """Refuse a time that has passed, and say what to do `instead` to send at once: day and month may be swapped."""
    if send_at is not None and send_at <= datetime.now(UTC):
        said = _("send_at: {time} has passed, so it would mean now. Correct it; or, to send now, {instead}.")
        raise WrongUse(said.format(time=f"{send_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}", instead=instead))


_SPAN: Final = re.compile(r"(\d{1,5})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def time_or_span(text: str, now: datetime, option: str = "--since") -> datetime:
    """A span back from `now`, or a time."""
    back = span(text)
    try:
        return TypeAdapter(Time).validate_python(text) if back is None else now - back
    except (ValidationError, OverflowError):
        said = _("{option} {text!r} is neither a span (90m, 12h, 7d, PT90M) nor an RFC 3339 time.")
        raise WrongUse(said.format(option=option, text=text)) from None


def span(text: str) -> timedelta | None:
    """`90m`, `12h`, `35d`, `2w` or an ISO 8601 duration; `None` where it is none."""
    short = _SPAN.fullmatch(text)
    if short:
        return timedelta(**{_UNITS[short[2]]: int(short[1])})
    if not text.startswith("P"):
        return None
    try:
        return TypeAdapter(timedelta).validate_python(text)
    except ValidationError:
        return None
