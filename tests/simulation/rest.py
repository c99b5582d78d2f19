"""Lives that come to rest between what happens, so that a real stage can live them as well: one send, one account."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final

from qunfa.account import show as ledger
from qunfa.account.state import AccountState
from qunfa.contract.operators import Abort, MarkSent, Reschedule, Resume
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Answer, Counts
from qunfa.contract.steps import AccountFacts
from qunfa.send import events, show, steps
from qunfa.send.apply import apply
from tests.send.engine import DIGEST
from tests.simulation import people
from tests.simulation.accounts import Account
from tests.simulation.books import REQUESTER, Book
from tests.simulation.sends import Send
from tests.simulation.twins import Call, Cue, Names, Outcome, Page, Script
from tests.simulation.wechat import ALL, NEGATIVE, TAKEN, Job, Wechat, pushed
from tests.simulation.world import World

FAR: Final = timedelta(hours=1)
"""Nothing happens at rest before so long: what is due sooner comes by itself."""
NEVER: Final = "P30D"
SOON: Final = "PT1S"
TROUBLES_MAX: Final = 5
CUES_MAX: Final = 7
RUNS_MAX: Final = 3
CUES_IN_ALL: Final = 60
LOST: Final = "no usable answer came (ReadError from ConnectionResetError)"
_FATES: Final = (
    *("delivered", "delivered", "judged", "judged", "judged"),
    *("delivered unheard", "judged unheard", "refused", "refused", "busy"),
)

Way = tuple[Cue, Callable[[], object]]


@dataclass
class Watched(Wechat):
    """A WeChat that decides at once, and of which each call is written down."""

    calls: list[Call] = field(default_factory=list)
    early: Callable[[Job], None] = lambda _job: None

    def call(self, key: str, clientmsgid: str, fate: str, now: datetime, known: Collection[int] = ()) -> Answer:
        """One call; the push on its job may come before its answer."""
        before = len(self.jobs)
        answer = super().call(key, clientmsgid, fate, now, known)
        if answer.kind == "unknown" and answer.errcode is None:
            answer = answer.model_copy(update={"detail": LOST})
        made = self.jobs[before] if len(self.jobs) > before else None
        early = made is not None and self.random.random() < 0.3
        if made is not None and early:
            made.pushes -= 1
            self.early(made)
        self.calls.append(Call(answer.kind, answer.errcode, made.status if made else None, early))
        return answer

    def _accept(self, key: str, clientmsgid: str, status: str, now: datetime) -> Job:
        job = super()._accept(key, clientmsgid, status, now)
        job.decided_at, job.pushes, job.counts = now, 2, ALL if job.delivered else Counts()
        return job


class Resting(World):
    """A gentle world of one send, in which WeChat may lose answers. ``play`` writes its script."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, gentle=True)
        self.random = Random(f"{seed} at rest")  # noqa: S311  what happens is to be the same for a seed
        self.is_forgetful = False
        frees = self.random.random() < 0.5
        self.wechat = Watched(self.random, first=1000, frees=frees, mute=0.0)
        account = Account(self, "account-0", self.wechat, AccountState(appid="wx0", since=self.now))
        self.wechat.early = lambda job: account.inbox.append(job.push())
        raw = _request(self.random, self.now)
        request = MassSendRequest.model_validate(raw)
        facts = AccountFacts(name=account.name, appid="wx0", base_url="https://x.test", quota="ask")
        self.send = Send(self, account, request.key, request, facts)
        self.accounts, self.sends = [account], [self.send]
        needs = request.approval is not None and request.approval.required
        book = Book(account=account.name, needs_approval=needs, asked_for=request.send_at, not_after=request.not_after)
        self.judge.books = {request.key: book}
        self._replied = self.send.engine.replied
        self.send.engine.replied = self._reply
        self.written = Script(seed, raw, frees)
        self._cue = Cue("start")
        self._has_ended = False
        self._gone: tuple[AccountState, AccountState] | None = None

    def fates(self, _send: Send, _clientmsgid: str) -> Sequence[str]:
        """Only so many calls go wrong."""
        troubles = sum(call.kind in {"unknown", "refused"} for call in self.wechat.calls)
        return TAKEN if self.is_calm or troubles >= TROUBLES_MAX else _FATES

    def _pushed_early(self, account: Account) -> None:
        """WeChat here does it, and writes into the script of which call."""

    def play(self) -> Script:
        """The life, from rest to rest, until nothing happens any more."""
        self._come(Cue("start"), self.send.start)
        for _ in range(self.random.randrange(CUES_MAX)):
            if self.send.run is None and self.send.runs >= RUNS_MAX:
                break
            self._come(*self.random.choice(self._cues()))
        self.is_calm = True
        while self.send.run is not None or self.send.account.state.frozen:
            self._come(*self._calming())
        script, jobs = self.written, self.wechat.jobs
        script.calls = self.wechat.calls
        view = ledger.view(self._seen_account, {})
        delivered = sum(job.delivered for job in jobs)
        script.books = self._names.books(view, [job.status for job in jobs], len(script.calls), delivered)
        return script

    @property
    def _seen_account(self) -> AccountState:
        """The account as people see it: as it was lost, until somebody tells the next one something."""
        before, new = self._gone or (None, None)
        state = self.send.account.state
        return before if before is not None and new == state else state

    @property
    def _names(self) -> Names:
        return Names([job.msg_id for job in self.wechat.jobs])

    def _come(self, cue: Cue, happens: Callable[[], object]) -> None:
        """The cue is given, and all comes to rest."""
        assert len(self.written.cues) < CUES_IN_ALL, "it does not come to an end"
        ends = len(self.send.ends)
        self._cue = cue
        self.now += timedelta(seconds=1)
        self.written.cues.append(cue)
        happens()
        if cue.what == "start":
            cue.payload["other"] = self.send.engine.digest != DIGEST
        self._look()
        self._rest()
        if len(self.send.ends) > ends:
            cue.end = self._outcome()
        self._has_ended = cue.end is not None or (self._has_ended and self.send.run is None)
        cue.after = self._page()

    def _rest(self) -> None:
        """Until nobody has anything to do, and nothing is due soon."""
        while True:
            if able := [one for one in ("task", "hear", "say", "fly", "hear_an_answer") if self._able(one)]:
                self.random.choice(self._able(self.random.choice(able)))()
                self._look()
                continue
            step = self.send.planned()
            wanted = [self.send.account.due(), step.wakes_at if isinstance(step, steps.Step) else None]
            soon = [one for one in wanted if one is not None and self.now < one < self.now + FAR]
            if not soon:
                return
            self.now = min(soon)
            self.send.account.settle()

    def _page(self) -> Page | None:
        """What people see; nothing of a run that was terminated."""
        run = self.send.run or (self.send.last if self._has_ended else None)
        if run is None:
            return None
        step = self.send.planned() or self.send.ends[-1]
        state = run.state
        if isinstance(step, steps.End) and not step.refused:
            state = apply(self.send.request, state, events.Finished(step.outcome), self.now)
        return self._names.page(show.status(self.send.request, state, step, self.now))

    def _outcome(self) -> Outcome:
        end, run = self.send.ends[-1], self.send.last
        assert run is not None
        if end.refused:
            return Outcome("refused")
        if end.outcome == "aborted" and run.state.newest_act("cancel") and run.state.stop is None:
            return Outcome("cancelled")
        return self._names.outcome(show.result(self.send.request, run.state, end, self.now))

    def _reply(self, update: events.Updated, refusal: str | None) -> None:
        self._replied(update, refusal)
        self._cue.refusal = self._names.plain(refusal) if refusal else None

    # Cues

    def _cues(self) -> list[Way]:
        """What can happen now."""
        send, account = self.send, self.send.account
        if send.run is None:
            return [(Cue("start"), send.start)]
        found = [self._answers(self._decision()), self._answers(self._decision()), *self._at_wechat()]
        found.append(self._answers(people.holding(self.random, paused=send.run.state.paused is not None, now=self.now)))
        found.append(self._answers(people.approval(self.random)))
        if self.random.random() < 0.3:
            found.append(self._answers(Abort(by="li", reason="no")))
        if account.state.frozen is None:
            found.append((Cue("freeze"), account.freeze))
        else:
            found.append((Cue("unfreeze"), account.let_go))
        if self.random.random() < 0.5:
            found.append((Cue("terminate"), lambda: self._terminated(send)))
            found.append((Cue("cancel"), lambda: self._cancelled(send)))
            found.append((Cue("reset"), self._go_back))
            found.append((Cue("lose the ledger"), self._lose_it))
        return found

    def _at_wechat(self) -> list[Way]:
        found: list[Way] = []
        for number, job in enumerate(self.wechat.jobs):
            status = self.random.choice(NEGATIVE)
            if job.pushes:
                found.append(self._push_on(number))
            if self.random.random() < 0.2:
                found.append((Cue("forge", {"status": status}, number), partial(self._lie, job, status)))
        return found

    def _push_on(self, number: int) -> Way:
        return Cue("push", job=number), lambda: self._pushed(self.send.account, self.wechat.jobs[number])

    def _lie(self, job: Job, status: str) -> None:
        self.judge.forges(job.key, job.msg_id, may_be_asked=True)
        self.send.account.inbox.append(pushed(job.msg_id, status))

    def _go_back(self) -> None:
        self._lost(self.send, "reset")
        self.judge.books[self.send.key].loses()
        self.send.reset(to_its_start=True)

    def _lose_it(self) -> None:
        before = self._seen_account
        self._ledger_gone(self.send.account, self.send.account.lose)
        self._gone = before, self.send.account.state
        self._told(self.send)

    def _decision(self) -> events.Answering:
        """What a person answers who looks; an answer to nothing is refused."""
        step = self.send.planned()
        problem = step.problem.name if isinstance(step, steps.Step) and step.problem else "none"
        given = people.decision(self.random, problem, self.wechat, self.send.key, self.now, out=False)
        return given or Abort(by="li", reason="no")

    def _answers(self, answer: events.Answering) -> Way:
        payload = answer.model_dump(mode="json", exclude_none=True)
        number = None
        if isinstance(answer, MarkSent):
            number = next((n for n, job in enumerate(self.wechat.jobs) if job.msg_id == answer.msg_id), None)
        if isinstance(answer, Reschedule):
            payload["send_at"] = (answer.send_at - self.now).total_seconds()
        name = {"MarkSent": "mark_sent"}.get(type(answer).__name__, type(answer).__name__.lower())
        return Cue(name, payload, number), lambda: self._update(self.send, answer)

    def _calming(self) -> Way:
        """What is to happen so that the send comes to its end."""
        send, account, step = self.send, self.send.account, self.send.planned()
        if account.state.frozen is not None:
            return Cue("unfreeze"), account.let_go
        assert send.run is not None
        if send.run.state.paused:
            return self._answers(Resume(by="li"))
        if isinstance(step, steps.Step) and step.problem is not None:
            return self._answers(self._decision())
        if isinstance(step, steps.Step) and step.phase == "awaiting_approval":
            return self._answers(people.approval(self.random))
        if isinstance(step, steps.Step) and step.phase == "awaiting_result":
            jobs = range(len(self.wechat.jobs))
            unpushed = [number for number in jobs if self.wechat.jobs[number].pushes > 0]
            return self._push_on(self.random.choice(unpushed or jobs))
        return self._answers(Reschedule(by="li", send_at=self.now - timedelta(minutes=1)))


def _request(random: Random, now: datetime) -> dict[str, Any]:
    """A request of one kind or another; pushes are waited for, or ``mass/get`` is asked at once."""
    push_timeout = NEVER if random.random() < 0.7 else SOON
    raw: dict[str, Any] = {
        "account": "account-0",
        "key": "spring",
        "audience": {"kind": "all"},
        "message": {"msgtype": "text", "content": "你好"},
        "requested_by": REQUESTER,
        "decision_timeout": NEVER,
        "result": {"push_timeout": push_timeout, "poll_interval": "PT1S", "give_up_after": NEVER},
    }
    if random.random() < 0.3:
        raw["approval"] = {"required": True}
    if random.random() < 0.3:
        raw["send_at"] = (now + timedelta(days=1)).isoformat()
    if random.random() < 0.2:
        raw["on_problem"] = "fail"
    return raw
