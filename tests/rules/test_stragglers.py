"""A try that got no answer and is slow on its way: it may be carried out after a later one was accepted and failed."""

from datetime import timedelta

import pytest

from qunfa.contract.job import Answer, Job, Verdict
from qunfa.rules.course import Jobs, merge
from qunfa.rules.outcome import bad_end, from_ledger
from qunfa.rules.stragglers import may_straggle, shares_clientmsgid, sharing
from qunfa.rules.submission import after_try, begin_try, lost_try
from tests.rules.arbitrary import NOON
from tests.rules.test_one_delivery import KEY, OneKey

NO = Verdict(status="err(30001)", observed_by="push")


def failed_after(fate: str, *, frees: bool) -> OneKey:
    """A send whose first try met `fate`, and whose second try was accepted, and failed."""
    key = OneKey()
    key.begin(not_after=None, quota="wait", hours=None, frees=frees)
    key.start()
    for one in (fate, "judged"):
        key.go_on(times=1)
        fly(key, one)
    for pick in range(len(key.accepted)):
        key.push(pick)
    return key


def fly(key: OneKey, fate: str, errcode: int = 48001) -> None:
    """The try under way meets `fate`, and the ledger is told."""
    key.fly(pick=0, heard=True, errcode=errcode, fate=fate)
    key.told(newest=1)


def said(*answers: str) -> Job:
    """A job whose tries were answered so, the last of which made it; and which failed."""
    job = Job(clientmsgid="id-00")
    for attempt, answer in enumerate(answers, 1):
        job = begin_try(job, attempt)
        if answer == "lost":
            job = lost_try(job, attempt, NOON, NOON, "no answer")
            continue
        more = {"accepted": {"msg_id": 7}, "duplicate": {"msg_id": 7, "errcode": 45065}, "unknown": {"errcode": -1}}
        told = Answer.model_validate({"kind": answer, "at": NOON, **more.get(answer, {"errcode": 45028})})
        job = after_try(job, attempt, told, NOON)
    return job.model_copy(update={"verdict": NO})


@pytest.mark.parametrize("frees", [True, False], ids=["frees its clientmsgid", "keeps its clientmsgid"])
@pytest.mark.parametrize("arrives", ["before the retry", "after the retry", "after its answer"])
def test_a_slow_try_doubles_no_retry(arrives: str, frees: bool) -> None:
    """A try without an answer, one that is accepted and fails, a retry; and the first is carried out after all."""
    key = failed_after("slow", frees=frees)
    if arrives == "before the retry":
        key.arrive(pick=0)
    key.operate("retry surely")
    key.go_on(times=1)
    if arrives == "after the retry":
        key.arrive(pick=0)
    for _ in range(2):
        if key.open:
            fly(key, "delivered")
            key.go_on(times=2)
    if arrives == "after its answer":
        key.arrive(pick=0)
    for pick in range(len(key.accepted)):
        key.push(pick)
    key.go_on(times=2)
    ids = {job.clientmsgid for job in key.state.records[KEY].jobs}
    assert (key.deliveries, len(ids), key.jobs) == (1, 1 if frees else 2, None)


@pytest.mark.parametrize("waits", ["for an operator", "for its quota"])
def test_a_shared_clientmsgid_is_not_used_after_wechat_may_have_forgotten_it(waits: str) -> None:
    """The slow try came through, and was delivered; a day or a month later nothing more goes out under its id."""
    key = failed_after("slow", frees=True)
    key.arrive(pick=0)
    if waits == "for an operator":
        key.wait(24 * 3600)
    key.operate("retry")
    for _ in range(4):
        key.go_on(times=1)
        if key.open:
            fly(key, "refused", 45040)
        key.wait(24 * 3600)
    key.go_on(times=3)
    assert (key.deliveries, key.open) == (1, [])


@pytest.mark.parametrize(
    ("answers", "straggles"),
    [
        (("accepted",), False),
        (("lost", "accepted"), True),
        (("lost", "duplicate"), False),
        (("lost", "lost", "duplicate"), True),
        (("unknown", "lost", "duplicate"), True),
        (("unknown", "accepted"), False),
        (("lost", "refused", "refused", "duplicate"), False),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_an_end_does_not_deny_what_may_still_come(answers: tuple[str, ...], straggles: bool) -> None:
    """Aborted after a no: unknown where more tries got no answer than the one that made the job, and else not."""
    jobs = (said(*answers),)
    assert (may_straggle(jobs), shares_clientmsgid(jobs)) == (straggles, straggles)
    assert bad_end(jobs, "aborted", straggler=may_straggle(jobs)) == ("unknown" if straggles else "aborted")
    assert may_straggle(merge(jobs, from_ledger(jobs))) == straggles, "a later life knows it, too"


def test_a_version_that_did_not_count_tries_leaves_a_doubt() -> None:
    """Begun by it, and gone on with by this one: the unknown try that was not counted counts."""
    job = Job(clientmsgid="id-00", attempts=1, ever_unknown=True, window_started_at=NOON)
    job = lost_try(begin_try(job, 2), 2, NOON, NOON, "no answer")
    job = after_try(begin_try(job, 3), 3, Answer(kind="duplicate", at=NOON, msg_id=7, errcode=45065), NOON)
    assert may_straggle((job.model_copy(update={"verdict": NO}),))


def test_the_only_try_is_not_behind_itself() -> None:
    """Its worker died once the ledger knew that it was accepted: there is no other try that could come through."""
    told = said("accepted").model_copy(update={"verdict": None})
    (job,) = merge((lost_try(begin_try(Job(clientmsgid="id-00"), 1), 1, NOON, NOON, "its worker died"),), (told,))
    assert not may_straggle((job.model_copy(update={"verdict": NO}),))


def test_a_shared_clientmsgid_hands_on_its_doubts() -> None:
    """Also where one of two memories has made the generation without them."""
    first = said("lost", "accepted")
    second = sharing((first,), 1)
    assert (second.ever_unknown, second.window_started_at, second.clientmsgid) == (True, NOON, first.clientmsgid)
    bare = Job(generation=1, clientmsgid=first.clientmsgid, attempts=1, window_started_at=NOON + timedelta(hours=9))
    healed: Jobs = merge((first,), (bare,))
    assert (healed[1].ever_unknown, healed[1].window_started_at) == (True, NOON)


def test_two_memories_agree_on_the_clientmsgid_that_was_tried() -> None:
    """Where another version retried under an id of its own."""
    ours = Job(generation=1, clientmsgid="id-00")
    theirs = Job(generation=1, clientmsgid="id-01", attempts=1, ever_unknown=True, window_started_at=NOON)
    assert merge((ours,), (theirs,)) == merge((theirs,), (ours,))
    assert merge((ours,), (theirs,))[0].clientmsgid == "id-01"
