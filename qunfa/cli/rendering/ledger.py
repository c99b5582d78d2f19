"""An account for people: its switch, its pace, its queue, its quota book and the keys in its ledger."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qunfa.cli.rendering.words import moment, plain
from qunfa.contract.ledger import Day, Forgotten, FreezeAnswer, Frozen, KeptPush, Lease, LedgerView, Record, Waiting
from qunfa.contract.result import Job

_DAYS_SHOWN = 31
_KEY_COLUMNS = ("key", "job", "gen", "tries", "state", "msg_id", "verdict", "ended as", "touched")


def render_switch(appid: str, answer: FreezeAnswer) -> RenderableType:
    """Whether the account is frozen, and what is in flight all the same."""
    title = Text.assemble((appid, "bold"), "  ", _frozen_word(answer.frozen))
    flights = [plain(f"in flight: {_flight(lease)}") for lease in answer.in_flight] or [plain("nothing is in flight")]
    return Group(title, *_frozen_lines(answer.frozen), *flights)


def switch_line(account: str, appid: str, answer: FreezeAnswer) -> str:
    """The same in one line."""
    word, _ = _frozen_word(answer.frozen)
    flights = ", ".join(_flight(lease) for lease in answer.in_flight)
    return f"{account}  {appid}  {word}  {f'in flight: {flights}' if flights else 'nothing is in flight'}"


def render_ledger(view: LedgerView) -> RenderableType:
    """All that the account knows."""
    return Group(
        Text.assemble((view.appid, "bold"), "  ", _frozen_word(view.frozen)),
        *_frozen_lines(view.frozen),
        *(plain(line) for line in _facts(view)),
        *_waiting(view.waiting),
        _table("Keys", _KEY_COLUMNS, _keys(view.records)),
        *_kept(view.kept),
        *_book(view.book),
        *_forgotten(view.forgotten),
    )


def render_forgotten(forgotten: Forgotten) -> RenderableType:
    """What the ledger does not know any more, and what still stands against sending it again."""
    return Group(
        plain(f"{forgotten.key}  forgotten by {forgotten.by}: {forgotten.reason}"),
        plain("What Temporal still has of its earlier runs is looked for before it is sent again."),
    )


def _facts(view: LedgerView) -> Iterator[str]:
    yield f"pace: {view.pace.spacing.total_seconds():g} s between two submissions"
    yield f"in flight: {_flight(view.lease) if view.lease else 'nothing'}"
    yield f"counted since {moment(view.since)}"


def _frozen_word(frozen: Frozen | None) -> tuple[str, str]:
    return ("FROZEN", "bold red") if frozen else ("open", "bold green")


def _frozen_lines(frozen: Frozen | None) -> list[Text]:
    return [plain(f"by {frozen.by} since {moment(frozen.at)}: {frozen.reason}")] if frozen else []


def _flight(lease: Lease) -> str:
    return (
        f"{lease.key}, job {lease.index}, generation {lease.generation}, try {lease.attempt}, "
        f"counts as unknown after {moment(lease.expires_at)}"
    )


def _keys(records: Sequence[Record]) -> Iterator[tuple[object, ...]]:
    for record in sorted(records, key=lambda record: record.touched_at, reverse=True):
        ended = record.ended_as and (f"{record.ended_as} ({record.problem})" if record.problem else record.ended_as)
        if record.recalled:
            ended = ", ".join(filter(None, (ended, "recalled")))
        for job in record.jobs or (None,):
            cells = _job(job) if job else (None,) * 6
            yield (record.key, *cells, ended, moment(record.touched_at))


def _job(job: Job) -> tuple[object, ...]:
    verdict = job.verdict and f"{job.verdict.status} ({job.verdict.observed_by})"
    return job.index, job.generation, job.attempts, _state(job), job.msg_id, verdict


def _state(job: Job) -> str:
    if job.verdict:
        return "verdict"
    if job.msg_id:
        return "accepted"
    return "unknown" if job.ever_unknown else (job.answer.kind if job.answer else "new")


def _waiting(waiting: Sequence[Waiting]) -> Iterator[Table]:
    if waiting:
        rows = ((one.place, one.key, moment(one.due)) for one in waiting)
        yield _table("Waiting for their turn", ("before it", "key", "due"), rows)


def _forgotten(forgotten: Sequence[Forgotten]) -> Iterator[Table]:
    if forgotten:
        rows = ((one.key, one.by, moment(one.at), one.reason) for one in reversed(forgotten))
        yield _table("Forgotten", ("key", "by", "when", "why"), rows)


def _kept(pushes: Sequence[KeptPush]) -> Iterator[Table]:
    if pushes:
        rows = ((push.event.msg_id, push.event.status, moment(push.at)) for push in pushes)
        yield _table("Pushes that nobody waits for", ("msg_id", "status", "came"), rows)


def _book(book: Mapping[str, Day]) -> Iterator[Table]:
    if book:
        newest = sorted(book.items(), reverse=True)[:_DAYS_SHOWN]
        rows = ((day, counted.total, counted.to_all, counted.others) for day, counted in newest)
        yield _table("Sends by Shanghai day", ("day", "ours", "of them to all", "not ours"), rows)


def _table(title: str, headings: Sequence[str], rows: Iterator[tuple[object, ...]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold", header_style="dim")
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    return table
