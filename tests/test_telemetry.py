import io
import json
import logging
import socket
import subprocess
import sys
import threading
import warnings
from typing import Any

import httpx
import pytest
import structlog
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from qunfa.telemetry import TelemetryError, configure_logging, worker_runtime
from tests.ports import free_address

TOKEN_URL = "https://api.weixin.qq.com/cgi-bin/message/mass/sendall?access_token=71_geheim&x=1"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def process_state(monkeypatch: pytest.MonkeyPatch, log_set_up: None) -> None:
    """A set-up changes nothing of the process for others."""
    monkeypatch.delenv("QUNFA_LOG", raising=False)
    monkeypatch.delenv("QUNFA_LOG_LEVEL", raising=False)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(workflow.logger, "workflow_info_on_message", True)
    monkeypatch.setattr(activity.logger, "activity_info_on_message", True)


@pytest.fixture
def log() -> io.StringIO:
    """A stream to which everything is logged as JSON."""
    stream = io.StringIO()
    configure_logging(stream)
    return stream


def _only(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    record: dict[str, Any] = json.loads(line)
    return record


@pytest.mark.parametrize("value", ["春", "\ud800", "a\nb", 2**80, None, 0.5, ["x"], {"deep": {"er": 1}}], ids=repr)
def test_any_value_is_written_as_json_has_it(log: io.StringIO, value: object) -> None:
    """Also half of a surrogate pair, and what is within others."""
    structlog.get_logger("x").info("seen", value=value)
    assert _only(log)["value"] == value


def test_standard_library_record(log: io.StringIO) -> None:
    """A record of the standard library is one line of JSON, its extras are fields."""
    logging.getLogger("some.library").info("sent %d", 3, extra={"account": "demo"})

    record = _only(log)

    assert record.pop("timestamp").endswith("Z")
    assert record == {"event": "sent 3", "level": "info", "logger": "some.library", "account": "demo"}


def test_structlog_record(log: io.StringIO) -> None:
    """An event of structlog is the same kind of line, Chinese text as it is."""
    structlog.get_logger("qunfa.callback").warning("push", account="品牌", milliseconds=3)

    record = _only(log)

    assert record["event"] == "push"
    assert (record["level"], record["logger"]) == ("warning", "qunfa.callback")
    assert (record["account"], record["milliseconds"]) == ("品牌", 3)
    assert "品牌" in log.getvalue()


async def test_activity_record(log: io.StringIO) -> None:
    """A record from an activity holds Temporal's identifiers as fields and not in its message."""

    @activity.defn
    async def greet() -> None:
        activity.logger.info("hello")

    await ActivityEnvironment().run(greet)

    record = _only(log)
    assert record["event"] == "hello"
    assert record["temporal_activity"]["activity_type"] == "unknown"


def test_secrets_are_scrubbed(log: io.StringIO) -> None:
    """A token is hidden in messages, arguments, fields and nested values."""
    logging.getLogger("a").warning("GET %s failed", TOKEN_URL)
    logging.getLogger("b").warning("failed", extra={"url": TOKEN_URL, "nested": {"urls": [TOKEN_URL]}})
    structlog.get_logger("c").warning("failed", url=TOKEN_URL, access_token="71_geheim")

    assert len(log.getvalue().splitlines()) == 3
    assert "geheim" not in log.getvalue()


def test_tracebacks_are_scrubbed_and_show_no_variables(log: io.StringIO) -> None:
    """An exception is logged with its traceback, without the values of variables and without tokens."""
    password = "not-to-be-shown"
    try:
        raise RuntimeError(f"GET {TOKEN_URL} by {len(password)}")
    except RuntimeError:
        logging.getLogger("a").exception("failed")
        structlog.get_logger("b").exception("failed")

    first, second = (json.loads(line) for line in log.getvalue().splitlines())
    for record in (first, second):
        assert "RuntimeError: GET https://api.weixin.qq.com" in json.dumps(record)
    assert "geheim" not in log.getvalue()
    assert password not in log.getvalue().replace('password = "not-to-be-shown"', "")


@pytest.mark.parametrize("name", ["access_token", "ſecret", "AES_\u212aEY"])
def test_secrets_by_any_spelling(log: io.StringIO, name: str) -> None:
    """Letters that are another one's other case make no difference, in a value, a key or below one."""
    structlog.get_logger("a").warning("failed", url=f"{name}=geheim", below={name: "geheim"}, **{name: "geheim"})

    assert _only(log)["url"] == f"{name}=***"
    assert "geheim" not in log.getvalue()


def test_stream_that_is_gone(log: io.StringIO) -> None:
    """A log that nobody can write any more stops no one who writes to it."""
    log.close()

    structlog.get_logger("a").warning("failed")


def test_arguments_that_do_not_fit(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong format string loses no record and prints no arguments past the scrubbing."""
    logging.getLogger("a").warning("GET %d", TOKEN_URL)

    assert "GET %d" in _only(log)["event"]
    assert "geheim" not in log.getvalue()
    assert capsys.readouterr().err == ""


def test_uncaught_exceptions_are_logged(log: io.StringIO) -> None:
    """What nobody catches, in the main program or in a thread, becomes one scrubbed record."""

    def fail() -> None:
        raise RuntimeError(TOKEN_URL)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    record = _only(log)
    assert record["level"] == "critical"
    assert "RuntimeError" in json.dumps(record)
    assert "geheim" not in log.getvalue()


def test_uncaught_exception_of_a_program() -> None:
    """The interpreter prints nothing of its own when a program dies: no URL, no variables."""
    program = (
        "from qunfa.telemetry import configure_logging\n"
        "configure_logging()\n"
        f"def go(url):\n    raise RuntimeError('GET ' + url)\n"
        f"go('{TOKEN_URL}')\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert json.loads(line)["level"] == "critical"
    assert "geheim" not in line


def test_warnings_are_records(log: io.StringIO) -> None:
    """A Python warning is logged like everything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old", UserWarning, stacklevel=1)

    assert _only(log)["logger"] == "py.warnings"


def test_http_libraries_do_not_log_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP client logs each URL at INFO: it is held at WARNING, even where everything else is at DEBUG."""
    monkeypatch.setenv("QUNFA_LOG_LEVEL", "debug")
    stream = io.StringIO()
    configure_logging(stream)

    logging.getLogger("httpx").info("HTTP Request: POST https://api.weixin.qq.com/x")
    logging.getLogger("httpcore.http11").debug("send_request_headers")
    logging.getLogger("qunfa").debug("seen")

    assert _only(stream)["event"] == "seen"


def test_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """`QUNFA_LOG_LEVEL` holds for both kinds of record."""
    monkeypatch.setenv("QUNFA_LOG_LEVEL", "WARNING")
    stream = io.StringIO()
    configure_logging(stream)

    logging.getLogger("a").info("no")
    structlog.get_logger("b").info("no")

    assert stream.getvalue() == ""


def test_console_on_a_terminal() -> None:
    """On a terminal a person reads: no JSON, and scrubbed just the same."""
    stream = Terminal()
    configure_logging(stream)
    try:
        raise RuntimeError(TOKEN_URL)
    except RuntimeError:
        structlog.get_logger("a").exception("failed", account="demo")

    assert "demo" in stream.getvalue()
    assert "RuntimeError" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
    assert "geheim" not in stream.getvalue()


def test_json_on_a_terminal_by_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """`QUNFA_LOG` overrides what the stream suggests."""
    monkeypatch.setenv("QUNFA_LOG", "JSON")
    stream = Terminal()
    configure_logging(stream)

    logging.getLogger("a").info("x")

    assert _only(stream)["event"] == "x"


@pytest.mark.parametrize("variable", ["QUNFA_LOG", "QUNFA_LOG_LEVEL"])
def test_unknown_choice(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that means nothing is refused by the variable's name."""
    monkeypatch.setenv(variable, "loud")

    with pytest.raises(TelemetryError, match=f"{variable} must be one of"):
        configure_logging(io.StringIO())


def test_second_set_up_replaces_the_first(log: io.StringIO) -> None:
    """No record is written twice."""
    stream = io.StringIO()
    configure_logging(stream)

    logging.getLogger("a").info("x")

    assert log.getvalue() == ""
    assert _only(stream)["event"] == "x"


async def test_metrics_endpoint() -> None:
    """A runtime with an address serves Temporal's metrics there."""
    address = free_address()
    runtime = worker_runtime(address)
    with pytest.raises(RuntimeError):
        await Client.connect("127.0.0.1:1", runtime=runtime)
    runtime.metric_meter.create_counter("mass_sends", "Sends.").add(1)

    async with httpx.AsyncClient() as http:
        assert "mass_sends_total{" in (await http.get(f"http://{address}/metrics")).text


def test_metrics_switched_off() -> None:
    """The empty address is a runtime without an endpoint."""
    assert worker_runtime("").metric_meter is not None


def test_metrics_address_in_use() -> None:
    """An occupied address says which setting to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(TelemetryError, match=r"(?s)cannot serve metrics at .*QUNFA_METRICS__WORKER"):
            worker_runtime(address)
