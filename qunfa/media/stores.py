"""Sources in object stores."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError, GenericError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from qunfa.media.policy import SourcePolicy, StorePlace
from qunfa.media.spool import CHUNK, SourceError, SourceRefused, SourceUnavailable, Spool

if TYPE_CHECKING:
    from obstore.store import S3Config  # there is none at run time

_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")


class StoreSources:
    """Reads objects of S3, or of a server that speaks its protocol, from listed buckets and folders in them."""

    def __init__(self, policy: SourcePolicy) -> None:
        self._policy = policy
        self._folders = tuple(StorePlace.parse_folder(prefix) for prefix in policy.stores)
        self._stores: dict[str, S3Store] = {}

    async def read_into(self, spool: Spool) -> None:
        """Fetch the object that `spool.uri` names into `spool`.

        Raises:
            SourceRefused: it is not in a listed store, is not there, or the credentials do not reach it.
            SourceUnavailable: the store failed or was not reached.
        """
        wanted = StorePlace.parse(spool.uri)
        if not any(folder.holds(wanted) for folder in self._folders):
            raise SourceRefused(
                spool.uri,
                "nothing may be read from there. If it shall be, list its bucket or folder under stores in [media].",
            )
        failure: SourceError
        try:
            await self._read(wanted, spool)
        except (BaseError, FileNotFoundError, ValueError) as error:
            failure = _explained(error, spool.uri)
        else:
            return
        raise failure

    async def _read(self, wanted: StorePlace, spool: Spool) -> None:
        found = await obstore.get_async(self._store(wanted.bucket), wanted.key)
        spool.expect(found.meta["size"])
        chunks: AsyncIterator[bytes] = found.stream(min_chunk_size=CHUNK)
        async for chunk in chunks:
            await asyncio.to_thread(spool.write, chunk)

    def _store(self, bucket: str) -> S3Store:
        if bucket not in self._stores:
            self._stores[bucket] = open_bucket(bucket, self._policy)
        return self._stores[bucket]


def open_bucket(bucket: str, policy: SourcePolicy) -> S3Store:
    """A bucket, with the endpoint, the region and the limits of time that `policy` names."""
    config: S3Config = {}
    if policy.s3_endpoint is not None:
        config["endpoint"] = policy.s3_endpoint
    if policy.s3_region is not None:
        config["region"] = policy.s3_region
    return S3Store(
        bucket,
        config=config,
        client_options={
            "allow_http": (policy.s3_endpoint or "").startswith("http://"),
            "connect_timeout": policy.connect_max,
            "read_timeout": policy.silence_max,
            "timeout": policy.time_max,
            "user_agent": "qunfa",
        },
        retry_config={"max_retries": 0, "retry_timeout": policy.time_max},
    )


def error_code(error: BaseException) -> str | None:
    """S3's own code in an error: the only thing of it that may be shown."""
    found = _CODE.search(str(error))
    return found[1] if found else None


def _explained(error: BaseError | FileNotFoundError | ValueError, uri: str) -> SourceError:
    """The library's text quotes URLs and whole answers; only S3's error code is taken from it."""
    code = error_code(error)
    said = f" ({code})" if code else ""
    match error:
        case FileNotFoundError():
            return SourceRefused(uri, f"there is no such object{said}. Correct the bucket and the key.")
        case PermissionDeniedError() | UnauthenticatedError():
            return SourceRefused(
                uri,
                f"the store refuses the worker's credentials{said}. Check AWS's variables and the right to read it.",
            )
        case GenericError():
            return SourceUnavailable(
                uri,
                f"the store failed, or was not reached{said}. Check its endpoint, region and credentials; try later.",
            )
    return SourceRefused(uri, f"the store does not take this request ({type(error).__name__}). Correct the key.")
