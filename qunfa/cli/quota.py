"""`qunfa quota`: what an account has used of its API calls and mass sends, and what is left."""

from typing import Annotated

import typer

from qunfa.cli.account_answers import Question, answer_of, unique
from qunfa.cli.console import show, show_json
from qunfa.cli.group import run
from qunfa.cli.options import Json, TaskQueue
from qunfa.cli.payload import payload
from qunfa.cli.queue import task_queue
from qunfa.cli.rendering.quota import render_quota
from qunfa.contract.ids import ACCOUNT_QUOTA, quota_id
from qunfa.contract.limits import QuotaRequest, QuotaResult
from qunfa.markdown import plain


def quota(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name at the workers.")],
    *,
    queue: TaskQueue = None,
    as_json: Json = False,
) -> None:
    """Show API calls used and left by WeChat's count, and mass sends today and this month by the account's ledger."""
    request = payload(QuotaRequest, account=account)
    asked = Question(
        ACCOUNT_QUOTA,
        quota_id(account, unique()),
        request.model_dump(mode="json"),
        f"Quota of **{plain(account)}**",
    )
    result = run(answer_of(asked, QuotaResult, task_queue(queue)))
    if as_json:
        show_json(result)
    else:
        show(render_quota(result))
