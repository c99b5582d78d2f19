"""``CheckMassSend``: all the checks of a mass send, and nothing that changes anything."""

from qunfa.contract.fields import Stored
from qunfa.contract.material import Source


class CheckResult(Stored):
    """What would be sent to how many. ``problems`` has a sentence for each thing that stands against it.

    ``audience`` says who, in words; ``followers`` how many, by WeChat's count (of some time ago) or by the list.
    """

    account: str
    key: str
    msgtype: str
    audience: str
    followers: int | None = None
    sources: tuple[Source, ...] = ()
    removed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
