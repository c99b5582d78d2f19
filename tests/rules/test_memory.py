"""Facts of two memories add up to one, whichever comes first; they are bounded, and no doubt is forgotten."""

from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.facts import Decided, Known, Owned, Said, Try
from qunfa.contract.result import Answer, ArticleCheck, Counts, JobFinished, Verdict
from qunfa.rules.bounds import ID_MAX, LIST_MAX, TEXT_MAX, cut, is_plain, shortened
from qunfa.rules.memory import TRIES_MAX, given_up, is_silent, is_under_way, is_unknown, union
from qunfa.send.doubt import jobs_of
from tests.rules.arbitrary import CLIENTMSGID, NOON
from tests.send.arbitrary_facts import FIRST, KEY, known
from tests.send.arbitrary_facts import a_try as one_try

MINUTE = timedelta(minutes=1)
OTHER_ID = f"{CLIENTMSGID[:-2]}01"


def answer(kind: str = "refused", after: int = 0, **more: Any) -> Answer:
    """An answer, so many minutes after noon."""
    usual = {"refused": {"errcode": 48001}, "accepted": {"msg_id": 7}, "duplicate": {"msg_id": 7, "errcode": 45065}}
    return Answer.model_validate({"kind": kind, "at": NOON + after * MINUTE, **usual.get(kind, {}), **more})


def a_try(number: int = 1, said: Answer | None = None, **more: Any) -> Try:
    """A try, as many minutes after noon as its number is."""
    usual = {"generation": 0, "wish": "w", "clientmsgid": CLIENTMSGID, "not_before": NOON + number * MINUTE}
    return Try.model_validate({"number": number, "holder": "run", "answer": said, **usual, **more})


def together(*tries: Try) -> tuple[Try, ...]:
    """The tries as one memory knows them that has met them one by one."""
    return union(*(Known(tries=(one,)) for one in tries)).tries


def test_of_two_pushes_on_a_job_the_plainer_yes_stands() -> None:
    """Whichever came first. A no whose counts tell of followers is a yes too, if no plain one."""
    counts = Counts(total=2, filter=2, sent=2, error=0)
    no = Verdict(status="send fail", observed_by="push")
    lie = Verdict(status="err(30001)", counts=counts, observed_by="push")
    yes = Verdict(status="send success", counts=counts, observed_by="push")
    for first, second, stands in ((lie, yes, yes), (yes, lie, yes), (no, lie, lie), (lie, no, lie)):
        heard = [Said(msg_id=7, verdict=one, at=NOON + n * MINUTE) for n, one in enumerate((first, second))]
        for order in (heard, heard[::-1]):
            assert [one.verdict for one in union(*(Known(said=(one,)) for one in order)).said] == [stands]


REFUSED = answer()
LOST: Final[dict[str, Any]] = {"lost_at": NOON + 30 * MINUTE}
STANDING = [
    (a_try(said=answer("accepted", 9)), a_try(said=answer("duplicate"))),
    (a_try(said=answer("duplicate", 9)), a_try(said=answer("unknown"))),
    (a_try(said=answer("unknown", 9)), a_try(said=answer("refused"))),
    (a_try(said=answer("refused", 9)), a_try(said=answer("not_written"))),
    (a_try(said=answer("not_written", 9)), a_try(**LOST)),
    (a_try(said=answer("not_written", 9)), a_try(said=answer("unused"))),
    (a_try(said=answer("refused", 1, errcode=99)), a_try(said=answer("refused", 2, errcode=1))),
    (a_try(said=answer("refused", 9), **LOST), a_try(lost_at=NOON)),
    (a_try(**LOST), a_try(said=answer("unused"))),
    (a_try(**LOST), a_try()),
    (a_try(**LOST), a_try(lost_at=NOON + 31 * MINUTE, holder="a")),
    (a_try(said=answer("unused", 9)), a_try()),
    (a_try(said=answer("unused", 1), holder="run"), a_try(said=answer("unused", 2), holder="a")),
    (a_try(not_before=NOON, holder="run"), a_try(not_before=NOON + MINUTE, holder="a")),
]


@pytest.mark.parametrize(("stands", "falls"), STANDING)
def test_of_two_memories_of_a_try_the_one_with_more_doubt_stands(stands: Try, falls: Try) -> None:
    """Of two alike the earlier one; whichever was met first."""
    assert together(stands, falls) == together(falls, stands) == (stands,)


