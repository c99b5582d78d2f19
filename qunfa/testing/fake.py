"""A Qunfa without Temporal, whose sends end as a test says. Their handles' answers fit as in Temporal."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel

from qunfa.client import (
    InvalidRequest,
    MassSendFailed,
    MassSendHandle,
    NoAnswer,
    NoSuchSend,
    Qunfa,
    Request,
    UpdateRefused,
    Wait,
)  # fmt: skip
from qunfa.client.asked import Asked, asked_for, differences
from qunfa.client.handle import check_within
from qunfa.client.sending import check_wait
from qunfa.contract.audience import OPENIDS_MIN, Batch
from qunfa.contract.content import differing
from qunfa.contract.ids import MassSendId
from qunfa.contract.operators import Abort, Approve, Choose, MarkSent, Pause, Reject, Reschedule, Resume, Retry, Status
from qunfa.contract.refusal import InvalidRequestError
from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.contract.result import COMPLETES, MassSendResult, Outcome
from qunfa.rules.approval import Policy, is_same_person, problems
from qunfa.rules.outcome import failure_of
from qunfa.rules.problems import ABORT, MARK_SENT, PLAN_MISSING, PROBLEMS, RETRY
from qunfa.rules.terms import NOT_ASKED_FOR, of_time, of_what_a_retry_says, terms
from qunfa.send.joining import REUSED
from qunfa.testing.fate import DOUBTS, MISSING, NO_VERDICT, Ending
from qunfa.testing.send import FakeSend

FIRST_MSG_ID: Final = 3_000_000_001


class FakeHandle(MassSendHandle):
    """A handle whose methods answer as those of a send in Temporal do."""

    def __init__(self, sends: "FakeSends", run: FakeSend | None, account: str, key: str, **found: Any) -> None:
        super().__init__(account, key, run_id=run.run_id if run else None, **found)
        self._sends = sends
        self._run = run

    async def status(self) -> Status:
        """Where the send stands."""
        return self._send().status()

    async def accepted(self, *, within: timedelta | None = None) -> Status:
        """Where the send stands, unless it is refused: a fake answers at once."""
        check_within(within)
        send = self._send()
        if send.refused:
            raise InvalidRequest(send.refused)
        return send.status()

    async def result(self, *, within: timedelta | None = None) -> MassSendResult:
        """Wait for the end: a send that waits for a person waits until the test has one answer."""
        check_within(within)
        send = self._run or self._send()
        if send.refused:
            raise InvalidRequest(send.refused)
        try:
            async with asyncio.timeout(within.total_seconds() if within is not None else None):
                await send.over.wait()
        except TimeoutError:
            raise NoAnswer(self, f"the result within {within}") from None
        result = send.result()
        if result.outcome in COMPLETES:
            return result
        raise MassSendFailed(failure_of(result), result)

    def _send(self) -> FakeSend:
        send = self._sends.newest.get(MassSendId(self.account, self.key))
        if send is None:
            raise NoSuchSend(self.id)
        return send

    async def _give(self, update: str, answer: BaseModel) -> Status:
        send = self._send()
        if send.outcome is not None or send.refused:
            raise UpdateRefused(update, "this send has ended, so there is nothing to answer")
        misfit = _misfit(send, update, answer) or self._sends.misfit(send, answer)
        if misfit is not None:
            raise UpdateRefused(update, misfit)
        said, before = answer.model_dump(), send.status()
        send.tell(update, said["by"], said.get("reason"))
        _take(send, answer)
        status = send.status()
        if not isinstance(answer, Abort | Reject):
            return status
        # Workers answer before the account has heard of the end, and a list before its batch has.
        if before.batch is None:
            question = send.question if before.problem else None
            return status.model_copy(update={"phase": before.phase, "problem": question})
        left = tuple(one for one in before.answers if one != RETRY)
        return before.model_copy(update={"answers": left, "history": status.history})


@dataclass
class FakeSends:
    """The sends of a fake; ``ledger``: that which counts of each key."""

    newest: dict[MassSendId, FakeSend] = field(default_factory=dict)
    ledger: dict[MassSendId, FakeSend] = field(default_factory=dict)

    def misfit(self, send: FakeSend, answer: BaseModel) -> str | None:
        """Whether an answer names the job of another key."""
        if not isinstance(answer, MarkSent):
            return None
        others = [one for one in self.ledger.values() if one.account == send.account and one is not send]
        theirs = next((one for one in others for job in one.jobs if job.msg_id == answer.msg_id), None)
        return f"msg_id {answer.msg_id} is another job's: key {theirs.key}" if theirs else None


class FakeQunfa(Qunfa):
    """Checks requests as the workers do, but for what only they know: files, accounts, WeChat.

    Each request is sent well at once, unless the test has said otherwise before. Times do not pass: a ``send_at`` is
    not waited for, unless the test says so. ``requests`` are those that were started, in order.
    """

    def __init__(self) -> None:
        self.requests: list[MassSendRequest] = []
        self._sends = FakeSends()
        self._endings: dict[str | None, Ending] = {None: Ending()}
        self._count = 0

    def ends(self, outcome: Outcome, *, problem: str | None = None, key: str | None = None) -> None:
        """Have sends end so: that of the ``key``, or all others; ``problem`` is one of the operators' guide's table."""
        if problem is not None and problem not in PROBLEMS:
            raise ValueError(f"there is no problem {problem!r}; there are: {', '.join(PROBLEMS)}")
        if problem in DOUBTS and outcome not in {*COMPLETES, "unknown"}:
            raise ValueError(f"a send that ends with {problem!r} ends as unknown, and not as {outcome}")
        self._endings[key] = replace(self._ending(key), outcome=outcome, problem=problem)

    def waits_with(self, problem: str, *, key: str | None = None) -> None:
        """Have sends ask a person about this problem; after a ``retry`` they end as the test says.

        Those of a batch and of a restored database are refused, such as ``plan_missing``.
        """
        answers = set(PROBLEMS[problem].answers if problem in PROBLEMS else {""})
        if problem == PLAN_MISSING or not answers <= {RETRY, MARK_SENT, ABORT}:
            raise ValueError(f"no send of a fake can ask about {problem!r}")
        self._endings[key] = replace(self._ending(key), asks=problem)

    def waits_for_approval(self, *, key: str | None = None) -> None:
        """Have sends wait for approval, as an account's policy may want."""
        self._endings[key] = replace(self._ending(key), needs_approval=True)

    def waits_for_its_time(self, *, key: str | None = None) -> None:
        """Have sends with a later ``send_at`` stay ``scheduled``, until somebody reschedules or aborts them."""
        self._endings[key] = replace(self._ending(key), keeps_time=True)

    def gives_no_answer(self, *, key: str | None = None) -> None:
        """Have ``send()`` raise ``NoAnswer`` the first time that a key is sent. The send goes out all the same."""
        self._endings[key] = replace(self._ending(key), is_unheard=True)

    def refuses(self, *sentences: str, key: str | None = None) -> None:
        """Have requests refused for what only workers know, such as ``message.media: there is no such file``."""
        self._endings[key] = replace(self._ending(key), refused=sentences)

    def plans(self, openids: int, *, key: str | None = None) -> None:
        """Have the audience of a send in batches be so many openids: the fake reads no list."""
        if openids < OPENIDS_MIN:
            raise ValueError(f"a send in batches has {OPENIDS_MIN} openids or more, not {openids}")
        self._endings[key] = replace(self._ending(key), openids=openids)

    async def send(self, request: Request, *, wait: Wait = "accepted", within: timedelta | None = None) -> FakeHandle:
        """Carry the request out, unless there is one under its key; ``"result"`` waits for that one, too."""
        check_wait(wait, within)
        asked = asked_for(request)
        before = self._sends.newest.get(asked.send)
        if before is not None and before.outcome is None and not before.refused:
            found = differences(asked, before.raw) or ()
            handle = self._handle(asked.send, before, differs=found)
        else:
            send = self._sends.newest[asked.send] = self._new(asked)
            handle = self._handle(asked.send, send, started=True)
            if before is None and send.ending.is_unheard:
                raise NoAnswer(self._handle(asked.send), f"wait={wait!r}")
        if wait != "started":
            await handle.accepted()
        if wait == "result":
            await handle.result(within=within)
        return handle

    def handle(self, account: str, key: str) -> FakeHandle:
        """The send of this account and key."""
        return self._handle(MassSendId(account, key))

    def _handle(self, send: MassSendId, run: FakeSend | None = None, **found: Any) -> FakeHandle:
        return FakeHandle(self._sends, run, *send, **found)

    def _ending(self, key: str | None) -> Ending:
        return self._endings.get(key, self._endings[None])

    def _new(self, asked: Asked) -> FakeSend:
        before = self._sends.ledger.get(asked.send)
        self._count += 1
        ending, now = self._ending(asked.send.key), datetime.now(UTC)
        request, refused = _checked(asked, ending, now)
        send = FakeSend(
            account=asked.send.account,
            key=asked.send.key,
            raw=asked.raw,
            request=request,
            refused=refused,
            ending=ending,
            msg_id=FIRST_MSG_ID + self._count,
            spare=0,
            run_id=f"fake-run-{self._count}",
        )
        jobs = len(send.batches) or 1
        send.spare, self._count = send.msg_id + jobs, self._count + 2 * jobs
        if before is not None:
            counts = before.may_have_been_delivered or not send.is_late
            if request and before.request and counts and not send.refused:
                send.refused = _other_content(request, before.request)
            if send.refused and before.may_have_been_delivered:
                send.refused.append(before.told_to_who_is_refused())
            send.follow(before)
        if request is not None and not send.refused:
            self.requests.append(request)
            if not send.is_late:
                self._sends.ledger[asked.send] = send
            send.go_on()
        return send


