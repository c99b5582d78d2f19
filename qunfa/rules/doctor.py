"""What ``qunfa doctor`` makes of what it has seen of Temporal, of the workers and of this machine's clock.

| check | failed | warning | next step |
|---|---|---|---|
| ``configuration`` | it cannot be read | – | what its sentence says |
| ``temporal`` | no answer, no such namespace, or refused | – | start it, or correct ``TEMPORAL_…`` |
| ``temporal_version`` | – | older than 1.31, or not told | upgrade the server |
| ``retention`` | less than 35 days: an older key could be sent again | – | ``qunfa setup --retention 35d`` |
| ``search_attributes`` | one is missing, or of another type | they may not, or cannot, be listed | ``qunfa setup`` |
| ``visibility`` | Temporal's list does not show a run that was just started | – | the server's visibility |
| ``workflow_tasks`` | a workflow's tasks keep failing | the server does not tell | the workers' log; another version |
| ``first_tasks`` | no worker has begun a send for over a minute | – | a worker on its task queue |
| ``workers`` | none polls, or answers, or is of a version that gets tasks | none polls just now | start one |
| ``restore`` | – | an account waits for ``--done``, or does not say | ``qunfa restored --done`` |
| ``clock`` | more than 60 s off | more than 5 s off | NTP |

What needs Temporal is ``skipped`` without it, and so is the clock without a worker, as nothing else tells the server's
time. What concerns an account is in :mod:`qunfa.rules.doctor_account`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from qunfa.contract.checks import CheckName, Finding
from qunfa.contract.ids import SEARCH_ATTRIBUTES
from qunfa.rules.calendar import shanghai_clock

VERSION_WANTED: Final = (1, 31)
"""The oldest server that the documentation is written for."""
RETENTION_WANTED: Final = timedelta(days=35)
"""How long a settled key stays in an account's ledger, at most; closed workflows have to stay as long.

A ledger has room for some 200 settled keys of a text. All others are known by their closed runs alone.
"""
NOTICED: Final = 2.0
"""Seconds; less is within what is lost on the way."""
APART_WARNED: Final = 5.0
"""Seconds; as much as a lease allows for."""
APART_FAILED: Final = 60.0
ALIVE: Final = timedelta(seconds=75)
"""A worker's poll lasts one minute, and the next one follows: one that lives has polled within this time.

Temporal remembers a poller for five minutes, and one that has just stopped cannot be told from one that waits. So that
a worker is there is known only once one has answered.
"""

_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)")
_NTP: Final = "Set the clock by NTP, on every machine that runs a part of Qunfa or of Temporal."
_STUCK: Final = (
    "Look at the workers' log for the reason. A worker of the version that began them carries them on, and nothing is"
    " lost."
)
BEGUN_WITHIN: Final = timedelta(minutes=1)
"""A worker that has room begins a send in a moment; its first task gives it a phase."""
_UNBEGUN: Final = (
    "Run a worker on that task queue as well (QUNFA_TASK_QUEUE). It begins these sends at once: freeze their accounts"
    " before, and abort what is too late. Name the right task queue where sends are started."
)
_VISIBILITY: Final = (
    "Look at the server's visibility store, as Elasticsearch, and at the server's log: something keeps it from being"
    " written. What waits goes on by itself once it is."
)
_BUSY: Final = (
    "See whether the workers are busy with as many activities as they take at a time, such as uploads; then start more"
    " of them. Otherwise one has stopped: see the workers' log."
)
DONE: Final = "Once all was started again that a restore may have forgotten: `qunfa restored --done`."
_UNVERSIONED: Final = "unversioned workers"
_START: Final = "Start one (`qunfa worker`), or name its task queue with --task-queue."


class Poller(NamedTuple):
    """Who polls a queue: its version (``None``: unversioned), and when by Temporal's clock its last poll began."""

    version: str | None
    polled_at: datetime


class Ramp(NamedTuple):
    """The version (``None``: unversioned workers) that gets so many of a hundred tasks in the current one's place."""

    version: str | None
    percent: float


@dataclass(frozen=True, slots=True)
class Pollers:
    """Who polls a queue for one kind of task; ``current`` is the version that gets the tasks of versioned workers."""

    polls: tuple[Poller, ...] = ()
    current: str | None = None
    ramp: Ramp | None = None

    @property
    def versions(self) -> tuple[str | None, ...]:
        return tuple(poller.version for poller in self.polls)

    def alive(self, now: datetime) -> "Pollers":
        """Those that may live, at ``now`` by Temporal's clock."""
        return Pollers(tuple(one for one in self.polls if now - one.polled_at <= ALIVE), self.current, self.ramp)


