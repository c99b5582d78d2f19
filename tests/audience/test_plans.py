"""Any lists in any form: the plan is what Python's sets say, and a bad line is named."""

import csv
import gzip
import io
import sys
from dataclasses import dataclass, field
from hashlib import md5, sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qunfa.audience.jobs import SNAPSHOT, ListFile, PartJob, PlanFound, PlanJob, SplitJob
from qunfa.audience.lines import read_csv
from qunfa.audience.snapshots import cut, planned
from qunfa.contract.batches import BATCHES_MAX, BatchRow, batches_of
from qunfa.contract.fields import MSG_ID_MAX
from qunfa.contract.refusal import InvalidRequestError
from qunfa.contract.request import LONG_MAX_BYTES, parse_request
from qunfa.contract.result import Counts, JobResult
from tests.batches.driving import FILE, request

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

USUAL = b"o6_bmjrPTlm6_2sgVt7hMZOPfL2M"
"""An openid as WeChat's pages show it."""
_ALPHABET = "ABCXYZabcxyz0189_-"
OPENIDS = st.lists(st.text(_ALPHABET, min_size=1, max_size=3), max_size=40)


@dataclass
class Bench:
    """A folder with lists, and what is planned of them."""

    path: Path
    lists: list[ListFile] = field(default_factory=list)

    def put(self, content: bytes, **more: Any) -> int:
        path = self.path / f"source-{len(self.lists)}"
        path.write_bytes(content)
        self.lists.append(ListFile(called="the list", path=str(path), **more))
        return len(self.lists) - 1

    def plan(self, *parts: PartJob, of: tuple[int, ...] = (0,), minus: tuple[int, ...] = ()) -> PlanFound:
        parts = parts or (PartJob(what="it", any=(0,)),)
        return planned(PlanJob(folder=str(self.path), lists=tuple(self.lists), parts=parts, of=of, minus=minus))

    @property
    def snapshot(self) -> bytes:
        return (self.path / SNAPSHOT).read_bytes()


def text(openids: list[str]) -> bytes:
    """One a line."""
    return "".join(f"{openid}\n" for openid in openids).encode()


def refused(path: Path, content: bytes, **more: Any) -> str:
    """What a list is refused with."""
    bench = Bench(path)
    bench.put(content, **more)
    found = bench.plan()
    assert found.kind == "refused"
    return " ".join(found.problems)


def kept(path: Path, content: bytes, **more: Any) -> tuple[bytes, int]:
    """The snapshot of a list, and how many lines were left out."""
    bench = Bench(path)
    bench.put(content, **more)
    found = bench.plan()
    assert found.problems == ()
    return bench.snapshot, found.parts[0].dropped


@settings(max_examples=40, deadline=None)
@given(lists=st.lists(OPENIDS, min_size=5, max_size=5))
def test_a_plan_is_what_sets_say(lists: list[list[str]]) -> None:
    """Sums, tags by any, all and none, and what is taken away; counted part by part."""
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        a, b, c, d, e = [set(one) for one in lists]
        for one in lists:
            bench.put(text([*reversed(one), *one[:2]]), may_be_empty=True)
        parts = (
            PartJob(what="tags", any=(0, 1), all=(2,), none=(3,)),
            PartJob(what="file", any=(3,)),
            PartJob(what="less", any=(4,)),
        )
        sets = [((a | b) & c) - d, d, e]
        wanted = sorted((sets[0] | sets[1]) - sets[2])
        found = bench.plan(*parts, of=(0, 1), minus=(2,))
        if len(wanted) < 2:
            assert found.kind == "refused"
            return
        assert bench.snapshot == text(wanted)
        assert (found.openids, found.sha256) == (len(wanted), sha256(text(wanted)).hexdigest())
        assert [part.openids for part in found.parts] == [len(one) for one in sets]
        named = len(sets[0]) + len(lists[3]) + len(lists[3][:2])
        assert found.duplicates == named - len(sets[0] | sets[1])


