"""`qunfa article preview`: what a person sees before an approval is what will be sent, or the page tells otherwise."""

import json
import re
import signal
from base64 import b64decode
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from temporalio.api.sdk.v1 import WorkflowMetadata

from qunfa.article.page import MARK
from tests import chromium
from tests.cli.calls import parsed
from tests.e2e.commands import qunfa
from tests.e2e.own_worker import own_worker
from tests.e2e.processes import ended, running
from tests.e2e.stage import Scene
from tests.looking import PATIENCE
from tests.media.samples import noise, picture

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are written here."""
    monkeypatch.chdir(tmp_path)


def message(scene: Scene) -> dict[str, Any]:
    """An article with a picture, and with something that is taken out."""
    inside = scene.file("inside.png", picture())
    return scene.news(f'<script>x()</script><p>春天</p><img data-src="{inside}"><a href="https://a.example/">b</a>')


async def waiting(scene: Scene, said: dict[str, Any] | None = None) -> Any:
    """A send of articles that waits for approval; its handle."""
    shown = said or message(scene)
    handle = await scene.start(message=shown, approval={"required": True}, requested_by="crm")
    await scene.until(handle, lambda status: status.phase == "awaiting_approval")
    return handle


def names(folder: Path) -> list[str]:
    """The files in a folder."""
    return sorted(file.name for file in folder.iterdir())


def size(file: str) -> tuple[int, int]:
    """Of a picture, in pixels."""
    with Image.open(file) as image:
        return image.size


def pictures(page: Path) -> list[bytes]:
    """The pictures in a page."""
    return [b64decode(data) for data in re.findall(r'src="data:image/\w+;base64,([^"]+)"', page.read_text("utf-8"))]


async def test_an_approver_sees_what_will_be_sent(scene: Scene, tmp_path: Path) -> None:
    """The command that status and page name writes cover and pictures byte for byte, with the digest to be approved."""
    handle = await waiting(scene)
    send = f"{scene.account}/spring"
    command = f"qunfa article preview {send}"
    shown = await qunfa(scene, "status", send, COLUMNS="200")
    assert command in shown.stdout
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    assert f"`{command}`" in metadata.current_details
    answer = await qunfa(scene, *command.split()[1:], "--json")
    assert answer.exit_code == 0, answer.output
    told = parsed(answer)
    [article] = told["articles"]
    assert article["removed"] == ["<script>"]
    assert article["links"] == [["b", "https://a.example/"]]
    assert [look["state"] for look in article["pictures"]] == ["shown", "shown"]
    assert f"digest of all this: {told['digest'][:16]}" in shown.stdout
    page = tmp_path / "spring-preview.html"
    assert (told["page"], page.stat().st_mode & 0o077) == (str(page), 0)
    assert set(pictures(page)) == {picture(), picture("JPEG")}
    assert "<script" not in page.read_text("utf-8")
    assert scene.sim.world.ledger.previews(scene.simulated) == []
    await qunfa(scene, "approve", send, "--by", "wang")
    assert (await scene.result(handle)).outcome == "sent"


async def test_a_changed_picture_is_told_and_not_shown(scene: Scene, tmp_path: Path) -> None:
    """Exit 1, and the page says so; once the earlier file is back, all of it is shown again."""
    await waiting(scene)
    send = f"{scene.account}/spring"
    scene.file("inside.png", picture(colour="blue"))
    (tmp_path / "spring-preview.html").write_text(f"{MARK} of an earlier day", encoding="utf-8")
    answer = await qunfa(scene, "article", "preview", send)
    assert answer.exit_code == 1
    assert "is another file now than the send has pinned, so it is not shown" in " ".join(answer.stdout.split())
    page = tmp_path / "spring-preview.html"
    assert page.stat().st_mode & 0o077 == 0
    assert pictures(page) and set(pictures(page)) == {picture("JPEG")}  # noqa: PT018  none would be a subset, too
    assert '<p class="wrong">Article 1: Picture ' in page.read_text("utf-8")
    scene.file("inside.png", picture())
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n', encoding="utf-8")
    browser.chmod(0o700)
    again = await qunfa(scene, "article", "preview", send, "--open", BROWSER=f"{browser} %s")
    assert (again.exit_code, (tmp_path / "opened").read_text("utf-8").strip()) == (0, page.as_uri())
    assert set(pictures(page)) == {picture(), picture("JPEG")}


async def test_a_request_in_a_file_is_shown_as_its_files_are_now(scene: Scene, tmp_path: Path) -> None:
    """Also with many big pictures, and by an account without drafts; what workers may not read is told with why."""
    (tmp_path / "secret.png").write_bytes(picture())
    big = "".join(f'<img src="{scene.file(f"{number}.png", noise())}">' for number in range(2))
    said = scene.news(f'{big}<img src="{(tmp_path / "secret.png").as_uri()}">')
    said["articles"][0]["show_cover_pic"] = 1
    file = tmp_path / "send.json"
    file.write_text(json.dumps({"account": scene.account, "message": said}), encoding="utf-8")
    async with own_worker(scene, account={"news_via": "uploadnews"}):
        answer = await qunfa(scene, "article", "preview", str(file), "--output", "page.html", "--json")
    told, page = parsed(answer), (tmp_path / "page.html").read_text("utf-8")
    looks = told["articles"][0]["pictures"]
    assert [(look["state"], look["smaller"]) for look in looks] == [
        ("shown", False),
        *[("shown", True)] * 2,
        ("unreadable", False),
    ]
    assert "not below a folder" in looks[-1]["why"]
    assert (answer.exit_code, told["digest"]) == (1, None)
    assert len(told["wrong"]) == 1
    assert ("no send has looked at them yet" in page, "drafts do not know it" in page) == (True, False)


async def test_articles_are_served_to_whom_an_approval_leads(scene: Scene) -> None:
    """Below the path of `display.articles` as well. Another name of a host gets nothing, and Ctrl-C ends it at once."""
    await waiting(scene)
    more = {"QUNFA_TASK_QUEUE": scene.queue, "QUNFA_DISPLAY__ARTICLES": "https://ops.example.com/see"}
    async with running(scene, ["-m", "qunfa.cli", "article", "serve", "--port", "0"], "", more) as process:
        assert process.stderr is not None
        [url] = re.findall(r"http://127\.0\.0\.1:\d+", (await process.stderr.readline()).decode())
        await looked_at(scene, url)
        process.send_signal(signal.SIGINT)
        end = await ended(process)
    assert (end.code, end.stdout, end.stderr) == (0, "", "")


async def looked_at(scene: Scene, url: str) -> None:
    """What a browser gets there."""
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http:
        page = await http.get(f"/{scene.account}/spring")
        assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
        assert {b64decode(data) for data in re.findall(r'src="data:image/\w+;base64,([^"]+)"', page.text)} == {
            picture(),
            picture("JPEG"),
        }
        host = {"Host": "ops.example.com"}
        assert (await http.get(f"/see/{scene.account}/spring", headers=host)).status_code == 200
        stranger = await http.get(f"/{scene.account}/spring", headers={"Host": "evil.example.com"})
        assert (stranger.status_code, "春天" in stranger.text) == (400, False)
        group = await http.get(f"/{scene.account}/spring?group=b")
        assert (group.status_code, group.text) == (404, "This send has no split test, so it has no group b.")
        nothing = await http.get(f"/{scene.account}/summer")
        assert (nothing.status_code, "holds no mass send" in nothing.text) == (404, True)


async def test_a_page_is_drawn_by_chromium(scene: Scene, tmp_path: Path) -> None:
    """The whole of it, in parts where it is high; without Chromium a sentence says so, and nothing is written."""
    chromium.path()
    high = scene.news(f'<p style="height:9000px">春</p><img src="{scene.file("inside.png", picture())}">')
    await waiting(scene, high)
    send = f"{scene.account}/spring"
    nowhere = await qunfa(scene, "article", "preview", send, "--png", PATH=str(tmp_path))
    assert nowhere.exit_code == 1
    assert "--png needs Chromium, and there is none on this machine" in " ".join(nowhere.stderr.split())
    assert names(tmp_path) == []
    told = parsed(await qunfa(scene, "article", "preview", send, "--png", "--json"))
    assert told["pictures"] == [str(tmp_path / "spring-preview.png"), str(tmp_path / "spring-preview-1.png")]
    sizes = [size(file) for file in told["pictures"]]
    assert sizes[0] == (460, 8000)
    assert 1_000 < sizes[1][1] < 3_000
    assert parsed(await qunfa(scene, "article", "preview", send, "--json"))["pictures"] == []
    assert names(tmp_path) == ["spring-preview.html"]
