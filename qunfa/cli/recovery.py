"""What there is to be seen after a restore: accounts, sends that run, jobs that only logs know, and what to do next."""

import json
import re
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, ValidationError
from rich.console import RenderableType, group

from qunfa.cli.errors import WrongUse
from qunfa.cli.list import SendRow
from qunfa.cli.output import in_a_line, moment, plain, table, unbroken
from qunfa.contract.checks import is_test
from qunfa.contract.fields import Id64, Moment, Stored
from qunfa.contract.ids import PREVIEW_MASS_SEND, RECALL_MASS_SEND
from qunfa.contract.result import Verdict
from qunfa.contract.steps import TRIED
from qunfa.language import N_, _, several
from qunfa.rules.problems import BATCH_FAILED, MARK_SENT, PROBLEMS, RETRY, WINNER_NOT_CHOSEN, Choice
from qunfa.rules.verdict import judge
from qunfa.temporal.paused import OPEN

STDIN: Final = Path("-")
OTHERS: Final = f"WorkflowType IN ('{RECALL_MASS_SEND}', '{PREVIEW_MASS_SEND}') AND {OPEN}"
_TELLING: Final = frozenset({TRIED, "push", "report"})
_DECODER: Final = json.JSONDecoder()
_OURS: Final = frozenset({"level", "timestamp"})
_OBJECT: Final = re.compile(r'\{\s*"')
_NAMED: Final = re.compile(r'msg_id\\*"\s*:')
"""A job as JSON names it, at any depth of texts within texts."""
_FAILED: Final = 16
"""So many beginnings of a text may be none of an object: one that is nothing but braces would take for ever."""
_WITHIN: Final = 16
"""So deep a collector may have wrapped a line; each text within an object counts twice."""


class Trace(Stored):
    """A job of WeChat's that a log knows.

    ``key``: its send's, where a worker's log says so; ``status``: WeChat's word; ``answer``: to a try, or to a push.
    """

    account: str
    msg_id: Id64
    at: Moment
    key: str | None = None
    status: str | None = None
    answer: Annotated[str | None, Field(exclude=True)] = None


class Logs(NamedTuple):
    """The jobs that logs know, each once, in the order of their msg_ids; and the lines of jobs that nobody can read."""

    jobs: tuple[Trace, ...] = ()
    unread: int = 0


def read_logs(files: Iterable[Path], since: datetime) -> Logs:
    """What these logs know since then."""
    unread, found = 0, defaultdict[tuple[str, int], list[Trace]](list)
    for one in chain.from_iterable(map(_read, files)):
        if one is None:
            unread += 1
        elif one.at >= since:
            found[one.account, one.msg_id].append(one)
    return Logs(tuple(_together(sorted(found[which], key=lambda one: one.at)) for which in sorted(found)), unread)


def _read(file: Path) -> Iterator[Trace | None]:
    lines = telling = 0
    try:
        with nullcontext(sys.stdin) if file == STDIN else file.open(encoding="utf-8", errors="replace") as text:
            for line in text:
                events = tuple(_events(line))
                lines += len(events)
                telling += sum(event.get("level", "info") == "info" for event in events)
                yield from _traces(line, events)
    except OSError as error:
        raise WrongUse(_("--log {file} cannot be read: {why}.").format(file=file, why=error.strerror)) from None
    if not lines:
        said = _(
            "--log {file} has no event of Qunfa's in JSON: give the log of a worker or a receiver (QUNFA_LOG=json)."
        )
        raise WrongUse(said.format(file=file))
    if not telling:
        said = _("--log {file} has no line of the level info: with QUNFA_LOG_LEVEL=INFO it would name the jobs.")
        raise WrongUse(said.format(file=file))


def _events(held: object, within: int = _WITHIN) -> Iterator[dict[str, Any]]:
    """The events that a line holds, also behind or within what a container, a supervisor or a collector has added.

    Nobody looks for another within one of ours: what stands there may be a text of others, as a status or a name.
    """
    inner: Iterable[object] = ()
    if isinstance(held, dict):
        if _is_ours(held):
            yield held
            return
        inner = held.values()
    elif isinstance(held, list):
        inner = held
    elif isinstance(held, str):
        inner = _objects(held)
    if within:
        for one in inner:
            yield from _events(one, within - 1)