@settings(max_examples=30, deadline=None)
@given(openids=st.integers(2, 60_000))
def test_batches_cover_a_snapshot_exactly_once(openids: int) -> None:
    """One after the other, none of one, each with the digest of its bytes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / SNAPSHOT
        content = text([f"o{number}" for number in range(openids)])
        path.write_bytes(content)
        found = cut(path, (openids,))
    at = 0
    for batch in found.batches:
        piece = content[batch.offset : batch.offset + batch.length]
        assert (batch.offset, batch.count, batch.sha256) == (at, piece.count(b"\n"), sha256(piece).hexdigest())
        assert 2 <= batch.count <= 10_000
        at += batch.length
    assert (at, len(found.batches)) == (len(content), batches_of(openids))


def test_a_list_of_more_batches_than_a_send_takes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their rows would not fit into one payload, and the send would hang at its end."""
    monkeypatch.setattr("qunfa.audience.snapshots.BATCHES_MAX", 2)
    openids = [f"o{number}" for number in range(20_001)]
    assert "has 20,001 openids, and one send takes 20,000 at most" in refused(tmp_path, text(openids))
    assert kept(tmp_path, text(openids[:-1]))[0].count(b"\n") == 20_000


def test_a_result_of_the_most_batches_is_a_payload() -> None:
    """The result, and the longest request with the state that is carried on, stay below the 2 MB of Temporal's."""
    counts = Counts(total=10_000, filter=10_000, sent=10_000, error=10_000)
    row = BatchRow(
        number=1,
        outcome="failed",
        may_have_been_delivered=False,
        job="failed",
        msg_id=MSG_ID_MAX,
        msg_data_id=MSG_ID_MAX,
        status="err(20001)",
        counts=counts,
        for_good=True,
    )
    rows = [row.model_copy(update={"number": number + 1, "problem": "admin_timeout"}) for number in range(BATCHES_MAX)]
    job = JobResult(index=0, generation=0, clientmsgid="c" * 28, msg_id=MSG_ID_MAX, state="failed", counts=counts)
    more = {"msg_data_id": MSG_ID_MAX, "status": "err(20001)"}
    jobs = [job.model_copy(update={"index": number, **more}) for number in range(BATCHES_MAX)]
    rest = 250_000
    for payload, beside in ((rows, LONG_MAX_BYTES + rest), (jobs, rest)):
        assert sum(len(one.model_dump_json().encode()) for one in payload) + beside < 2 << 20


