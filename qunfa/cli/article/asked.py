"""The articles that were asked for: of a send in Temporal, with what it has pinned, or of a request in a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from qunfa.cli.connection import RPC_TIMEOUT
from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.options import send_id, short_name
from qunfa.cli.reading import STDIN, read_request
from qunfa.cli.view import describe_send, request_of
from qunfa.contract import MassSendRequest, parse_request
from qunfa.contract.audience import Version, is_long
from qunfa.contract.checks import SourcesSeen
from qunfa.contract.ids import MassSendId
from qunfa.contract.message import Article, Message, MpnewsMessage
from qunfa.contract.request import parse_preview
from qunfa.language import N_, _, sentences

_FILES: Final = (".json", ".yaml", ".yml")
_OLD: Final = N_("the workers are older than this command, and do not tell")


@dataclass(frozen=True, slots=True)
class Asked:
    """Articles of an account. `origin` says in words where they are from.

    `seen` is what the send has found at its sources, and `None` where no send has looked at them. `unseen` says why,
    and `of_a_send` whether there is one that will.
    """

    account: str
    key: str
    articles: tuple[Article, ...]
    origin: str
    seen: SourcesSeen | None = None
    unseen: str | None = None
    of_a_send: bool = True


def asked_for(text: str, account: str | None) -> MassSendId | str:
    """The send that was named, or the file.

    Raises:
        WrongUse: It is neither.
    """
    if account is None and (text == STDIN or text.lower().endswith(_FILES)):
        return text
    try:
        return send_id(text, account)
    except WrongUse as error:
        if account is None and Path(text).is_file():
            return text
        hint = _("A file's name ends with {endings}, or it is - for stdin.").format(endings=", ".join(_FILES))
        raise WrongUse(sentences(str(error), hint)) from None


def of_a_file(name: str, group: Version = "a") -> Asked:
    """The articles of a request in a file. It needs an account and a message; in a split test, that of this group.

    Raises:
        InvalidRequestError: The request is not valid.
        WrongUse: The file cannot be read, or there is no such group.
        Refused: Its message has no articles.
    """
    raw = read_request(name)
    if isinstance(raw, dict):
        raw = {"key": "article", **({} if "to" in raw else {"audience": {"kind": "all"}}), **raw}
    to_people: Any = isinstance(raw, dict) and "to" in raw and "audience" not in raw
    request = parse_preview(raw) if to_people else parse_request(raw)
    origin = _("the request on stdin") if name == STDIN else _("the request in {name}").format(name=name)
    message = _message_of(request, group) if isinstance(request, MassSendRequest) else request.message
    articles = _articles(message, origin)
    return Asked(
        request.account, request.key, articles, origin, unseen=_("no send has looked at them yet"), of_a_send=False
    )


async def of_a_send(client: Client, send: MassSendId, group: Version = "a") -> Asked:
    """The articles of the newest run of a send, with what it has found at its sources; in a split test, of this group.

    Raises:
        WrongUse: There is no such group.
        Refused: Temporal does not know it, its request cannot be read, or its message has no articles.
    """
    description = await describe_send(client, send)
    request = await request_of(client, description.id, description.run_id)
    if request is None:
        said = _("What {send} asks for cannot be read: look at `qunfa status {send}`.")
        raise Refused(said.format(send=short_name(send)))
    articles = _articles(_message_of(request, group), short_name(send))
    run = client.get_workflow_handle(description.id, run_id=description.run_id)
    origin = _("the send {send}").format(send=short_name(send))
    try:
        asked = [group] if is_long(request.audience) else []
        seen = await run.query("sources", args=asked, result_type=SourcesSeen, rpc_timeout=RPC_TIMEOUT)
    except WorkflowQueryFailedError:
        return Asked(*send, articles, origin, unseen=_(_OLD))
    except RPCError as error:
        sentence = _("No worker told what {send} has found: see that one runs (`qunfa worker`).")
        raise Refused(sentence.format(send=short_name(send))) from error
    if not seen.contents:
        return Asked(*send, articles, origin, unseen=_("the send has not looked at its files yet"))
    return Asked(*send, articles, origin, seen)


def _message_of(request: MassSendRequest, group: Version) -> Message:
    if group == "b" and request.split is None:
        raise WrongUse(_("This send has no split test, so it has no group b."))
    return request.message_for(group, None)


def _articles(message: object, origin: str) -> tuple[Article, ...]:
    if not isinstance(message, MpnewsMessage):
        said = _("There is no article in {origin}: its message is of another type. `qunfa status` shows a send's.")
        raise Refused(said.format(origin=origin))
    if message.articles is None:
        sentence = _(
            "There is no article in {origin}, but the draft {draft}: Qunfa does not know what it says. "
            "Look at it in WeChat's console."
        )
        raise Refused(sentence.format(origin=origin, draft=message.media_id))
    return message.articles
