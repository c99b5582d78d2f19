"""Openids out of text and CSV, which may be compressed: clean ones, one a line; and which lines are none.

A compressed file is unpacked whole, or refused. One that was cut off would leave people out without a word.
What stands in a bad line is not told: nobody shall read a worker's files by naming them as an audience.
"""

import csv
import gzip
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO, Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK: Final = 1 << 20
"""Bytes that are in memory at a time."""
UNPACKED_MAX: Final = 4 << 30
"""Bytes of a file after unpacking: 140 million openids."""
LINES_MAX: Final = 100_000_000
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_CUT: Final = "it is compressed by {}, and ends too early: it was not copied whole. Put the whole file there."
_BROKEN: Final = "it is compressed by {}, and damaged. Compress it anew."
_BROKEN_ZSTD: Final = (
    "it is compressed by zstd, and damaged, or with a larger window than --long=27. Compress it anew, without --long."
)
_TOO_BIG: Final = f"it has more than {UNPACKED_MAX >> 30} GiB or {LINES_MAX:,} lines when unpacked. Split it."


class BadFileError(Exception):
    """The file cannot be used; the message says why, and what to do, in whole sentences."""


def unpacked(path: Path) -> Iterator[bytes]:
    """The file's content in blocks, whatever it is compressed by.

    Raises:
        BadFileError: it is cut off, damaged, or too big.
    """
    with path.open("rb") as file:
        head = file.read(len(_ZSTD))
        file.seek(0)
        if head.startswith(_GZIP):
            yield from _bounded(_read(gzip.GzipFile(fileobj=file), "gzip"))
        elif head == _ZSTD:
            yield from _bounded(_read(zstd.ZstdFile(file), "zstd"))
        else:
            yield from _bounded(_blocks(file))


def _blocks(file: BufferedIOBase) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def _bounded(blocks: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > UNPACKED_MAX:
            raise BadFileError(_TOO_BIG)
        yield block


def _read(opened: BufferedIOBase, called: str) -> Iterator[bytes]:
    try:
        with opened:
            yield from _blocks(opened)
    except EOFError:
        raise BadFileError(_CUT.format(called)) from None
    except (gzip.BadGzipFile, zlib.error):
        raise BadFileError(_BROKEN.format(called)) from None
    except zstd.ZstdError:
        raise BadFileError(_BROKEN_ZSTD) from None


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
"""Characters of each openid that WeChat has given so far."""
_DELIMITERS: Final = (",", ";", "\t")
_USUAL_OPENID: Final = re.compile(rf"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{{{_OPENID_USUAL}}}(?![A-Za-z0-9_-])")


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
    """A title is shorter than openids are. Where no word tells it, the openid after it does."""
    first, _, rest = block.lstrip().partition(b"\n")
    is_before_one = OPENID.fullmatch(first) and len(rest.partition(b"\n")[0]) == _OPENID_USUAL
    is_called_so = b"openid" in first.lower() or is_before_one
    if first.lower() in _TITLES or (is_called_so and len(first) < _OPENID_USUAL):
        raise BadFileError("it begins with a title, no openid. If the file is a CSV file, name its column.")


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
    rows, seen, before = csv.reader(lines, delimiter=delimiter, strict=True), Seen(), 0
    try:
        for row in rows:
            if rows.line_num - before > 1 and _swallows(row, delimiter, index, width):
                raise BadFileError(
                    f"line {before + 2:,} opens a quote, and its field holds openids of other lines, who would be left "
                    "out. Export the file anew with all fields in quotes, or only its column of openids."
                )
            before = rows.line_num
            if why := _why_not(row, index, width):
                seen.found_bad(rows.line_num + 1, why)
            else:
                into.write(row[index].encode() + b"\n")
                seen.openids += 1
            if seen.bad >= BAD_MAX and not drop:
                break
    except csv.Error:
        raise BadFileError(
            f"line {rows.line_num + 1:,} is no line of a CSV file: its quotes are wrong, or it is far too long. "
            "Correct the file."
        ) from None
    return seen


def _swallows(row: list[str], delimiter: str, index: int, width: int) -> bool:
    """Whether a field over several lines has an openid in it, or a line that is a row like this one.

    Then a quote is part of a name. The lines up to another such quote are people, whom the field would hide.
    """
    longs = [cell for cell in row if "\n" in cell and not OPENID.fullmatch(cell.strip().encode())]
    if any(_USUAL_OPENID.search(cell) for cell in longs):
        return True
    own = len(row[index]) if index < len(row) else 0
    inner = (line.split(delimiter) for cell in longs for line in cell.split("\n")[1:-1])
    return any(
        len(cells) == width and len(cells[index]) == own and OPENID.fullmatch(cells[index].encode()) for cells in inner
    )


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


def _why_not(row: list[str], index: int, width: int) -> str:
    """Why a row has no openid; empty where it has one."""
    if len(row) != width:
        return f"has {len(row)} columns instead of {width}" if row else "is empty"
    value = row[index].encode()
    return "" if OPENID.fullmatch(value) else _why(value)
