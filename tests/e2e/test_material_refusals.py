"""Bad material: each a clear refusal that names its place, nothing sent, and the worker none the worse."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from qunfa.media import Sources
from tests.e2e.own_worker import own_worker
from tests.e2e.stage import Scene, Stage
from tests.media.samples import picture, png, recording
from tests.media.sources.site import Site, redirect, response, serve
from tests.workflows.failures import failure_of

pytestmark = pytest.mark.long

MB = 1024 * 1024
METADATA = "169.254.169.254"
"""A link-local address, where clouds keep their machines' secrets."""


@dataclass
class Names:
    """A DNS that a test writes; a name with several answers gives them one after the other, and the last for ever."""

    answers: dict[str, list[str]] = field(default_factory=dict)

    async def resolve(self, host: str, _port: int) -> Sequence[str]:
        known = self.answers.get(host, [host])
        return [known.pop(0) if len(known) > 1 else known[0]]


@dataclass
class Cellar:
    """A scene with a worker of its own, a site that this may read, and names that lead wherever a test wants."""

    scene: Scene
    site: Site
    names: Names
    count: int = 0

    def put(self, name: str, content: bytes) -> str:
        """A file that no other test touches; its URI."""
        self.count += 1
        return self.scene.file(f"{self.count}-{name}", content)

    def image(self, name: str, content: bytes) -> dict[str, Any]:
        """An image message of one file."""
        return self.image_at(self.put(name, content))

    def image_at(self, uri: str) -> dict[str, Any]:
        """An image message of what stands at a URI."""
        return {"msgtype": "image", "images": [{"uri": uri}]}

    def voice(self, content: bytes) -> dict[str, Any]:
        """A voice message."""
        return {"msgtype": "voice", "media": {"uri": self.put("a.mp3", content)}}

    def news(self, content: str) -> dict[str, Any]:
        """An article."""
        cover = {"uri": self.put("thumb.jpg", picture("JPEG"))}
        return {"msgtype": "mpnews", "articles": [{"title": "t", "content": content, "thumb": cover}]}

    def redirecting(self, location: str) -> str:
        """A page of the site that leads on to another place."""
        self.count += 1
        self.site.pages[f"/{self.count}.png"] = redirect(location)
        return self.site.url(f"/{self.count}.png")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cellar(stage: Stage) -> AsyncIterator[Cellar]:
    """One for all tests of this module; its account sends news by `uploadnews`."""
    scene, names = stage.scene(), Names()
    await scene.simulate(limits={"to_all_per_month": 100, "user_per_month": 100})
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(serve())
        names.answers["metadata.test"] = [METADATA]
        hosts = [site.authority, *(f"{name}.test:{site.port}" for name in ("metadata", "turning"))]
        media = {"hosts": hosts, "stores": ["s3://ours/campaigns"], "roots": [stage.media / scene.account]}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("activities.Sources", partial(Sources, resolver=names.resolve))
            worker = own_worker(scene, media=media, account={"news_via": "uploadnews"})
            await stack.enter_async_context(worker)
        yield Cellar(scene, site, names)
    await scene.ledger_handle.terminate("the test is over")


Made = Callable[[Cellar], dict[str, Any]]
BAD: dict[str, tuple[Made, str, str]] = {
    "an empty file": (lambda c: c.image("empty.png", b""), "message.images[0]", "it is empty"),
    "a listed name at a link-local address": (
        lambda c: c.image_at(c.site.url("/a.png", host="metadata.test")),
        "message.images[0]",
        f"metadata.test is at {METADATA}, which is no public address",
    ),
    "a redirect to a link-local address": (
        lambda c: c.image_at(c.redirecting(f"http://metadata.test:{c.site.port}/")),
        "message.images[0]",
        "no public address",
    ),
    "too many pictures": (
        lambda c: c.news("".join(f'<img src="{c.put(f"{n}.png", picture())}">' for n in range(101))),
        "message.articles[0].content",
        "at most 100",
    ),
    "a decompression bomb": (
        lambda c: c.image("a.png", png(20_000, 20_000, bytes(20_000 * 2501), depth=1)), "message.images[0]", "pixels"
    ),
    "a voice of 61 seconds": (lambda c: c.voice(recording(61)), "message.media", "at most 60 s"),
}  # fmt: skip


async def test_the_worker_is_unharmed(cellar: Cellar) -> None:
    """Each is refused with its place and the limit, though all come at once. Good messages among them are sent."""
    scene = cellar.scene
    good = cellar.image_at(cellar.put("good.png", picture()))
    bad = {what: await scene.start(what.replace(" ", "-"), message=made(cellar)) for what, (made, _, _) in BAD.items()}
    amid = await scene.start("amid", message=good)
    refusals = dict(zip(bad, await asyncio.gather(*map(scene.refusal, bad.values())), strict=True))
    assert {
        what: refusals[what]
        for what, (_, place, said) in BAD.items()
        if f"{place}: " not in refusals[what] or said not in refusals[what]
    } == {}
    assert (await scene.result(amid)).outcome == "sent"
    after = await scene.start("after", message={**good, "recommend": "again"})
    assert (await scene.result(after)).outcome == "sent"
    assert len(scene.jobs) == 2
    assert scene.calls("/media/upload") == 2
    assert await scene.received() == dict.fromkeys(range(100), 2)


async def test_a_name_that_turns_is_not_followed(cellar: Cellar) -> None:
    """A name that led to the site when the material was looked at, and to a link-local address when it was uploaded."""
    cellar.names.answers["turning.test"] = ["127.0.0.1", METADATA]
    cellar.site.pages["/a.png"] = response(picture())
    jobs = len(cellar.scene.jobs)
    message = cellar.image_at(cellar.site.url("/a.png", host="turning.test"))
    failure = await failure_of(await cellar.scene.start("turning", message=message, on_problem="fail"))
    assert failure.problem is not None
    assert (failure.outcome, failure.problem.name) == ("failed", "source_refused")
    assert f"message.images[0]: source http://turning.test:{cellar.site.port}/a.png" in failure.problem.sentence
    assert f"turning.test is at {METADATA}" in failure.problem.sentence
    assert (failure.may_have_been_delivered, len(cellar.scene.jobs)) == (False, jobs)
