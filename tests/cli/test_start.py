"""What a command loads before it answers: most of the time that a shell waits for it."""

import json
import os
import subprocess
import sys

import pytest

SHOWS = """
import json, sys
sys.argv = ["qunfa", *sys.argv[1:]]
from qunfa.extras import main
try:
    main()
except SystemExit:
    pass
print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
"""Runs the command, and tells which packages it has loaded."""
HEAVY = {"cryptography", "httpx", "lxml", "pydantic", "pydantic_settings", "temporalio", "yaml"}
OF_SERVICES = {"PIL", "activities", "httpcore", "lxml", "obstore", "starlette", "uvicorn", "worker", "workflows"}


def _loaded(*words: str, completing: str = "") -> set[str]:
    asking = {"_QUNFA_COMPLETE": "complete_bash", "COMP_WORDS": completing, "COMP_CWORD": str(completing.count(" "))}
    environment = {**os.environ, "QUNFA_CONFIG": "", **(asking if completing else {})}
    done = subprocess.run(
        [sys.executable, "-c", SHOWS, *words], env=environment, capture_output=True, text=True, check=True
    )
    assert len((done.stdout + done.stderr).splitlines()) > 2
    return set(json.loads(done.stdout.splitlines()[-1]))


WORDS = [["--help"], ["--version"], ["status", "--help"], ["send", "-h"], ["callback", "-h"], ["list", "--x"]]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_help_loads_nothing_that_a_command_works_with(words: list[str]) -> None:
    """Nor does a wrong option: Temporal's library and pydantic take most of a second."""
    assert _loaded(*words) & (HEAVY | OF_SERVICES) == set()


@pytest.mark.parametrize("words", ["qunfa re", "qunfa send --to", "qunfa list --", "qunfa schema --"])
def test_commands_and_options_are_completed_without_them(words: str) -> None:
    """A shell asks after each Tab. Typer itself needs pydantic for options."""
    assert _loaded(completing=words) & (HEAVY | OF_SERVICES) <= {"pydantic"}
