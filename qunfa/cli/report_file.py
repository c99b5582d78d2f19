"""The report of a send in batches as a file: its rows, its sums, and copies of it."""

import gzip
import os
import sys
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.reading import STDIN
from qunfa.cli.typed.sends import STATES
from qunfa.contract.batches import REPORT_COLUMNS, ReportState
from qunfa.contract.fields import Stored
from qunfa.language import _

STDOUT: Final = STDIN
_HEADINGS: Final = ",".join(REPORT_COLUMNS).encode()
_SHOWN: Final = 80


class Sum(Stored):
    """What became of so many openids, in so many batches; `received`: of these, by WeChat's count, where it told."""

    state: ReportState
    openids: int
    batches: int
    received: int | None = None


class Copy(Protocol):
    """Where lines are written to."""

    def write(self, line: bytes, /) -> int:
        """Write one."""


class _Batch(NamedTuple):
    """What a line says behind its openid, which is the same for the whole batch."""

    number: str
    state: ReportState
    received: int | None

    @classmethod
    def parse(cls, said: bytes) -> "_Batch":
        number, _msg_id, state, received, _size, _group = said.decode().rstrip("\r\n").split(",")
        if state not in STATES:
            raise ValueError(state)
        return cls(number, state, int(received) if received else None)


def sums(file: Path, states: Collection[ReportState], copy: Copy | None = None) -> tuple[Sum, ...]:
    """The sums of a gzipped report, by state; those lines are written to `copy` as well, below their headings.

    Raises:
        Refused: It is no report of this version's form.
    """
    try:
        with gzip.open(file, "rb") as lines:
            headings = lines.readline()
            if headings.rstrip() != _HEADINGS:
                raise ValueError(headings[:_SHOWN].decode().rstrip() or "empty")
            if copy is not None:
                copy.write(_HEADINGS + b"\n")
            counted = _counted(lines, states, copy)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Refused(
            _(
                "The report is not of the form that this version knows ({error}): see that all are of one version."
            ).format(error=error)
        ) from None
    return tuple(_sum(state, counted) for state in STATES if any(batch.state == state for batch in counted))


def _counted(lines: Iterable[bytes], states: Collection[ReportState], copy: Copy | None) -> dict[_Batch, int]:
    """How many openids each batch has; a line is looked at no closer than to know its batch: there are millions."""
    batches: dict[bytes, _Batch] = {}
    counted: Counter[bytes] = Counter()
    for line in lines:
        said = line.partition(b",")[2]
        if said not in batches:
            batches[said] = _Batch.parse(said)
        if copy is not None and batches[said].state in states:
            copy.write(line)
        counted[said] += 1
    return {batch: counted[said] for said, batch in batches.items() if batch.state in states}


def _sum(state: ReportState, counted: Mapping[_Batch, int]) -> Sum:
    of_state = {batch: openids for batch, openids in counted.items() if batch.state == state}
    received = [batch.received for batch in of_state if batch.received is not None]
    return Sum(
        state=state,
        openids=sum(of_state.values()),
        batches=len({batch.number for batch in of_state}),
        received=sum(received) if received else None,
    )


@contextmanager
def written(output: str | None) -> Iterator[Copy | None]:
    """Where a copy goes to: stdout for `-`, or a file, gzipped where its name ends so; all of it, or nothing.

    Raises:
        WrongUse: It cannot be written there.
    """
    if output is None:
        yield None
        return
    if output == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    begun = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with _opened(begun, packed=path.suffix == ".gz") as copy:
            yield copy
        begun.replace(path)
    except OSError as error:
        raise WrongUse(
            _("{output} cannot be written: {strerror}.").format(output=output, strerror=error.strerror)
        ) from None
    finally:
        begun.unlink(missing_ok=True)


def _opened(path: Path, *, packed: bool) -> "gzip.GzipFile | BufferedWriter":
    return gzip.open(path, "wb") if packed else path.open("wb")
