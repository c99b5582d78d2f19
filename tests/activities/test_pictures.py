"""Pictures for people to look at: read where sources may be read, and small enough for an answer."""

from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from activities.accounts import Accounts
from activities.material import Pictures
from activities.sources import Reader
from qunfa.contract.checks import ANSWER_BYTES, ReadPicturesStep, ShownPicture
from qunfa.contract.steps import Pinned
from qunfa.media.facts import sniff
from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Sources
from tests.activities.conftest import APPID, attempt, settings_for
from tests.media.samples import noise, picture, recording

WECHAT = "http://127.0.0.1:9"
"""Where nobody listens: to look at pictures, WeChat is not asked."""


async def shown(http: httpx.AsyncClient, folder: Path, *uris: str) -> tuple[ShownPicture, ...]:
    pictures = Pictures(Accounts(settings_for(WECHAT), http), Reader(Sources(SourcePolicy(roots=(folder,)))))
    step = ReadPicturesStep(account=Pinned(name="demo", appid=APPID, base_url=WECHAT), uris=uris)
    return (await attempt(pictures.read_pictures, step)).pictures


def put(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return (folder / name).as_uri()


@pytest.mark.parametrize(("form", "kind"), [("PNG", "png"), ("JPEG", "jpeg"), ("GIF", "gif"), ("BMP", "bmp")])
async def test_a_small_picture_is_shown_as_it_is(http: httpx.AsyncClient, tmp_path: Path, form: str, kind: str) -> None:
    """Byte for byte, with its SHA-256."""
    content = picture(form)
    [found] = await shown(http, tmp_path, put(tmp_path, "a", content))
    assert b64decode(found.data or "") == content
    assert (found.kind, found.size, found.sha256) == (kind, len(content), sha256(content).hexdigest())
    assert (found.smaller, found.problem) == (False, None)


async def test_a_big_picture_is_shown_smaller(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """Its SHA-256 is that of the file, which is what a send has pinned."""
    content = noise()
    [found] = await shown(http, tmp_path, put(tmp_path, "big.png", content))
    made = b64decode(found.data or "")
    assert (found.smaller, len(made) < 150_000 < len(content)) == (True, True)
    assert (found.sha256, found.kind) == (sha256(content).hexdigest(), sniff(made).value)


async def test_what_may_not_be_read_or_is_no_picture_says_why(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """A file beside the folder, one that is not there, and a recording; the others are shown all the same."""
    folder = tmp_path / "media"
    folder.mkdir()
    uris = (
        put(tmp_path, "secret.png", picture()),
        (folder / "missing.png").as_uri(),
        put(folder, "a.mp3", recording()),
        put(folder, "a.png", picture()),
    )
    secret, missing, sound, last = await shown(http, folder, *uris)
    assert [one.data is None for one in (secret, missing, sound, last)] == [True, True, True, False]
    assert "not below a folder" in (secret.problem or "")
    assert "there is no such file" in (missing.problem or "")
    assert sound.problem == "It is no picture."
    assert secret.sha256 is None


async def test_an_answer_holds_so_much_and_never_nothing(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """The first pictures, as many as there is room for: the others are asked for again."""
    uris = [put(tmp_path, f"{number}.png", noise()) for number in range(4)]
    found = await shown(http, tmp_path, *uris)
    assert 0 < len(found) < len(uris)
    assert sum(len(one.data or "") for one in found) <= ANSWER_BYTES
