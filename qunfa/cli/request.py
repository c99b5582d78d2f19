"""A request, from its file and from the options that override it."""

import json
import re
import sys
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
import yaml

from qunfa.cli.errors import WrongUse
from qunfa.cli.language import N_, _
from qunfa.cli.message import excerpt, heading
from qunfa.cli.phrases import told
from qunfa.contract import InvalidRequestError, MassSendRequest, parse_request
from qunfa.contract.audience import describe
from qunfa.contract.message import TextMessage
from qunfa.markdown import plain, summary_line

STDIN: Final = "-"


class _Loader(yaml.SafeLoader):
    """YAML's core schema: times, and words such as `yes`, stay text; a name may stand only once in an object."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        _refuse_repetition(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _beginnings in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", [*"tTfF"]),
    ("null", r"^(?:~|null|Null|NULL|)$", [*"~nN", ""]),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", [*"-0123456789"]),
    ("float", r"^-?[0-9]+\.[0-9]+$", [*"-0123456789"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), _beginnings)


def read_request(name: str) -> Any:
    """The request in the file `name`, or on stdin for `-`, not validated yet.

    Raises:
        WrongUse: It cannot be read, or is neither JSON nor YAML, or an object in it holds a name twice.
    """
    text = read_text(name)
    if is_yaml(name, text):
        try:
            return yaml.load(text, _Loader)  # noqa: S506 - derived from SafeLoader
        except yaml.YAMLError as error:
            raise WrongUse(_("{called} is not valid YAML: {error}").format(called=_called(name), error=error)) from None
    try:
        return json.loads(text, object_pairs_hook=_object)
    except ValueError as error:
        raise WrongUse(_("{called} is not valid JSON: {error}").format(called=_called(name), error=error)) from None


def read_openids(name: str) -> list[str]:
    """The openids in the file `name`, or on stdin for `-`: one a line, empty lines left out.

    Raises:
        WrongUse: It cannot be read, or holds none.
    """
    openids = [line.strip() for line in read_text(name).splitlines() if line.strip()]
    if not openids:
        raise WrongUse(_("{called} holds no openid: one a line is expected.").format(called=_called(name)))
    return openids


def read_text(name: str) -> str:
    """The UTF-8 text of the file `name`, or of stdin for `-`; a byte order mark is left out.

    Raises:
        WrongUse: It cannot be read.
    """
    if name == STDIN and sys.stdin is None:
        raise WrongUse(_("Cannot read stdin: it is closed."))
    try:
        raw = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise WrongUse(
            _("Cannot read {called}: {strerror}.").format(called=_called(name), strerror=error.strerror)
        ) from None
    except UnicodeDecodeError:
        raise WrongUse(_("{called} is not UTF-8 text.").format(called=_called(name))) from None


def is_yaml(name: str, text: str) -> bool:
    """By the file's name; where that says nothing, JSON is what begins like an object."""
    if name.lower().endswith((".yaml", ".yml")):
        return True
    return not name.lower().endswith(".json") and not text.lstrip().startswith(("{", "["))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_repetition(name for name, _ in pairs)
    return dict(pairs)


def _refuse_repetition(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise WrongUse(
                _("The request holds {name} twice in one object: which one counts is not left to chance.").format(
                    name=name
                )
            )
        seen.add(name)


def _called(name: str) -> str:
    return "stdin" if name == STDIN else name


_ADVICE = {
    "key: is missing": (
        N_(
            "choose a --key that names this send and nothing else, such as spring-sale-2026. There is no "
            "default: the same key again never sends twice, a made-up one would"
        )
    ),
    "audience: is missing": N_("say --to-all, --tag N or --openids FILE"),
    "message: is missing": (
        N_(
            'say --text "…", --html FILE, --image FILE, --video FILE or --voice FILE, or give a file '
            "that holds the message"
        )
    ),
    "account: is missing": N_("say --account NAME"),
}
_QUOTES = N_("in YAML, what is text and looks like a number must stand in quotes")


class AudienceOptions(NamedTuple):
    """The options that say to whom: one of `--to-all`, `--tag`, with what is expected of it, and `--openids`."""

    to_all: Annotated[bool, typer.Option("--to-all", help="To every follower of the account.")] = False
    tag: Annotated[int | None, typer.Option(min=0, metavar="N", help="To the followers under this tag.")] = None
    expect_name: Annotated[str | None, typer.Option(help="The tag must have this name.")] = None
    expect_max: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The tag must have at most so many followers.")
    ] = None
    openids: Annotated[str | None, typer.Option(metavar="FILE", help="To these openids, one a line; - is stdin.")] = (
        None
    )


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
    chosen = _audience(audience)
    if chosen is not None:
        given["audience"] = chosen
    if isinstance(raw, dict):
        raw = {**defaults, **raw, **given}
    try:
        return Request(raw, parse_request(raw))
    except InvalidRequestError as error:
        from_yaml = file is not None and is_yaml(file, "{")
        raise InvalidRequestError(_advised(error.problems, quotes=from_yaml)) from None


def _audience(options: AudienceOptions) -> dict[str, Any] | None:
    chosen = {"--to-all": options.to_all, "--tag": options.tag is not None, "--openids": options.openids is not None}
    names = [name for name, given in chosen.items() if given]
    if len(names) > 1:
        raise WrongUse(_("{names} exclude each other: a send has one audience.").format(names=" and ".join(names)))
    if options.tag is None and (options.expect_name is not None or options.expect_max is not None):
        raise WrongUse(_("--expect-name and --expect-max say what the tag of --tag must look like: give --tag too."))
    if options.to_all:
        return {"kind": "all"}
    if options.openids is not None:
        return {"kind": "openids", "openids": read_openids(options.openids)}
    return None if options.tag is None else _tag(options.tag, options.expect_name, options.expect_max)


def _tag(tag: int, name: str | None, maximum: int | None) -> dict[str, Any]:
    expected = {key: value for key, value in {"name": name, "max": maximum}.items() if value is not None}
    return {"kind": "tag", "tag_id": tag} | ({"expect": expected} if expected else {})


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


def summary(request: MassSendRequest) -> str:
    """The send in one line of Markdown, for Temporal's UI."""
    what, whom = plain(heading(request.message)), plain(describe(request.audience))
    return summary_line(f"{what} to {whom} of **{plain(request.account)}**")


def details(request: MassSendRequest) -> str:
    """The send in a few lines of Markdown, for Temporal's UI."""
    message = request.message
    said = message.content if isinstance(message, TextMessage) else heading(message)
    lines = {
        "key": request.key,
        "audience": describe(request.audience),
        "message": excerpt(said),
        "send at": request.send_at and request.send_at.isoformat(),
        "not after": request.not_after and request.not_after.isoformat(),
        "requested by": request.requested_by,
    }
    return "\n".join(f"- {name}: {plain(value)}" for name, value in lines.items() if value)
