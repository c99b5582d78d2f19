from datetime import datetime, timedelta
from typing import Any

from qunfa.contract.event import ArticleCheck, JobFinished
from qunfa.contract.job import Answer, Job, Verdict
from qunfa.contract.ledger import AccountState, Claim, Day, KeptPush, Record
from qunfa.rules import leases, ledger
from qunfa.rules.calendar import shanghai_day
from qunfa.rules.ledger_size import BYTES_MAX, RECORD_LIFE, too_full, trim
from tests.rules.arbitrary import CLIENTMSGID, NOON
from tests.rules.test_ledger import SECOND, claimed, leased

PAYLOAD_MAX = 512 * 1024
DAY = timedelta(days=1)
ARTICLES = tuple(ArticleCheck(idx=n, url="https://mp.weixin.qq.com/s?__biz=" + "x" * 200) for n in range(8))
SENT = Verdict(status="send success", observed_by="push", articles=ARTICLES)
SYSTEM_BUSY = Answer(
    kind="unknown", at=NOON, errcode=-1, errmsg="系统繁忙，请稍候再试 rid: 64f0-1234-5678", rid="64f0-1234-5678"
)


def record(key: str, touched_at: datetime = NOON, **job: Any) -> Record:
    """A record of one job."""
    identity = f"mass-send:demo:{key}"
    known = Job(clientmsgid=CLIENTMSGID, attempts=1, **job)
    return Record(key=key, digest="d" * 64, workflow_id=identity, jobs=(known,), touched_at=touched_at)


def holding(*records: Record, **more: Any) -> AccountState:
    """A ledger with these records."""
    return AccountState(appid="wx", since=NOON, records={one.key: one for one in records}, **more)


def size(state: AccountState) -> int:
    """Bytes on the wire."""
    return len(state.model_dump_json().encode())


def test_thousands_of_records_fit() -> None:
    """The oldest settled ones go first; what is unsettled stays."""
    settled = [record(f"s{n:05}", NOON + n * SECOND, msg_id=n, verdict=SENT) for n in range(3000)]
    opened = [record(f"o{n:05}", NOON - DAY, ever_unknown=True, window_started_at=NOON) for n in range(300)]
    state = trim(holding(*settled, *opened), NOON + DAY)
    left = [key for key in state.records if key.startswith("s")]
    assert size(state) <= BYTES_MAX
    assert sum(key.startswith("o") for key in state.records) == len(opened)
    assert left == [f"s{n:05}" for n in range(3000 - len(left), 3000)]
    assert left
    assert trim(state, NOON + DAY) == state


def test_the_bound_is_in_bytes_not_characters() -> None:
    """A Chinese character is three bytes."""
    answer = Answer(kind="refused", at=NOON, errcode=48001, errmsg="号" * 400)
    state = trim(holding(*(record(f"s{n}", NOON + n * SECOND, answer=answer) for n in range(1000))), NOON)
    assert size(state) <= BYTES_MAX
    assert state.records


def test_a_settled_record_lives_35_days() -> None:
    """An unsettled one for ever."""
    old = NOON - RECORD_LIFE
    state = holding(
        record("settled", old, msg_id=1, verdict=SENT),
        record("younger", old + SECOND, msg_id=2, verdict=SENT),
        record("accepted", old - 900 * DAY, msg_id=3),
        record("unknown", old - 900 * DAY, ever_unknown=True),
    )
    assert set(trim(state, NOON).records) == {"younger", "accepted", "unknown"}


def test_a_record_with_a_try_under_way_stays() -> None:
    """However old its claim is: the answer must find it."""
    state, lease = leased(claimed())
    state = trim(state, NOON + 2 * RECORD_LIFE)
    assert "k" in state.records
    state = leases.expire(state, lease.expires_at + SECOND)
    assert "k" in trim(state, NOON + 2 * RECORD_LIFE).records


def test_pushes_of_nobody_do_not_crowd_out_what_was_sent() -> None:
    """They grow old like records, and the oldest goes first, whichever it is."""
    kept = tuple(
        KeptPush(event=JobFinished(msg_id=n + 1, status="send success", articles=ARTICLES), at=NOON - (200 - n) * DAY)
        for n in range(200)
    )
    state = trim(holding(record("sent", NOON - DAY, msg_id=9, verdict=SENT), kept=kept), NOON)
    assert "sent" in state.records
    assert [push.event.msg_id for push in state.kept] == list(range(167, 201))
    recent = tuple(push.model_copy(update={"at": NOON - (200 - n) * SECOND}) for n, push in enumerate(kept))
    state = trim(holding(record("sent", NOON, msg_id=9, verdict=SENT), kept=recent), NOON)
    assert "sent" in state.records
    assert state.kept
    assert size(state) <= BYTES_MAX


def test_the_quota_book_holds_two_months() -> None:
    """Older days are not asked for."""
    book = {shanghai_day(NOON - n * DAY): Day(total=1) for n in range(100)}
    assert sorted(trim(holding(book=book), NOON).book) == sorted(shanghai_day(NOON - n * DAY) for n in range(63))


def test_new_keys_are_refused_before_the_unsettled_ones_overflow() -> None:
    """A ledger full of unsettled sends is still one payload, and says that it is full."""
    state, number = holding(), 0
    while not too_full(state):
        number += 50
        more = {
            f"k{n}": record(f"k{n}", ever_unknown=True, window_started_at=NOON, answer=SYSTEM_BUSY, repeats=40)
            for n in range(number - 50, number)
        }
        state = state.model_copy(update={"records": {**state.records, **more}})
    assert number > 200
    assert size(trim(state, NOON)) <= PAYLOAD_MAX
    asked = Claim(key="new", digest="d", workflow_id="w", searched=True)
    assert ledger.claim(state, asked, NOON)[1].kind == "full"
    known = Claim(key="k1", digest="d" * 64, workflow_id="w")
    assert ledger.claim(state, known, NOON)[1].kind == "record"