@dataclass(frozen=True, slots=True)
class Stuck:
    """A workflow whose tasks keep failing, and Temporal's names of the causes."""

    workflow_id: str
    causes: tuple[str, ...] = ()


class Unbegun(NamedTuple):
    """A send that no worker has begun, and the task queue on which it waits for one."""

    workflow_id: str
    queue: str


def skipped(name: CheckName, why: str, account: str | None = None, todo: str | None = None) -> Finding:
    return Finding(name=name, account=account, state="skipped", said=why, todo=todo)


def configuration_found(accounts: Sequence[str]) -> Finding:
    """The configuration of this machine could be read."""
    if accounts:
        return Finding(name="configuration", state="ok", said=f"it names {_counted(accounts)}: {', '.join(accounts)}")
    todo = "Name them: qunfa doctor ACCOUNT…, or set QUNFA_CONFIG to a configuration that has them."
    return skipped("configuration", "it names no account: only accounts that you name are checked", todo=todo)


def configuration_failed(sentence: str) -> Finding:
    """It could not: accounts that are named are checked at the workers all the same."""
    todo = "Correct it. Until then name the accounts: qunfa doctor ACCOUNT…"
    return Finding(name="configuration", state="failed", said=sentence, todo=todo)


def temporal_found(address: str, namespace: str) -> Finding:
    return Finding(name="temporal", state="ok", said=f"{address} answers for the namespace {namespace}")


def temporal_failed(sentence: str) -> Finding:
    """The first line says what is wrong, the others what to do."""
    said, _, todo = sentence.partition("\n")
    return Finding(name="temporal", state="failed", said=said, todo=todo or "Look at the server, then repeat this.")


def version_found(version: str) -> Finding:
    wanted = ".".join(map(str, VERSION_WANTED))
    told = _VERSION.match(version)
    if told is None:
        said = f"the server tells no version ({version!r})" if version else "the server tells no version"
        return Finding(name="temporal_version", state="warning", said=said, todo=f"See that it is {wanted} or newer.")
    if (int(told[1]), int(told[2])) < VERSION_WANTED:
        said = f"the server is {version}, older than the {wanted} that Qunfa is made for"
        todo = "Upgrade it, one minor version at a time."
        return Finding(name="temporal_version", state="warning", said=said, todo=todo)
    return Finding(name="temporal_version", state="ok", said=f"the server is {version}")


def retention_found(namespace: str, retention: timedelta) -> Finding:
    """How long closed workflows are kept; zero where the server does not tell."""
    if not retention:
        return skipped("retention", f"the server does not tell how long {namespace} keeps closed workflows")
    kept = f"the namespace {namespace} keeps closed workflows for {_days(retention)}"
    if retention >= RETENTION_WANTED:
        return Finding(name="retention", state="ok", said=kept)
    said = f"{kept}, less than 35: a ledger keeps some 200 settled keys, and an older one could be sent again"
    return Finding(name="retention", state="failed", said=said, todo="qunfa setup --retention 35d")


def attributes_found(missing: Sequence[str] | None) -> Finding:
    """Which search attributes the namespace lacks; ``None`` where the server cannot list them."""
    if missing is None:
        said = "the server does not list search attributes: whether all are registered is not known"
        todo = "See that all are registered where the namespace is managed."
        return Finding(name="search_attributes", state="warning", said=said, todo=todo)
    if missing:
        said = f"the namespace lacks {', '.join(missing)}: no worker starts, and no send goes on"
        return Finding(name="search_attributes", state="failed", said=said, todo="qunfa setup")
    return Finding(name="search_attributes", state="ok", said=f"all {len(SEARCH_ATTRIBUTES)} are registered")


def attributes_in_conflict(sentence: str) -> Finding:
    """One is of another type."""
    return Finding(name="search_attributes", state="failed", said=sentence)


def attributes_unknown(sentence: str) -> Finding:
    """They cannot be listed from here. A worker does not start where it may list them, and one is missing."""
    said, _, todo = sentence.partition("\n")
    return Finding(name="search_attributes", state="warning", said=said, todo=todo or None)


