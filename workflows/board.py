"""What people see of a send from outside: its page, its search attributes, and the notices that webhooks are told."""

from datetime import datetime
from typing import Any, Final

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.notice import Notice, NoticeData, NoticeType, WantedNotice
    from qunfa.contract.request import MassSendRequest
    from qunfa.contract.result import MassSendResult
    from qunfa.contract.status import Status
    from qunfa.rules.notices import told, type_of_end
    from qunfa.send.show import Searchable
    from workflows.notices import Notices
    from workflows.send_page import send_page

_KEYS: Final[dict[str, SearchAttributeKey[Any]]] = {
    "account": SearchAttributeKey.for_keyword("MassSendAccount"),
    "phase": SearchAttributeKey.for_keyword("MassSendPhase"),
    "msgtype": SearchAttributeKey.for_keyword("MassSendMsgType"),
    "problem": SearchAttributeKey.for_keyword("MassSendProblem"),
    "msg_ids": SearchAttributeKey.for_keyword_list("MassSendMsgId"),
    "outcome": SearchAttributeKey.for_keyword("MassSendOutcome"),
}


class Board:
    """The page and the search attributes as they were shown last, and the notices that are being started."""

    def __init__(self, notices: Notices) -> None:
        self.notices = notices
        self._shown: dict[str, object] = {}

    def show(
        self, request: MassSendRequest | None, status: Status, found_by: Searchable, ended: MassSendResult | None
    ) -> None:
        """Bring the workflow's page and search attributes up to date."""
        workflow.set_current_details(send_page(request, status, ended))
        wanted: dict[str, object] = {name: getattr(found_by, name) or None for name in _KEYS}
        wanted["msg_ids"] = list(found_by.msg_ids) or None
        changed = {name: value for name, value in wanted.items() if value != self._shown.get(name)}
        if not changed:
            return
        self._shown = wanted
        updates: list[SearchAttributeUpdate[Any]] = [
            _KEYS[name].value_unset() if value is None else _KEYS[name].value_set(value)
            for name, value in changed.items()
        ]
        workflow.upsert_search_attributes(updates)

    def tell(  # noqa: PLR0913  what a notice is made of
        self,
        wants: tuple[WantedNotice, ...],
        request: MassSendRequest,
        status: Status,
        *,
        what: NoticeType,
        event: str,
        in_doubt: bool,
        answer_by: datetime | None = None,
        result: MassSendResult | None = None,
    ) -> None:
        """Have the account's webhooks told. ``event`` tells this one from the others of the send."""
        if not wants:
            return
        data = NoticeData(
            account=request.account,
            key=request.key,
            workflow_id=workflow.info().workflow_id,
            run_id=workflow.info().run_id,
            msgtype=request.message.msgtype,
            requested_by=request.requested_by,
            phase=status.phase,
            outcome=result.outcome if result else None,
            may_have_been_delivered=in_doubt,
            problem=told(status.problem, in_doubt=in_doubt, ended=result is not None) if status.problem else None,
            answers=status.answers,
            answer_by=answer_by,
            msg_ids=tuple(job.msg_id for job in status.jobs if job.msg_id is not None),
            totals=result.totals if result else None,
        )
        self.notices.tell(wants, Notice(type=what, timestamp=workflow.now(), data=data), event)

    def tell_end(
        self, wants: tuple[WantedNotice, ...], request: MassSendRequest, status: Status, result: MassSendResult
    ) -> None:
        """Have told how the send has ended."""
        self.tell(
            wants,
            request,
            status,
            what=type_of_end(result.outcome),
            event=f"ended {result.outcome}",
            in_doubt=result.may_have_been_delivered,
            result=result,
        )
