"""What is asked about accounts and said to them, and what runs Qunfa, as it is typed."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from qunfa.cli.commands import command
from qunfa.cli.typed import (
    By,
    Json,
    Name,
    Number,
    Reason,
    TaskQueue,
    Text,
    Texts,
    Why,
    Yes,
    account_arg,
    accounts_arg,
    argument,
    complete_key,
    complete_left,
    complete_schema,
    option,
)

Appid = Annotated[Text, option("The appid, where the name does not lead to it.")]
NameOrAppid = Annotated[str, account_arg("The account's name, or its appid.")]
Names = Annotated[Texts, accounts_arg("The accounts' names, or their appids.")]
All = Annotated[bool, option("Every account that the configuration has; it asks first, or needs --yes.", "--all")]


class Switch(NamedTuple):
    """The options that `freeze` and `unfreeze` have."""

    appid: Annotated[Text, option("The appid, where the one ACCOUNT does not lead to it.")] = None
    by: By = None
    yes: Yes = False
    queue: TaskQueue = None
    as_json: Json = False


@command("Accounts", "account:switch", 'qunfa freeze demo --reason "a leak"')
class Freeze(NamedTuple):
    """Submit nothing more of these accounts, whoever asks. What is in flight is shown all the same."""

    reason: Reason
    accounts: Names = None
    everything: All = False
    given: Switch = Switch()


@command("Accounts", "account:switch", 'qunfa unfreeze demo --reason "all is well again"')
class Unfreeze(NamedTuple):
    """Let the submissions of frozen accounts go on. It asks before it ends a freeze of somebody else."""

    accounts: Names = None
    everything: All = False
    reason: Annotated[Text, option("Why.")] = None
    given: Switch = Switch()


@command("Accounts", "restored:restored", 'qunfa restored --taken 2026-12-01T09:00:00+08:00 --reason "disk lost"')
class Restored(NamedTuple):
    """Keep a restored Temporal from sending again what it forgot. Give it before the workers start.

    Each account is frozen. It doubts each key once before it lets it be submitted, so that a person looks into WeChat's
    console first. The command says which sends run, what they wait for, and which jobs of the logs no account knows.
    Then give it with --done. Until then it does no harm to give the same again, also after an interruption. After
    --done only a --taken that is a second later freezes, and doubts again.
    """

    accounts: Annotated[
        Texts, accounts_arg("Their names, or their appids.", show_default="all that Temporal or the configuration has")
    ] = None
    taken: Annotated[
        Text, option("When the snapshot was begun, such as 2026-12-01T03:00:00+08:00.", metavar="TIME")
    ] = None
    reason: Why = None
    log: Annotated[
        list[Path] | None, option("A log of a worker or receiver, - for stdin; several times.", metavar="FILE")
    ] = None
    done: Annotated[
        bool,
        option("All was started again: a key first started from now on is new. Ends the freeze of --taken.", "--done"),
    ] = False
    dry_run: Annotated[bool, option("Say what would be done, and change nothing.", "--dry-run")] = False
    by: By = None
    yes: Yes = False
    queue: TaskQueue = None
    as_json: Json = False


@command("Accounts", "ledger:ledger", "qunfa ledger demo --key spring-sale-2026")
class Ledger(NamedTuple):
    """Show what an account knows of its keys.

    It also shows who waits, the pace, a freeze, sends by day, and what was forgotten.
    """

    account: NameOrAppid
    key: Annotated[Text, option("Only this key.", complete=complete_key)] = None
    msg_id: Annotated[Number, option("Only the send with this msg_id.", min=1)] = None
    appid: Appid = None
    as_json: Json = False


@command("Accounts", "ledger:forget", 'qunfa forget demo spring-sale-2026 --reason "a test"')
class Forget(NamedTuple):
    """Have an account forget what it knows of a key. It asks first, or needs --yes."""

    account: NameOrAppid
    key: Annotated[str, argument("The key that is to be forgotten.", metavar="KEY", complete=complete_key)]
    reason: Reason
    appid: Appid = None
    by: By = None
    yes: Yes = False
    as_json: Json = False


@command("Accounts", "account:quota", "qunfa quota demo")
class Quota(NamedTuple):
    """Show the API calls and mass sends that are used and left.

    WeChat counts the calls. The account's ledger counts the mass sends of today and of this month.
    """

    account: Name
    queue: TaskQueue = None
    as_json: Json = False


@command("Accounts", "account:speed", 'qunfa speed demo set 4 --reason "the shop is slow"')
class Speed(NamedTuple):
    """Show or set how fast an account's mass sends go. It holds for all of them until it is set again.

    0 is 800,000 followers a minute, 1 is 600,000, 2 is 450,000, 3 is 300,000, 4 is 100,000.
    """

    account: Name
    action: Annotated[
        Literal["get", "set"], argument("Look at it, or set it.", metavar="get|set", show_default=True)
    ] = "get"
    level: Annotated[Number, argument("With set: from 0, the fastest, to 4.", metavar="LEVEL", min=0, max=4)] = None
    by: By = None
    reason: Why = None
    yes: Yes = False
    queue: TaskQueue = None
    as_json: Json = False


@command("Accounts", "account:notices", "qunfa notices demo --test")
class Notices(NamedTuple):
    """Show or try an account's webhooks. Each is shown with what it is told; --test tells it a test notice.

    A worker tells the test, as it tells all notices: nothing here knows where the webhooks are.
    """

    account: Name
    test: Annotated[bool, option("Tell each of them a notice of the type `test`, once.", "--test")] = False
    queue: TaskQueue = None
    as_json: Json = False


@command("Services", "demo:demo", "qunfa demo --problem unknown_outcome")
class Demo(NamedTuple):
    """Run everything on this machine, with a simulated WeChat. A text, an article and a video go to all its followers.

    With --problem it leaves a send that waits for you instead, and says what to type.

    Temporal with a durable file, worker, receiver and simulator are real processes; all of them end with the demo.
    """

    problem: Annotated[
        Texts,
        option(
            "Leave a send with this problem to play with; repeatable. all: one of each.",
            "--problem",
            metavar="NAME",
            complete=complete_left,
        ),
    ] = None
    once: Annotated[bool, option("End by itself, and exit by how the send ended.", "--once")] = False
    keep: Annotated[
        Path | None,
        option("Keep database, configuration and logs in this folder, and go on from there.", metavar="DIR"),
    ] = None
    free_ports: Annotated[bool, option("Take free ports, not the usual ones.", "--free-ports")] = False


@command("Services", "services:setup", "qunfa setup --retention 35d")
class Setup(NamedTuple):
    """Make Temporal's namespace ready for Qunfa.

    It registers Qunfa's search attributes, and looks at how long the namespace keeps closed workflows. It can be
    repeated: what is there stays.
    """

    retention: Annotated[
        Text, option("Keep closed workflows at least so long (35d); never shortens it.", metavar="SPAN")
    ] = None
    as_json: Json = False


@command("Services", "doctor:doctor", "qunfa doctor demo")
class Doctor(NamedTuple):
    """Check Temporal, workers and accounts, and say what to do.

    It looks at the store too, and at each account's token, IP whitelist, quota, clock and callback. Nothing is left
    changed, and nothing is sent to followers. For each account a worker calls WeChat five times: for an access
    token, openapi/quota/get twice, callback/check, and a HEAD of the root, for the clock. It puts a small file into
    the store, and removes it. The receiver gets what `qunfa callback check` sends it, where nobody else would see
    it. Exit code 1 if a check failed.
    """

    accounts: Annotated[Texts, accounts_arg("The accounts' names.", show_default="all that the configuration has")] = (
        None
    )
    callback_url: Annotated[
        Text,
        option(
            "The callback's URL as it was entered at WeChat; {account} stands for the account's name.",
            metavar="URL",
            show_default="the receiver on this machine, if one listens",
        ),
    ] = None
    queue: TaskQueue = None
    as_json: Json = False


@command("Services", "services:worker", "QUNFA_CONFIG=qunfa.toml qunfa worker")
class Worker(NamedTuple):
    """Run a worker, which carries out mass sends. It needs the accounts' credentials."""


