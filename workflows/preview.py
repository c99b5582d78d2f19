"""``PreviewMassSend``: a message as one to a hundred people see it. It knows no audience and submits nothing."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.ids import PREVIEW_MASS_SEND, preview_id
    from qunfa.contract.material import Material
    from qunfa.contract.preview import PreviewMessage, PreviewRequest, PreviewResult, parse_preview
    from qunfa.contract.refusal import InvalidRequestError
    from qunfa.contract.steps import AccountFacts
    from qunfa.rules.material import found, needs_material
    from workflows import material_calls
    from workflows.making import MakingRefusedError, make_ready, understood
    from workflows.preparing import account_facts, refuse
    from workflows.previewing import preview_to

PREVIEW_FAILED = "PreviewFailed"
"""Failure type: the material cannot be made. Its text says why; nothing was sent to anybody."""


class _Bench:
    """A bench of its own: what is made is forgotten with the run."""

    def __init__(self, facts: AccountFacts) -> None:
        self.facts = facts
        self.material = Material()

    def keep(self, material: Material) -> None:
        """Remember what was made."""
        self.material = material

    def doing(self, what: str) -> None:
        """Nothing is shown."""


@workflow.defn(name=PREVIEW_MASS_SEND)
class PreviewMassSend:
    """Look at the material, make it, preview it to each recipient; the result has a row for each."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> PreviewResult:
        """Preview the message; a recipient whom WeChat refuses does not keep the others from theirs."""
        request = _read(raw, more)
        facts = await account_facts(request.account)
        bench = _Bench(facts)
        try:
            message = await _ready(bench, request)
        except MakingRefusedError as refused:
            raise ApplicationError(refused.problem.sentence, type=PREVIEW_FAILED, non_retryable=True) from None
        run = workflow.info().run_id
        previews = [await preview_to(facts, to, message, f"{run}:{number}") for number, to in enumerate(request.to)]
        return PreviewResult(account=request.account, key=request.key, previews=tuple(previews))


def _read(raw: Any, more: tuple[Any, ...]) -> PreviewRequest:
    if more:
        raise refuse(["the workflow takes one input, the request"])
    try:
        request = parse_preview(raw)
    except InvalidRequestError as error:
        raise refuse(error.problems) from None
    wanted = preview_id(request.account, request.key)
    if workflow.info().workflow_id != wanted:
        raise refuse([f'the workflow id must be "{wanted}", not "{workflow.info().workflow_id}"'])
    return request


async def _ready(bench: _Bench, request: PreviewRequest) -> PreviewMessage:
    message: Any = request.message
    if needs_material(message):
        looking = material_calls.inspect(bench.facts, message, fit_images=request.fit_images)
        inspection = await understood(looking)
        if inspection.problems:
            raise refuse(list(inspection.problems))
        bench.keep(found(inspection))
        message = await make_ready(bench, message)
    ready: PreviewMessage = message
    return ready
