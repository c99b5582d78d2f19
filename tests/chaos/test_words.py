"""Whatever the form of a message, it says the words of its send, and by those its jobs are known."""

from pathlib import Path
from typing import get_args

import pytest

from qunfa.simulator.content import Content
from tests.chaos import words

WORDS = "a/send-00001: 你好"


@pytest.mark.parametrize("form", get_args(words.Form))
def test_a_request_says_its_words(form: words.Form, tmp_path: Path) -> None:
    """As a text, as a title, or above pictures."""
    assert words.of_message(words.message(form, WORDS, tmp_path)) == WORDS


@pytest.mark.parametrize("content", [Content("text", text=WORDS), Content("image", recommend=WORDS)])
def test_a_job_says_its_words(content: Content) -> None:
    """What followers read is what was asked for."""
    assert words.of_content(content) == WORDS


def test_the_files_of_a_message_are_there(tmp_path: Path) -> None:
    """In the folder that a request names."""
    words.write_files(tmp_path / "media")
    [article] = words.message("mpnews", WORDS, tmp_path / "media")["articles"]
    assert Path(article["thumb"]["uri"].removeprefix("file:")).is_file()
