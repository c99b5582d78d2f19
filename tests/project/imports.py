"""The import table: who may import whom, and how imports are found."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
STDLIB = "the standard library"
IN_STDLIB = sys.stdlib_module_names | {"compression"}  # from Python 3.14 on
LIBRARIES = "any library"
OURS = frozenset({"qunfa", "workflows", "activities", "worker", "tests"})

# What a workflow must not touch: a replay would see another value, or do the thing again.
NONDETERMINISTIC = (
    "os", "random", "uuid", "time", "secrets", "socket", "subprocess", "threading", "multiprocessing", "tempfile",
    "shutil", "urllib", "importlib",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """One row of the import table: a file or folder, what it may import, and what of that it may not."""

    path: str
    may: tuple[str, ...]
    never: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").replace("/", ".")

    def holds(self, file: Path) -> bool:
        return file == ROOT / self.path or ROOT / self.path in file.parents or file == ROOT / f"{self.path}.py"

    def accepts(self, name: str) -> bool:
        if any(_within(name, module) for module in self.never):
            return False
        top = name.partition(".")[0]
        if top in IN_STDLIB:
            return STDLIB in self.may
        if top not in OURS and LIBRARIES in self.may:
            return True
        return any(_within(name, module) for module in (*self.may, self.module))


TABLE = (
    Place("worker.py", (STDLIB, LIBRARIES, "qunfa", "workflows", "activities")),
    Place(
        "workflows",
        (
            STDLIB, "pydantic", "temporalio", "qunfa.contract", "qunfa.rules", "qunfa.account", "qunfa.send",
            "qunfa.batches", "qunfa.language", "qunfa.markdown", "qunfa.printable", "activities",
        ),
        never=NONDETERMINISTIC,
    ),
    Place("activities", (STDLIB, LIBRARIES, "qunfa")),
    Place("qunfa/contract", (STDLIB, "pydantic", "qunfa.states", "qunfa.printable")),
    Place("qunfa/client", (STDLIB, "pydantic", "temporalio", "qunfa.contract", "qunfa.temporal.connection")),
    Place(
        "qunfa/testing",
        (
            STDLIB, "pydantic", "qunfa.batches.plan", "qunfa.batches.state", "qunfa.contract", "qunfa.client",
            "qunfa.rules.advice", "qunfa.rules.approval", "qunfa.rules.outcome", "qunfa.rules.problems",
            "qunfa.rules.terms", "qunfa.send.joining",
        ),
    ),
    Place("qunfa/rules", (STDLIB, "pydantic", "qunfa.contract")),
    Place("qunfa/send", (STDLIB, "pydantic", "qunfa.contract", "qunfa.rules"), NONDETERMINISTIC),
    Place(
        "qunfa/batches/rows.py",
        (
            STDLIB, "temporalio.exceptions", "qunfa.contract", "qunfa.batches", "qunfa.rules", "qunfa.send.doubt",
            "qunfa.send.joining",
        ),
    ),
    Place(
        "qunfa/batches",
        (
            STDLIB, "pydantic", "qunfa.contract", "qunfa.rules", "qunfa.send.state", "qunfa.send.events",
            "qunfa.send.steps", "qunfa.send.answers", "qunfa.send.decisions", "qunfa.send.show", "qunfa.send.joining",
        ),
        NONDETERMINISTIC,
    ),
    Place("qunfa/account", (STDLIB, "pydantic", "qunfa.contract", "qunfa.rules", "qunfa.send.doubt"), NONDETERMINISTIC),
    Place("qunfa/wechat", (STDLIB, "pydantic", "httpx", "qunfa.contract", "qunfa.rules")),
    Place("qunfa/media", (STDLIB, "httpx", "httpcore", "obstore", "PIL", "qunfa.printable", "qunfa.process")),
    Place(
        "qunfa/audience",
        (
            STDLIB, "pydantic", "duckdb", "obstore", "backports", "qunfa.contract", "qunfa.media", "qunfa.printable",
            "qunfa.process",
        ),
    ),
    Place("qunfa/article", (STDLIB, "lxml", "tinycss2", "qunfa.language", "qunfa.printable")),
    Place(
        "qunfa/callback",
        (
            STDLIB, LIBRARIES, "qunfa.contract", "qunfa.rules.verdict", "qunfa.wechat", "qunfa.temporal",
            "qunfa.settings",
        ),
    ),
    Place(
        "qunfa/simulator",
        (STDLIB, LIBRARIES, "qunfa.callback.crypto", "qunfa.media.recordings"),
        ("temporalio",),
    ),
    Place(
        "qunfa/cli/typed/__init__.py",
        (
            STDLIB, "typer", "temporalio.service", "qunfa.cli.commands", "qunfa.cli.connection",
            "qunfa.cli.demo_folder", "qunfa.config_file", "qunfa.contract", "qunfa.rules.problems", "qunfa.settings",
            "qunfa.states", "qunfa.temporal.connection",
        ),
    ),
    Place("qunfa/cli/typed", (STDLIB, "typer", "qunfa.cli.commands", "qunfa.states")),
    Place(
        "qunfa/cli",
        (
            STDLIB, LIBRARIES, "qunfa.contract", "qunfa.rules.doctor", "qunfa.rules.doctor_account",
            "qunfa.rules.evidence", "qunfa.rules.outcome", "qunfa.rules.problems", "qunfa.rules.recall",
            "qunfa.rules.verdict", "qunfa.settings", "qunfa.temporal", "qunfa.telemetry",
            "qunfa.audience.plans", "qunfa.audience.store", "qunfa.media.policy", "qunfa.media.spool",
            "qunfa.markdown", "qunfa.printable", "qunfa.config_file", "qunfa.language", "qunfa.states",
            "qunfa.article", "qunfa.callback", "qunfa.process", "qunfa.simulator", "worker",
            "activities.earlier_runs", "activities.named_reports",
        ),
    ),
    Place(
        "qunfa/settings",
        (STDLIB, LIBRARIES, "qunfa.contract", "qunfa.config_file", "qunfa.media.policy", "qunfa.media.spool"),
        ("temporalio", "httpx"),
    ),
    Place(
        "qunfa/temporal", (STDLIB, LIBRARIES, "qunfa.contract", "qunfa.settings", "qunfa.telemetry")
    ),
    Place(
        "qunfa/telemetry",
        (STDLIB, LIBRARIES, "qunfa.contract", "qunfa.settings", "qunfa.wechat.redaction", "qunfa.printable"),
    ),
    Place("qunfa/config_file", (STDLIB,)),
    Place("qunfa/language", (STDLIB, "qunfa.config_file")),
    Place("qunfa/markdown", (STDLIB, "qunfa.printable")),
    Place("qunfa/printable", (STDLIB,)),
    Place("qunfa/process", (STDLIB,)),
    Place("qunfa/states", (STDLIB,)),
    Place("qunfa/extras", (STDLIB, "qunfa.cli")),
    Place("qunfa/__init__.py", (STDLIB, "qunfa.callback.delivery", "qunfa.extras")),
)  # fmt: skip


def _within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def package_of(file: Path) -> list[str]:
    """The package that relative imports in the file start from."""
    return list(file.relative_to(ROOT).parent.parts)


def imports(source: str, package: list[str]) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a module imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            parent = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{parent}.{alias.name}") for alias in node.names)


def sources() -> list[Path]:
    folders = (ROOT / name for name in ("qunfa", "workflows", "activities"))
    return sorted([*ROOT.glob("worker.py"), *(file for folder in folders for file in folder.rglob("*.py"))])


def place_of(file: Path) -> Place | None:
    """The row of the table that a file belongs to."""
    return next((place for place in TABLE if place.holds(file)), None)
