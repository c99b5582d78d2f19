"""The material of a mass send: looked at before its key is claimed, made before it is submitted."""

from collections.abc import Callable
from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.job import Job
    from qunfa.contract.material import Inspection, Material
    from qunfa.contract.message import ImageMessage, Message
    from qunfa.contract.result import Problem
    from qunfa.contract.steps import AccountFacts
    from qunfa.rules import material as rules
    from qunfa.rules.material import Ready, needs_material, next_work
    from qunfa.rules.problems import DEAD
    from qunfa.rules.submission import Submit, take_up, write_end
    from workflows import material_calls as calls
    from workflows.making import MakingRefusedError, MakingStoppedError, finished, make_ready
    from workflows.send import Send


class LookedAt:
    """A bench on which nothing is made yet: the key is not claimed."""

    def __init__(self, send: Send, facts: AccountFacts) -> None:
        self._send = send
        self.facts = facts
        self.material = Material()

    def keep(self, material: Material) -> None:
        """Remember what was found."""
        self.material = material

    async def wait(self, reason: str, ready: Callable[[], bool]) -> bool:
        """Wait until it is there, or the send is to end, or its time is over."""
        send, until = self._send, self._send.asked.not_after
        while not ready() and not send.stopping() and (until is None or workflow.now() < until):
            send.was_reset = False  # of which there is nothing to catch up with before the claim
            await send.wait(reason, until, ready)
        return ready()


class SendBench:
    """The bench of a send whose key is claimed: what is made is kept in its state."""

    def __init__(self, send: Send) -> None:
        self._send = send

    @property
    def facts(self) -> AccountFacts:
        """The account as it is pinned."""
        return self._send.state.facts

    @property
    def material(self) -> Material:
        """What there is."""
        return self._send.state.material or Material()

    def keep(self, material: Material) -> None:
        """Remember what was made."""
        self._send.state = self._send.state.changed(material=material)

    async def wait(self, reason: str, ready: Callable[[], bool]) -> bool:
        """Wait until it is there, or submitting is no longer what comes next."""
        send = self._send
        until = write_end(send.state.current, send.state.conditions(send.asked))
        gone = overtaking(send)
        await send.wait(reason, until, lambda: ready() or gone())
        return ready()


def overtaken(send: Send, at: datetime | None = None) -> bool:
    """Whether submitting is no longer what comes next."""
    return send.state.paused is not None or not isinstance(send.course(at), Submit)


def overtaking(send: Send) -> Callable[[], bool]:
    """For a wait: :func:`overtaken` by what happens from now on, and not by time, which has the wait's own timer.

    A condition of which time makes something else is checked where an update was refused in the workflow task of the
    timer, and not in a replay, since a refused update is in no history.
    """
    began = workflow.now()
    return lambda: overtaken(send, began)


def form_problems(message: Message, facts: AccountFacts) -> tuple[str, ...]:
    """What the message has that the account's form of image messages, that of 2018, has no room for."""
    if not isinstance(message, ImageMessage) or facts.image_via == "images":
        return ()
    too_much = {
        "images": len(message.images) > 1,
        "recommend": bool(message.recommend),
        "need_open_comment": message.need_open_comment,
        "only_fans_can_comment": message.only_fans_can_comment,
    }
    form = (
        f'account {facts.name} sends pictures in the form of 2018 (image_via = "image"), which has room for one picture'
    )
    return tuple(f"message.{name}: {form} and nothing else" for name, there in too_much.items() if there)


async def look_at_material(send: Send, facts: AccountFacts) -> Inspection:
    """What is found at the message's sources; nothing where it has none.

    Raises:
        MakingStoppedError: the send is to end, or ``not_after`` has come.
        MakingRefusedError: the account is not what was pinned.
    """
    message = send.asked.message
    problems = form_problems(message, facts)
    if not needs_material(message):
        return Inspection(problems=problems)
    looking = calls.inspect(facts, message, fit_images=send.asked.fit_images)
    found = await finished(LookedAt(send, facts), "a look at the material", looking)
    return found.model_copy(update={"problems": (*problems, *found.problems)})


async def material_ready(send: Send) -> bool:
    """Whether the message can be submitted: what it needs was made. False where something else comes next."""
    state = send.state
    if state.material is None or (state.ready is not None and send.may_have_been_delivered()):
        return True
    message = send.asked.message
    if not isinstance(next_work(message, state.material, state.facts.news_via, workflow.now()), Ready):
        send.enter("preparing")
    try:
        ready = await make_ready(SendBench(send), message)
    except MakingStoppedError:
        return False
    except MakingRefusedError as refused:
        await _obstructed(send, refused.problem)
        return False
    if ready != send.state.ready:
        send.state = send.state.changed(ready=ready)
        send.say("the material is ready: WeChat has all of it")
    return True


async def _obstructed(send: Send, problem: Problem) -> None:
    """A person is asked; but not while a try may be out, which only the same message can find out about."""
    if not send.may_have_been_delivered():
        send.state = send.state.changed(obstacle=problem)
        return
    send.say(f"the material cannot be made again for now: {problem.sentence}")
    again = workflow.now() + send.state.facts.timing.repeat_max
    until = write_end(send.state.current, send.state.conditions(send.asked))
    await send.wait("the material, which cannot be made again for now", min(again, until or again), overtaking(send))


def rebuilt(send: Send) -> bool:
    """Whether WeChat has found the material dead, and it is made anew now, for the same generation."""
    job, material = send.state.current, send.state.material
    if material is None or not rules.is_rebuildable(send.state.jobs, send.asked.message, material):
        return False
    send.state = send.state.with_current(take_up(job)).changed(material=rules.rebuilding(material))
    send.say("WeChat no longer knows the material (40007): it is made anew")
    return True


def submitted_message(send: Send) -> Message:
    """The message with the ids that WeChat knows."""
    ready = send.state.ready
    return send.asked.message if ready is None else ready


def taken_up(send: Send, job: Job, problem: str) -> None:
    """An operator tries again for the same generation; material that WeChat refused to send is made anew."""
    material, obstacle = send.state.material, send.state.obstacle
    dead = obstacle is None or obstacle.errcode == DEAD
    if material is not None and problem == "media_refused" and dead:
        material = rules.rebuilding(material)
    send.state = send.state.with_current(take_up(job)).changed(obstacle=None, awaiting_since=None, material=material)
