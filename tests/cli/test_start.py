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
        [sys.executable, "-c", SHOWS, *words], env=environment, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    told = [number for number, line in enumerate(lines) if line.startswith("[")]
    assert all(after > before + 2 for before, after in pairwise([-1, *told]))
    return [set(json.loads(lines[number])) for number in told]


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_the_list_of_commands_loads_no_command(words: list[str]) -> None:
    """Neither Temporal's library nor pydantic: they take most of a second."""
    [loaded] = _loaded(*words)
    assert loaded & (HEAVY | OF_SERVICES) == set()


def test_names_of_commands_are_completed_without_loading_one() -> None:
    """A shell asks after each Tab. Typer itself needs pydantic for that."""
    [loaded] = _loaded(completing=["qunfa re"])
    assert loaded & (HEAVY | OF_SERVICES) <= {"pydantic"}


def test_options_are_completed_without_a_service() -> None:
    """Workers, web servers and what they work with are loaded when they run."""
    commands = ["status", "approve", "list", "send", "quota", "worker", "simulator", "callback"]
    loaded = _loaded(completing=[f"qunfa {command} --" for command in commands])
    assert [packages & OF_SERVICES for packages in loaded] == [set()] * len(commands)
