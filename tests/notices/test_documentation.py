import json
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from activities.notices import PATIENCE
from qunfa.contract.notice import Notice, NoticeType
from qunfa.rules.problems import PROBLEMS
from qunfa.settings import NoticeSettings
from tests.activities.test_notice import told
from tests.notices.webhook import OTHER, receiving

GUIDE = (Path(__file__).parents[2] / "docs" / "notices.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The guide's only code block in this language."""
    [text] = re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)
    return str(text)


def test_the_example_is_a_whole_notice() -> None:
    """Every field that a receiver gets, with the words that it gets."""
    example = json.loads(block("json"))
    assert Notice.model_validate(example).model_dump(mode="json") == example
    choice = PROBLEMS[example["data"]["problem"]["name"]]
    found = {name: example["data"]["problem"][name] for name in ("sentence", "todo")}
    assert (found, tuple(example["data"]["answers"])) == (
        {"sentence": choice.sentence, "todo": choice.todo},
        choice.answers,
    )


async def test_the_receiver_of_the_guide_takes_what_is_posted() -> None:
    """As it stands there, once; and refuses what was signed with another secret."""
    channel: list[str] = []
    seen: set[str] = set()

    def seen_before(webhook_id: str) -> bool:
        known = webhook_id in seen
        seen.add(webhook_id)
        return known

    names: dict[str, Any] = {
        "seen_before": seen_before,
        "tell_the_channel": lambda kind, data: channel.append(f"{kind} {data['key']}"),
    }
    exec(compile(block("python"), "notices.md", "exec"), names)  # noqa: S102  the guide's own code
    [secret] = re.findall(r"whsec_[A-Za-z0-9+/=]{10,}", block("python"))
    async with receiving() as receiver:
        for one in (secret, secret, OTHER):
            await told(receiver, secret=one)
    statuses = [names["receive"](post.headers, post.body) for post in receiver.posts]
    assert (statuses, channel) == ([204, 204, 401], ["needs_operator 春"])


def test_the_configuration_of_the_guide_loads(tmp_path: Path) -> None:
    """With a secret in its file."""
    (tmp_path / "secret").write_text(OTHER)
    table = tomllib.loads(block("toml"))["accounts"]["brand"]["notices"]["oncall"]
    loaded = NoticeSettings.model_validate({**table, "secret_file": tmp_path / "secret"})
    assert loaded.secrets == (OTHER,)
    assert set(loaded.events) < set(get_args(NoticeType))


@pytest.mark.parametrize("name", [*NoticeSettings.model_fields, *get_args(NoticeType)])
def test_every_setting_and_every_type_is_explained(name: str) -> None:
    """Whoever meets the word finds it in the guide."""
    assert f"`{name}`" in GUIDE


def test_the_guide_names_the_real_time() -> None:
    """How long a receiver may take."""
    assert PATIENCE.total_seconds() == 10
    assert "within ten seconds" in GUIDE
