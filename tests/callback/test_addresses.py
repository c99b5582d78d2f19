import errno
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from qunfa.callback.app import create_app
from qunfa.settings import SettingsError
from tests.callback.pushing import FINISHED, Inbox, callback_settings, post, receiver, signed, status_of
from tests.looking import until

PROXIES = {"proxies": ["10.0.0.0/8", "fd00::/8"]}
LISTED = ["203.0.113.0/26", "2001:db8::/32", "198.51.100.7"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "status"),
    [
        ("203.0.113.1", None, 200), ("203.0.113.63", None, 200), ("198.51.100.7", None, 200),
        ("2001:db8::1", None, 200), ("::ffff:203.0.113.1", None, 200),
        ("203.0.113.64", None, 403), ("2001:db9::1", None, 403), ("testclient", None, 403), ("", None, 403),
        ("203.0.113.1", "192.0.2.1", 200), ("192.0.2.1", "203.0.113.1", 403),
        ("10.0.0.1", "203.0.113.1", 200), ("10.0.0.1", "203.0.113.1, 10.0.0.2", 200),
        ("10.0.0.1", "203.0.113.1,10.0.0.2 , fd00::1", 200), ("10.0.0.1", "192.0.2.1, 203.0.113.1", 200),
        ("10.0.0.1", "203.0.113.1, 192.0.2.1", 403), ("10.0.0.1", "192.0.2.1", 403), ("10.0.0.1", "10.0.0.2", 403),
        ("10.0.0.1", "", 403), ("10.0.0.1", "unknown", 403), ("10.0.0.1", "203.0.113.1, unknown", 403),
        ("10.0.0.1", None, 403),
        ("10.0.0.1", "203.0.113.1:51234", 200), ("10.0.0.1", "[2001:db8::1]:443", 200),
        ("10.0.0.1", "[2001:db8::1]", 200), ("10.0.0.1", "203.0.113.1, 10.0.0.2:80", 200),
        ("10.0.0.1", "192.0.2.1:443", 403), ("10.0.0.1", "[2001:db9::1]:443", 403), ("10.0.0.1", "203.0.113.1:x", 403),
    ],
)  # fmt: skip
async def test_only_our_own_proxies_are_believed(inbox: Inbox, peer: str, forwarded: str | None, status: int) -> None:
    """WeChat's addresses push and verify. A proxy of ours tells of its caller: the last that is not a proxy itself."""
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    async with receiver(inbox, PROXIES, peer=peer, sources=LISTED) as http:
        assert (await post(http, headers=headers)).status_code == status
        check = await http.get("/wechat/demo", params=signed(echostr="1"), headers=headers)
    assert check.status_code == status
    assert len(inbox.got) == (status == 200)


async def test_a_stranger_is_logged_by_his_address(inbox: Inbox) -> None:
    """By what the proxies say of him; several headers are one list."""
    headers = [("X-Forwarded-For", "203.0.113.1"), ("X-Forwarded-For", "192.0.2.1")]
    async with receiver(inbox, PROXIES, peer="10.0.0.1", sources=LISTED) as http:
        with capture_logs() as lines:
            answer = await post(http, headers=headers)
    assert (answer.status_code, answer.text) == (403, "stranger")
    (line,) = lines
    assert (line["address"], line["answer"], line["reason"]) == (
        "192.0.2.1", "stranger", "the address is not among the account's sources",
    )  # fmt: skip


async def test_a_request_without_an_address_is_from_nowhere(inbox: Inbox) -> None:
    """As over a Unix socket."""
    body = {"type": "http.request", "body": FINISHED, "more_body": False}
    assert await status_of(create_app(callback_settings(sources=LISTED), inbox), body) == 403


def _replace(file: Path, text: str) -> None:
    """As a job that brings the list up to date should."""
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.rename(file)


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.0/26\n# a comment\n\n198.51.100.7 # another\n",
        json.dumps({"ip_list": ["203.0.113.5/26", "198.51.100.7", "::ffff:192.0.2.0/120"]}),
    ],
    ids=["lines", "getcallbackip"],
)
async def test_a_file_of_addresses_is_read(inbox: Inbox, tmp_path: Path, text: str) -> None:
    """It has one network a line, or is WeChat's own answer."""
    _replace(tmp_path / "sources", text)
    for peer, status in (("203.0.113.1", 200), ("198.51.100.7", 200), ("198.51.100.8", 403)):
        async with receiver(inbox, peer=peer, sources_file=str(tmp_path / "sources")) as http:
            assert (await post(http)).status_code == status


async def test_file_is_read_again(inbox: Inbox, tmp_path: Path) -> None:
    """A list that changes takes effect at once; the fixed addresses stay."""
    file = tmp_path / "sources"
    _replace(file, "192.0.2.1")
    async with receiver(inbox, peer="203.0.113.1", sources_file=str(file), sources=["198.51.100.7"]) as http:
        assert (await post(http)).status_code == 403
        _replace(file, "192.0.2.1\n203.0.113.1")
        assert (await post(http)).status_code == 200
    async with receiver(inbox, peer="198.51.100.7", sources_file=str(file), sources=["198.51.100.7"]) as http:
        assert (await post(http)).status_code == 200


@pytest.mark.parametrize(
    "text", [None, "", "# nothing\n", '{"ip_list":[]}', '{"errcode":40001}', "not an address", "{", "\0"]
)
async def test_a_bad_update_leaves_the_last_good_list(inbox: Inbox, tmp_path: Path, text: str | None) -> None:
    """A list that is bad, empty or gone does not shut WeChat out, and one line of the log says so."""
    file = tmp_path / "sources"
    _replace(file, "203.0.113.1")
    async with receiver(inbox, peer="203.0.113.1", sources_file=str(file)) as http:
        if text is None:
            file.unlink()
        else:
            _replace(file, text)
        with capture_logs() as lines:
            assert [(await post(http)).status_code for _ in range(2)] == [200, 200]
    assert [line["event"] for line in lines] == ["sources not read again", "push", "push"]


async def test_a_list_is_read_once_it_may_be(inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new list that was put there without leave to read it takes effect after chmod."""

    def refuse(path: Path, *args: Any, **named: Any) -> Any:
        if path == file and not path.stat().st_mode & stat.S_IRUSR:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *args, **named)

    async def is_let_in() -> bool:
        file.chmod(0o600)  # again and again: a file system's clock may be coarse
        return (await post(http)).status_code == 200

    file = tmp_path / "sources"
    _replace(file, "192.0.2.1")
    opened = Path.open
    monkeypatch.setattr(Path, "open", refuse)  # root, who may run this, may read all
    async with receiver(inbox, peer="203.0.113.1", sources_file=str(file)) as http:
        (tmp_path / "next").write_text("203.0.113.1", encoding="utf-8")
        (tmp_path / "next").chmod(0)
        (tmp_path / "next").rename(file)
        assert (await post(http)).status_code == 403
        await until(is_let_in)


@pytest.mark.parametrize("text", [None, "", "not an address", "10.0.0.0/99"])
def test_a_receiver_that_lets_nobody_in_does_not_start(tmp_path: Path, text: str | None) -> None:
    """It names the file."""
    file = tmp_path / "sources"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"{file}.*sources_file"):
        create_app(callback_settings(sources_file=str(file)), Inbox())
