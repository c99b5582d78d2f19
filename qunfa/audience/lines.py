"""Openids out of text and CSV, which may be compressed: clean ones, one a line; and which lines are none.

A compressed file is unpacked whole, or refused. One that was cut off would leave people out without a word.
What stands in a bad line is not told: nobody shall read a worker's files by naming them as an audience.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import duckdb

BLOCK: Final = 1 << 20
"""Bytes that are in memory at a time."""
UNPACKED_MAX: Final = 4 << 30
"""Bytes of a file after unpacking: 140 million openids."""
LINES_MAX: Final = 100_000_000
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_SKIPPED: Final = range(0x184D2A50, 0x184D2A60)
_NONE: Final = "\x01"
_RLE: Final = 1
_RESERVED: Final = 3
_CUT: Final = "it is compressed by {}, and ends too early: it was not copied whole. Put the whole file there."
_BROKEN: Final = "it is compressed by {}, and damaged. Compress it anew."
_TOO_BIG: Final = f"it has more than {UNPACKED_MAX >> 30} GiB or {LINES_MAX:,} lines when unpacked. Split it."


class BadFileError(Exception):
    """The file cannot be used; the message says why, and what to do, in whole sentences."""


def unpacked(path: Path, connection: duckdb.DuckDBPyConnection, into: Path) -> Iterator[bytes]:
    """The file's content in blocks, whatever it is compressed by. `into` is a name for a file that it may need.

    Raises:
        BadFileError: it is cut off, damaged, or too big.
    """
    with path.open("rb") as file:
        head = file.read(len(_ZSTD))
        file.seek(0)
        if head.startswith(_GZIP):
            yield from _bounded(_gunzipped(file))
            return
        if head != _ZSTD:
            yield from _bounded(_blocks(file))
            return
        _check_frames(file, path.stat().st_size)
    _expand(path, connection, into)
    with into.open("rb") as file:
        yield from _bounded(_blocks(file))
    into.unlink()


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def _bounded(blocks: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > UNPACKED_MAX:
            raise BadFileError(_TOO_BIG)
        yield block


def _gunzipped(file: BinaryIO) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=file) as plain:
            while block := plain.read(BLOCK):
                yield block
    except EOFError:
        raise BadFileError(_CUT.format("gzip")) from None
    except (gzip.BadGzipFile, zlib.error):
        raise BadFileError(_BROKEN.format("gzip")) from None


def _expand(path: Path, connection: duckdb.DuckDBPyConnection, into: Path) -> None:
    """DuckDB has the decoder. Each line is kept as it is: nothing is quoted, and nothing separates columns."""
    lines = connection.read_csv(
        str(path), columns={"line": "VARCHAR"}, auto_detect=False, header=False, sep=_NONE, quotechar="", escapechar="",
        compression="zstd", parallel=False,
    )  # fmt: skip
    try:
        lines.limit(LINES_MAX + 1).project("coalesce(line, '')").write_csv(
            str(into), header=False, quotechar="", escapechar="", sep=_NONE
        )
    except duckdb.Error as error:
        if str(into) in str(error) and "File too large" not in str(error):
            raise  # no fault of the file: there is no room for it here
        raise BadFileError(_explained(error)) from None
    if into.stat().st_size > UNPACKED_MAX:
        raise BadFileError(_TOO_BIG)


def _explained(error: duckdb.Error) -> str:
    text = str(error)
    _, found, rest = text.partition("CSV Error on Line: ")
    line = rest.partition("\n")[0] if found else ""
    if "File too large" in text:
        return _TOO_BIG
    if isinstance(error, duckdb.OutOfMemoryException):
        return "it has a line that is far too long. Put one openid in a line."
    if "unicode" in text:
        return f"line {line} is not UTF-8. Write the file as UTF-8."
    if "Maximum line size" in text:
        return f"line {line} is far too long. Put one openid in a line."
    if "state machine" in text:
        return "its line ends are mixed. Write all of them alike."
    if line.isdigit():
        return f"line {line} has a control character. Write one openid in a line."
    return _BROKEN.format("zstd")


def _check_frames(file: BinaryIO, size: int) -> None:
    """Walk through the frames (RFC 8878): DuckDB takes a file that is cut off for a shorter one."""
    at = 0
    while at < size:
        file.seek(at)
        magic = int.from_bytes(file.read(4), "little")
        at = _skipped(file, at) if magic in _SKIPPED else _after_frame(file, at)
        if at > size:
            raise BadFileError(_CUT.format("zstd"))


def _skipped(file: BinaryIO, at: int) -> int:
    return at + 8 + int.from_bytes(file.read(4), "little")


def _after_frame(file: BinaryIO, at: int) -> int:
    """Where a frame ends that begins at `at`: after its header, its blocks and its checksum."""
    file.seek(at)
    head = file.read(5)
    if head[:4] != _ZSTD:
        raise BadFileError(_BROKEN.format("zstd"))
    if len(head) < 5:  # noqa: PLR2004 - the magic and the descriptor
        raise BadFileError(_CUT.format("zstd"))
    described = head[4]
    single, checksum = described >> 5 & 1, described >> 2 & 1
    sized = (1 if single else 0, 2, 4, 8)[described >> 6]
    at += 5 + (0 if single else 1) + (0, 1, 2, 4)[described & 3] + sized
    last = False
    while not last:
        file.seek(at)
        block = file.read(3)
        if len(block) < 3:  # noqa: PLR2004 - the header of a block
            raise BadFileError(_CUT.format("zstd"))
        header = int.from_bytes(block, "little")
        last, kind = bool(header & 1), header >> 1 & 3
        if kind == _RESERVED:
            raise BadFileError(_BROKEN.format("zstd"))
        at += 3 + (1 if kind == _RLE else header >> 3)
    return at + (4 if checksum else 0)


NAMED_MAX: Final = 20
"""How many bad lines a sentence names."""
BAD_MAX: Final = 100_000
"""After so many bad lines a file is given up, unless they shall be dropped."""
OPENID: Final = re.compile(rb"[A-Za-z0-9_-]{1,128}+")
_LINES: Final = re.compile(rb"(?:[A-Za-z0-9_-]{1,128}+\n)*+")
_LONGEST: Final = 1 << 20
_OPENID_MAX: Final = 128
_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_TITLES: Final = frozenset({b"openid", b"open_id", b"openids", b"id", b"user", b"user_id", b"touser"})
_OPENID_USUAL: Final = 28
"""Characters of each openid that WeChat has given so far: a shorter line with that word in it is a title."""
_DELIMITERS: Final = (",", ";", "\t")


@dataclass(slots=True)
class Seen:
    """What was found in one list: how many openids, and the bad lines, of which the first are named."""

    openids: int = 0
    bad: int = 0
    named: list[str] = field(default_factory=list)

    def found_bad(self, line: int, why: str) -> None:
        """Count a line that is no openid."""
        self.bad += 1
        if len(self.named) < NAMED_MAX:
            self.named.append(f"{line:,} {why}")


def problem_of(seen: Seen, unit: str = "line") -> str:
    """The sentences that refuse a list for its bad lines."""
    many = f"{unit}s are no openids" if seen.bad > 1 else f"{unit} is no openid"
    given_up = "at least " if seen.bad >= BAD_MAX else ""
    named = " ".join(f"{unit.capitalize()} {one}." for one in seen.named)
    more = f" {seen.bad - len(seen.named):,} more are not named." if seen.bad > len(seen.named) else ""
    return (
        f"{given_up}{seen.bad:,} {many}. {named}{more} "
        'Correct the file, or set on_bad_line to "drop" to leave them out.'
    )


def read_text(blocks: Iterable[bytes], into: BinaryIO, *, drop: bool) -> Seen:
    """Write the openids of a text with one a line.

    Raises:
        BadFileError: it is not UTF-8, begins with a title, or is too long.
    """
    seen, lines = Seen(), 0
    for block in _whole_lines(blocks):
        if lines == 0:
            _check_title(block)
        if _LINES.fullmatch(block):
            into.write(block)
            many = block.count(b"\n")
            seen.openids += many
        else:
            many = _read_slowly(block, lines, into, seen)
        lines += many
        if lines > LINES_MAX:
            raise BadFileError(f"it has more than {LINES_MAX:,} lines. Split it.")
        if seen.bad >= BAD_MAX and not drop:
            break
    return seen


def _whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks of whole lines, each with its end, without a byte order mark; Windows' line ends become Unix' ones."""
    rest, first = b"", True
    for block in blocks:
        text = rest + block
        if first:
            if text.startswith(_UTF_16):
                raise BadFileError("it is UTF-16. Write it as UTF-8.")
            text, first = text.removeprefix(_BOM), False
        cut = text.rfind(b"\n") + 1
        if cut:
            yield text[:cut].replace(b"\r\n", b"\n")
        rest = text[cut:]
        if len(rest) > _LONGEST:
            raise BadFileError(f"it has a line of more than {_LONGEST:,} bytes. Put one openid in a line.")
    if rest:
        yield rest.removesuffix(b"\r") + b"\n"


