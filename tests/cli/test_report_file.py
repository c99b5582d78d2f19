"""The report of a send in batches as a file."""

import csv
import gzip
import os
import stat
from pathlib import Path

import pytest

from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.report import STDOUT, Sum, sums, written
from qunfa.cli.typed.sends import STATES
from qunfa.contract.batches import REPORT_COLUMNS

ROWS = (
    ("o1", "1", "31", "sent", "1", "2", "a"),
    ("o2", "1", "31", "sent", "1", "2", "a"),
    ("o3", "2", "32", "sent", "2", "2", "rest"),
    ("o4", "2", "32", "sent", "2", "2", "rest"),
    ("o5", "3", "33", "accepted", "", "2", "rest"),
    ("o6", "3", "33", "accepted", "", "2", "rest"),
    ("o7", "4", "", "failed", "", "1", "rest"),
    ("o8", "5", "", "not_submitted", "", "2", "rest"),
    ("o9", "5", "", "not_submitted", "", "2", "rest"),
)
SUMS = {
    "sent": Sum(state="sent", openids=4, batches=2, received=3),
    "accepted": Sum(state="accepted", openids=2, batches=1),
    "failed": Sum(state="failed", openids=1, batches=1),
    "not_submitted": Sum(state="not_submitted", openids=2, batches=1),
}


def report(folder: Path, headings: tuple[str, ...] = REPORT_COLUMNS, rows: tuple[tuple[str, ...], ...] = ROWS) -> Path:
    """A report with these rows."""
    file = folder / "report.csv.gz"
    with gzip.open(file, "wt", encoding="utf-8", newline="") as lines:
        csv.writer(lines, lineterminator="\n").writerows([headings, *rows])
    return file


def test_what_became_of_openids_is_summed_by_state(tmp_path: Path) -> None:
    """Of a batch WeChat says how many received it, so each batch counts once there."""
    assert sums(report(tmp_path), STATES) == tuple(SUMS.values())


def test_only_some_states_are_copied(tmp_path: Path) -> None:
    """Below the headings of the report; gzipped where the name says so, and for nobody else on the machine."""
    for name in ("rest.csv", "rest.csv.gz"):
        with written(str(tmp_path / name)) as copy:
            assert sums(report(tmp_path), ("not_submitted", "failed"), copy) == (SUMS["failed"], SUMS["not_submitted"])
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    plain = (tmp_path / "rest.csv").read_text(encoding="utf-8")
    assert plain.splitlines() == [",".join(REPORT_COLUMNS), *(",".join(row) for row in ROWS[6:])]
    assert gzip.decompress((tmp_path / "rest.csv.gz").read_bytes()).decode() == plain


def test_a_copy_is_whole_or_not_there(tmp_path: Path) -> None:
    """Who goes on with a half of it would leave others out."""
    before = tmp_path / "rest.csv"
    before.write_text("before")
    with pytest.raises(Refused), written(str(before)) as copy:
        sums(report(tmp_path, rows=(*ROWS, ("o10", "6"))), STATES, copy)
    assert [before.read_text(), sorted(one.name for one in tmp_path.iterdir())] == [
        "before",
        ["report.csv.gz", "rest.csv"],
    ]


def test_a_link_to_a_copy_stays_a_link(tmp_path: Path) -> None:
    """Another name of the file has the copy, too."""
    (tmp_path / "real.csv").write_text("before")
    link = tmp_path / "rest.csv"
    link.symlink_to("real.csv")
    with written(str(link)) as copy:
        sums(report(tmp_path), STATES[2:3], copy)
    assert (link.is_symlink(), (tmp_path / "real.csv").read_text().splitlines()[1:]) == (True, ["o7,4,,failed,,1,rest"])


@pytest.mark.parametrize("by_its_number", [True, False], ids=["/dev/fd", "a named pipe"])
def test_a_pipe_gets_a_copy(tmp_path: Path, by_its_number: bool) -> None:
    """Its reader does not wait for ever."""
    name = tmp_path / "pipe"
    os.mkfifo(name)
    reader = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(name, os.O_WRONLY)
    with written(f"/dev/fd/{writer}" if by_its_number else str(name)) as copy:
        sums(report(tmp_path), STATES[2:3], copy)
    os.close(writer)
    assert (name.is_fifo(), os.read(reader, 4096).splitlines()[1:]) == (True, [b"o7,4,,failed,,1,rest"])
    os.close(reader)


def test_a_report_of_another_form_is_refused(tmp_path: Path) -> None:
    """Other columns, or a file that was cut off."""
    with pytest.raises(Refused, match="openid,state"):
        sums(report(tmp_path, headings=("openid", "state")), STATES)
    cut = report(tmp_path)
    cut.write_bytes(cut.read_bytes()[:-12])
    with pytest.raises(Refused, match="not of the form"):
        sums(cut, STATES)


def test_a_copy_to_nowhere_is_wrong_use(tmp_path: Path) -> None:
    """A folder that is not there is named."""
    with (
        pytest.raises(WrongUse, match=r"no such folder/rest\.csv cannot be written"),
        written(str(tmp_path / "no such folder" / "rest.csv")),
    ):
        raise AssertionError("nothing is written there")


@pytest.mark.parametrize("output", ["", ".", "/"])
def test_a_copy_to_no_file_is_wrong_use(output: str) -> None:
    """Its name is missing."""
    with pytest.raises(WrongUse, match="names no file"), written(output):
        raise AssertionError("nothing is written there")


def test_stdout_gets_a_copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For a pipe."""
    with written(STDOUT) as copy:
        sums(report(tmp_path), STATES[2:3], copy)
    assert capsys.readouterr().out == f"{','.join(REPORT_COLUMNS)}\no7,4,,failed,,1,rest\n"
