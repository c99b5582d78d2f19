"""Which pushes an account believes, and from where. Its configuration decides it, never what a request claims.

| mode | signed with the Token | believed |
|---|---|---|
| plain | timestamp and nonce (`signature`) | the body, which nothing covers |
| compat, safe | timestamp, nonce and the encrypted part (`msg_signature`) | what the encrypted part holds, alone |
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from starlette.datastructures import Headers
from starlette.types import Scope
from structlog.typing import FilteringBoundLogger

from qunfa.callback.answers import Answer, Refusal
from qunfa.callback.crypto import CipherError, MessageCipher, Query, Signed, age, is_genuine, read_signed
from qunfa.callback.document import EventError, HostileError, read_document
from qunfa.callback.limits import Recent, Turns, digest
from qunfa.settings import CallbackSettings

_FORGED: Final = "the signature does not fit the account's token"
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
FILE_MAX: Final = 1024 * 1024
_PART_IN_XML: Final = re.compile(rb"<Encrypt>\s*+(?:<!\[CDATA\[)?+([A-Za-z0-9+/=\s]++)(?:\]\]>)?+\s*+</Encrypt>")
_PART_IN_JSON: Final = re.compile(rb'"Encrypt"\s*+:\s*+"([A-Za-z0-9+/=\\]++)"')
"""Nothing is taken back in them, so no body takes long."""
_WITH_PORT: Final = re.compile(r"\[([^\]]+)\](?::\d+)?|([\d.]+):\d+", re.ASCII)
"""As some proxies write an address; one of IPv6 is in brackets then."""
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.callback")


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
        signed = read_signed(query, "msg_signature")
        self._check_unread(query, signed)
        body = await read()
        if "signature" not in query:
            self._check_part(signed, _part_as_written(body))  # a stranger's body is not parsed
        encrypted = _encrypted_part(body)
        self._check_part(signed, encrypted)
        self._check_time(signed)
        return Push(signed, body, self._decrypted(encrypted))

    def _check_part(self, signed: Signed, encrypted: str) -> None:
        if not (encrypted and is_genuine(self._tokens, signed, encrypted)):
            raise Refusal(Answer.FORGED, f"{_FORGED} and the encrypted part")

    def _check_unread(self, query: Query, signed: Signed) -> None:
        """Refuses what no body could make good. Without `signature` nothing is known yet of who wrote the timestamp."""
        seconds = age(signed.timestamp)
        if not all(signed):
            raise Refusal(Answer.FORGED, "msg_signature, timestamp and nonce do not stand there once each")
        if "signature" not in query and (seconds is None or abs(seconds) > self._window):
            raise Refusal(Answer.FORGED, "no signature beside msg_signature, and a timestamp outside replay_window")
        if "signature" in query and not is_genuine(self._tokens, read_signed(query)):
            raise Refusal(Answer.FORGED, _FORGED)

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
    """The part that is signed. What a follower types stands in the clear beside it, and may break the body."""
    try:
        encrypted = read_document(body).get("Encrypt")
    except HostileError as error:
        raise Refusal(Answer.FORGED, str(error)) from None
    except EventError as error:
        encrypted = _part_as_written(body)
        if not encrypted:
            raise Refusal(Answer.FORGED, str(error)) from None
    if not encrypted:
        raise Refusal(Answer.FORGED, "the push is not encrypted, and the account's mode wants it to be")
    return encrypted


def _part_as_written(body: bytes) -> str:
    """The one that stands in the body as WeChat writes it, found without parsing; empty where there is not one."""
    parts = (_PART_IN_JSON if body.lstrip().startswith(b"{") else _PART_IN_XML).findall(body)
    return parts[0].replace(b"\\/", b"/").decode().strip() if len(parts) == 1 else ""


class SourcesError(Exception):
    """A list of addresses cannot be used. The message says which and why."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: the address as it is compared, and as it is shown."""

    address: Address
    shown: str


def caller(scope: Scope, proxies: Sequence[Network]) -> Caller | None:
    """Who sent the request: the peer, or the one from whom our own proxies got it.

    None where a proxy of ours names no address that can be read.
    """
    peer = scope.get("client")
    found = _caller(peer[0]) if peer else None
    if found is None or not _is_within(found.address, proxies):
        return found
    named = [one for line in Headers(scope=scope).getlist("x-forwarded-for") for one in line.split(",")]
    while found is not None and named and _is_within(found.address, proxies):
        found = _caller(named.pop())
    return found


class Sources:
    """The addresses that WeChat pushes from: a fixed list, and a file that is read again whenever it changes.

    While the file cannot be read, the last good list stays in place. A bad update must not shut WeChat out.
    """

    def __init__(self, networks: Sequence[Network], file: Path | None) -> None:
        """Raises SourcesError where the file cannot be read now."""
        self._fixed = tuple(networks)
        self._file = file
        self._version = None if file is None else _version(file)
        self._listed = () if file is None else read_sources(file)

    def admit(self, sender: Caller | None) -> bool:
        """Whether WeChat pushes from there."""
        self._refresh()
        return sender is not None and _is_within(sender.address, (*self._fixed, *self._listed))

    def _refresh(self) -> None:
        if self._file is None or (version := _version(self._file)) == self._version:
            return
        self._version = version
        try:
            self._listed = read_sources(self._file)
        except SourcesError as error:
            _LOG.error("sources not read again", reason=str(error))
        else:
            _LOG.info("sources read again", file=str(self._file), networks=len(self._listed))


def read_sources(file: Path) -> tuple[Network, ...]:
    """The addresses and networks of a file: one a line, or the answer of WeChat's `getcallbackip`.

    Raises:
        SourcesError: It cannot be read, holds something else, or nothing.
    """
    try:
        with file.open("rb") as stream:
            text = stream.read(FILE_MAX).decode()
        words = json.loads(text)["ip_list"] if text.lstrip().startswith("{") else _lines(text)
        networks = tuple(_plain(ip_network(word, strict=False)) for word in words)
    except OSError as error:
        raise SourcesError(f"cannot read {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SourcesError(
            f"{file} is neither a list of addresses and networks, one a line, nor an answer of getcallbackip"
        ) from None
    if not networks:
        raise SourcesError(f"{file} lists no address: nobody could push")
    return networks


def _lines(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _version(file: Path) -> tuple[int, int, int, int] | None:
    """What differs once the file does, or who may read it."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


@lru_cache(maxsize=256)  # few callers, WeChat's or a proxy's, come again and again
def _caller(text: str) -> Caller | None:
    """The address that the text spells, alone or with a port. One of IPv4 that is mapped into IPv6 is given as IPv4."""
    text = text.strip()
    if found := _WITH_PORT.fullmatch(text):
        text = found[1] or found[2]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return Caller(address, str(address))


def _plain(network: Network) -> Network:
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return network if mapped is None else ip_network((mapped, max(0, network.prefixlen - 96)), strict=False)


def _is_within(address: Address, networks: Sequence[Network]) -> bool:
    return bool(networks) and any(address in network for network in networks)
