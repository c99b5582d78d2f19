"""What Compose asks its containers tells those that work from those that do not."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.ports import free_address
from tests.project.test_deployment import OURS, SERVICES

PYTHON = {name: one for name, one in OURS.items() if one.get("healthcheck", {}).get("test", [None])[0] == "CMD"}


class Healthy(BaseHTTPRequestHandler):
    """Answers as a receiver that works, also where Temporal is away."""

    def do_GET(self) -> None:
        works = self.path == "/healthz"
        self.send_response(HTTPStatus.OK if works else HTTPStatus.SERVICE_UNAVAILABLE)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def answering() -> Iterator[str]:
    """The address of such a receiver."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def is_healthy(program: list[str], **environment: str) -> bool:
    """What Docker makes of the check's exit code."""
    done = subprocess.run(program, env=os.environ | environment, check=False, capture_output=True)
    return done.returncode == 0


@pytest.mark.parametrize("name", PYTHON)
def test_a_check_tells_who_answers_from_who_does_not(name: str) -> None:
    """Docker gives containers the proxy of its configuration, which knows nobody at 127.0.0.1."""
    [python, flag, program] = PYTHON[name]["healthcheck"]["test"][1:]
    assert (python, flag) == ("python", "-c")
    [port] = re.findall(r"80\d\d", program)
    with answering() as address:
        there = program.replace(port, address.partition(":")[2])
        assert is_healthy([sys.executable, flag, there], http_proxy=f"http://{free_address()}")
    assert not is_healthy([sys.executable, flag, there])


def test_a_worker_is_healthy_by_the_age_of_its_file(tmp_path: Path) -> None:
    """Metrics say nothing: Temporal's threads serve them also where the worker hangs, or Temporal is away."""
    kind, program = SERVICES["worker"]["healthcheck"]["test"]
    named, file = SERVICES["worker"]["environment"]["QUNFA_WORKER__ALIVE"], tmp_path / "alive"
    assert (kind, program.count(named)) == ("CMD-SHELL", 1)
    check = ["sh", "-c", program.replace("$$", "$").replace(named, str(file))]
    assert not is_healthy(check), "there is none yet"
    file.touch()
    assert is_healthy(check)
    os.utime(file, (1, 1))
    assert not is_healthy(check)
