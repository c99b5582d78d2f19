"""The idempotency key that WeChat compares with the sends of the last 24 hours.

| part | from | why |
|---|---|---|
| 20 hex digits | SHA-256 of namespace, appid and key | two namespaces or accounts never share one |
| 4 digits | the job's index | WeChat answers 45065 with *another* job's msg_id where two jobs share an id |
| 2 digits | the generation | a deliberate second submission is not to be taken for a repeat of the first |

28 ASCII characters: WeChat documents 64 bytes and has refused 34 (45067).
"""

from hashlib import sha256
from typing import Final

GENERATIONS_MAX: Final = 100
JOBS_MAX: Final = 10_000


def clientmsgid(namespace: str, appid: str, key: str, index: int, generation: int) -> str:
    """The id of one job at one generation: the same on every try, whoever computes it.

    Raises:
        ValueError: there is no id for a job beyond 9999 or a generation beyond 99.
    """
    if not (0 <= index < JOBS_MAX and 0 <= generation < GENERATIONS_MAX):
        msg = f"no clientmsgid for job {index} at generation {generation}"
        raise ValueError(msg)
    identity = f"{namespace}\0{appid}\0{key}"
    return f"{sha256(identity.encode()).hexdigest()[:20]}-{index:04d}-{generation:02d}"
