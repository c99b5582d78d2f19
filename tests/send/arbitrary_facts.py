"""Arbitrary facts of one key, for properties: tries of every kind, words, owners and decisions."""

from datetime import timedelta

from hypothesis import strategies as st

from qunfa.contract.facts import Decided, Known, Owned, Said, Try
from qunfa.contract.result import Answer
from tests.rules.arbitrary import NOON, errcodes, moments, msg_ids, verdicts

KEY = "spring"
FIRST = "0123456789abcdef0123-0000-00"
IDS = (FIRST, f"{FIRST[:-2]}01", f"{FIRST[:-2]}02")

wishes = st.integers(1, 6).map(lambda number: f"wish-{number}")
answers = st.builds(
    Answer,
    kind=st.sampled_from(["accepted", "duplicate", "refused", "unknown", "not_written", "unused"]),
    at=moments,
    errcode=st.none() | errcodes,
    msg_id=st.none() | msg_ids,
    detail=st.none() | st.just("reset by peer"),
)
tries = st.builds(
    Try,
    generation=st.integers(0, 2),
    number=st.integers(1, 8),
    wish=wishes,
    clientmsgid=st.sampled_from(IDS),
    not_before=moments,
    holder=st.sampled_from(["run-1", "run-2"]),
    answer=st.none() | answers,
    lost_at=st.none() | moments,
)
said = st.builds(Said, msg_id=msg_ids, verdict=verdicts, at=moments)
owned = st.builds(Owned, msg_id=msg_ids, key=st.sampled_from([KEY, "autumn"]), generation=st.integers(0, 2))
decided = st.builds(
    Decided,
    id=st.integers(1, 5).map(lambda number: f"update-{number}"),
    what=st.sampled_from(["retry", "open", "mark_sent", "abort"]),
    by=st.just("li"),
    reason=st.just("looked"),
    at=moments,
    generation=st.integers(0, 1),
    covers=st.lists(wishes, max_size=3).map(tuple),
    opens=st.none() | st.sampled_from(IDS),
    confirms=st.booleans(),
    msg_id=st.none() | msg_ids,
)
known = st.builds(
    Known,
    tries=st.lists(tries, max_size=6).map(tuple),
    said=st.lists(said, max_size=4).map(tuple),
    owned=st.lists(owned, max_size=3).map(tuple),
    decided=st.lists(decided, max_size=3).map(tuple),
)


def a_try(number: int = 1, answer: Answer | None = None, *, generation: int = 0, lost: bool = False) -> Try:
    """The try of this number, an hour after the one before."""
    began = NOON + timedelta(hours=number - 1)
    return Try(
        generation=generation,
        number=number,
        wish=f"wish-{number}",
        clientmsgid=IDS[generation],
        not_before=began,
        holder="run-1",
        answer=answer,
        lost_at=began + timedelta(minutes=1) if lost else None,
    )
