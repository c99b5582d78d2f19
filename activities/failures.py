"""The failures that Temporal retries by itself, as activities raise them.

They are benign: the worker logs them at debug level only, and the UI shows the sentence at the pending activity.
"""

from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from qunfa.contract.notice import NOTICE_REFUSED, NOTICE_UNDELIVERED
from qunfa.contract.steps import (
    LEDGER_UNAVAILABLE,
    NOT_DECIDED,
    SOURCE_CHANGED,
    SOURCE_REFUSED,
    SOURCE_UNAVAILABLE,
    TRIED_BEFORE,
    WECHAT_UNAVAILABLE,
)


def ledger_unavailable(sentence: str) -> ApplicationError:
    """The ledger, or what Temporal keeps of earlier runs, could not be asked; nothing was decided."""
    return _benign(sentence, LEDGER_UNAVAILABLE)


def wechat_unavailable(sentence: str) -> ApplicationError:
    """WeChat could not be asked just now."""
    return _benign(sentence, WECHAT_UNAVAILABLE)


def not_decided(sentence: str, next_retry_delay: timedelta) -> ApplicationError:
    """There is no verdict yet; Temporal asks again after the delay."""
    return _benign(sentence, NOT_DECIDED, next_retry_delay)


def tried_before(sentence: str) -> ApplicationError:
    """A call that must not be repeated is carried out once, whatever Temporal was told: it counts as lost."""
    return ApplicationError(sentence, type=TRIED_BEFORE, non_retryable=True)


def source_unavailable(sentence: str) -> ApplicationError:
    """A source could not be read just now."""
    return _benign(sentence, SOURCE_UNAVAILABLE)


def source_refused(sentence: str) -> ApplicationError:
    """A source may not be read, or is not there; a person has to change something first."""
    return ApplicationError(sentence, type=SOURCE_REFUSED, non_retryable=True)


def source_changed(place: str) -> ApplicationError:
    """A source is no longer what it was when the send was prepared."""
    return ApplicationError(f"{place} has other content now.", type=SOURCE_CHANGED, non_retryable=True)


def notice_undelivered(sentence: str, next_retry_delay: timedelta | None = None) -> ApplicationError:
    """The receiver of a notice has not taken it."""
    return _benign(sentence, NOTICE_UNDELIVERED, next_retry_delay)


def notice_refused(sentence: str) -> ApplicationError:
    """No workflow of ours has asked for the notice: nothing is told."""
    return ApplicationError(f"{sentence} Nothing is told.", type=NOTICE_REFUSED, non_retryable=True)


def _benign(sentence: str, failure_type: str, next_retry_delay: timedelta | None = None) -> ApplicationError:
    return ApplicationError(
        sentence, type=failure_type, next_retry_delay=next_retry_delay, category=ApplicationErrorCategory.BENIGN
    )
