"""What `pip install qunfa` brings, and each extra; and what is said where one is missing."""

import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions, requires
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project.imports import ROOT

FILE: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: Final = FILE["project"]
EXTRAS: Final[dict[str, list[str]]] = PROJECT["optional-dependencies"]
HEAVY: Final = ("httpx", "lxml", "PIL", "starlette", "typer", "cryptography", "obstore", "structlog", "yaml", "rich")
ENTRIES: Final = {
    "": ("qunfa.client", "qunfa.testing", "qunfa.contract.schema", "qunfa.extras"),
    "cli": ("qunfa.cli",),
    "worker": ("worker", "qunfa.cli"),
    "receiver": ("qunfa.callback.delivery", "qunfa.callback.app", "qunfa.cli"),
    "simulator": ("qunfa.simulator", "qunfa.cli"),
}
"""What of Qunfa works with an extra; with none, the client."""
WITHOUT: Final = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""


def names(requirements: list[str], *extras: str) -> set[str]:
    """The distributions that are required, with those that they require."""
    wanted = [one for one in map(Requirement, requirements) if one.marker is None or any_applies(one, extras)]
    return set().union(*(brought(canonicalize_name(one.name), frozenset(one.extras)) for one in wanted))


def any_applies(requirement: Requirement, extras: tuple[str, ...]) -> bool:
    """Whether it is required here."""
    assert requirement.marker is not None
    return any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras))


@cache
def brought(name: str, extras: frozenset[str]) -> set[str]:
    """A distribution and all that it requires; our own by pyproject.toml."""
    if name == "qunfa":
        return names([*PROJECT["dependencies"], *(one for extra in extras for one in EXTRAS[extra])])
    return {name} | names(requires(name) or [], *extras)


@cache
def missing_with(extra: str) -> set[str]:
    """The top-level modules that an installation with this extra alone lacks."""
    have = brought("qunfa", frozenset({extra} - {""}))
    found = packages_distributions()
    ours = {canonicalize_name(Requirement(one).name) for extra in EXTRAS for one in EXTRAS[extra]} - {"qunfa"}
    return {
        module
        for module, distributions in found.items()
        if {canonicalize_name(one) for one in distributions} & ours - have
    }


def python(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_client_loads_nothing_heavy() -> None:
    """A service that starts sends needs no web server, no pictures, no command line."""
    loaded = f"import qunfa.client, sys; print([one for one in {HEAVY!r} if one in sys.modules])"
    done = python(loaded)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_plain_install_brings_the_client_alone() -> None:
    """Temporal's client, pydantic, and the time zones."""
    required = {canonicalize_name(Requirement(one).name) for one in PROJECT["dependencies"]}
    assert required == {"pydantic", "temporalio", "tzdata"}
    assert {"httpx", "lxml", "pillow", "starlette", "typer", "cryptography", "obstore"}.isdisjoint(
        brought("qunfa", frozenset())
    )


def test_the_page_names_each_module_of_an_install() -> None:
    """A service may have modules of the same names."""
    *_, page = (ROOT / "docs" / "requests.md").read_text(encoding="utf-8").partition("## From Python")
    packed = FILE["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert [one for one in packed if f"`{one.removesuffix('.py')}`" not in page] == []


@pytest.mark.parametrize("extra", ENTRIES, ids=lambda extra: extra or "client")
def test_a_part_loads_with_what_its_extra_brings(extra: str) -> None:
    """Without the packages of all other extras."""
    program = WITHOUT.format(missing=missing_with(extra)) + f"import {', '.join(ENTRIES[extra])}"
    done = python(program)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "extra", "installed"),
    [
        (["worker"], "worker", ""),
        (["worker"], "worker", "cli"),
        (["callback", "--port", "0"], "receiver", ""),
        (["demo"], "demo", ""),
        (["status", "demo/spring"], "cli", ""),
        ([], "cli", ""),
    ],
)
def test_a_command_without_its_extra_says_what_to_type(words: list[str], extra: str, installed: str) -> None:
    """One sentence, and no traceback."""
    main = "from qunfa.extras import main; main()"
    done = python(WITHOUT.format(missing=missing_with(installed)) + main, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        rf'(A worker|qunfa.*) needs \w+, which is not installed\. Type: pip install "qunfa\[{extra}\]"\n', done.stderr
    )


def test_the_worker_file_without_its_extra_says_so() -> None:
    """`python worker.py`: one sentence, an exit code, and no traceback."""
    file = str(ROOT / "worker.py")
    program = f"import runpy; runpy.run_path({file!r}, run_name='__main__')"
    done = python(WITHOUT.format(missing=missing_with("cli")) + program)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        r'A worker needs \w+, which is not installed\. Type: pip install "qunfa\[worker\]"\n', done.stderr
    )


def test_a_push_cannot_be_reported_without_the_receiver() -> None:
    """The error of the import says what to type."""
    done = python(WITHOUT.format(missing=missing_with("")) + "from qunfa import report_job_finish")
    assert "qunfa.report_job_finish needs " in done.stderr
    assert 'pip install "qunfa[receiver]"' in done.stderr