@pytest.mark.parametrize(
    ("stands", "falls"),
    [
        ({"accepted": True, "key": "z", "generation": 9}, {"accepted": False, "key": "a"}),
        ({"key": "a", "generation": 9}, {"key": "b", "generation": 0}),
        ({"generation": 0}, {"generation": 1}),
    ],
)
def test_of_two_owners_of_a_msg_id_one_stands_for_everybody(stands: dict[str, Any], falls: dict[str, Any]) -> None:
    """The accepted one; else always the same, so that nobody goes on asking."""
    one, other = (Owned.model_validate({"msg_id": 7, "key": "k", "generation": 0, **more}) for more in (stands, falls))
    assert union(Known(owned=(one,)), Known(owned=(other,))).owned == (one,)
    assert union(Known(owned=(other,)), Known(owned=(one,))).owned == (one,)


@pytest.mark.parametrize(
    ("one", "unknown", "silent", "under_way"),
    [
        (a_try(), False, False, True),
        (a_try(**LOST), True, True, False),
        (a_try(said=answer("unknown")), True, True, False),
        (a_try(said=answer("unknown", errcode=-1)), True, False, False),
        (a_try(said=answer("unknown"), **LOST), True, True, False),
        (a_try(said=answer("accepted")), False, False, False),
        (a_try(said=answer("accepted", msg_id=None)), True, True, False),
        (a_try(said=answer("duplicate", msg_id=None)), True, False, False),
        (a_try(said=answer("refused")), False, False, False),
        (a_try(said=answer("refused", errcode=-1)), True, False, False),
        (a_try(said=answer("refused", errcode=None)), True, True, False),
        (a_try(said=answer("not_written")), False, False, False),
        (a_try(said=answer("unused")), False, False, False),
    ],
)
def test_what_is_unknown_of_a_try(one: Try, unknown: bool, silent: bool, under_way: bool) -> None:
    """Whether it may have reached WeChat without a word on what became of it, and without any word at all."""
    assert (is_unknown(one), is_silent(one), is_under_way(one)) == (unknown, silent, under_way)


def numbers(tries: tuple[Try, ...]) -> list[int]:
    """Which tries these are."""
    return [one.number for one in tries]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"said": answer("accepted")},
        {"said": answer("duplicate")},
        {"said": answer("accepted", msg_id=None), "clientmsgid": OTHER_ID},
    ],
)
def test_what_may_tell_of_a_delivery_is_never_forgotten(more: dict[str, Any]) -> None:
    """Under way, or taken by WeChat: then there are more tries than usual, and no other one besides."""
    telling = [a_try(number, wish="tells", **more) for number in range(1, TRIES_MAX + 2)]
    others = [a_try(number, REFUSED) for number in range(200, 203)]
    assert together(*telling, *others) == tuple(telling)
    assert numbers(together(*telling[1:], *others)) == list(range(2, TRIES_MAX + 2))
    assert numbers(together(*telling[2:], *others)) == [*range(3, TRIES_MAX + 2), 202]


def doubts(first: int, **more: Any) -> list[Try]:
    """Five tries from this number on; the last of them began first."""
    began: dict[str, Any] = {"not_before": NOON - MINUTE}
    return [a_try(number, **more, **(began if number == first + 4 else {})) for number in range(first, first + 5)]


SILENT: Final[dict[str, Any]] = {"said": answer("unknown")}
VAGUE: Final[dict[str, Any]] = {"said": answer("unknown", errcode=-1)}
MANY = [
    *doubts(1, **SILENT),
    *doubts(11, **VAGUE),
    *doubts(21, clientmsgid=OTHER_ID, **SILENT),
    *(a_try(number, REFUSED) for number in range(31, 31 + TRIES_MAX)),
]


def test_in_short_only_tries_that_count_are_left() -> None:
    """Of each clientmsgid the first three unknown and the first three silent ones; the newest two; what has a job."""
    telling = (a_try(26), a_try(27, answer("accepted")), a_try(28, answer("duplicate")))
    tries = (*MANY[:15], *telling, *MANY[15:])
    assert numbers(shortened(Known(tries=tries)).tries) == [1, 2, 5, 15, 21, 22, 25, 26, 27, 28, 77, 78]
    assert numbers(shortened(Known(tries=tuple(MANY))).tries) == [1, 2, 5, 15, 21, 22, 25, 77, 78]


