import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.wechat import Content, Filter, send_body, sendall_body

TEXT = Content.text("你好")
TAG_IDS = st.integers(min_value=0, max_value=2**31 - 1)
OPENIDS = st.lists(st.text("abcXYZ019_-", min_size=1), min_size=2, max_size=50, unique=True)


def test_to_everybody() -> None:
    """Everybody is `is_to_all` and no tag."""
    assert sendall_body(Filter.everybody(), TEXT, clientmsgid="c-1") == {
        "filter": {"is_to_all": True},
        "text": {"content": "你好"},
        "msgtype": "text",
        "clientmsgid": "c-1",
    }


@given(TAG_IDS)
def test_to_a_tag(tag_id: int) -> None:
    """A tag is named, and `is_to_all` is false: whatever the tag's id, 0 too, it is never everybody."""
    body = sendall_body(Filter.tag(tag_id), TEXT, clientmsgid="c-1")
    assert body["filter"] == {"is_to_all": False, "tag_id": tag_id}


@pytest.mark.parametrize("tag_id", [None, -1, True, "2", 2.0])
def test_an_odd_tag_is_an_error(tag_id: int) -> None:
    """A tag that is missing or no whole number is an error, and never everybody."""
    with pytest.raises(ValueError, match="filter"):
        Filter.tag(tag_id)


@pytest.mark.parametrize(("is_to_all", "tag_id"), [(True, 2), (False, None), (None, None), ("false", None), (1, None)])
def test_a_filter_is_one_of_two(is_to_all: bool, tag_id: int | None) -> None:
    """A filter says "to all" or names a tag: never both, never neither, and nothing that is merely true."""
    with pytest.raises(ValueError, match="filter"):
        Filter(is_to_all=is_to_all, tag_id=tag_id)


@given(OPENIDS)
def test_to_openids(openids: list[str]) -> None:
    """A list of openids is written as it is, in order, without a filter."""
    assert send_body(openids, TEXT, clientmsgid="c-1") == {
        "touser": openids,
        "text": {"content": "你好"},
        "msgtype": "text",
        "clientmsgid": "c-1",
    }


@pytest.mark.parametrize(
    "openids",
    [[], ["o1"], ["o1", "o1"], ["o1", ""], "o1", [f"o{n}" for n in range(10_001)]],
    ids=["none", "one", "twice", "empty", "text", "too many"],
)
def test_an_odd_list_is_an_error(openids: list[str]) -> None:
    """`mass/send` takes 2 to 10,000 openids, all different."""
    with pytest.raises(ValueError, match="mass/send takes"):
        send_body(openids, TEXT, clientmsgid="c-1")


@pytest.mark.parametrize("clientmsgid", ["", "x" * 33, "a b", "编号", "a\n"])
def test_a_wrong_clientmsgid_is_an_error(clientmsgid: str) -> None:
    """WeChat takes 1 to 32 bytes; without one, WeChat would make its own from the content."""
    with pytest.raises(ValueError, match="clientmsgid"):
        sendall_body(Filter.everybody(), TEXT, clientmsgid=clientmsgid)
    with pytest.raises(ValueError, match="clientmsgid"):
        send_body(["o1", "o2"], TEXT, clientmsgid=clientmsgid)


@pytest.mark.parametrize(("ignore", "wire"), [(False, 0), (True, 1)])
def test_articles_say_what_to_do_with_reprints(ignore: bool, wire: int) -> None:
    """`send_ignore_reprint` is a number on the wire, and always written for articles."""
    body = sendall_body(Filter.everybody(), Content.mpnews("M"), clientmsgid="c-1", send_ignore_reprint=ignore)
    assert (body["mpnews"], body["msgtype"], body["send_ignore_reprint"]) == ({"media_id": "M"}, "mpnews", wire)


def test_only_articles_can_be_reprints() -> None:
    """Other messages have no `send_ignore_reprint`."""
    body = send_body(["o1", "o2"], TEXT, clientmsgid="c-1", send_ignore_reprint=True)
    assert "send_ignore_reprint" not in body


def test_the_object_may_have_another_name_than_the_type() -> None:
    """Pictures stand under `images`, though their type is `image`."""
    content = Content("image", "images", {"media_ids": ["A", "B"]})
    body = sendall_body(Filter.tag(2), content, clientmsgid="c-1")
    assert (body["images"], body["msgtype"]) == ({"media_ids": ["A", "B"]}, "image")


def test_an_empty_message_is_an_error() -> None:
    """A text without text and articles without media_id are refused before WeChat sees them."""
    with pytest.raises(ValueError, match="text"):
        Content.text("")
    with pytest.raises(ValueError, match="media_id"):
        Content.mpnews("")
