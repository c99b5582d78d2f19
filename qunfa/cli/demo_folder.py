"""What a demo is made of: ports, accounts, the problems that it can leave, and the folder with its configuration."""

import contextlib
import json
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from pydantic import ValidationError

from qunfa.cli.errors import Refused, WrongUse
from qunfa.contract.fields import Stored
from qunfa.language import N_, _, listed

LOCALHOST: Final = "127.0.0.1"


class Ports(NamedTuple):
    """Where the demo's processes listen on this machine."""

    temporal: int = 7233
    ui: int = 8233
    receiver: int = 8088
    simulator: int = 8089


USUAL: Final = Ports()
ANY: Final = Ports(0, 0, 0, 0)


def choose_ports(wanted: Ports = USUAL) -> Ports:
    """The wanted ports where nothing listens, else free ones; 0 is a free one, too."""
    with contextlib.ExitStack() as held:
        return Ports(*(_held(held, port) or _held(held, 0) for port in wanted))


def _held(held: contextlib.ExitStack, port: int) -> int:
    """The port, which stays taken until all have been chosen, so that no two are the same; 0 where it is taken."""
    holder = held.enter_context(socket.socket())
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((LOCALHOST, port))
        holder.listen()
    except OSError:
        return 0
    taken: int = holder.getsockname()[1]
    return taken


ALL: Final = "all"
FROZEN: Final = "frozen"
SOURCE_CHANGED: Final = "source_changed"
UNKNOWN: Final = "unknown_outcome"
WINDOW_SECONDS: Final = 8
"""After so long the demo's workers give a lost answer up. Without this problem it is 23 hours."""


class Left(NamedTuple):
    """A problem that the demo leaves, with an account of its own.

    `worker`: lines for the account's table in `qunfa.toml`.
    `request`: more fields of the request. `after`: commands behind `qunfa status`; `{send}`, `{account}`, `{msg_id}`
    and `{file}` stand for what is known once the send stands there. `about`: what the demo does otherwise
    than WeChat; `{seconds}` in it is :data:`WINDOW_SECONDS`.
    """

    account: str
    message: Literal["text", "article", "video", "picture"]
    after: tuple[str, ...]
    worker: str = ""
    request: Mapping[str, Any] | None = None
    about: str = ""


LEFT: Final[Mapping[str, Left]] = {
    "awaiting_approval": Left(
        "approval",
        "article",
        ("qunfa article preview {send}", "qunfa approve {send}"),
        request={"approval": {"required": True}, "requested_by": "crm"},
        about=N_("It goes out once a person has approved it."),
    ),
    "reprint_needs_decision": Left(
        "reprint", "article", ('qunfa retry {send} --send-ignore-reprint --reason "the original allows it"',)
    ),
    "originality_check_error": Left("check", "article", ('qunfa retry {send} --reason "once more"',)),
    "content_refused": Left("refused", "video", ('qunfa abort {send} --reason "another video, another key"',)),
    "admin_refused": Left("admin", "text", ('qunfa retry {send} --reason "they agree now"',)),
    UNKNOWN: Left(
        "unknown",
        "text",
        (
            'curl -s "$SIM/_sim/jobs?account={account}"',
            'qunfa mark-sent {send} --msg-id {msg_id} --reason "it stands in the console"',
        ),
        about=N_("Here it was looked for during {seconds} seconds, not 23 hours. curl is WeChat's console."),
    ),
    "quota_exhausted": Left(
        "quota",
        "text",
        ("qunfa quota {account}", 'qunfa retry {send} --reason "there is quota again"'),
        worker='quota = "ask"',
        about=N_("Here the quota is back at once: the simulated WeChat refused one call."),
    ),
    SOURCE_CHANGED: Left(
        "source", "picture", ("cp {file}.before {file}", 'qunfa retry {send} --reason "the picture is back"')
    ),
    FROZEN: Left(
        "frozen",
        "text",
        ("qunfa ledger {account}", "qunfa unfreeze {account} --yes"),
        about=N_("Its account was frozen, so nothing of it is submitted."),
    ),
}
"""By the name of the problem, or of the phase in which the send or its account waits."""


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """The problems of a command line, each once, in the order of the table; `all` is every one.

    The beginning of a name stands for it where no other one begins so.
    """
    wanted = set(map(_meant, names))
    if unknown := sorted(wanted - {ALL, *LEFT}):
        known = listed([*LEFT, ALL])
        said = _("The demo can leave no problem {names}. It has: {known}.")
        raise WrongUse(said.format(names=listed(unknown), known=known))
    return tuple(name for name in LEFT if name in wanted or ALL in wanted)


def _meant(name: str) -> str:
    found = [one for one in (*LEFT, ALL) if one.startswith(name)]
    return found[0] if len(found) == 1 else name


ACCOUNT: Final = "demo"
CROWD: Final = "crowd"
"""An account with so many followers that a list of them goes out in batches."""
FOLLOWERS: Final = 5_000
_CROWD_FOLLOWERS: Final = 25_000
MONTHLY: Final = 50
TASK_QUEUE: Final = "qunfa"
_IDENTITY: Final = "account.json"
_WRITTEN: Final = ("qunfa.toml", "simulator.toml", "temporal.db")
_MEDIA: Final = Path(__file__).with_name("demo_media")


class Identity(Stored):
    """A simulated account. It stands for nobody, and its secrets open nothing but the simulator."""

    appid: str
    secret: str
    token: str


class Account(NamedTuple):
    """An account of the demo by its name; `worker` has more lines for its table in `qunfa.toml`."""

    name: str
    who: Identity
    worker: str = ""
    followers: int = FOLLOWERS


