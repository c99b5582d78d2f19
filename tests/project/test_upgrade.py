"""The lines of the deployment guide for Compose: an upgrade and the way back change no file of a deployment's own."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TRACKED = (".env.example", ".gitignore", "deploy/qunfa.example.toml", "docker-compose.yml")
OWN = {
    ".env": "TEMPORAL_VERSION=1.31.0\n",
    "deploy/qunfa.toml": "# mine\n",
    "docker-compose.override.yml": "services: {}\n",
}


def block_with(words: str) -> str:
    """The one code block of the guide that has these words."""
    guide = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    [block] = [one for one in re.findall(r"```sh\n(.*?)```", guide, re.DOTALL) if words in one]
    return str(block)


@dataclass
class Host:
    """A checkout, the repository that it pulls from, and a `docker` that only writes down how it was called."""

    upstream: Path
    checkout: Path
    programs: Path

    def run(self, script: str, at: Path | None = None) -> int:
        """The exit code of these lines of a shell; the editor changes nothing."""
        who = {f"GIT_{role}_{what}": "li@example" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        given = {"PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}", "EDITOR": "true", "GIT_PAGER": "cat"}
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(["sh", "-c", script], cwd=at or self.checkout, env=given | who | alone, check=False)
        return done.returncode

    def release(self, version: str) -> None:
        """Upstream commits a version, with another Temporal and another configuration."""
        for name in TRACKED:
            with (self.upstream / name).open("a", encoding="utf-8") as file:
                file.write(f"# {version}\n")
        assert self.run(f"git add --all && git commit --quiet --message {version}", self.upstream) == 0

    @property
    def version(self) -> str:
        """The newest that the checkout has."""
        return (self.checkout / "docker-compose.yml").read_text(encoding="utf-8").splitlines()[-1].removeprefix("# ")

    @property
    def own(self) -> dict[str, str]:
        """What stands in the deployment's own files."""
        return {name: (self.checkout / name).read_text(encoding="utf-8") for name in OWN}

    @property
    def calls(self) -> Path:
        """Where `docker` writes them down."""
        return self.programs / "calls"

    @property
    def called(self) -> list[str]:
        """How docker was called."""
        return self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """It runs the version 1, with its own files as the guide has them made, and then edited."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    found = Host(*(tmp_path / name for name in ("upstream", "checkout", "programs")))
    for name in TRACKED:
        (found.upstream / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, found.upstream / name)
    found.programs.mkdir()
    docker = found.programs / "docker"
    docker.write_text(f'#!/bin/sh\necho "$*" >> {found.programs}/calls\n', encoding="utf-8")
    docker.chmod(0o755)
    assert found.run("git init --quiet --initial-branch main", found.upstream) == 0
    found.release("1")
    assert found.run("git clone --quiet upstream checkout", tmp_path) == 0
    copies = [line for line in block_with("cp -n").splitlines() if line.startswith("cp ")]
    assert found.run("\n".join(copies)) == 0
    for name, text in OWN.items():
        assert (found.checkout / name).exists() or "override" in name
        (found.checkout / name).write_text(text, encoding="utf-8")
    assert found.run('git diff --quiet && test -z "$(git status --porcelain)"') == 0
    return found


def test_an_upgrade_and_the_way_back_leave_own_files_alone(host: Host) -> None:
    """Temporal keeps its version both times, and the image is built of what was checked out."""
    host.release("2")
    host.release("3")
    assert (host.run(block_with("git pull")), host.version, host.own) == (0, "3", OWN)
    assert host.called == ["compose build --pull", "compose up -d"]
    assert host.run(block_with("git pull")) == 0, "it is given again, where a step had failed"
    host.calls.unlink()
    assert (host.run(block_with("git checkout")), host.version, host.own) == (0, "1", OWN)
    assert host.called == ["compose build", "compose up -d"]
    assert host.run(block_with("git pull")) != 0, "it is on no branch"
    host.release("4")
    assert (host.run("git switch --quiet main && " + block_with("git pull")), host.version) == (0, "4")


def test_each_release_without_containers_has_a_folder_of_its_own(host: Host, tmp_path: Path) -> None:
    """Its version may be that of the one before: `pip` then installs nothing there. What runs keeps its own files."""
    pip = '#!/bin/sh\nfor last; do :; done\n[ "$2" != --no-deps ] || cp "$last" "${0%/*}/installed"\n'
    programs = {
        "make": "#!/bin/sh\nmkdir -p dist\ncp docker-compose.yml dist/qunfa-0.2.0-py3-none-any.whl\n",
        "python3": f'#!/bin/sh\nmkdir -p "$3/bin"\ncat > "$3/bin/pip" <<\'E\'\n{pip}E\nchmod +x "$3/bin/pip"\n',
    }
    for name, script in programs.items():
        (host.programs / name).write_text(script, encoding="utf-8")
        (host.programs / name).chmod(0o755)
    install = block_with("python3 -m venv").replace("/opt/", f"{tmp_path}/")

    def runs(folder: Path) -> str:
        return (folder / "bin" / "installed").read_text(encoding="utf-8").splitlines()[-1]

    assert (host.run(install), runs(tmp_path / "qunfa")) == (0, "# 1")
    before = (tmp_path / "qunfa").resolve()
    host.release("2")
    assert host.run("git pull --quiet") == 0
    assert (host.run(install), runs(tmp_path / "qunfa"), runs(before)) == (0, "# 2", "# 1")


@pytest.mark.parametrize("name", ["docker-compose.yml", "deploy/qunfa.example.toml"])
def test_an_upgrade_that_git_refuses_starts_nothing(host: Host, name: str) -> None:
    """The old tree would be built and started again, and all would look well."""
    host.release("2")
    (host.checkout / name).write_text("mine\n", encoding="utf-8")
    assert host.run(block_with("git pull")) != 0
    assert host.called == []


def test_secrets_of_a_second_account_are_added_in_an_own_file() -> None:
    """The example beside the secrets: Compose has its services, and each secret that they get is declared."""
    explained = (ROOT / "deploy" / "secrets" / "README.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```yaml\n(.*?)```", explained, re.DOTALL)
    added: dict[str, Any] = yaml.safe_load(example)
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    ends = {name: {one.partition("_")[2] for one in service["secrets"]} for name, service in added["services"].items()}
    assert ends == {name: {one.partition("_")[2] for one in services[name]["secrets"]} for name in ends}
    assert ends.keys() == {name for name in services if services[name].get("build") and services[name].get("secrets")}
    given = {secret for service in added["services"].values() for secret in service["secrets"]}
    assert {name: f"./deploy/secrets/{name}" for name in given} == {
        name: secret["file"] for name, secret in added["secrets"].items()
    }
