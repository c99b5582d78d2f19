"""`qunfa send`, `--dry-run` and `preview` with files from disk, as a person types them, up to what followers see."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from qunfa.contract.checks import CheckResult
from qunfa.contract.request import PreviewResult
from tests.e2e.processes import Ended, ended, running
from tests.e2e.stage import Scene
from tests.media.samples import picture

pytestmark = pytest.mark.long

CHANGE = ("sendall", "/mass/send", "upload", "uploadimg", "add_material", "draft/add", "preview", "uploadvideo")


async def qunfa(scene: Scene, *words: str) -> Ended:
    """The command, as a process of its own on a machine without configuration."""
    more = {"QUNFA_TASK_QUEUE": scene.queue, "LOGNAME": "li"}
    async with running(scene, ["-m", "qunfa.cli", *words], "", more) as process:
        return await ended(process)


async def send(scene: Scene, message: Sequence[str], *words: str, whom: Sequence[str] = ("--to-all",)) -> Ended:
    """`qunfa send` under the key `spring`."""
    return await qunfa(scene, "send", "--account", scene.account, "--key", "spring", "--yes", *whom, *message, *words)


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


def article(folder: Path) -> list[str]:
    """The options of an article."""
    return ["--html", f"{folder}/article.html", "--thumb", f"{folder}/cover.jpg", "--title", "春季新品"]


def changes(scene: Scene) -> list[str]:
    """The calls that change anything at WeChat."""
    return [call.path for call in scene.sim.world.calls if call.path.endswith(CHANGE)]


def previews(scene: Scene) -> list[Any]:
    """What WeChat has shown to single people, by its books."""
    return scene.sim.world.ledger.previews(scene.simulated)


async def test_an_article_from_an_html_file(scene: Scene, files: Path) -> None:
    """Previewed first, then sent to everybody once, with each picture in its places; the lines tell all of it."""
    await scene.simulate(wxnames={"li": 3})
    [boss] = scene.openids(1)
    answer = await send(scene, article(files), "--preview-to", boss, "--preview-to", "wx:li", "--wait", "--yes")
    assert answer.code == 0, answer.stderr
    assert await scene.everyone_once()
    [job] = scene.jobs
    [seen] = job.content.articles
    assert (seen.title, len(seen.pictures), seen.dropped) == ("春季新品", 2, ())
    assert "script" not in seen.content
    assert [one.follower for one in previews(scene)] == [0, 3]
    paths = [call.path.rpartition("/")[2] for call in scene.sim.world.calls if "/mass/" in call.path]
    assert paths == ["preview", "preview", "sendall"]
    for line in (f"previewed to {boss}", "previewed to WeChat id li", "sent: Delivered. 100 of 100 received it"):
        assert f"  {line}" in answer.stdout


async def test_a_dry_run_looks_at_everything_and_changes_nothing(scene: Scene, files: Path) -> None:
    """Files, what is taken out, how many followers; no call to WeChat that changes anything."""
    answer = await send(scene, article(files), "--dry-run", "--json", whom=("--tag", "2", "--expect-name", "VIP"))
    assert answer.code == 0, answer.stderr
    found = CheckResult.model_validate_json(answer.stdout)
    assert (found.msgtype, found.followers, found.problems) == ("mpnews", 30, ())
    assert {source.use for source in found.sources} == {"cover", "picture"}
    assert found.removed
    assert changes(scene) == []
    assert await scene.nobody()


async def test_a_preview_reaches_single_people_only(scene: Scene, files: Path) -> None:
    """Whom WeChat refuses does not keep the others from theirs; nobody else receives anything, and each is counted."""
    await scene.simulate(wxnames={"wx-li": 9})
    [boss] = scene.openids(1)
    to = ("--to", boss, "--to-wxname", "nobody", "--to-wxname", "wx-li")
    answer = await qunfa(scene, "preview", "--account", scene.account, *article(files), *to, "--json")
    result = PreviewResult.model_validate_json(answer.stdout)
    assert (answer.code, [one.sent for one in result.previews]) == (1, [True, False, True])
    assert result.previews[1].errcode
    first, second = previews(scene)
    assert [first.follower, second.follower] == [0, 9]
    assert [one.title for one in first.content.articles] == ["春季新品"]
    assert (scene.calls("draft/add"), first.content.source is second.content.source) == (1, True)
    assert sum(day.previews for day in (await scene.ledger()).book.values()) == 3
    assert await scene.nobody()
