"""Payloads of the updates that operators send to ``MassSend`` and ``Account``. ``by`` is what the caller says it is."""

from typing import Annotated

from pydantic import Field

from qunfa.contract.fields import Key, Model, MsgId, Name, Reason, Time


class Retry(Model):
    """Try again. ``send_ignore_reprint`` answers a reprint; ``confirm_not_delivered`` an unknown outcome."""

    by: Name
    reason: Reason
    send_ignore_reprint: Annotated[bool, Field(strict=True)] = False
    confirm_not_delivered: Annotated[bool, Field(strict=True)] = False


class MarkSent(Model):
    """The job was found in WeChat's console under ``msg_id``."""

    by: Name
    reason: Reason
    msg_id: MsgId


class Abort(Model):
    """End the send."""

    by: Name
    reason: Reason


class Approve(Model):
    """The send may go out as it is shown. ``by`` is somebody else than who asked for it."""

    by: Name
    reason: Reason | None = None


class Reject(Model):
    """The send is not to go out."""

    by: Name
    reason: Reason | None = None


class Pause(Model):
    """Nothing more of the send is submitted for now."""

    by: Name
    reason: Reason | None = None


class Resume(Model):
    """The send goes on where it stood."""

    by: Name
    reason: Reason | None = None


class Reschedule(Model):
    """Not before ``send_at``; a time in the past means now."""

    by: Name
    send_at: Time


class Freeze(Model):
    """Nothing more of the account is submitted, whoever asks."""

    by: Name
    reason: Reason


class Unfreeze(Model):
    """Submissions of the account go on."""

    by: Name
    reason: Reason | None = None


class Forget(Model):
    """The account's ledger forgets what it knows of ``key``: who asks vouches that nothing of it is open."""

    by: Name
    reason: Reason
    key: Key
