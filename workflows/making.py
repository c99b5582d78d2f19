"""Making material: from what was found at a message's sources to the ids that WeChat takes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from qunfa.contract import batches, steps
    from qunfa.contract.message import Material, Message, MpvideoMessage, Source
    from qunfa.contract.refusal import full_stop
    from qunfa.contract.request import PreviewMessage
    from qunfa.contract.result import Answer, Problem
    from qunfa.contract.steps import AccountFacts
    from qunfa.rules.material import (
        CheckDraft,
        Convert,
        MakeDraft,
        Ready,
        Upload,
        has_lain,
        next_work,
        rebuilding,
        with_upload,
    )
    from qunfa.rules.problems import DEAD, PLAN_MISSING, PROBLEMS, with_address
    from qunfa.rules.submission import explain, problem_of
    from workflows import calls

UPLOADS_AT_ONCE: Final = 4
_LAST_ONES: Final = timedelta(minutes=1)
"""How long the other uploads are waited for once one is refused: a source that is away is tried again for a day."""

_PROBLEM_OF: Final = {
    steps.SOURCE_CHANGED: "source_changed",
    steps.SOURCE_REFUSED: "source_refused",
    steps.ACCOUNT_CHANGED: "account_changed",
    batches.PLAN_MISSING: PLAN_MISSING,
}

Result = TypeVar("Result")


class MakingRefusedError(Exception):
    """The material cannot be made as it stands, for a reason that a person must remove."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


def _tell_nobody(_what: Any) -> None:
    pass


@dataclass
class Bench:
    """Where material is made: what there is of it, and who is told of more.

    ``kept`` is told what was made, and ``doing`` what is being made. A preview of no send tells nobody.
    """

    facts: AccountFacts
    material: Material
    kept: Callable[[Material], None] = _tell_nobody
    doing: Callable[[str], None] = _tell_nobody

    def keep(self, material: Material) -> None:
        """Remember what was made, so that it is not made again."""
        self.material = material
        self.kept(material)


async def make_ready(
    bench: Bench, message: Message | PreviewMessage, until: datetime | None = None
) -> Message | PreviewMessage:
    """The message with the ids that WeChat knows, once everything that it needs was made, and is fresh until then.

    Where WeChat no longer knows what it was given on the way, everything that may have died is made anew, once. A
    draft that has lain for a while is not: somebody may have sent it in WeChat's console.

    Raises:
        MakingRefusedError: WeChat, or a source, stands against it.
    """
    while True:
        now = workflow.now()
        work = next_work(message, bench.material, bench.facts.news_via, max(now, until or now))
        if isinstance(work, Ready):
            return work.message
        try:
            await _do(bench, work, message)
        except MakingRefusedError as refused:
            if refused.problem.errcode != DEAD or bench.material.rebuilt:
                raise
            if isinstance(work, CheckDraft) and has_lain(work.made, workflow.now()):
                raise
            bench.keep(rebuilding(bench.material))


async def _do(bench: Bench, work: Upload | MakeDraft | CheckDraft | Convert, message: Message | PreviewMessage) -> None:
    match work:
        case Upload(sources):
            await _upload(bench, sources)
        case MakeDraft() | Convert():
            await _make(bench, work, message)
        case CheckDraft():
            await _check(bench, work)


async def understood(handle: Awaitable[Result]) -> Result:
    """The activity's result.

    Raises:
        MakingRefusedError: it failed for a reason that a person must remove.
    """
    try:
        return await handle
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        raise MakingRefusedError(problem_of_failure(error)) from None


async def _upload(bench: Bench, sources: tuple[Source, ...]) -> None:
    """All of them, a few at a time; each is kept as soon as WeChat has it, for a while also after one is refused."""
    waiting, running = list(sources), dict[Any, Source]()
    refused: MakingRefusedError | None = None
    done = 0
    try:
        while running or (waiting and refused is None):
            while waiting and refused is None and len(running) < UPLOADS_AT_ONCE:
                source = waiting.pop(0)
                running[calls.upload(bench.facts, source)] = source
            files = ", ".join(source.file for source in running.values())
            bench.doing(f"the upload of {len(sources)} file(s) to WeChat, {done} done: {files}")
            try:
                await workflow.wait_condition(
                    lambda: any(handle.done() for handle in running), timeout=_LAST_ONES if refused else None
                )
            except TimeoutError:
                if not any(handle.done() for handle in running):
                    break
            for handle in [handle for handle in running if handle.done()]:
                del running[handle]
                try:
                    bench.keep(with_upload(bench.material, await understood(handle)))
                    done += 1
                except MakingRefusedError as error:
                    refused = refused or error
    finally:
        for handle in running:
            handle.cancel()
    if refused:
        raise refused


async def _make(bench: Bench, work: MakeDraft | Convert, message: Message | PreviewMessage) -> None:
    title, description = "", ""
    if isinstance(message, MpvideoMessage):
        title, description = message.title, message.description
    bench.doing("WeChat's draft" if isinstance(work, MakeDraft) else "WeChat's conversion of the video")
    made = await understood(calls.make(bench.facts, work, title, description))
    bench.keep(bench.material.model_copy(update={"made": made}))


async def _check(bench: Bench, work: CheckDraft) -> None:
    bench.doing("WeChat's word on the draft's pictures")
    finding = await understood(calls.check_draft(bench.facts, work))
    if finding.lost:
        raise MakingRefusedError(_problem("pictures_lost", f"Lost: {'; '.join(finding.lost)}."))
    bench.keep(bench.material.model_copy(update={"made": work.made.model_copy(update={"verified": True})}))


def problem_of_failure(error: ActivityError) -> Problem:
    """The problem that a failed activity leaves, with WeChat's evidence where it is WeChat that refuses."""
    cause = calls.cause_of(error)
    if cause is None:
        return _problem("material_failed", str(error.cause or error))
    if name := _PROBLEM_OF.get(cause.type or ""):
        return _problem(name, cause.message)
    if cause.type not in {steps.MATERIAL_REFUSED, steps.AUDIENCE_REFUSED}:
        return _problem("material_failed", cause.message)
    if not cause.details:
        return _problem("media_refused", cause.message)
    details = cause.details[0]
    answer = Answer.model_validate({**details, "kind": "refused", "at": workflow.now()})
    said = full_stop(f"{details.get('about', 'Asking for the tag')}, {explain(answer)}")
    problem = _problem(problem_of(answer), said)
    evidence = {"errcode": answer.errcode, "errmsg": answer.errmsg, "rid": answer.rid}
    return with_address(problem.model_copy(update=evidence))


def _problem(name: str, more: str) -> Problem:
    choice = PROBLEMS[name]
    return Problem(name=name, sentence=f"{choice.sentence} {more}", todo=choice.todo)
