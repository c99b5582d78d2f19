import ast
import json
import re
import tomllib
from pathlib import Path

import httpx
import pytest

from qunfa.callback.answers import Answer
from qunfa.settings import CallbackSettings, MetricsSettings, ReceiverSettings
from qunfa.simulator import Simulator, SimulatorConfig

TESTS = Path(__file__).parents[1]
GUIDE = (TESTS.parent / "docs" / "receiver.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(\w+/test_\w+\.py)::(test_\w+)`", GUIDE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_named_test_exists(file: str, name: str) -> None:
    """What the guide claims is tested where it says."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_claim_has_a_test() -> None:
    """In the comparison, what Qunfa does is proven; only what no test can see is not."""
    section = GUIDE.partition("\n## Compared\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| ")]
    unproven = [row[1].strip() for row in rows[1:] if "::" not in row[7]]

    assert len(rows) > 20
    assert unproven == ["compared in constant time"]


@pytest.mark.parametrize("answer", Answer)
def test_every_answer_is_explained(answer: Answer) -> None:
    """Whoever sees a word in the log finds it in the guide."""
    word, status = answer.value
    assert f"`{word}`" in GUIDE or f"{status.value}:" in GUIDE


@pytest.mark.parametrize("section", [ReceiverSettings, CallbackSettings, MetricsSettings])
def test_every_setting_is_explained(section: type[CallbackSettings]) -> None:
    """Each setting of the receiver is in the guide."""
    missing = [name for name in section.model_fields if not name.endswith("_file") and name not in GUIDE]
    assert set(missing) <= {"worker"}


async def test_rehearsal() -> None:
    """The simulated WeChat takes the configuration and the orders of the guide; here it finds no receiver."""
    section = GUIDE.partition("\n### Rehearsing it\n")[2].partition("\n## ")[0]
    toml = section.partition("```toml\n")[2].partition("```")[0]
    orders = re.findall(r"^curl -d '(\S+)' http://127.0.0.1:8089(\S+) ", section, re.MULTILINE)
    configuration = tomllib.loads(toml.replace(":8088/", ":1/")) | {"scale": 1000}
    async with Simulator() as simulator, httpx.AsyncClient(base_url=simulator.url) as http:
        await simulator.reset(SimulatorConfig.model_validate(configuration))
        answers = [await http.post(path, json=json.loads(body)) for body, path in orders]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].json()["verified"] is False
    assert len(answers[2].json()["tries"]) == 3
