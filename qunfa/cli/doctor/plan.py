"""What is to be checked: the accounts, and what this machine's configuration says of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from qunfa.cli.callback_check import callback_url
from qunfa.cli.errors import WrongUse
from qunfa.contract.checks import GENERAL, OF_AN_ACCOUNT, CheckName, Finding
from qunfa.contract.ids import TASK_QUEUE
from qunfa.rules.doctor import configuration_failed, configuration_found
from qunfa.settings import AccountSettings, Settings, SettingsError, load_settings, load_task_queue

_PLACE = "{account}"


@dataclass(frozen=True)
class Plan:
    """What is checked; `settings` are None where the configuration cannot be read, as `configuration` says then."""

    accounts: tuple[str, ...]
    queue: str
    settings: Settings | None
    configuration: Finding
    template: str | None = None

    @property
    def checks(self) -> list[tuple[str | None, CheckName]]:
        """Account and name of every check, in the order in which they are shown."""
        general: list[tuple[str | None, CheckName]] = [(None, name) for name in GENERAL]
        return general + [(account, name) for account in self.accounts for name in OF_AN_ACCOUNT]

    def configured(self, account: str) -> AccountSettings | None:
        """What this machine has under the name."""
        return None if self.settings is None else self.settings.accounts.get(account)

    def url(self, account: str) -> httpx.URL:
        """Where the account's receiver should answer.

        Raises:
            WrongUse: nobody knows.
        """
        given = None if self.template is None else self.template.replace(_PLACE, account)
        return callback_url(self.settings or Settings(), account, given, "--callback-url")


def planned(named: Sequence[str], queue: str | None, template: str | None) -> Plan:
    """The accounts that are named, or all of the configuration; one that cannot be read is a finding.

    Raises:
        WrongUse: one callback URL is given for several accounts, or one that is none.
    """
    settings: Settings | None
    try:
        settings = load_settings(credentials=False)
        queue = queue or load_task_queue()
    except SettingsError as error:
        settings, configuration = None, configuration_failed(str(error))
    else:
        configuration = configuration_found(sorted(settings.accounts))
    accounts = tuple(dict.fromkeys(named)) or tuple(sorted(settings.accounts if settings else ()))
    plan = Plan(accounts, queue or TASK_QUEUE, settings, configuration, template)
    if template is not None:
        if len(accounts) > 1 and _PLACE not in template:
            raise WrongUse("--callback-url is one account's: put {account} where their URLs differ.")
        for account in accounts:
            plan.url(account)
    return plan
