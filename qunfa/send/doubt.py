"""What the facts of a key mean: for each generation a job, and whether something may have been delivered.

| of a generation | follows from |
|---|---|
| ``ever_unknown``, ``window_started_at`` | the unknown tries under its ``clientmsgid``, earlier generations' too |
| ``unanswered`` | its unknown tries that no word of WeChat's settles, but for those that a person has looked for |
| ``vague`` | its unknown tries with one, a 45065 with another's job too |
| ``answer``, ``repeats``, ``token_refusals``, ``confirming`` | its answers, but for those that a ``retry`` covers |
| ``msg_id`` | its accepted try, a 45065 with a msg_id that is nobody else's, or a ``mark_sent`` |
| ``collides_with`` | a 45065 with a msg_id that is another key's or generation's |
| ``verdict`` | WeChat's best word on its msg_id; else a confirmation that names it, or covers all that is unknown |
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from qunfa.contract.batches import batch_key
from qunfa.contract.facts import Decided, Known, Said, Try
from qunfa.contract.fields import GENERATIONS_MAX
from qunfa.contract.message import MpnewsMessage
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import NOT_DELIVERED, Answer, Job, Verdict
from qunfa.contract.steps import Timing
from qunfa.rules.codes import CodeClass
from qunfa.rules.course import Jobs, judgement_of, may_have_been_delivered, may_straggle
from qunfa.rules.memory import is_silent, is_under_way, is_unknown
from qunfa.rules.outcome import perhaps_delivered
from qunfa.rules.submission import class_of, confirming_until, puts_a_question
from qunfa.rules.verdict import best, judge

DOUBT = "restored:"
"""How the wish of a try begins that a restored database may have forgotten. No run has such an id."""
UNNAMED = "nobody"
"""The ``clientmsgid`` of such a try where the account knows none of the key: its run knows which one it has."""
LOST = "the worker that submitted ended, or was too late, without an answer"
_WROTE_NOTHING = frozenset({"unused", "not_written"})
_YES, _NO = 0, 2


def is_doubt(one: Try) -> bool:
    """Whether it is a try that a restored database may have forgotten: nobody knows whether there was one."""
    return one.wish.startswith(DOUBT)


def jobs_of(known: Known, key: str, first: str = "") -> Jobs:
    """The generations of ``key``, in order; the first one's ``clientmsgid`` is ``first`` where no try tells it."""
    ids = clientmsgids(known, first)
    accepted = {generation: _acceptances(known, generation) for generation in ids}
    delivered = (one for one in ids if _closed(known, _msg_id(known, key, one, accepted)[0]) == _YES)
    known = _without_doubts_after(next(delivered, GENERATIONS_MAX), known)
    return tuple(_job(known, key, generation, ids, accepted) for generation in ids)


def _without_doubts_after(delivered: int, known: Known) -> Known:
    """What is known without a restore's doubts about generations after the one that was delivered.

    A retry needs a no of ``mass/get`` about each job before it, so that none is forgotten there. One with a person's
    word alone asks nobody.
    """
    if any(one.what == "open" and one.confirms and one.generation >= delivered for one in known.decided):
        return known
    tries = tuple(one for one in known.tries if one.generation <= delivered or not is_doubt(one))
    return known.model_copy(update={"tries": tries})


def clientmsgids(known: Known, first: str) -> Mapping[int, str]:
    """Each generation's ``clientmsgid``, by its number: the one that was tried, else the one it was opened with."""
    found = {0: first}
    for decision in known.decided:
        opened = decision.generation + 1
        if decision.what == "open" and decision.opens is not None and opened < GENERATIONS_MAX:
            found.setdefault(opened, decision.opens)
    for one in reversed(known.tries):
        found[one.generation] = one.clientmsgid
    return dict(sorted(found.items()))


def accepted_of(known: Known, key: str, jobs: Jobs) -> Mapping[int, datetime]:
    """Each job that WeChat has accepted of ``key``, or a person has found, with when; ``jobs`` come first.

    A generation shows one of its own. WeChat's no to another one may be forged, too.
    """
    named = {one.msg_id: one.key for one in known.owned}
    found = [(job.msg_id, job.accepted_at) for job in jobs]
    for one in known.tries:
        answer = one.answer
        if answer is not None and answer.msg_id is not None and named.get(answer.msg_id, key) == key:
            found.append((answer.msg_id, answer.at))
    found += [(one.msg_id, one.at) for one in known.decided if one.what == "mark_sent"]
    accepted: dict[int, datetime] = {}
    for msg_id, at in found:
        if msg_id is not None and at is not None:
            accepted.setdefault(msg_id, at)
    return accepted


def of_unknown_owner(known: Known) -> frozenset[int]:
    """The msg_ids that came with a 45065, and of which it is not known yet whose they are."""
    owned = {one.msg_id for one in known.owned}
    return frozenset(echo for one in known.tries if (echo := _echo_of(one)) is not None) - owned


def _echo_of(one: Try) -> int | None:
    """The msg_id that came with a 45065."""
    return one.answer.msg_id if one.answer is not None and one.answer.kind == "duplicate" else None


