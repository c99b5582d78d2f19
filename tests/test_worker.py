"""How the process of a worker begins and ends, each time in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.looking import PATIENCE

ROOT = Path(__file__).parents[1]
TOLD_TO_END = """
import os, resource, signal, sys, worker
os.umask(0o022)
def load_settings(_process):
    print(resource.getrlimit(resource.RLIMIT_CORE), oct(os.umask(0)))
    os.kill(os.getpid(), signal.SIGTERM)
    print("goes on")
worker.load_settings = load_settings
sys.exit(worker.main())
"""
HELD_UP = """
import sys, threading, worker
async def run_worker(_settings):
    threading.Thread(target=threading.Event().wait).start()
worker.load_settings, worker.run_worker = str, run_worker
sys.exit(worker.main())
"""
FAILS = """
import sys, threading, worker
async def run_worker(_settings):
    threading.Thread(target=threading.Event().wait).start()
    raise RuntimeError("a mistake")
worker.load_settings, worker.run_worker = str, run_worker
sys.exit(worker.main())
"""
CONNECTS = """
import os, sys, worker
async def run_worker(_settings):
    await worker.connect()
os.environ["TEMPORAL_CONFIG_FILE"] = "/nowhere/temporal.toml"
worker.load_settings, worker.run_worker = str, run_worker
sys.exit(worker.main())
"""
IMPORTS = """
import importlib.abc, os, signal, sys
class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, _path, _target=None):
        if name == {module!r}:
            print("imports")
            os.kill(os.getpid(), signal.SIGTERM)
            print("goes on")
from qunfa.cli import main
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.meta_path.insert(0, Slow())
sys.argv = ["qunfa", {command!r}]
main()
"""
RECEIVES = """
import resource, sys, qunfa.callback.app
async def run_receiver(_settings, **_more):
    print(resource.getrlimit(resource.RLIMIT_CORE))
qunfa.callback.app.run_receiver, sys.argv = run_receiver, ["qunfa", "callback"]
from qunfa.cli import main
main()
"""


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (TOLD_TO_END, "(0, 0) 0o27\n"),
        (HELD_UP, ""),
        (RECEIVES, "(0, 0)\n"),
        (IMPORTS.format(module="worker", command="worker"), "imports\n"),
        (IMPORTS.format(module="qunfa.callback", command="callback"), "imports\n"),
    ],
    ids=["told to end as it starts", "a thread hangs", "a receiver", "a worker imports", "a receiver imports"],
)
def test_a_process_leaves_no_core_and_ends_when_told(program: str, said: str) -> None:
    """Also as the first one of a container, which gets no signal without a handler, and while a mount hangs.

    Others on the machine may not read what a worker writes.
    """
    ended = _ended(program)
    assert (ended.returncode, ended.stdout) == (0, said), ended.stderr


def test_a_worker_with_a_hung_thread_ends_by_a_mistake() -> None:
    """Python would wait for the thread for ever. What was wrong is told before."""
    ended = _ended(FAILS)
    assert ended.returncode == 1
    assert "a mistake" in ended.stderr


def test_a_worker_tells_a_wrong_configuration_of_temporal() -> None:
    """Its exit code is that of a wrong configuration of Qunfa: no repeat helps."""
    ended = _ended(CONNECTS)
    assert (ended.returncode, "cannot read /nowhere/temporal.toml" in ended.stderr) == (2, True), ended.stderr


def _ended(program: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "QUNFA_CONFIG": "", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
