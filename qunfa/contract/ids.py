"""Names that callers, workers and operators share: workflow types and ids, the task queue, search attributes.

Ids are made by one function and read back by its twin. All of them are part of the contract: renaming one is a
breaking change.
"""

import re
from functools import partial
from hashlib import sha256
from typing import Final, NamedTuple
from urllib.parse import urlsplit

TASK_QUEUE: Final = "qunfa"
"""The default task queue; ``QUNFA_TASK_QUEUE`` overrides it."""

WECHAT: Final = "https://api.weixin.qq.com"
"""Where the Official Account API is; ``QUNFA_WECHAT__BASE_URL`` overrides it."""

MASS_SEND: Final = "MassSend"
MASS_SEND_IN_BATCHES: Final = "MassSendInBatches"
"""What a ``MassSend`` goes on as whose audience is resolved into batches, under the same id."""
ACCOUNT: Final = "Account"
PREVIEW_MASS_SEND: Final = "PreviewMassSend"
CHECK_MASS_SEND: Final = "CheckMassSend"
CHECK_CALLBACK: Final = "CheckCallback"
RECALL_MASS_SEND: Final = "RecallMassSend"
ACCOUNT_SPEED: Final = "AccountSpeed"
ACCOUNT_QUOTA: Final = "AccountQuota"
CHECK_ACCOUNT: Final = "CheckAccount"
CHECK_WORKER: Final = "CheckWorker"
SHOW_PICTURES: Final = "ShowPictures"
ACCOUNT_NOTICES: Final = "AccountNotices"
NOTIFY: Final = "Notify"

FIRST: Final = 1
"""Temporal's priority of accounts, and of tries that have a lease: in a backlog all others wait for these anyway."""
SECOND: Final = 2
"""That of what accounts are asked and told: files and lists come after it, as they take long."""

WORKFLOW_TYPES: Final = (
    MASS_SEND,
    MASS_SEND_IN_BATCHES,
    ACCOUNT,
    PREVIEW_MASS_SEND,
    CHECK_MASS_SEND,
    CHECK_CALLBACK,
    RECALL_MASS_SEND,
    ACCOUNT_SPEED,
    ACCOUNT_QUOTA,
    CHECK_ACCOUNT,
    ACCOUNT_NOTICES,
    CHECK_WORKER,
    SHOW_PICTURES,
    NOTIFY,
)
"""All workflow types of Qunfa."""

ACCOUNT_NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
KEY_PATTERN: Final = r"^[A-Za-z0-9._-]{1,64}$"

SEARCH_ATTRIBUTES: Final[dict[str, str]] = {
    "MassSendAccount": "Keyword",
    "MassSendPhase": "Keyword",
    "MassSendMsgType": "Keyword",
    "MassSendProblem": "Keyword",
    "MassSendMsgId": "KeywordList",
    "MassSendOutcome": "Keyword",
    "MassSendProgress": "Keyword",
}
"""Search attribute name → Temporal's type, as ``qunfa setup`` registers them and the worker checks them."""

MSG_IDS_SEARCHABLE: Final = 20
"""How many of the newest msg_ids ``MassSendMsgId`` holds: Temporal refuses a value over 2 KB."""


class MassSendId(NamedTuple):
    """The two parts of a ``MassSend`` workflow id."""

    account: str
    key: str


def mass_send_id(account: str, key: str) -> str:
    """Workflow id of the one mass send that ``key`` stands for at ``account``."""
    return f"mass-send:{account}:{key}"


def parse_mass_send_id(workflow_id: str) -> MassSendId | None:
    """Account and key of a ``MassSend`` workflow id, or ``None`` when the id is of another form."""
    prefix, _, rest = workflow_id.partition(":")
    account, _, key = rest.partition(":")
    well_formed = re.fullmatch(ACCOUNT_NAME_PATTERN, account) and re.fullmatch(KEY_PATTERN, key)
    return MassSendId(account, key) if prefix == "mass-send" and well_formed else None


