"""Calls of the API and the log of them. Tokens and secrets are never part of it."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from starlette.datastructures import QueryParams

from qunfa.simulator.accounts import Account
from qunfa.simulator.clock import Changes
from qunfa.simulator.errors import Refusal
from qunfa.simulator.jobs import Job
from qunfa.simulator.uploads import Upload

Answer = dict[str, object]
"""The JSON object of an answer."""

# An escape of a character outside ASCII whose backslash is not itself escaped.
_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\u(?!00[0-7])[0-9a-fA-F]{4}")


@dataclass(eq=False)
class Call:
    """One HTTP call.

    Attributes:
        query: the query parameters; with the access token, so not for the log.
        raw: the body as it came.
        received: bytes of an upload that have come so far.
        file: of an upload, or why there is none.
        account: whose call it is, as far as token or appid tell.
        clientmsgid: the body's, if it has one.
        errcode: what was answered; None if no answer was (or will be) given.
        fault: the kind of fault that struck.
        job: the job that was accepted.
        answered: whether the call is over.
    """

    time: float
    path: str
    method: str
    query: QueryParams = field(repr=False)
    raw: bytes = field(repr=False)
    client: str
    received: int = 0
    file: Upload | Refusal | None = field(default=None, repr=False)
    account: Account | None = None
    clientmsgid: str | None = None
    errcode: int | None = None
    fault: str | None = None
    job: Job | None = None
    answered: bool = False

    def peek(self, name: str) -> str | None:
        """A text of the JSON body, if it is one and has it; half a surrogate pair becomes a question mark."""
        value = self._parsed.get(name) if isinstance(self._parsed, dict) else None
        return value.encode(errors="replace").decode() if isinstance(value, str) else None

    def json(self) -> dict[str, object]:
        """The body.

        Raises:
            Refusal: 44002 it is empty, 47001 it is no JSON object in UTF-8, 47002 it has Unicode escapes.
        """
        if not self.raw.strip():
            raise Refusal(44002)
        if not isinstance(self._parsed, dict):
            raise Refusal(47001)
        if _ESCAPED.search(self.raw):
            raise Refusal(47002)
        return self._parsed

    def upload(self) -> Upload:
        """The file of a multipart form.

        Raises:
            Refusal: 41005 there is none, 44001 it is empty, 45001 it is too big for anything.
        """
        if isinstance(self.file, Refusal):
            raise self.file
        if self.file is None:
            raise Refusal(41005)
        if not self.file.size:
            raise Refusal(44001)
        return self.file

    @cached_property
    def _parsed(self) -> object:
        try:
            return json.loads(self.raw.decode())
        except ValueError:
            return None

    @property
    def owner(self) -> Account:
        """The account, of a call whose token was accepted."""
        if self.account is None:
            raise Refusal(40001)
        return self.account

    def close(self) -> None:
        """The call is over, answered or not: the token and the body are forgotten."""
        self.answered = True
        self.query, self.raw, self.file = QueryParams(), b"", None
        self.__dict__.pop("_parsed", None)
        if self.job is not None:
            self.job.open = False


class CallLog:
    """The latest calls, oldest first."""

    def __init__(self, size: int, changes: Changes) -> None:
        self._calls: deque[Call] = deque(maxlen=size)
        self._changes = changes

    def open(self, call: Call) -> None:
        """Enter a call that has just come in."""
        self._calls.append(call)
        self._changes.notify()

    def close(self, call: Call) -> None:
        """Note that a call is over."""
        call.close()
        self._changes.notify()

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls)

    def __len__(self) -> int:
        return len(self._calls)
