"""What is meant by what was typed, and shown before a yes: the sends that an answer goes to, the jobs of a recall."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from qunfa.cli.connection import RPC_TIMEOUT, with_client
from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.ledger import ledgers
from qunfa.cli.list import MSGTYPE, SendRow, find_rows, visibility_query, without_batches
from qunfa.cli.options import changed, confirm, demand_consent, send_id, short_name
from qunfa.cli.output import in_a_line, short
from qunfa.cli.status import approval_lines
from qunfa.cli.typed.sends import Filters, Given
from qunfa.cli.view import SendView, batch_asking, describe_send, read_send, state_word
from qunfa.contract import INVALID_REQUEST, MASS_SEND
from qunfa.contract.batches import batch_key
from qunfa.contract.ids import MASS_SEND_IN_BATCHES, MassSendId, mass_send_id, parse_mass_send_id, recall_id, whole_of
from qunfa.contract.recall import RECALLABLE, article_at
from qunfa.contract.result import JobResult
from qunfa.language import N_, _, listed, several
from qunfa.language.phrases import told
from qunfa.rules.problems import BATCH_FAILED
from qunfa.temporal.connection import is_gone


class Chosen(NamedTuple):
    """Whom an answer goes to: sends by name, or a query; `yes` where nobody is to be asked whether it is right."""

    sends: list[MassSendId]
    query: str | None
    yes: bool

    @property
    def is_one(self) -> bool:
        """Whether it is one send, by its name."""
        return self.query is None and len(self.sends) == 1


LETS_GO: Final = frozenset({"approve", "retry", "resume"})
"""The commands after which a send goes out, or its next batch does. What stops a send does so whatever it asks."""


class Shown(NamedTuple):
    """What a send asks, and the lines that people read. `asks` is empty where nobody can say yes: `lines` tell why."""

    asks: tuple[object, ...] = ()
    lines: tuple[str, ...] = ()


FOUND_MAX: Final = 1_000
"""More than a person looks through before saying yes."""


def chosen(sends: Sequence[str] | None, given: Given, query: str | None = None) -> Chosen:
    """The sends of a command line, each once."""
    if bool(sends) == (query is not None):
        raise WrongUse(_("Say which sends: by SEND…, or by --query, and not by both."))
    if query is not None and given.account is not None:
        raise WrongUse(_("--account goes with SEND; in a query it is MassSendAccount = '…'."))
    if query is not None:
        demand_consent(yes=given.yes, first=_("look at what `qunfa list --query` finds"))
    named = list(dict.fromkeys(send_id(text, given.account) for text in sends or ()))
    if len(named) > 1:
        demand_consent(yes=given.yes, first=_("look at them with `qunfa status`"))
    return Chosen(named, query, given.yes)


def confirmed(whom: Chosen, command: str, about: str = "") -> dict[MassSendId, Shown | None]:
    """The sends, once a person has seen each of them, what it asks, and what else it is `about`.

    With what was shown of a send that is let go.
    """
    found = dict.fromkeys(whom.sends) if whom.query is None else with_client(_found, whom.query)
    if whom.yes:
        return dict.fromkeys(found)
    lines, shown_of = with_client(_about, found, command)
    number = sum(one is None or bool(one.asks) for one in shown_of.values())
    if number:
        question = several("{command} this one?", "{command} these {number}?", number)
        confirm(question.format(command=command, number=number), yes=False, about=[*lines, about] if about else lines)
    return shown_of


async def _found(client: Client, query: str) -> dict[MassSendId, SendRow]:
    """A closed send takes no answer, so none is looked for. What a send in batches is told, it tells its batches."""
    asked = visibility_query(Filters(query=query), running=True)
    rows = await find_rows(client, asked, FOUND_MAX + 1)
    if len(rows) > FOUND_MAX:
        said = _("More than {found_max:,} running sends match, so nothing was done: narrow the query.")
        raise Refused(said.format(found_max=FOUND_MAX))
    found = {MassSendId(row.account, row.key): row for row in without_batches(rows) if row.account and row.key}
    if not found:
        raise Refused(_("No running send matches, so nothing was done."))
    return found


async def _about(
    client: Client, found: Mapping[MassSendId, SendRow | None], command: str
) -> tuple[list[str], dict[MassSendId, Shown | None]]:
    """How each is, by its row or else by Temporal; a name that leads to no send is refused when it is answered."""
    lines = []
    shown_of = dict[MassSendId, Shown | None].fromkeys(found)
    for send, row in found.items():
        view = None
        words: tuple[str | None, ...] = (_(row.phase or row.state), row.problem) if row else ()
        try:
            if row is None or command in LETS_GO:
                view = await read_send(client, send)
        except Refused as error:
            words = words or (str(error),)
        if view is not None and (row is None or view.status is not None):
            words = (_(state_word(view)), view.asks)
        lines.append(in_a_line("  ".join(filter(None, (short_name(send), *words)))))
        if command in LETS_GO:
            shown_of[send] = before = await shown(client, view, command)
            lines += [f"  {line}" for line in before.lines]
    return lines, shown_of


def what_it_asks(view: SendView) -> tuple[object, ...]:
    """Which run asks what, about which batch, after which submission."""
    status = view.status
    newest = max((job.generation for job in status.jobs), default=None) if status else None
    return view.run_id, view.state, newest, status and status.batch, view.asks


async def shown(client: Client, view: SendView | None, command: str) -> Shown:
    """What is shown of a send before one of the commands of `LETS_GO`."""
    if view is None or view.status is None:
        return Shown(lines=(_("it could not be read, so this is left out: `qunfa status` tells why"),))
    if command != "approve":
        try:
            aborted = await _aborted_batch(client, view)
        except Refused as error:
            return Shown(lines=(str(error),))
        return Shown((*what_it_asks(view), aborted), (aborted,) if aborted else ())
    if not view.status.approval.shows:
        return Shown(lines=(_("what goes out is not known yet, so this is left out"),))
    goes_out, send_at = tuple(approval_lines(view.status.approval)), view.status.send_at
    if view.request is not None and view.request.requested_by:
        goes_out += (in_a_line(_("asked by {requested_by}").format(requested_by=view.request.requested_by)),)
    # The day is told of times on other days alone, so that the line may differ once the day is over.
    told_time = (_("send at {time}").format(time=short(send_at)),) if send_at else ()
    return Shown((*what_it_asks(view), *goes_out, send_at), (*goes_out, *told_time))


async def demand_shown(client: Client, send: MassSendId, before: Shown, command: str) -> None:
    """Refuse to let go what nobody was shown, or what has changed since."""
    view = await read_send(client, send)
    if view.status is None and view.note is not None:
        raise Refused(told(view.note))
    if not before.asks:
        said = _("You were shown nothing of it to say yes to, so it was left out. Look: qunfa status {send}")
        raise Refused(said.format(send=short_name(send)))
    if (await shown(client, view, command)).asks != before.asks:
        raise changed(send)


async def _aborted_batch(client: Client, view: SendView) -> str | None:
    """The batch that a list asks about, if a person has aborted it: by whom and why, in a line.

    Raises:
        Refused: the list or its batch does not tell, so that it may be so.
    """
    if view.status is None and view.note is not None:
        raise Refused(told(view.note))
    if view.asks != BATCH_FAILED or (asking := batch_asking(view)) is None:
        return None
    number, key = asking
    try:
        batch = await read_send(client, MassSendId(view.account, key))
    except Refused:  # Temporal has forgotten it
        return None
    if batch.state != "running" and batch.result is None and batch.note is not None:
        raise Refused(told(batch.note))
    if batch.result is None or batch.result.outcome != "aborted":
        return None
    for line in reversed(batch.status.history if batch.status else ()):
        if line.by and line.what.startswith("abort"):
            said = _("Batch {number:,} was aborted by {by}: {reason}")
            return in_a_line(said.format(number=number, by=line.by, reason=line.reason))
    return _("Batch {number:,} was aborted.").format(number=number)


async def aborted_in(client: Client, send: MassSendId) -> str | None:
    """The same of a send by its name, which may be no list."""
    description = await describe_send(client, send)
    if description.workflow_type != MASS_SEND_IN_BATCHES:
        return None
    return await _aborted_batch(client, await read_send(client, send))


class Aims(NamedTuple):
    """All that is recalled. `as_list`: of a send in batches, whose recalls are told as a list, be it of one."""

    found: list["Aim"]
    as_list: bool = False


class Aim(NamedTuple):
    """One recall: of a job, of one of its articles, or of the article at a URL. `what` says so to people.

    `refusal`: why it is not begun, where its msg_id is not known. `key`: of the send, or the batch, whose job it is.
    `behind`: how many recalls wait for its end.
    """

    account: str
    what: str
    refusal: str | None = None
    msg_id: int | None = None
    key: str | None = None
    article_idx: int | None = None
    url: str | None = None
    behind: int = 0

    @property
    def workflow_id(self) -> str:
        return recall_id(self.account, self.msg_id if self.msg_id is not None else self.url or "")

    def request(self, by: str, reason: str) -> dict[str, object]:
        """The input of `RecallMassSend`."""
        aim = {"msg_id": self.msg_id, "key": self.key, "article_idx": self.article_idx, "url": self.url}
        given = {name: value for name, value in aim.items() if value is not None}
        return {"account": self.account, **given, "by": by, "reason": reason}


_RECALLABLE: Final = frozenset({"accepted", "sent", "sent_nobody"})
_SEARCHED: Final = 100


def meant(named: str, account: str | None, article: int | None) -> MassSendId | int | str:
    """What was typed: a send, a msg_id, or the address of an article."""
    if named.startswith(("http://", "https://")):
        if article is not None:
            raise WrongUse(_("--article goes with a send or a msg_id: an address is one article's already."))
        return named
    is_number = named.isascii() and named.isdigit() and named == (named.lstrip("0") or "0")
    return int(named) if is_number else send_id(named, account)


async def aims(client: Client, target: MassSendId | int | str, account: str | None, article: int | None) -> Aims:
    """Every job that is meant; several where a send was made in several."""
    if isinstance(target, str):
        return Aims([await _by_url(client, target, account)])
    if isinstance(target, int):
        return Aims([await _by_msg_id(client, target, account, article)])
    return await _of_send(client, target, article)


async def _of_send(client: Client, send: MassSendId, article: int | None) -> Aims:
    view = await read_send(client, send)
    if view.result is None and (view.in_batches or await _was_in_batches(client, send, view)):
        said = _(_BATCHES_RUN if view.state == "running" else _NO_RESULT)
        raise Refused(said.format(send=short_name(send), account=send.account))
    jobs = [job for job in view.jobs if job.msg_id is not None and job.state in _RECALLABLE]
    unnamed = [job for job in view.jobs if job.msg_id is None and job.state == "unknown"] if view.in_batches else []
    if not (jobs or unnamed):
        said = _(_NOTHING if view.result is not None and view.result.outcome != "unknown" else _NOT_HERE)
        named = {"send": short_name(send), "account": send.account, "key": send.key}
        raise Refused(said.format(**named, why_nothing=_why_nothing(view)))
    was_refused = view.failure is not None and view.failure.type == INVALID_REQUEST  # its jobs are an earlier run's
    if not (view.in_batches or was_refused):  # the two messages of a split test may be of different types
        _demand_recallable(short_name(send), await describe_send(client, send))
    waits = [job for job in jobs if job.state == "accepted"]  # for its verdict, for hours perhaps: behind the others
    found = [_aim_of(view, job, article) for job in jobs if job not in waits]
    found += [_unnamed(send, job) for job in unnamed] + [_aim_of(view, job, article) for job in waits]
    return Aims(found, as_list=view.in_batches or len(jobs) > 1)


def _demand_recallable(what: str, run: WorkflowExecution) -> None:
    """WeChat recalls no other message, so nobody is asked whether it is right."""
    msgtype = run.typed_search_attributes.get(MSGTYPE)
    if msgtype is not None and msgtype not in RECALLABLE:
        said = _("{what} is a message of type {msgtype}: only articles and videos can be recalled.")
        raise Refused(said.format(what=what, msgtype=_(in_a_line(msgtype))))


async def _was_in_batches(client: Client, send: MassSendId, view: SendView) -> bool:
    """Whether the key is of a list, and its newest run alone was refused, or ended, before it became one.

    Such a run has no jobs of its own. It may show those of the first batch.
    """
    first = MassSendId(send.account, batch_key(send.key, 1))
    if view.failure is not None and f'under "{first.key}"' in view.failure.message:
        return True
    try:
        batch = await client.get_workflow_handle(mass_send_id(*first)).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if not is_gone(error):
            raise
        return False
    return whole_of(first, batch.parent_id) == send


_BATCHES_RUN: Final = N_(
    "{send} runs in batches, and only its result will have all of them, so nothing was recalled. "
    '`qunfa abort {send} --reason "WHY"` ends it once its batch under way has ended. '
    "Until then recall a batch by its own key, such as {send}.1."
)
_NOTHING: Final = N_("{send} has nothing to recall: {why_nothing}")
_NOT_HERE: Final = N_(
    "The newest run of {send} names nothing to recall: {why_nothing} It, or an earlier one, may have sent it. "
    "`qunfa ledger {account} --key {key}` shows its msg_id, or else WeChat's console does: "
    '`qunfa recall MSG_ID --account {account} --reason "WHY"` recalls that.'
)
_NO_RESULT: Final = N_(
    "{send} was sent in batches and has no result, so nothing was recalled. "
    "Recall each batch by its own key, such as {send}.1: `qunfa list --account {account} --batches` has them."
)


def _why_nothing(view: SendView) -> str:
    if view.jobs:
        return _("; ").join(
            _("job {index} is {state}").format(index=job.index, state=_(job.state)) for job in view.jobs
        ) + _(".")
    return told(view.note or "") or _("WeChat has accepted none of its jobs.")


def _aim_of(view: SendView, job: JobResult, article: int | None) -> Aim:
    send = MassSendId(view.account, view.key)
    reached = f", {job.counts.sent:,} received it" if job.counts else ""
    part = f"article {article} of " if article else ""
    what = f"{part}{short_name(send)}: msg_id {job.msg_id}, {job.state.replace('_', ' ')}{reached}"
    key = batch_key(send.key, job.index + 1) if view.in_batches else send.key
    return Aim(send.account, what, msg_id=job.msg_id, key=key, article_idx=article)


def _unnamed(send: MassSendId, job: JobResult) -> Aim:
    """A batch that may have been delivered, of which this list cannot tell more."""
    batch = short_name(MassSendId(send.account, batch_key(send.key, job.index + 1)))
    said = _("It may have been delivered, and its msg_id is not known here. Recall it by its own key, {batch}.")
    what = _("{batch}: its msg_id is not known").format(batch=batch)
    return Aim(send.account, what, said.format(batch=batch))


async def _by_msg_id(client: Client, msg_id: int, account: str | None, article: int | None) -> Aim:
    if account is not None:
        await _demand_no_key(client, MassSendId(account, str(msg_id)))
    query = f"WorkflowType = '{MASS_SEND}' AND MassSendMsgId = '{msg_id}'"
    found = {one.id: one async for one in client.list_workflows(query, limit=_SEARCHED, rpc_timeout=RPC_TIMEOUT)}
    sends = [send for send in map(parse_mass_send_id, found) if send and account in {None, send.account}]
    accounts = {send.account for send in sends}
    if len(accounts) > 1:
        said = _("msg_id {msg_id} is known of the accounts {accounts}: say --account NAME.")
        raise WrongUse(said.format(msg_id=msg_id, accounts=listed(sorted(accounts))))
    named = next(iter(accounts), account)
    if named is None:
        sentence = _("No send here has the msg_id {msg_id}: say of which account it is with --account NAME.")
        raise WrongUse(sentence.format(msg_id=msg_id))
    if len(set(sends)) > 1:
        which = listed(sorted({short_name(send) for send in sends}))
        many = _("msg_id {msg_id} is known of the sends {sends}: say which of them.")
        raise WrongUse(many.format(msg_id=msg_id, sends=which))
    if sends:
        _demand_recallable(f"msg_id {msg_id}", found[mass_send_id(*sends[0])])
    part = f"article {article} of " if article else ""
    whose = f"a job of {short_name(sends[0])}" if sends else f"a job of {named}, by no send that is known here"
    key = sends[0].key if sends else None
    return Aim(named, f"{part}msg_id {msg_id}, {whose}", msg_id=msg_id, key=key, article_idx=article)


async def _demand_no_key(client: Client, send: MassSendId) -> None:
    """A key may be a number as well: the job of that msg_id is another one, and may be anybody's."""
    try:
        await describe_send(client, send)
    except Refused:
        return
    said = _("{key} is a key of {account}, too: say {send} for that send; leave --account out for the msg_id.")
    raise WrongUse(said.format(key=send.key, account=send.account, send=short_name(send)))


async def _by_url(client: Client, url: str, account: str | None) -> Aim:
    known = await ledgers(client)
    for view in known.values():
        found = view and article_at(view, url)
        send = found and found.record and parse_mass_send_id(found.record.workflow_id)
        if found and send and account in {None, send.account}:
            what = f"article {found.article_idx} of {short_name(send)}: msg_id {found.msg_id}"
            return Aim(send.account, what, msg_id=found.msg_id, key=send.key, article_idx=found.article_idx)
    if account is None:
        silent = [workflow_id for workflow_id, view in known.items() if view is None]
        but = _(" ({silent} did not answer: is there a worker?)").format(silent=listed(silent)) if silent else ""
        said = _("No account's ledger knows this address{but}: say whose article it is with --account NAME.")
        raise WrongUse(said.format(but=but))
    return Aim(account, f"the article of {account} at {url}, by no send that is known here", url=url)
