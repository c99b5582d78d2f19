"""The plan of a send in batches, as `qunfa send` shows it before anything is sent."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.cli.output import short
from qunfa.cli.preview import plan_facts, render_check
from qunfa.contract import mass_send_id, parse_request
from qunfa.contract.batches import AudiencePlan, PlannedGroup, PlannedPart
from qunfa.contract.checks import CheckResult
from tests.cli.calls import Qunfa, parsed
from tests.cli.stub import FILE, given, request
from tests.cli.test_tables import lines

TAKEN = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
PLAN = AudiencePlan(
    digest="0" * 64,
    openids=1_234_567,
    batches=124,
    duplicates=3,
    dropped=2,
    taken_at=TAKEN,
    parts=(
        PlannedPart(what="the openids in file:///lists/who.csv", openids=1_234_000, dropped=2),
        PlannedPart(what="followers with any of tags 7", openids=570),
    ),
    reached_before=(1_234_000, 500, 60, 0, 7),
)
FOUND = {
    "followers": 1_234_567,
    "audience": "the openids in file:///lists/who.csv",
    "plan": PLAN.model_dump(mode="json"),
}


def _send(key: str, found: dict[str, Any], tmp_path: Path, *more: str) -> list[str]:
    file = tmp_path / "who.csv"
    file.write_text("o1\no2\n")
    text = f"answer: {json.dumps({**FOUND, **found})}"
    return ["send", "--account", "demo", "--key", key, "--openid-file", str(file), "--text", text, *more]


def test_a_plan_says_the_groups_of_a_split_test() -> None:
    """And the dry run shows both messages."""
    groups = (
        PlannedGroup(name="a", openids=9_000, batches=1),
        PlannedGroup(name="b", openids=20_000, batches=2),
        PlannedGroup(name="rest", openids=40_000, batches=4),
    )
    plan = PLAN.model_copy(update={"groups": groups})
    assert [words for _label, words in plan_facts(plan)][1:4] == [
        "group a: 9,000 openids in 1 batch",
        "group b: 20,000 openids in 2 batches",
        "group rest: 40,000 openids in 4 batches",
    ]
    message_b = {"msgtype": "text", "content": "春装到了"}
    asked = parse_request({**request("k"), "audience": FILE, "split": {"a": 10, "b": 20}, "message_b": message_b})
    found = CheckResult(account="demo", key="k", msgtype="text", audience="a file", plan=plan)
    shown = "\n".join(lines(render_check(asked, found), 80))
    assert all(one in shown for one in ("group a, 10 %", "group b, 20 %", "春装到了", "split test"))


def test_a_plan_says_who_is_in_it() -> None:
    """How many, in how many batches, what each part has, what was left out, and how often they had one before."""
    facts = list(plan_facts(PLAN, TAKEN))
    assert facts[:-1] == [
        ("in batches", "1,234,567 openids in 124 batches"),
        ("takes", "124 calls of mass/send, of 100 a day; one of the 4 messages that each follower gets in a month"),
        ("through at", short(TAKEN)),
        ("parts", "1,234,000 of the openids in file:///lists/who.csv, 2 lines left out"),
        ("", "570 of followers with any of tags 7"),
        ("duplicates", "3 were named more than once; each gets it once"),
        ("left out", "2 lines, since they are no openids"),
        ("this month", "1,234,000 had 0, 500 had 1, 60 had 2, 7 had 4 or more sends in batches before, by our reports"),
    ]
    plain = PLAN.model_copy(update={"parts": PLAN.parts[1:], "duplicates": 0, "dropped": 0, "reached_before": (2,)})
    assert [label for label, _words in plan_facts(plain)] == ["in batches", "takes", "as of"]


async def test_a_dry_run_has_the_plan(qunfa: Qunfa, client: Client, key: str, tmp_path: Path) -> None:
    """In words and as JSON; nothing is started."""
    answer = await qunfa(*_send(key, {}, tmp_path), "--dry-run")
    assert (answer.exit_code, "1,234,567 openids in 124 batches" in answer.stdout) == (0, True)
    found = CheckResult.model_validate(parsed(await qunfa(*_send(key, {}, tmp_path), "--dry-run", "--json")))
    assert found.plan == PLAN
    with pytest.raises(RPCError, match="not found"):
        await client.get_workflow_handle(mass_send_id("demo", key)).describe()


def test_a_plan_fits_eighty_columns() -> None:
    """Long words break."""
    found = CheckResult.model_validate({"account": "demo", "key": "k", "msgtype": "text", **FOUND})
    shown = lines(render_check(parse_request({**request("k"), "audience": FILE}), found), 80)
    assert max(map(cell_len, shown)) <= 80


@pytest.mark.usefixtures("terminal")
async def test_who_confirms_knows_the_number(qunfa: Qunfa, client: Client, key: str, tmp_path: Path) -> None:
    """The workers count first; a no starts nothing, a yes starts what was looked at."""
    no = await qunfa(*_send(key, {}, tmp_path), stdin="n\n")
    assert (no.exit_code, "(1,234,567 openids in 124 batches) of demo?" in no.stderr) == (1, True)
    with pytest.raises(RPCError, match="not found"):
        await client.get_workflow_handle(mass_send_id("demo", key)).describe()
    yes = await qunfa(*_send(key, {}, tmp_path), stdin="y\n")
    assert yes.exit_code == 0
    started = await given(client, mass_send_id("demo", key))
    assert started["audience"] == {"kind": "openid_file", "uri": (tmp_path / "who.csv").as_uri()}


@pytest.mark.usefixtures("terminal")
async def test_a_list_at_fault_is_not_asked_about(qunfa: Qunfa, client: Client, key: str, tmp_path: Path) -> None:
    """Each fault is told; without a number the question stands."""
    unread = "audience.uri: source file:///who.csv: nothing may be read from there."
    answer = await qunfa(*_send(key, {"plan": None, "problems": [unread]}, tmp_path), stdin="y\n")
    assert (answer.exit_code, unread in answer.stdout) == (1, True)
    with pytest.raises(RPCError, match="not found"):
        await client.get_workflow_handle(mass_send_id("demo", key)).describe()
    as_json = await qunfa(*_send(key, {"plan": None, "problems": [unread]}, tmp_path), "--json", stdin="y\n")
    assert (as_json.exit_code, parsed(as_json)["problems"]) == (1, [unread])
    nobody = await qunfa(*_send(key, {}, tmp_path), "--task-queue", "nobody-polls-this", stdin="n\n")
    assert "How many it goes to is not known: No worker polls" in nobody.stderr
    assert "Send to the openids in file://" in nobody.stderr
