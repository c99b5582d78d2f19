"""`qunfa send` with files from disk, as a person types it, up to what followers see."""

from pathlib import Path

import pytest

from tests.e2e.processes import Ended, ended, running
from tests.e2e.stage import Scene
from tests.media.samples import picture

pytestmark = pytest.mark.long


async def send(scene: Scene, *words: str) -> Ended:
    """`qunfa send` to everybody under the key `spring`, as a process of its own on a machine without configuration."""
    more = {"QUNFA_TASK_QUEUE": scene.queue, "LOGNAME": "li"}
    typed = ["-m", "qunfa.cli", "send", "--account", scene.account, "--key", "spring", "--to-all", *words]
    async with running(scene, typed, "", more) as process:
        return await ended(process)


@pytest.fixture
def files(scene: Scene) -> Path:
    """What a marketing team has, in a folder that the workers may read: a page with a picture in two places."""
    page = (
        "<html><head><title>x</title></head><body><script>steal()</script>"
        '<img src="img/inside.png"><p>春天</p><img src="img/inside.png"></body></html>'
    )
    scene.file("article.html", page.encode())
    scene.file("cover.jpg", picture("JPEG"))
    folder = scene.stage.media / scene.account
    (folder / "img").mkdir()
    (folder / "img" / "inside.png").write_bytes(picture())
    return folder


async def test_an_article_from_an_html_file(scene: Scene, files: Path) -> None:
    """Previewed first, then sent to everybody once, with each picture in its places; the lines tell all of it."""
    await scene.simulate(wxnames={"li": 3})
    [boss] = scene.openids(1)
    article = ("--html", f"{files}/article.html", "--thumb", f"{files}/cover.jpg", "--title", "春季新品")
    answer = await send(scene, *article, "--preview-to", boss, "--preview-to", "wx:li", "--wait", "--yes")
    assert answer.code == 0, answer.stderr
    assert await scene.everyone_once()
    [job] = scene.jobs
    [seen] = job.content.articles
    assert (seen.title, len(seen.pictures), seen.dropped) == ("春季新品", 2, ())
    assert "script" not in seen.content
    assert [one.follower for one in scene.sim.world.ledger.previews(scene.simulated)] == [0, 3]
    paths = [call.path.rpartition("/")[2] for call in scene.sim.world.calls if "/mass/" in call.path]
    assert paths == ["preview", "preview", "sendall"]
    for line in (f"previewed to {boss}", "previewed to WeChat id li", "sent: Delivered. 100 of 100 received it"):
        assert f"  {line}" in answer.stdout
