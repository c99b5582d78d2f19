from datetime import UTC, datetime, timedelta

import pytest

from qunfa.contract.checks import Finding
from qunfa.contract.ids import SEARCH_ATTRIBUTES
from qunfa.rules import doctor
from qunfa.rules.doctor import Poller, Pollers, workers_answered, workers_found, workers_silent
from tests.rules.sentences import is_read_well

ONE, TWO = "qunfa:1", "qunfa:2"
IDLE = "get no task"
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def pollers(*versions: str | None, current: str | None = None) -> Pollers:
    """Workers of these versions, which have just polled."""
    return Pollers(tuple(Poller(version, NOW) for version in versions), current)


@pytest.mark.parametrize(
    ("version", "state"),
    [("1.31.0", "ok"), ("v1.32.0-rc.1", "ok"), ("2.0", "ok"), ("1.30.9", "warning"), ("", "warning"), ("x", "warning")],
)
def test_an_old_or_unknown_server_is_a_warning(version: str, state: str) -> None:
    """It may work all the same."""
    finding = doctor.version_found(version)
    assert (finding.state, finding.todo is None) == (state, state == "ok")


@pytest.mark.parametrize(("days", "state"), [(35, "ok"), (90, "ok"), (34.9, "warning"), (1, "warning"), (0, "skipped")])
def test_closed_workflows_stay_as_long_as_the_ledger(days: float, state: str) -> None:
    """Less is a warning with the command that mends it; a server that does not tell is none."""
    finding = doctor.retention_found("default", timedelta(days=days))
    assert finding.state == state
    assert finding.todo == ("qunfa setup --retention 35d" if state == "warning" else None)


def test_search_attributes() -> None:
    """One that is missing stops everything, and setup adds it."""
    assert doctor.attributes_found([]).state == "ok"
    missing = doctor.attributes_found([next(iter(SEARCH_ATTRIBUTES))])
    assert (missing.state, missing.todo) == ("failed", "qunfa setup")
    assert "MassSendAccount" in missing.said


def test_a_sentence_of_two_lines_is_a_finding_and_a_next_step() -> None:
    """As the errors of the connection are written."""
    finding = doctor.temporal_failed("cannot reach Temporal\nStart it.")
    assert (finding.state, finding.said, finding.todo) == ("failed", "cannot reach Temporal", "Start it.")
    unknown = doctor.attributes_unknown("cannot be managed from here\nRegister them elsewhere.")
    assert (unknown.state, unknown.todo) == ("warning", "Register them elsewhere.")
    assert doctor.temporal_failed("unreadable profile").todo


def test_accounts_of_the_configuration() -> None:
    """None is no failure: an operator's machine need not have it."""
    assert doctor.configuration_found(["a", "b"]).said == "it names 2 accounts: a, b"
    assert doctor.configuration_found([]).state == "skipped"
    assert doctor.configuration_failed("not TOML").state == "failed"


@pytest.mark.parametrize(
    ("workflows", "activities", "lacking"),
    [
        (Pollers(), Pollers(), "for workflows or activities"),
        (Pollers(), pollers(None), "for workflows"),
        (pollers(None), Pollers(), "for activities"),
    ],
)
def test_a_worker_that_is_missing(workflows: Pollers, activities: Pollers, lacking: str) -> None:
    """Which tasks nobody would do is said."""
    finding = workers_found("qunfa", workflows, activities)
    assert (finding.state, f"no worker polls the task queue qunfa {lacking}: " in finding.said) == ("failed", True)


@pytest.mark.parametrize(
    ("versions", "current", "state"),
    [
        ((None,), None, "ok"),
        ((None, ONE), None, "ok"),
        ((ONE, TWO), TWO, "ok"),
        ((None, ONE), ONE, "ok"),
        ((ONE,), None, "failed"),
        ((ONE,), TWO, "failed"),
        ((None,), ONE, "failed"),
    ],
)
def test_workers_that_poll_and_get_nothing(versions: tuple[str | None, ...], current: str | None, state: str) -> None:
    """With Worker Versioning only those of the current version do, and unversioned ones where there is none."""
    finding = workers_found("qunfa", pollers(*versions, current=current), pollers(*versions, current=current))
    assert finding.state == state
    if state == "ok":
        assert (current or "pollers") in finding.said
    else:
        assert "temporal worker deployment set-current-version --deployment-name" in (finding.todo or "")


def test_the_version_to_be_made_current_is_one_that_polls() -> None:
    """So that the command can be copied."""
    todo = workers_found("qunfa", pollers(ONE), pollers(ONE)).todo or ""
    assert todo.endswith("--deployment-name qunfa --build-id 1")


def test_a_worker_that_no_longer_polls_is_not_counted() -> None:
    """Temporal remembers it for minutes; a poll that is under way began up to a minute ago."""
    polled = tuple(Poller(None, NOW - timedelta(seconds=ago)) for ago in (1, 61, 90, 290))
    assert len(Pollers(polled).alive(NOW).polls) == 2
    found = workers_found("qunfa", Pollers(polled).alive(NOW), Pollers(polled[3:]).alive(NOW))
    assert (found.state, "for activities" in found.said) == ("failed", True)


def test_workers_that_poll_and_do_not_answer_are_a_failure() -> None:
    """When they last polled is told, since one may have stopped just then."""
    silent = workers_silent("qunfa", pollers(None, None), NOW + timedelta(seconds=42), timedelta(seconds=5))
    assert (silent.state, "the last poll began 42 s ago" in (silent.todo or "")) == ("failed", True)
    assert silent.said == "no worker has answered this check on the task queue qunfa within 5 s"


