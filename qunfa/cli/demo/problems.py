"""What `qunfa demo --problem` can leave: of each problem who has it, what is sent, and what can be typed next."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from qunfa.cli.errors import WrongUse
from qunfa.language import N_, _

ALL: Final = "all"
FROZEN: Final = "frozen"
SOURCE_CHANGED: Final = "source_changed"
UNKNOWN: Final = "unknown_outcome"
WINDOW_SECONDS: Final = 8
"""After so long the demo's workers give a lost answer up. Without this problem it is 23 hours."""


@dataclass(frozen=True, slots=True)
class Left:
    """A problem that the demo leaves, with an account of its own.

    `worker`: lines for the account's table in `qunfa.toml`.
    `request`: more fields of the request. `after`: commands behind `qunfa status`; `{send}`, `{account}`, `{msg_id}`,
    `{file}` and `{qunfa}` stand for what is known once the send stands there. `about`: what the demo does otherwise
    than WeChat; `{seconds}` in it is :data:`WINDOW_SECONDS`.
    """

    account: str
    message: Literal["text", "article", "video", "picture"]
    after: tuple[str, ...]
    worker: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""


LEFT: Final[Mapping[str, Left]] = MappingProxyType(
    {
        "awaiting_approval": Left(
            "approval",
            "article",
            ("{qunfa} article preview {send}", "{qunfa} approve {send}"),
            request={"approval": {"required": True}, "requested_by": "crm"},
            about=N_("It goes out once a person has approved it."),
        ),
        "reprint_needs_decision": Left(
            "reprint", "article", ('{qunfa} retry {send} --send-ignore-reprint --reason "the original allows it"',)
        ),
        "originality_check_error": Left("check", "article", ('{qunfa} retry {send} --reason "once more"',)),
        "content_refused": Left("refused", "video", ('{qunfa} abort {send} --reason "another video, another key"',)),
        "admin_refused": Left("admin", "text", ('{qunfa} retry {send} --reason "they agree now"',)),
        UNKNOWN: Left(
            "unknown",
            "text",
            (
                'curl -s "$SIM/_sim/jobs?account={account}"',
                '{qunfa} mark-sent {send} --msg-id {msg_id} --reason "it stands in the console"',
            ),
            about=N_("Here it was looked for during {seconds} seconds, not 23 hours. curl is WeChat's console."),
        ),
        "quota_exhausted": Left(
            "quota",
            "text",
            ("{qunfa} quota {account}", '{qunfa} retry {send} --reason "there is quota again"'),
            worker='quota = "ask"',
            about=N_("Here the quota is back at once: the simulated WeChat refused one call."),
        ),
        SOURCE_CHANGED: Left(
            "source",
            "picture",
            ("cp {file}.before {file}", '{qunfa} retry {send} --reason "the picture is back"'),
        ),
        FROZEN: Left(
            "frozen",
            "text",
            ("{qunfa} ledger {account}", "{qunfa} unfreeze {account}"),
            about=N_("Its account was frozen, so nothing of it is submitted."),
        ),
    }
)
"""By the name of the problem, or of the phase in which the send or its account waits."""


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """The problems of a command line, each once, in the order of the table; `all` is every one.

    The beginning of a name stands for it where no other one begins so.
    """
    wanted = set(map(_meant, names))
    if unknown := sorted(wanted - {ALL, *LEFT}):
        known = ", ".join([*LEFT, ALL])
        said = _("The demo can leave no problem {names}. It has: {known}.")
        raise WrongUse(said.format(names=", ".join(unknown), known=known))
    return tuple(name for name in LEFT if name in wanted or ALL in wanted)


def _meant(name: str) -> str:
    found = [one for one in (*LEFT, ALL) if one.startswith(name)]
    return found[0] if len(found) == 1 else name
