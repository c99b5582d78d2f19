"""A worker whose configuration differs from that of the stage's, for one scene alone."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from qunfa.settings import Settings
from tests.e2e.stage import Scene, working
from tests.notices.webhook import SECRET, Receiver


@asynccontextmanager
async def own_worker(
    scene: Scene,
    *,
    media: dict[str, Any] | None = None,
    account: dict[str, Any] | None = None,
    timing: dict[str, float] | None = None,
) -> AsyncIterator[Settings]:
    """A worker with these differences in `[media]`, `[timing]` and the scene's account, which alone serves the scene.

    Gives its configuration.
    """
    scene.queue = f"{scene.queue}-{scene.account}"
    raw = scene.stage.settings.model_dump()
    raw["task_queue"] = scene.queue
    raw["media"] |= media or {}
    raw["timing"] |= timing or {}
    raw["accounts"] = {scene.account: raw["accounts"][scene.account] | (account or {})}
    settings = Settings.model_validate(raw)
    async with working(scene.client, settings):
        yield settings


def own_worker_again(scene: Scene, account: dict[str, Any]) -> AbstractAsyncContextManager[Settings]:
    """Another worker on the queue that the scene has already."""
    scene.queue = scene.queue.removesuffix(f"-{scene.account}")
    return own_worker(scene, account=account)


def webhook(receiver: Receiver, **more: Any) -> dict[str, Any]:
    """The account's configuration with one webhook."""
    return {"notices": {"oncall": {"url": receiver.url, "secret": SECRET, **more}}}
