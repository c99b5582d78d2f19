"""What callers make of the schemas: Ajv checks in strict mode, and types in TypeScript and in Python.

`make generators` installs the tools. Where they are missing, these tests are skipped.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from qunfa.contract.schema import SCHEMAS, json_schema
from tests.contract.test_schema import EXAMPLE, ONE_WRONG_FIELD, REFUSED_BY_BOTH, RIGHT_TOGETHER, WRONG_TOGETHER

NODE: Final = Path(__file__).parent / "generators"
PYTHON: Final = Path(sys.executable).with_name("datamodel-codegen")
MADE: Final = frozenset({"MassSend", "MassSend.result", "MassSend.status", "PreviewMassSend", "Notice"})
"""Of these callers make types."""
_NUMBERED: Final = re.compile(r"^(?:export (?:type|interface)|class) (\w*[a-z]\d+)\b", re.MULTILINE)
_TYPES: Final = re.compile(r"^(?:export (?:type|interface)|class) (\w+)", re.MULTILINE)


def ran(command: list[str], given: str = "") -> str:
    """What a tool prints."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd=NODE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def needs_node() -> None:
    """Skip the test where the packages are not installed."""
    if not (shutil.which("node") and (NODE / "node_modules").exists()):
        pytest.skip("node is not installed, or its packages: `make generators` installs them")


def judged(values: list[tuple[str, Any]]) -> list[list[str]]:
    """What Ajv says of each value, in strict mode."""
    needs_node()
    given = {"schemas": {name: json_schema(name) for name in SCHEMAS}, "values": values}
    found: list[list[str]] = json.loads(ran(["node", "judge.mjs"], json.dumps(given)))
    return found


def test_ajv_takes_every_schema_in_strict_mode() -> None:
    """And a request that is right, but none that is wrong."""
    wrong = [("MassSend", {**EXAMPLE, **more}) for more in REFUSED_BY_BOTH]
    right = [("MassSend", {**EXAMPLE, **more}) for more in ({}, *RIGHT_TOGETHER)]
    said = judged([*right, *wrong])
    taken, refused = said[: len(right)], said[len(right) :]
    assert taken == [[]] * len(right)
    assert [more for more, said in zip(REFUSED_BY_BOTH, refused, strict=True) if not said] == []


def test_ajv_names_a_wrong_field_once() -> None:
    """Beside it stands only that an `if` above it has not come true."""
    wrong = ONE_WRONG_FIELD + WRONG_TOGETHER
    found = judged([("MassSend", {**EXAMPLE, **more}) for _place, more in wrong])
    assert [[one.partition(" ")[0] for one in said] for said in found] == [[place] for place, _more in wrong]


@pytest.mark.parametrize("name", sorted(MADE))
def test_types_in_typescript_have_names_of_their_own(name: str, tmp_path: Path) -> None:
    """No `Media1` beside `Media`: each thing has one type."""
    needs_node()
    (tmp_path / "schema.json").write_text(json.dumps(json_schema(name, for_types=True)), encoding="utf-8")
    tool = str(NODE / "node_modules" / ".bin" / "json2ts")
    made = ran([tool, "--maxItems", "-1", "--input", str(tmp_path / "schema.json")])
    assert (_NUMBERED.findall(made), "[k: string]: unknown" in made and name == "MassSend") == ([], False)
    assert set(json_schema(name, for_types=True).get("$defs", {})) <= set(_TYPES.findall(made))


@pytest.mark.parametrize("name", sorted(MADE))
def test_types_in_python_have_names_of_their_own(name: str, tmp_path: Path) -> None:
    """As datamodel-codegen makes them for pydantic."""
    if not PYTHON.exists():
        pytest.skip("datamodel-codegen is not installed: `make generators` does that")
    (tmp_path / "schema.json").write_text(json.dumps(json_schema(name, for_types=True)), encoding="utf-8")
    options = ["--input-file-type", "jsonschema", "--output-model-type", "pydantic_v2.BaseModel"]
    made = ran([str(PYTHON), "--input", str(tmp_path / "schema.json"), *options, "--formatters", "builtin"])
    assert _NUMBERED.findall(made) == []
    assert set(json_schema(name, for_types=True).get("$defs", {})) <= set(_TYPES.findall(made))