def _check_title(block: bytes) -> None:
    line = block.partition(b"\n")[0].lower()
    if line in _TITLES or (b"openid" in line and len(line) < _OPENID_USUAL):
        raise BadFileError("line 1 is a title, no openid. If the file is a CSV file, name its column.")


def _read_slowly(block: bytes, before: int, into: BinaryIO, seen: Seen) -> int:
    lines = block.split(b"\n")[:-1]
    for number, line in enumerate(lines, before + 1):
        if OPENID.fullmatch(line):
            into.write(line + b"\n")
            seen.openids += 1
        else:
            _check_utf_8(line, number)
            seen.found_bad(number, _why(line))
    return len(lines)


def _check_utf_8(line: bytes, number: int) -> None:
    try:
        line.decode()
    except UnicodeDecodeError:
        raise BadFileError(f"line {number:,} is not UTF-8. Write the file as UTF-8.") from None


def _why(line: bytes) -> str:
    if not line.strip():
        return "is blank" if line else "is empty"
    if any(delimiter.encode() in line for delimiter in _DELIMITERS):
        return "has several columns"
    return f"has {len(line):,} bytes" if len(line) > _OPENID_MAX else "has a character that no openid has"


def read_csv(blocks: Iterable[bytes], into: BinaryIO, column: str, *, drop: bool) -> Seen:
    """Write the openids of one column of a CSV file (RFC 4180), whose first line has the columns' names.

    Commas, semicolons or tabs separate columns: whichever of them the first line has around the name.

    Raises:
        BadFileError: there is no such column, or two; it is not UTF-8, or no CSV; it is too long.
    """
    lines = _decoded(_whole_lines(blocks))
    delimiter, index, width = _place_of(next(lines, ""), column)
    rows, seen = csv.reader(lines, delimiter=delimiter, strict=True), Seen()
    try:
        for row in rows:
            if why := _bad_row(row, index, width, into):
                seen.found_bad(rows.line_num + 1, why)
            else:
                seen.openids += 1
            if seen.bad >= BAD_MAX and not drop:
                break
    except csv.Error:
        raise BadFileError(
            f"line {rows.line_num + 1:,} is no line of a CSV file: its quotes are wrong, or it is far too long. "
            "Correct the file."
        ) from None
    return seen