def workers_found(queue: str, workflows: Pollers, activities: Pollers) -> Finding:
    kinds = {"workflows": workflows, "activities": activities}
    if lacking := [kind for kind, pollers in kinds.items() if not pollers.versions]:
        said = f"no worker polls the task queue {queue} for {' or '.join(lacking)}: no send goes on"
        return Finding(name="workers", state="failed", said=said, todo=_START)
    for pollers in kinds.values():
        if (idle := _idle(queue, pollers) or _unserved(queue, pollers)) is not None:
            return idle
    counts = " and ".join(f"{len(pollers.versions)} for {kind}" for kind, pollers in kinds.items())
    said = f"a worker answers on the task queue {queue}; pollers: {counts}{_version_words(workflows)}"
    return Finding(name="workers", state="ok", said=said)


def workers_answered(queue: str, workflows: Pollers, activities: Pollers, asked_at: datetime) -> Finding:
    """One has answered what was asked at ``asked_at`` by Temporal's clock. A busy one does not poll meanwhile."""
    alive = {"workflows": workflows.alive(asked_at), "activities": activities.alive(asked_at)}
    if all(pollers.polls for pollers in alive.values()):
        return workers_found(queue, **alive)
    lacking = " or ".join(kind for kind, pollers in alive.items() if not pollers.polls)
    within = f"{ALIVE.total_seconds():.0f} s"
    said = f"a worker answers on the task queue {queue}, but none has begun a poll for {lacking} within {within}"
    return Finding(name="workers", state="warning", said=said, todo=_BUSY)


def visibility_found() -> Finding:
    said = "Temporal's list of workflows shows a run that was just started"
    return Finding(name="visibility", state="ok", said=said)


def visibility_behind(within: timedelta) -> Finding:
    """A run searches the list for earlier ones of its key, and takes none without itself for an answer."""
    said = (
        f"Temporal's list of workflows does not show a run of {within.total_seconds():.0f} s ago: "
        "no new key is submitted until it does"
    )
    return Finding(name="visibility", state="failed", said=said, todo=_VISIBILITY)


def tasks_found(stuck: Sequence[Stuck], count: int) -> Finding:
    """Workflows whose tasks keep failing: the first few of them, and how many there are."""
    if not stuck:
        return Finding(name="workflow_tasks", state="ok", said="no workflow's tasks keep failing")
    named = [f"{one.workflow_id} ({', '.join(one.causes)})" if one.causes else one.workflow_id for one in stuck]
    said = f"the tasks of {_workflows(count)} keep failing, so that none of them goes on: {_and_more(named, count)}"
    return Finding(name="workflow_tasks", state="failed", said=said, todo=_STUCK)


def tasks_unknown() -> Finding:
    """The server does not take the question."""
    said = "the server does not tell which workflows' tasks keep failing"
    return Finding(name="workflow_tasks", state="warning", said=said, todo="Upgrade it to 1.31 or newer.")


def first_tasks_found(unbegun: Sequence[Unbegun], count: int) -> Finding:
    """Sends that were started some time ago, and that no worker has begun: the first few, and how many there are."""
    if not unbegun:
        return Finding(name="first_tasks", state="ok", said="no send waits for a worker to begin it")
    named = [f"{one.workflow_id} ({one.queue})" for one in unbegun]
    said = (
        f"no worker has begun {_sends(count)} for over a minute, each named with its task queue: "
        f"{_and_more(named, count)}"
    )
    return Finding(name="first_tasks", state="failed", said=said, todo=_UNBEGUN)


def restore_found(waiting: Mapping[str, datetime], silent: Sequence[str]) -> Finding:
    """Which accounts wait since a restore, each with the time of its snapshot, and which did not say so."""
    if waiting:
        named = ", ".join(f"{account} ({shanghai_clock(taken)})" for account, taken in waiting.items())
        said = f"after a restore these accounts doubt each key, until they are told that all was started again: {named}"
        return Finding(name="restore", state="warning", said=said, todo=DONE)
    if silent:
        said = f"whether these accounts wait after a restore is not known, as they do not answer: {', '.join(silent)}"
        return Finding(name="restore", state="warning", said=said, todo="See own_workflow and the workers' log.")
    return Finding(name="restore", state="ok", said="no account waits for the end of a restore")


