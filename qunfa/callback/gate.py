"""Which pushes an account believes. Its configuration decides it, never what a request claims.

| mode | signed with the Token | believed |
|---|---|---|
| plain | timestamp and nonce (`signature`) | the body, which nothing covers |
| compat, safe | timestamp, nonce and the encrypted part (`msg_signature`) | what the encrypted part holds, alone |
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, NamedTuple

from qunfa.callback.answers import Answer, Refusal
from qunfa.callback.crypto import CipherError, MessageCipher, Query, Signed, age, is_genuine, read_signed
from qunfa.callback.document import EventError, read_document
from qunfa.callback.recent import Recent, Turns, digest
from qunfa.settings import CallbackSettings

_FORGED: Final = "the signature does not fit the account's token"


class Push(NamedTuple):
    """A push that WeChat has signed: how, its body as it came, and what it says."""

    signed: Signed
    body: bytes
    content: bytes


class UsedSignatures:
    """The signatures that were used, so that none serves twice. Accounts may share a Token, so all share this.

    WeChat signs Token, timestamp and nonce sorted and joined. So somebody could exchange timestamp and nonce under a
    signature, or move digits from one to the other. In plain mode any body can stand below it. WeChat itself repeats a
    push under its signature, after a failure and where it got no answer in time.
    """

    def __init__(self, span: timedelta) -> None:
        """`span`: how long a signature could be good, from when it is first seen."""
        self._used: Recent[bytes] = Recent(span)  # the timestamp, and what stands for the push
        self._turns = Turns()

    def note(self, signed: Signed) -> None:
        """Remembers the timestamp of a signature whose request is not taken, or changes nothing."""
        if self._used.get(signed.signature) is None:
            self._used.note(signed.signature, _time(signed))

    def check(self, signed: Signed) -> bytes:
        """What stands for the push that the signature belongs to; empty where it belongs to none.

        Raises:
            Refusal: It was seen with another timestamp.
        """
        used, timestamp = self._used.get(signed.signature), _time(signed)
        if used is not None and not used.startswith(timestamp):
            raise Refusal(Answer.FORGED, "the signature was seen with another timestamp: somebody has taken it apart")
        return (used or b"").removeprefix(timestamp)

    @asynccontextmanager
    async def use(self, signed: Signed, push: bytes) -> AsyncIterator[None]:
        """A block in which a push is taken. If that goes well, the signature belongs to this push from then on.

        Raises:
            Refusal: It belongs to another push.
        """
        async with self._turns.of(signed.signature):
            used = self.check(signed)
            if used and used != push:
                raise Refusal(Answer.FORGED, "the signature was used for another push: somebody has overheard it")
            yield
            self._used.note(signed.signature, _time(signed) + push)


class Gate:
    """Tells an account's pushes from everything else. In a rotation any pair of old and new token and key is good."""

    def __init__(self, appid: str, callback: CallbackSettings, window: timedelta, used: UsedSignatures) -> None:
        self._appid = appid
        self._used = used
        self._tokens = callback.tokens
        self._window = window.total_seconds()
        self._encrypted = callback.mode != "plain"
        self._ciphers = [MessageCipher(key, appid) for key in callback.aes_keys]

    def check_plain(self, query: Query) -> Signed:
        """Checks a query that is signed as a whole: that of WeChat's `GET`, in every mode, and that of a plain push.

        Raises:
            Refusal: It is not WeChat's, or an old one.
        """
        signed = read_signed(query)
        if not is_genuine(self._tokens, signed):
            raise Refusal(Answer.FORGED, _FORGED)
        self._check_time(signed)
        return signed

    @asynccontextmanager
    async def admit(self, query: Query, read: Callable[[], Awaitable[bytes]]) -> AsyncIterator[Push]:
        """A push, once it is known to be WeChat's, for a block in which it is taken.

        Its body is what `read` gets from the network. When the block has gone well, nothing else is admitted under the
        push's signature.

        Raises:
            Refusal: It is not WeChat's, or an old one. A query that is not WeChat's is refused unread.
        """
        push = await (self._open(query, read) if self._encrypted else self._plain(query, read))
        async with self._used.use(push.signed, digest(self._appid.encode(), push.body)):
            yield push

    async def _plain(self, query: Query, read: Callable[[], Awaitable[bytes]]) -> Push:
        signed = self.check_plain(query)
        body = await read()
        return Push(signed, body, body)

    async def _open(self, query: Query, read: Callable[[], Awaitable[bytes]]) -> Push:
        if "signature" in query and not is_genuine(self._tokens, read_signed(query)):
            raise Refusal(Answer.FORGED, _FORGED)
        body = await read()
        encrypted = _encrypted_part(body)
        signed = read_signed(query, "msg_signature")
        if not is_genuine(self._tokens, signed, encrypted):
            raise Refusal(Answer.FORGED, f"{_FORGED} and the encrypted part")
        self._check_time(signed)
        return Push(signed, body, self._decrypted(encrypted))

    def _check_time(self, signed: Signed) -> None:
        """WeChat signs anew, or repeats, within seconds. What is far older was overheard, or a clock is wrong.

        A good signature fixes the order of its parts, whatever becomes of it. One that is too old does so only where
        its nonce is a time to come. Otherwise a stranger who takes a good signature apart could shut out WeChat's own.
        """
        self._used.check(signed)
        seconds = age(signed.timestamp)
        if seconds is None:
            raise Refusal(Answer.FORGED, "the timestamp is not the ten digits of WeChat's")
        other = age(signed.nonce)
        if abs(seconds) > self._window:
            if other is not None and other < -self._window:
                self._used.note(signed)
            raise Refusal(
                Answer.STALE,
                f"signed {seconds:.0f} s ago by this machine's clock: a repetition by somebody else, "
                "or the clock is wrong",
            )
        if other is not None and abs(other) <= self._window:
            raise Refusal(Answer.FORGED, "the nonce could be the timestamp: somebody may have exchanged the two")
        self._used.note(signed)

    def _decrypted(self, encrypted: str) -> bytes:
        """Every decryption error gets the same answer."""
        reason = None
        for cipher in self._ciphers:
            try:
                return cipher.open(encrypted)
            except CipherError as error:
                reason = reason or str(error)
        raise Refusal(Answer.FORGED, reason or "the account has no aes_key")


def _time(signed: Signed) -> bytes:
    return f"{signed.timestamp} ".encode()


def _encrypted_part(body: bytes) -> str:
    try:
        encrypted = read_document(body).get("Encrypt")
    except EventError as error:
        raise Refusal(Answer.FORGED, str(error)) from None
    if not encrypted:
        raise Refusal(Answer.FORGED, "the push is not encrypted, and the account's mode wants it to be")
    return encrypted