def unknown_of(known: Known, key: str, tries: Iterable[Try]) -> list[Try]:
    """Those that may have reached WeChat, and of which no word of its says what became of this key.

    One that was answered with the job of another ``clientmsgid`` is such. WeChat has been seen to say that of batches
    with ids of their own, and has not told whether they were delivered.
    """
    ours = {(key, one.generation, one.clientmsgid) for one in known.tries}
    named = {one.msg_id: (one.key, one.generation) for one in known.owned}

    def is_of_another(one: Try) -> bool:
        echo = _echo_of(one)
        return echo in named and (*named[echo], one.clientmsgid) not in ours

    return [one for one in tries if is_unknown(one) or is_of_another(one)]


def open_wishes(known: Known, key: str, *, late: bool) -> tuple[str, ...]:
    """The wishes of the unknown tries of all generations that neither WeChat nor a person has settled.

    ``late``: also of those that may still be carried out after a later one was accepted.
    """
    jobs, covered = jobs_of(known, key), _covered(known)
    in_doubt = {job.clientmsgid for job in jobs if job.msg_id is None}
    stragglers = {(job.generation, number) for job in jobs for number in job.unanswered if late}
    wanted = (
        one
        for one in unknown_of(known, key, known.tries)
        if one.clientmsgid in in_doubt or (one.generation, one.number) in stragglers
    )
    return tuple(one.wish for one in wanted if one.wish not in covered)


def confirmable_until(known: Known, key: str, timing: Timing) -> datetime | None:
    """Until when the administrator may confirm a try that nothing has settled."""
    wishes = open_wishes(known, key, late=True)
    answers = [one.answer for one in known.tries if one.answer and one.wish in wishes]
    return max(filter(None, (confirming_until(answer, timing) for answer in answers)), default=None)


def vouched_for(jobs: Jobs) -> Job | None:
    """What a person has not found in the console, while nothing else may be out: another may find it all the same.

    Of a newest job that WeChat has accepted it would find no other msg_id: WeChat has not said that it failed.
    """
    missed = [job for job in jobs if is_missing(job)]
    is_accepted = jobs[-1].msg_id is not None and is_missing(jobs[-1])
    return missed[-1] if missed and not is_accepted and not may_have_been_delivered(jobs) else None


def opened_again(jobs: Jobs) -> Job | None:
    """The same, where it is to go out again since."""
    return vouched_for(jobs) if judgement_of(jobs[-1]) is None else None


def left_open(known: Known, jobs: Jobs) -> Job | None:
    """What was not found before the newest submission: who stops that may have found it, unless they have looked."""
    looked = (one for one in known.decided if one.what == "abort" and one.confirms)
    is_settled = is_missing(jobs[-1]) or any(one.generation == jobs[-1].generation for one in looked)
    return None if is_settled else vouched_for(jobs)


def is_missing(job: Job) -> bool:
    """Whether a person has not found it in the console."""
    judgement = judgement_of(job)
    return judgement is not None and judgement.name == "not_delivered"


def leaves_doubt(known: Known, jobs: Jobs) -> bool:
    """Whether something may have been delivered, or may still be, of a key on which nobody works any more."""
    return may_have_been_delivered(jobs) or may_straggle(jobs) or left_open(known, jobs) is not None


def used_before(known: Known, key: str, jobs: Jobs) -> str | None:
    """What who reads that a request was refused must know: an earlier run had its key, and may have sent something."""
    return perhaps_delivered(key, jobs) if leaves_doubt(known, jobs) else None


def ignores_reprint(request: MassSendRequest, known: Known) -> bool:
    """Whether it goes out although WeChat judges it a reprint: by its request, or a decision of any life of its key."""
    is_decided = any(one.send_ignore_reprint for one in known.decided)
    return isinstance(request.message, MpnewsMessage) and (request.send_ignore_reprint or is_decided)


def used_by_list(key: str, known: Known, first: Known) -> str | None:
    """The same of the list that may have had the key, by its first batch.

    What a restore may have forgotten of both is told of the key alone: there may have been no list.
    """
    batch = batch_key(key, 1)
    if any(map(is_doubt, known.tries)):
        first = first.model_copy(update={"tries": tuple(one for one in first.tries if not is_doubt(one))})
    return used_before(first, batch, jobs_of(first, batch))


def heard(one: Try) -> Answer | None:
    """What is taken for the answer to a try; a lost one counts as unknown from when it was lost."""
    if one.answer is not None:
        return None if one.answer.kind == "unused" else one.answer
    return Answer(kind="unknown", at=one.lost_at, detail=LOST) if one.lost_at is not None else None


