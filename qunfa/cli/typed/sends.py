"""What is asked about mass sends and said to them, as it is typed."""

from typing import Annotated, Final, Literal, NamedTuple, get_args

from qunfa.cli.commands import command
from qunfa.cli.typed import (
    Account,
    By,
    Json,
    Number,
    Reason,
    SendId,
    TaskQueue,
    Text,
    Texts,
    Why,
    Yes,
    account_option,
    argument,
    complete_problem,
    complete_send,
    complete_state,
    option,
    sends_arg,
)
from qunfa.states import Phase, ReportState, ShownOutcome

STATES: Final[tuple[ReportState, ...]] = get_args(ReportState)


@command("Mass sends", "status:status", "qunfa status demo/spring-sale")
class Status(NamedTuple):
    """Show where sends stand, and what a person can answer. What they wait for is shown, too.

    With --json: one object for one SEND, a list for several.
    """

    sends: Annotated[list[str], sends_arg("account/key, a workflow id, or a key together with --account.")]
    account: Account = None
    as_json: Json = False


class Filters(NamedTuple):
    """The options that say which sends; `None` where one was not given."""

    account: Annotated[Text, account_option("Of this account.")] = None
    phase: Annotated[Phase | None, option(f"In this phase: {', '.join(get_args(Phase))}.", metavar="PHASE")] = None
    outcome: Annotated[
        ShownOutcome | None, option(f"Ended so: {', '.join(get_args(ShownOutcome))}.", metavar="OUTCOME")
    ] = None
    problem: Annotated[
        Text, option("With this problem, such as reprint_needs_decision.", complete=complete_problem)
    ] = None
    msgtype: Annotated[Text, option("Of this type: text, mpnews, image …")] = None
    since: Annotated[
        Text,
        option(
            "Started since: a span back from now (12h, 7d, PT90M) or an RFC 3339 time. A long list goes on as new "
            "runs: its newest one counts.",
            metavar="TIME",
        ),
    ] = None
    until: Annotated[Text, option("Started until then: a span or a time.", metavar="TIME")] = None
    batches: Annotated[
        bool, option("The batches of sends in batches, too, each in a line of its own.", "--batches")
    ] = False
    limit: Annotated[
        int,
        option("At most so many: first those that run, then those that ended last.", min=1, max=10_000, metavar="N"),
    ] = 50
    query: Annotated[Text, option("And by a visibility query, such as ExecutionStatus = 'Running'.")] = None


@command("Mass sends", "list:list_sends", "qunfa list --account demo --since 7d --outcome failed")
class List(NamedTuple):
    """List sends: first those that run, then those that ended last. It needs no worker.

    A send in batches has one line. A batch that runs has one of its own if its whole send has ended. So has one that
    waits for a person while its whole send does not.
    """

    filters: Filters = Filters()
    as_json: Json = False


@command("Mass sends", "watch:watch", "qunfa watch demo/spring-sale")
class Watch(NamedTuple):
    """Watch sends: how far they are, and what to do. Live on a terminal, otherwise a line for each change.

    Sends that are named are watched until all have ended, and it exits by how they did; without names, those that
    run and those that start, until Ctrl-C.
    """

    sends: Annotated[
        Texts, sends_arg("account/key, a workflow id, or a key together with --account; without any, all that run.")
    ] = None
    account: Annotated[
        Text, account_option("The account, where SEND is a key alone; without SEND, only its sends.")
    ] = None
    query: Annotated[Text, option("Without SEND: only those that a visibility query finds.")] = None
    as_json: Annotated[bool, option("Print a line of JSON for each change.", "--json")] = False


Sends = Annotated[
    Texts,
    sends_arg("account/key, a workflow id, or a key together with --account; several are answered one after another."),
]
Query = Annotated[
    Text, option("Instead of SEND: every running send that a visibility query finds, such as MassSendAccount = 'demo'.")
]
NotDelivered = Annotated[
    bool,
    option(
        "You looked in WeChat's console: it was not delivered. For one SEND at a time, which may be a batch.",
        "--confirm-not-delivered",
    ),
]


class Given(NamedTuple):
    """The options that all answers have."""

    account: Account = None
    by: By = None
    yes: Yes = False
    as_json: Json = False


class Plain(NamedTuple):
    """An answer that says nothing but why."""

    sends: Sends = None
    query: Query = None
    reason: Why = None
    given: Given = Given()


@command("Mass sends", "answers:plain", "qunfa approve demo/spring-sale")
class Approve(Plain):
    """Let sends go out that wait for approval. Whoever asked for one cannot approve it."""


@command("Mass sends", "answers:plain", 'qunfa reject demo/spring-sale --reason "wrong price"')
class Reject(Plain):
    """End sends that wait for approval, and are not to go out."""