def _is_ours(held: dict[str, Any]) -> bool:
    """A collector's own `event` may be the line itself, or a word of its own beside that."""
    event = held.get("event")
    return isinstance(event, str) and (event in _TELLING or not held.keys().isdisjoint(_OURS))


def _objects(text: str) -> Iterator[object]:
    """The JSON objects of a text, one behind the other."""
    end = failed = 0
    while failed < _FAILED and (begun := _OBJECT.search(text, end)):
        try:
            found, end = _DECODER.raw_decode(text, begun.start())
        except (ValueError, RecursionError):
            failed, end = failed + 1, begun.start() + 1
        else:
            yield found


def _traces(line: str, events: Sequence[dict[str, Any]]) -> Iterator[Trace | None]:
    """The jobs that a line tells of, and None if it names one that cannot be read.

    A push refused as a forgery tells of none.
    """
    telling = [event for event in events if event["event"] in _TELLING and "msg_id" in event]
    unread = len(_NAMED.findall(line)) > sum(map(_names, telling)) if events else "msg_id" in line
    for event in telling:
        if event["msg_id"] is None or event.get("answer") == "forged":
            continue
        fields = {name: event.get(name) for name in ("account", "msg_id", "key", "status", "answer")}
        try:
            trace = Trace.model_validate({"at": event.get("timestamp"), **fields})
        except ValidationError:
            unread = True
            continue
        if not is_test(trace.msg_id):
            yield trace
    if unread:
        yield None


def _names(event: dict[str, Any]) -> int:
    """How often an event names its job: a collector may keep the line beside what it has read of it."""
    return len(_NAMED.findall(json.dumps(event)))


def _together(lines: Sequence[Trace]) -> Trace:
    """What lines say of one job, the oldest first. WeChat's last word stands.

    Its send is the one whose submission WeChat has accepted. To a `duplicate` WeChat names a job that it had before: it
    may be that of another send, so that of several keys none is told.
    """
    keys = {one.key for one in lines if one.key and one.answer == "accepted"} or {one.key for one in lines if one.key}
    status = next((one.status for one in reversed(lines) if one.status), None)
    return lines[-1].model_copy(update={"key": keys.pop() if len(keys) == 1 else None, "status": status})


Told = Literal["to be told", "told", "knows it", "caught up", "not known", "refused"]
Stands = Literal["asks", "accepted", "not due"]


class AccountTold(Stored):
    """An account of a restored database. `knows it`: its workflow has taken in what it was told.

    `not known`: it may have, and `refusal` says why nobody knows.
    """

    appid: str
    account: str | None = None
    state: Told
    refusal: str | None = None
    frozen_by: str | None = None


class OpenSend(Stored):
    """A send that runs. `not due`: it asks a person before it goes out."""

    send: str
    stands: Stands
    phase: str | None = None
    problem: str | None = None


class Recovery(Stored):
    """Where the work after a restore stands. `jobs` are those of the logs that no ledger knows.

    `unread`: lines of the logs that name a job, and cannot be read. `others`: workflow ids of recalls and previews.
    `idle`: the task queues of these accounts that no worker polls. `worker`: each has one.
    `late`: a worker ran before the accounts were told. `configured`: this machine's configuration has accounts.
    """

    taken: datetime | None
    dry_run: bool = False
    worker: bool = True
    idle: tuple[str, ...] = ()
    late: bool = False
    configured: bool = True
    accounts: tuple[AccountTold, ...]
    sends: tuple[OpenSend, ...] = ()
    others: tuple[str, ...] = ()
    jobs: tuple[Trace, ...] = ()
    unread: int = 0
    next: tuple[str, ...] = ()


_STANDS: Final[dict[str | None, Stands]] = {"needs_operator": "asks", "awaiting_result": "accepted"}


