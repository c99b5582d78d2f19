"""Compressed files, unpacked: whole, or refused. A file that was cut off would leave people out without a word."""

import gzip
import zlib
from collections.abc import Iterator
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
