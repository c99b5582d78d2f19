"""What nobody asked for is a violation, whoever it went to; and so is what went to others than it was asked for."""

from typing import Any

import pytest

from qunfa.simulator import JobPlan, openid
from qunfa.simulator.accounts import Followers
from qunfa.simulator.content import Content
from qunfa.simulator.jobs import Audience, Job
from tests.chaos.plan import SendPlan
from tests.chaos.strays import judge_strays

APPID = "wx1"
ALL = SendPlan(1, "a", {"kind": "all"})
TAG = SendPlan(2, "a", {"kind": "tag", "tag_id": 2})
LISTED = SendPlan(3, "a", {"kind": "openids", "openids": [openid(APPID, 1), openid(APPID, 2)]})
OF_LIST = SendPlan(5, "a", {"kind": "openid_file", "uri": "x.txt"}, members=range(5, 9))
TO_ALL = Audience("all", Followers.of(range(9)), to_all=True)
TO_TAG = Audience("tag:2", Followers.of(range(3)))
TO_LISTED = Audience("openids", Followers.of([1, 2]))


def strays(said: str, audience: Audience) -> list[Any]:
    """What is wrong with a job of account `a` that says this and goes to them."""
    content = Content("text", text=said)
    job = Job(7, 8, None, None, content, audience, False, 1.0, JobPlan())  # type: ignore[arg-type]
    return list(judge_strays("a", APPID, [job], [ALL, TAG, LISTED, OF_LIST, SendPlan(4, "b", {"kind": "all"})]))


@pytest.mark.parametrize(
    ("send", "audience"),
    [(ALL, TO_ALL), (TAG, TO_TAG), (LISTED, TO_LISTED), (OF_LIST, Audience("openids", Followers.of([5, 6])))],
)
def test_what_was_asked_for_is_no_stray(send: SendPlan, audience: Audience) -> None:
    """To all, to a tag, to some, to those of a list."""
    assert strays(send.text, audience) == []


@pytest.mark.parametrize(
    ("send", "audience"),
    [
        (TAG, TO_ALL),
        (LISTED, TO_ALL),
        (ALL, TO_TAG),
        (TAG, Audience("tag:3", Followers.of(range(3)))),
        (LISTED, Audience("openids", Followers.of([1, 5]))),
        (OF_LIST, Audience("openids", Followers.of([4, 5, 6]))),
    ],
)
def test_what_went_to_others_is_wrong(send: SendPlan, audience: Audience) -> None:
    """Though it says what was to be said."""
    assert [(one.kind, one.key) for one in strays(send.text, audience)] == [("wrong", send.key)]


@pytest.mark.parametrize("said", ["", "hello", ALL.text + ", otherwise", SendPlan(4, "b", {"kind": "all"}).text])
def test_what_nobody_asked_for_is_wrong(said: str) -> None:
    """Another content under a key that was used, and what another account was to send."""
    assert [(one.kind, one.key) for one in strays(said, TO_ALL)] == [("wrong", None)]