def _checked(asked: Asked, ending: Ending, now: datetime) -> tuple[MassSendRequest | None, list[str]]:
    """The request, and what is wrong with it."""
    try:
        request = parse_request(asked.raw)
    except InvalidRequestError as error:
        return None, list(error.problems)
    refused = terms(request, now)
    if isinstance(request.audience, Batch):
        refused.append(f"audience.kind: {NOT_ASKED_FOR}")
    policy: Policy = "always" if ending.needs_approval else "never"
    return request, refused or [*problems(policy, request), *ending.refused]


def _other_content(asked: MassSendRequest, before: MassSendRequest) -> list[str]:
    """What is said of a key that stands for content already, and comes again with other content.

    A message's files may be the same at other URIs, and the fake reads none.
    """
    found = differing(asked, before)
    is_same = not found.fields or (found.in_uris and "audience" not in found.fields)
    return [] if is_same else [REUSED.format(key=asked.key)]


def _misfit(send: FakeSend, update: str, answer: BaseModel) -> str | None:
    """Why it does not fit now."""
    if isinstance(answer, Approve | Reject) and send.approved_by:
        return f"{update} does not fit now: {send.approved_by} has approved it already"
    if isinstance(answer, Approve) and is_same_person(answer.by, (send.request and send.request.requested_by) or ""):
        return f"{answer.by} has asked for this send, and somebody else has to approve it"
    if isinstance(answer, Abort) and answer.confirm_not_delivered and not (send.asks or send.batches):
        return "confirm_not_delivered: nothing is in doubt"
    if update not in send.status().answers:
        return f"{update} does not fit now: the send is {send.status().phase}"
    if send.asks == NO_VERDICT and isinstance(answer, MarkSent) and answer.msg_id != send.msg_id:
        return f"WeChat accepted this send as msg_id {send.msg_id}, not {answer.msg_id}"
    if send.asks == MISSING and send.in_doubt and isinstance(answer, Retry):
        return f"WeChat now says SENDING of msg_id {send.msg_id}; a second submission would double it"
    if isinstance(answer, Reschedule) and send.request is not None:
        return of_time(send.request, datetime.now(UTC), answer)
    return of_what_a_retry_says(send.asks, answer) if isinstance(answer, Retry) and send.asks else None


def _take(send: FakeSend, answer: BaseModel) -> None:
    match answer:
        case Approve(by=by):
            send.approved_by = by
        case Pause(by=by):
            send.paused_by = by
        case Resume():
            send.resume()
        case Reschedule(send_at=send_at):
            send.send_at = send_at
        case Retry(confirm_not_delivered=confirmed):
            send.try_again(confirmed=confirmed)
        case Choose(winner=winner):
            send.winner = winner
        case Reject():
            send.end("rejected")
        case MarkSent(msg_id=msg_id):
            send.be_found(msg_id)
        case Abort(confirm_not_delivered=confirmed):
            send.give_up(confirmed=confirmed)
    send.go_on()