def test_a_worker_that_is_busy_does_not_poll() -> None:
    """With all its activities at work it begins no poll for more of them; that it has answered is known."""
    busy = pollers(None)
    at_once = workers_answered("qunfa", busy, busy, NOW)
    assert (at_once.state, at_once.todo) == ("ok", None)
    later = NOW + timedelta(seconds=76)
    polling = Pollers((Poller(None, later),))
    found = workers_answered("qunfa", polling, busy, later)
    assert (found.state, "none has begun a poll for activities within 75 s" in found.said) == ("warning", True)


@pytest.mark.parametrize(
    ("ahead", "state", "said"),
    [
        (0.4, "ok", "is right by Temporal's"),
        (-3.0, "ok", "is 3 s behind Temporal's"),
        (5.2, "warning", "is 5 s ahead of Temporal's"),
        (-61.0, "failed", "is 61 s behind Temporal's"),
    ],
)
def test_a_clock_that_is_off(ahead: float, state: str, said: str) -> None:
    """As much as a lease allows for is fine."""
    finding = doctor.clock_found(ahead)
    assert (finding.state, finding.said) == (state, f"this machine's clock {said}")
    assert (finding.todo is None) == (state == "ok")


def test_the_clock_that_is_off_most_counts() -> None:
    """And the others are told as well."""
    finding = doctor.apart("worker_clock", {"Temporal's": 0.1, "WeChat's": -70.0}, "the worker's clock", "demo")
    assert (finding.state, finding.account) == ("failed", "demo")
    assert finding.said == "the worker's clock is 70 s behind WeChat's"


def test_workflows_whose_tasks_keep_failing() -> None:
    """The first few are named, with their causes; the others are counted."""
    assert doctor.tasks_found((), 0).state == "ok"
    stuck = [doctor.Stuck("mass-send:demo:a", ("NonDeterministicError",)), doctor.Stuck("account:wx1")]
    finding = doctor.tasks_found(stuck, 7)
    assert finding.state == "failed"
    assert "of 7 workflows keep failing" in finding.said
    assert finding.said.endswith("mass-send:demo:a (NonDeterministicError), account:wx1, and 5 more")
    assert doctor.tasks_unknown().state == "warning"


SILENT = workers_silent("qunfa", pollers(None), NOW, timedelta(seconds=5))
BUSY = workers_answered("qunfa", pollers(None), Pollers(), NOW)


@pytest.mark.parametrize(
    "finding",
    [
        *(doctor.configuration_found(names) for names in ([], ["a"], ["a", "b"])),
        doctor.configuration_failed("it cannot be read"),
        doctor.temporal_found("localhost:7233", "default"),
        doctor.temporal_failed("it does not answer"),
        *(doctor.version_found(version) for version in ("1.31.0", "1.30.0", "", "x")),
        *(doctor.retention_found("default", timedelta(days=days)) for days in (0, 1, 35)),
        *(doctor.attributes_found(missing) for missing in ([], ["MassSendAccount"])),
        doctor.attributes_in_conflict("it is another type"),
        doctor.attributes_unknown("it may not be listed"),
        *(workers_found("qunfa", found, pollers(None)) for found in (Pollers(), pollers(None), pollers(ONE))),
        workers_found("qunfa", pollers(None, current=ONE), pollers(None, current=ONE)),
        workers_found("qunfa", pollers(ONE, current=ONE), pollers(ONE, current=ONE)),
        *(SILENT, BUSY),
        *(doctor.tasks_found(stuck, 2) for stuck in ((), (doctor.Stuck("w"),))),
        doctor.tasks_unknown(),
        *(doctor.clock_found(ahead) for ahead in (0, 3, 99)),
    ],
    ids=lambda finding: f"{finding.name}-{finding.state}",
)
def test_a_finding_is_a_clause_and_what_to_do_about_it(finding: Finding) -> None:
    """Of its check; what is wrong has a next step, which is a sentence or a command."""
    assert is_read_well(finding)
    assert finding.said
    assert not finding.said.endswith(".")
    assert (finding.todo is not None) or finding.state in {"ok", "skipped"} or finding.name == "search_attributes"
    assert (finding.todo or ".").endswith((".", "…", "qunfa setup", "--retention 35d", "--build-id 1", "BUILD"))


@pytest.mark.parametrize(
    ("finding", "name"),
    [
        (doctor.configuration_found(["a"]), "configuration"),
        (doctor.configuration_found([]), "configuration"),
        (doctor.configuration_failed("x"), "configuration"),
        (doctor.temporal_found("a", "n"), "temporal"),
        (doctor.temporal_failed("x"), "temporal"),
        (doctor.version_found("1.31"), "temporal_version"),
        (doctor.version_found("1.30"), "temporal_version"),
        (doctor.version_found("x"), "temporal_version"),
        *((doctor.retention_found("n", timedelta(days=days)), "retention") for days in (0, 1, 35)),
        (doctor.attributes_found([]), "search_attributes"),
        (doctor.attributes_found(["x"]), "search_attributes"),
        (doctor.attributes_in_conflict("x"), "search_attributes"),
        (doctor.attributes_unknown("x"), "search_attributes"),
        *((workers_found("q", found, found), "workers") for found in (Pollers(), pollers(None), pollers(ONE))),
        *((one, "workers") for one in (SILENT, BUSY)),
        (doctor.tasks_found((), 0), "workflow_tasks"),
        (doctor.tasks_found((doctor.Stuck("w"),), 1), "workflow_tasks"),
        (doctor.tasks_unknown(), "workflow_tasks"),
        (doctor.clock_found(0), "clock"),
    ],
)
def test_each_finding_has_the_name_of_its_check(finding: Finding, name: str) -> None:
    """And is of no account."""
    assert (finding.name, finding.account) == (name, None)
