"""Whole lives: from a seed, from a script, and the shortest script that still breaks a promise."""

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from tests.simulation.listed import Listed
from tests.simulation.restores import Restored, RestoredList
from tests.simulation.rests import RestoredRests, Rests
from tests.simulation.room import room
from tests.simulation.world import Happening, World

FIRST_SEED: Final = "LIVES_FROM"
"""The environment variable with the seed from which on the tests play, if that is not the first one."""
KIND_MAX: Final = 60
STEPS: Final = 200
"""How much happens in a life before it is brought to its end."""
Kind = Literal["sends", "lists", "restores", "restored lists", "rests", "restored rests"]
"""What a life has: sends alone, a send in batches beside them, a Temporal that is restored from a snapshot, or both.

Others have a send in batches, and keys that go by its report.
"""
WORLDS: Final[dict[Kind, type[World]]] = {
    "sends": World,
    "lists": Listed,
    "restores": Restored,
    "restored lists": RestoredList,
    "rests": Rests,
    "restored rests": RestoredRests,
}
OPTIONS: Final[dict[Kind, str]] = {
    "sends": "",
    "lists": "--lists",
    "restores": "--restores",
    "restored lists": "--lists --restores",
    "rests": "--rests",
    "restored rests": "--rests --restores",
}
"""How each is asked for."""


class Broken(NamedTuple):
    """A life that broke a promise, or in which something failed."""

    seed: int
    gentle: bool
    kind: Kind
    script: tuple[Happening, ...]
    why: str
    story: tuple[str, ...]

    @property
    def again(self) -> str:
        """The command that plays it again."""
        options = " ".join(filter(None, ["--gentle" if self.gentle else "", OPTIONS[self.kind]]))
        return f"make simulate SEED={self.seed}" + (f' ARGS="{options}"' if options else "")


def life(
    seed: int,
    *,
    gentle: bool = False,
    kind: Kind = "sends",
    steps: int = STEPS,
    script: Sequence[Happening] | None = None,
) -> World | Broken:
    """The life of this seed, which comes to its end in peace; or what breaks in it.

    With a ``script`` this happens, and what can happen of it.
    """
    world = WORLDS[kind](seed, gentle=gentle)
    try:
        with room(seed, is_forgetful=world.is_forgetful):
            for one in script if script is not None else [None] * steps:
                world.carry_out(one) if one is not None else world.happen()
            world.calm()
    except AssertionError as error:
        played = tuple(world.script if script is None else script)
        return Broken(seed, gentle, kind, played, str(error), tuple(world.story))
    return world


def shortest(found: Broken) -> Broken:
    """The life with as little as possible happening in it that still breaks something."""
    best, size = found, max(1, len(found.script) // 2)
    while size:
        start, shorter = 0, False
        while start < len(best.script):
            script = best.script[:start] + best.script[start + size :]
            again = _broken_by(best, script)
            if again is None:
                start += size
            else:
                best, shorter = again, True
        size = size // 2 if not shorter or size > 1 else size
        if size == 1 and not shorter:
            break
    return best


def _broken_by(found: Broken, script: tuple[Happening, ...]) -> Broken | None:
    again = life(found.seed, gentle=found.gentle, kind=found.kind, script=script)
    return again if isinstance(again, Broken) and _kind(again) == _kind(found) else None


def _kind(one: Broken) -> str:
    """Why it broke, whoever it was."""
    return re.sub(r"\d+", "", one.why[:KIND_MAX])
