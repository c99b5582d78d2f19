"""A request, from its file and from the options that override it. What these cannot say is said by a file."""

import json
import re
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from qunfa.cli.errors import WrongUse
from qunfa.cli.message import excerpt, heading, source_named
from qunfa.cli.output import short
from qunfa.cli.typed import AudienceOptions
from qunfa.contract import InvalidRequestError, MassSendRequest, parse_request
from qunfa.contract.audience import describe
from qunfa.contract.message import Message, TextMessage
from qunfa.language import N_, _
from qunfa.language.phrases import told
from qunfa.markdown import plain, summary_line

_KINDS: Final = {
    "--to-all": ("to_all",),
    "--tag": ("tag",),
    "--openids": ("openids",),
    "--openid-file": ("openid_file",),
    "--any-tags": ("any_tags", "all_tags"),
    "--from-report": ("from_report",),
}
"""The option that stands for each kind, and those that say it."""
_BELONG: Final = {
    "expect_name": "--tag",
    "expect_max": "--tag",
    "column": "--openid-file",
    "sha256": "--openid-file",
    "drop_bad_lines": "--openid-file",
    "no_tags": "--any-tags",
    "state": "--from-report",
}
_TAG: Final = re.compile(r"tag:(\d{1,10})")


def audience_of(options: AudienceOptions) -> dict[str, Any] | None:
    """The audience as a request has it; `None` where no option speaks of one."""
    given = {name for name, value in options._asdict().items() if not (value is None or value is False or value == [])}
    kinds = [kind for kind, names in _KINDS.items() if given & set(names)]
    if len(kinds) > 1:
        raise WrongUse(_("{names} exclude each other: a send has one audience.").format(names=" and ".join(kinds)))
    _demand_owners(given, kinds)
    if not kinds:
        return None
    chosen = _chosen(kinds[0], options)
    if not options.but:
        return chosen
    return {"kind": "several", "of": [chosen], "minus": [_without(one) for one in options.but]}


def _demand_owners(given: set[str], kinds: list[str]) -> None:
    """See that no option stands there without the one that it belongs to."""
    if {"expect_name", "expect_max"} & given and kinds != ["--tag"]:
        raise WrongUse(_("--expect-name and --expect-max say what the tag of --tag must look like: give --tag too."))
    if {"expect_name", "expect_max"} & given and "but" in given:
        raise WrongUse(_("--expect-name and --expect-max do not go with --but: no tag is looked at in a sum."))
    for name, owner in _BELONG.items():
        if name in given and owner not in kinds:
            option = f"--{name.replace('_', '-')}"
            raise WrongUse(_("{name} belongs to {names}: give that option too.").format(name=option, names=owner))
    if "but" in given and not kinds:
        raise WrongUse(
            _("--but leaves some out of an audience: say the audience too, such as --to-all or --openid-file FILE.")
        )


def _chosen(kind: str, options: AudienceOptions) -> dict[str, Any]:
    match kind:
        case "--to-all":
            return {"kind": "all"}
        case "--tag":
            expected = _given(name=options.expect_name, max=options.expect_max)
            return {"kind": "tag", "tag_id": options.tag, **_given(expect=expected or None)}
        case "--openids":
            return {"kind": "openids", "openids": read_openids(str(options.openids))}
        case "--openid-file":
            file = _file("--openid-file", str(options.openid_file))
            dropped = "drop" if options.drop_bad_lines else None
            return file | _given(column=options.column, sha256=options.sha256, on_bad_line=dropped)
        case "--any-tags":
            tags = {"any": options.any_tags, "all": options.all_tags, "none": options.no_tags}
            return {"kind": "tags", **{how: _ids(how, said) for how, said in tags.items() if said is not None}}
        case _:
            return {"kind": "report", "key": options.from_report, **_given(states=options.state or None)}


def _given(**fields: object) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _file(option: str, named: str) -> dict[str, Any]:
    return {"kind": "openid_file", "uri": source_named(option, named)}


def _without(named: str) -> dict[str, Any]:
    """Those that `--but` leaves out: the followers under a tag, or those in a file."""
    if found := _TAG.fullmatch(named):
        return {"kind": "tag", "tag_id": int(found[1])}
    return _file("--but", named)


def _ids(how: str, said: str) -> list[int]:
    ids = said.split(",")
    if not all(one.strip().isdecimal() and one.strip().isascii() for one in ids):
        option = "--no-tags" if how == "none" else f"--{how}-tags"
        sentence = _("{option} {said!r} must be ids of tags with commas between them, such as 100,101.")
        raise WrongUse(sentence.format(option=option, said=said))
    return [int(one) for one in ids]


