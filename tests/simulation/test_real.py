"""What the simulation says is so: the same scripts on a real Temporal, with the simulator as WeChat."""

from dataclasses import replace
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.simulation.real import compared
from tests.simulation.rest import Resting

LIVES = (0, 1, 3, 5, 6, 7, 9, 10, 11, 13, 16, 17, 20, 21)
"""The seeds: each life has an event, an answer of WeChat's or a refusal that those before it have not."""
SOON = 10.0
"""Seconds after which a stage that tells another story is not waited for any longer."""


def test_a_life_at_rest_has_the_same_script_again() -> None:
    """And another seed has another one."""
    assert Resting(3).play() == Resting(3).play()
    assert Resting(3).play() != Resting(4).play()


def test_a_lost_account_is_seen_as_it_was_until_the_next_begins() -> None:
    """It was frozen, and nobody had been told: no run tells the next account anything, so that Temporal has none."""
    script = Resting(134_265_754).play()
    assert [cue.what for cue in script.cues][1:3] == ["freeze", "lose the ledger"]
    assert script.books is not None
    assert script.books.frozen


@pytest.mark.long
async def test_a_real_server_tells_the_same_story(temporal_server: Client, tmp_path: Path) -> None:
    """Every page at rest, refusal, end, and what is left at WeChat and in the ledger. `--real 200` plays others."""
    found = await compared(temporal_server, tmp_path, [Resting(seed).play() for seed in LIVES])
    for _seed, error in found:
        raise error


@pytest.mark.long
async def test_another_story_on_a_real_server_is_noticed(temporal_server: Client, tmp_path: Path) -> None:
    """The check can fail: one job is told to be otherwise than it was, one answer to be taken."""
    scripts = {script.seed: script for script in (Resting(seed).play() for seed in LIVES)}
    judged = next(one for one in scripts.values() if any(call.status for call in one.calls))
    judged.calls = [replace(call, status="err(20001)") if call.status else call for call in judged.calls]
    answered = next(one for one in scripts.values() if one is not judged and any(cue.refusal for cue in one.cues))
    next(cue for cue in answered.cues if cue.refusal).refusal = None
    found = await compared(temporal_server, tmp_path, [judged, answered], SOON)
    assert {seed for seed, _error in found} == {judged.seed, answered.seed}
