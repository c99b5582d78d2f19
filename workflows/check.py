"""``CheckMassSend``: what a mass send would be, with no call that changes anything."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.audience import Openids, Tag, describe
    from qunfa.contract.check import CheckResult
    from qunfa.contract.ids import CHECK_MASS_SEND
    from qunfa.contract.material import Inspection
    from qunfa.contract.refusal import InvalidRequestError
    from qunfa.contract.request import MassSendRequest, parse_request
    from qunfa.contract.steps import AccountFacts
    from qunfa.rules import approval
    from qunfa.rules.material import needs_material
    from workflows import calls, material_calls
    from workflows.audience import audience_problem
    from workflows.effects import form_problems
    from workflows.making import problem_of_failure
    from workflows.preparing import account_facts, refuse


@workflow.defn(name=CHECK_MASS_SEND)
class CheckMassSend:
    """The request, the account, the material and the tag: everything that can be looked at beforehand."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> CheckResult:
        """What would be sent to how many, and what stands against it."""
        if more:
            raise refuse(["the workflow takes one input, the request"])
        try:
            request = parse_request(raw)
        except InvalidRequestError as error:
            raise refuse(error.problems) from None
        facts = await account_facts(request.account)
        inspection, problems = await _material(request, facts)
        followers, more_problems = await _audience(request, facts)
        return CheckResult(
            account=request.account,
            key=request.key,
            msgtype=request.message.msgtype,
            audience=describe(request.audience),
            followers=followers,
            sources=inspection.sources,
            removed=inspection.removed,
            problems=(*inspection.problems, *problems, *more_problems, *_terms(request, facts)),
        )


def _terms(request: MassSendRequest, facts: AccountFacts) -> list[str]:
    """What a send would be refused for before its material is looked at."""
    problems = approval.problems(facts.approval, request)
    if approval.too_far_ahead(request.send_at, workflow.now()):
        problems.append(f"send_at: must be at most {approval.AHEAD_MAX.days} days ahead")
    return problems


async def _material(request: MassSendRequest, facts: AccountFacts) -> tuple[Inspection, list[str]]:
    problems = list(form_problems(request.message, facts))
    if not needs_material(request.message):
        return Inspection(), problems
    try:
        return await material_calls.inspect(facts, request.message, fit_images=request.fit_images), problems
    except ActivityError as error:
        return Inspection(), [*problems, problem_of_failure(error).sentence]


async def _audience(request: MassSendRequest, facts: AccountFacts) -> tuple[int | None, list[str]]:
    match request.audience:
        case Openids(openids=openids):
            return len(openids), []
        case Tag() as tag:
            try:
                finding = await calls.check_audience(facts, tag.tag_id)
            except ActivityError as error:
                return None, [problem_of_failure(error).sentence]
            problem = audience_problem(tag, finding)
            return finding.count, [problem.sentence] if problem else []
        case _:
            return None, []
