"""How people name a send: a workflow id, `account/key`, or a key with `--account`."""

import re

from qunfa.cli.errors import WrongUse
from qunfa.contract.ids import ACCOUNT_NAME_PATTERN, KEY_PATTERN, MassSendId, mass_send_id, parse_mass_send_id


def send_id(text: str, account: str | None = None) -> MassSendId:
    """Account and key of the send that `text` names.

    Raises:
        WrongUse: It names none, or contradicts `account`.
    """
    named = parse_mass_send_id(text) or parse_mass_send_id(_as_workflow_id(text, account))
    if named is None:
        raise WrongUse(
            f"{text!r} names no mass send: give account/key (demo/spring-sale-2026), the workflow id "
            f"({mass_send_id('demo', 'spring-sale-2026')}), or the key together with --account."
        )
    if account is not None and named.account != account:
        raise WrongUse(f"{text!r} is a send of the account {named.account}, not of {account}: leave --account out.")
    return named


def short_name(send: MassSendId) -> str:
    """A send as people type it."""
    return f"{send.account}/{send.key}"


def _as_workflow_id(text: str, account: str | None) -> str:
    before, slash, after = text.partition("/")
    if slash:
        return mass_send_id(before, after)
    if account is None or not re.fullmatch(KEY_PATTERN, text):
        return text
    if not re.fullmatch(ACCOUNT_NAME_PATTERN, account):
        raise WrongUse(f"{account!r} is no name of an account: small letters, digits, - and _.")
    return mass_send_id(account, text)
