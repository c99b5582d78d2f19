"""How the process of a worker begins and ends, each time in one of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

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


EACH = """
import json, os, sys, worker
for name, program in json.loads(sys.argv[1]).items():
    if os.fork() == 0:
        for fd, kind in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}.{kind}", os.O_WRONLY | os.O_CREAT), fd)
        exec(program)
        sys.exit()
    code = os.waitstatus_to_exitcode(os.wait()[1])
    print(json.dumps([name, code, open(f"{name}.out").read(), open(f"{name}.err").read()]))
"""
"""Carries out each program in a process of its own, and imports the worker once for all."""


class Ended(NamedTuple):
    """A process that has ended."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """What became of each program that works with a worker, or with a receiver."""
    programs = {"told": TOLD_TO_END, "held up": HELD_UP, "receives": RECEIVES, "fails": FAILS, "connects": CONNECTS}
    done = _run(EACH, json.dumps(programs), cwd=tmp_path_factory.mktemp("ended"))
    assert done.returncode == 0, done.stderr
    return {name: Ended(*seen) for name, *seen in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize(("name", "said"), [("told", "(0, 0) 0o27\n"), ("held up", ""), ("receives", "(0, 0)\n")])
def test_a_process_leaves_no_core_and_ends_when_told(ended: dict[str, Ended], name: str, said: str) -> None:
    """Also as the first one of a container, which gets no signal without a handler, and while a mount hangs.

    Others on the machine may not read what a worker writes.
    """
    assert ended[name][:2] == (0, said), ended[name].stderr


@pytest.mark.parametrize(("module", "command"), [("worker", "worker"), ("qunfa.callback", "callback")])
def test_a_process_that_still_imports_ends_when_told(module: str, command: str) -> None:
    """As one that works does."""
    done = _run(IMPORTS.format(module=module, command=command))
    assert (done.returncode, done.stdout) == (0, "imports\n"), done.stderr


def test_a_worker_with_a_hung_thread_ends_by_a_mistake(ended: dict[str, Ended]) -> None:
    """Python would wait for the thread for ever. What was wrong is told before."""
    assert (ended["fails"].code, "a mistake" in ended["fails"].stderr) == (1, True)


def test_a_worker_tells_a_wrong_configuration_of_temporal(ended: dict[str, Ended]) -> None:
    """Its exit code is that of a wrong configuration of Qunfa: no repeat helps."""
    code, _, stderr = ended["connects"]
    assert (code, "cannot read /nowhere/temporal.toml" in stderr) == (2, True), stderr


def _run(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "QUNFA_CONFIG": "", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", *words],
        cwd=cwd,
        env=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
