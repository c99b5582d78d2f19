"""The units for systemd start what exists, find what they need, and come back for as long as something is away."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from activities.pulse import EVERY
from qunfa.settings import Settings, load_settings
from tests.commands import every_command

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
PROGRAM = "/opt/qunfa/bin/qunfa"

each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda path: str(path.stem))


def values(unit: Path, name: str) -> list[str]:
    """What a unit says under this name, once or several times."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def settings_under(unit: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that the unit's program finds, given the configuration of deploy/."""
    for name in (line.partition(":")[0] for line in values(unit, "LoadCredential")):
        (credentials / name).write_text("a" * (43 if name.endswith("aes_key") else 32), encoding="utf-8")
    for line in values(unit, "Environment"):
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value.replace("%d", str(credentials)))
    monkeypatch.setenv("QUNFA_CONFIG", str(ROOT / "deploy" / "qunfa.example.toml"))
    return load_settings("worker" if "worker" in unit.stem else "receiver")


def test_the_units_are_those_that_the_guide_names() -> None:
    """A unit for workers and one for receivers."""
    guide = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert {path.name for path in UNITS} == set(re.findall(r"deploy/systemd/([\w-]+\.service)\)", guide))
    assert len(UNITS) == 2


@each_unit
def test_a_unit_starts_a_command_that_exists(unit: Path) -> None:
    """With options that the command line knows."""
    [start] = values(unit, "ExecStart")
    program, name, *arguments = start.split()
    assert program == PROGRAM
    every_command()[name].make_context(name, arguments)


@each_unit
def test_a_unit_comes_back_for_as_long_as_it_takes(unit: Path) -> None:
    """A worker ends at once where Temporal is away: five starts within ten seconds were its last."""
    assert values(unit, "Restart") == ["always"]
    assert values(unit, "StartLimitIntervalSec") == ["0"]
    assert int(values(unit, "RestartSec")[0]) >= 1


@each_unit
def test_a_unit_hands_over_the_secrets_that_are_read(
    unit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that it loads is read, in place of Compose's files. The worker alone gets an AppSecret, and nothing else."""
    account = settings_under(unit, tmp_path, monkeypatch).accounts["brand"]
    assert (account.secret is not None, account.callback is None) == ("worker" in unit.stem,) * 2
    assert all("%d/" + line.partition(":")[0] in unit.read_text() for line in values(unit, "LoadCredential"))
    assert any("brand_secret" in line for line in values(unit, "LoadCredential")) == ("worker" in unit.stem)


def test_a_unit_leaves_no_core_and_watches_its_worker() -> None:
    """A busy worker may miss some beats before it is killed."""
    for unit in UNITS:
        assert values(unit, "LimitCORE") == ["0"]
        watched = [int(seconds) for seconds in values(unit, "WatchdogSec")]
        assert [seconds > 5 * EVERY.total_seconds() for seconds in watched] == [True] * ("worker" in unit.stem)


def test_a_worker_under_systemd_may_finish_its_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has started is left alone meanwhile. Its store outlives it, in a folder that it may write to."""
    [unit] = [unit for unit in UNITS if "worker" in unit.stem]
    settings = settings_under(unit, tmp_path, monkeypatch)
    assert int(values(unit, "TimeoutStopSec")[0]) >= 2 * settings.timing.http_timeout.total_seconds() + 30
    assert values(unit, "KillMode") == ["mixed"]
    assert [f"file:/var/lib/{name}" for name in values(unit, "StateDirectory")] == [settings.store.uri]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd to ask")
@each_unit
def test_systemd_understands_a_unit(unit: Path, tmp_path: Path) -> None:
    """Each line of it."""
    content = unit.read_text(encoding="utf-8")
    shown = tmp_path / unit.name
    shown.write_text(content.replace(PROGRAM, "/bin/true"), encoding="utf-8")
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(shown)], capture_output=True, text=True, check=True
    )
    assert [line for line in told.stderr.splitlines() if unit.name in line] == []