def test_in_short_texts_and_articles_are_gone_and_all_else_is_there() -> None:
    """Codes, times and ids are what rules go by."""
    said = answer("unknown", errcode=-1, errmsg="x", rid="r", detail="d", token_endpoint=True)
    [short] = shortened(Known(tries=(a_try(said=said),))).tries
    assert short.answer == answer("unknown", errcode=-1, token_endpoint=True)
    assert shortened(Known(tries=(a_try(),))).tries == (a_try(),)
    decided = Decided(id="u", what="retry", by="b" * 41, reason="r" * 41, at=NOON, generation=0, covers=("w",))
    [short_one] = shortened(Known(decided=(decided,))).decided
    assert short_one == decided.model_copy(update={"by": "b" * 40, "reason": "r" * 40})
    owned = (Owned(msg_id=7, key="k", generation=0),)
    assert shortened(Known(owned=owned)).owned == owned
    bare = Verdict(status="err(30003)", observed_by="push", counts=Counts(total=1), check_state=3)
    word = Said(msg_id=7, verdict=bare.model_copy(update={"articles": (ArticleCheck(idx=1),)}), at=NOON)
    assert shortened(Known(said=(word,))).said == (word.model_copy(update={"verdict": bare}),)


NO_RIGHT = Answer(kind="refused", at=NOON, errcode=48001)


@given(one=known, other=known)
def test_it_does_not_matter_which_memory_comes_first(one: Known, other: Known) -> None:
    """The union is commutative."""
    assert union(one, other) == union(other, one)


@given(one=known, other=known)
def test_hearing_it_again_adds_nothing(one: Known, other: Known) -> None:
    """The union is idempotent."""
    both = union(one, other)
    assert union(both, one) == union(both, other) == union(both) == both


@given(one=known, other=known, third=known)
def test_it_does_not_matter_who_meets_whom_first(one: Known, other: Known, third: Known) -> None:
    """The union is associative, as long as nothing has to be forgotten."""
    assert union(union(one, other), third) == union(one, union(other, third))


@given(one=known, other=known)
def test_an_unknown_try_stays_unknown_until_it_is_answered(one: Known, other: Known) -> None:
    """The window of a clientmsgid begins no later when more is known, unless a word of WeChat's settles its try."""
    both = union(one, other)
    for before in one.tries:
        after = next(two for two in both.tries if two.identity == before.identity)
        assert is_unknown(after) or after.answer is not None or not is_unknown(before)


@given(kinds=st.lists(st.sampled_from(["unknown", "refused", "not_written", "unused"]), min_size=60, max_size=120))
def test_many_tries_move_no_window(kinds: list[str]) -> None:
    """However many tries are forgotten, the first unknown one is not, nor how a slow one is to be reckoned with."""
    tries = tuple(
        one_try(number, NO_RIGHT.model_copy(update={"kind": kind, "errcode": None if kind == "unknown" else 48001}))
        for number, kind in enumerate(kinds, start=1)
    )
    kept = union(Known(tries=tries))
    assert len(kept.tries) <= TRIES_MAX
    before, after = jobs_of(Known(tries=tries), KEY, FIRST)[0], jobs_of(kept, KEY, FIRST)[0]
    assert (after.ever_unknown, after.window_started_at) == (before.ever_unknown, before.window_started_at)
    assert min(len(after.unanswered), 3) == min(len(before.unanswered), 3)
    assert after.answer == before.answer


def test_tries_under_way_are_given_up() -> None:
    """All of them, or those that another run holds; what is answered or lost already stays as it is."""
    mine, lost, answered = one_try(1), one_try(2, lost=True), one_try(3, NO_RIGHT)
    theirs = one_try(4).model_copy(update={"holder": "run-2"})
    facts = Known(tries=(mine, lost, answered, theirs))
    later = NOON + timedelta(days=1)
    gone_mine, gone_theirs = (one.model_copy(update={"lost_at": later}) for one in (mine, theirs))
    assert given_up(facts, later).tries == (gone_mine, lost, answered, gone_theirs)
    assert given_up(facts, later, "run-1").tries == (mine, lost, answered, gone_theirs)
    settled = Known(tries=(lost, answered))
    assert given_up(settled, later) is settled


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


def test_a_push_has_a_bounded_number_of_articles() -> None:
    """What nobody reads goes."""
    articles = tuple(ArticleCheck(idx=number) for number in range(LIST_MAX + 2))
    after = cut(JobFinished(msg_id=7, status="send success", articles=articles, extra={"Unheard": "of"}))
    assert (after.articles, after.extra) == (articles[:LIST_MAX], {})


def test_an_address_that_is_too_long_is_dropped() -> None:
    """Cut short it would lead elsewhere."""
    long, fits = (ArticleCheck(idx=1, url=url, original_url=url) for url in (LONG, LONG[:TEXT_MAX]))
    push = JobFinished(msg_id=7, status="send success", articles=(long, fits))
    assert cut(push).articles == (ArticleCheck(idx=1), fits)


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
