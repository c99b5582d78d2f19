"""What `--help` and the shell tell of commands."""

import re
import shlex
from functools import partial

import pytest
import typer.rich_utils
from rich.cells import cell_len
from rich.text import Text
from temporalio.client import Client
from typer.testing import CliRunner

from qunfa.cli import app
from qunfa.config_file import Language
from qunfa.language import _, speak
from qunfa.rules.problems import PROBLEMS
from tests.cli.calls import Qunfa, Scripted, having
from tests.commands import every_command, texts
from tests.looking import until

COMMANDS = every_command()


def _help(words: str, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(typer.rich_utils, "MAX_WIDTH", width)
    return CliRunner().invoke(app, [*words.split(), "--help"], prog_name="qunfa").stdout


@pytest.mark.parametrize("words", [words for words in COMMANDS if words])
def test_every_command_has_an_example_that_it_takes(words: str) -> None:
    """It fits a line of 80 columns, so that it can be copied."""
    example = (COMMANDS[words].epilog or "").removeprefix("Example: ")
    assert len(f"Example: {example}") <= 78
    called, _, given = re.sub(r"^[A-Z_]+=\S+ ", "", example).partition(words)
    assert called == "qunfa "
    COMMANDS[words].make_context(words, shlex.split(given))


@pytest.mark.parametrize("words", COMMANDS)
def test_help_is_whole_at_80_columns(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No word of an option, a choice or a sentence is cut or broken."""
    narrow, wide = (_help(words, width, monkeypatch) for width in (80, 300))
    seen, whole = (sorted(re.sub(r"[│╭╮╰╯─]", " ", text).split()) for text in (narrow, wide))
    assert seen == whole


def test_the_help_of_a_flag_names_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--once true` would take `true` for something else."""
    shown = _help("demo", 80, monkeypatch)
    assert "--once" in shown
    assert [word for word in COMMANDS if "bool" in _help(word, 80, monkeypatch)] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_command_has_one_line_in_the_list_of_all(language: Language) -> None:
    """Whole at 80 columns: the first sentence of its help."""
    speak(language)
    lines = [_(one.short_help or "") for words, one in COMMANDS.items() if words and " " not in words]
    speak("en")
    assert [line for line in lines if not 0 < cell_len(line) <= 80 - len("│ reschedule  │ ")] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_help_loses_a_word_in_brackets(language: Language) -> None:
    """Typer takes `[store]` for a style, and leaves it out."""
    speak(language)
    told = [_(text) for command in COMMANDS.values() for text in (*texts(command), command.epilog or "")]
    speak("en")
    assert [text for text in told if Text.from_markup(text).plain != text] == []


async def _completed(qunfa: Qunfa, words: str) -> list[str]:
    """What the shell offers for the last word."""
    asking = {"_QUNFA_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    return (await qunfa(name="qunfa", **asking)).stdout.split()


async def test_accounts_are_completed_by_the_shell(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Those of the configuration, and those that have sent; also where no configuration can be read."""
    await scripted()
    for command in ("quota ", "freeze ", "list --account ", "status x --account ", "ledger d"):
        assert "demo" in await until(partial(_completed, qunfa, f"qunfa {command}"))
    asking = {"_QUNFA_COMPLETE": "complete_bash", "COMP_WORDS": "qunfa quota s", "COMP_CWORD": "2"}
    assert (await qunfa(name="qunfa", **asking, **having({"shop": "wx0123456789abcdef"}))).stdout.split() == ["shop"]


async def test_sends_are_completed_by_the_shell(qunfa: Qunfa, scripted: Scripted, client: Client, key: str) -> None:
    """As account/key, or as a key where the account is given before."""
    await scripted(more="-a")
    await scripted(more="-b")
    both = [f"{key}-a", f"{key}-b"]
    for command in ("status", "watch", "approve", "mark-sent", "recall"):
        words = f"qunfa {command} demo/{key[:-2]}"
        found = await until(partial(_completed, qunfa, words), lambda found: len(found) > 1)
        assert sorted(found) == [f"demo/{one}" for one in both]
    assert sorted(await _completed(qunfa, f"qunfa pause --account demo {key}")) == both
    assert sorted(await _completed(qunfa, f"qunfa ledger demo --key {key}")) == both


async def test_problems_are_completed_by_the_shell(qunfa: Qunfa) -> None:
    """All there are; nothing is asked for that."""
    assert await _completed(qunfa, "qunfa list --problem ") == [*PROBLEMS, "account_frozen"]
    assert await _completed(qunfa, "qunfa demo --problem a") == ["awaiting_approval", "admin_refused", "all"]


async def test_completion_stays_quiet_without_temporal(qunfa: Qunfa) -> None:
    """A shell's line is no place for errors."""
    asking = {"_QUNFA_COMPLETE": "complete_bash", "COMP_WORDS": "qunfa status d", "COMP_CWORD": "2"}
    answer = await qunfa(name="qunfa", TEMPORAL_ADDRESS="127.0.0.1:1", **asking)
    assert (answer.stdout.strip(), answer.stderr) == ("", "")
