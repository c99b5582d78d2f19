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
def load_settings():
    print(resource.getrlimit(resource.RLIMIT_CORE))
    os.kill(os.getpid(), signal.SIGTERM)
    print("goes on")
worker.load_settings = load_settings
sys.exit(worker.main())
"""
HELD_UP = """
import sys, threading, worker
async def run_worker(_settings):
    threading.Thread(target=threading.Event().wait).start()
worker.load_settings, worker.run_worker = object, run_worker
sys.exit(worker.main())
"""
RECEIVES = """
import resource, sys, qunfa.callback
async def run_receiver(_settings, **_more):
    print(resource.getrlimit(resource.RLIMIT_CORE))
qunfa.callback.run_receiver, sys.argv = run_receiver, ["qunfa", "callback"]
from qunfa.cli import main
main()
"""


@pytest.mark.parametrize(
    ("program", "said"),
    [(TOLD_TO_END, "(0, 0)\n"), (HELD_UP, ""), (RECEIVES, "(0, 0)\n")],
    ids=["told to end as it starts", "a thread hangs", "a receiver"],
)
def test_a_process_leaves_no_core_and_ends_when_told(program: str, said: str) -> None:
    """Also as the first one of a container, which gets no signal without a handler, and while a mount hangs."""
    given = {**os.environ, "QUNFA_CONFIG": "", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, said), ended.stderr
