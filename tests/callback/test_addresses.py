import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from qunfa.callback import ReceiverError, create_app
from tests.callback.pushing import FINISHED, Inbox, callback_settings, receiver, signed

PROXIES = {"proxies": ["10.0.0.0/8", "fd00::/8"]}
LISTED = ["203.0.113.0/26", "2001:db8::/32", "198.51.100.7"]


async def _status(inbox: Inbox, peer: str, forwarded: str | None = None, *, listed: Any = LISTED) -> int:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    async with receiver(inbox, PROXIES, peer=peer, sources=listed) as http:
        return (await http.post("/wechat/demo", params=signed(), content=FINISHED, headers=headers)).status_code


@pytest.mark.parametrize("peer", ["203.0.113.1", "203.0.113.63", "198.51.100.7", "2001:db8::1", "::ffff:203.0.113.1"])
async def test_listed_peers(inbox: Inbox, peer: str) -> None:
    """WeChat's addresses may push, also where IPv4 comes in IPv6's clothes."""
    assert await _status(inbox, peer) == 200


@pytest.mark.parametrize("peer", ["203.0.113.64", "10.0.0.1", "2001:db9::1", "testclient", ""])
async def test_other_peers(inbox: Inbox, peer: str) -> None:
    """Nobody else may, whatever the signature."""
    assert await _status(inbox, peer) == 403
    assert inbox.got == []


async def test_no_list(inbox: Inbox) -> None:
    """Without a list, any address may push."""
    assert await _status(inbox, "192.0.2.1", listed=[]) == 200


async def test_an_address_is_verified_by_its_account(inbox: Inbox) -> None:
    """WeChat's check of the URL comes from the same addresses."""
    for peer, status in (("203.0.113.1", 200), ("192.0.2.1", 403)):
        async with receiver(inbox, peer=peer, sources=LISTED) as http:
            assert (await http.get("/wechat/demo", params=signed(echostr="1"))).status_code == status


@pytest.mark.parametrize(
    ("peer", "forwarded", "status"),
    [
        ("10.0.0.1", "203.0.113.1", 200),
        ("10.0.0.1", "203.0.113.1, 10.0.0.2", 200),
        ("10.0.0.1", "203.0.113.1,10.0.0.2 , fd00::1", 200),
        ("10.0.0.1", "192.0.2.1, 203.0.113.1", 200),
        ("10.0.0.1", "203.0.113.1, 192.0.2.1", 403),
        ("10.0.0.1", "192.0.2.1", 403),
        ("10.0.0.1", "10.0.0.2", 403),
        ("10.0.0.1", "", 403),
        ("10.0.0.1", "unknown", 403),
        ("10.0.0.1", "203.0.113.1, unknown", 403),
        ("10.0.0.1", None, 403),
        ("192.0.2.1", "203.0.113.1", 403),
        ("203.0.113.1", "192.0.2.1", 200),
    ],
)
async def test_only_our_own_proxies_are_believed(inbox: Inbox, peer: str, forwarded: str | None, status: int) -> None:
    """Only what our own proxies say of their callers is believed: the last address that is not one of them."""
    assert await _status(inbox, peer, forwarded) == status


async def test_several_headers(inbox: Inbox) -> None:
    """Several headers are one list."""
    headers = [("X-Forwarded-For", "203.0.113.1"), ("X-Forwarded-For", "192.0.2.1")]
    async with receiver(inbox, PROXIES, peer="10.0.0.1", sources=LISTED) as http:
        answer = await http.post("/wechat/demo", params=signed(), content=FINISHED, headers=headers)

    assert (answer.status_code, answer.text) == (403, "stranger")


