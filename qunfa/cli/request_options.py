"""A request from its file and from the options that override it."""

from typing import Any, NamedTuple

from qunfa.cli.errors import WrongUse
from qunfa.cli.request_file import STDIN, is_yaml, read_openids, read_request
from qunfa.contract import InvalidRequestError, MassSendRequest, parse_request

_ADVICE = {
    "key: is missing": (
        "choose a --key that names this send and nothing else, such as spring-sale-2026. There is no default: the same "
        "key again never sends twice, a made-up one would"
    ),
    "audience: is missing": "say --to-all, --tag N or --openids FILE",
    "message: is missing": (
        'say --text "…", --html FILE, --image FILE, --video FILE or --voice FILE, or give a file that holds the message'
    ),
    "account: is missing": "say --account NAME",
}
_QUOTES = "in YAML, what is text and looks like a number must stand in quotes"


class AudienceOptions(NamedTuple):
    """`--to-all`, `--tag` with what is expected of it, `--openids`."""

    to_all: bool = False
    tag: int | None = None
    expect_name: str | None = None
    expect_max: int | None = None
    openids: str | None = None


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
        raise WrongUse("The request and the openids cannot both come from stdin.")
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
        raise WrongUse(f"{' and '.join(names)} exclude each other: a send has one audience.")
    if options.tag is None and (options.expect_name is not None or options.expect_max is not None):
        raise WrongUse("--expect-name and --expect-max say what the tag of --tag must look like: give --tag too.")
    if options.to_all:
        return {"kind": "all"}
    if options.openids is not None:
        return {"kind": "openids", "openids": read_openids(options.openids)}
    return None if options.tag is None else _tag(options.tag, options.expect_name, options.expect_max)


def _tag(tag: int, name: str | None, maximum: int | None) -> dict[str, Any]:
    expected = {key: value for key, value in {"name": name, "max": maximum}.items() if value is not None}
    return {"kind": "tag", "tag_id": tag} | ({"expect": expected} if expected else {})


def _advised(problems: list[str], *, quotes: bool) -> list[str]:
    said = [f"{problem}: {_ADVICE[problem]}" if problem in _ADVICE else problem for problem in problems]
    return [*said, _QUOTES] if quotes and any(problem.endswith("must be text") for problem in problems) else said
