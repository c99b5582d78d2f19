"""The audience of a request, made from options. What they cannot say is said by a request file."""

import re
from typing import Any, Final

from qunfa.cli.errors import WrongUse
from qunfa.cli.message import source_named
from qunfa.cli.reading import read_openids
from qunfa.cli.typed.request import AudienceOptions
from qunfa.language import _

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
    """The audience as a request has it; `None` where no option speaks of one.

    Raises:
        WrongUse: The options contradict each other, or a file is not here.
    """
    given = {name for name, value in options._asdict().items() if value not in (None, False, [])}
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
        raise WrongUse(
            _("{option} {said!r} must be ids of tags with commas between them, such as 100,101.").format(
                option=option, said=said
            )
        )
    return [int(one) for one in ids]
