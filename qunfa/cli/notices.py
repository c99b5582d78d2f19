"""`qunfa notices`: which webhooks an account has, and whether they take a test notice."""

from typing import Annotated

import typer

from qunfa.cli.account_answers import Question, answer_of, unique
from qunfa.cli.console import show, show_json
from qunfa.cli.errors import ExitCode
from qunfa.cli.group import run
from qunfa.cli.options import Json, TaskQueue
from qunfa.cli.payload import payload
from qunfa.cli.queue import task_queue
from qunfa.cli.rendering.notices import render_notices
from qunfa.contract.ids import ACCOUNT_NOTICES, notices_id
from qunfa.contract.notice import AccountNoticesRequest, AccountNoticesResult
from qunfa.markdown import plain


def notices(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name at the workers.")],
    *,
    test: Annotated[bool, typer.Option("--test", help="Tell each of them a notice of the type `test`, once.")] = False,
    queue: TaskQueue = None,
    as_json: Json = False,
) -> None:
    """Show the webhooks that are told of an account's sends, and what each is told; with --test, try them.

    A worker tells the test, as it tells all notices: nothing here knows where the webhooks are.
    """
    request = payload(AccountNoticesRequest, account=account, test=test)
    asked = Question(
        ACCOUNT_NOTICES,
        notices_id(account, unique()),
        request.model_dump(mode="json"),
        f"Webhooks of **{plain(account)}**" + (", tested" if test else ""),
    )
    result = run(answer_of(asked, AccountNoticesResult, task_queue(queue)))
    if as_json:
        show_json(result)
    else:
        show(render_notices(result))
    if any(webhook.took_test is False for webhook in result.webhooks):
        raise typer.Exit(ExitCode.REFUSED)
