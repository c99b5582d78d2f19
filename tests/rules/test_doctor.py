from datetime import UTC, datetime, timedelta

import pytest

from qunfa.contract.checks import Finding
from qunfa.rules import doctor
from qunfa.rules.doctor import Poller, Pollers, Ramp, workers_answered, workers_found, workers_silent
from tests.rules.sentences import is_read_well

ONE, TWO = "qunfa:1", "qunfa:2"
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def pollers(*versions: str | None, current: str | None = None, ramp: Ramp | None = None) -> Pollers:
    """Workers of these versions, which have just polled."""
    return Pollers(tuple(Poller(version, NOW) for version in versions), current, ramp)


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


def test_workflows_whose_tasks_keep_failing() -> None:
    """The first few are named, with their causes; the others are counted."""
    assert doctor.tasks_found((), 0).state == "ok"
    stuck = [doctor.Stuck("mass-send:demo:a", ("NonDeterministicError",)), doctor.Stuck("account:wx1")]
    finding = doctor.tasks_found(stuck, 7)
    assert finding.state == "failed"
    assert "of 7 workflows keep failing" in finding.said
    assert finding.said.endswith("mass-send:demo:a (NonDeterministicError), account:wx1, and 5 more")
    assert doctor.tasks_unknown().state == "warning"


def test_sends_that_no_worker_has_begun() -> None:
    """The first few are named, each with its task queue, which maybe nobody polls; the others are counted."""
    assert doctor.first_tasks_found((), 0).state == "ok"
    unbegun = [doctor.Unbegun("mass-send:demo:a", "qunfa"), doctor.Unbegun("mass-send:demo:b", "other")]
    finding = doctor.first_tasks_found(unbegun, 3)
    assert finding.state == "failed"
    assert "no worker has begun 3 sends for" in finding.said
    assert finding.said.endswith("mass-send:demo:a (qunfa), mass-send:demo:b (other), and 1 more")


def findings() -> dict[str, list[Finding]]:
    """Every finding that there can be, by the name of its check."""
    ramping = pollers(ONE, current=ONE, ramp=Ramp(TWO, 10))
    plain, current, other = pollers(None), pollers(ONE, current=ONE), pollers(ONE, current=TWO)
    polled = [*(workers_found("q", one, plain) for one in (Pollers(), plain, pollers(ONE), current, other, ramping))]
    return {
        "configuration": [
            *(doctor.configuration_found(names) for names in ([], ["a"], ["a", "b"])),
            doctor.configuration_failed("it cannot be read"),
        ],
        "temporal": [doctor.temporal_found("localhost:7233", "default"), doctor.temporal_failed("it does not answer")],
        "temporal_version": [doctor.version_found(version) for version in ("1.31.0", "1.30.0", "", "x")],
        "retention": [doctor.retention_found("default", timedelta(days=days)) for days in (0, 1, 35)],
        "search_attributes": [
            *(doctor.attributes_found(missing) for missing in ([], ["MassSendAccount"], None)),
            doctor.attributes_in_conflict("it is another type"),
            *(doctor.attributes_unknown(text) for text in ("it may not be listed", "it may not\nRegister them.")),
        ],
        "workers": [
            *polled,
            workers_silent("q", plain, NOW, timedelta(seconds=5)),
            workers_answered("q", plain, Pollers(), NOW),
            workers_answered("q", plain, plain, NOW),
        ],
        "visibility": [doctor.visibility_found(), doctor.visibility_behind(timedelta(seconds=5))],
        "workflow_tasks": [
            *(doctor.tasks_found(stuck, 2) for stuck in ((), (doctor.Stuck("w"),))),
            doctor.tasks_unknown(),
        ],
        "first_tasks": [doctor.first_tasks_found(one, len(one)) for one in ((), (doctor.Unbegun("w", "q"),))],
        "restore": [
            *(doctor.restore_found(waiting, ()) for waiting in ({}, {"wx1": NOW})),
            doctor.restore_found({}, ("wx1",)),
        ],
        "clock": [doctor.clock_found(ahead) for ahead in (0, 3, 99)],
    }


