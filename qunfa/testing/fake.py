"""A Qunfa without Temporal, whose sends end as a test says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from qunfa.client import Qunfa, Request, Wait
from qunfa.client.sending import Asked, asked_for, differences
from qunfa.contract.audience import OPENIDS_MIN, Batch
from qunfa.contract.content import differing
from qunfa.contract.ids import MassSendId
from qunfa.contract.refusal import InvalidRequestError
from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.contract.result import COMPLETES, Outcome
from qunfa.rules.approval import Policy, problems
from qunfa.rules.problems import ABORT, MARK_SENT, PLAN_MISSING, PROBLEMS, RETRY
from qunfa.rules.terms import NOT_ASKED_FOR, terms
from qunfa.send.joining import REUSED
from qunfa.testing.handle import FakeHandle
from qunfa.testing.send import DOUBTS, Ending, FakeSend

FIRST_MSG_ID: Final = 3_000_000_001


class FakeQunfa(Qunfa):
    """Checks requests as the workers do, but for what only they know: files, accounts, WeChat.

    Each request is sent well at once, unless the test has said otherwise before. Times do not pass: a ``send_at`` is
    not waited for. ``requests`` are those that were started, in order.
    """

    def __init__(self) -> None:
        self.requests: list[MassSendRequest] = []
        self._sends: dict[MassSendId, FakeSend] = {}
        self._ledger: dict[MassSendId, FakeSend] = {}
        self._endings: dict[str | None, Ending] = {None: Ending()}
        self._count = 0

    def ends(self, outcome: Outcome, *, problem: str | None = None, key: str | None = None) -> None:
        """Have sends end so: that of the ``key``, or all others; ``problem`` is one of the operators' guide's table."""
        if problem is not None and problem not in PROBLEMS:
            raise ValueError(f"there is no problem {problem!r}; there are: {', '.join(PROBLEMS)}")
        if problem in DOUBTS and outcome not in {*COMPLETES, "unknown"}:
            raise ValueError(f"a send that ends with {problem!r} ends as unknown, and not as {outcome}")
        self._endings[key] = replace(self._ending(key), outcome=outcome, problem=problem)

    def waits_with(self, problem: str, *, key: str | None = None) -> None:
        """Have sends ask a person about this problem; after a ``retry`` they end as the test says.

        Those of a batch and of a restored database are refused, such as ``plan_missing``.
        """
        answers = set(PROBLEMS[problem].answers if problem in PROBLEMS else {""})
        if problem == PLAN_MISSING or not answers <= {RETRY, MARK_SENT, ABORT}:
            raise ValueError(f"no send of a fake can ask about {problem!r}")
        self._endings[key] = replace(self._ending(key), asks=problem)

    def waits_for_approval(self, *, key: str | None = None) -> None:
        """Have sends wait for approval, as an account's policy may want."""
        self._endings[key] = replace(self._ending(key), needs_approval=True)

    def refuses(self, *sentences: str, key: str | None = None) -> None:
        """Have requests refused for what only workers know, such as ``message.media: there is no such file``."""
        self._endings[key] = replace(self._ending(key), refused=sentences)

    def plans(self, openids: int, *, key: str | None = None) -> None:
        """Have the audience of a send in batches be so many openids: the fake reads no list."""
        if openids < OPENIDS_MIN:
            raise ValueError(f"a send in batches has {OPENIDS_MIN} openids or more, not {openids}")
        self._endings[key] = replace(self._ending(key), openids=openids)

    async def send(self, request: Request, *, wait: Wait = "accepted", within: timedelta | None = None) -> FakeHandle:
        """Carry the request out, unless there is one under its key; ``"result"`` waits for that one, too."""
        asked = asked_for(request)
        before = self._sends.get(asked.send)
        if before is not None and before.outcome is None and not before.refused:
            found = differences(asked, before.raw) or ()
            handle = self._handle(asked.send, before, differs=found)
        else:
            send = self._sends[asked.send] = self._new(asked)
            handle = self._handle(asked.send, send, started=True)
        if wait != "started":
            await handle.accepted()
        if wait == "result":
            await handle.result(within=within)
        return handle

    def handle(self, account: str, key: str) -> FakeHandle:
        """The send of this account and key."""
        return self._handle(MassSendId(account, key))

    def _handle(self, send: MassSendId, run: FakeSend | None = None, **found: Any) -> FakeHandle:
        return FakeHandle(lambda: self._sends.get(send), run, *send, **found)

    def _ending(self, key: str | None) -> Ending:
        return self._endings.get(key, self._endings[None])

    def _new(self, asked: Asked) -> FakeSend:
        before = self._ledger.get(asked.send)
        self._count += 1
        ending, now = self._ending(asked.send.key), datetime.now(UTC)
        request, refused = _checked(asked, ending, now)
        send = FakeSend(
            account=asked.send.account,
            key=asked.send.key,
            raw=asked.raw,
            request=request,
            refused=refused,
            ending=ending,
            msg_id=FIRST_MSG_ID + self._count,
            run_id=f"fake-run-{self._count}",
        )
        if before is not None:
            if request and before.request and not (send.refused or send.is_late):
                send.refused = _other_content(request, before.request)
            if send.refused and before.may_have_been_delivered:
                send.refused.append(before.told_to_who_is_refused())
            send.follow(before)
        if request is not None and not send.refused:
            self.requests.append(request)
            if not send.is_late:
                self._ledger[asked.send] = send
            send.go_on()
            self._count += len(send.batches)
        return send


def _checked(asked: Asked, ending: Ending, now: datetime) -> tuple[MassSendRequest | None, list[str]]:
    """The request, and what is wrong with it."""
    try:
        request = parse_request(asked.raw)
    except InvalidRequestError as error:
        return None, list(error.problems)
    refused = terms(request, now)
    if isinstance(request.audience, Batch):
        refused.append(f"audience.kind: {NOT_ASKED_FOR}")
    policy: Policy = "always" if ending.needs_approval else "never"
    return request, refused or [*problems(policy, request), *ending.refused]


def _other_content(asked: MassSendRequest, before: MassSendRequest) -> list[str]:
    """What is said of a key that stands for content already, and comes again with other content.

    A message's files may be the same at other URIs, and the fake reads none.
    """
    found = differing(asked, before)
    is_same = not found.fields or (found.in_uris and "audience" not in found.fields)
    return [] if is_same else [REUSED.format(key=asked.key)]
