"""What can happen in a world: each ``_name`` gives the ways in which the happening of this name can come about now."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from qunfa.account.people import why_kept
from qunfa.contract.facts import Known
from qunfa.contract.operators import Abort
from qunfa.contract.result import Answer
from qunfa.send import events, steps
from tests.rules.arbitrary import NOON
from tests.simulation import people
from tests.simulation.accounts import Account
from tests.simulation.chances import NEXT
from tests.simulation.pushes import Pushes, Ways
from tests.simulation.reached import Reached
from tests.simulation.sends import Flight, Send
from tests.simulation.wechat import AFTER_OTHERS, AFTER_SLOW, FATES, HEARD, TAKEN

KNOWN_FOR: Final = timedelta(days=30)
"""How long a key may be started again where only its account knows it."""
SEEN: Final = 0.5
"""How often the workers have seen by then that an account was lost, each time that some time has passed."""
RETENTION: Final = timedelta(days=1)
"""How long Temporal keeps a history at least."""
LOSSES_MAX: Final = 6
RUNS_MAX: Final = 8
ANSWERS_MAX: Final = 40


class Happenings(Pushes):
    """What happens, to whom there is. ``is_calm``: WeChat has nothing against anybody any more."""

    reached: Reached
    gentle: bool
    is_calm: bool
    is_forgetful: bool
    losses: int
    answers: int

    # Runs and their tasks

    def _start(self) -> Ways:
        if self.is_forgetful and self.now > NOON + KNOWN_FOR:
            return []
        able = [send for send in self.sends if send.run is None and not send.is_batch]
        return [send.start for send in able if send.runs < RUNS_MAX]

    def _task(self) -> Ways:
        return [send.go for send in self.sends if send.run and self._has_work(send)]

    def _has_work(self, send: Send) -> bool:
        run = send.run
        if run is None:
            return False
        if run.inbox:
            return True
        step = send.planned()
        if isinstance(step, steps.Step):
            return step.effect != run.waits_for
        return True

    def _continue(self) -> Ways:
        sends = [send.continue_as_new for send in self.sends if send.can_continue()]
        return [*sends, *(one.continue_as_new for one in self.accounts if not one.said)]

    # Accounts

    def _hear(self) -> Ways:
        return [account.hear for account in self.accounts if account.inbox and not account.said]

    def _say(self) -> Ways:
        return [account.say for account in self.accounts if account.can_say()]

    def _repeat(self) -> Ways:
        """An account that was reset says once more what it has said before."""
        return [partial(self._say_again, account) for account in self.accounts if account.copies]

    def _say_again(self, account: Account) -> None:
        account.receive(account.copies.pop(self.random.randrange(len(account.copies))))

    def _freeze(self) -> Ways:
        found = [(one, one.state.frozen) for one in self.accounts]
        return [partial(one.freeze, "wang" if by else "li") for one, by in found if by is None or by.by == "li"]

    def _unfreeze(self) -> Ways:
        return [account.let_go for account in self.accounts if account.state.frozen is not None]

    def _tell_of_a_loss(self) -> Ways:
        """A worker tells whoever waits that the queue is gone; several workers do, at any time."""
        return [partial(self._told, send) for send in self.sends if send.run and send.account.lost_at]

    def _told(self, send: Send) -> None:
        send.tell_of_a_loss(self.random.choice(send.account.lost_at))

    def _hear_an_answer(self) -> Ways:
        """An answer to a run comes, which may have heard and been told much since it has asked."""
        return [send.hears_an_answer for send in self.sends if send.is_answered()]

    # Calls

    def skew(self) -> timedelta:
        """How wrong the clock of the worker is that begins a call."""
        wrong = 0 if self.gentle or self.random.random() < 0.7 else self.random.choice([-45, -20, 20, 45])
        return timedelta(seconds=wrong)

    def fates(self, send: Send, clientmsgid: str) -> Sequence[str]:
        """What can become of a call."""
        if self.is_calm:
            return TAKEN
        wechat = send.account.wechat
        is_slow = any(one.key == send.key for one in wechat.arriving(self.now))
        if self.gentle:
            return HEARD
        fates = AFTER_SLOW if is_slow else FATES
        return (*fates, *AFTER_OTHERS) if wechat.others(clientmsgid, send.account.nameable(send)) else fates

    def _fly(self) -> Ways:
        return [partial(self._land, send, flight) for send in self.sends for flight in send.flights]

    def _land(self, send: Send, one: Flight) -> None:
        """A worker writes, or not; WeChat takes it, or not; the answer comes back, or not."""
        send.flights.remove(one)
        send.flown += 1
        self.now = max(self.now, one.lease.not_before - one.clock)
        fate = self.random.choice(self.fates(send, one.lease.clientmsgid))
        late = self.now + one.clock >= one.until
        book = self.judge.books[send.key]
        if late or fate == "not written":
            answer = Answer(kind="not_written", at=self.now, at_once=late)
        else:
            answer = self._written(send, one, fate)
        self.tell(f"{send.key} {one.lease.wish}: {fate}, {answer.kind} {answer.errcode or ''} {answer.msg_id or ''}")
        told, heard = (self.gentle or self.random.random() < chance for chance in (0.9, 0.75))
        if told:
            send.account.inbox.append(send.report(Known(tries=(one.lease.tried(answer),))))
        heard = heard and one.run is not None and one.run is send.run
        other = answer.msg_id if fate == "taken for another" else None
        if other is not None:
            send.taken_for[other] = self.now
        is_own = any(job.msg_id == answer.msg_id for job in send.account.wechat.of(send.key))
        msg_id = answer.msg_id if is_own and (told or heard) else None
        self.judge.landed(send.account.name, send.key, one.lease.wish, msg_id)
        if answer.kind == "unknown" or other is not None or not (told and heard):
            is_silent = other is not None or (answer.kind == "unknown" and answer.errcode is None)
            book.loses_track(one.lease.clientmsgid, is_silent=is_silent or not heard)
        if one.run is not None and one.run is send.run:
            told_of = events.Answered(answer.model_copy(update={"told": told}))
            one.run.inbox.append(told_of if heard else events.Lost("the worker is gone"))

    def _written(self, send: Send, one: Flight, fate: str) -> Answer:
        if one.run is not None and one.run is send.run:
            self.judge.writes(send.key, self.now, one.made_at)
        wechat, known = send.account.wechat, send.account.nameable(send)
        answer = wechat.call(send.key, one.lease.clientmsgid, fate, self.now, known)
        self._pushed_early(send.account)
        return answer

    def _arrive(self) -> Ways:
        return [partial(self._carried_out, one) for one in self.accounts if one.wechat.arriving(self.now)]

    def _carried_out(self, account: Account) -> None:
        self.tell("a slow call arrives")
        account.wechat.arrive(self.now)

    # Losses

    def _lose_a_worker(self) -> Ways:
        flying = [(send, one) for send in self.sends for one in send.flights if one.run is send.run and one.run]
        return [partial(self._worker_gone, send, one) for send, one in flying] if self._may_lose() else []

    def _worker_gone(self, send: Send, one: Flight) -> None:
        """Temporal tells the run that its worker is gone, while the worker may still write."""
        self._lost(send, "worker")
        if one.run is not None:
            one.run.inbox.append(events.Lost("the worker is gone"))
        one.run = None
        self.judge.books[send.key].loses_track(one.lease.clientmsgid)

    def _terminate(self) -> Ways:
        return [partial(self._terminated, send) for send in self.sends if send.run] if self._may_lose() else []

    def _terminated(self, send: Send) -> None:
        self._lost(send, "terminated")
        self.judge.books[send.key].loses()
        send.terminate()

    def _reset(self) -> Ways:
        able = [send for send in self.sends if send.run and send.run.snapshots]
        return [partial(self._reset_one, send) for send in able] if self._may_lose() else []

    def _reset_one(self, send: Send) -> None:
        self._lost(send, "reset")
        self.judge.books[send.key].loses()
        send.reset()

    def _cancel(self) -> Ways:
        return [partial(self._cancelled, send) for send in self.sends if send.run] if self._may_lose() else []

    def _cancelled(self, send: Send) -> None:
        self._lost(send, "cancelled")
        if send.run:
            send.run.inbox.append(events.Cancelled("no reason given"))

    def _lose_a_ledger(self) -> Ways:
        may = self._may_lose() and not self.is_forgetful
        return [partial(self._ledger_gone, one, one.lose) for one in self.accounts] if may else []

    def _reset_a_ledger(self) -> Ways:
        able = [one for one in self.accounts if one.earlier]
        may = self._may_lose() and not self.is_forgetful
        return [partial(self._ledger_gone, one, one.reset) for one in able] if may else []

    def _reset_all(self) -> Ways:
        """After an incident, maybe of a day, the ledger is gone, and people reset or terminate whatever runs."""
        may = self._may_lose() and not self.is_forgetful
        return [partial(self._all_reset, one) for one in self.accounts] if may else []

    def _all_reset(self, account: Account) -> None:
        self.now += timedelta(hours=self.random.choice([0, 25]))
        self._ledger_gone(account, account.lose)
        for send in self.sends:
            if send.account is account and send.run and send.run.snapshots:
                self.random.choice([self._reset_one, self._terminated])(send)

    def _ledger_gone(self, account: Account, loss: Callable[[], None]) -> None:
        for send in self.sends:
            if send.account is account:
                self._lost(send, "ledger")
        loss()

    def _forget_a_key(self) -> Ways:
        """A person has an account forget a key that has no run, maybe a day later. It is started again.

        Not where WeChat took another key for a repeat of it: whose its job is nobody could tell any more.
        """
        taken = {msg_id for send in self.sends for msg_id in send.taken_for}
        idle = [one for one in self.sends if one.run is None and why_kept(one.account.state, one.key) is None]
        able = [one for one in idle if one.runs < RUNS_MAX and not taken & one.account.jobs_of(one.key)]
        return [] if self.is_forgetful else [partial(self._key_forgotten, one) for one in able]

    def _key_forgotten(self, send: Send) -> None:
        self.now += timedelta(hours=self.random.choice([0, 25]))
        send.account.forget(send.key)
        if send.run is None and not send.is_batch:
            send.start()

    def _forget(self) -> Ways:
        """Temporal forgets the histories of a key, which takes it days; the account still knows it."""
        able = [send for send in self.sends if self.is_forgetful and send.run is None and send.runs]
        return [partial(self._forgotten, send) for send in able if not send.is_forgotten or send.left_end]

    def _forgotten(self, send: Send) -> None:
        self.now += RETENTION
        send.forget()
        send.account.settle()
        send.account.continue_as_new()

    def _may_lose(self) -> bool:
        return self.losses < LOSSES_MAX

    def _lost(self, send: Send, what: str) -> None:
        self.losses += 1
        lease = send.account.state.lease
        if lease is not None and lease.key == send.key:
            self.judge.books[send.key].loses_track(lease.clientmsgid)  # nobody can tell what its run has done with it
        self.reached.lost(send.planned(), what)

    # People

    def _answer(self) -> Ways:
        return [one for send in self.sends for one in self._answer_of(send)] if self._may_answer() else []

    def _answer_of(self, send: Send) -> Ways:
        step = send.planned()
        if not isinstance(step, steps.Step) or step.problem is None:
            return []
        return [partial(self._decided_by_a_person, send, step.problem.name)]

    def _decided_by_a_person(self, send: Send, problem: str) -> None:
        wechat, out = send.account.wechat, bool(send.flights)
        given = people.decision(self.random, problem, wechat, send.key, self.now, out=out)
        if given is not None:
            self._update(send, given)

    def _err(self) -> Ways:
        """A person answers what asks about an unknown outcome, and does not look."""
        asking = [(send, send.planned()) for send in self.sends]
        able = [send for send, step in asking if isinstance(step, steps.Step) and step.problem]
        return [partial(self._mistaken, send) for send in able] if self._may_answer() else []

    def _mistaken(self, send: Send) -> None:
        step = send.planned()
        if isinstance(step, steps.Step) and step.problem:
            self._update(send, people.mistake(self.random, step.problem.name))

    def _misfit(self) -> Ways:
        """A person answers an old page: what it asks may not be asked any more."""
        return self._each(self._answered_late)

    def _answered_late(self, send: Send) -> None:
        self._update(send, people.late(self.random, send.account.wechat, send.key))

    def _hold(self) -> Ways:
        return self._each(self._held)

    def _held(self, send: Send) -> None:
        paused = send.run is not None and send.run.state.paused is not None
        self._update(send, people.holding(self.random, paused=paused, now=self.now))

    def _abort(self) -> Ways:
        return self._each(lambda send: self._update(send, Abort(by="li", reason="no")))

    def _each(self, act: Callable[[Send], object]) -> Ways:
        return [partial(act, send) for send in self.sends if send.run] if self._may_answer() else []

    def _approve(self) -> Ways:
        return [one for send in self.sends for one in self._approve_of(send)] if self._may_answer() else []

    def _approve_of(self, send: Send) -> Ways:
        if send.run is None or send.run.state.shown_at is None:
            return []
        return [lambda: self._update(send, people.approval(self.random))]

    def _may_answer(self) -> bool:
        return self.answers < ANSWERS_MAX

    def _update(self, send: Send, answer: events.Answering) -> None:
        self.answers += 1
        send.answers += 1
        if send.run is not None:
            send.run.inbox.append(events.Updated(f"{send.key}-update-{send.answers}", answer))

    # Time

    def _wait(self) -> Ways:
        busy = any(account.inbox or account.can_say() for account in self.accounts) or bool(
            self._fly() or self._hear_an_answer()
        )
        return [] if self.gentle and (busy or self._task()) else [self._pass_time]

    def _pass_time(self) -> None:
        """To the next time that somebody waits for; or to another one, or for a while."""
        if not (self._task() or self._hear() or self._say() or self._fly()):
            self.judge.strands(send.key for send in self.sends if send.waits_in_vain())
        later = self.now + timedelta(seconds=self.random.choice([20, 150, 3600, 6 * 3600, 25 * 3600]))
        planned = [send.planned() for send in self.sends]
        wanted = [account.due() for account in self.accounts]
        for step in planned:
            if isinstance(step, steps.Step):
                wanted += [step.wakes_at, step.effect.until if isinstance(step.effect, steps.Poll) else None]
        wanted += [job.decided_at for account in self.accounts for job in account.wechat.jobs]
        times = [one for one in wanted if one is not None and one > self.now]
        for send in self.sends:
            if not self._has_work(send):
                send.rings()
        next_one = self.gentle or self.random.random() < NEXT
        self.now = min(times, default=later) if next_one else self.random.choice([*times, later])
        for account in self.accounts:
            account.settle()
        for send in self.sends:
            if send.hears_of_losses() and self.random.random() < SEEN:
                self._told(send)
