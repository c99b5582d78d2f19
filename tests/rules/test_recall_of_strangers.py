"""Whose job a recall would delete: that of another send, or of an account that had the name before, is left alone."""

import pytest

from qunfa.contract.recall import KnownJob, SentFrom
from qunfa.contract.steps import Pinned
from qunfa.rules.recall import stranger
from tests.rules.sentences import is_well_written
from tests.rules.test_recall import OURS, request

HERE = Pinned(name="demo", appid="wx1", base_url="https://weixin.example")
MINE = OURS.model_copy(update={"key": "spring", "workflow_id": "mass-send:demo:spring"})
NOBODYS = KnownJob(msg_id=7)
_AUTUMN = MINE.model_copy(update={"key": "autumn", "workflow_id": "mass-send:demo:autumn"})
_SAME = SentFrom(appid="wx1", base_url="https://weixin.example")


@pytest.mark.parametrize(
    ("known", "sent_from", "said"),
    [
        (MINE, _SAME, None),
        (MINE, SentFrom(appid="wx1"), None),
        (NOBODYS, _SAME, None),
        (MINE, SentFrom(), None),
        (NOBODYS, SentFrom(appid="wx2"), "was sent from wx2, and its account's name stands for wx1 now"),
        (MINE, SentFrom(appid="wx2"), "was sent from wx2"),
        (MINE, SentFrom(appid="wx1", base_url="http://simulator"), "was sent from http://simulator, and"),
        (_AUTUMN, SentFrom(), "msg_id 7 is a job of autumn here, and not of demo/spring"),
        (_AUTUMN, _SAME, "msg_id 7 is a job of autumn here, and not of demo/spring"),
        (NOBODYS, SentFrom(), "Nothing that is known here says that msg_id 7 is a job of demo/spring"),
        (MINE.model_copy(update={"workflow_id": "mass-send:other:spring"}), SentFrom(), "Nothing that is known here"),
    ],
)
def test_a_job_of_another_send_is_left_alone(known: KnownJob, sent_from: SentFrom, said: str | None) -> None:
    """Another appid under the name has msg_ids of its own. Who names no key means whatever has the msg_id."""
    found = stranger(request(msg_id=7, key="spring"), known, HERE, sent_from)
    assert (found is None) if said is None else (said in (found or "") and is_well_written(found or ""))
    assert stranger(request(msg_id=7), known, HERE, sent_from) is None


@pytest.mark.parametrize(
    ("had", "has", "is_same"),
    [
        ("https://api.weixin.qq.com", "https://api2.weixin.qq.com", True),
        ("https://sh.api.weixin.qq.com", "https://api.weixin.qq.com", True),
        ("https://api.weixin.qq.com", "http://proxy.internal", False),
        ("http://simulator", "https://api.weixin.qq.com", False),
        ("https://weixin.qq.com.example", "https://api.weixin.qq.com", False),
    ],
)
def test_a_job_is_recalled_by_any_host_of_wechat(had: str, has: str, *, is_same: bool) -> None:
    """They know the same msg_ids. What is behind another host may be a simulator, with msg_ids of its own."""
    here = HERE.model_copy(update={"base_url": has})
    found = stranger(request(msg_id=7, key="spring"), MINE, here, SentFrom(appid="wx1", base_url=had))
    assert (found is None) is is_same


def test_a_forgotten_job_is_recalled_by_its_msg_id() -> None:
    """As a list's own result still names it, whose batch nobody knows any more: all of it, or one article."""
    for more, command in (({}, "demo --reason"), ({"article_idx": 2}, "demo --article 2 --reason")):
        found = stranger(request(msg_id=7, key="spring.1", **more), NOBODYS, HERE, SentFrom())
        assert f"`qunfa recall 7 --account {command}" in (found or "")
