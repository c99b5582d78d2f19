"""`qunfa setup` and `qunfa schema`."""

from datetime import timedelta

from temporalio.client import Client

from qunfa.cli.services import Setup
from qunfa.contract import SEARCH_ATTRIBUTES
from qunfa.contract.schema import SCHEMAS
from qunfa.temporal.namespace import set_namespace_retention
from tests.cli.calls import Qunfa, parsed

DAY = 86_400


async def test_setup_can_be_repeated(qunfa: Qunfa, client: Client) -> None:
    """What is registered already is said, not registered again."""
    found = Setup.model_validate(parsed(await qunfa("setup", "--json")))
    assert (found.added, set(found.present or ())) == ((), set(SEARCH_ATTRIBUTES))


async def test_a_short_retention_is_a_warning(qunfa: Qunfa, client: Client) -> None:
    """Exit 0, with what the promise is worth there."""
    await set_namespace_retention(client, timedelta(days=1))
    answer = await qunfa("setup")
    assert answer.exit_code == 0
    assert "keeps closed workflows for 1 day, less than 35 days" in answer.stderr
    assert "would be delivered again" in answer.stderr.replace("\n", " ")


async def test_retention_is_raised_and_never_lowered(qunfa: Qunfa, client: Client) -> None:
    """--retention is a least; a longer one stays, and that is said."""
    await set_namespace_retention(client, timedelta(days=1))
    raised = await qunfa("setup", "--retention", "35d", "--json")
    assert Setup.model_validate(parsed(raised)).retention_seconds == 35 * DAY
    assert raised.stderr == ""
    lower = await qunfa("setup", "--retention", "2d", "--json")
    assert Setup.model_validate(parsed(lower)).retention_seconds == 35 * DAY
    assert "that is longer, and stays" in lower.stderr


async def test_schema_prints_one_or_all(qunfa: Qunfa) -> None:
    """A schema by name, all by --all, the names without either; no Temporal is needed."""
    assert parsed(await qunfa("schema", "MassSend.retry"))["title"] == "Retry"
    assert set(parsed(await qunfa("schema", "--all"))) == set(SCHEMAS)
    assert "oneOf" in (await qunfa("schema", "MassSend", "--types")).stdout
    assert (await qunfa("schema")).stdout.split() == list(SCHEMAS)


async def test_the_version_is_the_packages(qunfa: Qunfa) -> None:
    """--version needs nothing else."""
    answer = await qunfa("--version")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("qunfa 0.")
