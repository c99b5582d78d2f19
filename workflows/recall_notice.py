"""What a recall tells its account's webhooks."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.notice import Notice, NoticeData
    from qunfa.contract.recall import RecallResult


def recall_notice(result: RecallResult) -> Notice:
    """That the pages are gone."""
    info = workflow.info()
    data = NoticeData(
        account=result.account,
        key=result.key,
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        msgtype=result.msgtype,
        requested_by=result.by,
        outcome="recalled",
        may_have_been_delivered=True,
        msg_ids=() if result.msg_id is None else (result.msg_id,),
        article_idx=result.article_idx,
        verified=result.verified,
    )
    return Notice(type="recalled", timestamp=workflow.now(), data=data)
