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
    assert len(done.stdout.splitlines()) > 2
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_the_list_of_commands_loads_no_command(words: list[str]) -> None:
    """Neither Temporal's library nor pydantic: they take most of a second."""
    assert _loaded(*words) & (HEAVY | OF_SERVICES) == set()


def test_names_of_commands_are_completed_without_loading_one() -> None:
    """A shell asks after each Tab. Typer itself needs pydantic for that."""
    assert _loaded(completing="qunfa re") & (HEAVY | OF_SERVICES) <= {"pydantic"}


@pytest.mark.parametrize("command", ["status", "approve", "list", "send", "quota", "worker", "simulator", "callback"])
def test_options_are_completed_without_a_service(command: str) -> None:
    """Workers, web servers and what they work with are loaded when they run."""
    assert _loaded(completing=f"qunfa {command} --") & OF_SERVICES == set()
