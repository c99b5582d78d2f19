import os
import re
import shlex
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from typer.exceptions import TyperException

from qunfa.cli.callback import callback_url
from qunfa.settings import SettingsError, load_settings
from qunfa.simulator.config import load_config
from qunfa.states import Outcome, Phase

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
RECEIVER = "http://receiver:8088"


def _environment(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", maxsplit=1) for line in lines if line and not line.startswith("#"))


ENVIRONMENT = _environment(".env.example")
EXAMPLES = {ENVIRONMENT["CONFIG_FILE"]: "./deploy/qunfa.example.toml"}
"""Files of a deployment's own, and what they are copied from."""


def _variables() -> set[str]:
    return set(re.findall(r"(?<!\$)\$\{(\w+)\}", COMPOSE_FILE))


def _resolve(text: str) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: ENVIRONMENT[match[1]], text)


def _mounts() -> Iterator[tuple[str, str, str]]:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, target = _resolve(volume).split(":")[:2]
            yield name, source, target


def _compose_command() -> list[str] | None:
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return [docker, "compose"]
    return None


def _mounted(folder: Path, secrets: list[str]) -> Path:
    """The configuration of deploy/ as a container finds it, with these secrets in a folder."""
    for name in secrets:
        (folder / name).write_text("a" * (43 if name.endswith("aes_key") else 32), encoding="utf-8")
    config = folder / "qunfa.toml"
    example = (ROOT / EXAMPLES[ENVIRONMENT["CONFIG_FILE"]]).read_text(encoding="utf-8")
    config.write_text(example.replace("/run/secrets", str(folder)), encoding="utf-8")
    return config


def _documented_commands() -> list[list[str]]:
    """The `qunfa …` lines of each code block of the deployment guide, and what its Compose lines run in `cli`."""
    commands = re.compile(r"^(?:\(umask 077; )?(?:docker compose run .*?\bcli|qunfa) ([^#<>\n]+)", re.MULTILINE)
    return [commands.findall(block) for block in _blocks()]


def _blocks() -> list[str]:
    """The code blocks of the deployment guide that a shell runs."""
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    return re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)


def _check_command(words: list[str]) -> None:
    from tests.commands import every_command  # noqa: PLC0415 - only the tests of commands need the command line

    name, *arguments = words
    known = every_command()
    assert name in known, f"qunfa has no command {name!r}"
    known[name].make_context(name, arguments)


