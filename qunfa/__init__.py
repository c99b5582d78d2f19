"""Durable WeChat Official Account mass sends on Temporal."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qunfa.callback.delivery import report_job_finish

__all__ = ["report_job_finish"]


def __getattr__(name: str) -> Any:
    """Imports what the package offers when it is asked for: workflows must not load a web server."""
    if name == "report_job_finish":
        from qunfa.extras import needing  # noqa: PLC0415 - see above

        with needing("receiver", f"qunfa.{name}"):
            from qunfa.callback.delivery import report_job_finish  # noqa: PLC0415 - see above

        return report_job_finish
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
