"""What all tests share: one Temporal server a process, and how pytest runs them on a crowded machine."""

import gc
import logging
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import pytest
import pytest_asyncio
import structlog
from hypothesis import HealthCheck, settings
from temporalio.client import Client
from temporalio.worker import _workflow as temporal_workflow

from qunfa.language import speak
from tests.simulation.lives import FIRST_SEED
from tests.temporal import BARE, PAUSES, development_server

# A usual run tries the same examples each time, so that what fails was changed; "thorough" finds new ones. Neither has
# a time limit for an example: only the machine decides how long one takes.
_CROWDED: Final = [HealthCheck.too_slow, HealthCheck.differing_executors]
settings.register_profile(
    "everyday", deadline=None, derandomize=True, database=None, max_examples=75, suppress_health_check=_CROWDED
)
settings.register_profile("thorough", deadline=None, max_examples=1000, suppress_health_check=_CROWDED)
settings.load_profile("everyday")

# What commands say is compared in English, whatever the machine speaks; a test that wants Chinese says so.
for _variable in ("LANGUAGE", "LC_MESSAGES", "LANG"):
    os.environ.pop(_variable, None)
os.environ["LC_ALL"] = "C.UTF-8"

# A shell that starts this in the background has it ignore Ctrl-C, and so would every command that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_DEADLOCK_SECONDS: Final = 30.0
"""What Temporal's SDK calls a deadlock in a test process. The product keeps the SDK's two seconds: its workers hold a
fraction of the objects, and do not run servers, browsers and other workers in their own process."""


LONG_ID: Final = 40
"""Bytes whose parameter is named by their number."""
LONG_TEXT: Final = 300
HUGE: Final = 10**100
_WAITING: Final = 2
"""How many more processes than cores run all tests: the long ones wait for leases and time-outs half of their time."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process for each core; more where the long tests run, too."""
    cores = os.cpu_count() or 1
    return cores if config.option.markexpr else cores + _WAITING


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make histories` records what the marked tests leave in Temporal; `make pictures` what the UI shows."""
    parser.addoption("--record-histories", metavar="DIR", help="write the histories of tests marked `history` to DIR")
    parser.addoption("--screenshots", metavar="DIR", help="write the pictures for the documentation to DIR (tests/ui)")


def pytest_configure() -> None:
    """Each run simulates other lives. All processes of a run inherit the seed of the first one.

    Workers and receivers of this process may log while a command is tested, whose stdout stands in for this one's.
    """
    os.environ.setdefault(FIRST_SEED, str(secrets.randbelow(2**31)))
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The seed is printed, so that the same lives can be played again."""
    terminalreporter.write_line(f"simulated lives: {FIRST_SEED}={os.environ[FIRST_SEED]} plays them again")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal_server() -> AsyncIterator[Client]:
    """The one real server of this process, by a client of its default namespace."""
    async with development_server(PAUSES, namespaces=["activities", "cli", "workflows", BARE]) as client:
        yield client


@pytest.fixture
def chinese() -> Iterator[None]:
    """What is said in this test is said in Chinese."""
    speak("zh")
    yield
    speak("en")


@pytest.fixture
def log_set_up() -> Iterator[None]:
    """Gives back what a set-up of the logs changes."""
    root = logging.getLogger()
    handlers, level, before = list(root.handlers), root.level, structlog.get_config()
    yield
    logging.captureWarnings(capture=False)
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def pytest_make_parametrize_id(val: object) -> str | None:
    """A short name for a long text, number or content: pytest writes out all of it, be it a video of 11 MB.

    What is compressed may hold the second in which it was made, and every process must collect the same names.
    """
    if isinstance(val, bytes) and (len(val) > LONG_ID or not val.isascii()):
        return f"{len(val)} bytes"
    if isinstance(val, str) and len(val) > LONG_TEXT:
        return f"{len(val)} characters"
    return "huge" if isinstance(val, int) and abs(val) > HUGE else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a set-up stay in one process. These, and the long ones, begin first: all processes end alike.

    Those that kill dozens of processes say by a mark that they are one group, and so do those with a browser. Several
    of them at a time would starve each other: a lease runs out then before its worker has begun.
    """
    for item in items:
        if _shares_a_set_up(item) and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(
        key=lambda item: (item.get_closest_marker("xdist_group") is None, item.get_closest_marker("long") is None)
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Modules, tests and the examples of their parameters live as long as the process: no collection looks at them."""
    grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if getattr(session.config.option, "loadgroup", False) and any("@" not in item.nodeid for item in grouped):
        # Each process would set up everything anew, and nobody would see why it takes so long.
        raise pytest.UsageError("pytest and pytest-xdist do not keep groups together: take those of dev.txt")
    gc.collect()
    gc.freeze()


def _shares_a_set_up(item: pytest.Item) -> bool:
    """Whether a fixture of its module, its class or its package serves several tests."""
    found: dict[str, Any] = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    return any(definitions[-1].scope in {"module", "class", "package"} for definitions in found.values())


def _with_patience(make: Callable[..., None]) -> Callable[..., None]:
    def init(self: Any, **options: Any) -> None:
        make(self, **options)
        self._deadlock_timeout_seconds = _DEADLOCK_SECONDS

    return init


_worker = temporal_workflow._WorkflowWorker  # noqa: SLF001  the SDK has no public way to size its detector
_worker.__init__ = _with_patience(_worker.__init__)  # type: ignore[method-assign]
