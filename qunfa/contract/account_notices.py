"""``AccountNotices``: an account's webhooks, and how they take a test notice."""

from qunfa.contract.fields import AccountName, Flag, Model, Stored


class AccountNoticesRequest(Model):
    """The input of ``AccountNotices``. With ``test`` each webhook is told a notice of the type ``test``, once."""

    account: AccountName
    test: Flag = False


class Webhook(Stored):
    """One of them, as a send would pin it now: its name and what it wants, not where it is.

    ``took_test`` is ``None`` where none was told; ``problem`` says why it was not taken.
    """

    name: str
    events: tuple[str, ...]
    took_test: bool | None = None
    problem: str | None = None


class AccountNoticesResult(Stored):
    """The result of ``AccountNotices``; that a webhook did not take its test is one as well."""

    account: str
    webhooks: tuple[Webhook, ...] = ()
