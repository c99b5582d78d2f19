"""A worker whose configuration differs from that of the stage's, for one scene alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from qunfa.settings import Settings
from tests.e2e.stage import Scene, working


@asynccontextmanager
async def own_worker(
    scene: Scene, *, media: dict[str, Any] | None = None, account: dict[str, Any] | None = None
) -> AsyncIterator[Settings]:
    """A worker with these differences in `[media]` and in the scene's account, which alone serves the scene.

    Gives its configuration.
    """
    scene.queue = f"{scene.queue}-{scene.account}"
    raw = scene.stage.settings.model_dump()
    raw["task_queue"] = scene.queue
    raw["media"] |= media or {}
    raw["accounts"] = {scene.account: raw["accounts"][scene.account] | (account or {})}
    settings = Settings.model_validate(raw)
    async with working(scene.client, settings):
        yield settings
