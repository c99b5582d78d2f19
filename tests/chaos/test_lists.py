"""Lists are planned by the seed; their batches are known by whom they go to."""

from pathlib import Path
from typing import Any

from qunfa.simulator import JobPlan, openid
from qunfa.simulator.accounts import Followers
from qunfa.simulator.content import Content
from qunfa.simulator.jobs import Audience, Job
from tests.chaos.lists import BATCH, LISTS, Lists, Roll, Rolls, audience, with_lists, write_files
from tests.chaos.plan import ChaosPlan, SendPlan, make_plan

APPID = "wx1"
LIST = SendPlan(3, "a", {"kind": "openid_file", "uri": "list-00003.txt"}, members=range(5, 15_005))


def planned(count: int, seed: int = 4, **more: Any) -> ChaosPlan:
    """A plan of twenty sends with so many lists."""
    return with_lists(make_plan(seed, 20, "x"), Lists(count, **more), "x")


def gone_to(*numbers: int) -> Job:
    """A job with the words of the list, to these followers."""
    content, to = Content("text", text=LIST.text), Audience("openids", Followers.of(numbers))
    return Job(7, 8, None, None, content, to, False, 1.0, JobPlan())  # type: ignore[arg-type]


def test_a_seed_makes_the_same_lists_again() -> None:
    """Beside the same sends; without lists there is no account for them."""
    assert planned(12) == planned(12) != planned(12, seed=5)
    assert planned(12).sends[:20] == planned(0).sends == make_plan(4, 20, "x").sends
    assert LISTS not in planned(0).accounts


def test_a_dozen_lists_have_everything() -> None:
    """A file, tags, and some less others; batches that fail; people who pause and abort; callers who start again."""
    sends = [send for send in planned(24).sends if send.members]
    assert {send.audience["kind"] for send in sends} == {"openid_file", "tags", "several"}
    assert {send.turn for send in sends} >= {"pause", "abort", "terminate", "reset"}
    assert {send.on_batch_problem for send in sends} == {"stop", "continue"}
    assert len({send.text for send in sends}) == 24


def test_a_long_list_is_alone_and_lasts() -> None:
    """It has as many openids as were asked for, on an account with more followers."""
    plan = planned(5, openids=40_000, calls=30)
    [send] = [send for send in plan.sends if send.members]
    assert (len(send.members), send.lasts, len(send.fates)) == (40_000, True, 4)
    assert plan.accounts[LISTS]["followers"] > 40_000


def test_a_file_has_each_openid_and_some_twice(tmp_path: Path) -> None:
    """In no order; a request names it by its place."""
    plan = ChaosPlan(1, (LIST,), {"a": {"appid": APPID}})
    write_files(plan, tmp_path)
    asked = audience(LIST.audience, tmp_path)
    lines = Path(asked["uri"].removeprefix("file:")).read_text(encoding="ascii").splitlines()
    assert len(lines) > len(set(lines)) == len(LIST.members)
    assert lines != sorted(lines)


def test_a_roll_is_cut_evenly_and_in_order() -> None:
    """As few batches as WeChat allows; who is on no list is in no batch."""
    roll = Roll(APPID, LIST.members)
    batches = {number: roll.batch_of(number) for number in LIST.members}
    assert [list(batches.values()).count(batch) for batch in (1, 2)] == [7_500, 7_500]
    assert BATCH >= 7_500
    last = max(openid(APPID, number) for number, batch in batches.items() if batch == 1)
    assert all(openid(APPID, number) > last for number, batch in batches.items() if batch == 2)
    assert {roll.batch_of(number) for number in (0, 15_005, 10**6, None)} == {0}


def test_a_job_is_known_by_whom_it_goes_to() -> None:
    """Each batch has words of its own."""
    rolls = Rolls(ChaosPlan(1, (LIST,), {"a": {"appid": APPID}}))
    roll = Roll(APPID, LIST.members)
    for part in rolls.parts(LIST):
        member = next(number for number in LIST.members if roll.batch_of(number) == part.part)
        assert rolls.of_job(gone_to(member)) == part.said
        assert part.key == f"list-00003.{part.part}"