async def test_address_is_logged(inbox: Inbox) -> None:
    """The log says who was refused, by what the proxies say."""
    async with receiver(inbox, PROXIES, peer="10.0.0.1", sources=LISTED) as http:
        with capture_logs() as lines:
            headers = {"X-Forwarded-For": "192.0.2.1"}
            await http.post("/wechat/demo", params=signed(), content=FINISHED, headers=headers)

    (line,) = lines
    assert (line["address"], line["answer"], line["reason"]) == (
        "192.0.2.1", "stranger", "the address is not among the account's sources",
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.0/26\n# a comment\n\n198.51.100.7 # another\n",
        json.dumps({"ip_list": ["203.0.113.5/26", "198.51.100.7", "::ffff:192.0.2.0/120"]}),
    ],
)
async def test_file(inbox: Inbox, tmp_path: Path, text: str) -> None:
    """A file has one network a line, or is WeChat's own answer."""
    file = tmp_path / "sources"
    file.write_text(text, encoding="utf-8")
    for peer, status in (("203.0.113.1", 200), ("198.51.100.7", 200), ("198.51.100.8", 403)):
        async with receiver(inbox, peer=peer, sources_file=str(file)) as http:
            assert (await http.post("/wechat/demo", params=signed(), content=FINISHED)).status_code == status


def _replace(file: Path, text: str) -> None:
    """As a job that brings the list up to date should."""
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.rename(file)


async def test_file_is_read_again(inbox: Inbox, tmp_path: Path) -> None:
    """A list that changes takes effect at once; the fixed addresses stay."""
    file = tmp_path / "sources"
    _replace(file, "192.0.2.1")
    async with receiver(inbox, peer="203.0.113.1", sources_file=str(file), sources=["198.51.100.7"]) as http:
        assert (await http.post("/wechat/demo", params=signed(), content=FINISHED)).status_code == 403
        _replace(file, "192.0.2.1\n203.0.113.1")
        assert (await http.post("/wechat/demo", params=signed(), content=FINISHED)).status_code == 200
    async with receiver(inbox, peer="198.51.100.7", sources_file=str(file), sources=["198.51.100.7"]) as http:
        assert (await http.post("/wechat/demo", params=signed(), content=FINISHED)).status_code == 200


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", '{"ip_list":[]}', '{"errcode":40001}', "not an address", "{", "\0"]
)
async def test_update_that_went_wrong(inbox: Inbox, tmp_path: Path, text: str) -> None:
    """A bad or empty list does not shut WeChat out: the last good one stays, and one line of the log says so."""
    file = tmp_path / "sources"
    _replace(file, "203.0.113.1")
    async with receiver(inbox, peer="203.0.113.1", sources_file=str(file)) as http:
        _replace(file, text)
        with capture_logs() as lines:
            for _ in range(2):
                assert (await http.post("/wechat/demo", params=signed(), content=FINISHED)).status_code == 200

    assert [line["event"] for line in lines] == ["sources not read again", "push", "push"]


async def test_file_that_is_gone(inbox: Inbox, tmp_path: Path) -> None:
    """Nor does a list that is missing for a while."""
    file = tmp_path / "sources"
    _replace(file, "203.0.113.1")
    async with receiver(inbox, peer="203.0.113.1", sources_file=str(file)) as http:
        file.unlink()
        assert (await http.post("/wechat/demo", params=signed(), content=FINISHED)).status_code == 200


@pytest.mark.parametrize("text", [None, "", "not an address", "10.0.0.0/99"])
def test_file_that_is_wrong_at_the_start(tmp_path: Path, text: str | None) -> None:
    """A receiver that would let nobody in does not start, and names the file."""
    file = tmp_path / "sources"
    if text is not None:
        file.write_text(text, encoding="utf-8")

    with pytest.raises(ReceiverError, match=rf"{file}.*sources_file"):
        create_app(callback_settings(sources_file=str(file)), Inbox())


async def test_no_peer(inbox: Inbox) -> None:
    """A request without an address, as over a Unix socket, is from nowhere."""
    app = create_app(callback_settings(sources=LISTED), inbox)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": FINISHED, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    query = "&".join(f"{name}={value}" for name, value in signed().items()).encode()
    scope = {"type": "http", "method": "POST", "path": "/wechat/demo", "query_string": query, "headers": []}
    await app(scope, receive, send)

    assert sent[0]["status"] == 403
