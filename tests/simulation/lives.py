"""Whole lives: from a seed, from a script, and the shortest script that still breaks a promise."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, Literal, NamedTuple

from tests.simulation.listed import Listed
from tests.simulation.restores import Restored, RestoredList
from tests.simulation.world import Happening, World

FIRST_SEED: Final = "LIVES_FROM"
"""The environment variable with the seed from which on the tests play, if that is not the first one."""
KIND_MAX: Final = 60
STEPS: Final = 200
"""How much happens in a life before it is brought to its end."""
Kind = Literal["sends", "lists", "restores", "restored lists"]
"""What a life has: sends alone, a send in batches beside them, a Temporal that is restored from a snapshot, or both."""
WORLDS: Final[dict[Kind, type[World]]] = {
    "sends": World,
    "lists": Listed,
    "restores": Restored,
    "restored lists": RestoredList,
}
OPTIONS: Final[dict[Kind, str]] = {
    "sends": "",
    "lists": "--lists",
    "restores": "--restores",
    "restored lists": "--lists --restores",
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


def lived(seed: int, *, gentle: bool = False, steps: int = STEPS) -> World:
    """A world in which so much has happened, and that was brought to its end in peace.

    Raises:
        AssertionError: a promise is broken, or the product fails; its note is the story.
    """
    world = World(seed, gentle=gentle)
    return _told(world, [world.happen] * steps)


def replayed(seed: int, script: Sequence[Happening], *, gentle: bool = False) -> World:
    """The world in which this happens, and what can happen of it.

    Raises:
        AssertionError: as :func:`lived`.
    """
    world = World(seed, gentle=gentle)
    return _told(world, [partial(world.carry_out, one) for one in script])


def life(seed: int, *, gentle: bool = False, kind: Kind = "sends", steps: int = STEPS) -> World | Broken:
    """The life of this seed; or what breaks in it."""
    world = WORLDS[kind](seed, gentle=gentle)
    try:
        return _told(world, [world.happen] * steps)
    except AssertionError as error:
        return Broken(seed, gentle, kind, tuple(world.script), str(error), tuple(world.story))


def broken(seed: int, *, gentle: bool = False, kind: Kind = "sends", steps: int = STEPS) -> Broken | None:
    """What breaks in the life of this seed."""
    found = life(seed, gentle=gentle, kind=kind, steps=steps)
    return found if isinstance(found, Broken) else None


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
    world = WORLDS[found.kind](found.seed, gentle=found.gentle)
    try:
        _told(world, [partial(world.carry_out, one) for one in script])
    except AssertionError as error:
        again = found._replace(script=script, why=str(error), story=tuple(world.story))
        return again if _kind(again) == _kind(found) else None
    return None


def _kind(one: Broken) -> str:
    """Why it broke, whoever it was."""
    return re.sub(r"\d+", "", one.why[:KIND_MAX])


def _told(world: World, happenings: Iterable[Callable[[], None]]) -> World:
    try:
        for happen in happenings:
            happen()
        world.calm()
    except AssertionError as error:
        error.add_note("\n".join([f"seed {world.seed}", *world.story]))
        raise
    return world
