"""What a person is asked, in which words, and what of WeChat's own words they are told."""

from typing import Any

import pytest

from qunfa.contract.ledger import Day, SendsCounted
from qunfa.contract.result import NOT_DELIVERED, Answer, ArticleCheck, Job, Verdict
from qunfa.rules.codes import refused_address
from qunfa.rules.evidence import evidence_words
from qunfa.rules.problems import ABORT, CHOOSE, MARK_SENT, PROBLEMS, RETRY, describe, refused_request
from tests.rules.arbitrary import CLIENTMSGID, NOON
from tests.rules.sentences import is_well_written

NEW = Job(clientmsgid=CLIENTMSGID)


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_can_be_ended(name: str) -> None:
    """A sentence, something to do, and ``abort`` at least."""
    choice = PROBLEMS[name]
    assert choice.sentence.endswith(".")
    assert choice.todo.endswith(".")
    assert ABORT in choice.answers
    own = {"batch_failed": {"resume"}, "winner_not_chosen": {CHOOSE}}
    assert set(choice.answers) <= {RETRY, MARK_SENT, ABORT} | own.get(name, set())
    assert describe(name, NEW).name == name


@pytest.mark.parametrize("name", ["content_refused", "originality_forbidden", "clientmsgid_collision"])
def test_what_would_happen_again_is_not_retried(name: str) -> None:
    """Refused content stays refused; a collision has no id to retry under."""
    assert RETRY not in PROBLEMS[name].answers


@pytest.mark.parametrize("name", ["media_refused", "source_changed", "pictures_lost"])
def test_another_file_is_sent_under_a_new_key(name: str) -> None:
    """Corrected in its place, it is another one than was found: a retry would ask for the refused one again."""
    assert "under a new key" in PROBLEMS[name].todo


def test_what_may_be_out_is_only_submitted_anew_as_a_new_generation() -> None:
    """The problems of a submission that WeChat took, or may have taken, never reuse its clientmsgid."""
    taken = {"reprint_needs_decision", "originality_check_error", "admin_refused", "admin_timeout", "send_failed"}
    again = {name for name, choice in PROBLEMS.items() if choice.new_generation}
    assert again == taken | {"unknown_outcome", "not_delivered"}


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
    assert "3 accepted that day (1 to all), 9 that month (4 to all), and 2 more made elsewhere that month" in sentence
    assert "Counted here" not in describe("quota_exhausted", job).sentence
    assert "Counted here" not in describe("account_refused", job, counted).sentence


ARTICLES = (ArticleCheck(idx=1),)
SAID = Answer(kind="refused", at=NOON, errcode=48001, errmsg="no right", rid="r-1")
DEAD_NOW = Answer(kind="refused", at=NOON, errcode=40007)


@pytest.mark.parametrize(
    ("name", "job", "evidence"),
    [
        ("content_refused", {"verdict": "err(20006)"}, (20006, "err(20006)", None, ARTICLES)),
        ("send_failed", {"verdict": "send fail"}, (None, "send fail", None, ARTICLES)),
        ("send_failed", {"verdict": "send fail", "answer": SAID}, (None, "send fail", None, ARTICLES)),
        ("not_delivered", {"verdict": NOT_DELIVERED, "answer": SAID}, (48001, "no right", "r-1", ())),
        ("not_delivered", {"verdict": NOT_DELIVERED}, (None, None, None, ())),
        ("account_refused", {"answer": SAID}, (48001, "no right", "r-1", ())),
        (
            "account_refused",
            {"answer": SAID.model_copy(update={"errmsg": None, "detail": "away"})},
            (48001, "away", "r-1", ()),
        ),
        ("account_refused", {"answer": SAID.model_copy(update={"detail": "away"})}, (48001, "no right", "r-1", ())),
        ("no_verdict", {}, (None, None, None, ())),
    ],
)
def test_the_evidence_is_wechats_last_word(name: str, job: dict[str, Any], evidence: tuple[Any, ...]) -> None:
    """On the job where it has judged it, else on the try."""
    if "verdict" in job:
        job = {**job, "verdict": Verdict(status=job["verdict"], observed_by="push", articles=ARTICLES)}
    found = describe(name, NEW.model_copy(update=job))
    assert (found.errcode, found.errmsg, found.rid, found.articles) == evidence
    assert is_well_written(found.sentence)


