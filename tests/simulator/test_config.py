from pathlib import Path

import pytest
from pydantic import ValidationError

from qunfa.simulator import SimulatorConfig, create_app, load_config
from tests.simulator.api import Json, account_config

FILE = """
scale = 60
now = 2026-12-01T09:00:00+08:00

[timing]
delivery = 2

[accounts.demo]
appid = "wx0123456789abcdef"
secret = "nobody-may-read-this"
kind = "subscription"
followers = 1_000_000

[accounts.demo.limits]
calls_per_day = {mass = 5}

[accounts.demo.callback]
url = "http://127.0.0.1:8088/wechat/demo"
token = "nor-this"

[[accounts.demo.tags]]
id = 2
name = "VIP"
count = 50

[[faults]]
endpoint = "sendall"
kind = "timeout_after_accept"

[[pushes]]
status = "err(30003)"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration file."""
    file = tmp_path / "simulator.toml"
    file.write_text(FILE, encoding="utf-8")
    return file


def test_a_file_is_read(path: Path) -> None:
    """What the file says, and defaults for the rest."""
    config = load_config(path)
    demo = config.accounts["demo"]
    assert (config.scale, config.timing.delivery, config.timing.confirmation) == (60, 2, 1800)
    assert (demo.kind, demo.followers, demo.tags[0].count, demo.limits.calls_per_day) == (
        "subscription", 1_000_000, 50, {"mass": 5},
    )  # fmt: skip
    assert (config.faults[0].kind, config.pushes[0].status) == ("timeout_after_accept", "err(30003)")


def test_no_secret_is_shown(path: Path) -> None:
    """Neither the representation nor a dump of the configuration shows a secret."""
    config = load_config(path)
    shown = repr(config) + str(config.model_dump()) + config.model_dump_json()
    assert "nobody-may-read-this" not in shown
    assert "nor-this" not in shown


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    """ValueError for rubbish, OSError for a file that is not there."""
    (tmp_path / "bad.toml").write_text("scale = ", encoding="utf-8")
    with pytest.raises(ValueError, match="Invalid value"):
        load_config(tmp_path / "bad.toml")
    with pytest.raises(FileNotFoundError):
        load_config(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"scale": 0}, "greater than 0"),
        ({"now": "2026-12-01T09:00:00"}, "timezone"),
        ({"colour": "red"}, "not permitted"),
        ({"accounts": {"a": account_config(kind="personal")}}, "kind"),
        ({"accounts": {"a": account_config(followers=3)}}, "tag 2 needs 5 followers"),
        ({"accounts": {"a": account_config(tags=[{"id": 1, "name": "x"}] * 2)}}, "same id"),
        ({"accounts": {"a": account_config(), "b": account_config()}}, "same appid"),
        ({"accounts": {"a": account_config(limits={"calls_per_day": {"sendall": 1}})}}, "calls_per_day"),
        ({"faults": [{"kind": "errcode", "account": "nobody"}]}, "nobody"),
        ({"pushes": [{"drop": True, "account": "nobody"}]}, "nobody"),
        ({"accounts": {"a": account_config(callback={"url": "localhost", "token": "t"})}}, "url"),
        ({"pushes": [{"delay": float("inf")}]}, "finite"),
        ({"accounts": {"a": account_config(wxnames={"boss": 20})}}, "'boss' is of follower 20"),
        ({"faults": [{"kind": "slow_upload"}]}, "needs its seconds"),
    ],
)
def test_a_wrong_configuration_is_refused(config: Json, reason: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(ValidationError, match=reason):
        SimulatorConfig.model_validate(config)


def test_a_fault_for_no_endpoint_is_refused() -> None:
    """A fault in the configuration must be able to strike."""
    config = SimulatorConfig.model_validate({"faults": [{"kind": "errcode", "endpoint": "nowhere"}]})
    with pytest.raises(ValueError, match="nowhere"):
        create_app(config)
