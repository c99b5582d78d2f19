"""Lists of openids, combined by DuckDB into one snapshot: sorted, each openid once. It works offline, within bounds."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import duckdb
from duckdb import CaseExpression, CoalesceOperator, ColumnExpression, ConstantExpression, FunctionExpression

from qunfa.audience.jobs import SNAPSHOT, BatchPlace, ListFile, PartFound, PartJob, PlanFound, PlanJob
from qunfa.audience.lines import (
    LINES_MAX,
    NAMED_MAX,
    UNPACKED_MAX,
    BadFileError,
    Seen,
    problem_of,
    read_csv,
    read_text,
    unpacked,
)
from qunfa.contract.audience import OPENIDS_MAX, OPENIDS_MIN, Group
from qunfa.contract.batches import BATCHES_MAX, REPORT_COLUMNS, PlannedGroup, batches_of, bounds

GROUPS: Final[tuple[Group, ...]] = ("a", "b", "rest")
MEMORY: Final = "128MB"
"""What DuckDB keeps in memory; the rest goes to files in the job's folder."""
THREADS: Final = 1
"""Each further one sorts with memory of its own, and hardly faster: Python goes through the rows after it."""
_BUFFER: Final = 4 << 20
"""Bytes that DuckDB reads of a list at a time. Its usual 32 MB would leave too little memory to sort in."""
FILE_MAX: Final = 2 * UNPACKED_MAX
"""Bytes of one file that planning may write."""
_PARQUET: Final = b"PAR1"
_COLUMNS_NAMED: Final = 10
_REACHED_MAX: Final = 4
_TOO_FEW: Final = (
    "the audience is empty: nobody is left in it. Correct it.",
    "the audience has only one openid, and WeChat takes 2 at least. Correct it.",
)
_EMPTY: Final = "it holds no openid. Check how it was made, or leave it out of the audience."
_TOO_MANY: Final = "the audience has {openids:,} openids, and one send takes {most:,} at most. Split it."
TOO_LARGE: Final = "the lists of the audience are too large together to be sorted. Split the audience."
_OPENID: Final = "[A-Za-z0-9_-]{1,128}"