@pytest.mark.parametrize(
    ("name", "job", "said", "unsaid"),
    [
        ("content_refused", {"verdict": "err(20006)"}, ["err(20006)", "crime"], []),
        ("content_refused", {"verdict": "send fail"}, ["not published"], []),
        ("content_refused", {"answer": SAID}, ["48001"], ["reason"]),
        ("clientmsgid_collision", {"collides_with": 99}, ["msg_id 99"], []),
        ("no_verdict", {"msg_id": 7}, ["msg_id 7"], ["earlier"]),
        ("no_verdict", {}, ["earlier submission"], ["None"]),
        ("unknown_outcome", {"window_started_at": NOON}, ["2026-12-01 12:00:00+08:00"], ["last word"]),
        (
            "unknown_outcome",
            {"window_started_at": NOON, "answer": SAID},
            ["2026-12-01 12:00:00+08:00", "last word", "48001"],
            [],
        ),
        ("unknown_outcome", {"answer": SAID}, ["WeChat answered 48001"], ["began", "last word"]),
        ("media_refused", {"answer": DEAD_NOW}, ["WeChat answered 40007"], ["console"]),
        ("media_refused", {"answer": DEAD_NOW, "generation": 1}, ["40007", "console"], []),
        ("media_refused", {"answer": SAID, "generation": 1}, ["WeChat answered 48001"], ["console"]),
        ("media_refused", {"generation": 1}, [], ["console", "answered"]),
        ("account_refused", {"answer": SAID}, [" WeChat answered 48001"], []),
        ("account_refused", {"answer": SAID, "verdict": "err(20006)"}, [], ["48001"]),
        ("material_failed", {"answer": Answer(kind="unknown", at=NOON, detail="it broke")}, [], ["broke"]),
        ("material_failed", {"answer": Answer(kind="refused", at=NOON, detail="it broke")}, [" It broke."], []),
        ("material_failed", {}, [], ["answered"]),
    ],
)
def test_a_problem_says_what_is_known_of_its_job(
    name: str, job: dict[str, Any], said: list[str], unsaid: list[str]
) -> None:
    """Behind the sentence that all of its kind have."""
    if "verdict" in job:
        job = {**job, "verdict": Verdict(status=job["verdict"], observed_by="push")}
    sentence = describe(name, NEW.model_copy(update=job)).sentence
    assert sentence.startswith(PROBLEMS[name].sentence)
    more = sentence.removeprefix(PROBLEMS[name].sentence)
    assert ([word for word in said if word not in more], [word for word in unsaid if word in more]) == ([], [])
    assert bool(more) is bool(said)
    assert is_well_written(sentence)


def test_a_refused_request_says_all_that_is_wrong() -> None:
    """Under one name, and with something to do."""
    found = refused_request(["key: must be set", "message: must be shorter"])
    assert (found.name, found.errcode) == ("invalid_request", None)
    assert ("key: must be set" in found.sentence, "message: must be shorter" in found.sentence) == (True, True)
    assert is_well_written(found.todo)
    assert found.todo.endswith(".")


@pytest.mark.parametrize(
    ("errmsg", "rid", "said"),
    [
        ("no quota rid: 64f0-1234-5678", "64f0-1234-5678", "errcode 1, errmsg no quota, rid 64f0-1234-5678"),
        ("no quota, rid 64f0-1", "64f0-1", "errcode 1, errmsg no quota, rid 64f0-1"),
        ("rid: 64f0-1 no quota", "64f0-1", "errcode 1, errmsg no quota, rid 64f0-1"),
        ("rid: 64f0-1", "64f0-1", "errcode 1, rid 64f0-1"),
        ("grid: 64f0-1", "64f0-1", "errcode 1, errmsg grid: 64f0-1, rid 64f0-1"),
        ("no quota rid: 64f0-1", None, "errcode 1, errmsg no quota rid: 64f0-1"),
        (None, "64f0-1", "errcode 1, rid 64f0-1"),
    ],
)
def test_a_rid_is_said_once(errmsg: str | None, rid: str | None, said: str) -> None:
    """It stands in WeChat's text, and is a field of its own: people see the field."""
    assert evidence_words(1, errmsg, rid) == said


@pytest.mark.parametrize(
    ("errmsg", "address"),
    [
        ("invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist rid: 6b-1", "1.2.3.4"),
        ("invalid ip 2001:db8::7, not in whitelist", "2001:db8::7"),
        ("invalid ip: 203.0.113.70", "203.0.113.70"),
        ("not in whitelist rid: 6b-1", None),
        ("invalid ip, not in whitelist", None),
        ("", None),
        (None, None),
    ],
)
def test_the_address_that_wechat_names(errmsg: str | None, address: str | None) -> None:
    """Nothing else of its text is taken for one."""
    assert refused_address(errmsg) == address
