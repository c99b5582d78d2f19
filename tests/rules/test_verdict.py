"""WeChat's word on a job: what it means, and what it must be before the job is submitted once more."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.result import ArticleCheck, Counts, JobFinished, Verdict
from qunfa.contract.steps import JobStatus
from qunfa.rules.problems import PROBLEMS
from qunfa.rules.verdict import Judgement, best, err_code, judge, verdict_of_poll, verdict_of_push
from qunfa.send.questions import is_under_way, objection
from tests.rules import arbitrary
from tests.rules.sentences import is_well_written

SOME = Counts(total=100, filter=98, sent=97, error=1)
NOBODY = Counts(total=100, filter=98, sent=0, error=98)
NO = {
    "send fail": "send_failed",
    "err(10001)": "content_refused",
    "err(20001)": "content_refused",
    "err(20002)": "content_refused",
    "err(20004)": "content_refused",
    "err(20006)": "content_refused",
    "err(20008)": "content_refused",
    "err(20013)": "content_refused",
    "err(21000)": "content_refused",
    "err(22000)": "content_refused",
    "err(20431)": "content_refused",
    "err(4294967296)": "content_refused",
    "err(30001)": "originality_check_error",
    "err(30002)": "originality_forbidden",
    "err(30003)": "reprint_needs_decision",
    "err(40001)": "admin_refused",
    "err(40002)": "admin_timeout",
}
YES = {"send success": "sent", "delete": "deleted"}


def spellings(status: str) -> list[str]:
    """The ways in which WeChat, its mocks and ``mass/get`` write one status."""
    plain = {status, status.replace(" ", ""), status.replace("(", " ( ").replace(")", " ) "), f" {status}\n"}
    if "err" not in status:
        plain.add(status.replace(" ", "_"))
    return sorted({variant for one in plain for variant in (one, one.upper(), one.title())})


@pytest.mark.parametrize(
    ("spelt", "wanted"),
    [(spelt, Judgement(delivered=False, name=name)) for status, name in NO.items() for spelt in spellings(status)]
    + [(spelt, Judgement(delivered=True, name=name)) for status, name in YES.items() for spelt in spellings(status)],
)
def test_every_status_in_every_spelling(spelt: str, wanted: Judgement) -> None:
    """Blanks and case do not count."""
    assert judge(Verdict(status=spelt, observed_by="push", counts=SOME if wanted.delivered else None)) == wanted
    assert wanted.delivered or wanted.name in PROBLEMS


@pytest.mark.parametrize("status", ["", "SENDING", "sending", "err()", "err(x)", "success", "err(30003) maybe", "fail"])
def test_other_texts_are_no_verdict(status: str) -> None:
    """What WeChat has not been seen to say decides nothing."""
    assert judge(Verdict(status=status, observed_by="push")) is None
    assert verdict_of_poll(status) is None


@given(st.text(max_size=30) | st.integers().map(lambda number: f"err({number})"))
def test_any_text_can_be_judged(status: str) -> None:
    """No text raises, and no text is a yes but the known ones."""
    judged = judge(Verdict(status=status, observed_by="push"))
    if judged and judged.delivered:
        assert "".join(status.split()).lower() in {"sendsuccess", "send_success", "delete"}


def test_a_very_long_number_is_no_code() -> None:
    """Python refuses to read numbers of thousands of digits."""
    assert err_code(f"err({'9' * 5000})") is None


@pytest.mark.parametrize(
    ("counts", "name"),
    [
        (None, "sent"),
        (SOME, "sent"),
        (Counts(total=100, filter=0, sent=0), "sent_nobody"),
        (Counts(total=100, filter=98, sent=0, error=98), "sent_nobody"),
        (Counts(total=100, filter=98, sent=0, error=99), "sent_nobody"),
        (Counts(total=100, filter=98, sent=0, error=97), "sent"),
        (Counts(total=4_000_000, filter=3_900_000, sent=0), "sent"),
        (Counts(total=100, filter=0, sent=5), "sent"),
    ],
)
def test_a_success_that_reached_nobody_is_flagged(counts: Counts | None, name: str) -> None:
    """All must be filtered out, or have failed: who is told of nobody sends again.

    WeChat counts before all is done, and its counts are not exact. A poll has no counts and says ``sent``.
    """
    assert judge(Verdict(status="send success", observed_by="push", counts=counts)) == Judgement(
        delivered=True, name=name
    )


@pytest.mark.parametrize("status", NO)
def test_a_no_that_reached_somebody_is_a_yes(status: str) -> None:
    """Else it would be submitted again, to all. WeChat has not been seen to say that."""
    pushed = Verdict(status=status, observed_by="push", counts=Counts(total=100, filter=98, sent=1, error=97))
    assert judge(pushed) == Judgement(delivered=True, name="sent")
    for other in (Verdict(status="SEND_FAIL", observed_by="poll"), pushed.model_copy(update={"counts": NOBODY})):
        assert judge(other) == Judgement(delivered=False, name="send_failed" if other.counts is None else NO[status])
        assert best([pushed, other]) == best([other, pushed]) == pushed
    plain = Verdict(status="send success", observed_by="push", counts=SOME)
    assert best([pushed, plain]) == best([plain, pushed]) == plain


@given(st.lists(arbitrary.verdicts))
def test_a_yes_is_never_replaced_by_a_no(told: list[Verdict]) -> None:
    """What was delivered cannot be undelivered; and what stands is a verdict that was told."""
    judged, stands = list(filter(None, map(judge, told))), best(told)
    assert (stands is None) is (not judged)
    if stands is not None:
        after = judge(stands)
        assert stands in told
        assert after is not None
        assert after.delivered is any(one.delivered for one in judged)


@given(arbitrary.verdicts)
def test_no_verdict_replaces_nothing(known: Verdict) -> None:
    """SENDING after a verdict is an old message."""
    assert best([known, Verdict(status="SENDING", observed_by="push")]) == best([known])


@pytest.mark.parametrize("status", ["send success", "send fail"])
def test_of_two_alike_a_push_beats_a_poll(status: str) -> None:
    """In either order."""
    less, more = Verdict(status=status, observed_by="poll"), Verdict(status=status, observed_by="push")
    assert best([less, more]) == best([more, less]) == more


def test_of_two_pushes_alike_the_earlier_one_stands() -> None:
    """WeChat tells the same job once; what comes again may be forged."""
    first = Verdict(status="send success", observed_by="push", counts=SOME)
    again = Verdict(status="send success", observed_by="push")
    assert best([first, again]) is first
    assert best([again, first]) is again


def test_a_push_brings_all_of_its_verdict() -> None:
    """Its words, its counts, and what was checked."""
    article = ArticleCheck(idx=1, url="https://x.test")
    pushed = JobFinished(msg_id=7, status="err(30003)", counts=SOME, check_state=3, articles=(article,))
    assert verdict_of_push(pushed) == Verdict(
        status="err(30003)", observed_by="push", counts=SOME, check_state=3, articles=(article,)
    )


MINUTE = timedelta(minutes=1)


def against(said: JobStatus, after: timedelta = timedelta(hours=1)) -> str | None:
    """What stands against it, so long after the job was accepted."""
    return objection(said, 7, after, repeat=MINUTE)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (JobStatus(status="SENDING"), "would double it"),
        (JobStatus(status="SENDING"), "WeChat now says SENDING of"),
        (JobStatus(errcode=89504), "WeChat still asks the administrator about msg_id 7 (89504)"),
        (JobStatus(status="DELETE"), "WeChat now says DELETE of"),
        (JobStatus(status="SEND_SUCCESS"), "would double it"),
        (JobStatus(status="DELETE"), "would double it"),
        (JobStatus(errcode=89504), "would double it"),
        (JobStatus(errcode=89505), "would double it"),
        (JobStatus(errcode=45009, errmsg="reach max api daily quota limit"), "it answered 45009 reach max"),
        (JobStatus(errcode=48001), "it answered 48001)"),
        (JobStatus(status="SEND_PAUSED"), "it answered SEND_PAUSED"),
        (JobStatus(), "retry later"),
    ],
)
def test_what_is_no_clear_no_stands_against_a_second_submission(said: JobStatus, words: str) -> None:
    """Whatever it is, the sentence says so, and which job it is."""
    sentence = against(said)
    assert sentence is not None
    assert words in sentence
    assert "msg_id 7" in sentence
    assert is_well_written(sentence.replace("SEND_PAUSED", ""))


@given(
    st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["SENDING", "send success", "err(30001)", "SEND_FAIL"])),
    st.one_of(st.none(), st.integers(-1, 99_999), st.sampled_from([40059, 89504, 89505])),
    st.timedeltas(timedelta(0), timedelta(days=40)),
)
def test_only_a_no_lets_it_be_made(status: str | None, errcode: int | None, after: timedelta) -> None:
    """Nothing else that WeChat may say or not say does; what is under way never does."""
    said = JobStatus(status=status, errcode=errcode)
    if against(said, after) is None:
        assert not is_under_way(said)
        verdict = verdict_of_poll(status) if status else None
        judgement = judge(verdict) if verdict else None
        assert (judgement and not judgement.delivered) or (status is None and errcode == 40059 and after >= 2 * MINUTE)
