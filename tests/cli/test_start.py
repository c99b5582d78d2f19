"""What a command loads before it answers: most of the time that a shell waits for it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise

import pytest

SHOWS = """
import json, os, sys
sys.argv = ["qunfa", *sys.argv[1:]]
from qunfa.extras import main
for words in json.loads(os.environ["COMPLETING"]) or [""]:
    os.environ.update(COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
    try:
        main()
    except SystemExit:
        pass
    print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
"""Runs the command, or completes one after the other, and tells after each which packages are loaded."""
HEAVY = {"cryptography", "httpx", "lxml", "pydantic", "pydantic_settings", "temporalio", "yaml"}
OF_SERVICES = {"PIL", "activities", "httpcore", "lxml", "obstore", "starlette", "uvicorn", "worker", "workflows"}


def _loaded(*words: str, completing: Sequence[str] = ()) -> list[set[str]]:
    asking = {"_QUNFA_COMPLETE": "complete_bash"} if completing else {}
    environment = {**os.environ, "QUNFA_CONFIG": "", "COMPLETING": json.dumps(completing), **asking}
    done = subprocess.run(
        [sys.executable, "-c", SHOWS, *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    told = [number for number, line in enumerate(lines) if line.startswith("[")]
    assert all(after > before + 2 for before, after in pairwise([-1, *told]))
    return [set(json.loads(lines[number])) for number in told]


@pytest.mark.parametrize("words", ["--help", "--version", "status --help", "callback -h", "list --wrong"])
def test_help_loads_nothing_that_a_command_works_with(words: str) -> None:
    """Nor does a wrong option: Temporal's library and pydantic take most of a second."""
    [loaded] = _loaded(*words.split())
    assert loaded & (HEAVY | OF_SERVICES) == set()


INTERRUPTED = """
import sys
class Interrupting:
    again = True
    def find_spec(self, name, path=None, target=None):
        if self.again and name == {module!r}:
            self.again = False
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from qunfa.extras import main
main()
"""
"""Ctrl-C is pressed once, when this module is to be loaded."""


@pytest.mark.parametrize("module", ["typer", "rich.table", "temporalio.bridge", "qunfa.cli.status"])
def test_ctrl_c_while_a_command_loads_ends_it(module: str) -> None:
    """Exit 130 and no word, also where a package is left half loaded."""
    program = INTERRUPTED.format(module=module)
    words = ("status", "demo/spring")
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_commands_and_options_are_completed_without_them() -> None:
    """A shell asks after each Tab. Typer itself needs pydantic for options."""
    words = ["re", *(f"{one} --" for one in ("status", "approve", "list", "send", "quota", "worker", "simulator"))]
    first, *others = _loaded(completing=[f"qunfa {one}" for one in words])
    assert first & (HEAVY | OF_SERVICES) == set()
    assert [packages & (HEAVY | OF_SERVICES) for packages in others] == [{"pydantic"}] * len(others)