@command("Mass sends", "answers:plain", "qunfa pause --query \"MassSendAccount = 'demo'\"")
class Pause(Plain):
    """Submit nothing of these sends until they are resumed."""


@command("Mass sends", "answers:plain", "qunfa resume demo/spring-sale")
class Resume(Plain):
    """Let paused sends go on where they stood."""


@command("Mass sends", "answers:reschedule", "qunfa reschedule demo/spring-sale --send-at 2026-12-01T09:00:00+08:00")
class Reschedule(NamedTuple):
    """Give sends another time, also while they are paused."""

    sends: Sends = None
    send_at: Annotated[
        Text, option("Not before: a time with an offset, such as 2026-12-01T09:00:00+08:00.", metavar="TIME")
    ] = None
    now: Annotated[bool, option("As soon as everything else allows it.", "--now")] = False
    given: Given = Given()


@command("Mass sends", "answers:retry", 'qunfa retry demo/spring-sale --reason "allowed now"')
class Retry(NamedTuple):
    """Let sends that wait for a person try again."""

    reason: Reason
    sends: Sends = None
    query: Query = None
    send_ignore_reprint: Annotated[
        bool, option("Send it although WeChat judged it a reprint.", "--send-ignore-reprint")
    ] = False
    confirm_not_delivered: NotDelivered = False
    given: Given = Given()


@command("Mass sends", "answers:abort", 'qunfa abort demo/spring-sale --reason "wrong picture"')
class Abort(NamedTuple):
    """End sends of which nothing may be on its way. Those that wait for a person end, too."""

    reason: Reason
    sends: Sends = None
    query: Query = None
    confirm_not_delivered: NotDelivered = False
    given: Given = Given()


@command("Mass sends", "answers:mark_sent", 'qunfa mark-sent demo/spring-sale --msg-id 3147483650 --reason "seen"')
class MarkSent(NamedTuple):
    """Say that a send was found in WeChat's console. Its result is awaited then."""

    send: SendId
    msg_id: Annotated[int, option("The job's id, as WeChat's console shows it.")]
    reason: Reason
    account: Account = None
    by: By = None
    as_json: Json = False


@command("Mass sends", "answers:choose", "qunfa choose demo/spring-sale --winner a")
class Choose(NamedTuple):
    """Let the rest of a split test get the message of a group."""

    send: SendId
    winner: Annotated[Literal["a", "b"], option("The group whose message the rest gets.", metavar="a|b")]
    reason: Why = None
    account: Account = None
    by: By = None
    as_json: Json = False


@command("Mass sends", "report:report", "qunfa report demo/spring-sale --output spring-sale.csv.gz")
class Report(NamedTuple):
    """Show what became of whom, after a send in batches. With --output, one line for each openid goes to a file.

    It is read from the store of this machine's configuration, which has to be the workers'. It is there once the send
    has ended.
    """

    send: SendId
    account: Account = None
    output: Annotated[
        Text,
        option(
            "Write openid, batch, msg_id, state and WeChat's count there: CSV, or .csv.gz; - is stdout.",
            "--output",
            "-o",
            metavar="FILE",
        ),
    ] = None
    state: Annotated[
        Texts,
        option(f"Only openids that are so; repeatable: {', '.join(STATES)}.", metavar="STATE", complete=complete_state),
    ] = None
    as_json: Json = False


@command("Mass sends", "recall:recall", 'qunfa recall demo/spring-sale --reason "wrong price"')
class Recall(NamedTuple):
    """Delete the pages of articles or of a video that were sent. Cards that were delivered stay visible.

    Every other send of the same material loses its pages, too. WeChat takes ten calls a day.

    With --json: one object. Of a send in batches, and of one that was made in several jobs: a list.
    """

    what: Annotated[
        str,
        argument(
            "account/key or a workflow id; the msg_id of a job; or an article's address. Digits are a msg_id.",
            metavar="SEND|MSG_ID|URL",
            complete=complete_send,
        ),
    ]
    reason: Reason
    article: Annotated[Number, option("Only this article, counted from 1.", min=1, max=8, show_default="all")] = None
    account: Annotated[Text, account_option("The account, where nothing else tells it.")] = None
    by: By = None
    yes: Yes = False
    queue: TaskQueue = None
    as_json: Json = False


@command("Mass sends", "list:views", "qunfa views --account demo")
class Views(NamedTuple):
    """Print links to lists of sends in Temporal's UI.

    They show what needs somebody, what waits, and what may have been delivered.
    """

    account: Annotated[Text, account_option("Only what belongs to this account's sends.")] = None
    as_json: Json = False
