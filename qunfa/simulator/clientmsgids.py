"""The memory of clientmsgids: what makes a repeated send a duplicate."""

from __future__ import annotations

from dataclasses import dataclass

from qunfa.simulator.errors import Refusal
from qunfa.simulator.jobs import Job


@dataclass
class Entry:
    """A send that was accepted under a key; `open` while its call has not been answered."""

    job: Job
    explicit: bool
    open: bool = True


class ClientMsgIds:
    """The accepted sends of an account by clientmsgid, or by a digest of the message if they had none.

    Args:
        window: seconds for which a key blocks its repetition.
        too_fast: seconds after acceptance in which a repetition is told to wait.
        failed_jobs_keep: whether a job that failed goes on blocking.
    """

    def __init__(self, *, window: float, too_fast: float, failed_jobs_keep: bool) -> None:
        self._window = window
        self._too_fast = too_fast
        self._failed_jobs_keep = failed_jobs_keep
        self._entries: dict[str, Entry] = {}

    def check(self, key: str, now: float) -> None:
        """Let a key pass that no recent send has.

        An explicit clientmsgid is told to wait (45066) while the first call is open or younger than `too_fast`; a
        digest is refused (45065) from the start, as users report it.

        Raises:
            Refusal: 45066, or 45065 with the earlier job's msg_id.
        """
        entry = self._entries.get(key)
        if entry is None or (entry.job.state == "failed" and not self._failed_jobs_keep):
            return
        age = now - entry.job.accepted_at
        if entry.explicit and (entry.open or age < self._too_fast):
            raise Refusal(45066)
        if age < self._window:
            raise Refusal(45065, msg_id=entry.job.msg_id)

    def remember(self, key: str, job: Job, *, explicit: bool) -> Entry:
        """Enter an accepted send, whose call is still open."""
        entry = Entry(job, explicit)
        self._entries[key] = entry
        return entry
