import socket
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from qunfa.callback.server import listen
from tests.bench.requests import FIRST_MSG_ID, Mode, requests, write_requests
from tests.bench.verdict import Part, Row, as_json, as_text, goals, medians
from tests.bench.wrk import BenchError, Measured, find_wrk, parse
from tests.callback.pushing import AES_KEY, Inbox, receiver

SAID = """Running 5s test @ http://127.0.0.1:1234
  1 threads and 32 connections
Requests/sec:    800.00
{"requests":4000,"microseconds":5000000,"p50":20000,"p99":90000,"refused":3,"broken":1}
"""
HELLO = 1000
ROUNDS = [(1000, 400, 1), (1200, 100, 2), (500, 450, 0)]
"""Rates of hello and of the receiver, and what was lost."""


def _row(part: Part, rate: int, *, p99: int = 1000, lost: int = 0, processor_ms: float | None = None) -> Row:
    measured = Measured(requests=rate, microseconds=1_000_000, p50=500, p99=p99, refused=0, broken=0)
    return Row(part, "plain", measured, lost, rate / HELLO, processor_ms)


def _unmet(*rows: Row) -> list[str]:
    return [goal.text for goal in goals([_row("hello", HELLO), *rows]) if not goal.met]


def test_what_wrk_says() -> None:
    """The script's line of JSON is found among wrk's own words."""
    measured = parse(SAID)
    assert (measured.rate, measured.p50, measured.p99) == (800, 20000, 90000)
    assert (measured.refused, measured.broken) == (3, 1)


@pytest.mark.parametrize("said", ["", "unable to connect to 127.0.0.1:1", '{"requests":1}'])
def test_what_wrk_does_not_say(said: str) -> None:
    """Without a measurement there is none, rather than a zero."""
    with pytest.raises(BenchError, match="did not say what it measured"):
        parse(said)


def test_wrk_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Then it is said how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="apt-get install wrk"):
        find_wrk()


@pytest.mark.parametrize("mode", ["plain", "safe"])
async def test_the_receiver_takes_every_request(mode: Mode, tmp_path: Path) -> None:
    """Read back as push.lua reads them, the requests are results with a msg_id each, which the receiver takes."""
    write_requests(tmp_path / "file", mode, 5)
    inbox = Inbox()
    async with receiver(inbox, mode=mode, aes_key=AES_KEY if mode == "safe" else None) as http:
        for line in (tmp_path / "file").read_bytes().removesuffix(b"\n").split(b"\n"):
            target, _, body = line.partition(b"\t")
            path, _, query = target.decode().partition("?")
            answer = await http.post(path, params=dict(parse_qsl(query)), content=body)
            assert (answer.status_code, answer.text) == (200, "success")

    assert [event.msg_id for _, event in inbox.got] == list(range(FIRST_MSG_ID, FIRST_MSG_ID + 5))


def test_no_signature_is_used_twice() -> None:
    """Pushes of plain mode, whose signature does not cover the body, have a nonce each."""
    targets = [target for target, _ in requests("plain", 50)]
    assert len(set(targets)) == 50


def test_goals_are_met() -> None:
    """At the bounds, all is well."""
    assert _unmet(_row("noop", 500), _row("temporal", 150, p99=499_000)) == []


@pytest.mark.parametrize(
    ("row", "unmet"),
    [
        (_row("noop", 499), "receiver, plain: at least 0.5 of hello (0.50)"),
        (_row("temporal", 149), "with Temporal, plain: at least 150 pushes a second (149)"),
        (_row("temporal", 150, p99=500_000), "with Temporal, plain: p99 under 500 ms (500)"),
        (_row("noop", 500, lost=1), "receiver, plain: nothing lost (1)"),
    ],
)
def test_goal_is_not_met(row: Row, unmet: str) -> None:
    """Each goal fails alone."""
    assert _unmet(row) == [unmet]


def test_medians() -> None:
    """A round in which the machine was busy with something else does not count, but what was lost in it does."""
    rounds = [[_row("hello", hello), _row("noop", noop, lost=lost)] for hello, noop, lost in ROUNDS]
    hello, noop = medians(rounds)

    assert hello.measured.rate == 1000
    assert (noop.measured.rate, noop.of_hello, noop.lost) == (400, 0.4, 3)


def test_table() -> None:
    """A person and a machine read the same."""
    rows = [_row("hello", 1000), _row("noop", 250, processor_ms=0.25)]
    assert as_json(rows)["rows"][1]["of_hello"] == 0.25
    assert [row["processor_ms"] for row in as_json(rows)["rows"]] == [None, 0.25]
    assert "0.250" in as_text(rows)
    assert "NOT MET  receiver, plain: at least 0.5 of hello (0.25)" in as_text(rows)


def test_connections_send_at_once() -> None:
    """A connection that the receiver accepts does not wait for acknowledgements between the parts of an answer."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
