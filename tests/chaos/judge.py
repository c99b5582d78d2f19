"""The judge: what WeChat's own ledger says, held against what the sends and the accounts say.

| kind | is |
|---|---|
| double | a follower has received a send more than once |
| lost | WeChat has accepted a job whose msg_id is not in the result of its send |
| wrong | a run says what the ledger does not: its outcome, its counts, that nothing may have been delivered |
| wrong | the last word on a send lacks a verdict that WeChat has |
| open | a send still runs, an account does not, or the account's ledger disagrees with WeChat's |
| open | a workflow's history does not replay, so that a worker new to it could not go on |
| leaked | a secret in a log, a history or a metric |
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from qunfa.contract.ledger import Record
from qunfa.contract.result import COMPLETES, JobResult, MassSendResult
from tests.chaos import verdicts
from tests.chaos.evidence import Accepted, BookSeen, Run, SendSeen

Kind = Literal["double", "lost", "wrong", "open", "leaked"]
KINDS: Final[tuple[Kind, ...]] = ("double", "lost", "wrong", "open", "leaked")
TOKEN_LIKE: Final = re.compile(rb"\d+_[A-Za-z0-9_-]{100,}")
"""The form of WeChat's access tokens; no id or digest of ours, and no media_id of WeChat's, is so long."""
FULL_BYTES: Final = 96 * 1024
"""So many bytes of records, as an account shows them, it has at least when it lets the oldest go: it has been measured
with 112."""
_NEVER: Final = float("inf")
_YES: Final = frozenset({"sendsuccess", "send_success", "delete"})


@dataclass(frozen=True)
class Violation:
    """A broken promise; `key` is the send's, None where it is no send's."""

    kind: Kind
    key: str | None
    sentence: str


def judge_send(send: SendSeen) -> list[Violation]:
    """All that is wrong with one send."""
    own = send.own
    found = [*doubles(send), *_intruders(send), *_restarts(send, own)]
    for number, run in enumerate(own):
        until = own[number + 1].started_at if number + 1 < len(own) else _NEVER
        found.extend(_judge_run(send, run, [job for job in send.jobs if job.accepted_at < until]))
    return [*found, *_ending(send, own)]


def judge_book(book: BookSeen, sends: Iterable[SendSeen]) -> list[Violation]:
    """Whether an account's ledger says of its sends what WeChat's does."""
    if book.view is None:
        return [Violation("open", None, f"account {book.account} does not run, or does not answer")]
    records = {record.key: record for record in book.view.records}
    ours = {
        job.msg_id for send in sends for job in send.memorable if _is_told(job, book) and not send.is_forgotten(job)
    }
    kept = [push.event.msg_id for push in book.view.kept if push.event.msg_id in ours]
    found = [Violation("open", None, f"account {book.account} keeps the push of its own msg_id {one}") for one in kept]
    for send in sends:
        record = records.get(send.key)
        if record is None and _has_gone(send, book.view.records):
            continue
        found.extend(Violation("open", send.key, sentence) for sentence in _disagreements(send, record, book))
    return found


def judge_text(place: str, text: bytes, secrets: Iterable[bytes]) -> list[Violation]:
    """The secrets in what somebody can read at `place`; the sentences do not repeat them."""
    found = [f"{place} holds {secret[:4].decode(errors='replace')}…" for secret in secrets if secret in text]
    if TOKEN_LIKE.search(text):
        found.append(f"{place} holds an access token")
    return [Violation("leaked", None, sentence) for sentence in found]


def count(violations: Iterable[Violation]) -> dict[Kind, int]:
    """How many of each kind."""
    counted = Counter(violation.kind for violation in violations)
    return {kind: counted[kind] for kind in KINDS}


def doubles(send: SendSeen) -> Iterator[Violation]:
    """Who has received it more than once."""
    received = Counter(follower for job in send.jobs for follower in job.received or ())
    hit = [follower for follower, times in received.items() if times > 1]
    if hit:
        jobs = ", ".join(str(job.msg_id) for job in send.jobs if job.received)
        yield Violation("double", send.key, f"{len(hit)} followers have received it more than once, by msg_id {jobs}")


def _intruders(send: SendSeen) -> Iterator[Violation]:
    if send.ledger_lost and not send.tried:
        return  # nothing but the ledger had heard of the key
    for run in send.runs:
        if run.text != send.text and run.state not in {"refused", "forgotten"}:
            yield Violation("wrong", send.key, f"run {run.run_id} with other content was not refused: {run.state}")


def _restarts(send: SendSeen, runs: Sequence[Run]) -> Iterator[Violation]:
    """What was sent once has the same result whenever it is started again; what WeChat refused is not tried again."""
    for before, after in pairwise([run for run in runs if run.result and not _is_in_doubt(send, run)]):
        first, second = before.result, after.result
        if first is None or second is None:
            continue
        if _was_refused(first) and not (send.lapses or after.goes_on) and _msg_ids(second) - _msg_ids(first):
            yield Violation("wrong", send.key, f"run {after.run_id} has submitted again what had {first.outcome}")
        if first.outcome not in COMPLETES:
            continue
        same = first.outcome == second.outcome or _heard_more(first, second) or _cannot_say(after)
        same = same or (bool(send.lapses) and second.outcome in COMPLETES and _heard_more(second, first))
        ids = _yes_ids if send.lapses else _msg_ids
        if not same or ids(first) != ids(second):
            sentence = f"run {before.run_id} ended as {first.outcome}, run {after.run_id} as {second.outcome}"
            yield Violation("wrong", send.key, f"{sentence}, or with other msg_ids")


def _was_refused(result: MassSendResult) -> bool:
    """Whether it ended with WeChat's no to each of its jobs, and with no doubt: then no retry fits any more."""
    over = result.outcome not in {*COMPLETES, "unknown"} and bool(result.jobs)
    return over and all(row.state == "failed" and row.msg_id is not None for row in result.jobs)