@pytest.mark.parametrize("files", [[], ["deploy/demo/demo.env"]], ids=["production", "rehearsal"])
def test_compose_accepts_the_file(files: list[str]) -> None:
    """Compose itself finds nothing wrong, with every profile."""
    command = _compose_command()
    if command is None:
        pytest.skip("Compose is not installed")
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    options = ["--project-directory", str(ROOT), "--file", str(ROOT / "docker-compose.yml"), "--profile", "*"]
    options += [f"--env-file={ROOT / file}" for file in (".env.example", *files)]
    done = subprocess.run([*command, *options, "config"], env=clean, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(yaml.safe_load(done.stdout)["services"]) == set(SERVICES)


def test_every_variable_is_defined_and_used() -> None:
    """The file works with nothing but .env, as copied, and that holds nothing that does nothing."""
    assert _variables() == set(ENVIRONMENT)


def test_every_image_is_pinned() -> None:
    """Two machines run the same versions: every image has a tag of numbers, never `latest`."""
    tags = {_resolve(service["image"]).rpartition(":")[2] for service in SERVICES.values()}
    assert [tag for tag in tags if not re.match(r"\d+\.\d+", tag)] == []


def test_ports_are_published_on_loopback() -> None:
    """Nothing is reachable from the network until somebody decides so."""
    ports = [_resolve(port) for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_mounted_files_exist() -> None:
    """A missing file would be created by the engine as an empty folder."""
    files = [(name, source) for name, source, _ in _mounts() if source.startswith("./") and Path(source).suffix]
    assert files
    assert [(name, source) for name, source in files if not (ROOT / EXAMPLES.get(source, source)).is_file()] == []


def test_every_named_volume_is_declared_and_used() -> None:
    """Data outlives its container in a volume that is declared."""
    assert {source for _, source, _ in _mounts() if "/" not in source} == set(COMPOSE["volumes"])


def test_every_secret_is_a_file_that_is_explained_and_ignored() -> None:
    """Secrets are files which the page beside them explains, and which never enter version control."""
    explained = (ROOT / "deploy" / "secrets" / "README.md").read_text(encoding="utf-8")
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"] == f"./deploy/secrets/{name}"
        assert f"| `{name}` |" in explained
        assert any(fnmatch(f"/deploy/secrets/{name}", pattern) for pattern in ignored)


def test_no_secret_stands_in_the_environment() -> None:
    """What `docker inspect` shows holds no password, token or key."""
    shown = {f"{name}: {key}" for name, service in SERVICES.items() for key in service.get("environment", {})}
    secret = re.compile(r"(PASSWORD|PWD|SECRET|TOKEN|KEY)$")
    assert [entry for entry in shown if secret.search(entry)] == []
    assert [key for key in ENVIRONMENT if secret.search(key)] == []


def test_a_service_waits_only_for_what_can_happen() -> None:
    """A wait for health needs a health check, a wait for completion a service that ends."""
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for the health of {other}"
            else:
                assert SERVICES[other]["restart"] == "no", f"{name} waits for the end of {other}"


def test_every_service_that_stays_is_restarted() -> None:
    """A service either ends by itself or comes back after a crash."""
    assert {service["restart"] for service in SERVICES.values()} == {"no", "unless-stopped"}


@pytest.mark.parametrize("words", [["set-up"], ["setup", "--retain", "35d"], ["callback", "--port", "http"]])
def test_a_wrong_command_line_is_found(words: list[str]) -> None:
    """The check of command lines knows commands, options and kinds of value."""
    with pytest.raises((AssertionError, TyperException)):
        _check_command(words)


@pytest.mark.parametrize("name", [name for name in OURS if name != "cli"])
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    """Each of our services starts with a `qunfa` command and options that the command line knows."""
    _check_command(OURS[name]["command"])


def test_documented_commands_exist() -> None:
    """Every `qunfa` command line in the deployment guide can be typed as it stands."""
    commands = [command for block in _documented_commands() for command in block]
    assert commands
    for command in commands:
        _check_command(shlex.split(command))


def test_every_phase_that_can_last_is_in_a_list_to_watch() -> None:
    """Of the guide's two. A send whose pushes do not come waits long, and its list with it."""
    lists = re.findall(r"^qunfa list .* MassSendPhase IN \((.*?)\)", "".join(_blocks()), re.MULTILINE)
    watched = [phase for one in lists for phase in re.findall(r"\w+", one)]
    assert sorted([*watched, "done"]) == sorted(get_args(Phase))


def test_every_bad_end_is_in_the_list_of_bad_ends() -> None:
    """A part of a list that was refused asks nobody, where the rest goes on."""
    [ends] = re.findall(r"^qunfa list .* MassSendOutcome IN \((.*?)\)", "".join(_blocks()), re.MULTILINE)
    chosen = {"sent", "deleted", "aborted", "rejected"}
    assert sorted([*re.findall(r"\w+", ends), *chosen]) == sorted(get_args(Outcome))


def test_a_file_with_openids_is_made_for_its_owner_alone() -> None:
    """Where a shell makes it, and not a command of ours. The report names followers, and so does a backup."""
    block = next(block for block in _blocks() if "--output -" in block)
    [line] = [line for line in block.splitlines() if "--output -" in line]
    assert re.fullmatch(r"\(umask 077; .* > report\.csv\)", line)


def test_a_restore_is_never_done_by_pasting_what_comes_before() -> None:
    """`--done` stands alone and asks: before that, people and callers have work to do that no command does."""
    [block] = [block for block in _documented_commands() if any("--done" in command for command in block)]
    assert block == ["restored --done --by li"]


@pytest.mark.parametrize("fails_at", ["compose", "run", None])
def test_a_backup_that_fails_leaves_the_earlier_ones(tmp_path: Path, fails_at: str | None) -> None:
    """The guide's own lines: a dump that breaks off gets no name of a backup, and the job fails. None is for others."""
    guide = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    [script] = [
        one for one in re.findall(r"```sh\n(.*?)```", guide, re.DOTALL) if "exec -T postgresql pg_dumpall" in one
    ]
    names = ["temporal-{}.sql", "store-{}.tar"]
    for name in names:
        (tmp_path / name.format("before")).write_text("whole")
    for name, lines in {"docker": f'echo "$*"; [ "$1" != "{fails_at}" ]', "date": "echo now"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env={"PATH": path}, check=False, umask=0o022)
    assert (done.returncode == 0) is (fails_at is None)
    assert [(tmp_path / name.format("before")).read_text() for name in names] == ["whole", "whole"]
    made = [name for name in names if (tmp_path / name.format("now")).exists()]
    assert made == {"compose": [], "run": names[:1], None: names}[fails_at]
    assert {stat.S_IMODE((tmp_path / name.format("now")).stat().st_mode) for name in made} <= {0o600}


def test_a_restore_that_is_repeated_keeps_what_it_has() -> None:
    """The containers whose logs were gathered are gone by then. The dump is looked at before the volume goes."""
    [block] = [block for block in _blocks() if "before.log" in block]
    assert re.search(r"^\(umask 077; .* >> before\.log\)$", block, re.MULTILINE), "nobody else reads it"
    assert re.findall(r"(>+) before\.log", block) == [">>"]
    assert block.index("tail -n 4 temporal-") < block.index("docker volume rm")
    assert set(re.findall(r"[a-z]-(2\d{3}-\S+)\.(?:sql|tar)", block)) == set(re.findall(r"--taken (\S+)", block))


def test_a_restore_puts_no_old_store_over_a_newer_one() -> None:
    """A line that is pasted with the others says when it is wanted: an older plan of a list has other batches."""
    guide = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    [line] = [line for line in guide.splitlines() if "tar -x" in line]
    assert line.endswith("# only if the store is lost too")


def test_the_example_configuration_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of deploy/qunfa.toml loads as it stands, and reads exactly the secrets that Compose mounts."""
    example = (ROOT / EXAMPLES[ENVIRONMENT["CONFIG_FILE"]]).read_text(encoding="utf-8")
    mounted = [*SERVICES["worker"]["secrets"], *SERVICES["receiver"]["secrets"]]
    assert sorted(re.findall(r'_file = "/run/secrets/(\w+)"', example)) == sorted(mounted)
    assert SERVICES["receiver"]["secrets"] == [name for name in mounted if "callback" in name]
    monkeypatch.setenv("QUNFA_CONFIG", str(_mounted(tmp_path, mounted)))
    settings = load_settings()
    assert (list(settings.accounts), settings.wechat.is_real) == (["brand"], True)
    assert settings.metrics.worker == "0.0.0.0:9464"
    assert settings.metrics.receiver == "0.0.0.0:9465"  # in its container, of which only the other port is published
    assert [port.rpartition(":")[2] for port in SERVICES["receiver"]["ports"]] == ["8088"]


def test_the_guide_has_each_service_read_a_new_configuration() -> None:
    """Compose leaves a container as it is where only the content of a mounted file is another."""
    [named] = re.findall(r"^docker compose up .*--force-recreate (.*)$", "".join(_blocks()), re.MULTILINE)
    reading = {name for name, source, _ in _mounts() if source == ENVIRONMENT["CONFIG_FILE"]}
    assert {name for name in reading if "profiles" not in SERVICES[name]} == set(named.split())


def test_compose_sets_nothing_of_the_configuration() -> None:
    """A variable wins over the file, unseen: a rehearsal whose file names a simulator would call the real WeChat."""
    given = {name for service in OURS.values() for name in service.get("environment", {}) if name.startswith("QUNFA_")}
    assert given == {"QUNFA_CONFIG", "QUNFA_WORKER__ALIVE", "QUNFA_RECEIVER__HOST"}


def test_the_rehearsal_fits_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """With demo.env, workers, receiver and simulator speak of the same account, and of one another's addresses."""
    demo = ENVIRONMENT | _environment("deploy/demo/demo.env")
    assert set(demo) == set(ENVIRONMENT)
    monkeypatch.setenv("QUNFA_CONFIG", str(ROOT / demo["CONFIG_FILE"]))
    settings = load_settings()
    account = settings.accounts["demo"]
    simulated = load_config(ROOT / demo["SIMULATOR_CONFIG_FILE"]).accounts["demo"]
    assert account.callback is not None
    assert simulated.callback is not None
    assert (account.appid, account.secret) == (simulated.appid, simulated.secret)
    assert (account.callback.token, account.callback.mode) == (simulated.callback.token, simulated.callback.mode)
    assert simulated.callback.url == f"{RECEIVER}/wechat/demo"
    assert SERVICES["receiver"]["command"][-1] == RECEIVER.rpartition(":")[2]
    assert settings.wechat.base_url == f"http://simulator:{SERVICES['simulator']['command'][-1]}"


def test_the_configured_paths_are_mounted() -> None:
    """The worker finds its configuration, its media, a store that outlives it, and room on a disk."""
    targets = {target for name, _, target in _mounts() if name == "worker"}
    stores = {
        tomllib.loads((ROOT / name).read_text())["store"]["uri"]
        for name in ("deploy/qunfa.example.toml", "deploy/demo/qunfa.toml")
    }
    assert stores == {"file:/var/lib/qunfa"}
    room = SERVICES["worker"]["environment"]["TMPDIR"]
    assert targets == {"/etc/qunfa/qunfa.toml", "/srv/media", "/var/lib/qunfa", room}


def test_commands_see_what_workers_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Compose they have the configuration, the media and the store, but no AppSecret; and they find the receiver."""
    command, worker = SERVICES["cli"], SERVICES["worker"]
    room = worker["environment"]["TMPDIR"]
    shared = {volume.removesuffix(":ro") for volume in worker["volumes"] if not volume.endswith(f":{room}")}
    assert {volume for volume in command["volumes"] if volume.endswith(":ro")} == {f"{one}:ro" for one in shared}
    for name, value in command["environment"].items():
        monkeypatch.setenv(name, _resolve(value))
    assert os.environ["QUNFA_CONFIG"] in {target for name, _, target in _mounts() if name == "cli"}
    monkeypatch.setenv("QUNFA_CONFIG", str(_mounted(tmp_path, command["secrets"])))
    settings = load_settings("receiver")
    assert (list(settings.accounts), settings.accounts["brand"].secret) == (["brand"], None)
    assert str(callback_url(settings, "brand", None)) == f"{RECEIVER}/wechat/brand"
    with pytest.raises(SettingsError, match="brand_secret"):
        load_settings()


def test_the_worker_may_finish_a_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopping worker has longer than WeChat's answer may take."""
    monkeypatch.setenv("QUNFA_CONFIG", "")
    seconds = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert seconds >= 2 * load_settings().timing.http_timeout.total_seconds() + 30


def test_closed_sends_are_kept_for_35_days() -> None:
    """Temporal keeps closed workflows for as long as the ledger keeps its records."""
    assert SERVICES["temporal-namespace"]["environment"]["RETENTION"] == "35d"
    assert SERVICES["qunfa-setup"]["command"] == ["setup", "--retention", "35d"]


@pytest.mark.parametrize("script", sorted((ROOT / "deploy").rglob("*.sh")), ids=lambda path: str(path.name))
def test_a_script_is_valid_shell(script: Path) -> None:
    """The scripts that Temporal's images run parse as POSIX shell, and are mounted."""
    subprocess.run(["sh", "-n", str(script)], check=True)
    assert f"./{script.relative_to(ROOT)}:" in COMPOSE_FILE


def test_the_image_is_built_from_what_is_sent() -> None:
    """Each source that the Dockerfile copies exists, and is let through by .dockerignore."""
    passed = [
        line.removeprefix("!").rstrip("/") for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    ]
    copies = [
        line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY") and "--from" not in line
    ]
    sources = [source.rstrip("/") for copy in copies for source in copy]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists() or source not in passed] == []


def test_the_image_runs_as_nobody_in_particular() -> None:
    """The last stage leaves root, installs hashed requirements only, and has no development server."""
    *_, last = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    assert re.search(r"^USER [1-9]\d*$", last, flags=re.MULTILINE)
    installs = re.findall(r"pip install (.*)", DOCKERFILE)
    assert installs
    assert all("--require-hashes" in install or "--no-index" in install for install in installs)
    assert "requirements/demo.txt" not in DOCKERFILE
