"""Logs and metrics of a process: set up once, before anything else runs.

Records of the standard library, Temporal's included, leave through one handler, and structlog's events go straight to
its stream: as one line of JSON each, or in colour on a terminal. Every one is scrubbed of secrets, tracebacks too, and
no traceback shows variables. No text of others steers the terminal, or begins a line of its own.
"""

import json
import logging
import os
import sys
import textwrap
import threading
from collections.abc import MutableMapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from pydantic import TypeAdapter
from structlog.typing import Processor
from temporalio import activity, workflow
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

from qunfa.printable import printable
from qunfa.wechat.redaction import LOG_LEVELS, is_clean, redact_event

FORMAT_VARIABLE: Final = "QUNFA_LOG"
LEVEL_VARIABLE: Final = "QUNFA_LOG_LEVEL"
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_FORMATS: Final = ("json", "console")
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_OF_LINES: Final = frozenset({"exception", "stack"})
_dump_plain: Final = TypeAdapter(dict[str, Any]).dump_json
_dump_anything: Final = json.JSONEncoder(ensure_ascii=False, default=repr, separators=(",", ":")).encode
_LOGGER: Final = logging.getLogger("qunfa")

_BEFORE: Final[Sequence[Processor]] = (
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)


class TelemetryError(Exception):
    """Logs or metrics cannot be set up as they are configured. The message is for a person."""


class _Handler(logging.StreamHandler[TextIO]):
    """Known by its class, so that a second set-up replaces it and leaves other handlers alone."""


class _Lines:
    """Where structlog's events go, rendered: to a handler's stream, a line at a time and without a `LogRecord`.

    A record looks for its caller and is copied by the formatter, which costs more than all the rest of a line.
    """

    def __init__(self, handler: _Handler, name: str) -> None:
        self.name = name
        self._handler = handler

    def info(self, line: str) -> None:
        """Writes a line; like `logging`, it does not let a stream that is broken stop those who write."""
        stream = self._handler.stream
        self._handler.acquire()
        try:
            stream.write(f"{line}\n")
            stream.flush()
        except (OSError, ValueError):
            pass
        finally:
            self._handler.release()

    debug = warning = error = critical = info


def configure_logging(stream: TextIO | None = None) -> None:
    """Sends all records of this process to `stream` (stderr when None), and uncaught exceptions with them.

    `QUNFA_LOG` is `json` or `console` (by default: console on a terminal), `QUNFA_LOG_LEVEL` a level's name (INFO).

    Raises:
        TelemetryError: One of the two variables has another value.
    """
    target = sys.stderr if stream is None else stream
    style = _choice(FORMAT_VARIABLE, "console" if target.isatty() else "json", _FORMATS, str.lower)
    level = _choice(LEVEL_VARIABLE, "INFO", _LEVELS, str.upper)
    rendering = _rendering(style)
    handler = _handler(target, rendering)
    _install(handler, level)
    structlog.configure(
        processors=[_add_origin, structlog.processors.StackInfoRenderer(), *rendering],
        logger_factory=lambda name="": _Lines(handler, name),
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    # The identifiers come as fields; the SDK would repeat them in every message.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def worker_runtime(bind_address: str) -> Runtime:
    """The process's one runtime, made before the first connection.

    Args:
        bind_address: `IP:port` of the Prometheus endpoint (`/metrics`), or the empty text for none.

    Raises:
        TelemetryError: The address is none, or somebody else listens there.
    """
    metrics = PrometheusConfig(
        bind_address=bind_address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    logs = LoggingConfig(
        filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=LogForwardingConfig(logger=logging.getLogger("temporalio.core"), append_target_to_name=False),
    )
    try:
        return Runtime(telemetry=TelemetryConfig(logging=logs, metrics=metrics if bind_address else None))
    except ValueError as error:
        raise TelemetryError(
            f"cannot serve metrics at {bind_address}: {error}\n"
            'Set [metrics] worker (QUNFA_METRICS__WORKER) to a free "IP:port", or to "" for no metrics.'
        ) from None


def _choice(variable: str, default: str, allowed: Sequence[str], fold: Any) -> str:
    value: str = fold(os.environ.get(variable) or default)
    if value not in allowed:
        raise TelemetryError(f"{variable} must be one of {', '.join(allowed)}")
    return value


def _rendering(style: str) -> Sequence[Processor]:
    """The last steps of every event, which make a text of it: nothing comes between scrubbing and rendering."""
    if style == "json":
        return structlog.processors.format_exc_info, _as_json
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return structlog.processors.format_exc_info, redact_event, _printable_event, console


def _add_origin(logger: _Lines, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What the first three of `_BEFORE` add to a record, in one step for the events of structlog."""
    event["logger"], event["level"] = logger.name, method
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return event


def _as_json(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
    """An event without its secrets. Few name any: a line that does not has nothing to be looked for value by value."""
    line = _dump(event)
    return printable(line if is_clean(line) else _dump(redact_event(logger, method, event)))


def _printable_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An event for a terminal. A traceback keeps its lines, and no line of it begins where records do."""
    shown: dict[str, Any] = {}
    for key, value in event.items():
        name = printable(str(key))
        if key in _OF_LINES and isinstance(value, str):
            shown[name] = textwrap.indent(printable(value, keep="\n"), "  ", lambda _: True)
        else:
            shown[name] = value if type(value) in _PLAIN - {str} else printable(str(value))
    return shown


def _dump(event: MutableMapping[str, Any]) -> str:
    """An event as JSON. Pydantic is several times as fast; what is not plain it would read in ways of its own."""
    if _PLAIN.issuperset(map(type, event.values())):
        try:
            return _dump_plain(dict(event)).decode()
        except ValueError:  # half of a surrogate pair
            pass
    return _dump_anything(event)


def _handler(stream: TextIO, rendering: Sequence[Processor]) -> _Handler:
    handler = _Handler(stream)
    handler.addFilter(_with_readable_message)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_BEFORE, structlog.stdlib.ExtraAdder(), _drop_repetitions],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    return handler


def _with_readable_message(record: logging.LogRecord) -> bool:
    """Keeps arguments that do not fit their message in the record; logging would print them as they are."""
    try:
        record.getMessage()
    except (TypeError, ValueError, KeyError):
        record.msg, record.args = f"{record.msg} {record.args}", None
    return True


def _install(handler: _Handler, level: str) -> None:
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name, floor in LOG_LEVELS.items():
        logging.getLogger(name).setLevel(floor)


def _drop_repetitions(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What repeats the message: Temporal core's own record, and what another handler's formatter has left."""
    for key in ("temporal_log", "message", "asctime"):
        event.pop(key, None)
    return event


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        _LOGGER.critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
