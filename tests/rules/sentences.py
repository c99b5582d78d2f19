"""How people are spoken to: nobody is shouted at, and names are written as their owners do."""

import re
from typing import Final

from qunfa.contract.checks import Finding

_CAPITALS: Final = frozenset(
    {*("API", "DNS", "HTTP", "ID", "IP", "NTP", "URL", "VIP"), *("DELETE", "SEND", "SENDING", "SUCCESS", "FAIL")}
    | {*("QUNFA", "CONFIG", "TASK", "QUEUE"), *("ACCOUNT", "SOMETHING", "NEW", "WHY")}
)
"""Words that are in capitals wherever they stand: abbreviations, WeChat's states, settings, and places in a command."""
_COMMAND: Final = "temporal worker deployment"


def is_well_written(text: str) -> bool:
    """Whether nothing else is in capitals, and neither WeChat nor Temporal in small letters."""
    loud = set(re.findall(r"[A-Za-z]*[A-Z]{2}[A-Za-z]*", text)) - _CAPITALS
    return not loud and not re.search(r"\b(wechat|temporal)\b", text.replace(_COMMAND, ""))


def is_read_well(finding: Finding) -> bool:
    """Whether both parts of a finding are."""
    return is_well_written(finding.said) and is_well_written(finding.todo or "")
