"""What the planning process is told, and what it says: lists in files, how they are combined, and the snapshot."""

from typing import Literal

from qunfa.contract.batches import PlannedGroup
from qunfa.contract.fields import Stored

SNAPSHOT: str = "openids.txt"
"""The snapshot's name in the folder of a job."""


class ListFile(Stored):
    """A file with openids: text, CSV, Parquet or a report; plain or compressed.

    `column` is of a CSV or Parquet file. Only rows whose `state` is one of `states` count where these are given.
    A file of openids that has none was made wrongly, as a rule; what WeChat lists, and a report, `may_be_empty`.
    What `stays` is needed again where the plan cannot be kept; all else is removed once it is read, to save room.
    """

    called: str
    """How sentences call it."""
    path: str
    column: str | None = None
    drop: bool = False
    states: tuple[str, ...] = ()
    stays: bool = False
    may_be_empty: bool = False


class PartJob(Stored):
    """One part: everybody in one of the lists `any` and in all of `all`, and in none of `none`, by their numbers."""

    what: str
    any: tuple[int, ...] = ()
    all: tuple[int, ...] = ()
    none: tuple[int, ...] = ()


class SplitJob(Stored):
    """The shares of a split test in percent, and what is hashed with each openid."""

    a: int
    b: int
    salt: str


class PlanJob(Stored):
    """Everything of a plan: lists, parts, and which parts are taken and taken away, by their numbers.

    `reports` are the lists, by their numbers, of whom earlier sends in batches have reached.
    """

    folder: str
    lists: tuple[ListFile, ...]
    parts: tuple[PartJob, ...]
    of: tuple[int, ...]
    minus: tuple[int, ...] = ()
    reports: tuple[int, ...] = ()
    split: SplitJob | None = None


class BatchPlace(Stored):
    """Where a batch stands in the snapshot, in bytes, and what it is."""

    offset: int
    length: int
    count: int
    sha256: str


class PartFound(Stored):
    """How many different openids a part has, and how many lines were left out."""

    openids: int
    dropped: int = 0


class PlanFound(Stored):
    """What came of it: problems, or a snapshot in the job's folder."""

    kind: Literal["planned", "refused"]
    problems: tuple[str, ...] = ()
    openids: int = 0
    duplicates: int = 0
    sha256: str = ""
    batches: tuple[BatchPlace, ...] = ()
    parts: tuple[PartFound, ...] = ()
    reached_before: tuple[int, ...] = ()
    groups: tuple[PlannedGroup, ...] = ()
