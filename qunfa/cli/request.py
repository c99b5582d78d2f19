"""A request, from its file and from the options that override it."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from qunfa.cli.audience import audience_of
from qunfa.cli.errors import WrongUse
from qunfa.cli.message import excerpt, heading
from qunfa.cli.reading import STDIN, is_yaml, read_request
from qunfa.cli.typed.request import AudienceOptions
from qunfa.contract import InvalidRequestError, MassSendRequest, parse_request
from qunfa.contract.audience import describe
from qunfa.contract.message import Message, TextMessage
from qunfa.language import N_, _
from qunfa.language.phrases import told
from qunfa.markdown import plain, summary_line

_ADVICE = {
    "key: is missing": (
        N_(
            "choose a --key that names this send and nothing else, such as spring-sale-2026. There is no "
            "default: the same key again never sends twice, a made-up one would"
        )
    ),
    "audience: is missing": N_(
        "say --to-all, --tag N, --openids FILE, --openid-file FILE, --any-tags N,N or --from-report KEY"
    ),
    "message: is missing": (
        N_(
            'say --text "…", --html FILE, --image FILE, --video FILE or --voice FILE, or give a file '
            "that holds the message"
        )
    ),
    "account: is missing": N_("say --account NAME"),
}
_QUOTES = N_("in YAML, what is text and looks like a number must stand in quotes")


class Request(NamedTuple):
    """A request as it goes to Temporal, and as it was understood."""

    raw: dict[str, Any]
    parsed: MassSendRequest


def assemble(
    file: str | None, audience: AudienceOptions, overrides: dict[str, Any], defaults: dict[str, Any]
) -> Request:
    """The validated request of `file` with the options over it; an override that is `None` was not given.

    Raises:
        InvalidRequestError: Naming every wrong field, with advice.
        WrongUse: The file cannot be read, or the options contradict each other.
    """
    if file == STDIN == audience.openids:
        raise WrongUse(_("The request and the openids cannot both come from stdin."))
    raw = {} if file is None else read_request(file)
    given = {name: value for name, value in overrides.items() if value is not None}
    chosen = audience_of(audience)
    if chosen is not None:
        given["audience"] = chosen
    if isinstance(raw, dict):
        raw = {**defaults, **raw, **given}
    try:
        return Request(raw, parse_request(raw))
    except InvalidRequestError as error:
        from_yaml = file is not None and is_yaml(file, "{")
        raise InvalidRequestError(_advised(error.problems, quotes=from_yaml)) from None


def _advised(problems: list[str], *, quotes: bool) -> list[str]:
    said = [f"{told(problem)}: {_(_ADVICE[problem])}" if problem in _ADVICE else problem for problem in problems]
    return [*said, _(_QUOTES)] if quotes and any(problem.endswith("must be text") for problem in problems) else said


WXNAME: Final = "wx:"


def recipient(named: str) -> dict[str, str]:
    """An openid, or a WeChat id behind `wx:`, as a request has it."""
    if named.startswith(WXNAME):
        return {"wxname": named.removeprefix(WXNAME)}
    return {"openid": named}


def recipients(openids: list[str] | None, wxnames: list[str] | None = None) -> list[dict[str, str]] | None:
    """All of them; `None` where nobody was named."""
    named = [recipient(one) for one in openids or ()] + [{"wxname": one} for one in wxnames or ()]
    return named or None


def messages(request: MassSendRequest) -> Iterator[tuple[str, Message]]:
    """Each message with its label: the only one, or those of a split test."""
    shares = (None,) if request.split is None else (request.split.a, request.split.b)
    for name, share, version in zip(("a", "b"), shares, request.versions, strict=False):
        label = _("message") if share is None else _("group {name}, {share} %").format(name=name, share=share)
        yield label, version.message


def summary(request: MassSendRequest) -> str:
    """The send in one line of Markdown, for Temporal's UI."""
    what = " / ".join(plain(heading(message)) for _label, message in messages(request))
    whom = plain(describe(request.audience))
    return summary_line(f"{what} to {whom} of **{plain(request.account)}**")


def details(request: MassSendRequest) -> str:
    """The send in a few lines of Markdown, for Temporal's UI."""
    said = " / ".join(
        message.content if isinstance(message, TextMessage) else heading(message)
        for _label, message in messages(request)
    )
    lines = {
        "key": request.key,
        "audience": describe(request.audience),
        "message": excerpt(said),
        "send at": request.send_at and request.send_at.isoformat(),
        "not after": request.not_after and request.not_after.isoformat(),
        "requested by": request.requested_by,
    }
    return "\n".join(f"- {name}: {plain(value)}" for name, value in lines.items() if value)