def _is_in_doubt(send: SendSeen, run: Run) -> bool:
    """Whether the run has asked a person about what Temporal has forgotten, and had no answer."""
    return bool(send.lapses) and run.result is not None and run.result.outcome == "unknown"


def _heard_more(first: MassSendResult, second: MassSendResult) -> bool:
    """Whether only the second knows WeChat's push, which alone has counts; ``mass/get`` has told the first."""
    if second.outcome not in COMPLETES:
        return False
    counted = {row.msg_id for row in second.jobs if row.counts is not None}
    return any(row.observed_by == "poll" and row.counts is None and row.msg_id in counted for row in first.jobs)


def _cannot_say(run: Run) -> bool:
    """Whether the run has ended before it looked at its content, and says no more than it may."""
    return run.unread and run.result is not None and run.result.outcome == "unknown"


def _judge_run(send: SendSeen, run: Run, jobs: Sequence[Accepted]) -> Iterator[Violation]:
    """One run against the jobs that were accepted until the next one started."""
    delivered = [job.msg_id for job in jobs if job.delivered]

    def wrong(what: str) -> Violation:
        return Violation("wrong", send.key, f"run {run.run_id} {what}")

    if run.state == "running":
        yield Violation("open", send.key, f"run {run.run_id} still runs")
    elif run.state == "cancelled":
        if delivered:
            yield wrong(f"was cancelled as if nothing had been sent, but WeChat delivered {delivered}")
        elif any(not job.finished for job in jobs):
            yield wrong("was cancelled as if nothing had been sent, but WeChat still works on a job")
    elif run.state in {"refused", "broken"}:
        yield wrong(f"ended without a result ({run.state})")
    elif run.state in {"completed", "failed"} and run.result is None:
        yield wrong(f"has no result ({run.state})")
    elif run.result is not None:
        for sentence in _errors(run, run.result, jobs):
            yield wrong(sentence)


def _errors(run: Run, result: MassSendResult, jobs: Sequence[Accepted]) -> Iterator[str]:
    delivered = [job for job in jobs if job.delivered]
    said = f"ended as {result.outcome}"
    if (result.outcome in COMPLETES) != (run.state == "completed"):
        yield f"{said}, but {run.state}"
    if delivered and not result.may_have_been_delivered:
        yield f"{said} and says that nothing can have been delivered, but msg_id {delivered[0].msg_id} was"
    if result.outcome in COMPLETES and not delivered:
        yield f"{said}, but WeChat delivered nothing"
    if result.outcome in {"failed", "aborted", "expired", "rejected"} and delivered:
        yield f"{said}, but WeChat delivered msg_id {delivered[0].msg_id}"
    if result.outcome in COMPLETES and all(row.state != result.outcome for row in result.jobs):
        yield f"{said}, but no row does"
    if result.outcome == "unknown" and not result.may_have_been_delivered:
        yield f"{said} and says that nothing can have been delivered"
    if any(not job.finished for job in jobs) and result.outcome != "unknown":
        yield f"{said}, but WeChat still works on a job"
    yield from () if _cannot_say(run) else verdicts.missing(result)
    known = {job.msg_id: job for job in jobs}
    for row in result.jobs:
        if row.msg_id is not None:
            yield from row_errors(row, known.get(row.msg_id))


