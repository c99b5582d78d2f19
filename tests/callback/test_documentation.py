import ast
import json
import re
import tomllib
from pathlib import Path

import httpx

from qunfa.callback.answers import Answer
from qunfa.settings import CallbackSettings, MetricsSettings, ReceiverSettings
from qunfa.simulator import Simulator, SimulatorConfig

TESTS = Path(__file__).parents[1]
GUIDE = (TESTS.parent / "docs" / "receiver.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(\w+/test_\w+\.py)::(test_\w+)`", GUIDE)))


def test_every_named_test_of_the_receiver_exists() -> None:
    """What the guide claims is tested where it says."""
    for file, name in NAMED:
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_claim_of_the_comparison_has_a_test() -> None:
    """In the comparison, what Qunfa does is proven; only what no test can see is not."""
    section = GUIDE.partition("\n## Compared with four libraries\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| ")]
    unproven = [row[1].strip() for row in rows[1:] if "::" not in row[7]]

    assert len(rows) > 20
    assert unproven == ["compared in constant time"]


def test_every_answer_and_setting_is_explained() -> None:
    """Whoever sees a word in the log, or a setting of the receiver, finds it in the guide."""
    for word, status in (answer.value for answer in Answer):
        assert f"`{word}`" in GUIDE or f"{status.value}:" in GUIDE
    names = {name for section in (ReceiverSettings, CallbackSettings, MetricsSettings) for name in section.model_fields}
    assert {name for name in names if not name.endswith("_file") and name not in GUIDE} <= {"worker"}


async def test_the_simulator_takes_the_orders_of_the_guide() -> None:
    """And its configuration; here it finds no receiver."""
    section = GUIDE.partition("\n### Rehearse it\n")[2].partition("\n## ")[0]
    toml = section.partition("```toml\n")[2].partition("```")[0]
    orders = re.findall(r"^curl -d '(\S+)' http://127.0.0.1:8089(\S+) ", section, re.MULTILINE)
    configuration = tomllib.loads(toml.replace(":8088/", ":1/")) | {"scale": 1000}
    async with Simulator() as simulator, httpx.AsyncClient(base_url=simulator.url) as http:
        await simulator.reset(SimulatorConfig.model_validate(configuration))
        answers = [await http.post(path, json=json.loads(body)) for body, path in orders]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].json()["verified"] is False
    assert len(answers[2].json()["tries"]) == 3
