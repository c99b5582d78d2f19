import pytest

from qunfa.contract.ledger import Day, SendsCounted
from qunfa.contract.result import Answer, ArticleCheck, Job, Verdict
from qunfa.rules.problems import ABORT, MARK_SENT, PROBLEMS, RETRY, describe
from tests.rules.arbitrary import CLIENTMSGID, NOON

NEW = Job(clientmsgid=CLIENTMSGID)


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_can_be_ended(name: str) -> None:
    """A sentence, something to do, and ``abort`` at least."""
    choice = PROBLEMS[name]
    assert choice.sentence.endswith(".")
    assert choice.todo.endswith(".")
    assert ABORT in choice.answers
    assert set(choice.answers) <= {RETRY, MARK_SENT, ABORT}
    assert describe(name, NEW).name == name


@pytest.mark.parametrize("name", ["content_refused", "originality_forbidden", "clientmsgid_collision"])
def test_what_would_happen_again_is_not_retried(name: str) -> None:
    """Refused content stays refused; a collision has no id to retry under."""
    assert RETRY not in PROBLEMS[name].answers


def test_what_may_be_out_is_only_submitted_anew_as_a_new_generation() -> None:
    """The problems of a submission that WeChat took, or may have taken, never reuse its clientmsgid."""
    taken = {"reprint_needs_decision", "originality_check_error", "admin_refused", "admin_timeout", "send_failed"}
    again = {name for name, choice in PROBLEMS.items() if choice.new_generation}
    assert again == taken | {"unknown_outcome", "not_delivered"}


def test_a_refusal_has_wechats_words() -> None:
    """errcode, errmsg and rid, and the code's meaning in the sentence."""
    said = Answer(kind="refused", at=NOON, errcode=40164, errmsg="invalid ip 1.2.3.4", rid="r-1")
    problem = describe("ip_not_whitelisted", NEW.model_copy(update={"answer": said}))
    assert (problem.errcode, problem.errmsg, problem.rid) == (40164, "invalid ip 1.2.3.4", "r-1")
    assert "40164" in problem.sentence


def test_a_verdict_has_its_articles() -> None:
    """A reprint shows what was found, so that a person can decide."""
    articles = (ArticleCheck(idx=1, audit_state=3, original_url="https://example.com", can_reprint=True),)
    verdict = Verdict(status="err(30003)", observed_by="push", check_state=3, articles=articles)
    problem = describe("reprint_needs_decision", NEW.model_copy(update={"msg_id": 7, "verdict": verdict}))
    assert (problem.errcode, problem.errmsg, problem.articles) == (30003, "err(30003)", articles)


def test_articles_are_spoken_of_where_there_are_some() -> None:
    """WeChat does not always tell them: nobody is sent to look for what is not there."""
    job = NEW.model_copy(update={"msg_id": 7, "verdict": Verdict(status="err(30003)", observed_by="poll")})
    found = ArticleCheck(idx=1, original_url="https://example.com")
    shown = NEW.model_copy(
        update={"msg_id": 7, "verdict": Verdict(status="err(30003)", observed_by="push", articles=(found,))}
    )
    assert "below" not in describe("reprint_needs_decision", job).todo
    assert describe("reprint_needs_decision", shown).todo.startswith("Look at the articles below. Retry with")
    assert "--send-ignore-reprint" in describe("reprint_needs_decision", job).todo


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("detail", ["it broke", "it broke.", "it broke.. "])
def test_what_is_said_ends_with_one_full_stop(name: str, detail: str) -> None:
    """Whatever it quotes."""
    answer = Answer(kind="refused", at=NOON, detail=detail)
    problem = describe(name, NEW.model_copy(update={"answer": answer, "window_started_at": NOON}))
    for text in (problem.sentence, problem.todo):
        assert text.endswith(".")
        assert ".." not in text


@pytest.mark.parametrize(("status", "meaning"), [("err(20006)", "crime"), ("err(20431)", "not published")])
def test_a_refused_content_says_why(status: str, meaning: str) -> None:
    """In WeChat's published words, where it has any."""
    verdict = Verdict(status=status, observed_by="push")
    assert meaning in describe("content_refused", NEW.model_copy(update={"verdict": verdict})).sentence


def test_material_that_died_tells_what_that_may_mean() -> None:
    """A draft dies with its delivery, and a retry would make another one."""
    dead = Answer(kind="refused", at=NOON, errcode=40007)
    first = NEW.model_copy(update={"answer": dead})
    assert "console" not in describe("media_refused", first).sentence
    assert "console" in describe("media_refused", first.model_copy(update={"generation": 1})).sentence


def test_the_address_for_the_whitelist_is_named() -> None:
    """In the sentence and in what to do, to be copied; where WeChat names none, its message is referred to."""
    said = Answer(kind="refused", at=NOON, errcode=40164, errmsg="invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not")
    problem = describe("ip_not_whitelisted", NEW.model_copy(update={"answer": said}))
    assert "from this worker's address 203.0.113.9; nothing was sent." in problem.sentence
    assert problem.todo.startswith("Put 203.0.113.9 on the account's IP whitelist")
    unnamed = said.model_copy(update={"errmsg": "not in whitelist"})
    problem = describe("ip_not_whitelisted", NEW.model_copy(update={"answer": unnamed}))
    assert problem.todo.startswith("Put the address named in WeChat's message on the account's IP whitelist")


@pytest.mark.parametrize("errcode", [45009, 45028])
def test_what_is_known_of_the_quota_is_said(errcode: int) -> None:
    """By the ledger's book, as WeChat does not tell how many sends are left."""
    said = Answer(kind="refused", at=NOON, errcode=errcode, errmsg="limit")
    job = NEW.model_copy(update={"answer": said})
    counted = SendsCounted(today=Day(total=3, to_all=1), month=Day(total=9, to_all=4, others=2), since=NOON)
    sentence = describe("quota_exhausted", job, counted).sentence
    assert "3 accepted today (1 to all), 9 this month (4 to all), and 2 more made elsewhere this month" in sentence
    assert "Counted here" not in describe("quota_exhausted", job).sentence
    assert "Counted here" not in describe("account_refused", job, counted).sentence