def test_each_finding_is_a_clause_and_what_to_do_about_it() -> None:
    """Under the name of its check, and of no account; what is wrong has a next step, a sentence or a command."""
    for name, some in findings().items():
        for one in some:
            assert (one.name, one.account) == (name, None)
            assert is_read_well(one)
            assert one.said
            assert not one.said.endswith(".")
            assert (one.todo is not None) or one.state in {"ok", "skipped"} or name == "search_attributes"
            todo = one.todo or "."
            assert todo.endswith((".", "…", "qunfa setup", "--retention 35d", "--build-id 1", "BUILD", "--delete"))
            assert not todo[0].islower() or todo.startswith("qunfa setup")


def test_each_finding_has_its_state() -> None:
    """By its first letter: what is ok, what is warned of, what has failed, and what was skipped."""
    assert {name: "".join(one.state[0] for one in some) for name, some in findings().items()} == {
        "configuration": "soof",
        "temporal": "of",
        "temporal_version": "owww",
        "retention": "sfo",
        "search_attributes": "ofwfww",
        "workers": "fofofffwo",
        "visibility": "of",
        "workflow_tasks": "ofw",
        "first_tasks": "of",
        "restore": "oww",
        "clock": "oof",
    }


def test_what_a_finding_names() -> None:
    """So that people need not look it up: versions, queues, attributes, how many workers."""
    assert "x" in doctor.version_found("x").said
    assert "''" not in doctor.version_found("").said
    assert all("1.31 or newer" in (doctor.version_found(version).todo or "") for version in ("", "x"))
    assert [version in doctor.version_found("1.30.9").said for version in ("1.30.9", "1.31")] == [True, True]
    assert "MassSendAccount, MassSendKey" in doctor.attributes_found(["MassSendAccount", "MassSendKey"]).said
    unlisted, lacking, unknown = (
        *(doctor.attributes_found(missing) for missing in (None, ["MassSendKey"])),
        doctor.attributes_unknown("a\nb"),
    )
    assert "registered where the namespace is managed" in (unlisted.todo or "")
    assert (lacking.todo, unknown.todo) == ("qunfa setup", "b")
    restored = doctor.restore_found({"wx1": NOW, "wx2": NOW + timedelta(seconds=1)}, ()).said
    assert restored.endswith(": wx1 (2026-12-01 08:00:00+08:00), wx2 (2026-12-01 08:00:01+08:00)")
    counted = workers_found("q", pollers(None), pollers(None, None)).said
    assert "pollers: 1 for workflows and 2 for activities" in counted
    assert "task queue q" in workers_found("q", pollers(ONE), pollers(ONE)).said
    ramped = pollers(ONE, TWO, current=ONE, ramp=Ramp(TWO, 2.5))
    assert workers_found("q", ramped, ramped).said.endswith("tasks go to the version qunfa:1 (2.5 %: qunfa:2)")
    assert "task queue q;" in workers_answered("q", pollers(None), pollers(None), NOW).said
    three = doctor.temporal_failed("a\nb\nc")
    assert (three.said, three.todo) == ("a", "b\nc")
    assert (doctor.attributes_unknown("a\nb\nc").said, doctor.attributes_unknown("a").todo) == ("a", None)
    assert doctor.skipped("quota", "why", "demo", "Look.") == Finding(
        name="quota", account="demo", state="skipped", said="why", todo="Look."
    )


def test_a_poll_of_a_minute_ago_may_go_on() -> None:
    """To the second; and the version that gets the tasks is the same."""
    polls = tuple(Poller(None, NOW - timedelta(seconds=ago)) for ago in (75, 76))
    ramp = Ramp(TWO, 10)
    assert Pollers(polls, ONE, ramp).alive(NOW) == Pollers(polls[:1], ONE, ramp)


