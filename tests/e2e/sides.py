"""A real server, worker and simulated WeChat, or the fake: what a caller sees of a send is the same with each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qunfa.client import MassSendFailed, MassSendHandle, MassSendResult, Qunfa, Status, Wait
from qunfa.testing import FakeQunfa
from tests.e2e.stage import Scene
from tests.e2e.test_client import WITHIN
from tests.looking import until


@dataclass
class Side:
    """Who sends, and what it sends; `scene`: of the real one."""

    qunfa: Qunfa
    request: Callable[..., dict[str, Any]]
    scene: Scene | None = None

    async def send(self, key: str = "spring", wait: Wait = "accepted", **more: Any) -> MassSendHandle:
        return await self.qunfa.send(self.request(key, **more), wait=wait, within=WITHIN)

    def handle(self, key: str = "spring") -> MassSendHandle:
        return self.qunfa.handle(self.request()["account"], key)

    @property
    def fake(self) -> FakeQunfa | None:
        """The fake, which a test tells what the real one comes to by itself."""
        return self.qunfa if isinstance(self.qunfa, FakeQunfa) else None

    async def asks(self, handle: MassSendHandle) -> Status:
        """Its status, once it asks a person."""
        return await until(handle.status, lambda status: status.phase == "needs_operator")

    async def ended(self, handle: MassSendHandle) -> MassSendResult:
        """How it has ended, well or badly."""
        try:
            return await handle.result(within=WITHIN)
        except MassSendFailed as failed:
            return failed.result

    def listed(self, openids: int) -> dict[str, Any]:
        """The audience of a list with so many."""
        if self.fake:
            self.fake.plans(openids)
        followers = self.scene.openids(openids) if self.scene else []
        uri = self.scene.file("some.txt", "\n".join(followers).encode()) if self.scene else "file:/a.txt"
        return {"audience": {"kind": "openid_file", "uri": uri}}

    def problem(self, name: str) -> None:
        """Have the next send ask about it."""
        if self.fake:
            self.fake.waits_with(name)
        elif self.scene:
            next(self.scene.problem(name))

    def silence(self) -> None:
        """Have WeChat never say what becomes of the next job."""
        if self.fake:
            self.fake.waits_with("no_verdict")
        elif self.scene:
            self.scene.plan(drop=True, job_status="SENDING")

    async def was_delivered(self) -> bool:
        """Everybody has got the message once; a fake delivers nothing."""
        return self.scene is None or await self.scene.everyone_once()
