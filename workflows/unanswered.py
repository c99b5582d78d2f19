"""Why an activity has not answered, for people."""

from datetime import timedelta

from temporalio.exceptions import ActivityError, ApplicationError


def why_unseen(error: ActivityError, within: timedelta) -> str:
    """What a person is told: the activity's own words, or that it took too long."""
    cause = cause_of(error)
    return cause.message if cause is not None else f"no answer within {within.total_seconds():.0f} s"


def cause_of(error: ActivityError) -> ApplicationError | None:
    """What an activity said; a timeout has the last attempt's failure as its cause."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ApplicationError):
        cause = cause.__cause__
    return cause
