"""A recall in the account's ledger: beside the verdicts, which stand."""

from datetime import timedelta

from qunfa.contract.event import JobFinished
from qunfa.contract.job import Answer
from qunfa.contract.ledger import AccountState, Claim, Recalled, Told
from qunfa.rules import ledger
from qunfa.rules.ledger import RECALLS_MAX
from tests.rules.arbitrary import CLIENTMSGID, NOON


def delivered() -> AccountState:
    """The ledger with a delivered job."""
    state = AccountState(appid="wx", since=NOON)
    accepted = Answer(kind="accepted", at=NOON, msg_id=7)
    note = Told(key="k", digest="d", workflow_id="w", attempt=1, clientmsgid=CLIENTMSGID, answer=accepted)
    state, _ = ledger.told(state, note, NOON)
    state, _ = ledger.push(state, JobFinished(msg_id=7, status="send success"), NOON)
    return state


def told(state: AccountState, *recalls: Recalled, digest: str = "d") -> AccountState:
    """The ledger once it was told of them."""
    for recalled in recalls:
        note = Told(key="k", digest=digest, workflow_id="w", recalled=recalled)
        state, forwards = ledger.told(state, note, NOON + timedelta(hours=1))
        assert forwards == ()
    return state


def recalled(article_idx: int | None = None) -> Recalled:
    """A recall of the job."""
    return Recalled(at=NOON, msg_id=7, article_idx=article_idx, by="li", reason="wrong price")


def test_what_was_delivered_stays_delivered() -> None:
    """A recall is no verdict: the job, the quota book and the end of the send are as they were."""
    before = delivered()
    after = told(before, recalled())
    assert after.records["k"].recalled == (recalled(),)
    assert after.records["k"].jobs == before.records["k"].jobs
    assert (after.book, after.kept) == (before.book, before.kept)


def test_it_is_noted_once_however_often_it_is_told() -> None:
    """The activity that tells may be repeated; recalls of other articles are others."""
    state = told(delivered(), recalled(), recalled(), recalled(2), recalled())
    assert state.records["k"].recalled == (recalled(), recalled(2))


def test_only_the_newest_are_kept() -> None:
    """The ledger has to stay small."""
    state = told(delivered(), *(recalled(number) for number in range(1, RECALLS_MAX + 3)))
    assert [one.article_idx for one in state.records["k"].recalled] == list(range(3, RECALLS_MAX + 3))


def test_a_claim_keeps_it() -> None:
    """Whoever starts the send again finds the delivery, and its recall."""
    state, answer = ledger.claim(told(delivered(), recalled()), Claim(key="k", digest="d", workflow_id="w"), NOON)
    if answer.kind == "miss":
        claim = Claim(key="k", digest="d", workflow_id="w", searched=True)
        state, answer = ledger.claim(state, claim, NOON)
    assert answer.record is not None
    assert answer.record.recalled == (recalled(),)
    assert answer.record.jobs[0].verdict is not None


def test_another_contents_recall_is_not_noted() -> None:
    """The key stands for something else."""
    assert told(delivered(), recalled(), digest="other").records["k"].recalled == ()