def open_send(row: SendRow) -> OpenSend:
    """What a send that runs waits for, by its phase."""
    stands = _STANDS.get(row.phase, "not due")
    return OpenSend(send=f"{row.account}/{row.key}", stands=stands, phase=row.phase, problem=row.problem)


SHOWN: Final = 20
_ORDER: Final[tuple[Stands, ...]] = ("asks", "not due", "accepted")
_MEANS: Final[dict[Stands, str]] = {
    "asks": N_("asks a person"),
    "not due": N_("asks a person before it goes out"),
    "accepted": N_("awaits WeChat's verdict"),
}


_LOOK_FIRST: Final = N_("{problem}: look into WeChat's console, then answer: {command}")
_LOOK: Final = {
    BATCH_FAILED: N_(
        "{problem}: that batch may have been sent since. Does its status offer retry? "
        "Give that, and the batch then asks. Else resume. Its status: {command}"
    ),
    WINNER_NOT_CHOSEN: N_(
        "{problem}: look into WeChat's console for both messages. Has the rest one of them? "
        "Choose that one, then mark-sent as its batch asks: {command}"
    ),
}
"""What to do about a list that asks about itself, and not about what a restore may have forgotten."""


def next_steps(recovery: Recovery, *, finish: str | None) -> Iterator[str]:
    """What a person has to do, in order. `finish`: the command that ends it, which has not been given yet."""
    if recovery.unread:
        said = several(
            "{number:,} line of the logs names a job and cannot be read: look for that job in WeChat's console.",
            "{number:,} lines of the logs name a job and cannot be read: look for those jobs in WeChat's console.",
            recovery.unread,
        )
        yield said.format(number=recovery.unread)
    if recovery.dry_run:
        yield _("Nothing was changed: give it without --dry-run.")
        return
    yield from _of_the_accounts(recovery, done=finish is None)
    running = {one.send: one for one in recovery.sends}
    for send, job in _to_tell(recovery.jobs).items():
        command = f'qunfa mark-sent {send} --msg-id {job.msg_id} --reason "in the worker\'s log"'
        one = running.get(send)
        yield _took(one).format(send=send, command=command, problem=one and one.problem, msg_id=job.msg_id)
    asks = [one for one in recovery.sends if one.stands == "asks"]
    for one in asks[:SHOWN]:
        look = _(_LOOK.get(one.problem or "", _LOOK_FIRST))
        yield look.format(problem=in_a_line(one.problem or "needs_operator"), command=f"qunfa status {one.send}")
    if len(asks) > SHOWN:
        said = _("And {number} more: {command}")
        yield said.format(number=len(asks) - SHOWN, command="qunfa list --phase needs_operator")
    if finish is not None:
        yield _("Once all was started again: {command}").format(command=finish)


def _took(one: OpenSend | None) -> str:
    """How a send takes the answer that it was sent. What somebody has let go may ask nobody before it goes out.

    So the answer comes first: refused, it changes nothing. Most take it while they ask, or are frozen.
    """
    if one is None:
        return _(
            'WeChat took {send}. Once that runs with "on_problem": "wait" and its account is frozen, '
            "or it comes up as a batch: {command}"
        )
    if one.problem == "account_frozen":
        return _("WeChat took it: {command}")
    if one.stands == "asks":
        return _took_what_asks(PROBLEMS.get(one.problem or ""))
    if one.phase == "paused":
        return _(
            "WeChat took {send}, which is paused. Does this not fit? "
            "Resume it while its account is frozen, and give it again: {command}"
        )
    if one.phase == "awaiting_approval":
        return _(
            "WeChat took {send}, which awaits approval. Does this not fit? "
            "Approve it while its account is frozen, and give it again: {command}"
        )
    return _("WeChat took {send}. Once its status offers mark_sent: {command}")


def _took_what_asks(choice: Choice | None) -> str:
    """The same of a send that asks a person: most problems do not take that answer."""
    if choice is None or MARK_SENT in choice.answers:
        return _("WeChat took it: {command}")
    if RETRY in choice.answers:
        return _(
            "WeChat took {send}, which asks {problem}. Does this not fit? "
            "Retry it while its account is frozen, and give it again: {command}"
        )
    return _(
        "WeChat took {send} as msg_id {msg_id}. It asks {problem}, which takes no retry: abort it. "
        "Use no new key for it."
    )


