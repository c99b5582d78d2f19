"""A send in batches, in words: how far it is, and what its plan says."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.console import RenderableType

from qunfa.cli.output import plain, short, table
from qunfa.contract.batches import AudiencePlan
from qunfa.contract.operators import Progress
from qunfa.contract.result import JobResult, JobStateName
from qunfa.language import N_, _, several
from qunfa.language.phrases import told

_WIDTH: Final = 10
_ODD: Final[dict[str, frozenset[JobStateName]]] = {
    N_("Batches perhaps delivered"): frozenset({"submitting", "unknown", "accepted"}),
    N_("Batches deleted in WeChat"): frozenset({"deleted"}),
    N_("Batches that were not sent"): frozenset({"new", "refused", "failed"}),
}
"""Those to look at, by what can be said of whom they reach."""
_SHOWN: Final = 20
_OFTEN: Final = 4
"""So many messages a follower gets in a month; WeChat leaves out whoever had them."""


def bar(done: int, of: int) -> str:
    """`[####------]`: it is full only where all is done."""
    filled = _WIDTH * min(done, of) // of if of else 0
    return f"[{'#' * filled}{'-' * (_WIDTH - filled)}]"


def batches_line(progress: Progress) -> str:
    """How far a send in batches is: a bar, the batches that have ended, whom they have reached, and when it is through.

    As in `[####------] 120/300 batches, 1,196,004 reached, through 12-03 14:10`.
    """
    sentence = _("{bar} {done:,}/{number:,} batches")
    said = sentence.format(bar=bar(progress.done, progress.jobs), done=progress.done, number=progress.jobs)
    if progress.followers is not None:
        said += _(", {followers:,} reached").format(followers=progress.followers)
    if progress.ends_at is not None and progress.done < progress.jobs:
        said += _(", through {until}").format(until=short(progress.ends_at))
    return said


def size_words(plan: AudiencePlan) -> str:
    """How many openids, and in how many batches."""
    batches = several("{number:,} batch", "{number:,} batches", plan.batches).format(number=plan.batches)
    return _("{openids:,} openids in {batches}").format(openids=plan.openids, batches=batches)


def plan_facts(plan: AudiencePlan, ends_at: datetime | None = None) -> Iterator[tuple[str, str]]:
    """What a plan says: label and words; `ends_at`: when it will be through."""
    yield _("in batches"), size_words(plan)
    for number, group in enumerate(plan.groups):
        batches = several("{number:,} batch", "{number:,} batches", group.batches).format(number=group.batches)
        words = _("group {name}: {openids:,} openids in {batches}")
        said = words.format(name=group.name, openids=group.openids, batches=batches)
        yield "" if number else _("split test"), said
    calls = several("{number:,} call of mass/send", "{number:,} calls of mass/send", plan.batches)
    sentence = _("{calls}, of 100 a day; one of the 4 messages that each follower gets in a month")
    yield _("takes"), sentence.format(calls=calls.format(number=plan.batches))
    if ends_at is not None:
        yield _("through at"), short(ends_at)
    if len(plan.parts) > 1 or plan.dropped:
        for number, part in enumerate(plan.parts):
            dropped = _(", {dropped:,} lines left out").format(dropped=part.dropped) if part.dropped else ""
            said = _("{openids:,} of {what}{dropped}").format(
                openids=part.openids, what=told(part.what), dropped=dropped
            )
            yield "" if number else _("parts"), said
    if plan.duplicates:
        yield (
            _("duplicates"),
            _("{duplicates:,} were named more than once; each gets it once").format(duplicates=plan.duplicates),
        )
    if plan.dropped:
        yield _("left out"), _("{dropped:,} lines, since they are no openids").format(dropped=plan.dropped)
    if any(plan.reached_before[1:]):
        yield _("this month"), _before(plan.reached_before)
    yield _("as of"), short(plan.taken_at)


def odd_batches(jobs: Sequence[JobResult]) -> Iterator[RenderableType]:
    """A table of each kind of batches that do not count as sent, as far as they have ended."""
    newest = {job.index: job for job in jobs}.values()
    headings = (_("batch"), _("state"), _("msg_id"), _("status"))
    for title, states in _ODD.items():
        odd = [job for job in newest if job.state in states]
        rows = ((job.index + 1, _(job.state), job.msg_id, job.status) for job in odd[:_SHOWN])
        if odd:
            yield table(headings, rows, _(title), wrapped=(_("status"),))
        if len(odd) > _SHOWN:
            yield plain(_("  … and {number} more").format(number=len(odd) - _SHOWN))


def newest_only(progress: Progress, jobs: Sequence[JobResult], account: str) -> Iterator[RenderableType]:
    """That a status has no room for all batches that have ended, where that is so; and what shows them all."""
    newest = len({job.index for job in jobs})
    if progress.done > newest:
        said = _("Of {done:,} batches that have ended, this has the newest {newest}. All: {command}")
        command = f"qunfa list --account {account} --batches"
        yield plain(said.format(done=progress.done, newest=newest, command=command))


def _before(reached: tuple[int, ...]) -> str:
    """How many had how many sends in batches before, by our own reports."""
    counted = [
        (_("{number:,} had {times} or more") if times >= _OFTEN else _("{number:,} had {times}")).format(
            number=number, times=times
        )
        for times, number in enumerate(reached)
        if number
    ]
    return _("{counted} sends in batches before, by our reports").format(counted=", ".join(counted))
