"""docs/simulator.md: the simulator takes each order that stands there, and each that it takes stands there."""

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from qunfa.contract.result import Answer, Verdict
from qunfa.rules.submission import problem_of
from qunfa.rules.verdict import judge
from qunfa.simulator import JobPlan, SimulatorConfig
from qunfa.simulator.control import ROUTES
from qunfa.simulator.plans import ORDERS as ORDERED
from qunfa.simulator.plans import Fault, FaultKind, body
from tests.simulator import samples
from tests.simulator.api import Api

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
CURL = re.compile(
    r"""^curl (?:-X (?P<verb>\w+) )?(?:-d '(?P<body>[^']+)' )?"?\$SIM(?P<path>/_sim/[^\s"]+)""", re.MULTILINE
)
ORDERS = [found.groupdict() for found in CURL.finditer(PAGE)]
PROBLEMS = dict(re.findall(r"^\| `(\w+)` \| `curl -d '([^']+)' ", PAGE, re.MULTILINE))


@pytest.mark.parametrize("problem", PROBLEMS)
async def test_each_problem_of_the_page_is_what_qunfa_asks(api: Api, problem: str) -> None:
    """By its rules for what WeChat answers to the send, or says of the job."""
    order = json.loads(PROBLEMS[problem])
    await api.sim("faults" if "kind" in order else "pushes", order, expect=201)
    answer = await api.sendall(tag=None)
    if answer["errcode"]:
        assert problem_of(Answer(kind="refused", at=datetime.now(UTC), errcode=answer["errcode"])) == problem
        return
    await api.world.settled()
    judgement = judge(Verdict(status=api.job(answer).status or "", observed_by="push"))
    assert judgement is not None
    assert judgement.name == problem


def test_the_orders_of_the_page_are_those_of_the_demo() -> None:
    """And of the rehearsal; what takes more than one order is not on the page."""
    single = {problem: body(orders[0]) for problem, orders in ORDERED.items() if problem in PROBLEMS}
    assert {problem: json.loads(order) for problem, order in PROBLEMS.items()} == single
    assert ORDERED.keys() - PROBLEMS.keys() == {"unknown_outcome", "quota_exhausted"}


async def test_the_simulator_takes_every_order_of_its_page(api: Api) -> None:
    """With the configuration of the page, and an administrator: else nobody has something to confirm."""
    config = tomllib.loads(PAGE.partition("```toml\n")[2].partition("```")[0].replace(":8088/", ":1/"))
    config["accounts"]["demo"]["admin_confirmation"] = True
    await api.simulator.reset(SimulatorConfig.model_validate(config | {"push": {"spacing": 0}}))
    api.become("demo")
    await api.media_id("image", samples.PNG, permanent=True)
    assert (await api.sendall(tag=None))["errcode"] == 0
    taken = {"GET": {200}, "POST": {200, 201}, "DELETE": {204}}
    for order in ORDERS:
        body = order["body"] and json.loads(order["body"])
        verb = order["verb"] or ("POST" if body else "GET")
        response = await api.http.request(verb, order["path"], json=body)
        assert response.status_code in taken[verb], (order, response.text)


def test_the_page_shows_every_fault_and_plan() -> None:
    """Each kind and field by an example, and each path of the control interface."""
    said = " ".join(f"{order['path']} {order['body']}" for order in ORDERS)
    words = {*get_args(FaultKind), *JobPlan.model_fields, *Fault.model_fields}
    assert {word for word in words if f'"{word}"' not in said} == {"clientmsgid"}
    assert "`clientmsgid`" in PAGE
    paths = {route.path.replace("{name}", "demo") for route in ROUTES}
    assert {path for path in paths if path not in PAGE} == {"/_sim/accounts/demo/refuse"}
