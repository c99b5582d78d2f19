"""The activities by which a send speaks with its account, and the one that submits. Payloads are history."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final, Literal

from pydantic import Field

from qunfa.contract.audience import All, Openids, Tag
from qunfa.contract.facts import Known
from qunfa.contract.fields import Stored
from qunfa.contract.grants import Lease, Report, Wish
from qunfa.contract.job import Answer
from qunfa.contract.ledger import PreviewsLeft
from qunfa.contract.material import ImageVia
from qunfa.contract.message import Message
from qunfa.contract.steps import Pinned

WISH: Final = "wish"
LOOK_UP: Final = "look_up"
TELL: Final = "tell"
TAKE_PREVIEW: Final = "take_preview"
SUBMIT: Final = "submit"
BREATHE: Final = "breathe"
"""It does nothing: between two of them a worker may do something else."""


class WishStep(Stored):
    """Input of ``wish`` → :class:`~qunfa.contract.facts.Known`: what earlier runs have left, with ``search``."""

    appid: str
    wish: Wish
    search: bool = False


class LookUpStep(Stored):
    """Input of ``look_up`` → :class:`~qunfa.contract.facts.Known`: what a key has done, by its ledger or its runs."""

    appid: str
    key: str
    workflow_id: str


class TellStep(Stored):
    """Input of ``tell``: a report for the ledger, by signal-with-start."""

    appid: str
    report: Report


class TakePreviewStep(Stored):
    """Input of ``take_preview`` → :class:`~qunfa.contract.ledger.PreviewsLeft`: one of today's previews."""

    appid: str
    holder: str


class Listed(Stored):
    """The openids of the request with which the submitting run began: ``count`` of them, by their SHA-256."""

    kind: Literal["listed"] = "listed"
    count: int
    sha256: str

    @classmethod
    def of(cls, openids: tuple[str, ...]) -> "Listed":
        """What stands for these openids, in their order."""
        return cls(count=len(openids), sha256=sha256("\n".join(openids).encode()).hexdigest())


class SubmitStep(Stored):
    """Input of ``submit`` → :class:`~qunfa.contract.job.Answer`.

    One HTTP try, written between the lease's ``not_before`` and ``write_before`` or not at all, and only for the run
    that holds the lease: a reset has it carried out once more, for another run.
    """

    account: Pinned
    key: str
    digest: str
    workflow_id: str
    lease: Lease
    audience: Annotated[All | Tag | Openids | Listed, Field(discriminator="kind")]
    message: Message
    send_ignore_reprint: bool = False
    image_via: ImageVia = "images"
    write_before: datetime

    @property
    def clientmsgid(self) -> str:
        """Of the lease."""
        return self.lease.clientmsgid

    @property
    def generation(self) -> int:
        """Of the lease."""
        return self.lease.generation

    def report(self, answer: Answer) -> Report:
        """What the ledger is told of the try."""
        return Report(
            key=self.key,
            digest=self.digest,
            workflow_id=self.workflow_id,
            known=Known(tries=(self.lease.tried(answer),)),
            to_all=isinstance(self.audience, All),
        )


class LedgerQuestion(Stored):
    """Payload of ``Account``'s update ``ask``: what is known of ``key``, or one of today's previews for a call."""

    key: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    previewing: Annotated[str, Field(min_length=1, max_length=256)] | None = None


class LedgerAnswer(Stored):
    """Answer of ``ask``. ``known``: nothing where the ledger does not know the key, or may know less than its runs."""

    known: Known | None = None
    previews: PreviewsLeft | None = None
