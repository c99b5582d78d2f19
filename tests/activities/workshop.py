"""Where material is made: the activities, the simulated WeChat that they ask, and a folder that they may read."""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
from temporalio.testing import ActivityEnvironment

from activities.material import Material
from activities.sources import Reader
from qunfa.contract.message import Made, Source, Uploaded
from qunfa.contract.steps import CheckDraftStep, ConvertStep, DraftFinding, DraftStep, UploadStep
from qunfa.media import SourcePolicy, Sources
from qunfa.simulator import Simulator
from qunfa.simulator.accounts import Account
from qunfa.simulator.materials import Material as Held
from tests.activities.conftest import Desk, ManualClock, activity_info
from tests.media.samples import picture


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return sha256(content).hexdigest()


@dataclass
class Workshop:
    """The activities that make material, the simulated WeChat that they ask, and a folder that they may read."""

    desk: Desk
    sim: Simulator
    folder: Path
    beats: list[str] = field(default_factory=list)
    asked: list[httpx.Request] = field(default_factory=list)

    @property
    def account(self) -> Account:
        return self.sim.world.accounts["demo"]

    @property
    def material(self) -> Material:
        reader = Reader(Sources(SourcePolicy(roots=(self.folder,))))
        return Material(self.desk.settings, self.desk.accounts, reader, ManualClock())

    @property
    def calls(self) -> list[str]:
        """Path and type of every call but those for tokens."""
        urls = [request.url for request in self.asked if "token" not in request.url.path]
        return [f"{url.path}?type={url.params['type']}" if "type" in url.params else url.path for url in urls]

    @property
    def body(self) -> str:
        """The JSON of the last call."""
        return self.asked[-1].content.decode()

    def source(self, use: str, name: str, content: bytes, **more: Any) -> Source:
        """A file as it was found."""
        (self.folder / name).write_bytes(content)
        found = {"place": "message.media", "uri": (self.folder / name).as_uri(), "use": use}
        return Source.model_validate({**found, "sha256": digest(content), "size": len(content), **more})

    def _environment(self, **info: Any) -> ActivityEnvironment:
        environment = ActivityEnvironment()
        environment.info = activity_info(**info)
        environment.on_heartbeat = lambda *details: self.beats.extend(details)
        return environment

    async def upload(self, source: Source, **info: Any) -> Uploaded:
        step = UploadStep(account=self.desk.pinned, source=source)
        return await self._environment(**info).run(self.material.upload, step)

    async def draft(self, *articles: dict[str, Any], **more: Any) -> Made:
        given = [{"title": "t", "thumb": {"media_id": "unused"}, **article} for article in articles]
        fields = {"account": self.desk.pinned, "articles": given, **more}
        return await self._environment().run(self.material.make_draft, DraftStep.model_validate(fields))

    async def check(self, made: Made) -> DraftFinding:
        step = CheckDraftStep(account=self.desk.pinned, media_id=made.media_id, pictures=made.pictures)
        return await self._environment().run(self.material.check_draft, step)

    async def convert(self, media_id: str) -> Made:
        step = ConvertStep(account=self.desk.pinned, media_id=media_id, title="TITLE", description="Description")
        return await self._environment().run(self.material.convert_video, step)

    async def cover(self) -> str:
        """The media_id of a permanent picture."""
        given = await self.upload(self.source("cover", "cover.png", picture()))
        assert given.media_id is not None
        return given.media_id

    async def inside(self, colour: str = "blue") -> str:
        """The URL of an uploaded picture."""
        given = await self.upload(self.source("picture", f"{colour}.png", picture(colour=colour)))
        assert given.url is not None
        return given.url

    def held(self, media_id: str) -> Held:
        """What WeChat has under an id."""
        held = self.account.library.get(media_id)
        assert held is not None
        return held
