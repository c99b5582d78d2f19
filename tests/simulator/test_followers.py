import re

from hypothesis import given
from hypothesis import strategies as st

from qunfa.simulator import openid
from qunfa.simulator.followers import Chosen, FollowerSet, Masked, Span, follower_number
from tests.simulator.api import Start

APPIDS = st.text("abcdef0123456789", min_size=1, max_size=18).map("wx".__add__)
NUMBERS = st.integers(0, 2**30 - 1)
SIZE = 12


@st.composite
def follower_sets(draw: st.DrawFn) -> tuple[FollowerSet, set[int]]:
    """A compact set of followers below SIZE and the same as a plain one."""
    kind = draw(st.sampled_from(["span", "chosen", "masked"]))
    start = draw(st.integers(0, SIZE))
    stop = draw(st.integers(start, SIZE))
    if kind == "span":
        return Span(start, stop), set(range(start, stop))
    if kind == "chosen":
        numbers = draw(st.sets(st.integers(0, SIZE - 1)))
        return Chosen(numbers), numbers
    mask = bytes(draw(st.lists(st.integers(0, 1), min_size=stop - start, max_size=stop - start)))
    return Masked(start, mask), {start + i for i, member in enumerate(mask) if member}


COUNTS = st.lists(st.one_of(st.integers(0, 5), st.integers(250, 255)), min_size=SIZE, max_size=SIZE)


@given(appid=APPIDS, n=NUMBERS)
def test_an_openid_leads_back_to_its_follower(appid: str, n: int) -> None:
    """28 characters of the usual ones, first an "o", the same each time, and nobody else's."""
    text = openid(appid, n)
    assert re.fullmatch(r"o[A-Za-z0-9_-]{27}", text)
    assert openid(appid, n) == text
    assert follower_number(appid, text) == n
    assert follower_number(appid + "x", text) is None


def test_openids_stay_the_same_in_every_release() -> None:
    """Files of openids made for a rehearsal remain valid."""
    known = ["oenF00O0SJzvyepzSEqMhkCT9jf_", "oenF007Y5oo8J_UWh-Sxo3NN4hh_"]
    assert [openid("wx0123456789abcdef", n) for n in (0, 1)] == known


@given(text=st.text("abcABC0123_-\r é", max_size=30), n=NUMBERS, place=st.integers(0, 27))
def test_no_other_text_is_an_openid(text: str, n: int, place: int) -> None:
    """Any other text, and an openid in which one character is another, leads to nobody."""
    right = openid("wx1", n)
    assert follower_number("wx1", text) is None
    other = "A" if right[place] != "A" else "B"
    assert follower_number("wx1", right[:place] + other + right[place + 1 :]) is None


@given(given=follower_sets(), counts=COUNTS, limit=st.integers(0, 254))
def test_a_set_of_followers_counts_like_a_plain_one(
    given: tuple[FollowerSet, set[int]], counts: list[int], limit: int
) -> None:
    """Members, adding one to each count (255 stays), and who is below a limit."""
    compact, plain = given
    assert (sorted(compact), len(compact)) == (sorted(plain), len(plain))
    assert {n for n in range(-1, SIZE + 1) if n in compact} == plain
    assert "x" not in compact
    added = bytearray(counts)
    compact.add_to(added)
    assert list(added) == [min(255, count + (n in plain)) for n, count in enumerate(counts)]
    assert sorted(compact.below(bytearray(counts), limit)) == [n for n in sorted(plain) if counts[n] < limit]


async def test_tags_are_listed_with_their_counts(start: Start) -> None:
    """tags/get answers without an errcode."""
    api = await start()
    assert await api.call("tags/get") == {
        "tags": [{"id": 2, "name": "VIP", "count": 5}, {"id": 3, "name": "新客", "count": 6}]
    }


async def test_the_followers_of_a_tag_are_listed(start: Start) -> None:
    """user/tag/get takes `tagid`, ends with count 0 and without data; an unknown tag answers 45159."""
    api = await start()
    page = await api.call("user/tag/get", {"tagid": 3, "next_openid": ""})
    assert page == {"count": 6, "data": {"openid": api.openids(*range(3, 9))}, "next_openid": api.openids(8)[0]}
    last = await api.call("user/tag/get", {"tagid": 3, "next_openid": page["next_openid"]})
    assert last == {"count": 0, "next_openid": ""}
    assert await api.code("user/tag/get", {"tagid": 99}) == 45159
    assert await api.code("user/tag/get", {"tag_id": 3}) == 45159


async def test_all_followers_are_listed_by_ten_thousand(start: Start) -> None:
    """user/get pages with next_openid; a wrong one answers 40003."""
    api = await start(followers=10_005)
    first = await api.call("user/get")
    second = await api.call("user/get", next_openid=first["next_openid"])
    assert (first["total"], first["count"], second["count"]) == (10_005, 10_000, 5)
    assert first["data"]["openid"] + second["data"]["openid"] == api.openids(*range(10_005))
    third = await api.call("user/get", next_openid=second["next_openid"])
    assert third == {"total": 10_005, "count": 0, "next_openid": ""}
    assert await api.code("user/get", next_openid="nonsense") == 40003