_ADVICE = {
    "key: is missing": N_(
        "choose a --key that names this send and nothing else, such as spring-sale-2026. There is no "
        "default: the same key again never sends twice, a made-up one would"
    ),
    "audience: is missing": N_(
        "say --to-all, --tag N, --openids FILE, --openid-file FILE, --any-tags N,N or --from-report KEY"
    ),
    "message: is missing": N_(
        'say --text "…", --html FILE, --image FILE, --video FILE or --voice FILE, or give a file that holds the message'
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
    said = advised(problems, _ADVICE)
    return [*said, _(_QUOTES)] if quotes and any(problem.endswith("must be text") for problem in problems) else said


def advised(problems: list[str], advice: Mapping[str, str]) -> list[str]:
    """The problems of a request, each with what to type, where that is known."""
    said = _("{said}: {advice}")
    return [said.format(said=told(one), advice=_(advice[one])) if one in advice else one for one in problems]


def recipients(openids: list[str] | None, wxnames: list[str] | None = None) -> list[dict[str, str]] | None:
    """Openids, and WeChat ids behind `wx:` or by themselves, as a request has them; `None` where nobody was named."""
    named = [{"wxname": one[3:]} if one.startswith("wx:") else {"openid": one} for one in openids or ()]
    named += [{"wxname": one} for one in wxnames or ()]
    return named or None


def messages(request: MassSendRequest) -> Iterator[tuple[str, Message]]:
    """Each message with its label: the only one, or those of a split test."""
    shares = (None,) if request.split is None else (request.split.a, request.split.b)
    for name, share, version in zip(("a", "b"), shares, request.versions, strict=False):
        label = _("message") if share is None else _("group {name}, {share} %").format(name=name, share=share)
        yield label, version.message


def times(request: MassSendRequest) -> Iterator[tuple[str, str]]:
    """From when and until when it may be sent, with labels, as far as it says so."""
    if request.send_at is not None:
        yield _("send at"), short(request.send_at)
    if request.not_after is not None:
        yield _("not after"), short(request.not_after)


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


STDIN: Final = "-"
NO_GROUP_B: Final = N_("This send has no split test, so it has no group b.")


class _Loader(yaml.SafeLoader):
    """YAML's core schema: times, and words such as `yes`, stay text; a name may stand only once in an object."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  as YAML has it
        _refuse_repetition(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        return super().construct_mapping(node, deep=deep)


_CORE: Final = (None, *map("tag:yaml.org,2002:{}".format, ("bool", "null", "int", "float", "str", "seq", "map")))
_Loader.yaml_constructors = {tag: one for tag, one in yaml.SafeLoader.yaml_constructors.items() if tag in _CORE}
_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _beginnings in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", [*"tTfF"]),
    ("null", r"^(?:~|null|Null|NULL|)$", [*"~nN", ""]),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", [*"-0123456789"]),
    ("float", r"^-?[0-9]+\.[0-9]+$", [*"-0123456789"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), _beginnings)


def read_request(name: str) -> Any:
    """The request in the file `name`, or on stdin for `-`, not validated yet."""
    text = read_text(name)
    from_yaml = is_yaml(name, text)
    try:
        if from_yaml:
            return yaml.load(text, _Loader)  # noqa: S506 - derived from SafeLoader
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise WrongUse(_("{called} is nested too deeply for a request.").format(called=called(name))) from None
    except (yaml.YAMLError, ValueError, LookupError) as error:  # such as `!!bool maybe`, which is a KeyError
        said = _("{called} is not valid YAML: {error}") if from_yaml else _("{called} is not valid JSON: {error}")
        raise WrongUse(said.format(called=called(name), error=error)) from None


def read_openids(name: str) -> list[str]:
    """The openids in the file `name`, or on stdin for `-`: one a line, empty lines left out."""
    openids = [line.strip() for line in read_text(name).splitlines() if line.strip()]
    if not openids:
        raise WrongUse(_("{called} holds no openid: one a line is expected.").format(called=called(name)))
    return openids


def read_text(name: str) -> str:
    """The UTF-8 text of the file `name`, or of stdin for `-`; a byte order mark is left out."""
    if name == STDIN and sys.stdin is None:
        raise WrongUse(_("Cannot read stdin: it is closed."))
    try:
        raw = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        said = _("Cannot read {called}: {strerror}.")
        raise WrongUse(said.format(called=called(name), strerror=error.strerror)) from None
    except UnicodeDecodeError:
        raise WrongUse(_("{called} is not UTF-8 text.").format(called=called(name))) from None


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
            said = _("The request holds {name} twice in one object: which one counts is not left to chance.")
            raise WrongUse(said.format(name=name))
        seen.add(name)


def called(name: str) -> str:
    """A file as it is named in a sentence."""
    return "stdin" if name == STDIN else name