def row_errors(row: JobResult, job: Accepted | None) -> Iterator[str]:
    """Where a row of a result and WeChat's job of its msg_id differ."""
    if job is None:
        yield f"has msg_id {row.msg_id}, which is no job of this send"
        return
    if row.state in {"sent", "sent_nobody", "deleted"} and not job.delivered:
        yield f"says {row.state} of msg_id {row.msg_id}, which WeChat did not deliver"
    if row.state == "failed" and job.delivered:
        yield f"says failed of msg_id {row.msg_id}, which WeChat delivered"
    if row.observed_by == "push" and row.counts is not None:
        told = (row.counts.total, row.counts.filter, row.counts.sent, row.counts.error)
        true = (job.counts.total, job.counts.filter, job.counts.sent, job.counts.error)
        if told != true:
            yield f"has the counts {told} of msg_id {row.msg_id}, not {true}"


def _ending(send: SendSeen, runs: Sequence[Run]) -> Iterator[Violation]:
    """What the last word on the send must hold."""
    if not runs:
        yield Violation("open", send.key, "it was never started")
        return
    last = runs[-1]
    if last.state in {"terminated", "forgotten"}:
        yield Violation("open", send.key, f"run {last.run_id} was {last.state}, and nobody has started it again")
    known = _msg_ids(last.result) if last.result else {job.msg_id for job in send.jobs}
    for job in send.memorable:
        if job.msg_id not in known and not _has_given_way(job, last.result):
            yield Violation("lost", send.key, f"msg_id {job.msg_id} was accepted, and is not in the last result")
    for sentence in verdicts.unheard(send, last):
        yield Violation("wrong", send.key, f"run {last.run_id} {sentence}")


def _has_given_way(job: Accepted, result: MassSendResult | None) -> bool:
    """Whether a person has marked its submission as sent under another msg_id: there nobody got the job itself."""
    delivered = _yes_ids(result) - {None} if result else set()
    rows = result.jobs if result else ()
    return not job.delivered and any(row.clientmsgid == job.clientmsgid and row.msg_id in delivered for row in rows)


def _msg_ids(result: MassSendResult) -> set[int | None]:
    return {row.msg_id for row in result.jobs if row.msg_id is not None}


def _yes_ids(result: MassSendResult) -> set[int | None]:
    """Of the jobs that were delivered: which others have failed may be forgotten."""
    return {row.msg_id for row in result.jobs if row.state in {"sent", "sent_nobody", "deleted"}}


def _is_told(job: Accepted, book: BookSeen) -> bool:
    """Whether the ledger has heard of the job's end: what it heard before it was lost is lost with it."""
    return job.finished_at is None or job.finished_at > book.lost_at


def _has_gone(send: SendSeen, left: Sequence[Record]) -> bool:
    """Whether the ledger may have let the send's record go: it is full, and all that has ended in it is newer."""
    if not all(job.finished for job in send.jobs):
        return False
    newest = max((job.accepted_at for job in send.jobs), default=0.0)
    full = sum(len(record.model_dump_json(exclude_none=True)) for record in left) >= FULL_BYTES
    return full and all(record.touched_at.timestamp() > newest for record in left if record.ended_as is not None)


def _disagreements(send: SendSeen, record: Record | None, book: BookSeen) -> Iterator[str]:
    """Where an account's record and WeChat's jobs differ."""
    known = {job.msg_id: job for job in record.jobs if job.msg_id is not None} if record else {}
    for job in send.jobs:
        entry = known.pop(job.msg_id, None)
        told = job in send.memorable and _is_told(job, book) and not send.is_forgotten(job)
        if entry is None and not told:
            continue
        if entry is None:
            yield f"the account's ledger does not have msg_id {job.msg_id}"
        elif entry.verdict is None:
            if job.finished and told:
                yield f"the account's ledger does not have WeChat's verdict of msg_id {job.msg_id}"
        elif ("".join(entry.verdict.status.split()).lower() in _YES) != job.delivered:
            yield f"the account's ledger has {entry.verdict.status} of msg_id {job.msg_id}; delivered: {job.delivered}"
    for msg_id in known:
        yield f"the account's ledger has msg_id {msg_id}, which is no job of this send"