@pytest.mark.parametrize(
    ("versions", "ramp", "said", "todo"),
    [
        (
            (ONE,),
            Ramp(TWO, 10),
            "10 % of the tasks of the task queue q go to qunfa:2, but only qunfa:1",
            "qunfa --build-id 2",
        ),
        (
            (ONE,),
            Ramp("qunfa:1:2", 10),
            "10 % of the tasks of the task queue q go to qunfa:1:2",
            "qunfa --build-id 1:2",
        ),
        ((ONE,), Ramp(None, 0.5), "0.5 % of the tasks of the task queue q go to unversioned", "qunfa --unversioned"),
        ((ONE, TWO), Ramp(TWO, 10), "a worker answers", None),
        ((ONE, None), Ramp(None, 10), "a worker answers", None),
    ],
)
def test_a_version_that_gets_a_part_of_the_tasks_is_polled(
    versions: tuple[str | None, ...], ramp: Ramp, said: str, todo: str | None
) -> None:
    """Otherwise that part waits, and the command that ends the ramp is named."""
    polled = pollers(*versions, current=ONE, ramp=ramp)
    finding = workers_found("q", polled, polled)
    assert (finding.said.startswith(said), finding.state) == (True, "failed" if todo else "ok")
    assert todo is None or (finding.todo or "").endswith(f"set-ramping-version --deployment-name {todo} --delete")


@pytest.mark.parametrize(
    ("versions", "current", "said", "todo"),
    [
        ((ONE,), None, ["qunfa:1", "task queue q", "no version is the current one"], "qunfa --build-id 1"),
        ((TWO, None), "other:3", ["other:3", "qunfa:2, unversioned workers", "queue q"], "qunfa --build-id 2"),
        ((None,), ONE, ["qunfa:1", "unversioned workers"], "qunfa --unversioned"),
        (("qunfa:1:2",), None, ["qunfa:1:2"], "qunfa --build-id 1:2"),
    ],
)
def test_workers_of_another_version_are_named(
    versions: tuple[str | None, ...], current: str | None, said: list[str], todo: str
) -> None:
    """With the version that gets the tasks, and the command that would make theirs the current one."""
    finding = workers_found("q", pollers(*versions, current=current), pollers(*versions, current=current))
    assert [words for words in said if words not in finding.said] == []
    assert ("no version" in finding.said) is (current is None)
    assert (finding.todo or "").endswith(f"--deployment-name {todo}")


def test_workers_that_were_stopped_hide_no_idle_ones() -> None:
    """Temporal remembers polls of the current version, whose workers are gone by then; those of before get no task."""
    remembered = (Poller(ONE, NOW - timedelta(seconds=76)), Poller(None, NOW))
    finding = workers_silent("q", Pollers(remembered, ONE), NOW, timedelta(seconds=5))
    assert (finding.todo or "").endswith("set-current-version --deployment-name qunfa --unversioned")
    assert " poll the task queue q, and no version" in workers_silent("q", pollers(ONE), NOW, timedelta(0)).said
    assert "no worker has answered" in workers_silent("q", Pollers(remembered[:1], ONE), NOW, timedelta(0)).said


def test_one_is_one_and_two_are_more() -> None:
    """Accounts, workflows and days."""
    assert doctor.configuration_found(["a"]).said == "it names 1 account: a"
    assert doctor.configuration_found(["a", "b"]).said == "it names 2 accounts: a, b"
    assert doctor.configuration_found([]).todo
    one = doctor.tasks_found((doctor.Stuck("w", ("Failure", "Other")),), 1).said
    assert "begun 1 send for" in doctor.first_tasks_found((doctor.Unbegun("w", "q"),), 1).said
    assert ("of 1 workflow keep" in one, one.endswith(": w (Failure, Other)")) == (True, True)
    kept = [doctor.retention_found("n", timedelta(days=days)).said for days in (1, 2, 34.5)]
    for words, said in zip(("for 1 day,", "for 2 days,", "for 34.5 days,"), kept, strict=True):
        assert words in said
    both = workers_answered("q", Pollers(), Pollers(), NOW)
    assert "for workflows or activities within" in both.said
    assert "version" not in workers_found("q", pollers(None), pollers(None)).said


@pytest.mark.parametrize(
    ("ahead", "state", "said"),
    [
        ({"A": 2.0, "B": -2.0}, "ok", "is right by A and B"),
        ({"A": 5.0, "B": 0}, "ok", "is 5 s ahead of A"),
        ({"A": 60.0, "B": -3}, "warning", "is 60 s ahead of A and 3 s behind B"),
    ],
)
def test_a_clock_may_be_off_by_as_much_as_its_bound(ahead: dict[str, float], state: str, said: str) -> None:
    """To the second; all that are off are named."""
    finding = doctor.apart("clock", ahead, "it")
    assert (finding.state, finding.said) == (state, f"it {said}")
