"""What an account takes for WeChat's word: by its configuration, never by what a request claims.

| mode | signed with the Token | believed |
|---|---|---|
| plain | timestamp and nonce (`signature`) | the body, which nothing covers |
| compat, safe | timestamp, nonce and the encrypted part (`msg_signature`) | what the encrypted part holds, alone |
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, NamedTuple, TypeVar

from qunfa.callback.answers import Answer, Refusal
from qunfa.callback.cipher import CipherError, MessageCipher
from qunfa.callback.envelope import encrypted_part
from qunfa.callback.malformed import EventError
from qunfa.callback.signature import Query, Signed, age, is_genuine, read_signed
from qunfa.callback.used import UsedSignatures
from qunfa.settings import CallbackSettings

_R = TypeVar("_R")
_FORGED: Final = "the signature does not fit the account's token"


class Push(NamedTuple):
    """A push that WeChat has signed: how, its body as it came, and what it says."""

    signed: Signed
    body: bytes
    content: bytes


class Gate:
    """Tells an account's pushes from everything else. In a rotation, old and new token and key are good in any pair."""

    def __init__(self, appid: str, callback: CallbackSettings, window: timedelta, used: UsedSignatures) -> None:
        self._appid = appid
        self._used = used
        self._tokens = callback.tokens
        self._window = window.total_seconds()
        self._encrypted = callback.mode != "plain"
        self._ciphers = [MessageCipher(key, appid) for key in callback.aes_keys]

    def check_url(self, query: Query) -> None:
        """Checks WeChat's `GET`, which is signed like a plain push in every mode.

        Raises:
            Refusal: It is not WeChat's, or an old one.
        """
        self._plainly_signed(query)

    async def admit(
        self, query: Query, read: Callable[[], Awaitable[bytes]], take: Callable[[Push], Awaitable[_R]]
    ) -> _R:
        """What `take` makes of the push that `read` gets from the network, once it is known to be WeChat's.

        When that has gone well, nothing else is admitted under its signature.

        Raises:
            Refusal: It is not WeChat's, or an old one. A query that is not WeChat's is refused unread.
        """
        push = await self._admit(query, read)
        return await self._used.use(push.signed, self._appid, push.body, lambda: take(push))

    async def _admit(self, query: Query, read: Callable[[], Awaitable[bytes]]) -> Push:
        if not self._encrypted:
            signed = self._plainly_signed(query)
            body = await read()
            return Push(signed, body, body)
        if "signature" in query and not is_genuine(self._tokens, read_signed(query)):
            raise Refusal(Answer.FORGED, _FORGED)
        body = await read()
        encrypted = _encrypted_part(body)
        signed = read_signed(query, "msg_signature")
        if not is_genuine(self._tokens, signed, encrypted):
            raise Refusal(Answer.FORGED, f"{_FORGED} and the encrypted part")
        self._check_time(signed)
        return Push(signed, body, self._decrypted(encrypted))

    def _plainly_signed(self, query: Query) -> Signed:
        signed = read_signed(query)
        if not is_genuine(self._tokens, signed):
            raise Refusal(Answer.FORGED, _FORGED)
        self._check_time(signed)
        return signed

    def _check_time(self, signed: Signed) -> None:
        """WeChat signs anew, or repeats, within seconds; what is far older was overheard, or a clock is wrong.

        What is good fixes the order of its parts, whatever becomes of it. What is too old does so only where its nonce
        is a time to come. Otherwise a stranger who takes a good signature apart could shut out WeChat's own order.
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
        """All failures are one answer: nobody learns from it how far a forgery came."""
        reason = None
        for cipher in self._ciphers:
            try:
                return cipher.open(encrypted)
            except CipherError as error:
                reason = reason or str(error)
        raise Refusal(Answer.FORGED, reason or "the account has no aes_key")


def _encrypted_part(body: bytes) -> str:
    try:
        encrypted = encrypted_part(body)
    except EventError as error:
        raise Refusal(Answer.FORGED, str(error)) from None
    if not encrypted:
        raise Refusal(Answer.FORGED, "the push is not encrypted, and the account's mode wants it to be")
    return encrypted