@contextlib.contextmanager
def demo_folder(keep: Path | None) -> Iterator[Path]:
    """The folder `keep`, or one that is removed afterwards, unless the demo failed: then its logs stay."""
    if keep is not None:
        try:
            keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            said = _("Cannot keep the demo in {folder}: {error}.").format(folder=keep, error=error.strerror)
            raise WrongUse(said) from None
        theirs = [name for name in _WRITTEN if (keep / name).exists()]
        if theirs and not (keep / _IDENTITY).exists():
            raise WrongUse(_("No demo has written {file}: keep the demo elsewhere.").format(file=keep / theirs[0]))
        yield keep.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="qunfa-demo-"))
    kept = False
    try:
        yield folder
    except Refused as error:
        kept = True
        logs = _("The demo's logs are in {folder}").format(folder=folder)
        raise Refused(f"{error}\n{logs}") from None
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def accounts(folder: Path, problems: Iterable[str]) -> tuple[Account, ...]:
    """`demo`, the crowd, and an account for each problem that is left now, or was by an earlier demo in `folder`."""
    crowd = Account(CROWD, _identity(folder / f"account-{CROWD}.json"), followers=_CROWD_FOLLOWERS)
    found = [Account(ACCOUNT, _identity(folder / _IDENTITY)), crowd]
    for problem, left in LEFT.items():
        path = folder / f"account-{left.account}.json"
        if problem in problems or path.exists():
            found.append(Account(left.account, _identity(path), left.worker))
    return tuple(found)


def _identity(path: Path) -> Identity:
    """The account of an earlier demo in this file, or a new one."""
    if path.exists():
        try:
            return Identity.model_validate_json(path.read_bytes())
        except ValidationError:
            said = _("{file} is not what a demo writes: remove it, or keep the demo elsewhere.").format(file=path)
            raise WrongUse(said) from None
    made = Identity(appid=f"wx{secrets.token_hex(8)}", secret=secrets.token_hex(16), token=secrets.token_hex(12))
    _write(path, made.model_dump_json())
    return made


def media_folder(folder: Path) -> Path:
    """Where the workers of the demo find the files of messages."""
    return folder / "media"


def list_file(folder: Path) -> Path:
    """Where the openids of the crowd stand, one a line."""
    return media_folder(folder) / f"{CROWD}.txt"


def write_media(folder: Path, having: Iterable[Account]) -> None:
    """An article with its pictures, a cover, a video, the openids of the crowd; what an earlier demo left stays."""
    from qunfa.simulator import openid  # noqa: PLC0415 - slow, and no other command needs it

    shutil.copytree(_MEDIA, media_folder(folder), dirs_exist_ok=True)
    for account in having:
        if account.name == CROWD:
            openids = (openid(account.who.appid, number) for number in range(account.followers))
            list_file(folder).write_text("".join(f"{one}\n" for one in openids), encoding="ascii")


def picture_at(file: Path) -> Path:
    """The file, with a picture of a send's own."""
    return shutil.copyfile(_MEDIA / "tulips.png", file)


def replace_picture(file: Path) -> None:
    """Another picture takes the file's place; the first one stands beside it."""
    file.rename(file.with_name(f"{file.name}.before"))
    shutil.copyfile(_MEDIA / "border.png", file)


def write_worker_configuration(folder: Path, ports: Ports, having: Iterable[Account]) -> Path:
    """The `qunfa.toml` of worker and receiver."""
    text = f"""\
task_queue = {_toml(TASK_QUEUE)}

[wechat]
base_url = {_toml(f"http://{LOCALHOST}:{ports.simulator}")}

[receiver]
host = {_toml(LOCALHOST)}
port = {ports.receiver}

[metrics]
worker = ""
receiver = ""

[media]
roots = [{_toml(str(media_folder(folder)))}]

[store]
uri = {_toml((folder / "store").absolute().as_uri())}

"""
    names = list(having)
    parts = [text, *(_at_the_worker(one) for one in names)]
    if any(one.name == LEFT[UNKNOWN].account for one in names):
        parts.append(f"[timing]\nwindow = {WINDOW_SECONDS}\nrepeat = 2\nrepeat_max = 4\n")
    return _write(folder / "qunfa.toml", "\n".join(parts))


def _at_the_worker(account: Account) -> str:
    name, who, more, _ = account
    return f"""\
[accounts.{name}]
appid = {_toml(who.appid)}
secret = {_toml(who.secret)}
kind = "service"
{more}
[accounts.{name}.callback]
token = {_toml(who.token)}
mode = "plain"
"""


def write_simulator_configuration(folder: Path, ports: Ports, having: Iterable[Account]) -> Path:
    """The `simulator.toml`: service accounts with quick jobs, and with more room than WeChat's four sends a month."""
    parts = ["[timing]\ndelivery = 1\ntoo_fast = 1\n", *(_at_the_simulator(ports, one) for one in having)]
    return _write(folder / "simulator.toml", "\n".join(parts))


def _at_the_simulator(ports: Ports, account: Account) -> str:
    name, who, _, followers = account
    return f"""\
[accounts.{name}]
appid = {_toml(who.appid)}
secret = {_toml(who.secret)}
kind = "service"
followers = {followers}

[accounts.{name}.limits]
to_all_per_month = {MONTHLY}
user_per_month = {MONTHLY}

[[accounts.{name}.tags]]
id = 100
name = "VIP"
count = 50

[accounts.{name}.callback]
url = {_toml(f"http://{LOCALHOST}:{ports.receiver}/wechat/{name}")}
token = {_toml(who.token)}
mode = "plain"
"""


def _write(path: Path, text: str) -> Path:
    """A file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
