"""A batch that a person has paused by its own key, and its list, too: neither lets go what the other holds back."""

import pytest

from qunfa.contract.batches import OF_LIST
from qunfa.contract.operators import Pause, Resume
from qunfa.send import events
from qunfa.send.answers import refusal
from qunfa.send.events import Answering
from tests.send.alone import Alone
from tests.send.places import BATCH, planned

AN, BO = "u", f"{OF_LIST}run:7"
"""An's updates have such ids, and so have Bo's, whose answers come through the list."""
ANSWERS: dict[str, dict[str, Answering]] = {
    AN: {"pause": Pause(by="an", reason="wrong shop"), "resume": Resume(by="an")},
    BO: {"pause": Pause(by="bo", reason="legal"), "resume": Resume(by="bo")},
}


def says(batch: Alone, identity: str, what: str) -> str | None:
    """Why the answer does not fit; it is judged alike before it is accepted."""
    answer = ANSWERS[identity][what]
    of_list = identity.startswith(OF_LIST)
    before = refusal(batch.engine.request, batch.state, batch.now, answer, of_list=of_list)
    replies: list[str | None] = []
    batch.engine.replied = lambda _update, why: replies.append(why)
    batch.take(events.Updated(identity, answer))
    assert replies == [before]
    return before


@pytest.fixture
def batch() -> Alone:
    """Nothing of it was tried yet."""
    return planned(audience=BATCH)


@pytest.mark.parametrize(("first", "second"), [(AN, BO), (BO, AN)], ids=["by_key_first", "by_list_first"])
@pytest.mark.parametrize(("one", "other"), [(AN, BO), (BO, AN)], ids=["by_key", "by_list"])
def test_a_resume_leaves_the_pause_of_another(batch: Alone, first: str, second: str, one: str, other: str) -> None:
    """Whoever has paused last. The batch goes on once both have resumed it."""
    assert [says(batch, first, "pause"), says(batch, second, "pause")] == [None, None]
    assert says(batch, one, "resume") is None
    assert (batch.step.phase, batch.status.phase) == ("paused", "paused")
    assert says(batch, other, "resume") is None
    assert batch.status.phase != "paused"


def test_a_paused_batch_says_who_holds_it(batch: Alone) -> None:
    """A person by its own key, or who has paused its list."""
    says(batch, BO, "pause")
    seen = batch.status
    assert (seen.paused_by, seen.list_paused_by, batch.step.why) == (None, "bo", "resume of the list: paused by bo")
    assert ("pause" in seen.answers, "resume" in seen.answers) == (True, False)
    says(batch, AN, "pause")
    seen = batch.status
    assert (seen.paused_by, seen.list_paused_by, batch.step.why) == ("an", "bo", "resume: paused by an")
    assert ("pause" in seen.answers, "resume" in seen.answers) == (False, True)


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (AN, BO, "resume does not fit now: an has paused this batch by its own key"),
        (BO, AN, "resume does not fit now: bo has paused the list of this batch: resume that"),
    ],
    ids=["by_key", "by_list"],
)
def test_a_pause_of_another_is_not_resumed(batch: Alone, one: str, other: str, why: str) -> None:
    """Who has paused nothing is told who has, and where."""
    says(batch, one, "pause")
    assert says(batch, other, "resume") == why
    assert batch.step.phase == "paused"
    says(batch, one, "resume")
    assert says(batch, other, "resume") == "resume does not fit now: this send is not paused"


def test_who_has_paused_the_list_may_resume_its_batch(batch: Alone) -> None:
    """By its own key as well: a list that was terminated may not be started again. A pause of another stays."""
    says(batch, BO, "pause")
    says(batch, AN, "pause")
    own = events.Updated("own", Resume(by=" Bo "))
    batch.take(own)
    assert (batch.status.paused_by, batch.status.list_paused_by) == (None, "bo")
    batch.take(events.Updated("again", own.answer))
    assert (batch.status.paused_by, batch.status.list_paused_by) == (None, None)
    assert batch.status.phase != "paused"


def test_a_batch_is_paused_once_by_each(batch: Alone) -> None:
    """The second one is told who has paused it, as of any send."""
    for who, by in ((AN, "an"), (BO, "bo")):
        assert [says(batch, who, "pause"), says(batch, who, "pause")] == [None, f"paused by {by} already"]