def _job(known: Known, key: str, generation: int, ids: Mapping[int, str], accepted: Mapping[int, list[Answer]]) -> Job:
    clientmsgid = ids[generation]
    tries = [one for one in known.tries if one.generation == generation]
    unknown = unknown_of(known, key, tries)
    namesakes = [one for one in known.tries if one.clientmsgid == clientmsgid and one.generation <= generation]
    doubtful = unknown_of(known, key, namesakes)
    looked_for = _covered(known)
    answers = _counting(known, generation, tries)
    msg_id, acceptance = _msg_id(known, key, generation, accepted)
    acceptances = accepted[generation]
    confirmed = any(one.wish in looked_for for one in namesakes) and all(one.wish in looked_for for one in doubtful)
    looked_up = any(one.confirms and one.msg_id == msg_id for one in known.decided)
    is_missing = confirmed if msg_id is None else looked_up
    is_named = acceptance is not None and acceptance not in acceptances
    not_delivered = Verdict(status=NOT_DELIVERED, observed_by="operator") if is_missing else None
    return Job(
        generation=generation,
        clientmsgid=clientmsgid,
        attempts=sum(_written(one) for one in tries),
        under_way=any(map(is_under_way, tries)),
        ever_unknown=bool(doubtful),
        window_started_at=min((one.not_before for one in doubtful), default=None),
        unanswered=tuple(one.number for one in unknown if (is_silent(one) or is_named) and one.wish not in looked_for),
        vague=any(not is_silent(one) for one in unknown),
        repeats=len(answers),
        token_refusals=_trailing_token_refusals(answers),
        confirming=sum(map(puts_a_question, answers)),
        answer=answers[-1] if answers else None,
        msg_id=msg_id,
        msg_data_id=acceptance.msg_data_id if acceptance else None,
        accepted_at=acceptance.at if acceptance else None,
        deduplicated=acceptance is not None and acceptance.kind == "duplicate",
        collides_with=acceptances[-1].msg_id if msg_id is None and acceptances else None,
        verdict=_verdict(known.said, msg_id) or not_delivered,
    )


def _written(one: Try) -> bool:
    return one.answer is None or one.answer.kind not in _WROTE_NOTHING


def _counting(known: Known, generation: int, tries: Iterable[Try]) -> list[Answer]:
    """The answers that count, the newest last: a person who has it tried again has seen the others."""
    covered = {
        wish
        for decision in known.decided
        if decision.what == "retry" and decision.generation == generation
        for wish in decision.covers
    }
    counting = sorted((one for one in tries if one.wish not in covered), key=lambda one: (one.number, one.not_before))
    return [answer for one in counting if (answer := heard(one)) is not None]


def _trailing_token_refusals(answers: list[Answer]) -> int:
    count = 0
    for answer in reversed(answers):
        if answer.kind != "refused" or class_of(answer) is not CodeClass.TOKEN:
            break
        count += 1
    return count


def _acceptances(known: Known, generation: int) -> list[Answer]:
    """The answers by which WeChat has, or seems to have, a job of this generation."""
    answers = (one.answer for one in known.tries if one.generation == generation and one.answer is not None)
    return [one for one in answers if one.msg_id is not None and one.kind in {"accepted", "duplicate"}]


def _msg_id(
    known: Known, key: str, generation: int, accepted: Mapping[int, list[Answer]]
) -> tuple[int | None, Answer | None]:
    """The generation's msg_id, and the answer that brought it.

    WeChat may have taken two, where a job that failed has set the ``clientmsgid`` free: the one that was delivered
    counts, then one that may be. A person may have found the other one, which one of the tries that got no answer made.
    """
    taken = {answer.msg_id for other, answers in accepted.items() if other < generation for answer in answers}
    taken |= {one.msg_id for one in known.owned if (one.key, one.generation) != (key, generation)}
    found = [one for one in accepted[generation] if one.kind == "accepted" or one.msg_id not in taken]
    failed = all(_closed(known, one.msg_id) == _NO for one in found)
    marked = [one for one in known.decided if one.what == "mark_sent" and one.generation == generation]
    marked.sort(key=lambda one: (one.at, one.id), reverse=True)
    newest = [one for one in marked if failed and (one.covers or not found)][:1]
    delivered = [one for one in marked if _closed(known, one.msg_id) == _YES]
    found = [*map(_acceptance, newest), *found, *map(_acceptance, delivered)]
    best = min(found, key=lambda one: _closed(known, one.msg_id), default=None)
    return (best.msg_id, best) if best else (None, None)


def _acceptance(found: Decided) -> Answer:
    """What a person has found, as if WeChat had answered with it."""
    return Answer(kind="accepted", at=found.at, msg_id=found.msg_id)


def _closed(known: Known, msg_id: int | None) -> int:
    """How far WeChat's word has settled the job: a yes before none before a no."""
    verdict = _verdict(known.said, msg_id)
    judgement = judge(verdict) if verdict else None
    if judgement is None:
        return 1
    return _YES if judgement.delivered else _NO


def _covered(known: Known) -> set[str]:
    """The wishes of the tries that a person has looked for."""
    return {wish for decision in known.decided if decision.confirms for wish in decision.covers}


def _verdict(said: Iterable[Said], msg_id: int | None) -> Verdict | None:
    return best(one.verdict for one in said if one.msg_id == msg_id)
