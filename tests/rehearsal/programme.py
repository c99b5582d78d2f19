"""The scenes in their order. Each one's name is its account's as well, and its docstring the rule that it shows."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from temporalio.exceptions import TemporalError

from tests.e2e.stage import Stage
from tests.e2e.staging import scene_of
from tests.rehearsal import scenes
from tests.rehearsal.act import Act, Deviation, Play, Step

PROGRAMME: Final[Mapping[str, Play]] = MappingProxyType(
    {
        "approval": scenes.approval,
        "pause": scenes.pause,
        "freeze": scenes.freeze,
        "reprint": scenes.reprint,
        "whitelist": scenes.whitelist,
        "silence": scenes.silence,
        "unknown": scenes.unknown,
        "abort": scenes.abort,
        "recall": scenes.recall,
    }
)
SECONDS: Final = 30.0
"""Within which a scene must have ended."""


@dataclass(frozen=True)
class Report:
    """How a scene went. `deviation` says what did not come as it should."""

    name: str
    rule: str
    steps: tuple[Step, ...]
    deviation: str | None
    seconds: float

    @property
    def ok(self) -> bool:
        return self.deviation is None


def rule(play: Play) -> str:
    """What a scene shows."""
    return " ".join((play.__doc__ or "").split())


async def play(stage: Stage, name: str, scene_play: Play, seconds: float = SECONDS) -> Report:
    """Play one scene with the account of this name; it must have ended within so long."""
    began = time.monotonic()
    async with scene_of(stage, name) as scene:
        act = Act(scene)
        deviation = await _deviation(act, scene_play, seconds)
    return Report(name, rule(scene_play), tuple(act.steps), deviation, time.monotonic() - began)


async def _deviation(act: Act, scene_play: Play, seconds: float) -> str | None:
    try:
        async with asyncio.timeout(seconds):
            await scene_play(act)
    except TimeoutError:
        return f"nothing more happened within {seconds:g} s"
    except Deviation as error:
        return str(error)
    except (AssertionError, TemporalError) as error:
        return f"{type(error).__name__}: {error}"
    return None