def _to_tell(jobs: Iterable[Trace]) -> dict[str, Trace]:
    """The job that each send is to be told of: the newest that was delivered, else the newest."""
    found: dict[str, Trace] = {}
    for job in sorted(jobs, key=lambda job: (_is_delivered(job), job.msg_id)):
        if job.key is not None:
            found[f"{job.account}/{job.key}"] = job
    return found


def _is_delivered(job: Trace) -> bool:
    judgement = judge(Verdict(status=job.status, observed_by="push")) if job.status else None
    return judgement is not None and judgement.delivered


def _of_the_accounts(recovery: Recovery, *, done: bool) -> Iterator[str]:
    if recovery.late:
        yield _(
            "A worker ran before this was told: look into WeChat's console for what was sent since Temporal is back."
        )
    if not (recovery.configured or done):
        yield _(
            "No configuration is here: name by its appid each account that first sent something after the snapshot."
        )
    if not done:
        yield from _of_the_others(recovery.others)
    for queue in recovery.idle:
        said = _("Start the workers and the receiver now. Since Temporal is back no worker has polled {queue}.")
        yield said.format(queue=queue)
    for one in recovery.accounts:
        name = one.account or one.appid
        if one.state == "caught up" and one.frozen_by is not None:
            said = _("{account} has caught up, and stays frozen by {by}: {command}")
            yield said.format(account=name, by=in_a_line(one.frozen_by), command=f"qunfa unfreeze {name}")
        if one.state == "knows it" and one.frozen_by is None:
            said = _("{account} doubts each key still, but somebody has unfrozen it since it was told: {command}")
            yield said.format(account=name, command=f'qunfa freeze {name} --reason "WHY"')
    if not done:
        yield _("Have callers start again each key that they have started since the snapshot, whatever came of it.")
        yield _("Give the same again: it says what asks a person.")


def _of_the_others(running: Sequence[str]) -> Iterator[str]:
    for one in running[:SHOWN]:
        said = _(
            "{workflow_id} runs. Was it cancelled after the snapshot? "
            "Cancel it again before a worker goes on with it: {command}"
        )
        command = f"temporal workflow cancel --workflow-id {shlex.quote(in_a_line(one))}"
        yield said.format(workflow_id=in_a_line(one), command=command)
    if len(running) > SHOWN:
        said = _("And {number} more: {command}")
        yield said.format(number=len(running) - SHOWN, command=f'temporal workflow list --query "{OTHERS}"')


@group()
def render_recovery(recovery: Recovery) -> Iterator[RenderableType]:
    """The accounts, the sends that run, the jobs that nobody knows, and what to do next."""
    if recovery.taken is not None:
        said = _("Temporal's database is that of {time}: what was submitted since is forgotten.")
        yield plain(said.format(time=moment(recovery.taken)))
    rows = ((one.account, one.appid, one.refusal or _(one.state), one.frozen_by) for one in recovery.accounts)
    yield table((_("account"), "appid", _("state"), _("frozen by")), rows, _("Accounts"), wrapped=(_("state"),))
    if recovery.sends:
        sends = sorted(recovery.sends, key=lambda one: (_ORDER.index(one.stands), one.send))
        lines = ((one.send, _(_MEANS[one.stands]), one.phase and _(one.phase), one.problem) for one in sends)
        yield table((_("send"), _("what it does"), _("phase"), _("problem")), lines, _("Sends that run"))
    if recovery.jobs:
        found = ((one.account, one.key, one.msg_id, one.status, moment(one.at)) for one in recovery.jobs)
        columns = (_("account"), "key", "msg_id", _("status"), _("when"))
        yield table(columns, found, _("Jobs of the logs that no account knows"))
    if recovery.next:
        yield plain("\n" + _("Next:"))
    for number, one in enumerate(recovery.next, 1):
        line = f"  {number}. {one}"
        yield unbroken(line) if "qunfa " in line or "temporal workflow " in line else plain(line)