@command("Services", "services:callback", "qunfa callback --port 8088", usage="[check ACCOUNT]", alone=True)
class Callback(NamedTuple):
    """Run the receiver of WeChat's pushes, or check a callback. It needs the accounts' callback tokens."""

    context: typer.Context
    host: Annotated[Text, option("Listen on this address.", show_default="receiver.host of the configuration")] = None
    port: Annotated[Number, option("Port; 0 takes a free one.", min=0, max=65535, show_default="receiver.port")] = None


@command("callback", "callback:callback_check", "qunfa callback check demo --url https://your.host/wechat/demo")
class CallbackCheck(NamedTuple):
    """Check an account's callback: its URL, token, mode and key, the way to Temporal, and what WeChat sees of it.

    The receiver gets a test push, signed and encrypted as WeChat's are, about a mass send that does not exist: it is
    followed to the account's workflow, which forgets it. Only a system behind forward_to that gets results as well
    will see it. WeChat is asked by a worker. The account's AppSecret is not needed here, its callback token is.
    """

    account: Annotated[str, account_arg("The account's name in the configuration.")]
    url: Annotated[
        Text,
        option(
            "The callback's URL as it was entered at WeChat, so that proxies on the way are checked too.",
            metavar="URL",
            show_default="the receiver on this machine, by receiver.host and receiver.port",
        ),
    ] = None
    queue: TaskQueue = None
    as_json: Json = False


@command("Services", "services:simulator", "qunfa simulator --config simulator.toml")
class Simulator(NamedTuple):
    """Run a local WeChat for rehearsals. It sends nothing to anybody, and forgets everything when it stops.

    docs/simulator.md shows what you can have it do: refuse a call, lose an answer, push late, find a reprint.
    """

    config: Annotated[
        Path | None, option("The simulator's TOML file; without one it has no accounts.", metavar="FILE")
    ] = None
    host: Annotated[str, option("Listen on this address.")] = "127.0.0.1"
    port: Annotated[int, option("Port; 0 takes a free one.", min=0, max=65535)] = 8089


@command("Services", "services:schema", "qunfa schema MassSend")
class Schema(NamedTuple):
    """Print a message's JSON Schema, or the names of all. Its draft is 2020-12.

    A validator names one wrong field once by it. Generators of types do not know that form: they need --types.
    """

    name: Annotated[Text, argument("The message, such as MassSend or MassSend.retry.", complete=complete_schema)] = None
    everything: Annotated[bool, option("All of them, as one object by name.", "--all")] = False
    for_types: Annotated[bool, option("In the form of which generators make types.", "--types")] = False
    as_json: Json = False
