"""Lives of sends and accounts without a server: whatever happens, in whatever order, the promises hold."""

import os

import pytest

from qunfa.contract.facts import Try
from qunfa.rules import memory
from tests.simulation.controls import CONTROLS
from tests.simulation.lives import FIRST_SEED, Broken, life, shortest
from tests.simulation.missed import WITHIN, is_missed, told_seed
from tests.simulation.world import World

PARTS = 4
LIVES = 50
LISTED = 9
RESTORED = 6
RESTORED_LISTS = 11
RESTS = 8
RESTORED_RESTS = 4
"""Lives of a part: of all parts so many as it takes until each rule of `CONTROLS` is missed."""
GENTLE = 40


def whole(found: World | Broken) -> World:
    """A life in which nothing broke; else the test fails with the shortest story."""
    if isinstance(found, Broken):
        short = shortest(found)
        pytest.fail("\n".join([*short.story, f"{short.why}: {short.again}"]), pytrace=False)
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_the_promises_hold_whatever_happens(part: int) -> None:
    """Lost answers, workers, runs and ledgers, resets, slow calls, people who hold it up. `make simulate` has more."""
    first = int(os.environ[FIRST_SEED]) + part * LIVES
    for seed in range(first, first + LIVES):
        whole(life(seed))


@pytest.mark.parametrize("part", range(PARTS))
def test_the_promises_of_a_send_in_batches_hold(part: int) -> None:
    """Its batches are lost, asked about and answered like any send; and so is the send itself."""
    first = int(os.environ[FIRST_SEED]) + part * LISTED
    for seed in range(first, first + LISTED):
        whole(life(seed, kind="lists"))


@pytest.mark.parametrize("part", range(PARTS))
def test_the_promises_hold_when_temporal_is_restored(part: int) -> None:
    """It forgets what was submitted, heard and decided since its snapshot. People follow docs/deployment.md."""
    first = int(os.environ[FIRST_SEED])
    for seed in range(first + part * RESTORED, first + (part + 1) * RESTORED):
        whole(life(seed, kind="restores"))
    for seed in range(first + part * RESTORED_LISTS, first + (part + 1) * RESTORED_LISTS):
        whole(life(seed, kind="restored lists"))


@pytest.mark.parametrize("part", range(PARTS))
def test_nobody_is_reached_by_a_list_and_by_its_rest(part: int) -> None:
    """Others go by its report under keys of their own, also too early, and whatever is lost or reset meanwhile."""
    first = int(os.environ[FIRST_SEED])
    for seed in range(first + part * RESTS, first + (part + 1) * RESTS):
        whole(life(seed, kind="rests"))
    for seed in range(first + part * RESTORED_RESTS, first + (part + 1) * RESTORED_RESTS):
        whole(life(seed, kind="restored rests"))


def test_where_nothing_is_lost_nothing_is_in_doubt() -> None:
    """However people hold it up, and whatever WeChat answers: no try is unknown, and no end is."""
    for seed in range(GENTLE):
        world = whole(life(seed, gentle=True))
        assert not [one for one in tries_of(world) if memory.is_unknown(one)], "\n".join(world.story)
        believed = [send for send in world.sends if not world.judge.books[send.key].forged]
        assert "unknown" not in {end.outcome for send in believed for end in send.ends}, "\n".join(world.story)


def tries_of(world: World) -> list[Try]:
    """All tries that were made in it."""
    return [one for send in world.sends for one in send.left.tries]


@pytest.mark.parametrize("name", CONTROLS)
def test_a_rule_that_is_taken_away_is_missed(name: str) -> None:
    """The check can fail: in the life that docs/reliability.md names, by the word that is for this rule.

    `python -m tests.simulation --renew` names other lives there.
    """
    assert told_seed(name) < WITHIN
    assert is_missed(name, told_seed(name))


def test_a_seed_tells_the_same_story_again() -> None:
    """And so does its script."""
    first, again = whole(life(7)), whole(life(7))
    assert first.story == again.story
    assert whole(life(7, script=first.script)).story == first.story


def test_a_failure_is_told_as_short_as_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has nothing to do with it is left out, and what is left still fails."""
    CONTROLS["without-approval"].take_out(monkeypatch)
    found = life(told_seed("without-approval"))
    assert isinstance(found, Broken)
    short = shortest(found)
    assert len(short.script) < len(found.script) / 2
    again = life(short.seed, script=short.script)
    assert isinstance(again, Broken)
    assert again.why == short.why
