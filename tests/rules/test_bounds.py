import pytest

from qunfa.contract.facts import Decided, Known, Said
from qunfa.contract.result import ArticleCheck, JobFinished, Verdict
from qunfa.rules.bounds import ID_MAX, LIST_MAX, TEXT_MAX, cut, is_plain
from tests.rules.arbitrary import NOON

LONG = "x" * (TEXT_MAX + 1)


def decided(reason: str, covers: int = 0) -> Decided:
    """A decision with this reason, which covers so many wishes."""
    wishes = tuple(f"wish-{number}" for number in range(covers))
    return Decided(id="u", what="retry", by="li", reason=reason, at=NOON, generation=0, covers=wishes)


def test_what_fits_stays_as_it_is() -> None:
    """To the last character and entry: the very same object comes back."""
    fits = decided(LONG[:TEXT_MAX], LIST_MAX)
    assert cut(fits) is fits
    known = Known(decided=(fits,))
    assert cut(known) is known
    push = JobFinished(msg_id=7, status="send success")
    assert cut(push) is push


def test_long_texts_and_lists_are_cut() -> None:
    """Wherever they stand in a fact."""
    after = cut(Known(decided=(decided(LONG, LIST_MAX + 1), decided("short")))).decided
    assert after == (decided(LONG[:TEXT_MAX], LIST_MAX), decided("short"))


def test_a_long_text_within_a_word_of_wechat_is_cut() -> None:
    """In a model within a model."""
    word = Said(msg_id=7, verdict=Verdict(status=LONG, observed_by="push"), at=NOON)
    assert cut(word).verdict.status == LONG[:TEXT_MAX]


def test_a_push_has_a_bounded_number_of_articles() -> None:
    """And each of them a bounded address; what nobody reads goes."""
    articles = tuple(ArticleCheck(idx=number, url=LONG) for number in range(LIST_MAX + 2))
    after = cut(JobFinished(msg_id=7, status="send success", articles=articles, extra={"Unheard": "of"}))
    assert len(after.articles) == LIST_MAX
    assert {one.url for one in after.articles} == {LONG[:TEXT_MAX]}
    assert after.extra == {}


def test_facts_stay_however_many_there_are() -> None:
    """Which of them may go is not for their number to say."""
    known = Known(decided=tuple(decided(LONG).model_copy(update={"id": f"u{one}"}) for one in range(LIST_MAX + 2)))
    assert len(cut(known).decided) == LIST_MAX + 2


@pytest.mark.parametrize(
    ("identity", "plain"),
    [
        ("mass-send:demo:spring", True),
        ("", True),
        ("x" * ID_MAX, True),
        ("x" * (ID_MAX + 1), False),
        ("群发", False),
        ("a\nb", False),
        ('a"b', False),
        ("a\\b", False),
    ],
)
def test_an_id_is_short_and_plain(identity: str, plain: bool) -> None:
    """One that is not is nobody's, and takes more bytes as JSON than it has characters."""
    assert is_plain(identity) is plain
    assert is_plain("fine", identity, "fine") is plain