def connected(folder: Path) -> duckdb.DuckDBPyConnection:
    """A database of its own, which loads nothing from anywhere, and spills into `folder`."""
    return duckdb.connect(
        str(folder / "plan.duckdb"),
        config={
            "memory_limit": MEMORY,
            "threads": THREADS,
            "temp_directory": str(folder / "spilled"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        },
    )


def planned(job: PlanJob) -> PlanFound:
    """The snapshot of a job, written to its folder, and its batches; or what is wrong with its lists.

    Raises:
        OSError: a file cannot be read or written.
        duckdb.Error: there is no room on the disk, or too little memory.
    """
    folder = Path(job.folder)
    with connected(folder) as connection:
        lists, problems = _read(job, connection)
        if problems:
            return PlanFound(kind="refused", problems=tuple(problems))
        rows = _written(job, lists, connection)
    found = cut(folder / SNAPSHOT, rows.sizes)
    return rows.told(found) if found.kind == "planned" else found


def _written(job: PlanJob, lists: "list[_List]", connection: duckdb.DuckDBPyConnection) -> "_Sorted":
    """What the lists name, once the snapshot is written; without the reports where these are too many to be sorted."""
    rows = _Sorted(job, lists)
    try:
        rows.write(connection, Path(job.folder) / SNAPSHOT)
    except duckdb.Error:
        if not job.reports:
            raise
        return _written(job.model_copy(update={"reports": ()}), lists, connection)
    return rows


class _List(NamedTuple):
    """The file with the openids of a list, one a line, named by the list's number; and what was seen in the list."""

    file: Path | None
    seen: Seen


_UNREADABLE: Final = _List(None, Seen())


def _read(job: PlanJob, connection: duckdb.DuckDBPyConnection) -> tuple[list[_List], list[str]]:
    """All lists, and what is wrong with those that cannot be used."""
    lists: list[_List] = []
    problems: list[str] = []
    for number, one in enumerate(job.lists):
        try:
            lists.append(_read_one(one, Path(job.folder) / str(number), connection))
        except BadFileError as bad:
            lists.append(_UNREADABLE)
            if number not in job.reports:
                problems.append(f"{one.called}: {bad}")
    return lists, problems


def _read_one(one: ListFile, clean: Path, connection: duckdb.DuckDBPyConnection) -> _List:
    path = Path(one.path)
    with path.open("rb") as file:
        is_parquet = file.read(len(_PARQUET)) == _PARQUET
    seen, unit = (_of_parquet(one, connection, clean), "row") if is_parquet else (_of_lines(one, clean), "line")
    if not one.stays:
        path.unlink()
    if seen.bad and not one.drop:
        raise BadFileError(problem_of(seen, unit))
    if not seen.openids and not one.may_be_empty:
        raise BadFileError(_EMPTY)
    return _List(clean, seen)


def _of_lines(one: ListFile, clean: Path) -> Seen:
    blocks = unpacked(Path(one.path))
    with clean.open("wb") as file:
        if one.states:
            return read_csv(_in_states(blocks, one.states), file, REPORT_COLUMNS[0], drop=False)
        if one.column is not None:
            return read_csv(blocks, file, one.column, drop=one.drop)
        return read_text(blocks, file, drop=one.drop)


def _in_states(blocks: Iterator[bytes], states: tuple[str, ...]) -> Iterator[bytes]:
    """The title and the rows of a report that are in these states. Its fields have no comma in them."""
    column, wanted = REPORT_COLUMNS.index("state"), {state.encode() for state in states}
    rest, first = b"", True
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield b"".join(
            line + b"\n"
            for number, line in enumerate(lines)
            if (first and number == 0) or (line.split(b",") + [b""] * column)[column] in wanted
        )
        first = False


def _of_parquet(one: ListFile, connection: duckdb.DuckDBPyConnection, clean: Path) -> Seen:
    """Write the rows of a Parquet file that are openids; the others are numbered from 1."""
    try:
        file = connection.read_parquet(one.path, file_row_number=True)
        types = dict(zip(file.columns, map(str, file.types), strict=True))
        number = ColumnExpression(types.popitem()[0])
        column = ColumnExpression(_column_of(one, types))
        is_openid = FunctionExpression("regexp_full_match", column, ConstantExpression(_OPENID))
        good = CoalesceOperator(is_openid, ConstantExpression(False))  # noqa: FBT003 - its only parameter
        others = file.filter(~good)
        _check_rows(rows := len(file))
        bad = len(others)
        named = others.select(number, column.isnull()).limit(NAMED_MAX).fetchall() if bad else []
        found = file.filter(good).select(column)
    except duckdb.OutOfMemoryException:  # nothing but this file is in memory yet
        raise BadFileError("it has a value that is too long to be read. Write it anew.") from None
    except duckdb.Error:
        raise BadFileError("it begins as a Parquet file, but cannot be read as one. Write it anew.") from None
    _write(found, clean)
    whys = [f"{row + 1:,} is {'empty' if empty else 'no openid'}" for row, empty in named]
    return Seen(rows - bad, bad, whys)


def _write(rows: duckdb.DuckDBPyRelation, path: Path) -> None:
    rows.write_csv(str(path), header=False, quotechar="", escapechar="", sep=",")


def _check_rows(rows: int) -> None:
    """The file tells how many there are before any is looked at: a small one can have billions."""
    if rows > LINES_MAX:
        raise BadFileError(f"it has more than {LINES_MAX:,} rows. Split it.")


def _column_of(one: ListFile, types: dict[str, str]) -> str:
    named = ", ".join(list(types)[:_COLUMNS_NAMED])
    column = one.column
    if column is None:
        if len(types) != 1:
            raise BadFileError(f"it has several columns ({named}). Say by column which of them has the openids.")
        column = next(iter(types))
    if column not in types:
        raise BadFileError(f"it has no column {column!r}, but {named}. Correct the column.")
    if types[column] != "VARCHAR":
        raise BadFileError(f"its column {column!r} is no text but {types[column][:40]}. Write openids as text.")
    return column


class _Sorted:
    """Everything that the lists name, sorted by DuckDB on the disk, and then gone through once: memory stays flat.

    Which lists name an openid is a set of bits, one for each list. Of reports it is counted how many name it: of
    hundreds of them, each openid could be named by others. In a split test the groups follow each other.
    """

    def __init__(self, job: PlanJob, lists: list[_List]) -> None:
        self._job = job
        self._lists = lists
        self._openids: Counter[tuple[int, int]] = Counter()
        """How many openids are named by which lists, and by how many reports."""
        self._taken: dict[int, bool] = {}
        self._parts = sorted({one for part in job.parts for one in (*part.any, *part.all, *part.none)})
        """The lists that parts are of."""
        self._sizes = [0] * (1 if job.split is None else len(GROUPS))
        """How many openids are taken, of each group."""

    def write(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        """All lists are read by one scan: each further one would keep memory of its own."""
        between = path.with_suffix(".sorted")
        numbers = [*self._parts, *self._job.reports]
        files = [str(file) for number in numbers if (file := self._lists[number].file) is not None]
        lines = connection.read_csv(
            files,
            columns={"openid": "VARCHAR"},
            auto_detect=False,
            header=False,
            sep=",",
            quotechar="",
            escapechar="",
            filename=True,
            hive_partitioning=False,
            buffer_size=_BUFFER,
        )
        number = FunctionExpression("parse_filename", ColumnExpression("filename")).cast("INTEGER")
        _write(self._in_order(lines.select(ColumnExpression("openid"), number.alias("list"))), between)
        with between.open("rb") as rows, path.open("wb") as into:
            into.writelines(self._through(rows))
        between.unlink()

    def _in_order(self, rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """The rows sorted by openid; in a split test by group first, which stands behind each."""
        split = self._job.split
        if split is None:
            return rows.order("openid")
        salted = FunctionExpression("concat", ConstantExpression(f"{split.salt}\n"), ColumnExpression("openid"))
        share = FunctionExpression("md5_number_lower", salted) % ConstantExpression(100)
        group = (
            CaseExpression(share < ConstantExpression(split.a), ConstantExpression(0))
            .when(share < ConstantExpression(split.a + split.b), ConstantExpression(1))
            .otherwise(ConstantExpression(2))
        )
        columns = (ColumnExpression("openid"), ColumnExpression("list"), group.alias("part"))
        return rows.select(*columns).order("part, openid")

    def _through(self, rows: BinaryIO) -> Iterator[bytes]:
        """The openids that are taken, each with a line end."""
        bits = dict.fromkeys(self._job.reports, 0) | {number: 1 << number for number in self._parts}
        ends = [b"\n"] if self._job.split is None else [b",%d\n" % group for group in range(len(GROUPS))]
        told = {b"%d%b" % (number, end): (bits[number], group) for number in bits for group, end in enumerate(ends)}
        openid, named, reported, group = b"", 0, 0, 0
        for row in rows:
            one, _, rest = row.partition(b",")
            if one != openid:
                if named and self._counted(named, reported, group):
                    yield openid + b"\n"
                openid, named, reported = one, 0, 0
            bit, group = told[rest]
            named |= bit
            reported += not bit
        if named and self._counted(named, reported, group):
            yield openid + b"\n"

    def _counted(self, named: int, reported: int, group: int) -> bool:
        """Whether who is named by these lists is in the audience; and one more of them is counted."""
        self._openids[named, min(reported, _REACHED_MAX)] += 1
        taken = self._taken.get(named)
        if taken is None:
            taken = self._taken[named] = self._any(self._job.of, named) and not self._any(self._job.minus, named)
        self._sizes[group] += taken
        return taken

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many openids are in the snapshot: of each group of a split test, one after the other; or of all."""
        return tuple(self._sizes)

    def _any(self, parts: tuple[int, ...], named: int) -> bool:
        return any(_is_in(self._job.parts[number], named) for number in parts)

    def told(self, found: PlanFound) -> PlanFound:
        """What was found, with what the parts have, what was named more than once, and who was reached before."""
        parts = [self._count(partial(_is_in, part)) for part in self._job.parts]
        told = zip(parts, map(self._dropped, self._job.parts), strict=True)
        different = self._count(lambda named: self._any(self._job.of, named))
        often = sum(self._named(self._job.parts[number], parts[number]) for number in self._job.of)
        return found.model_copy(
            update={
                "parts": tuple(PartFound(openids=many, dropped=bad) for many, bad in told),
                "duplicates": often - different,
                "reached_before": self._reached(),
            }
        )

    def _count(self, which: Callable[[int], bool]) -> int:
        return sum(many for (named, _), many in self._openids.items() if which(named))

    def _dropped(self, part: PartJob) -> int:
        return sum(self._lists[number].seen.bad for number in {*part.any, *part.all, *part.none})

    def _named(self, part: PartJob, openids: int) -> int:
        """How often a part names somebody. Who has several tags is not named twice by that."""
        if len(part.any) == 1 and not part.all and not part.none:
            return self._lists[part.any[0]].seen.openids
        return openids

    def _reached(self) -> tuple[int, ...]:
        """How many of those taken are in 0, 1, 2, 3, 4 or more of the reports; nothing where none can be read."""
        if not self._job.reports or any(self._lists[number] is _UNREADABLE for number in self._job.reports):
            return ()
        found = [0] * (_REACHED_MAX + 1)
        for (named, reported), many in self._openids.items():
            if self._taken[named]:
                found[reported] += many
        return tuple(found)


def _is_in(part: PartJob, named: int) -> bool:
    """Whether who is named by these lists is in the part."""
    any_of = not part.any or any(named >> number & 1 for number in part.any)
    all_of = all(named >> number & 1 for number in part.all)
    return any_of and all_of and not any(named >> number & 1 for number in part.none)


def cut(path: Path, sizes: tuple[int, ...]) -> PlanFound:
    """The batches of a snapshot: where each stands, and its digest. `sizes`: of each group, or of all."""
    if (openids := sum(sizes)) < OPENIDS_MIN:
        return PlanFound(kind="refused", problems=(_TOO_FEW[openids],))
    named = _named(sizes) if len(sizes) > 1 else []
    if small := [_too_small(name, size) for name, size in named if size < OPENIDS_MIN]:
        return PlanFound(kind="refused", problems=tuple(small))
    if sum(map(batches_of, filter(None, sizes))) > BATCHES_MAX:
        said = _TOO_MANY.format(openids=openids, most=BATCHES_MAX * OPENIDS_MAX)
        return PlanFound(kind="refused", problems=(said,))
    with path.open("rb") as file:
        whole, batches = hashlib.sha256(), []
        for size in filter(None, sizes):
            for number in range(1, batches_of(size) + 1):
                first, end = bounds(size, batches_of(size), number)
                batches.append(_batch(file, end - first, whole))
    groups = [PlannedGroup(name=name, openids=size, batches=batches_of(size)) for name, size in named]
    return PlanFound(
        kind="planned", openids=openids, sha256=whole.hexdigest(), batches=tuple(batches), groups=tuple(groups)
    )


def _named(sizes: tuple[int, ...]) -> list[tuple[Group, int]]:
    """Each group with its size. There may be no rest."""
    return [(name, size) for name, size in zip(GROUPS, sizes, strict=True) if size or name != "rest"]


def _too_small(name: Group, size: int) -> str:
    return (
        f"group {name} of the split test would have {size:,} openids, and WeChat takes {OPENIDS_MIN} at least. "
        "Change its share, or leave the split out."
    )


def _batch(file: BinaryIO, count: int, whole: "hashlib._Hash") -> BatchPlace:
    offset = file.tell()
    content = b"".join(file.readline() for _ in range(count))
    whole.update(content)
    return BatchPlace(offset=offset, length=len(content), count=count, sha256=hashlib.sha256(content).hexdigest())