def preview_id(account: str, key: str) -> str:
    """Workflow id of the preview that ``key`` stands for at ``account``."""
    return f"preview:{account}:{key}"


def check_id(account: str, key: str) -> str:
    """Workflow id of a look at a request that sends nothing."""
    return f"check:{account}:{key}"


def recall_id(account: str, of: int | str) -> str:
    """Workflow id of the recall of a msg_id, or of the article at a URL, which its SHA-256 stands for.

    There is one at a time for each; a closed one is no hindrance to another.
    """
    what = str(of) if isinstance(of, int) else f"url-{sha256(of.encode()).hexdigest()[:32]}"
    return f"recall:{account}:{what}"


def _of_a_look(what: str, account: str, unique: str) -> str:
    return f"{what}:{account}:{unique}"


speed_id: Final = partial(_of_a_look, "speed")
"""Workflow id of one look at an account's speed, or of one change of it."""
quota_id: Final = partial(_of_a_look, "quota")
"""Workflow id of one look at an account's quotas."""
notices_id: Final = partial(_of_a_look, "notices")
"""Workflow id of one look at an account's webhooks, or of one test of them."""
callback_check_id: Final = partial(_of_a_look, "callback-check")
"""Workflow id of one look at an account's callback."""
account_check_id: Final = partial(_of_a_look, "account-check")
"""Workflow id of one check of an account."""
pictures_id: Final = partial(_of_a_look, "pictures")
"""Workflow id of one look at pictures of articles."""


def worker_check_id(unique: str) -> str:
    """Workflow id of one question whether a worker answers."""
    return f"worker-check:{unique}"


def notify_id(account: str, name: str, webhook_id: str) -> str:
    """Workflow id of the one delivery of an event to an account's webhook ``name``."""
    return f"notify:{account}:{name}:{webhook_id}"


def is_wechats_own(base_url: str) -> bool:
    """Whether it is of one of WeChat's own hosts, and of no simulator or proxy."""
    return (urlsplit(base_url).hostname or "").rstrip(".").endswith(".weixin.qq.com")


def is_same_wechat(one: str, other: str) -> bool:
    """Whether both base URLs lead to one WeChat: its own hosts count as one. Any other may be a simulator."""
    return one == other or (is_wechats_own(one) and is_wechats_own(other))


def account_of(prefix: str, workflow_id: str) -> str | None:
    """The account in an id of the form ``<prefix>:<account>:<more>``; ``None`` for an id of another form."""
    found, _, rest = workflow_id.partition(":")
    account, colon, more = rest.partition(":")
    well_formed = found == prefix and colon and more and re.fullmatch(ACCOUNT_NAME_PATTERN, account)
    return account if well_formed else None


def account_id(appid: str) -> str:
    """Workflow id of the ``Account`` entity of ``appid``."""
    return f"account:{appid}"


def parse_account_id(workflow_id: str) -> str | None:
    """The appid of an ``Account`` workflow id, or ``None`` when the id is of another form."""
    prefix, _, appid = workflow_id.partition(":")
    return appid if prefix == "account" and appid else None


def key_of_whole(key: str) -> str | None:
    """The key of the send in batches, if ``key`` can be that of a batch of it."""
    before, dot, number = key.rpartition(".")
    return before if dot and number.isdecimal() else None


def is_later(key: str, batch: str) -> bool:
    """Whether ``key`` is that of a batch after ``batch`` of the same list."""
    whole = key_of_whole(batch)
    is_same = whole is not None and key_of_whole(key) == whole
    return is_same and int(key.rpartition(".")[2]) > int(batch.rpartition(".")[2])


def whole_of(batch: MassSendId, parent_id: str | None) -> MassSendId | None:
    """The send in batches that a send is a batch of, by its key and the workflow that has started it."""
    whole = parse_mass_send_id(parent_id or "")
    if whole is None or whole.account != batch.account:
        return None
    return whole if key_of_whole(batch.key) == whole.key else None
