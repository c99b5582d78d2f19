"""No secret, no token and no signature of a source in what uploads leave behind, whatever goes well or wrong."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from tests.e2e.processes import configuration, logged, running, stopped
from tests.e2e.stage import SECRET, Scene
from tests.e2e.test_secrets import TOKEN_LIKE, current_token, histories
from tests.media.samples import noise, picture, recording
from tests.media.sources.site import Site, response, serve

pytestmark = pytest.mark.long

SIGNATURE = "SIGNATURE-that-opens-the-store-0123456789"
MISSING = "/missing.png"


def signed(site: Site, path: str, *contents: bytes) -> str:
    """The signed URL of a page that gives these contents, one after the other, and the last for ever."""
    target, answers = f"{path}?sig={SIGNATURE}", list(contents)

    async def react(_reader: Any, writer: Any) -> None:
        writer.write(answers.pop(0) if len(answers) > 1 else answers[0])
        await writer.drain()

    site.pages[target] = react
    return site.url(target)


def image(uri: str) -> dict[str, Any]:
    """An image message."""
    return {"msgtype": "image", "images": [{"uri": uri}]}


async def a_batch(scene: Scene, site: Site) -> None:
    """Uploads that go well, break off, are refused, and sources that are bad, gone, away for a while, or change."""
    good, gone = response(picture()), response(b"", status="404 Not Found")
    later = response(b"", status="503 Later")
    scene.fault("reset_in_upload", "media/upload")
    sent = {
        "well": image(signed(site, "/well.png", good)),
        "article": {
            "msgtype": "mpnews",
            "articles": [
                {
                    "title": "t",
                    "content": f'<img src="{signed(site, "/inside.png", good)}">',
                    "thumb": {"uri": signed(site, "/cover.png", good)},
                }
            ],
        },
        "away": image(signed(site, "/away.png", later, good)),
        "away-later": image(signed(site, "/away-later.png", good, later, good)),
    }
    handles = [await scene.start(key, message=message) for key, message in sent.items()]
    refusals = {
        "bad": image(signed(site, "/bad.png", response(b"text"))),
        "cut": image(signed(site, "/cut.png", response(noise(size=(30, 30))[:-100]))),
        "gone": image(signed(site, MISSING, gone)),
        "strange": image(f"https://store.example.com/a.png?sig={SIGNATURE}"),
    }
    for key, message in refusals.items():
        assert SIGNATURE not in await scene.refusal(await scene.start(key, message=message))
    problems = {
        "changed": image(signed(site, "/changed.png", good, response(picture(colour="blue")))),
        "vanished": image(signed(site, "/vanished.png", good, gone)),
    }
    for key, message in problems.items():
        with pytest.raises(WorkflowFailureError) as caught:
            await scene.result(await scene.start(key, message=message, on_problem="fail"))
        assert isinstance(caught.value.cause, ApplicationError)
        assert SIGNATURE not in str(caught.value.cause)
    for handle in handles:
        assert (await scene.result(handle)).outcome == "sent"
    scene.fault("errcode", "media/upload", errcode=48001)
    voice = {"msgtype": "voice", "media": {"uri": signed(site, "/a.mp3", response(recording()))}}
    with pytest.raises(WorkflowFailureError):
        await scene.result(await scene.start("refused", message=voice, on_problem="fail"))


async def failures(scene: Scene) -> list[bytes]:
    """Every failure in the histories, and all that the sends show to operators."""
    found: list[bytes] = []
    for handle in scene.started:
        found.append((await scene.status(handle)).model_dump_json().encode())
        async for event in handle.fetch_history_events():
            kind = event.WhichOneof("attributes")
            attributes = getattr(event, kind or "")
            there = {"failure", "last_failure"}.intersection(attributes.DESCRIPTOR.fields_by_name)
            found += [getattr(attributes, name).SerializeToString() for name in there]
    return found


async def test_no_secret_is_left_by_uploads(scene: Scene, tmp_path: Path) -> None:
    """A worker at DEBUG level: the signature stands in the request itself, and nowhere in a log, failure or status."""
    log = tmp_path / "worker.log"
    await scene.simulate(limits={"to_all_per_month": 100, "user_per_month": 100})
    async with serve() as site:
        media = f'[media]\nroots = ["{scene.stage.media}"]\nhosts = ["{site.authority}"]'
        config = configuration(scene, tmp_path, more=media)
        async with running(scene, ["worker.py"], config, {"QUNFA_LOG_LEVEL": "DEBUG"}, log) as worker:
            await logged(log, '"started"')
            await a_batch(scene, site)
            told = await failures(scene)
            assert await stopped(worker) == 0
    seen = {"log": log.read_bytes(), "failures": b"".join(told)}
    assert b"503" in seen["failures"]
    assert b"48001" in seen["failures"]
    assert [place for place, text in seen.items() if SIGNATURE.encode() in text] == []
    seen |= await histories(scene)
    assert SIGNATURE.encode() in seen["history of well"]
    token = (await current_token(scene)).encode()
    for place, text in seen.items():
        assert [secret for secret in (SECRET.encode(), token, b"access_token=") if secret in text] == [], place
        assert TOKEN_LIKE.findall(text) == [], place
