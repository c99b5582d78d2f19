"""Files as other programs write them: a quote in a name never hides the people after it, and a window has its word."""

import io
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qunfa.audience.lines import BadFileError, read_csv
from tests.audience.test_plans import Bench, kept, refused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_NAMES = st.text('"x ', max_size=3)


def openid(number: int) -> str:
    return f"o6_bmjrPTlm6_2sgVt{number:010d}"


def unquoted(names: dict[int, str], delimiter: str, places: tuple[int, ...], people: int = 1000) -> bytes:
    """People, one a line: openid, name and city in the order of `places`."""
    rows = [("openid", "name", "city"), *((openid(one), names.get(one, "x"), "y") for one in range(people))]
    return "".join(delimiter.join(row[place] for place in places) + "\n" for row in rows).encode()


@pytest.mark.parametrize("places", [(0, 1), (1, 0), (0, 1, 2), (1, 0, 2), (2, 0, 1)])
@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("last", [11, 12, 900])
def test_a_stray_quote_in_a_name_is_told(tmp_path: Path, places: tuple[int, ...], drop: bool, last: int) -> None:
    """From it on to the next one, all lines would be one name, and their people left out without a word."""
    content = unquoted({10: '"小明', last: '小红"'}, ",", places)
    sentence = refused(tmp_path, content, column="openid", drop=drop)
    assert "line 12 opens a quote, and its field holds openids of other lines" in sentence
    assert openid(11) not in sentence


def test_openids_of_another_length_are_not_hidden_either(tmp_path: Path) -> None:
    """They are known by their place in the lines of the field."""
    content = b'name,openid\n"a,o1\nb,o2\nc,o3\nd",o4\n'
    assert "line 2 opens a quote" in refused(tmp_path, content, column="openid")


def test_people_to_be_excluded_are_not_hidden(tmp_path: Path) -> None:
    """They would receive what is not for them."""
    bench = Bench(tmp_path)
    bench.put("".join(f"{openid(one)}\n" for one in range(1100)).encode())
    bench.put(unquoted({10: '"小明', 900: '小红"'}, ";", (0, 1)), column="openid", drop=True)
    found = bench.plan(minus=(1,))
    assert found.kind == "refused"
    assert "line 12 opens a quote" in " ".join(found.problems)


@settings(max_examples=300, deadline=None)
@given(
    names=st.dictionaries(st.integers(0, 19), _NAMES, max_size=8),
    delimiter=st.sampled_from(",;\t"),
    places=st.permutations((0, 1, 2)),
)
def test_no_name_hides_anybody_without_a_word(names: dict[int, str], delimiter: str, places: tuple[int, ...]) -> None:
    """Everybody is read or counted as a bad line, or the file is refused."""
    content = unquoted(names, delimiter, places, people=20)
    with suppress(BadFileError):
        seen = read_csv(iter([content]), io.BytesIO(), "openid", drop=True)
        assert seen.openids + seen.bad == 20


def test_long_notes_beside_openids_are_still_passed_over(tmp_path: Path) -> None:
    """Several lines, with the columns' separator in them; and an openid that ends with a line end is a bad line."""
    first, second = openid(1), openid(2)
    notes = f'openid,note\n{first},"Dear Tom,\nYes,thanks\n\nBeijing,"\n{second},"a\nb"\n"{openid(3)}\n",n\n'
    assert kept(tmp_path, notes.encode(), column="openid", drop=True) == (f"{first}\n{second}\n".encode(), 1)


def test_a_zstd_file_with_too_large_a_window_is_told(tmp_path: Path) -> None:
    """It is whole, and would be compressed in the same way again."""
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 28})
    content = packer.compress(b"a\nb\n") + packer.flush()
    assert "larger window than --long=27. Compress it anew, without --long." in refused(tmp_path, content)
