"""What `qunfa recall` is asked to recall: a send, a msg_id or the address of an article, as WeChat's jobs."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.naming import send_id, short_name
from qunfa.cli.reading import RPC_TIMEOUT, read_send
from qunfa.cli.view import SendView
from qunfa.contract import ACCOUNT, MASS_SEND
from qunfa.contract.ids import MassSendId, parse_mass_send_id, recall_id
from qunfa.contract.ledger import LedgerView
from qunfa.contract.recall import ArticleAt, article_at
from qunfa.contract.result import JobResult

_RECALLABLE: Final = frozenset({"accepted", "sent", "sent_nobody"})
_SEARCHED: Final = 100


class Aim(NamedTuple):
    """One recall: of a job, of one of its articles, or of the article at a URL. `what` says so to people."""

    account: str
    what: str
    msg_id: int | None = None
    article_idx: int | None = None
    url: str | None = None

    @property
    def workflow_id(self) -> str:
        """The workflow id of the recall."""
        return recall_id(self.account, self.msg_id if self.msg_id is not None else self.url or "")

    def request(self, by: str, reason: str) -> dict[str, object]:
        """The input of `RecallMassSend`."""
        aim = {"msg_id": self.msg_id, "article_idx": self.article_idx, "url": self.url}
        given = {name: value for name, value in aim.items() if value is not None}
        return {"account": self.account, **given, "by": by, "reason": reason}


async def aims(client: Client, named: str, account: str | None, article: int | None) -> list[Aim]:
    """Every job that is meant; several where a send was made in several.

    Raises:
        WrongUse: It does not say what to recall, or not of which account.
        Refused: Nothing of it can be recalled.
    """
    if named.startswith(("http://", "https://")):
        if article is not None:
            raise WrongUse("--article goes with a send or a msg_id: an address is one article's already.")
        return [await _by_url(client, named, account)]
    if named.isascii() and named.isdigit():
        return [await _by_msg_id(client, int(named), account, article)]
    return await _of_send(client, send_id(named, account), article)


async def _of_send(client: Client, send: MassSendId, article: int | None) -> list[Aim]:
    view = await read_send(client, send)
    jobs = [job for job in _jobs(view) if job.msg_id is not None and job.state in _RECALLABLE]
    if not jobs:
        raise Refused(f"{short_name(send)} has nothing to recall: {_why_nothing(view)}")
    return [_aim(send, job, article) for job in jobs]


def _jobs(view: SendView) -> tuple[JobResult, ...]:
    if view.result is not None:
        return view.result.jobs
    return view.status.jobs if view.status else ()


def _why_nothing(view: SendView) -> str:
    jobs = _jobs(view)
    if jobs:
        return "; ".join(f"job {job.index} is {job.state}" for job in jobs) + "."
    return view.note or "WeChat has accepted none of its jobs."


def _aim(send: MassSendId, job: JobResult, article: int | None) -> Aim:
    reached = f", {job.counts.sent:,} received it" if job.counts else ""
    part = f"article {article} of " if article else ""
    what = f"{part}{short_name(send)}: msg_id {job.msg_id}, {job.state.replace('_', ' ')}{reached}"
    return Aim(send.account, what, msg_id=job.msg_id, article_idx=article)


async def _by_msg_id(client: Client, msg_id: int, account: str | None, article: int | None) -> Aim:
    sends = [send async for send in _sends_with(client, msg_id) if account in {None, send.account}]
    accounts = {send.account for send in sends}
    if len(accounts) > 1:
        raise WrongUse(f"msg_id {msg_id} is known of the accounts {', '.join(sorted(accounts))}: say --account NAME.")
    named = next(iter(accounts), account)
    if named is None:
        raise WrongUse(f"No send here has the msg_id {msg_id}: say of which account it is with --account NAME.")
    part = f"article {article} of " if article else ""
    whose = f"a job of {short_name(sends[0])}" if sends else f"a job of {named}, by no send that is known here"
    return Aim(named, f"{part}msg_id {msg_id}, {whose}", msg_id=msg_id, article_idx=article)


async def _sends_with(client: Client, msg_id: int) -> AsyncIterator[MassSendId]:
    query = f"WorkflowType = '{MASS_SEND}' AND MassSendMsgId = '{msg_id}'"
    async for found in client.list_workflows(query, limit=_SEARCHED, rpc_timeout=RPC_TIMEOUT):
        if (send := parse_mass_send_id(found.id)) is not None:
            yield send


async def _by_url(client: Client, url: str, account: str | None) -> Aim:
    owned, silent = await _ledgers_with(client, url)
    for owner, found in owned:
        if account in {None, owner}:
            send = found.record and parse_mass_send_id(found.record.workflow_id)
            whose = f" of {short_name(send)}" if send else ""
            what = f"article {found.article_idx}{whose}: msg_id {found.msg_id}"
            return Aim(owner, what, msg_id=found.msg_id, article_idx=found.article_idx)
    if account is None:
        but = f" ({', '.join(silent)} did not answer: is there a worker?)" if silent else ""
        raise WrongUse(f"No account's ledger knows this address{but}: say whose article it is with --account NAME.")
    return Aim(account, f"the article of {account} at {url}, by no send that is known here", url=url)


async def _ledgers_with(client: Client, url: str) -> tuple[list[tuple[str, ArticleAt]], list[str]]:
    """The article with the name of the account whose send it was, by all ledgers; and the ledgers without an answer."""
    running = f"WorkflowType = '{ACCOUNT}' AND ExecutionStatus = 'Running'"
    ids = [found.id async for found in client.list_workflows(running, limit=_SEARCHED, rpc_timeout=RPC_TIMEOUT)]
    views = await asyncio.gather(*(_ledger(client, workflow_id) for workflow_id in ids))
    owned = []
    for view in views:
        article = view and article_at(view, url)
        send = article and article.record and parse_mass_send_id(article.record.workflow_id)
        if article and send:
            owned.append((send.account, article))
    return owned, [workflow_id for workflow_id, view in zip(ids, views, strict=True) if view is None]


async def _ledger(client: Client, workflow_id: str) -> LedgerView | None:
    """What the ledger knows; ``None`` where it does not answer."""
    handle = client.get_workflow_handle(workflow_id)
    try:
        view: LedgerView = await handle.query("ledger", result_type=LedgerView, rpc_timeout=RPC_TIMEOUT)
    except (RPCError, WorkflowQueryFailedError):
        return None
    return view