def _decoded(blocks: Iterator[bytes]) -> Iterator[str]:
    number = 0
    for block in blocks:
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            at = number + block.count(b"\n", 0, error.start) + 1
            raise BadFileError(f"line {at:,} is not UTF-8. Write the file as UTF-8.") from None
        lines = text.split("\n")[:-1]
        number += len(lines)
        if number > LINES_MAX:
            raise BadFileError(f"it has more than {LINES_MAX:,} lines. Split it.")
        for line in lines:
            yield line + "\n"


def _place_of(title: str, column: str) -> tuple[str, int, int]:
    """How columns are separated, which of them has the openids, and how many there are."""
    for delimiter in _DELIMITERS:
        try:
            names = next(csv.reader([title], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        if names.count(column) > 1:
            raise BadFileError(f"its first line names the column {column!r} twice. Rename one of them.")
        if column in names:
            return delimiter, names.index(column), len(names)
    raise BadFileError(f"its first line does not name the column {column!r}. Correct the column, or the file.")


def _bad_row(row: list[str], index: int, width: int, into: BinaryIO) -> str:
    """Write the openid of a row; else say why it has none."""
    if len(row) != width:
        return f"has {len(row)} columns instead of {width}" if row else "is empty"
    value = row[index].encode()
    if not OPENID.fullmatch(value):
        return _why(value)
    into.write(value + b"\n")
    return ""