def workers_silent(queue: str, workflows: Pollers, asked_at: datetime, within: timedelta) -> Finding:
    """They have polled, and none of this version has answered what was asked at ``asked_at`` by Temporal's clock.

    Temporal remembers the polls of workers that were stopped. Those that may live may be of another version.
    """
    alive = workflows.alive(asked_at)
    if alive.polls and (idle := _idle(queue, alive)) is not None:
        return idle
    ago = (asked_at - max(poller.polled_at for poller in workflows.polls)).total_seconds()
    said = f"no worker has answered this check on the task queue {queue} within {within.total_seconds():.0f} s"
    todo = (
        f"See that a worker runs and is not overloaded or frozen, and look at its log: the last poll began {ago:.0f} s "
        "ago. A worker of an earlier version does not know this check. Start one with `qunfa worker`."
    )
    return Finding(name="workers", state="failed", said=said, todo=todo)


def _idle(queue: str, pollers: Pollers) -> Finding | None:
    """With Worker Versioning, workers that poll and get nothing."""
    if pollers.current in pollers.versions:  # unversioned workers get the tasks where no version is the current one
        return None
    polling = _polling(pollers)
    if pollers.current is None:
        said = f"{polling} poll the task queue {queue}, and no version is the current one: they get no task"
    else:
        said = f"the current version of the task queue {queue} is {pollers.current}, but only {polling} poll it"
    todo = (
        "Start workers of the current version, or change it: temporal worker deployment set-current-version "
        f"{_options(next(filter(None, pollers.versions), None), pollers.current)}"
    )
    return Finding(name="workers", state="failed", said=said, todo=todo)


def _unserved(queue: str, pollers: Pollers) -> Finding | None:
    """A version that gets a part of the tasks, and of which nobody polls: that part waits."""
    ramp = pollers.ramp
    if ramp is None or ramp.version in pollers.versions:
        return None
    said = (
        f"{ramp.percent:g} % of the tasks of the task queue {queue} go to {ramp.version or _UNVERSIONED}, "
        f"but only {_polling(pollers)} poll it"
    )
    todo = (
        "Start such workers, or end the ramp: temporal worker deployment set-ramping-version "
        f"{_options(ramp.version, pollers.current)} --delete"
    )
    return Finding(name="workers", state="failed", said=said, todo=todo)


def _options(version: str | None, current: str | None) -> str:
    """How Temporal's command is told a version, or the unversioned workers beside the current one's deployment."""
    deployment, _, build = str(version or current).partition(":")
    which = "--unversioned" if version is None else f"--build-id {build}"
    return f"--deployment-name {deployment} {which}"


def _polling(pollers: Pollers) -> str:
    return ", ".join(sorted({version or _UNVERSIONED for version in pollers.versions}))


def _version_words(pollers: Pollers) -> str:
    if pollers.current is None:
        return ""
    part = f" ({pollers.ramp.percent:g} %: {pollers.ramp.version})" if pollers.ramp and pollers.ramp.version else ""
    return f"; tasks go to the version {pollers.current}{part}"


def clock_found(ahead: float) -> Finding:
    """By how many seconds this machine is ahead of Temporal."""
    return apart("clock", {"Temporal's": ahead}, "this machine's clock")


def apart(name: CheckName, ahead: dict[str, float], whose: str, account: str | None = None) -> Finding:
    """A clock against others; the biggest difference counts."""
    worst = max(abs(seconds) for seconds in ahead.values())
    off = {other: seconds for other, seconds in ahead.items() if abs(seconds) > NOTICED}
    words = [
        f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} {other}" for other, seconds in off.items()
    ]
    said = f"{whose} is {' and '.join(words)}" if words else f"{whose} is right by {' and '.join(ahead)}"
    state = "failed" if worst > APART_FAILED else "warning" if worst > APART_WARNED else "ok"
    finding = Finding(name=name, account=account, state="ok", said=said)
    return finding if state == "ok" else finding.model_copy(update={"state": state, "todo": _NTP})


def _counted(accounts: Sequence[str]) -> str:
    return "1 account" if len(accounts) == 1 else f"{len(accounts)} accounts"


def _workflows(count: int) -> str:
    return "1 workflow" if count == 1 else f"{count} workflows"


def _sends(count: int) -> str:
    return "1 send" if count == 1 else f"{count} sends"


def _and_more(named: Sequence[str], count: int) -> str:
    rest = [f"and {count - len(named)} more"] if count > len(named) else []
    return ", ".join([*named, *rest])


def _days(span: timedelta) -> str:
    days = span / timedelta(days=1)
    return "1 day" if days == 1 else f"{days:g} days"
