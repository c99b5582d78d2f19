"""What shells offer: by their own scripts, with the command as a process, and never an error among what is typed."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qunfa.cli import app
from tests.cli.calls import UNREACHABLE, Qunfa, Scripted
from tests.looking import PATIENCE, until

pytestmark = pytest.mark.long

BASH = shutil.which("bash")
ASKS = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_qunfa_completion "$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""
"""What bash does when somebody presses Tab behind these words, with what is offered on stdout."""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script that `--install-completion` installs, and a `qunfa` on the path beside it."""
    shown = CliRunner().invoke(app, [], prog_name="qunfa", env={"_QUNFA_COMPLETE": "source_bash"})
    file, command = tmp_path / "completion.bash", tmp_path / "qunfa"
    file.write_text(shown.stdout, encoding="utf-8")
    named = "import sys; sys.argv[0] = 'qunfa'; from qunfa.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{named}" "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return file


async def offered(script: Path, environment: dict[str, str], *words: str) -> tuple[list[str], str]:
    """What bash offers for the last word, and what it shows on stderr."""
    assert BASH
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    given = {**os.environ, **environment, "PATH": path}
    asking = (BASH, "--norc", "--noprofile", "-c", ASKS, "bash", str(script), *words)
    process = await asyncio.create_subprocess_exec(*asking, env=given, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    return out.decode().split(), err.decode()


@pytest.mark.skipif(BASH is None, reason="there is no bash")
async def test_bash_completes_accounts_keys_and_problems(
    environment: dict[str, str], scripted: Scripted, key: str, script: Path
) -> None:
    """What Temporal knows of them, by bash's own script."""
    await scripted()

    async def keys() -> tuple[list[str], str]:
        return await offered(script, environment, "qunfa", "status", f"demo/{key[:-2]}")

    assert await until(keys, lambda found: bool(found[0])) == ([f"demo/{key}"], "")
    assert "demo" in (await offered(script, environment, "qunfa", "quota", "d"))[0]
    assert await offered(script, environment, "qunfa", "list", "--problem", "quo") == (["quota_exhausted"], "")
    assert await offered(script, environment, "qunfa", "unfr") == (["unfreeze"], "")


@pytest.mark.skipif(BASH is None, reason="there is no bash")
async def test_bash_shows_nothing_where_temporal_is_away(environment: dict[str, str], script: Path) -> None:
    """Neither an offer nor an error; what needs no Temporal is offered."""
    away = {**environment, **UNREACHABLE}
    assert await offered(script, away, "qunfa", "status", "d") == ([], "")
    assert await offered(script, away, "qunfa", "list", "--problem", "quo") == (["quota_exhausted"], "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
async def test_other_shells_are_answered_in_their_own_way(
    *, qunfa: Qunfa, scripted: Scripted, key: str, shell: str
) -> None:
    """A word each, as zsh's and fish's scripts of Typer read it; nothing where Temporal is away."""
    await scripted()
    asking: dict[str, Any] = {
        "_QUNFA_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": f"qunfa status demo/{key[:-2]}",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }

    async def said() -> str:
        return (await qunfa(name="qunfa", **asking)).stdout

    assert f"demo/{key}" in await until(said, lambda found: key in found)
    away = await qunfa(name="qunfa", **asking, **UNREACHABLE)
    assert (key in away.stdout, away.stderr) == (False, "")