def test_a_list_whose_request_leaves_no_room_is_refused() -> None:
    """Its openids belong into a file: at its end it would hang, with the rows of its batches beside them."""
    each = len('"' + "o" * 28 + '",')
    many = [f"o{number:027d}" for number in range(LONG_MAX_BYTES // each)]
    parts = [{"kind": "openids", "openids": many[at : at + 10_000]} for at in range(0, len(many), 10_000)]
    raw = request().model_dump(mode="json", exclude_unset=True)
    fits = raw | {"audience": {"kind": "several", "of": [FILE], "minus": parts[1:]}}
    assert parse_request(fits).audience.kind == "several"
    full = raw | {"audience": {"kind": "several", "of": [FILE], "minus": parts}}
    with pytest.raises(InvalidRequestError, match="1,000,000 at most: put openids into a file"):
        parse_request(full)


@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        (b"a\n\nb\n", {}, "Line 2 is empty."),
        (b"a\nb\n\n", {}, "Line 3 is empty."),
        (b"a\n  \nb\n", {}, "Line 2 is blank."),
        (b"a\r\nb c\r\n", {}, "Line 2 has a character"),
        (b"a\rb\rc", {}, "Line 1 has a character"),
        (b"a\nb\0\n", {}, "Line 2 has a character"),
        (b"a,1\nb,2\n", {}, "Line 1 has several columns. Line 2 has several columns."),
        (b'"a"\n"b"\n', {}, "Line 1 has a character"),
        (b"openid\na\nb\n", {}, "begins with a title"),
        (b"wx_OpenId\na\nb\n", {}, "begins with a title"),
        (b"\xef\xbb\xbfOpenID\r\na\r\nb\r\n", {}, "begins with a title"),
        (b"unionid\r\n%b\r\nb\r\n" % USUAL, {}, "begins with a title"),
        (b"\n\nmember_id\n%b\nb\n" % USUAL, {"drop": True}, "begins with a title"),
        (b"a\n" * 40_000 + b"b" * 129 + b"\n", {}, "Line 40,001 has 129 bytes."),
        (b"a\n" * 700_000 + b"b c\n", {}, "Line 700,001"),
        (b"x y\n" * 30, {}, " 10 more are not named."),
        (b"x y\n" * 200_000, {}, "at least"),
        (b"z" * 3_000_000, {}, "more than 1,048,576 bytes"),
        ("a\nü\n".encode("latin-1"), {}, "line 2 is not UTF-8"),
        ("a\n公\n".encode(), {}, "Line 2 has a character"),
        ("a\nb\n".encode("utf-16"), {}, "UTF-16"),
        (b"", {}, "holds no openid"),
        (b"a", {}, "only one"),
        (b"a\na\na\n", {}, "only one"),
        (b"name,id\nx,a\n", {"column": "openid"}, "does not name the column 'openid'"),
        (b"openid,openid\na,b\n", {"column": "openid"}, "twice"),
        (b"openid,n\na,1\nb\n", {"column": "openid"}, "Line 3 has 1 columns instead of 2."),
        (b'openid,n\na,"1\n2"\nb c,3\n', {"column": "openid"}, "Line 4 has a character"),
        (b'openid,n\na,"1\n', {"column": "openid"}, "its quotes are wrong"),
        (b"openid,n\na,1\n\nb,2\n", {"column": "openid"}, "Line 3 is empty."),
        (b"openid,n\na,1\nb,\xff\n", {"column": "openid"}, "line 3 is not UTF-8"),
        (b"", {"column": "openid"}, "does not name"),
        (b"PAR1 and no more", {}, "cannot be read"),
        (gzip.compress(b"a\nb\n" * 9999, mtime=0)[:-9], {}, "ends too early"),
        (gzip.compress(b"a\nb\n", mtime=0)[:-8] + b"\0\0\0\0\4\0\0\0", {}, "damaged"),
        (gzip.compress(b"a\nb\n", mtime=0) + b"more", {}, "damaged"),
        (gzip.compress(b"a\nb c\n", mtime=0), {}, "Line 2"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(tmp_path: Path, content: bytes, more: dict[str, Any], said: str) -> None:
    """What stands in the line is not told: it may be anything that a worker can read."""
    sentence = refused(tmp_path, content, **more)
    assert said in sentence
    assert "b c" not in sentence


@pytest.mark.parametrize(
    ("content", "more"),
    [
        (b"b\na\nb", {}),
        (b"\xef\xbb\xbfa\r\nb\r\n", {}),
        (b"a\r\nb\n", {}),
        (gzip.compress(b"a\n", mtime=0) + gzip.compress(b"b\n", mtime=0), {}),
        (b"n,openid\n1,a\n2,b\n", {"column": "openid"}),
        (b"\xef\xbb\xbfn;openid\r\n1;a\r\n2;b\r\n", {"column": "openid"}),
        (b'n\topenid\n"x\ty\nz"\ta\n2\tb\n', {"column": "openid"}),
    ],
)
def test_a_good_list_is_taken_in_any_form(tmp_path: Path, content: bytes, more: dict[str, Any]) -> None:
    """With other line ends, a byte order mark, quotes, and in several members."""
    assert kept(tmp_path, content, **more) == (b"a\nb\n", 0)


@pytest.mark.parametrize(
    ("content", "more"),
    [(b"openid,since\n", {"column": "openid"}), (gzip.compress(b"", mtime=0), {}), (b"\xef\xbb\xbf", {})],
)
def test_a_list_without_openids_is_refused(tmp_path: Path, content: bytes, more: dict[str, Any]) -> None:
    """An export that came out empty would exclude nobody, and say nothing."""
    assert refused(tmp_path, content, **more).startswith("the list: it holds no openid. ")


def test_bad_lines_are_dropped_where_that_was_asked_for(tmp_path: Path) -> None:
    """And counted."""
    assert kept(tmp_path, b"a\n\nx y\nb\n", drop=True) == (b"a\nb\n", 2)
    assert kept(tmp_path, b"x y\n%b\nb\n" % USUAL, drop=True) == (b"b\n%b\n" % USUAL, 1)


def parquet(path: Path, query: str) -> bytes:
    """What DuckDB writes of a query."""
    with duckdb.connect() as connection:
        connection.sql(query).write_parquet(str(path / "made"))
    return (path / "made").read_bytes()


def test_a_parquet_file_is_read_by_its_column(tmp_path: Path) -> None:
    """The only one, or the one that is named; a null is no openid."""
    two = parquet(tmp_path, "SELECT unnest(['a', 'b', NULL, 'c d']) AS openid, 1 AS n")
    assert "several columns (openid, n)" in refused(tmp_path, two)
    assert "no column 'x'" in refused(tmp_path, two, column="x")
    assert "no text but INTEGER" in refused(tmp_path, two, column="n")
    assert "Row 3 is empty. Row 4 is no openid." in refused(tmp_path, two, column="openid")
    assert kept(tmp_path, two, column="openid", drop=True) == (b"a\nb\n", 2)
    assert kept(tmp_path, parquet(tmp_path, "SELECT unnest(['b', 'a']) AS x")) == (b"a\nb\n", 0)
    assert "cannot be read" in refused(tmp_path, two[: len(two) // 2], column="openid")
    assert "holds no openid" in refused(tmp_path, parquet(tmp_path, "SELECT 'a' AS openid WHERE false"))


def test_rows_are_counted_before_any_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small Parquet file can have billions of them."""
    made = parquet(tmp_path, "SELECT concat('o', i) AS openid FROM range(10) t(i)")
    unreadable = made[:4] + bytes(40) + made[44:]
    assert "cannot be read" in refused(tmp_path, unreadable)
    monkeypatch.setattr("qunfa.audience.snapshots.LINES_MAX", 9)
    assert "more than 9 rows" in refused(tmp_path, unreadable)


def test_a_parquet_file_that_fits_into_no_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file can hold a huge value: to try it again would be in vain."""
    monkeypatch.setattr("qunfa.audience.snapshots.MEMORY", "16MB")
    made = parquet(tmp_path, "SELECT unnest(['a', 'b', repeat('c', 30_000_000)]) AS x")
    assert "a value that is too long to be read" in refused(tmp_path, made, drop=True)


def told(openids: list[str]) -> bytes:
    """A report by which all of these were reached."""
    return b"openid,batch,msg_id,state\n" + b"".join(b"%b,1,7,sent\n" % one.encode() for one in openids)


def test_long_lists_are_sorted_together_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of 600,000 in two forms, a few that are left out, and reports, in a quarter of the usual memory."""
    monkeypatch.setattr("qunfa.audience.snapshots.MEMORY", "32MB")
    bench, many = Bench(tmp_path), [f"o{number * 104_729 % 600_011:027d}" for number in range(400_000)]
    bench.put(text(many))
    bench.put(parquet(tmp_path, "SELECT concat('p', lpad(n::VARCHAR, 27, '0')) FROM range(200_000) t(n)"))
    bench.put(text(many[:10]))
    reports = [bench.put(told(many[:end]), states=("sent",)) for end in (300_000, 100)]
    parts = tuple(PartJob(what="a list", any=(number,)) for number in range(3))
    job = PlanJob(
        folder=str(tmp_path), lists=tuple(bench.lists), parts=parts, of=(0, 1), minus=(2,), reports=tuple(reports)
    )
    found = planned(job)
    assert (found.openids, found.reached_before) == (599_990, (300_000, 299_900, 90, 0, 0))


def packed(content: bytes) -> bytes:
    """Compressed by zstd, with a checksum."""
    return zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})


def test_a_zstd_file_is_taken_whole_or_refused(tmp_path: Path) -> None:
    """Cut off anywhere, it would be a shorter list without a word."""
    whole = packed(text([f"o{number * 7919 % 100_003:06d}" for number in range(100_000)]))
    assert kept(tmp_path, whole)[0].count(b"\n") == 100_000
    assert kept(tmp_path, packed(b"a\n") + packed(b"b\n"))[0] == b"a\nb\n"
    for cut_off in (1, 3, 4, 5, 9, len(whole) // 3, len(whole) // 2, len(whole) - 5, len(whole) - 6):
        assert "ends too early" in refused(tmp_path, whole[:-cut_off])
    middle = len(whole) // 2
    assert "damaged" in refused(tmp_path, whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    assert "damaged" in refused(tmp_path, whole + b"o1\n")
    assert "Line 2 is empty." in refused(tmp_path, packed(b"a\n\nb\n"))
    assert kept(tmp_path, packed(b'n,openid\n"x\n\ny",a\n,b\n'), column="openid")[0] == b"a\nb\n"


def test_a_bomb_of_zstd_is_refused(tmp_path: Path) -> None:
    """A few kilobytes that would be megabytes in one line."""
    assert "a line of more than 1,048,576 bytes" in refused(tmp_path, packed(b"a" * 30_000_000))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(st.text(max_size=8), st.text(_ALPHABET, min_size=1, max_size=4)), min_size=2))
def test_whatever_stands_beside_openids_in_csv_is_passed_over(rows: list[tuple[str, str]]) -> None:
    """Quotes, line ends and separators in other columns, as Python's own writer puts them."""
    wanted = sorted({openid for _, openid in rows})
    if len(wanted) < 2 or any("\0" in other or "\r" in other for other, _ in rows):
        return
    written = io.StringIO()
    csv.writer(written).writerows([("other", "openid"), *rows])
    try:
        content = written.getvalue().encode()
    except UnicodeEncodeError:
        return
    read = io.BytesIO()
    read_csv([content], read, "openid", drop=False)
    assert sorted({*read.getvalue().decode().split()}) == wanted


@settings(max_examples=25, deadline=None)
@given(
    lists=st.tuples(OPENIDS, OPENIDS), shares=st.tuples(st.integers(1, 60), st.integers(1, 40)), salt=st.text("xyz-")
)
def test_a_split_puts_each_openid_in_one_group(
    lists: tuple[list[str], list[str]], shares: tuple[int, int], salt: str
) -> None:
    """By its own hash alone: whoever plans it, and whoever else is in the audience."""
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for one in lists:
            bench.put(text(one), may_be_empty=True)
        split = SplitJob(a=shares[0], b=shares[1], salt=salt)
        parts = (PartJob(what="one", any=(0,)), PartJob(what="two", any=(1,)))
        job = PlanJob(folder=folder, lists=tuple(bench.lists), parts=parts, of=(0,), minus=(1,), split=split)
        found = planned(job)
        groups = _groups({*lists[0]} - {*lists[1]}, split)
        sizes = [len(group) for group in groups]
        if min(sizes[:2]) < 2 or sizes[2] == 1:
            assert found.kind == "refused"
            return
        assert bench.snapshot == text([openid for group in groups for openid in group])
        assert [group.openids for group in found.groups] == [size for size in sizes if size]
        assert sum(group.batches for group in found.groups) == len(found.batches)


def _groups(openids: set[str], split: SplitJob) -> list[list[str]]:
    """What the planner is to find, by Python's own MD5."""
    groups: list[list[str]] = [[], [], []]
    for openid in sorted(openids):
        share = int.from_bytes(md5(f"{split.salt}\n{openid}".encode()).digest()[8:], "little") % 100  # noqa: S324
        groups[0 if share < split.a else 1 if share < split.a + split.b else 2].append(openid)
    return groups


def test_a_group_that_would_be_too_small_is_refused(tmp_path: Path) -> None:
    """WeChat takes no list of one: the sentence names the group."""
    bench = Bench(tmp_path)
    bench.put(text([f"o{number}" for number in range(10)]))
    split, parts = SplitJob(a=1, b=1, salt="k"), (PartJob(what="it", any=(0,)),)
    job = PlanJob(folder=str(tmp_path), lists=tuple(bench.lists), parts=parts, of=(0,), split=split)
    found = planned(job)
    assert found.kind == "refused"
    assert "group a of the split test would have 0 openids" in " ".join(found.problems)
