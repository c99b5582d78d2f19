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


def configured(folder: Path) -> Path:
    """The configuration of deploy/ with the changes of the guide, and with the secrets of both units in a folder."""
    guide, config = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("docs/deployment.md", "deploy/qunfa.example.toml")
    )
    for key, value in re.findall(
        r'^(worker|receiver|\w+_file) = "(\S+:9\d+|/run/credentials/\S+)"$', guide, re.MULTILINE
    ):
        config, changed = re.subn(rf'^{key} = "[^"]+"', f'{key} = "{value}"', config, flags=re.MULTILINE)
        assert changed == 1
    for unit in UNITS:
        for name in (line.partition(":")[0] for line in values(unit, "LoadCredential")):
            at = folder / unit.name / name
            at.parent.mkdir(exist_ok=True)
            at.write_text("a" * (43 if name.endswith("aes_key") else 32), encoding="utf-8")
    file = folder / "qunfa.toml"
    file.write_text(config.replace("/run/credentials", str(folder)), encoding="utf-8")
    return file


def settings_under(unit: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that the unit's program finds. The secrets of the other unit are not there for it."""
    monkeypatch.setenv("QUNFA_CONFIG", str(configured(folder)))
    for other in UNITS:
        if other != unit:
            shutil.rmtree(folder / other.name)
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
    settings = settings_under(unit, tmp_path, monkeypatch)
    account = settings.accounts["brand"]
    assert (account.secret is not None, account.callback is None) == ("worker" in unit.stem,) * 2
    named = re.findall(rf'"{tmp_path}/{unit.name}/(\w+)"', (tmp_path / "qunfa.toml").read_text(encoding="utf-8"))
    assert named == [line.partition(":")[0] for line in values(unit, "LoadCredential")]
    assert any("brand_secret" in line for line in values(unit, "LoadCredential")) == ("worker" in unit.stem)


@each_unit
def test_a_unit_needs_the_file_that_names_temporal(unit: Path) -> None:
    """Without it a receiver would answer WeChat, and keep results in a namespace that no worker looks at."""
    assert values(unit, "EnvironmentFile") == ["/etc/qunfa/environment"]


def test_a_host_opens_no_port_to_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver is behind a proxy there, and metrics are for the host itself."""
    [unit] = [unit for unit in UNITS if "receiver" in unit.stem]
    assert values(unit, "ExecStart") == [f"{PROGRAM} callback --host 127.0.0.1"]
    metrics = settings_under(unit, tmp_path, monkeypatch).metrics
    assert (metrics.worker, metrics.receiver) == ("127.0.0.1:9464", "127.0.0.1:9465")


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
    assert "TMPDIR=/var/tmp" in values(unit, "Environment")


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
