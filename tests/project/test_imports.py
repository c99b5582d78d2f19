import pytest

from tests.project.imports import ROOT, imports, package_of, place_of, sources


def test_a_place_imports_only_what_the_table_allows() -> None:
    """Each part of the project has a row in the table, and imports only what that names."""
    placed = {file: place_of(file) for file in sources()}
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {name}"
        for file, place in placed.items()
        for line, name in imports(file.read_text(encoding="utf-8"), package_of(file))
        if place is None or not place.accepts(name)
    ]
    assert not wrong, "\n".join(wrong)
    assert None not in placed.values()


@pytest.mark.parametrize(
    ("path", "source", "name"),
    [
        ("workflows/sample.py", "import httpx", "httpx"),
        ("workflows/sample.py", "import os.path", "os.path"),
        ("workflows/sample.py", "from random import choice", "random.choice"),
        ("workflows/sample.py", "def run():\n    import uuid", "uuid"),
        ("workflows/sample.py", "from qunfa import wechat", "qunfa.wechat"),
        (
            "workflows/sample.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import structlog",
            "structlog",
        ),
        ("qunfa/rules/sample.py", "import temporalio.workflow", "temporalio.workflow"),
        ("qunfa/rules/sample.py", "from ..wechat import client", "qunfa.wechat.client"),
        ("qunfa/contract/sample.py", "from qunfa.rules.ledger import claim", "qunfa.rules.ledger.claim"),
        ("qunfa/simulator/sample.py", "from qunfa.contract import ids", "qunfa.contract.ids"),
        ("qunfa/simulator/sample.py", "from qunfa import *", "qunfa.*"),
        ("qunfa/cli/sample.py", "import qunfa.wechat.client", "qunfa.wechat.client"),
        ("qunfa/wechat/sample.py", "import contractual", "contractual"),
        ("activities/sample.py", "from workflows.mass_send import MassSend", "workflows.mass_send.MassSend"),
    ],
)
def test_a_forbidden_import_is_found(path: str, source: str, name: str) -> None:
    """The check sees plain, partial, relative, nested and typing-only imports."""
    file = ROOT / path
    place = place_of(file)
    assert place is not None
    assert [found for _, found in imports(source, package_of(file)) if not place.accepts(found)] == [name]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "workflows/sample.py",
            "from datetime import timedelta\nfrom temporalio import workflow\nfrom . import account",
        ),
        ("workflows/sample.py", "from qunfa.contract import ids\nfrom activities.submission import Submission"),
        ("qunfa/wechat/sample.py", "import httpx\nfrom qunfa.rules.codes import Meaning\nfrom .errors import Refused"),
        ("activities/sample.py", "import os\nimport httpx\nfrom qunfa.wechat import client"),
    ],
)
def test_an_allowed_import_passes(path: str, source: str) -> None:
    """What the table allows is not refused."""
    file = ROOT / path
    place = place_of(file)
    assert place is not None
    assert all(place.accepts(name) for _, name in imports(source, package_of(file)))
