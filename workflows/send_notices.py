"""What a send tells its account's webhooks: that it waits for a person, and how it has ended."""

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.notice import Notice, NoticeData, NoticeType
    from qunfa.rules.notices import told, type_of_end
    from workflows.send import Ending, Send


def tell_question(send: Send, deadline: datetime) -> None:
    """That the send waits for an operator's answer to its problem."""
    problem = send.problem
    if problem is None:
        return
    event = f"needs_operator {send.state.questions} {problem.name} {send.state.current.generation}"
    _tell(send, "needs_operator", event, answer_by=deadline)


def tell_approval(send: Send, deadline: datetime) -> None:
    """That the send waits for a person's approval."""
    _tell(send, "awaiting_approval", "awaiting_approval", answer_by=deadline)


def tell_end(send: Send, ending: Ending) -> None:
    """How the send has ended."""
    _tell(send, type_of_end(ending.outcome), f"ended {ending.outcome}", ending)


def _tell(
    send: Send, what: NoticeType, event: str, ending: Ending | None = None, answer_by: datetime | None = None
) -> None:
    if not send.wants:
        return
    status = send.status()
    result = send.result(ending) if ending else None
    in_doubt = result.may_have_been_delivered if result else send.may_have_been_delivered()
    data = NoticeData(
        account=send.asked.account,
        key=send.asked.key,
        workflow_id=workflow.info().workflow_id,
        run_id=workflow.info().run_id,
        msgtype=send.asked.message.msgtype,
        requested_by=send.asked.requested_by,
        phase=status.phase,
        outcome=result.outcome if result else None,
        may_have_been_delivered=in_doubt,
        problem=told(status.problem, in_doubt=in_doubt, ended=ending is not None) if status.problem else None,
        answers=status.answers,
        answer_by=answer_by,
        msg_ids=tuple(job.msg_id for job in status.jobs if job.msg_id is not None),
        totals=result.totals if result else None,
    )
    send.notices.tell(send.wants, Notice(type=what, timestamp=workflow.now(), data=data), event)
